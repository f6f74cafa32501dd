/** Snippets of C++ against a live library of C++. */

import { describe, expect, test } from 'vitest';
import { BindingError, CompileError, LinkError, NativeError, type SourceLibrary } from '../../src/index.ts';
import { LOADERS, loadIn, makeLogIn } from '../contract/harness.ts';
import { describeSnippets, failureOf } from './harness.ts';

const SOURCE = `
#include <stdexcept>
#include <string>
#include <vector>
struct Bits { unsigned field : 3; };
struct Shape { virtual ~Shape() {} virtual double area() const { return 0; } };
struct Square : Shape {
  double side;
  explicit Square(double side) : side(side) { made++; }
  double area() const override;
  static int made;
};
int Square::made = 0;
double Square::area() const { return side * side; }
template <class T> T biggest(T a, T b) { return a < b ? b : a; }
template <class T> struct Count { static int value; };
template <class T> int Count<T>::value = 0;
inline int shared = 3;
std::string greeting = std::string("hello ") + "world";
std::vector<int> numbers{1, 2, 3};
static std::string secret = "secret";
const std::string constant = "c" + greeting;
namespace geo {
int depth = 3;
static int deep() { return depth * 2; }
enum class Kind : short { A = 1, B = 7 };
}
namespace { int anonymous = 1; }
int overloaded(int) { return 1; }
int overloaded(double) { return 2; }
extern "C" {
int bump() { return ++shared; }
int size() { return (int)numbers.size(); }
int count() { return ++Count<int>::value; }
void fail(int code) { throw code; }
Shape *square(double side) { return new Square(side); }
}
`;

const load = (loader: (typeof LOADERS)[number]): Promise<SourceLibrary> =>
  loadIn(loader, SOURCE, { language: 'c++', flags: ['-std=c++20'] });

describeSnippets('a snippet of C++', () => {
  describe.each(LOADERS)('in the %s loader', (loader) => {
    test('uses classes, overloads, templates and namespaces of the library', async () => {
      const library = await load(loader);
      expect(await library.evaluate('Square(3).area()')).toBe(9);
      expect(await library.evaluate('Square::made')).toBe(1);
      expect(await library.evaluate('dynamic_cast<Square *>(square(4))->side')).toBe(4);
      expect(await library.evaluate('biggest(2.5, 1.5) + biggest<long>(2, 3)')).toBe(5.5);
      expect(await library.evaluate('overloaded(1) * 10 + overloaded(1.0)')).toBe(12);
      expect(await library.evaluate('geo::deep()')).toBe(6);
      expect(await library.evaluate('geo::Kind::B')).toBe(7);
    });

    test('shares objects, inline variables and statics of templates, and constructs nothing again', async () => {
      const library = await load(loader);
      expect(await library.evaluate('greeting.c_str()')).toBe('hello world');
      expect(await library.evaluate('numbers.push_back(9)')).toBeUndefined();
      expect(library.func('int size()')()).toBe(4);
      expect(await library.evaluate('numbers.size()')).toBe(4);
      library.func('int bump()')();
      expect(await library.evaluate('++shared')).toBe(5);
      expect(library.func('int bump()')()).toBe(6);
      library.func('int count()')();
      expect(await library.evaluate('Count<int>::value += 10')).toBe(11);
      expect(library.func('int count()')()).toBe(12);
    });

    test('catches what the library throws', async () => {
      const library = await load(loader);
      await library.evaluate(
        'int caught(int code) { try { fail(code); } catch (int thrown) { return thrown; } return 0; }',
      );
      expect(await library.evaluate('caught(42)')).toBe(42);
      expect(
        await library.evaluate('try { throw std::runtime_error("x"); } catch (std::exception &) { geo::depth = 11; }'),
      ).toBeUndefined();
      expect(await library.evaluate('geo::depth')).toBe(11);
    });

    test('leaves variables of any type, lambdas, classes and templates', async () => {
      const library = await load(loader);
      await library.evaluate('std::string own = greeting + "!";');
      expect(await library.evaluate('own += "?"; own.c_str()')).toBe('hello world!?');
      await library.evaluate('auto twice = [](int value) { return value * 2; };');
      await library.evaluate('template <class T> T squared(T value) { return value * value; }');
      await library.evaluate('class Pair { public: int a = 3, b = 4; int sum() { return a + b; } };');
      await library.evaluate('using namespace geo;');
      expect(await library.evaluate('twice(4) + squared(1.5) + Pair().sum() + depth')).toBe(8 + 2.25 + 7 + 3);
      expect(await library.evaluate('Pair pair; pair.a = depth; pair.sum()')).toBe(7);
      expect(await library.evaluate('for (auto each : numbers) depth += each; depth')).toBe(9);
    });
  });

  test('is evaluated whatever macros the source has', async () => {
    const source = '#define T int\n#define type 5\n#define visibility 6\nint value = 3;';
    const library = await loadIn('orc', source, { language: 'c++' });
    expect(await library.evaluate('value + type')).toBe(8);
  });

  test('constructs and destructs what it leaves once', async () => {
    const log = await makeLogIn('orc');
    const library = await loadIn('orc', '#include <cstring>\nchar *text;', { language: 'c++' });
    await library.evaluate(`text = (char *)${log.address}ull;`);
    await library.evaluate(
      'struct Noted { const char *name; Noted(const char *name) : name(name) { strcat(text, "+"); strcat(text, name); }\n' +
        '  ~Noted() { strcat(text, "-"); strcat(text, name); } };',
    );
    await library.evaluate('Noted first("a");');
    await library.evaluate('Noted second("b");');
    expect(await library.evaluate('first.name[0] + second.name[0]')).toBe(97 + 98);
    expect(await library.evaluate('strlen(Noted("c").name)')).toBe(1);
    expect(log.text()).toBe('+a+b+c-c');
    await library.dispose();
    expect(log.text()).toBe('+a+b+c-c-b-a');
  });

  test('gives pointers, characters and truth values', async () => {
    const library = await load('orc');
    for (const [snippet, value] of [
      ['nullptr', null],
      ['true', true],
      ['Bits{5}.field', 5],
      ["'a'", 97],
      ["L'a'", 97],
      ["1'000'000", 1_000_000],
      ['"text"', 'text'],
      ['R"(a;b)"', 'a;b'],
      ['&numbers', library.address('numbers')],
    ] as const) {
      expect(await library.evaluate(snippet), snippet).toBe(value);
    }
  });

  test('refuses objects as values, and state that is static', async () => {
    const library = await load('orc');
    const { message } = await failureOf(BindingError, library.evaluate('greeting'));
    expect(message).toContain('it is a structure or class; take a member of it, or its address');
    for (const [name, snippet] of [
      ['secret', 'secret.size()'],
      ['constant', 'constant.size()'],
      ['anonymous', 'anonymous'],
    ] as const) {
      const error = await failureOf(LinkError, library.evaluate(snippet));
      expect(error.missingSymbols).toEqual([name]);
    }
  });

  test('that is wrong is told of where it is wrong', async () => {
    const library = await load('orc');
    const error = await failureOf(CompileError, library.evaluate('numbers.push("x")'));
    expect(error.diagnostics[0]).toMatchObject({ file: `${library.name}:evaluate-1.cpp`, line: 1, column: 9 });
    expect(error.diagnostics[0]?.message).toContain("no member named 'push'");
  });

  test('that throws rejects with a NativeError, and the next is evaluated', async () => {
    for (const loader of LOADERS) {
      const library = await load(loader);
      const error = await failureOf(NativeError, library.evaluate('throw std::runtime_error("no luck")'));
      expect(error.message).toBe(`${library.name}: evaluate threw std::runtime_error: no luck`);
      expect(error).toMatchObject({ type: 'std::runtime_error', what: 'no luck' });
      expect(await library.evaluate('1 + 1')).toBe(2);
    }
  });
});

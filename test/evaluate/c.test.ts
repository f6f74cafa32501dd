/** Snippets of C against a live library of C. */

import { describe, expect, test } from 'vitest';
import { BindingError, CompileError, LinkError, type SourceLibrary } from '../../src/index.ts';
import { LOADERS, loadIn } from '../contract/harness.ts';
import { describeSnippets, failureOf } from './harness.ts';

const SOURCE = `
#include <stdint.h>
typedef struct { int x, y; } point;
enum color { RED, GREEN = 5 };
#define TWICE(x) ((x) * 2)
int counter = 3;
int big[4] = {1, 2, 3, 4};
const int limit = 99;
static int hidden = 9;
static const int table[3] = {10, 20, 30};
static int from_table(int at) { return table[at]; }
static int touch(void) { return ++hidden; }
static int remember(void) { static int calls; return ++calls; }
int touched(void) { return touch() + 0 * remember(); }
int add(int a, int b) { counter++; return a + b; }
point corner(void) { return (point){1, 2}; }
point *origin(void) { static point at = {7, 8}; return &at; }
const char *label(void) { return "héllo"; }
char *memory(void) { static char text[] = "abc"; return text; }
void nothing(void) { counter = 1000; }
enum color green(void) { return GREEN; }
__attribute__((constructor)) static void start(void) { counter += 100; }
`;

const load = (loader: (typeof LOADERS)[number]): Promise<SourceLibrary> => loadIn(loader, SOURCE);

describeSnippets('a snippet of C', () => {
  describe.each(LOADERS)('in the %s loader', (loader) => {
    test('is an expression that sees functions, macros, types, enumerations and variables', async () => {
      const library = await load(loader);
      expect(await library.evaluate('add(2, 3) * 2')).toBe(10);
      expect(await library.evaluate('TWICE(4) + GREEN + (int)sizeof(point) + limit + big[3]')).toBe(8 + 5 + 8 + 99 + 4);
      expect(await library.evaluate('origin()->y')).toBe(8);
      expect(await library.evaluate('corner().y // the second')).toBe(2);
    });

    test('shares the state of the library, and runs no initialiser again', async () => {
      const library = await load(loader);
      const counter = library.variable('int counter');
      expect(await library.evaluate('counter')).toBe(103);
      library.func('int add(int, int)')(1, 1);
      expect(await library.evaluate('counter')).toBe(104);
      expect(await library.evaluate('counter = 7')).toBe(7);
      expect(counter.value).toBe(7);
      expect(await library.evaluate('add(1, 1); counter')).toBe(8);
      expect(await library.evaluate('&counter')).toBe(library.address('counter'));
      expect(await library.evaluate('(void *)add')).toBe(library.address('add'));
      expect(await library.evaluate('nothing()')).toBeUndefined();
      expect(counter.value).toBe(1000);
    });

    test('never takes what libc has for a static variable without a value', async () => {
      const source = 'static int optind; static const int zero; int bump(void) { return optind += 10 + zero; }';
      const library = await loadIn(loader, source);
      expect(await library.evaluate('bump()')).toBe(10);
      // By now the source is kept parsed.
      const error = await failureOf(LinkError, library.evaluate('optind'));
      expect(error.missingSymbols).toEqual(['optind']);
      expect(await library.evaluate('zero')).toBe(0);
    });

    test('uses static functions and constants, and not what is static and keeps state', async () => {
      const library = await load(loader);
      expect(await library.evaluate('from_table(1) + table[2]')).toBe(50);
      for (const [snippet, name] of [
        ['hidden', 'hidden'],
        ['touch()', 'hidden'],
        ['remember()', 'remember'],
      ] as const) {
        const error = await failureOf(LinkError, library.evaluate(snippet));
        expect(error.message).toBe(
          `${library.name}: a snippet can't reach \`${name}\`: it is static and keeps state, of which the snippet would ` +
            'have a copy of its own. Remove `static`, or call a function that uses it',
        );
        expect(error.missingSymbols).toEqual([name]);
      }
      expect(await library.evaluate('touched()')).toBe(10);
    });

    test('leaves variables, which keep their values, functions, types and macros', async () => {
      const library = await load(loader);
      expect(await library.evaluate('int x = 5;')).toBeUndefined();
      expect(await library.evaluate('x++')).toBe(5);
      expect(await library.evaluate('x')).toBe(6);
      // What C wants to be constant outside of a function.
      expect(await library.evaluate('int a[3] = {add(1, 1), x, 3}, *p = a + counter - counter;')).toBeUndefined();
      expect(await library.evaluate('p[0] * 100 + p[1] * 10 + a[2]')).toBe(263);
      await library.evaluate('const int fixed = add(x, 1);');
      expect(await library.evaluate('fixed')).toBe(7);
      expect(await library.evaluate('int unfinished = 4')).toBeUndefined();
      await library.evaluate('#include <math.h>\n#define SIDE 3\ntypedef struct { double w, h; } size;');
      await library.evaluate('double diagonal(size s) { return sqrt(s.w * s.w + s.h * s.h); }');
      expect(await library.evaluate('diagonal((size){SIDE, SIDE + 1})')).toBe(5);
      await library.evaluate('int (*operation)(int, int) = add;');
      expect(await library.evaluate('operation(20, 22)')).toBe(42);
    });

    test('may be several declarations and statements, and end with an expression', async () => {
      const library = await load(loader);
      expect(await library.evaluate('int z = 3; z * z')).toBe(9);
      expect(await library.evaluate('void set(void) { counter = 77; } set(); counter')).toBe(77);
      expect(await library.evaluate('if (z) counter = 1; else counter = 2; counter')).toBe(1);
      expect(await library.evaluate('int sum = 0;\nfor (int i = 0; i < 4; i++) { sum += big[i]; }\nsum')).toBe(10);
      expect(await library.evaluate('do counter--; while (counter > -5);')).toBeUndefined();
      expect(await library.evaluate('counter')).toBe(-5);
      expect(await library.evaluate('#define SIX 6\nint six = SIX; six + SIX')).toBe(12);
      expect(await library.evaluate('1 + 1;')).toBeUndefined();
      expect(await library.evaluate(' /* nothing */ ')).toBeUndefined();
    });
  });

  test('gives every scalar as a bound function does', async () => {
    const library = await load('orc');
    for (const [snippet, value] of [
      ['(_Bool)5', true],
      ['(char)200', -56],
      ['(unsigned char)200', 200],
      ['(short)40000', -25536],
      ['(uint16_t)40000', 40000],
      ['4000000000u', 4000000000],
      ['-1L', -1],
      ['1ull << 63', 2n ** 63n],
      ['INT64_MIN', -(2n ** 63n)],
      ['(unsigned long)12', 12],
      ['1.5f', 1.5],
      ['0.1', 0.1],
      ['green()', 5],
      ['label()', 'héllo'],
      ['(const char *)memory()', 'abc'],
      ['(const char *)0', null],
      ['(void *)0', null],
      ['big', library.address('big')],
      ['(struct { unsigned a : 3; }){5}.a', 5],
      ['({ int inner = 4; inner * 2; })', 8],
    ] as const) {
      expect(await library.evaluate(snippet), snippet).toBe(value);
    }
    expect(await library.evaluate('memory()')).toBeTypeOf('bigint');
  });

  test.each([
    ['corner()', 'a structure or class; take a member of it, or its address'],
    ['1.0L', 'a floating-point number that is neither `float` nor `double`; cast it to `double`'],
    ['(__int128)1', 'an integer of more than 64 bits, or a character of C++; cast it to `long`'],
    ['(_Complex double)1', 'a complex number; take `__real__` or `__imag__` of it'],
  ])('of the value %s is refused before it runs', async (snippet, reason) => {
    const library = await load('orc');
    const error = await failureOf(BindingError, library.evaluate(snippet));
    expect(error.message).toBe(
      `${library.name}: the value of ${library.name}:evaluate-1.c can't be given to JavaScript: it is ${reason}, or end it ` +
        'with `;` to run it without its value',
    );
    expect(error.type).toBe(snippet);
    expect(await library.evaluate(`${snippet};`)).toBeUndefined();
  });

  test.each([
    ['undefined_name + 1', 1, 1, "use of undeclared identifier 'undefined_name'"],
    ['int q =\n  nope;', 2, 3, "use of undeclared identifier 'nope'"],
    ['add(1, 2) +', 2, 1, 'expected expression'],
    ['int open[] = {add(1, 2), 2};', 1, 15, 'initializer element is not a compile-time constant'],
    ['add(2, 3', 2, 3, "expected ')'"],
    ['int counter = 5;', 1, 5, "redefinition of 'counter'"],
    ['int add(int a, int b) { return 0; }', 1, 5, "redefinition of 'add'"],
    ['counter = 5; origin()->z = 3; counter', 1, 24, "no member named 'z' in 'point'"],
    ['*(struct unknown *)origin()', 0, 0, "incomplete type 'struct unknown' where a complete type is required"],
    ['return 5;', 1, 1, "void function 'fromsource_evaluate' should not return a value"],
  ])('that is wrong, %j, is told of where it is wrong, and leaves nothing', async (snippet, line, column, message) => {
    const library = await load('orc');
    const error = await failureOf(CompileError, library.evaluate(snippet));
    expect(error.diagnostics[0]).toMatchObject(
      line === 0 ? { message } : { file: `${library.name}:evaluate-1.c`, line, column, message },
    );
    expect(error.message).toContain(`in ${library.name}:evaluate-1.c\n`);
    expect(await library.evaluate('counter')).toBe(103);
    expect(await library.evaluate('int q = 2; q')).toBe(2);
  });

  test('shows its own line, and that of an earlier snippet', async () => {
    const library = await load('orc');
    await library.evaluate('int mine = 1;');
    const { message } = await failureOf(CompileError, library.evaluate('// again\nint mine = 2;'));
    const name = library.name;
    expect(message).toBe(
      [
        `${name}: 1 error in ${name}:evaluate-2.c`,
        `${name}:evaluate-2.c:2:5: error: redefinition of 'mine'`,
        '    2 | int mine = 2;',
        '      |     ^~~~',
        `${name}:evaluate-1.c:1:5: note: previous definition is here`,
        '    1 | int mine = 1;',
        '      |     ^~~~',
      ].join('\n'),
    );
  });

  test('that nothing defines what it uses is a LinkError, and leaves nothing', async () => {
    const library = await load('orc');
    const error = await failureOf(LinkError, library.evaluate('int absent(int); int use(void) { return absent(1); }'));
    expect(error.missingSymbols).toEqual(['absent']);
    expect(await library.evaluate('int use(void) { return 3; } use()')).toBe(3);
  });

  test('is refused when it is no text, or comes with an unknown option', async () => {
    const library = await load('orc');
    await expect(library.evaluate(5 as never)).rejects.toThrow(TypeError);
    await expect(library.evaluate('1', { timeout: 1 } as never)).rejects.toThrow('Unknown option `timeout`');
    await expect(library.evaluate('1', { signal: 1 } as never)).rejects.toThrow(
      'Expected `signal` to be an AbortSignal',
    );
  });
});

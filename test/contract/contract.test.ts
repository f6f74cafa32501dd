/** What holds for every library, whichever loader it lives in. */

import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { CompileInput } from '../../src/compile/compiler.ts';
import {
  DisposedError,
  LinkError,
  readBytes,
  readString,
  type SourceLibrary,
  type SourceLibrarySpec,
  SymbolNotFoundError,
  viewBytes,
} from '../../src/index.ts';
import { selectLoader } from '../../src/loader/select.ts';
import { hasShim, LOADERS, LOGGING, loadIn, makeLogIn } from './harness.ts';
import { linkedImageLoader } from './linked-image.ts';

/** The permissions of the mapping that an address lies in, such as `r-xp`. V8 has `rwx` mappings of its own. */
function permissions(address: bigint): string {
  for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
    const [, from, to, mode] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line) ?? [];
    if (from !== undefined && BigInt(`0x${from}`) <= address && address < BigInt(`0x${to}`)) return mode as string;
  }
  return 'unmapped';
}

describe.each(LOADERS)('on the %s loader', (loader) => {
  const load = (source: string, options?: Partial<SourceLibrarySpec>) => loadIn(loader, source, options);
  const makeLog = () => makeLogIn(loader);

  test('scalars of every type go in and come out', async () => {
    const types = {
      bool: [true, false],
      char: [-128, 0, 127],
      'signed char': [-128, 127],
      'unsigned char': [0, 255],
      short: [-32768, 32767],
      'unsigned short': [0, 65535],
      int: [-2147483648, 2147483647],
      'unsigned int': [0, 4294967295],
      long: [-1, -(2n ** 63n), 2n ** 63n - 1n],
      'unsigned long': [0, 2n ** 64n - 1n],
      'long long': [-1, -(2n ** 63n), 2n ** 63n - 1n],
      'unsigned long long': [0, 2n ** 64n - 1n],
      float: [0.5, -1.25, Number.POSITIVE_INFINITY, Number.NaN],
      double: [0.1, -1e308, Number.NEGATIVE_INFINITY, Number.NaN],
      int8_t: [-128, 127],
      uint8_t: [255],
      int16_t: [-32768],
      uint16_t: [65535],
      int32_t: [-2147483648],
      uint32_t: [4294967295],
      int64_t: [-(2n ** 63n)],
      uint64_t: [2n ** 64n - 1n],
      size_t: [42, 2n ** 64n - 1n],
    } as const;
    const names = Object.keys(types) as (keyof typeof types)[];
    const functions = names.map((type, index) => `${type} same_${index}(${type} x) { return x; }`);
    const library = await load(
      `#include <stdbool.h>\n#include <stdint.h>\n#include <stddef.h>\n${functions.join('\n')}`,
    );
    names.forEach((type, index) => {
      const same = library.func(`${type} same_${index}(${type} x)`) as (x: unknown) => unknown;
      for (const value of types[type]) expect(same(value), type).toBe(value);
    });
  });

  test('many arguments of mixed types keep their places', async () => {
    const library = await load(`
      double mix(int a, double b, long c, float d, short e, double f, char g, unsigned h, double i, long j, float k) {
        return a + 2*b + 3*c + 4*d + 5*e + 6*f + 7*g + 8*h + 9*i + 10*j + 11*k;
      }`);
    const mix = library.func(
      'double mix(int a, double b, long c, float d, short e, double f, char g, unsigned h, double i, long j, float k)',
    );
    expect(mix(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)).toBe(1 + 4 + 9 + 16 + 25 + 36 + 49 + 64 + 81 + 100 + 121);
    expect(mix.length).toBe(11);
  });

  test('pointers take typed arrays, buffers, addresses, text and null', async () => {
    const library = await load(`
      #include <string.h>
      #include <stdlib.h>
      int sum(const int *values, int n) { int s = 0; for (int i = 0; i < n; i++) s += values[i]; return s; }
      void fill(void *to, int byte, unsigned long n) { memset(to, byte, n); }
      unsigned long length(const char *text) { return text ? strlen(text) : 99; }
      const char *greet(int loud) { return loud < 0 ? 0 : loud ? "HÉ" : "hé"; }
      char *copy(const char *text) { return strdup(text); }
      void release(void *memory) { free(memory); }
      void out(int *a, double *b, void **c) { *a = 7; *b = 0.5; *c = (void *)0x1234; }
      const void *same(const void *p) { return p; }
    `);
    expect(library.func('int sum(const int *values, int n)')(new Int32Array([1, 2, 3]), 3)).toBe(6);
    const bytes = new Float64Array(2);
    library.func('void fill(void *to, int byte, unsigned long n)')(bytes, 0xff, 16);
    expect([...bytes]).toEqual([Number.NaN, Number.NaN]);
    const length = library.func('unsigned long length(const char *text)');
    expect([length('héllo'), length(null), length(Buffer.from('abc\0'))]).toEqual([6, 99, 3]);
    const greet = library.func('const char *greet(int)');
    expect([greet(0), greet(1), greet(-1)]).toEqual(['hé', 'HÉ', null]);
    const copied = library.func('char *copy(const char *)')('mine to free') as bigint;
    expect(readString(copied)).toBe('mine to free');
    expect(Buffer.from(readBytes(copied, 4)).toString()).toBe('mine');
    library.func('void release(void *)')(copied);
    const [a, b, c] = [new Int32Array(1), new Float64Array(1), new BigUint64Array(1)];
    library.func('void out(int *a, double *b, void **c)')(a, b, c);
    expect([a[0], b[0], c[0]]).toEqual([7, 0.5, 0x1234n]);
    const same = library.func('const void *same(const void *p)');
    expect([same(0x1234n), same(null)]).toEqual([0x1234n, null]);
  });

  test('JavaScript functions are called back, and their errors come out of the call', async () => {
    const library = await load(`
      #include <stdlib.h>
      void sort(int *v, int n, int (*compare)(const void *, const void *)) { qsort(v, n, sizeof *v, compare); }
      int apply(int (*f)(int), int x) { return f(x) + 1; }
    `);
    const values = new Int32Array([3, 1, 2]);
    library.func('void sort(int *v, int n, int (*compare)(const void *, const void *))')(
      values,
      3,
      (a: bigint, b: bigint) =>
        (new Int32Array(readBytes(b, 4).buffer)[0] as number) - (new Int32Array(readBytes(a, 4).buffer)[0] as number),
    );
    expect([...values]).toEqual([3, 2, 1]);
    const apply = library.func('int apply(int (*f)(int), int x)');
    expect(apply((x: number) => x * 2, 21)).toBe(43);
    const failing = (): never => {
      throw new RangeError('from JavaScript');
    };
    expect(() => apply(failing, 1)).toThrow(RangeError);
  });

  test('a wrong number of arguments, or a number for a pointer, is a TypeError', async () => {
    const library = await load('int f(int *p, int n) { return p ? n : -n; }  int g(int n) { return n; }');
    const f = library.func('int f(int *p, int n)') as (...args: unknown[]) => unknown;
    expect(() => f(null)).toThrow(new TypeError('f takes 2 arguments, got 1'));
    expect(() => f(5, 5)).toThrow(
      new TypeError('f, parameter p: expected memory, a bigint address or null for a pointer, got `5` (number)'),
    );
    for (const wrong of [undefined, 'text', true, () => 1]) expect(() => f(wrong, 5)).toThrow(TypeError);
    expect(() => f(new Float64Array(2), 2)).toThrow(
      new TypeError('f, parameter p: expected Int32Array or bytes for `int *`, got Float64Array'),
    );
    for (const right of [
      new Int32Array(1),
      new Uint32Array(1),
      Buffer.alloc(4),
      new DataView(new ArrayBuffer(4)),
      new ArrayBuffer(4),
      [1],
    ]) {
      expect(f(right, 5)).toBe(5);
    }
    const g = library.func('int g(int)') as (...args: unknown[]) => unknown;
    expect(() => library.func(undefined as never)).toThrow(
      new TypeError('Expected `prototype` to be a string, got `undefined` (undefined)'),
    );
    expect(() => g()).toThrow(new TypeError('g takes 1 argument, got 0'));
    expect(() => g('5')).toThrow(TypeError);
  });

  test('asynchronous calls run beside the event loop, and a deep stack holds', async () => {
    const library = await load(
      `
      #include <time.h>
      int wait(int ms) { struct timespec t = { 0, ms * 1000000L }; nanosleep(&t, 0); return ms; }
      int deep(int n) { volatile char frame[1024]; frame[0] = (char)n; return n == 0 ? 0 : deep(n - 1) + 1 + 0 * frame[0]; }
    `,
      { flags: ['-O0'] },
    );
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const wait = library.func('int wait(int ms)');
    expect(await Promise.all([wait.async(60), wait.async(60), wait.async(60)])).toEqual([60, 60, 60]);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(2);
    const deep = library.func('int deep(int n)');
    expect(deep(5000)).toBe(5000);
    expect(await deep.async(5000)).toBe(5000);
    await expect((wait as any).async('x')).rejects.toThrow(TypeError);
  });

  test('what a callback of an asynchronous call throws, or returns wrongly, rejects the call', async () => {
    const library = await load(`
      int call(int (*f)(int), int times) { int s = 0; for (int i = 0; i < times; i++) s += f(i); return s; }
      const char *name(const char *(*f)(void)) { return f(); }
    `);
    const call = library.func('int call(int (*f)(int), int times)');
    expect(await call.async((n: number) => n * 2, 4)).toBe(12);
    let calls = 0;
    const failing = (): never => {
      calls += 1;
      throw new RangeError('from JavaScript');
    };
    await expect(call.async(failing, 5)).rejects.toThrow(new RangeError('from JavaScript'));
    expect(calls).toBe(1);
    await expect(call.async(() => 'seven', 1)).rejects.toThrow(
      new TypeError('a callback must return a number, got `seven` (string)'),
    );
    await expect(library.func('const char *name(const char *(*f)(void))').async(() => 5)).rejects.toThrow(TypeError);
    expect(await call.async((n: number) => n, 3)).toBe(3);
  });

  test('a thousand asynchronous calls at once all return', async () => {
    const library = await load('int twice(int x) { return 2 * x; }');
    const twice = library.func('int twice(int x)');
    const results = await Promise.all(Array.from({ length: 1000 }, (_, index) => twice.async(index)));
    expect(results).toEqual(Array.from({ length: 1000 }, (_, index) => 2 * index));
  });

  test('symbols have kinds and sizes; hidden and static ones are not among them', async () => {
    const library = await load(
      `
      int counter = 41;
      const double table[4] = { 1, 2, 3, 4 };
      int common;
      static int inner(void) { return counter; }
      __attribute__((visibility("hidden"))) int hidden(void) { return 1; }
      int outer(void) { return inner() + hidden(); }
      __attribute__((weak)) int weak(void) { return 3; }
      int alias(void) __attribute__((alias("outer")));
    `,
      { flags: ['-O2', '-fcommon'] },
    );
    const kinds = [...library.symbols].map(([name, { kind }]) => `${name}:${kind}`).sort();
    expect(kinds).toEqual([
      'alias:function',
      'common:data',
      'counter:data',
      'outer:function',
      'table:data',
      'weak:function',
    ]);
    expect(library.symbols.get('table')?.size).toBe(32);
    expect(library.symbols.get('counter')).toEqual({ address: library.address('counter'), kind: 'data', size: 4 });
    expect(library.symbols.get('outer')?.size).toBeGreaterThan(0);

    const counter = library.variable('int counter');
    counter.value += 1;
    expect(library.func('int outer(void)')()).toBe(43);
    expect(new Float64Array(viewBytes(library.address('table'), 32).slice().buffer)).toEqual(
      new Float64Array([1, 2, 3, 4]),
    );
  });

  test('a variable is refused what would not be its memory', async () => {
    const library = await load('int counter = 1; const int limit = 5; int add(int a, int b) { return a + b; }');
    expect(() => library.variable('int add')).toThrow('`add` is a function, not data; use `func`');
    expect(() => library.func('int counter(void)')).toThrow('`counter` is data, not a function; use `variable`');
    expect(() => library.variable('double counter')).toThrow(
      '`counter` has 4 bytes, and what `double counter` declares has 8',
    );
    const limit = library.variable('const int limit');
    expect(limit.value).toBe(5);
    expect(() => {
      limit.value = 6;
    }).toThrow('`limit` is declared `const`');
    expect(library.variable('int limit').value).toBe(5);
  });

  test('a symbol that is not there is named with its near names', async () => {
    const library = await load('int add_numbers(int a, int b) { return a + b; }');
    expect(() => library.func('int add_nubmers(int, int)')).toThrow(SymbolNotFoundError);
    expect(() => library.address('add_nubmers')).toThrow('did you mean `add_numbers`?');
    expect(() => library.func('int table(int)')).toThrow('exports no `table`');
    const plus = await load('int add(int a, int b) { return a + b; }', { language: 'c++' });
    expect(() => plus.func('int add(int, int)')).toThrow('C++ exports it as `_Z3addii`: declare it `extern "C"`');
  });

  test('a symbol that nothing defines is a LinkError that lists it', async () => {
    const source =
      'int nowhere_a(void); int nowhere_b(void); int prinft(const char *);\n' +
      'int f(void) { return nowhere_b() + nowhere_a() + prinft("x"); }';
    const error = await load(source).then(
      () => expect.unreachable(),
      (reason) => reason as LinkError,
    );
    expect(error).toBeInstanceOf(LinkError);
    expect(error.missingSymbols).toEqual(['nowhere_a', 'nowhere_b', 'prinft']);
    expect(error.message).toContain('`prinft` (did you mean `printf`?)');
    const weak = await load('__attribute__((weak)) int nowhere_a(void); int f(void) { return nowhere_a ? 1 : 2; }');
    expect(weak.func('int f(void)')()).toBe(2);
  });

  test('constructors run at load and destructors at dispose, once, in the order of a shared object', async () => {
    const log = await makeLog();
    const source = `${LOGGING}
      #include <stdlib.h>
      static int ready;
      __attribute__((constructor(200))) static void late(void) { ready = ready * 10 + 2; }
      __attribute__((constructor(150))) static void early(void) { ready = ready * 10 + 1; }
      __attribute__((constructor)) static void last(void) { ready = ready * 10 + 3; }
      __attribute__((destructor(150))) static void end_early(void) { note("d150"); }
      __attribute__((destructor(200))) static void end_late(void) { note("d200"); }
      __attribute__((destructor)) static void end_plain(void) { note("d"); }
      static void at_exit_1(void) { note("atexit1"); }
      static void at_exit_2(void) { note("atexit2"); }
      int order(char *log) { log_ = log; atexit(at_exit_1); atexit(at_exit_2); return ready; }
    `;
    const library = await load(source);
    expect(library.func('int order(char *log)')(log.address)).toBe(123);
    expect(log.text()).toBe('');
    await library.dispose();
    await library.dispose();
    // As dlclose does on glibc: handlers and plain destructors before prioritised ones, those in reverse.
    expect(log.text()).toBe('d atexit2 atexit1 d200 d150 ');
  });

  test('C++ static objects live from load to dispose', async () => {
    const log = await makeLog();
    const source = `${LOGGING}
      struct Noisy { const char *name; int order; Noisy(const char *n); ~Noisy() { note(name); } };
      static int count;
      Noisy::Noisy(const char *n) : name(n), order(++count) {}
      static Noisy first("first"), second("second");
      extern "C" int start(char *log) { log_ = log; static Noisy local("local"); return first.order * 100 + second.order * 10 + local.order; }
    `;
    const library = await load(source, { language: 'c++' });
    expect(library.func('int start(char *log)')(log.address)).toBe(123);
    await library.dispose();
    expect(log.text()).toBe('local second first ');
  });

  test('exceptions are thrown and caught inside, through frames with destructors', async () => {
    const library = await load(
      `
      #include <stdexcept>
      #include <string>
      #include <vector>
      static int unwound;
      struct Guard { ~Guard() { unwound++; } };
      static void deep(int n) { Guard g; if (n == 0) throw std::out_of_range("bottom"); deep(n - 1); }
      extern "C" int catch_it(int n, char *message, int size) {
        try { deep(n); } catch (const std::logic_error &e) { std::string what = e.what(); what.copy(message, size); return unwound; }
        return -1;
      }
      extern "C" int at(int i) { try { return std::vector<int>{1, 2, 3}.at(i); } catch (...) { return -1; } }
    `,
      { language: 'c++' },
    );
    const message = Buffer.alloc(32);
    expect(library.func('int catch_it(int n, char *message, int size)')(9, message, 32)).toBe(10);
    expect(message.toString('utf8', 0, 6)).toBe('bottom');
    const at = library.func('int at(int i)');
    expect([at(2), at(3)]).toEqual([3, -1]);
  });

  test.skipIf(!hasShim())(
    'an initialiser that throws is a LinkError; what was constructed is destroyed, and the next library loads',
    async () => {
      const log = await makeLog();
      const thrower = (what: string) => `${LOGGING}
      #include <stdexcept>
      struct Noisy { Noisy() { log_ = (char *)${log.address}ul; note("made"); } ~Noisy() { note("gone"); } };
      static Noisy first;
      static int second = [] { throw ${what}; return 1; }();
      static Noisy third;
    `;
      for (const [what, shown] of [
        ['1', 'int'],
        ['std::runtime_error("no luck")', 'std::runtime_error: no luck'],
      ] as const) {
        const error = await load(thrower(what), { language: 'c++', name: 'thrower' }).catch((reason) => reason);
        expect(error).toBeInstanceOf(LinkError);
        expect(error.message).toBe(`thrower could not be linked: an initialiser threw ${shown}`);
      }
      expect(log.text()).toBe('made gone made gone ');
      // Nothing of the dynamic linker is left locked: it looks names up on a thread of its own here.
      await expect(lookup('localhost')).resolves.toBeDefined();
      expect((await load('int one(void) { return 1; }')).func('int one(void)')()).toBe(1);
    },
  );

  test('the C and C++ runtime is there: libm, streams, containers, threads', async () => {
    const library = await load(
      `
      #include <algorithm>
      #include <cmath>
      #include <mutex>
      #include <numeric>
      #include <sstream>
      #include <thread>
      #include <unordered_map>
      #include <vector>
      extern "C" double maths(double x) { return std::cbrt(x) + std::tgamma(5) + std::hypot(3, 4); }
      extern "C" int text(char *to) { std::ostringstream s; s << 42 << ' ' << 1.5; return (int)s.str().copy(to, 32); }
      extern "C" int threads(int n) {
        std::vector<std::thread> all; std::mutex m; int total = 0;
        for (int i = 1; i <= n; i++) all.emplace_back([&, i] { std::lock_guard<std::mutex> l(m); total += i; });
        for (auto &t : all) t.join();
        return total;
      }
      extern "C" int once() { static std::once_flag f; static int n; for (int i = 0; i < 3; i++) std::call_once(f, [] { n++; }); return n; }
      extern "C" int words(int n) { std::unordered_map<std::string, int> m; for (int i = 0; i < n; i++) m[std::to_string(i % 10)]++; return m["3"]; }
    `,
      { language: 'c++' },
    );
    expect(library.func('double maths(double x)')(27)).toBe(3 + 24 + 5);
    const text = Buffer.alloc(32);
    expect(text.toString('utf8', 0, library.func('int text(char *to)')(text))).toBe('42 1.5');
    expect(library.func('int threads(int n)')(20)).toBe(210);
    expect(library.func('int once()')()).toBe(1);
    expect(library.func('int words(int n)')(100)).toBe(10);
  });

  test('thread-local data is one per thread, with its constructors and destructors', async () => {
    const library = await load(
      `
      #include <atomic>
      #include <thread>
      static std::atomic<int> made, gone;
      struct Local { int value = 7; Local() { made++; } ~Local() { gone++; } };
      static thread_local Local local;
      thread_local int exported = 5;
      static thread_local char zeroed[1000];
      static __thread long plain = 11;
      extern "C" int bump() { return ++local.value + ++exported + ++zeroed[999] + (int)++plain; }
      extern "C" int other_thread() { int seen = 0; std::thread([&] { bump(); seen = bump(); }).join(); return seen; }
      extern "C" int counts() { return made * 100 + gone; }
    `,
      { language: 'c++' },
    );
    const bump = library.func('int bump()');
    expect([bump(), bump()]).toEqual([8 + 6 + 1 + 12, 9 + 7 + 2 + 13]);
    expect(library.func('int other_thread()')()).toBe(9 + 7 + 2 + 13);
    expect(bump()).toBe(10 + 8 + 3 + 14);
    expect(library.func('int counts()')()).toBe(201);
    expect(await bump.async()).toBeGreaterThan(0);
  });

  test('warnings of a source that compiles are kept as data', async () => {
    const library = await load('int f(int a) { int unused; return 1; }', { flags: ['-Wall'] });
    expect(library.diagnostics).toMatchObject([
      { severity: 'warning', message: "unused variable 'unused'", line: 1, column: 20, flag: '-Wunused-variable' },
    ]);
    expect((await load('int f(void) { return 1; }')).diagnostics).toEqual([]);
  });

  test('two libraries with the same names do not see each other', async () => {
    const source = (n: number) =>
      `int state = ${n}; int get(void) { return state; } int next(void) { return ++state; }`;
    const [one, two] = [await load(source(10)), await load(source(20))];
    const next = [one.func('int next(void)'), two.func('int next(void)')] as const;
    expect([next[0](), next[0](), next[1](), one.func('int get(void)')(), two.variable('int state').value]).toEqual([
      11, 12, 21, 12, 21,
    ]);
  });

  test('a library that defines a name of the node binary calls its own', async () => {
    const library = await load(`
      const char *zlibVersion(void) { return "mine"; }
      int deflate(void *s, int f) { return 77; }
      const char *which(void) { return zlibVersion(); }
      int squeeze(void) { return deflate(0, 0); }
    `);
    expect(library.func('const char *which(void)')()).toBe('mine');
    expect(library.func('int squeeze(void)')()).toBe(77);
    const foreign = 'int uv_version(void); int f(void) { return uv_version(); }';
    await expect(load(foreign)).rejects.toMatchObject({ missingSymbols: ['uv_version'] });
  });

  test('after dispose every function throws, also the millionth time, and the rest of the process goes on', async () => {
    const library = await load('int add(int a, int b) { return a + b; } int data = 3;');
    const add = library.func('int add(int a, int b)');
    const data = library.variable('int data');
    await library.dispose();
    expect(library.disposed).toBe(true);
    let thrown = 0;
    for (let call = 0; call < 1_000_000; call += 1) {
      try {
        add(1, 2);
      } catch (error) {
        if (error instanceof DisposedError) thrown += 1;
      }
    }
    expect(thrown).toBe(1_000_000);
    await expect(add.async(1, 2)).rejects.toThrow(DisposedError);
    for (const use of [
      () => library.func('int add(int, int)'),
      () => library.address('add'),
      () => library.symbols,
      () => data.value,
      () => library.variable('int data'),
    ]) {
      expect(use).toThrow(DisposedError);
    }
    await expect(library.reload()).rejects.toThrow(DisposedError);
    const again = await load('int add(int a, int b) { return a + b; }');
    expect(again.func('int add(int, int)')(2, 3)).toBe(5);
  });

  test('dispose waits for asynchronous calls, and may be called from a callback of the library itself', async () => {
    const log = await makeLog();
    const library = await load(`${LOGGING}
      #include <time.h>
      int slow(char *log) { struct timespec t = { 0, 80000000L }; nanosleep(&t, 0); strcat(log, "returned "); log_ = log; return 1; }
      int call(int (*f)(void)) { int r = f(); return r + 1; }
      __attribute__((destructor)) static void end(void) { note("ended"); }
    `);
    const slow = library.func('int slow(char *log)').async(log.address);
    const call = library.func('int call(int (*f)(void))');
    let disposed: Promise<void> | undefined;
    const result = call(() => {
      disposed = library.dispose();
      return 41;
    });
    expect(result).toBe(42);
    await disposed;
    expect(log.text()).toBe('returned ended ');
    expect(await slow).toBe(1);
  });

  test('dispose waits for every call that was made, also those that wait for a thread', async () => {
    const library = await load(`
      #include <time.h>
      int nap(int x) { struct timespec t = { 0, 1000000L }; nanosleep(&t, 0); return x; }
    `);
    const nap = library.func('int nap(int x)');
    const calls = Array.from({ length: 300 }, (_, index) => nap.async(index));
    await library.dispose();
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 300 }, (_, index) => index));
  });

  test('`await using` disposes', async () => {
    let kept: SourceLibrary;
    {
      await using library = await load('int one(void) { return 1; }');
      kept = library;
      expect(library.func('int one(void)')()).toBe(1);
    }
    expect(kept.disposed).toBe(true);
  });

  test('a link that is called off runs no initialiser, and what it waits for ends', async () => {
    const log = await makeLog();
    const { link } = await objectLoader(
      loader,
      `#include <string.h>
      __attribute__((constructor)) static void start(void) { strcat((char *)${log.address}ul, "ran "); }`,
    );
    const abort = new AbortController();
    const linking = link(abort.signal);
    abort.abort(new Error('enough'));
    await expect(linking).rejects.toThrow('enough');
    await expect(link(abort.signal)).rejects.toThrow('enough');
    expect(log.text()).toBe('');
    await (await link()).dispose();
    expect(log.text()).toBe('ran ');
  });

  test('five hundred libraries live at once, none with a page both writable and executable', async () => {
    const { link } = await objectLoader(loader);
    const images = await Promise.all(Array.from({ length: 500 }, () => link()));
    const addresses = images.map(({ symbols }) => symbols.get('next')?.address as bigint);
    expect(new Set(addresses).size).toBe(500);
    for (const index of [0, 1, 250, 499]) {
      expect(permissions(addresses[index] as bigint)).toBe('r-xp');
      expect(permissions(images[index]?.symbols.get('shared')?.address as bigint)).toBe('rw-p');
    }
    await Promise.all(images.map((image) => image.dispose()));
    expect(permissions(addresses[250] as bigint)).not.toContain('x');
  });

  test('a thousand rounds of load and dispose leave no memory, map or descriptor behind', async () => {
    const { link } = await objectLoader(loader);
    const round = async (): Promise<void> => {
      const pair = await Promise.all([link(), link()]);
      await Promise.all(pair.map((image) => image.dispose()));
    };
    const measure = () => ({
      maps: readFileSync('/proc/self/maps', 'utf8').split('\n').length,
      rss: process.memoryUsage.rss(),
    });
    for (let warm = 0; warm < 100; warm += 1) await round();
    const before = measure();
    for (let rounds = 0; rounds < 500; rounds += 1) await round();
    const after = measure();
    // V8's own come and go by dozens; one that stays of every round would be 500.
    expect(after.maps - before.maps).toBeLessThan(250);
    expect((after.rss - before.rss) / 1000).toBeLessThan(16 * 1024);
  }, 180_000);
});

const COUNTER = `
  #include <stdlib.h>
  int shared = 1; static int state[1000]; int next(void) { return ++state[7]; }
  static void end(void) { state[7] = 0; } __attribute__((constructor)) static void start(void) { atexit(end); }`;

/** A loader with one object, so that the many-libraries tests measure loading, not compiling. */
async function objectLoader(kind: (typeof LOADERS)[number], source = COUNTER) {
  const { compile } = await import('../../src/compile/queue.ts');
  const { discoverToolchain } = await import('../../src/toolchain/discover.ts');
  const { requestOf, resolveSpec } = await import('../../src/options.ts');
  const spec = resolveSpec({ name: 'many', source });
  const toolchain = await discoverToolchain({ library: 'many', compiler: undefined });
  const { object } = await compile(toolchain, requestOf(spec, spec.input as CompileInput));
  const loader = kind === 'linked-image' ? linkedImageLoader : selectLoader('many', kind, toolchain.kind).loader;
  return {
    link: (signal?: AbortSignal) =>
      loader.link({ library: 'many', object, language: 'c', compilerPath: toolchain.path, signal }),
  };
}

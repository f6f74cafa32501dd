import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { SourceLibrary, SourceLibrarySpec } from '../../src/index.ts';
import { type BuiltPackage, buildPackage } from '../built-package.ts';
import { hasShim } from '../contract/harness.ts';

/** The thread that compiles runs what is built: Node 20 runs no TypeScript. */
let built: BuiltPackage;
let load: (spec: SourceLibrarySpec) => Promise<SourceLibrary>;
let serial = 0;
let folder: string;
const live: SourceLibrary[] = [];

beforeAll(async () => {
  built = buildPackage();
  ({ loadSourceLibrary: load } = await import(/* @vite-ignore */ pathToFileURL(built.index).href));
});
afterAll(() => built.remove());
afterEach(async () => {
  for (const library of live.splice(0).reverse()) await library.dispose();
});

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}

/** A lazy library of these files, which is disposed after the test. */
async function lazyOf(
  files: Readonly<Record<string, string>>,
  options: Partial<SourceLibrarySpec> = {},
): Promise<SourceLibrary> {
  folder = join(built.folder, `sources-${serial++}`);
  mkdirSync(folder);
  write(files);
  return keep({ name: `lazy-${serial}`, files: [join(folder, '*.c*')], lazy: true, ...options } as SourceLibrarySpec);
}

async function keep(spec: SourceLibrarySpec): Promise<SourceLibrary> {
  const library = await load(spec);
  live.push(library);
  return library;
}

const symbolsOf = (library: SourceLibrary): string[] => [...library.symbols.keys()].sort();
/** Errors of the built package are no instances of the source's classes. */
const named = (name: string, message: RegExp) =>
  expect.objectContaining({ name, message: expect.stringMatching(message) });

function errorOf(call: () => unknown): Error {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not throw');
}

describe.skipIf(!hasShim())('a lazy library', () => {
  test('compiles nothing when it is loaded, and nothing when functions are taken', async () => {
    const library = await lazyOf({ 'a.c': 'int a(void) { return x; }', 'b.c': 'int b(void) { return y; }' });
    library.func('int a(void)');
    library.func('int nobody_has(void)');
    expect(library.symbols.size).toBe(0);
    expect(library.diagnostics).toEqual([]);
    expect(library.cache).toEqual({ status: 'off', reason: 'it was not asked for' });
  });

  test('compiles the file of a function when that is first called, and no other', async () => {
    const library = await lazyOf({
      'a.c': 'int one(void) { return 1; }\nint two(void) { return 2; }',
      'wrong.c': 'int three(void) { return x; }',
      'mentions.c': '/* one() { */ extern int one(void); static const char *text = "int one(void) {"; int x y;',
    });
    const one = library.func('int one(void)');
    expect(one()).toBe(1);
    expect(one()).toBe(1);
    expect(symbolsOf(library)).toEqual(['one', 'two']);
    expect(library.func('int two(void)')()).toBe(2);
  });

  test('also of one source, and of one file', async () => {
    const source = await keep({ name: 'lazy-source', source: 'int f(int x) { return x + y; }', lazy: true });
    expect(errorOf(() => source.func('int f(int)')(1))).toEqual(named('CompileError', /lazy-source\.c/));
    const library = await lazyOf({ 'a.c': 'int f(int x) { return x + 1; }' }, { files: undefined } as object).catch(
      () => keep({ name: 'lazy-file', file: join(folder, 'a.c'), lazy: true }),
    );
    expect(library.func('int f(int)')(1)).toBe(2);
  });

  test('compiles what native code calls when it is called', async () => {
    const library = await lazyOf({
      'a.c': 'int b(int); int c(int); int a(int x) { return x < 0 ? c(x) : b(x) + 1; }',
      'b.c': 'int d(int); int b(int x) { return d(x) * 2; }',
      'c.c': 'int c(int x) { return undeclared; }',
      'd.c': 'int a(int); int d(int x) { return x > 100 ? a(-1) : x + 5; }',
    });
    const a = library.func('int a(int)');
    expect(a(1)).toBe(13);
    expect(symbolsOf(library)).toEqual(['a', 'b', 'd']);
    expect(a(2)).toBe(15);
  });

  test('keeps every kind of argument for the function that is compiled meanwhile', async () => {
    const parameters =
      'int a, double b, long c, float d, int e, int f, int g, int h, double i, const char *j, struct s k';
    const common = 'struct s { long x[4]; };\ntypedef double v4 __attribute__((vector_size(32)));\n';
    const library = await lazyOf(
      {
        'a.c': `${common}double many(${parameters}); v4 vectors(v4 a, v4 b, int n, ...);
          double call_many(void) { struct s k = {{1, 2, 3, 4}}; return many(1, 2, 3, 4, 5, 6, 7, 8, 9, "12345", k); }
          double call_vectors(void) { v4 a = {1, 2, 3, 4}, b = {10, 20, 30, 40}; v4 r = vectors(a, b, 2, 0.5, 7);
            return r[0] + r[1] * 100 + r[2] * 10000 + r[3] * 1000000; }`,
        'b.c': `${common}#include <string.h>
          double many(${parameters}) { return a+b*2+c*3+d*4+e*5+f*6+g*7+h*8+i*9+strlen(j)*10+k.x[0]+k.x[3]; }`,
        'c.c': `${common}#include <stdarg.h>
          v4 vectors(v4 a, v4 b, int n, ...) { va_list l; va_start(l, n); double d = va_arg(l, double); int i = va_arg(l, int);
            v4 r = a + b; r[0] += d + i; va_end(l); return r; }`,
      },
      { flags: ['-O2', '-mavx'] },
    );
    expect(library.func('double call_many(void)')()).toBe(1 + 4 + 9 + 16 + 25 + 36 + 49 + 64 + 81 + 50 + 5);
    expect(library.func('double call_vectors(void)')()).toBe(18.5 + 2200 + 330000 + 44000000);
  });

  test('throws at the call what is wrong with the file, and tries again at the next', async () => {
    const library = await lazyOf({ 'a.c': 'int f(void) { return missing_variable; }' });
    const f = library.func('int f(void)');
    for (const _ of [1, 2]) {
      const error = errorOf(() => f());
      expect(error).toEqual(named('CompileError', /a\.c:1:\d+.*\n?.*missing_variable/s));
      expect(error).toMatchObject({ code: 'ERR_COMPILE', library: library.name, exitCode: 1 });
      expect((error as unknown as { diagnostics: unknown[] }).diagnostics).toHaveLength(1);
    }
    write({ 'a.c': 'int f(void) { return 7; }' });
    expect(f()).toBe(7);
  });

  test('throws what is wrong with a file that native code calls from the call of JavaScript', async () => {
    const library = await lazyOf({
      'outer.cpp': `extern "C" { int inner(int); int destroyed = 0; void note(void); }
        struct Guard { ~Guard() { destroyed += 1; } };
        extern "C" int outer(int x) { Guard one; { Guard two; x += inner(x); } return x; }
        extern "C" int caught(int x) { try { return inner(x); } catch (...) { return -1; } }
        extern "C" int through(int (*call)(int)) { Guard one; return call(1) + inner(1); }`,
      'inner.c': 'int inner(int x) { return nothing; }',
    });
    const outer = library.func('int outer(int)');
    expect(errorOf(() => outer(1))).toEqual(named('CompileError', /inner\.c/));
    expect(library.variable('int destroyed').value).toBe(2);
    expect(library.func('int caught(int)')(1)).toBe(-1);
    const through = library.func('int through(int (*)(int))');
    // An error that a callback has dealt with is none of the function around it.
    const deals = (x: number): number => {
      expect(errorOf(() => outer(x))).toEqual(named('CompileError', /inner\.c/));
      write({ 'inner.c': 'int inner(int x) { return x + 1000; }' });
      return 1;
    };
    expect(through(deals)).toBe(1002);
    expect(outer(1)).toBe(1002);
  });

  test('is a LinkError where no file defines what one calls, when it is called', async () => {
    const library = await lazyOf({ 'a.c': 'int nowhere(int); int f(int x) { return x > 0 ? nowhere(x) : 3; }' });
    const f = library.func('int f(int)');
    expect(f(0)).toBe(3);
    expect(errorOf(() => f(1))).toEqual(named('SymbolNotFoundError', /no file of .* defines `nowhere`/));
    write({ 'a.c': 'extern int nothing; int *g(void) { return &nothing; }' });
    const other = await lazyOf({ 'a.c': 'extern int nothing; int *g(void) { return &nothing; }' });
    expect(errorOf(() => other.func('int *g(void)')())).toMatchObject({
      name: 'LinkError',
      missingSymbols: ['nothing'],
    });
  });

  test('knows a name that no file has when it is called, and says which are near', async () => {
    const library = await lazyOf({
      'a.c': 'int vec_add(void) { return 1; }',
      'b.c': 'static int hidden(void) { return 1; } int b(void) { return hidden(); }',
    });
    const error = errorOf(() => library.func('int vec_ad(void)')());
    expect(error).toMatchObject({ name: 'SymbolNotFoundError', symbol: 'vec_ad', nearNames: ['vec_add'] });
    expect(() => library.func('int hidden(void)')()).toThrow(/no file of .* defines `hidden`/);
  });

  test('answers for every name that can be asked for', async () => {
    const library = await lazyOf({ 'a.c': 'int a(void) { return 1; }' });
    for (const name of ['a\nb', '!a', '?', '', 'a b']) {
      expect(() => library.address(name)).toThrow(named('SymbolNotFoundError', /no file of/));
    }
    expect(() => library.address(5 as never)).toThrow(named('TypeError', /`symbol` to be a string/));
    expect(library.func('int a(void)')()).toBe(1);
  });

  test('finds names that macros make, and C++ names', async () => {
    const library = await lazyOf({
      'a.c': '#define F(n) int made_##n(void) { return n; }\nF(1) F(2)',
      'b.cpp':
        '#include "s.h"\nextern "C" double area(double r) { shapes::Circle c(r); return c.area() + shapes::unit; }',
      'c.cpp':
        '#include "s.h"\nnamespace shapes { Circle::Circle(double r) : r(r) {} double Circle::area() const { return 3 * r * r; } double unit = 0.5; }',
      's.h':
        'namespace shapes { extern double unit; struct Circle { double r; Circle(double); virtual double area() const; virtual ~Circle() {} }; }',
    });
    expect(library.func('int made_2(void)')()).toBe(2);
    expect(library.func('double area(double)')(2)).toBe(12.5);
  });

  test('compiles files whose data is used together, and gives a function one address', async () => {
    const library = await lazyOf({
      'a.c':
        'extern int table[]; int f(int); int counter = 1; int a(int i) { return table[i]; } void *address_in_a(void) { return f; }',
      'b.c':
        'extern int counter; int f(int); int *p = &counter; int table[] = {4, 5, 6}; int (*fp)(int) = f; int b(int x) { return fp(x) + *p; }',
      'c.c':
        'int f(int x) { return x * 2; } int (*own)(int) = f; void *address_in_c(void) { return f; } void *own_pointer(void) { return own; }',
    });
    expect(library.func('int a(int)')(2)).toBe(6);
    expect(symbolsOf(library)).not.toContain('f');
    expect(library.func('int b(int)')(10)).toBe(21);
    const addresses = ['address_in_a', 'address_in_c', 'own_pointer'].map((name) =>
      library.func(`void *${name}(void)`)(),
    );
    expect(new Set(addresses).size).toBe(1);
    expect(library.variable('int counter').value).toBe(1);
  });

  test('never takes data for a function of the same name', async () => {
    const library = await lazyOf({
      'get.cpp': 'extern int total; extern "C" int get() { return total; }',
      'total.cpp': 'int total = 42;',
      'counter.cpp': 'struct Counter { int total; Counter(); }; Counter::Counter() : total(0) {}',
      'method.cpp': 'struct Sum { int total(); }; int Sum::total() { return 1; }',
    });
    expect(library.func('int get(void)')()).toBe(42);
  });

  test("takes its own function and not the run-time library's of that name", async () => {
    const library = await lazyOf(
      {
        'a.c': 'int toupper(int); int a(int x) { return toupper(x); }',
        'b.c': 'int toupper(int x) { return x + 1000; }',
      },
      { flags: ['-O2', '-fno-builtin'] },
    );
    expect(library.func('int a(int)')(97)).toBe(1097);
  });

  test('takes a definition that replaces a weak one, and thread-local variables of other files', async () => {
    const library = await lazyOf({
      'a.c': '__attribute__((weak)) int hook(void) { return 1; } int use(void) { return hook(); }',
      'b.c': 'int hook(void) { return 2; }',
      'c.c': 'extern _Thread_local int count; int next(void) { return count++; }',
      'd.c': '_Thread_local int count = 40;',
    });
    expect(library.func('int use(void)')()).toBe(2);
    const next = library.func('int next(void)');
    expect([next(), next()]).toEqual([40, 41]);
  });

  test('is symbolized as far as it is compiled', async () => {
    const { symbolize } = await import(/* @vite-ignore */ pathToFileURL(built.index).href);
    const library = await lazyOf({ 'a.c': 'int a(void) { return 1; }', 'b.c': 'int b(void) { return 2; }' });
    for (const name of ['a', 'b']) {
      expect(await symbolize(library.address(name))).toMatchObject({ library: library.name, function: name });
    }
  });

  test('runs initialisers before the first call of their file, and finalisers at dispose', async () => {
    const log = await keep({ name: `lazy-log-${serial}`, source: 'char text[256];' });
    const at = log.address('text');
    const logging = `#include <string.h>\nstatic char *log_ = (char *)${at}ull;\n`;
    const library = await lazyOf({
      'a.c': `${logging}int b(void); __attribute__((constructor)) static void i(void) { strcat(log_, "a"); b(); }
        __attribute__((destructor)) static void d(void) { strcat(log_, "A"); } int a(void) { return b() + 1; }`,
      'b.c': `${logging}static int v; __attribute__((constructor)) static void i(void) { strcat(log_, "b"); v = 5; }
        __attribute__((destructor)) static void d(void) { strcat(log_, "B"); } int b(void) { return v; }`,
      'c.c': `${logging}__attribute__((constructor)) static void i(void) { strcat(log_, "c"); } int c(void) { return 0; }`,
    });
    expect(library.func('int a(void)')()).toBe(6);
    await library.dispose();
    const { readString } = await import(/* @vite-ignore */ pathToFileURL(built.index).href);
    expect(readString(at)).toMatch(/^ab[AB]{2}$/);
  });

  test('is a LinkError at the call where an initialiser throws, and stays one', async () => {
    const library = await lazyOf({
      'a.cpp':
        '#include <stdexcept>\nstatic int v = [] { throw std::runtime_error("no"); return 1; }(); extern "C" int a() { return v; }',
      'b.c': 'int a(void); int b(void) { return a(); } int c(void) { return 3; }',
    });
    const b = library.func('int b(void)');
    for (const call of [b, b, library.func('int a()')]) {
      expect(errorOf(() => call())).toEqual(named('LinkError', /an initialiser threw std::runtime_error: no/));
    }
  });

  test('goes on with the event loop while an asynchronous call compiles', async () => {
    const library = await lazyOf({
      'a.cpp':
        '#include <map>\n#include <string>\nextern "C" int f(int x) { return (int)std::map<std::string, int>{{"a", 1}}["a"] + x; }',
    });
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 1);
    expect(await library.func('int f(int)').async(1)).toBe(2);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
  });

  test('compiles a file once for all that call it at once', async () => {
    const library = await lazyOf({
      'a.c': '#warning compiled\nint f(int x) { return x; } int g(int x) { return x; }',
      'b.c': 'int f(int); int h(int x) { return f(x); }',
    });
    const [f, g, h] = ['f', 'g', 'h'].map((name) => library.func(`int ${name}(int)`));
    const pending = [f?.async(1), g?.async(2), h?.async(3), f?.async(4)];
    expect(f?.(5)).toBe(5);
    expect(await Promise.all(pending)).toEqual([1, 2, 3, 4]);
    await sleep(20);
    expect(library.diagnostics.map(({ message }) => message)).toEqual(['compiled']);
  });

  test('rejects the asynchronous call that has come to what can not be compiled, and no other', async () => {
    const library = await lazyOf({
      'a.c': '#include <unistd.h>\nint bad(int); int f(int x) { usleep(2000 * x); return x % 2 ? bad(x) : x; }',
      'bad.c': 'int bad(int x) { return nothing; }',
    });
    const f = library.func('int f(int)');
    const outcomes = await Promise.allSettled([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((x) => f.async(x)));
    for (const [index, outcome] of outcomes.entries()) {
      if (index % 2 === 1) expect(outcome).toEqual({ status: 'fulfilled', value: index + 1 });
      else expect(outcome).toEqual({ status: 'rejected', reason: named('CompileError', /bad\.c/) });
    }
    expect(f(0)).toBe(0);
    expect(errorOf(() => f(1))).toEqual(named('CompileError', /bad\.c/));
    write({ 'bad.c': 'int bad(int x) { return -x; }' });
    expect(await f.async(3)).toBe(-3);
  });

  test('compiles for a thread of its own, while JavaScript waits for that', async () => {
    const library = await lazyOf({
      'a.c': `#include <pthread.h>
        int other(int); static void *run(void *x) { return (void *)(long)other((int)(long)x); }
        int threads(int n) { pthread_t t[8]; long sum = 0;
          for (int i = 0; i < n; i++) pthread_create(&t[i], 0, run, (void *)(long)i);
          for (int i = 0; i < n; i++) { void *r; pthread_join(t[i], &r); sum += (long)r; } return sum; }`,
      'b.c': 'int third(int); int other(int x) { return third(x) + 10; }',
      'c.c': 'int third(int x) { return x * 100; }',
    });
    expect(library.func('int threads(int)')(8)).toBe(80 + 2800);
  });

  test('ends a thread of its own that calls what can not be compiled, with an error event', async () => {
    const library = await lazyOf({
      'a.cpp': `#include <thread>
        extern "C" int bad(int); int destroyed = 0; struct Guard { ~Guard() { destroyed += 1; } };
        static int result = -1;
        extern "C" int start(int x) { std::thread t([x] { Guard guard; result = bad(x); }); t.join(); return result; }
        extern "C" int ended() { return destroyed; }`,
      'bad.c': 'int bad(int x) { return nothing; }',
    });
    const errors: Error[] = [];
    library.on('error', (error) => errors.push(error));
    const start = library.func('int start(int)');
    expect(start(1)).toBe(-1);
    expect(library.func('int ended()')()).toBe(1);
    expect(await start.async(1)).toBe(-1);
    await expect.poll(() => errors).toEqual([named('CompileError', /bad\.c/), named('CompileError', /bad\.c/)]);
    write({ 'bad.c': 'int bad(int x) { return x + 5; }' });
    expect(start(1)).toBe(6);
  });

  test('tells of a thread of its own in all the lines that it has to say', async () => {
    const library = await lazyOf({
      'start.cpp': `#include <thread>
         extern "C" int inner(); extern "C" void start() { std::thread([] { inner(); }).join(); }`,
      'inner.cpp': `#include <stdexcept>
         static int value = [] { throw std::runtime_error("one\\ntwo"); return 1; }();
         extern "C" int inner() { return value; }`,
    });
    const failed = new Promise<Error>((resolve) => library.once('error', resolve));
    library.func('void start(void)')();
    expect(await failed).toEqual(
      expect.objectContaining({
        library: library.name,
        message: expect.stringMatching(/^lazy-\d+ could not .*one\ntwo/),
      }),
    );
    const other = await lazyOf({ 'other.c': 'int other(void) { return 3; }' });
    expect(other.func('int other(void)')()).toBe(3);
  });

  test('compiles at a reload what was called, and keeps the old code when that fails', async () => {
    const library = await lazyOf({ 'a.c': 'int f(void) { return 1; }', 'b.c': 'int g(void) { return 1; }' });
    const [f, g] = [library.func('int f(void)'), library.func('int g(void)')];
    expect(f()).toBe(1);
    write({ 'a.c': 'int f(void) { return x; }', 'b.c': 'int g(void) { return x; }' });
    await expect(library.reload()).rejects.toEqual(named('CompileError', /a\.c/));
    expect([f(), library.generation]).toEqual([1, 1]);
    write({ 'a.c': 'int f(void) { return 2; }' });
    await library.reload();
    expect(symbolsOf(library)).toEqual(['f']);
    expect(f()).toBe(2);
    expect(errorOf(() => g())).toEqual(named('CompileError', /b\.c/));
  });

  test('compiles at a reload also what native code called, and refuses what is no function any more', async () => {
    const library = await lazyOf({
      'outer.c': 'int inner(void); int outer(void) { return inner() + 1; }',
      'inner.c': 'int inner(void) { return 1; }',
    });
    const outer = library.func('int outer(void)');
    expect(outer()).toBe(2);
    write({ 'inner.c': 'int inner(void) { return 5' });
    await expect(library.reload()).rejects.toThrow(named('CompileError', /inner\.c/));
    expect(outer()).toBe(2);
    write({ 'inner.c': 'int inner(void) { return 5; }', 'outer.c': 'int outer = 1;' });
    await expect(library.reload()).rejects.toThrow(
      named('ReloadError', /`outer` is in use and the new code makes it data/),
    );
    write({ 'outer.c': '' });
    await expect(library.reload()).rejects.toThrow(named('ReloadError', /`outer` is in use and the new code has no/));
    expect(outer()).toBe(2);
    write({ 'outer.c': 'int inner(void); int outer(void) { return inner() + 2; }' });
    await library.reload();
    expect(outer()).toBe(7);
  });

  test('watches its files, and the headers of those that were compiled', async () => {
    const library = await lazyOf(
      { 'a.c': '#include "v.h"\nint f(void) { return V; }', 'v.h': '#define V 1' },
      { watch: true },
    );
    const f = library.func('int f(void)');
    expect(f()).toBe(1);
    await sleep(200);
    const reloaded = new Promise((resolve) => library.once('reload', resolve));
    write({ 'v.h': '#define V 22' });
    await reloaded;
    expect(f()).toBe(22);
  });

  test('takes from the cache what was compiled before, and says so', async () => {
    const cache = { dir: join(built.folder, 'cache') };
    const files = { 'a.c': 'int f(void) { return 1; }', 'b.c': 'int g(void) { return 1; }' };
    const first = await lazyOf(files, { cache });
    expect(first.cache).toEqual({ status: 'hit', reason: 'nothing was compiled yet' });
    first.func('int f(void)')();
    await sleep(0);
    expect(first.cache).toEqual({ status: 'miss', reason: `${join(folder, 'a.c')}: never compiled` });
    const path = folder;
    await first.dispose();
    const { cacheStats } = await import(/* @vite-ignore */ pathToFileURL(built.index).href);
    expect(await cacheStats(cache)).toMatchObject({ entries: 1 });
    const second = await keep({ name: first.name, files: [join(path, '*.c')], lazy: true, cache });
    second.func('int f(void)')();
    await sleep(0);
    expect(second.cache.status).toBe('hit');
    second.func('int g(void)')();
    await sleep(0);
    expect(second.cache).toEqual({ status: 'miss', reason: `${join(path, 'b.c')}: never compiled` });
  });

  test('can be disposed while it compiles, and its functions then say that', async () => {
    const library = await lazyOf({ 'a.c': 'int f(void) { return 1; }' });
    const f = library.func('int f(void)');
    const pending = f.async();
    await library.dispose();
    expect(await pending).toBe(1);
    expect(() => f()).toThrow(/was disposed/);
  });

  test('does not hold up the end of a process or of a worker, whatever waits for it', () => {
    const program = join(built.folder, 'ends.mjs');
    folder = join(built.folder, 'ends');
    mkdirSync(folder);
    const headers = '#include <map>\n#include <string>\n#include <algorithm>\n#include <vector>\n';
    write({
      'a.c': 'int b(int); int a(int x) { return b(x) + 1; }',
      'b.cpp': `${headers}extern "C" int b(int x) { std::map<std::string, int> m{{"a", x}}; return m["a"]; }`,
    });
    writeFileSync(
      program,
      `import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
       import { setTimeout as sleep } from 'node:timers/promises';
       import { loadSourceLibrary } from '${pathToFileURL(built.index).href}';
       const spec = { name: 'ends', files: ['${folder}/*.c*'], lazy: true, cache: false };
       const start = async () => (await loadSourceLibrary(spec)).func('int a(int)');
       if (!isMainThread) {
         const a = await start();
         parentPort.postMessage('loaded');
         if (workerData === 'sync') setImmediate(() => a(1));
         else for (let n = 0; n < 5; n++) a.async(n);
       } else {
         for (const [n, how] of ['sync', 'async', 'sync', 'async'].entries()) {
           const worker = new Worker(new URL(import.meta.url), { workerData: how });
           await new Promise((resolve) => worker.once('message', resolve));
           await sleep(n * 5);
           await worker.terminate();
         }
         const a = await start();
         for (let n = 0; n < 5; n++) a.async(n);
         await sleep(5);
         process.exit(7);
       }`,
    );
    const { status, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8', timeout: 30_000 });
    expect({ status, stderr }).toEqual({ status: 7, stderr: '' });
  });

  test.each([
    [{ libraries: ['m'] }, /`libraries` does not go with `lazy`/],
    [{ crashReport: true }, /`crashReport` does not go with `lazy`/],
    [{ lazy: 'yes' }, /Expected `lazy` to be a boolean/],
    [{ loader: 'shared-object' }, /`loader: 'shared-object'` does not go with `lazy`/],
  ])('refuses %j', async (options, message) => {
    await expect(lazyOf({ 'a.c': 'int a;' }, options as object)).rejects.toEqual(named('TypeError', message));
  });

  test("leaves the compile one of libuv's threads, whichever threads call", () => {
    folder = join(built.folder, `sources-${serial++}`);
    mkdirSync(folder);
    for (const each of [0, 1, 2, 3]) {
      // The data makes it two files, which are merged: that reads a file.
      write({
        [`a${each}.c`]: `#include <unistd.h>\nint b${each}(void); int a${each}(void) { usleep(200000); return b${each}(); }`,
        [`b${each}.c`]: `extern int data${each}; int b${each}(void) { return data${each}; }`,
        [`data${each}.c`]: `int data${each} = ${each};`,
        [`own${each}.c`]: `#include <unistd.h>\nint own${each}(void) { usleep(200000); return 0; }`,
      });
    }
    const script = join(folder, 'threads.mjs');
    writeFileSync(
      script,
      `import { once } from 'node:events';
       import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
       import { loadSourceLibrary } from ${JSON.stringify(pathToFileURL(built.index).href)};
       const start = (workerData) => new Worker(new URL(import.meta.url), { workerData });
       if (isMainThread) {
         // It ends none of its calls.
         const lost = start('lost');
         await once(lost, 'message');
         await lost.terminate();
         for (const each of [1, 2]) start('');
       }
       const library = await loadSourceLibrary({ name: 'x', files: [${JSON.stringify(join(folder, '*.c'))}], lazy: true });
       const call = (each) => library.func(\`int a\${each}(void)\`).async();
       if (workerData === 'lost') {
         for (const each of [0, 1, 2]) library.func(\`int own\${each}(void)\`)();
         for (const each of [0, 1, 2]) library.func(\`int own\${each}(void)\`).async().catch(() => {});
         setTimeout(() => parentPort.postMessage(''), 50);
         await new Promise((resolve) => setTimeout(resolve, 60_000));
       }
       try {
         console.log((await Promise.all([0, 1, 2, 3].map(call))).join());
       } catch (error) {
         console.log(error.name, error.message);
       }
       await library.dispose();`,
    );
    const run = (env: Readonly<Record<string, string>>): string[] => {
      const options = { encoding: 'utf8', timeout: 30_000, env: { ...process.env, ...env } } as const;
      return spawnSync(process.execPath, [script], options).stdout.trim().split('\n');
    };
    expect(run({})).toEqual(['0,1,2,3', '0,1,2,3', '0,1,2,3']);
    expect(run({ UV_THREADPOOL_SIZE: '1' })[0]).toMatch(/^LinkError x: .*UV_THREADPOOL_SIZE allows one/);
  }, 60_000);

  test('leaves no file descriptor behind in a worker that has ended', () => {
    const script = `
      import { readdirSync } from 'node:fs';
      import { Worker } from 'node:worker_threads';
      const code = \`import(${JSON.stringify(pathToFileURL(built.index).href)}).then(async ({ loadSourceLibrary }) => {
        const library = await loadSourceLibrary({ name: 'w', source: 'int a(void) { return 1; }', lazy: true });
        library.func('int a(void)')();
        await library.dispose();
      })\`;
      const counts = [];
      for (let round = 0; round < 4; round++) {
        await new Promise((end) => new Worker(code, { eval: true }).on('exit', end));
        counts.push(readdirSync('/proc/self/fd').length);
      }
      console.log(counts[3] - counts[0]);`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout).toBe('0\n');
  });

  test('needs the orc loader', async () => {
    await expect(lazyOf({ 'a.c': 'int a;' }, { compiler: 'gcc' })).rejects.toEqual(
      named('LinkError', /`lazy` needs the orc loader, and the compiler is gcc/),
    );
  });

  test('can not be linked to', async () => {
    const library = await lazyOf({ 'a.c': 'int a(void) { return 1; }' });
    const spec = { name: 'uses-lazy', source: 'int a(void); int b(void) { return a(); }', libraries: [library] };
    await expect(load(spec)).rejects.toEqual(named('LinkError', /can't be linked to: it is lazy/));
  });

  test('throw what leaves their functions, by themselves and through others that are not compiled yet', async () => {
    const library = await lazyOf({
      'a.cpp': 'extern "C" int far(int); extern "C" int near(int n) { return far(n) + 1; }',
      'b.cpp': `#include <stdexcept>
        extern "C" int far(int n) { if (n < 0) throw std::out_of_range("below"); return n; }`,
    });
    const near = library.func('int near(int n)');
    const thrown = expect.objectContaining({ name: 'NativeError', type: 'std::out_of_range', what: 'below' });
    expect(errorOf(() => near(-1))).toEqual(thrown);
    expect(near(1)).toBe(2);
    const calls = Array.from({ length: 40 }, (_, index) => near.async(index % 2 === 0 ? index : -index));
    const results = await Promise.allSettled(calls);
    results.forEach((result, index) => {
      if (index % 2 === 0) expect(result).toEqual({ status: 'fulfilled', value: index + 1 });
      else expect(result).toEqual({ status: 'rejected', reason: thrown });
    });
    const missing = await lazyOf({
      'a.cpp': 'extern "C" int gone(int); extern "C" int near(int n) { return gone(n) + 1; }',
    });
    const broken = missing.func('int near(int n)');
    expect(errorOf(() => broken(1))).toEqual(named('SymbolNotFoundError', /gone/));
    await expect(broken.async(1)).rejects.toEqual(named('SymbolNotFoundError', /gone/));
  });

  test('are refused what needs all of them at once', async () => {
    for (const flag of ['-fopenmp', '-stdlib=libc++']) {
      const refusal = named(
        'LinkError',
        new RegExp(`.lazy. does not go with ${flag.replaceAll('+', '.')}, which needs`),
      );
      await expect(lazyOf({ 'a.c': 'int f;' }, { flags: [flag] })).rejects.toEqual(refusal);
      const directory = join(built.folder, `sources-${serial}`);
      const entry = { directory, file: 'b.c', arguments: ['clang', flag, '-c', 'b.c'] };
      const files = { 'b.c': 'int f;', 'compile_commands.json': JSON.stringify([entry]) };
      await expect(lazyOf(files, { compileCommands: directory })).rejects.toEqual(refusal);
    }
    const library = await lazyOf({ 'a.c': 'int f(void) { return 1; }' });
    await expect(library.evaluate('f()')).rejects.toThrow(/takes no snippets: it is lazy/);
  });
});

/** C that needs a library of the compiler's: OpenMP, and what `-fsanitize=undefined` reports. */

import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { beforeEach, describe, expect, type TestContext, test } from 'vitest';
import type { SourceLibrarySpec } from '../../src/index.ts';
import { expectRefusal, hasGcc, LOADERS, loadIn, skipBecause } from './harness.ts';

const OPENMP = `
  #include <omp.h>
  static int private_one = 5;
  #pragma omp threadprivate(private_one)
  long sum(int n) {
    long s = 0;
    #pragma omp parallel for reduction(+:s) num_threads(4) schedule(dynamic, 100)
    for (int i = 0; i < n; i++) s += i;
    return s;
  }
  int threads(void) {
    int n = 0;
    #pragma omp parallel num_threads(4)
    {
      #pragma omp atomic
      n += 1 + 0 * omp_get_thread_num();
    }
    return n;
  }
  static long fib(int n) {
    long a, b;
    if (n < 2) return n;
    #pragma omp task shared(a)
    a = fib(n - 1);
    #pragma omp task shared(b)
    b = fib(n - 2);
    #pragma omp taskwait
    return a + b;
  }
  long tasks(int n) {
    long r = 0;
    #pragma omp parallel num_threads(3)
    #pragma omp single
    r = fib(n);
    return r;
  }
  int privates(void) {
    int s = 0;
    #pragma omp parallel num_threads(4) reduction(+:s)
    { private_one += omp_get_thread_num(); s += private_one; }
    return s;
  }
  int ordered(int n) {
    int last = -1, good = 1;
    #pragma omp parallel for ordered num_threads(4)
    for (int i = 0; i < n; i++) {
      #pragma omp ordered
      { good &= last == i - 1; last = i; }
    }
    return good;
  }
  double dot(const double *a, const double *b, int n) {
    double s = 0;
    #pragma omp parallel for simd reduction(+:s) num_threads(2)
    for (int i = 0; i < n; i++) s += a[i] * b[i];
    return s;
  }
`;

const UNDEFINED = `
#include "shift.h"
int plus(int a, int b) { return a + b; }
int at(int i) { static const int table[4] = { 1, 2, 3, 4 }; return table[i & 7]; }
int load(const void *p) { return *(const int *)p; }
int cast(double x) { return (int)x; }
int call(int (*f)(int), int x) { return f(x) + 1; }
`;
const SHIFT = 'static inline int shifted(int a, int by) { return a << by; }\n#define UNUSED\n';
const REPORTS = `${UNDEFINED}int shift(int a, int by) { return shifted(a, by); }\n`;

const folder = mkdtempSync(join(tmpdir(), 'fromsource-reports-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

/** What is written to descriptor 2 meanwhile, which is not what `process.stderr` would see. */
async function stderrOf(work: () => void): Promise<string> {
  const descriptors = await loadIn(
    'shared-object',
    '#include <unistd.h>\nint save(void) { return dup(2); } int put(int from) { return dup2(from, 2); }',
  );
  const file = join(folder, 'stderr');
  const to = openSync(file, 'w');
  const saved = descriptors.func('int save(void)')();
  const put = descriptors.func('int put(int from)');
  put(to);
  try {
    work();
  } finally {
    put(saved);
    closeSync(saved);
    closeSync(to);
  }
  return readFileSync(file, 'utf8');
}

describe.each(LOADERS)('on the %s loader', (loader) => {
  describe.each(['clang', 'gcc'] as const)('as %s compiles it', (compiler) => {
    beforeEach((context: TestContext) => {
      if (compiler === 'gcc' && !hasGcc()) skipBecause(context, 'there is no gcc');
    });
    const load = (source: string, options: Partial<SourceLibrarySpec> = {}) =>
      loadIn(loader, source, compiler === 'gcc' ? { compiler, ...options } : options);

    describe('-fopenmp', () => {
      beforeEach(async (context: TestContext) => {
        const missing = await load('#include <omp.h>', { flags: ['-fopenmp'] }).then(
          () => null,
          ({ message }: Error) => /omp\.h comes with.*/.exec(message)?.[0],
        );
        if (missing) skipBecause(context, missing);
      });

      test('loops, tasks, reductions and private variables run on several threads, with the runtime library loaded by itself', async () => {
        const library = await load(OPENMP, { flags: ['-O2', '-fopenmp'] });
        expect(library.func('long sum(int n)')(100_000)).toBe(4_999_950_000);
        expect(library.func('int threads(void)')()).toBe(4);
        expect(readdirSync('/proc/self/task').length).toBeGreaterThan(4);
        expect(library.func('long tasks(int n)')(15)).toBe(610);
        expect(library.func('int privates(void)')()).toBe(4 * 5 + 6);
        expect(library.func('int ordered(int n)')(200)).toBe(1);
        const values = Float64Array.from({ length: 999 }, (_, index) => index % 10);
        const dot = library.func('double dot(const double *a, const double *b, int n)');
        expect(dot(values, values, 999)).toBe(values.reduce((sum, value) => sum + value * value, 0));
      });

      test('asynchronous calls have teams of their own', async () => {
        const library = await load(OPENMP, { flags: ['-fopenmp'] });
        const sum = library.func('long sum(int n)');
        const all = await Promise.all(Array.from({ length: 20 }, (_, index) => sum.async(1000 + index)));
        expect(all).toEqual(Array.from({ length: 20 }, (_, index) => ((1000 + index) * (999 + index)) / 2));
      });

      test('its threads live on after dispose, in code that stays, and serve the next library', async () => {
        const round = async (): Promise<number> => {
          const library = await load(OPENMP, { flags: ['-O1', '-fopenmp'] });
          expect(library.func('int threads(void)')()).toBe(4);
          expect(library.func('int privates(void)')()).toBe(26);
          await library.dispose();
          // Longer than they look out for work before they sleep.
          await setTimeout(30);
          return readdirSync('/proc/self/task').length;
        };
        const first = await round();
        for (let rounds = 0; rounds < 10; rounds += 1) expect(await round()).toBeLessThanOrEqual(first + 2);
      });
    });

    describe('-fsanitize=undefined', () => {
      const headers = { 'shift.h': SHIFT };
      const name = `reports-${loader}-${compiler}`;

      test('a report names file, line and column, and the program goes on', async () => {
        const library = await load(REPORTS, { name, headers, flags: ['-O1', '-fsanitize=undefined'] });
        const plus = library.func('int plus(int, int)');
        expect(await stderrOf(() => expect(plus(1, 2)).toBe(3))).toBe('');
        expect(await stderrOf(() => expect(plus(2147483647, 1)).toBe(-2147483648))).toMatch(
          new RegExp(
            `^${name}\\.c:3:3\\d: runtime error: signed integer overflow: 2147483647 \\+ 1 cannot be represented`,
          ),
        );
        const at = library.func('int at(int)');
        expect(await stderrOf(() => at(5))).toMatch(
          new RegExp(`^${name}\\.c:4:\\d+: runtime error: index 5 out of bounds for type '(const )?int ?\\[4\\]'`),
        );
        const shift = library.func('int shift(int, int)');
        expect(await stderrOf(() => shift(1, 40))).toMatch(
          /^.*shift\.h:1:\d+: runtime error: shift exponent 40 is too large/,
        );
        const bytes = new Uint8Array(16);
        const misaligned = library.func('int load(const void *p)');
        expect(await stderrOf(() => misaligned(bytes.subarray(1)))).toMatch(
          new RegExp(`^${name}\\.c:5:\\d+: runtime error: load of misaligned address 0x[0-9a-f]+ for type 'const int'`),
        );
        const cast = library.func('int cast(double)');
        const wide = await stderrOf(() => cast(1e20));
        if (compiler === 'clang')
          expect(wide).toMatch(new RegExp(`^${name}\\.c:6:\\d+: runtime error: 1e\\+20 is outside`));
        expect(library.func('int call(int (*f)(int), int x)')((x: number) => 2 * x, 4)).toBe(9);
      });

      test('the program’s handlers of signals stay: WebAssembly finds an access out of bounds', async () => {
        const library = await load(REPORTS, { headers, flags: ['-fsanitize=undefined'] });
        expect(library.func('int plus(int, int)')(1, 2)).toBe(3);
        // (module (memory 1) (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))
        const code = '0061736d0100000001060160017f017f030201000503010001070801046c6f616400000a0901070020002802000b';
        // Types of a browser's globals are not among ours.
        const { WebAssembly } = globalThis as any;
        const { instance } = await WebAssembly.instantiate(Buffer.from(code, 'hex'));
        expect(() => instance.exports.load(0x7fffffff)).toThrow(WebAssembly.RuntimeError);
      });

      test('types of C++ objects are checked by the same library', async () => {
        const library = await load(
          `struct Base { virtual ~Base() {} virtual int id() { return 1; } };
struct Other { virtual ~Other() {} virtual int id() { return 2; } };
static Base base; static Other other;
extern "C" void *give(int which) { return which ? static_cast<void *>(&other) : &base; }
extern "C" int ask(void *object) { return static_cast<Base *>(object)->id(); }
`,
          { name, language: 'c++', flags: ['-O1', '-fsanitize=undefined,vptr'] },
        );
        const [give, ask] = [library.func('void *give(int)'), library.func('int ask(void *object)')];
        expect(await stderrOf(() => expect(ask(give(0))).toBe(1))).toBe('');
        expect(await stderrOf(() => expect(ask(give(1))).toBe(2))).toMatch(
          new RegExp(
            `^${name}\\.cpp:5:\\d+: runtime error: member call on address 0x[0-9a-f]+ which does not point to an object of type 'Base'`,
          ),
        );
      });

      test('the minimal runtime reports without a place', async (context) => {
        const flags = ['-fsanitize=undefined', '-fsanitize-minimal-runtime'];
        const loading = load(REPORTS, { headers, flags });
        if (compiler === 'gcc') {
          await expectRefusal(context, loading, /unrecognized command-line option .-fsanitize-minimal-runtime/);
          return;
        }
        const plus = (await loading).func('int plus(int, int)');
        expect(await stderrOf(() => plus(2147483647, 1))).toMatch(/^ubsan: add-overflow by 0x[0-9a-f]+\n$/);
      });

      test('traps need no library', async () => {
        const trap = compiler === 'gcc' ? '-fsanitize-undefined-trap-on-error' : '-fsanitize-trap=undefined';
        const library = await load(REPORTS, { headers, flags: ['-O1', '-fsanitize=undefined', trap] });
        expect(library.func('int plus(int, int)')(1, 2)).toBe(3);
      });

      test.for(['address', 'thread', 'memory', 'leak', 'hwaddress', 'fuzzer', 'undefined,address'])(
        '-fsanitize=%s',
        async (kind, context) => {
          const loading = load('int f(void) { return 1; }', { flags: [`-fsanitize=${kind}`] });
          await expectRefusal(
            context,
            loading,
            /its runtime library must be in the process before anything else.*-fsanitize=undefined works here/,
          );
        },
      );
    });
  });
});

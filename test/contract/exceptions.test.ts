/** What becomes of a C++ exception that leaves a function which JavaScript called, whichever loader the library lives in. */

import { describe, expect, test } from 'vitest';
import { NativeError, type SourceLibrarySpec } from '../../src/index.ts';
import { openShim, POINTER } from '../../src/loader/shim.ts';
import { hasShim, LOADERS, loadIn } from './harness.ts';

function thrownBy(call: () => unknown): NativeError {
  try {
    call();
  } catch (error) {
    if (error instanceof NativeError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** What is called in place of a function that may throw. It stays. */
function thunkOf(address: bigint): bigint {
  const { library } = openShim();
  const [guard, thunk] = [new BigUint64Array(1), new BigUint64Array(1)];
  const create = library.func('fs_guard_create', POINTER, [POINTER, 'uint64_t', POINTER, POINTER]);
  expect(create(address, 0, guard, thunk)).toBe(null);
  return thunk[0] as bigint;
}

const described = ({ type, what }: NativeError) => [type, what];

// An exception ends the process then.
if (!hasShim()) console.warn('the tests of exceptions are skipped: the native shim is not built');

describe.skipIf(!hasShim()).each(LOADERS)('on the %s loader', (loader) => {
  const load = (source: string, options?: Partial<SourceLibrarySpec>) =>
    loadIn(loader, source, { language: 'c++', ...options });

  test('an exception that leaves a function is a NativeError with type, text and function', async () => {
    const library = await load(`
      #include <stdexcept>
      #include <vector>
      extern "C" int at(int index) { return std::vector<int>{1, 2, 3}.at(index); }`);
    const at = library.func('int at(int index)');
    expect(at(2)).toBe(3);
    const error = thrownBy(() => at(5));
    expect(error.code).toBe('ERR_NATIVE');
    expect(error.library).toBe(library.name);
    expect(error.type).toBe('std::out_of_range');
    expect(error.what).toMatch(/^vector::_M_range_check/);
    expect(error.function).toBe('at');
    expect(error.message).toBe(`${library.name}: at threw std::out_of_range: ${error.what}`);
    expect(error.stack).toContain('exceptions.test.ts');
    expect(at(0)).toBe(1);
  });

  test('whatever can be thrown becomes one: numbers, text, pointers, own classes, nested and rethrown ones', async () => {
    const library = await load(`
      #include <exception>
      #include <stdexcept>
      #include <string>
      namespace app {
        struct Plain { int code; };
        struct Failure : std::runtime_error { using runtime_error::runtime_error; };
        struct Two : Plain, Failure { Two() : Plain{1}, Failure("second base") {} };
        struct Quiet : std::exception { const char *what() const noexcept override { return nullptr; } };
        template <typename T> struct Of : std::exception {};
      }
      static void inner() { throw app::Failure("inner"); }
      extern "C" void f(int which) {
        switch (which) {
        case 0: throw 42;
        case 1: throw std::string("text");
        case 2: throw "characters";
        case 3: throw app::Plain{7};
        case 4: throw app::Failure("n\\u00e4her");
        case 5: throw app::Two();
        case 6: throw app::Quiet();
        case 7: throw app::Of<long>();
        case 8: try { inner(); } catch (...) { throw; }
        case 9: try { inner(); } catch (...) { std::throw_with_nested(std::logic_error("outer")); }
        case 10: try { inner(); } catch (...) { std::rethrow_exception(std::current_exception()); }
        case 11: throw new app::Failure("leaked");
        case 12: throw nullptr;
        }
      }`);
    const f = library.func('void f(int which)');
    const all = Array.from({ length: 13 }, (_, which) => described(thrownBy(() => f(which))));
    expect(all).toEqual([
      ['int', null],
      [expect.stringMatching(/^std::.*basic_string/), null],
      ['char const*', null],
      ['app::Plain', null],
      ['app::Failure', 'näher'],
      ['app::Two', 'second base'],
      ['app::Quiet', null],
      ['app::Of<long>', expect.any(String)],
      ['app::Failure', 'inner'],
      ['std::_Nested_exception<std::logic_error>', 'outer'],
      ['app::Failure', 'inner'],
      ['app::Failure*', null],
      ['decltype(nullptr)', null],
    ]);
    expect(f(13)).toBe(undefined);
    expect(thrownBy(() => f(0)).message).toBe(`${library.name}: f threw int`);
  });

  test('destructors run on its way out, and the runtime counts no exception as under way afterwards', async () => {
    const library = await load(`
      #include <exception>
      static int destroyed, thrown_alive;
      struct Thrown { Thrown() { thrown_alive++; } Thrown(const Thrown &) { thrown_alive++; } ~Thrown() { thrown_alive--; } };
      struct Noted { ~Noted() { destroyed++; } };
      static void deeper(int depth) { Noted noted; if (depth == 0) throw Thrown(); deeper(depth - 1); }
      extern "C" void fail(int depth) { Noted noted; deeper(depth); }
      extern "C" int count() { return destroyed; }
      extern "C" int alive() { return thrown_alive; }
      extern "C" int uncaught() { return std::uncaught_exceptions() + (std::current_exception() ? 100 : 0); }`);
    const fail = library.func('void fail(int depth)');
    for (let round = 1; round <= 100; round += 1) {
      expect(thrownBy(() => fail(8)).type).toBe('Thrown');
      expect(library.func('int count()')()).toBe(10 * round);
    }
    expect(library.func('int alive()')()).toBe(0);
    expect(library.func('int uncaught()')()).toBe(0);
  });

  test('arguments and results of functions that may throw keep their places and values', async () => {
    const library = await load(`
      #include <stdexcept>
      static void check(bool fails) { if (fails) throw std::domain_error("told to"); }
      extern "C" double mix(int a, double b, long c, float d, short e, double f, char g, unsigned h, double i, long j,
          float k, double l, double m, double n, double o, int p, double q, bool fails) {
        check(fails);
        return a + 2*b + 3*c + 4*d + 5*e + 6*f + 7*g + 8*h + 9*i + 10*j + 11*k + 12*l + 13*m + 14*n + 15*o + 16*p + 17*q;
      }
      extern "C" long seven(long a, long b, long c, long d, long e, long f, long g) {
        check(g < 0); return a + 2*b + 3*c + 4*d + 5*e + 6*f + 7*g;
      }
      extern "C" float nine(float a, float b, float c, float d, float e, float f, float g, float h, float i) {
        check(i < 0); return a + 2*b + 3*c + 4*d + 5*e + 6*f + 7*g + 8*h + 9*i;
      }
      extern "C" const char *text(const char *t) { check(!t); return t; }
      extern "C" unsigned long long wide(unsigned long long x) { check(!x); return x; }
      extern "C" bool flag(bool x) { check(!x); return x; }
      // Vectors on the stack must be aligned.
      typedef float four __attribute__((vector_size(16)));
      extern "C" float aligned(float x, long, long, long, long, long, long) {
        volatile four v = {x, x, x, x}; check(x < 0); return v[0] + v[3];
      }`);
    const mix = library.func(
      'double mix(int a, double b, long c, float d, short e, double f, char g, unsigned h, double i, long j, float k, double l, double m, double n, double o, int p, double q, bool fails)',
    );
    const sum = Array.from({ length: 17 }, (_, index) => (index + 1) ** 2).reduce((a, b) => a + b);
    expect(mix(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, false)).toBe(sum);
    expect(thrownBy(() => mix(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, true)).what).toBe('told to');
    const seven = library.func('long seven(long, long, long, long, long, long, long)');
    expect(seven(1, 2, 3, 4, 5, 6, 7)).toBe(140);
    expect(thrownBy(() => seven(1, 2, 3, 4, 5, 6, -7)).type).toBe('std::domain_error');
    const nine = library.func('float nine(float, float, float, float, float, float, float, float, float)');
    expect(nine(1, 2, 3, 4, 5, 6, 7, 8, 9)).toBe(285);
    expect(thrownBy(() => nine(1, 2, 3, 4, 5, 6, 7, 8, -9)).type).toBe('std::domain_error');
    const text = library.func('const char *text(const char *)');
    expect(text('hé')).toBe('hé');
    expect(thrownBy(() => text(null)).function).toBe('text');
    const wide = library.func('unsigned long long wide(unsigned long long)');
    expect(wide(2n ** 64n - 1n)).toBe(2n ** 64n - 1n);
    thrownBy(() => wide(0));
    const flag = library.func('bool flag(bool)');
    expect(flag(true)).toBe(true);
    thrownBy(() => flag(false));
    const aligned = library.func('float aligned(float, long, long, long, long, long, long)');
    expect(aligned(1.5, 1, 2, 3, 4, 5, 6)).toBe(3);
    thrownBy(() => aligned(-1, 1, 2, 3, 4, 5, 6));
    expect(() => (wide as any)()).toThrow(TypeError);
    expect([mix.length, mix.name]).toEqual([18, 'mix']);
  });

  test('exceptions of asynchronous calls reject their own promises, with many at once', async () => {
    const library = await load(`
      #include <stdexcept>
      #include <string>
      #include <unistd.h>
      extern "C" int work(int n) {
        usleep(n % 7 * 100);
        if (n % 3 == 0) throw std::runtime_error(std::to_string(n));
        return n;
      }`);
    const work = library.func('int work(int n)');
    const settled = await Promise.allSettled(Array.from({ length: 300 }, (_, n) => work.async(n)));
    for (const [n, result] of settled.entries()) {
      if (n % 3 !== 0) expect(result).toEqual({ status: 'fulfilled', value: n });
      else expect(described((result as PromiseRejectedResult).reason)).toEqual(['std::runtime_error', String(n)]);
    }
    expect(work(1)).toBe(1);
    expect(thrownBy(() => work(3)).what).toBe('3');
    await expect((work as any).async('x')).rejects.toThrow(TypeError);
  });

  test('an exception in a callback is caught there, and comes out of the outer call when it is let out', async () => {
    const library = await load(`
      #include <stdexcept>
      static int destroyed;
      struct Noted { ~Noted() { destroyed++; } };
      extern "C" int count() { return destroyed; }
      extern "C" int outer(int (*f)(int), int n) { Noted noted; int r = f(n); if (r == 99) throw r; return r + 1; }
      extern "C" int inner(int n) { Noted noted; if (n < 0) throw std::range_error("inner"); return n; }`);
    const outer = library.func('int outer(int (*f)(int), int n)');
    const inner = library.func('int inner(int n)');
    const caught: unknown[] = [];
    const catching = (n: number): number => {
      try {
        return inner(n);
      } catch (error) {
        caught.push(error);
        return 5;
      }
    };
    expect(outer(catching, -1)).toBe(6);
    expect(caught).toEqual([expect.any(NativeError)]);
    expect(await outer.async(catching, -1)).toBe(6);
    const error = thrownBy(() => outer((n: number) => inner(n), -1));
    expect([error.function, error.type, error.what]).toEqual(['inner', 'std::range_error', 'inner']);
    await expect(outer.async((n: number) => inner(n), -1)).rejects.toThrow(NativeError);
    expect(library.func('int count()')()).toBe(8);
    // The callback's value makes the outer one throw; and one that fails first is what is told.
    expect(thrownBy(() => outer(() => 99, 0)).type).toBe('int');
    expect(outer((n: number) => outer(() => n, 0), 2)).toBe(4);
    const both = (): number => {
      expect(thrownBy(() => outer(() => 99, 0)).type).toBe('int');
      throw new RangeError('from JavaScript');
    };
    expect(() => outer(both, 0)).toThrow(RangeError);
    expect(outer(() => 1, 0)).toBe(2);
  });

  test('an error of a callback is told also when the native code throws on its account', async () => {
    const library = await load(`
      #include <stdexcept>
      extern "C" int need(int (*f)()) { int got = f(); if (got == 0) throw std::logic_error("zero"); return got; }`);
    const need = library.func('int need(int (*f)())');
    const failing = (): never => {
      throw new RangeError('from JavaScript');
    };
    expect(() => need(failing)).toThrow(RangeError);
    await expect(need.async(failing)).rejects.toThrow(RangeError);
    expect(need(() => 3)).toBe(3);
    expect(thrownBy(() => need(() => 0)).what).toBe('zero');
  });

  test('exceptions leave functions before and after a reload, and when the old code could not throw', async () => {
    const source = (body: string) => `#include <stdexcept>\nextern "C" int f(int n) { ${body} }`;
    const library = await load(source('return n;'));
    const f = library.func('int f(int n)');
    expect(f(1)).toBe(1);
    await library.reload({ source: source('if (n) throw std::logic_error("second"); return 2;') });
    expect(thrownBy(() => f(1)).what).toBe('second');
    expect(f(0)).toBe(2);
    await library.reload({ source: source('if (n) throw n; return 3;') });
    expect(thrownBy(() => f(1)).type).toBe('int');
    await library.reload({ source: source('return 4;') });
    expect(f(1)).toBe(4);
  });

  test('a dispose waits for asynchronous calls that throw', async () => {
    const library = await load(`
      #include <stdexcept>
      #include <unistd.h>
      extern "C" int late() { usleep(30000); throw std::runtime_error("late"); }`);
    const calls = Array.from({ length: 8 }, () => library.func('int late()').async());
    const settled = Promise.allSettled(calls);
    await library.dispose();
    expect((await settled).map((each) => (each as PromiseRejectedResult).reason.what)).toEqual(Array(8).fill('late'));
  });

  test('C code that unwinds by itself, and C code between C++, let exceptions through to JavaScript', async () => {
    const throwing = await load('extern "C" int fail(int n) { if (n > 2) throw n; return n; }');
    const library = await load('int fail(int); int twice(int n) { return fail(n) + fail(n); }', {
      language: 'c',
      flags: ['-fexceptions', '-O2'],
      libraries: [throwing],
    });
    const twice = library.func('int twice(int n)');
    expect(twice(2)).toBe(4);
    expect(thrownBy(() => twice(3)).type).toBe('int');
    const foreign = await load(
      `#include <unwind.h>
       static struct _Unwind_Exception exception;
       static int deleted;
       static void forget(_Unwind_Reason_Code c, struct _Unwind_Exception *e) { deleted++; }
       int raise_it(void) { exception.exception_class = 0x1234; exception.exception_cleanup = forget;
         _Unwind_RaiseException(&exception); return 1; }
       int count(void) { return deleted; }`,
      { language: 'c', flags: ['-fexceptions', '-O2'] },
    );
    expect(described(thrownBy(foreign.func('int raise_it(void)')))).toEqual(['an exception of another language', null]);
    expect(foreign.func('int count(void)')()).toBe(1);
  });

  test('the end of a thread passes as it does in C++', async () => {
    const library = await load(`
      #include <pthread.h>
      #include <stdexcept>
      static int destroyed;
      struct Noted { ~Noted() { destroyed++; } };
      extern "C" int leave(int how) {
        Noted noted;
        if (how == 1) throw std::runtime_error("in a thread");
        if (how == 2) pthread_exit((void *)7);
        for (;;) pthread_testcancel();
      }
      struct Job { int (*function)(int); int how; };
      static void *run(void *data) { auto *job = (Job *)data; Noted noted; return (void *)(long)job->function(job->how); }
      extern "C" long in_thread(int (*function)(int), int how) {
        Job job = {function, how};
        pthread_t thread;
        pthread_create(&thread, nullptr, run, &job);
        if (how == 3) pthread_cancel(thread);
        void *result;
        pthread_join(thread, &result);
        return result == PTHREAD_CANCELED ? -1 : (long)result;
      }
      extern "C" int count() { return destroyed; }`);
    const thunk = thunkOf(library.address('leave'));
    const inThread = library.func('long in_thread(void *function, int how)');
    // Called by the address that koffi calls, on a thread of its own: 0 is what a function gives that threw.
    expect(inThread(thunk, 1)).toBe(0);
    expect(inThread(thunk, 2)).toBe(7);
    expect(inThread(thunk, 3)).toBe(-1);
    expect(library.func('int count()')()).toBe(6);
  });
});

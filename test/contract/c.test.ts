/** What C sources expect of a linker and of `dlopen`, by what both compilers make of them. */

import { beforeEach, describe, expect, type TestContext, test } from 'vitest';
import { BindingError, type SourceLibrarySpec } from '../../src/index.ts';
import { expectRefusal, hasGcc, LOADERS, loadIn, skipBecause } from './harness.ts';

describe.each(LOADERS)('on the %s loader', (loader) => {
  describe.each(['clang', 'gcc'] as const)('as %s compiles it', (compiler) => {
    beforeEach((context: TestContext) => {
      if (compiler === 'gcc' && !hasGcc()) skipBecause(context, 'there is no gcc');
    });
    const load = (source: string, options: Partial<SourceLibrarySpec> = {}) =>
      loadIn(loader, source, compiler === 'gcc' ? { compiler, ...options } : options);

    describe('thread-local storage', () => {
      const source = `
        #include <pthread.h>
        #include <stdint.h>
        __thread int exported = 7;
        static __thread int inner = 3;
        static __thread char big[300000];
        static __thread struct { _Alignas(64) long first; long rest[3]; } aligned = { 1, { 2, 3, 4 } };
        __thread int *pointer = &(int){ 0 };
        __attribute__((visibility("hidden"))) __thread long hidden_one = 5;
        long bump(void) {
          big[299999] += 1;
          return ++exported + ++inner + big[299999] + ++aligned.rest[2] + ++hidden_one + ((uintptr_t)&aligned % 64);
        }
        static void *run(void *out) { bump(); *(long *)out = bump(); return 0; }
        long other_thread(void) { pthread_t t; long seen = 0; pthread_create(&t, 0, run, &seen); pthread_join(t, 0); return seen; }
        static void *place(void *out) { *(char **)out = big; return 0; }
        int is_own(void) { pthread_t t; char *other = 0; pthread_create(&t, 0, place, &other); pthread_join(t, 0); return other != big; }
      `;

      test.for([
        '-O2',
        '-O0',
        '-ftls-model=local-dynamic',
        '-ftls-model=initial-exec',
        '-ftls-model=local-exec',
        '-fno-pic -ftls-model=local-exec',
        '-mtls-dialect=gnu2',
      ])('each thread has its own, however the model is asked for (%s)', async (flags) => {
        const library = await load(source, { flags: flags.split(' ') });
        const bump = library.func('long bump(void)');
        const first = 8 + 4 + 1 + 5 + 6;
        expect([bump(), bump()]).toEqual([first, first + 5]);
        expect(library.func('long other_thread(void)')()).toBe(first + 5);
        expect(library.func('int is_own(void)')()).toBe(1);
        expect(bump()).toBe(first + 10);
        expect(await bump.async()).toBe(first);
      });

      test('a source that demands the initial-exec model by an attribute', async (context) => {
        const demanding = `
          __attribute__((tls_model("initial-exec"))) __thread int counter = 40;
          int next(void) { return ++counter; }
        `;
        if (loader === 'orc') {
          await expectRefusal(context, load(demanding), /thread-local counter .*needs `loader: 'shared-object'`/);
          return;
        }
        const next = (await load(demanding)).func('int next(void)');
        expect([next(), next()]).toEqual([41, 42]);
        expect(await next.async()).toBe(41);
      });
    });

    test('aliases, weak aliases, weak references and visibility mean what they do for a linker', async () => {
      const library = await load(`
        int real(int x) { return x + 1; }
        extern __typeof(real) other_name __attribute__((alias("real")));
        extern __typeof(real) weak_name __attribute__((weak, alias("real")));
        __attribute__((visibility("hidden"))) int hidden_one(int x) { return x * 2; }
        extern __typeof(hidden_one) shown __attribute__((alias("hidden_one"), visibility("default")));
        __attribute__((visibility("protected"))) int guarded(int x) { return x - 1; }
        static int table_[3] = { 10, 20, 30 };
        extern int table[3] __attribute__((alias("table_")));
        static int reference(int) __attribute__((weakref("real")));
        static int dangling(int) __attribute__((weakref("nobody_has_this")));
        int all(int x) { return other_name(x) + weak_name(x) + shown(x) + guarded(x) + table[2] + reference(x); }
        int is_dangling(void) { return !dangling; }
        static int (*volatile one)(int) = other_name, (*volatile two)(int) = real;
        static void *volatile three = table, *volatile four = table_;
        int are_same(void) { return one == two && three == four; }
      `);
      expect(library.func('int all(int)')(10)).toBe(11 + 11 + 20 + 9 + 30 + 11);
      expect(library.func('int is_dangling(void)')()).toBe(1);
      expect(library.func('int are_same(void)')()).toBe(1);
      expect(library.address('other_name')).toBe(library.address('real'));
      expect([...library.symbols.keys()].sort()).toEqual([
        'all',
        'are_same',
        'guarded',
        'is_dangling',
        'other_name',
        'real',
        'shown',
        'table',
        'weak_name',
      ]);
    });

    test('a weak name that nothing defines is 0, and one that libc defines is libc’s', async () => {
      const library = await load(`
        #include <stddef.h>
        __attribute__((weak)) int nobody(void);
        __attribute__((weak)) extern int nothing;
        __attribute__((weak)) size_t strlen(const char *);
        // As the node binary has it, which is no part of the runtime.
        __attribute__((weak)) const char *zlibVersion(void);
        void *table[] = { (void *)nobody, &nothing, (void *)strlen };
        int found(void) { return (nobody != NULL) + 2 * (&nothing != NULL) + 4 * (strlen != NULL) + 8 * (table[0] != NULL) + 16 * (table[1] != NULL) + 32 * (table[2] != NULL); }
        size_t length(const char *text) { return strlen ? strlen(text) : 99; }
      `);
      expect(library.func('int found(void)')()).toBe(4 + 32);
      expect(library.func('size_t length(const char *)')('four')).toBe(4);
    });

    test('an ifunc is resolved once, before the initialisers, wherever it is used', async () => {
      const library = await load(`
        static int resolved;
        static int slow(int x) { return -x; }
        static int fast(int x) { return x * 3; }
        static int (*choose(void))(int) { resolved += 1; return resolved > 0 ? fast : slow; }
        int picked(int x) __attribute__((ifunc("choose")));
        static int inner(int x) __attribute__((ifunc("choose")));
        int (*in_data[])(int) = { picked, inner };
        static int at_start;
        __attribute__((constructor)) static void start(void) { at_start = picked(5) + in_data[1](1); }
        int all(int x) { int (*volatile p)(int) = picked; return picked(x) + inner(x) + p(x) + in_data[0](x); }
        int started(void) { return at_start; }
        int is_same(void) { return in_data[0] == picked; }
      `);
      expect(library.func('int all(int)')(2)).toBe(24);
      expect(library.func('int started(void)')()).toBe(18);
      expect(library.func('int is_same(void)')()).toBe(1);
      expect(library.func('int picked(int)')(7)).toBe(21);
      expect(library.symbols.get('picked')?.kind).toBe('function');
    });

    test('target_clones chooses what this processor has', async () => {
      const library = await load(
        `
        __attribute__((target_clones("avx2", "sse4.2", "default")))
        long sum(const int *v, int n) { long s = 0; for (int i = 0; i < n; i++) s += v[i]; return s; }
        int has(void) { __builtin_cpu_init(); return __builtin_cpu_supports("sse2") && !!__builtin_cpu_supports("avx2") >= 0; }
      `,
        { flags: ['-O3'] },
      );
      expect(
        library.func('long sum(const int *v, int n)')(
          Int32Array.from({ length: 1000 }, (_, i) => i),
          1000,
        ),
      ).toBe(499500);
      expect(library.func('int has(void)')()).toBe(1);
    });

    test('initialisers get the environment of now, which has moved since the process began', async () => {
      for (let index = 0; index < 200; index += 1) process.env[`FROMSOURCE_C_${index}`] = 'x'.repeat(100);
      try {
        const library = await load(`
          static int seen;
          __attribute__((constructor)) static void start(int argc, char **argv, char **envp) {
            for (; *envp; envp++) seen += !__builtin_strncmp(*envp, "FROMSOURCE_C_", 13);
          }
          int seen_(void) { return seen; }
        `);
        expect(library.func('int seen_(void)')()).toBe(200);
      } finally {
        for (let index = 0; index < 200; index += 1) delete process.env[`FROMSOURCE_C_${index}`];
      }
    });

    test('initialisers get the program’s arguments and environment, in the order of their priorities', async () => {
      const library = await load(`
        #include <stdlib.h>
        #include <string.h>
        static int order, count; static const char *first, *home;
        __attribute__((constructor(65000))) static void third(void) { order = order * 10 + 3; }
        __attribute__((constructor(101))) static void one(int argc, char **argv, char **envp) {
          order = order * 10 + 1; count = argc; first = argv[0];
          for (; *envp; envp++) if (!strncmp(*envp, "HOME=", 5)) home = *envp + 5;
        }
        __attribute__((constructor(65000))) static void fourth(void) { order = order * 10 + 4; }
        __attribute__((constructor(102))) static void two(void) { order = order * 10 + 2; }
        __attribute__((constructor)) static void last(void) { order = order * 10 + 5; }
        int order_(void) { return order; }
        int count_(void) { return count; }
        const char *first_(void) { return first; }
        const char *home_(void) { return home; }
      `);
      expect(library.func('int order_(void)')()).toBe(12345);
      expect(library.func('int count_(void)')()).toBeGreaterThan(0);
      expect(library.func('const char *first_(void)')()).toContain('node');
      expect(library.func('const char *home_(void)')()).toBe(process.env.HOME ?? null);
    });

    test('common symbols have memory, zeroed and aligned', async () => {
      const library = await load(
        `
        #include <stdint.h>
        int plain; int plain; double pair[2]; char bytes[100003];
        int aligned __attribute__((aligned(4096)));
        int check(void) { int sum = plain + aligned; for (unsigned i = 0; i < sizeof bytes; i++) sum += bytes[i]; return sum; }
        unsigned long places(void) { return (uintptr_t)&aligned % 4096 + (uintptr_t)pair % 16 + (uintptr_t)&plain % 4; }
        int set(int x) { plain = x; bytes[100002] = 1; return plain + check(); }
      `,
        { flags: ['-O1', '-fcommon'] },
      );
      expect(library.func('int check(void)')()).toBe(0);
      expect(library.func('unsigned long places(void)')()).toBe(0);
      expect(library.func('int set(int)')(20)).toBe(20 + 20 + 1);
      expect(library.variable('int plain').value).toBe(20);
      expect(library.symbols.get('bytes')).toMatchObject({ kind: 'data', size: 100003 });
    });

    test('setjmp and longjmp leave nested calls, those of libc among them', async () => {
      const library = await load(`
        #include <setjmp.h>
        #include <stdlib.h>
        #include <signal.h>
        static jmp_buf place; static sigjmp_buf other; static void *builtin[5];
        static int deep(int n) { if (n == 0) longjmp(place, 42); return deep(n - 1) + 1; }
        int leave(int n) { volatile int kept = n; int code = setjmp(place); return code ? code + kept : deep(n); }
        static int compare(const void *a, const void *b) { siglongjmp(other, 7); return a < b; }
        int out_of_qsort(void) { int v[] = { 3, 1, 2 }; int code = sigsetjmp(other, 1); if (code) return code; qsort(v, 3, sizeof *v, compare); return 0; }
        static __attribute__((noinline)) void jump(void) { __builtin_longjmp(builtin, 1); }
        int by_builtin(void) { if (__builtin_setjmp(builtin)) return 5; jump(); return 0; }
      `);
      const leave = library.func('int leave(int)');
      expect([leave(100), leave(3)]).toEqual([142, 45]);
      expect(library.func('int out_of_qsort(void)')()).toBe(7);
      expect(library.func('int by_builtin(void)')()).toBe(5);
    });

    test('complex numbers, half precision and wide integers work inside, and are refused where they would be bound', async () => {
      const library = await load(`
        #include <complex.h>
        #include <stdint.h>
        double complex_part(double re, double im) { double _Complex z = re + im * I; return cimag(z * z / (z + 1.0)) + cabs(cexp(z)); }
        float complex_float(float re) { float _Complex z = re + 2.0f * I; return crealf(z * z); }
        long double complex_long(void) { long double _Complex z = 1.0L + 2.0L * I; return creall(z * z * z); }
        double from_long(void) { return (double)complex_long(); }
        _Float16 halve(_Float16 x) { return x / 2; }
        double half(double x) { _Float16 h = (_Float16)x; return (double)halve(h) + (double)(float)(_Float16)(float)x; }
        __int128 product(int64_t a, int64_t b) { return (__int128)a * b; }
        int64_t high(int64_t a, int64_t b) { return (int64_t)(product(a, b) >> 64); }
        uint64_t divided(uint64_t a, uint64_t b) { unsigned __int128 w = ((unsigned __int128)a << 64) | 5; return (uint64_t)(w / b) + (uint64_t)(w % (b + 1)); }
        int overflows(int64_t a) { __int128 r; return __builtin_mul_overflow((__int128)a << 60, (__int128)a << 60, &r); }
        double to_double(int64_t a) { return (double)((__int128)a << 40) + (double)(__int128)1e20; }
        double quad(double x) { __float128 q = x; return (double)(q * q / 3); }
        double _Complex returned(void) { return 1; }
        long double extended(void) { return 1; }
      `);
      const z = { re: 1.5, im: 0.5 };
      // z²/(z+1) and |exp(z)| by hand.
      const [sr, si, dr, di] = [z.re ** 2 - z.im ** 2, 2 * z.re * z.im, z.re + 1, z.im];
      const imaginary = (si * dr - sr * di) / (dr ** 2 + di ** 2);
      expect(library.func('double complex_part(double, double)')(z.re, z.im)).toBeCloseTo(
        imaginary + Math.exp(z.re),
        12,
      );
      expect(library.func('float complex_float(float)')(3)).toBe(5);
      expect(library.func('double from_long(void)')()).toBe(-11);
      expect(library.func('double half(double)')(1.0009765625)).toBe(0.5 + 2 ** -11 + 1.0009765625);
      expect(library.func('int64_t high(int64_t, int64_t)')(2n ** 62n, 12)).toBe(3);
      const w = (7n << 64n) | 5n;
      const b = 10n ** 15n;
      expect(BigInt(library.func('uint64_t divided(uint64_t, uint64_t)')(7, b))).toBe(w / b + (w % (b + 1n)));
      const overflows = library.func('int overflows(int64_t)');
      expect([overflows(1), overflows(2 ** 20)]).toEqual([0, 1]);
      expect(library.func('double to_double(int64_t)')(-3)).toBe(-3 * 2 ** 40 + 1e20);
      expect(library.func('double quad(double)')(3)).toBe(3);
      const refusals = {
        'double _Complex returned(void)': 'complex numbers have no JavaScript value',
        '__int128 product(int64_t a, int64_t b)': '128-bit integers have no calling convention here',
        '_Float16 halve(_Float16 x)': '_Float16',
        'long double extended(void)': 'long double',
      };
      for (const [prototype, reason] of Object.entries(refusals)) {
        expect(() => library.func(prototype), prototype).toThrow(BindingError);
        expect(() => library.func(prototype), prototype).toThrow(reason);
      }
    });

    test('variadic functions are called inside, by va_list too, and refused where they would be bound', async () => {
      const library = await load(`
        #include <stdarg.h>
        #include <stdio.h>
        double mix(const char *kinds, ...) {
          va_list list, again; va_start(list, kinds); va_copy(again, list); double sum = 0;
          for (int round = 0; round < 2; round++)
            for (const char *k = kinds; *k; k++)
              sum += *k == 'i' ? va_arg(round ? again : list, int) : *k == 'l' ? (double)va_arg(round ? again : list, long long) : va_arg(round ? again : list, double);
          va_end(again); va_end(list); return sum;
        }
        double many(void) { return mix("idlidlidlidl", 1, 2.5, 3LL, 4, 5.5, 6LL, 7, 8.5, 9LL, 10, 11.5, 12LL); }
        int format_list(char *to, unsigned long size, const char *format, va_list list) { return vsnprintf(to, size, format, list); }
        static int format(char *to, unsigned long size, const char *format, ...) {
          va_list list; va_start(list, format); int n = format_list(to, size, format, list); va_end(list); return n;
        }
        int show(char *to, unsigned long size) { return format(to, size, "%d %s %.2f %Lg %c", -5, "text", 0.125, 2.5L, 'x'); }
      `);
      expect(library.func('double many(void)')()).toBe(2 * (1 + 2.5 + 3 + 4 + 5.5 + 6 + 7 + 8.5 + 9 + 10 + 11.5 + 12));
      const text = Buffer.alloc(64);
      const length = library.func('int show(char *to, unsigned long size)')(text, 64);
      expect(text.toString('latin1', 0, length)).toBe('-5 text 0.12 2.5 x');
      const variadic: string = 'double mix(const char *kinds, ...)';
      expect(() => library.func(variadic)).toThrow('variadic functions are not bound; wrap the call');
    });

    test('inline assembly: with operands, with jumps, and at file level with sections of its own', async () => {
      const library = await load(`
        long add(long a, long b) { __asm__ volatile ("addq %1, %0" : "+r"(a) : "r"(b) : "cc"); return a; }
        unsigned digest(unsigned x) { unsigned a = 0, b, c = 0, d; __asm__ volatile ("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d)); return (b | c | d) != 0 ? x : 0; }
        int is_odd(int x) { __asm__ goto ("testl $1, %0; jnz %l[odd]" : : "r"(x) : "cc" : odd); return 0; odd: return 1; }
        __asm__ (
          ".pushsection .text\\n.globl by_hand\\n.type by_hand, @function\\nby_hand:\\n lea 1(%rdi), %rax\\n add from_data(%rip), %rax\\n ret\\n"
          ".size by_hand, . - by_hand\\n.popsection\\n"
          ".pushsection .data\\n.balign 8\\nfrom_data: .quad 100\\n.popsection\\n"
          ".pushsection my_table,\\"aw\\",@progbits\\n.quad 11, 22, 33\\n.popsection\\n");
        extern long __start_my_table[], __stop_my_table[];
        __attribute__((section("my_table"), used)) static long more = 44;
        long total(void) { long sum = 0; for (long *p = __start_my_table; p < __stop_my_table; p++) sum += *p; return sum; }
        long by_hand(long);
        long twice(long x) { return by_hand(by_hand(x)); }
      `);
      expect(library.func('long add(long, long)')(40, 2)).toBe(42);
      expect(library.func('unsigned digest(unsigned)')(9)).toBe(9);
      const isOdd = library.func('int is_odd(int)');
      expect([isOdd(3), isOdd(4)]).toEqual([1, 0]);
      expect(library.func('long twice(long)')(5)).toBe(207);
      expect(library.func('long total(void)')()).toBe(110);
    });

    test('-march=native with vectors gives what plain code gives', async () => {
      const source = `
        double dot(const double *a, const double *b, int n) { double s = 0; for (int i = 0; i < n; i++) s += a[i] * b[i]; return s; }
        typedef float v8 __attribute__((vector_size(32)));
        float eight(float x) { v8 v = { 1, 2, 3, 4, 5, 6, 7, 8 }; v = v * x + v; float s = 0; for (int i = 0; i < 8; i++) s += v[i]; return s; }
        int bits(unsigned long x) { return __builtin_popcountl(x) + __builtin_ctzl(x); }
      `;
      const values = Float64Array.from({ length: 1003 }, (_, index) => index % 7);
      const results = [];
      for (const flags of [
        ['-O3', '-march=native', '-ffast-math'],
        ['-O1', '-Wno-psabi'],
      ]) {
        const library = await load(source, { flags });
        const dot = library.func('double dot(const double *a, const double *b, int n)')(values, values, 1003);
        results.push([dot, library.func('float eight(float)')(2), library.func('int bits(unsigned long)')(0b101000)]);
      }
      expect(results[0]).toEqual(results[1]);
      expect(results[0]?.[1]).toBe(108);
    });

    test('nested functions, of which one that is passed on needs an executable stack', async (context) => {
      if (compiler === 'clang') skipBecause(context, 'clang has no nested functions');
      const inner = await load(
        'int outer(int base, int x) { int add(int y) { return base + y; } return add(x) + add(1); }',
        { flags: ['-O0'] },
      );
      expect(inner.func('int outer(int, int)')(10, 5)).toBe(26);
      const passed = `
        static int apply(int (*f)(int), int x) { return f(x); }
        int outer(int base, int x) { int add(int y) { return base + y; } return apply(add, x); }
      `;
      await expectRefusal(
        context,
        load(passed, { flags: ['-O0'] }),
        /it needs an executable stack.*pass it what it uses/,
      );
    });

    test('computed goto and jump tables', async () => {
      const library = await load(`
        int run(const char *code) {
          static const void *const labels[] = { &&stop, &&increment, &&twice, &&negate };
          static const int offsets[] = { &&stop - &&stop, &&increment - &&stop, &&twice - &&stop, &&negate - &&stop };
          int x = 1;
          #define NEXT goto *(*code & 1 ? labels[(int)*code++ - 'a'] : &&stop + offsets[(int)*code++ - 'a'])
          NEXT;
          increment: x++; NEXT;
          twice: x *= 2; NEXT;
          negate: x = -x; NEXT;
          stop: return x;
        }
        int choose(int x) { switch (x) { case 0: return 5; case 1: return 17; case 2: return run("ba"); case 3: return 9; case 4: return x * 7; case 5: return run("ca"); case 6: return 1; case 7: return 2; } return -1; }
      `);
      expect(library.func('int run(const char *code)')('bccdba')).toBe(-7);
      const choose = library.func('int choose(int)');
      expect([0, 1, 2, 3, 4, 5, 6, 7, 8].map((x) => choose(x))).toEqual([5, 17, 2, 9, 28, 2, 1, 2, -1]);
    });

    test('large static data, initialised and not, is there without being written out', async () => {
      const library = await load(`
        static char zeroes[256 << 20];
        const unsigned table[1 << 20] = { [0] = 1, [12345] = 2, [(1 << 20) - 1] = 3 };
        static int *pointers[100000] = { [99999] = (int *)&table[12345] };
        unsigned probe(unsigned long at) { zeroes[at] += 1; return zeroes[at] + table[0] + table[12345] + table[(1 << 20) - 1] + *pointers[99999]; }
      `);
      const probe = library.func('unsigned probe(unsigned long)');
      expect([probe(0), probe((256 << 20) - 1), probe(0)]).toEqual([9, 9, 10]);
    });

    test('a gigabyte of zeroes', async (context) => {
      const loading = load('static char zeroes[1 << 30]; int probe(long at) { return ++zeroes[at]; }');
      if (loader === 'orc') {
        await expectRefusal(context, loading, /[^:]*JIT memory.*/);
        return;
      }
      const probe = (await loading).func('int probe(long)');
      expect([probe(0), probe(2 ** 30 - 1), probe(0)]).toEqual([1, 1, 2]);
    });

    test('functions of libc that are ifuncs themselves work by call, by pointer and in static tables', async () => {
      const library = await load(
        `
        #include <math.h>
        #include <string.h>
        #include <strings.h>
        #include <time.h>
        static void *(*const table[])(void *, const void *, size_t) = { memcpy, memmove };
        int strings(void) {
          char a[64] = "", b[64] = "";
          table[0](a, "hello world", 12); table[1](b, a, 12);
          size_t (*volatile length)(const char *) = strlen;
          return memcmp(a, b, 12) == 0 && length(b) == 11 && strchr(a, 'w') == a + 6 && strrchr(a, 'o') == a + 7 && strcasecmp(a, "HELLO WORLD") == 0 && strstr(a, "lo w") == a + 3 && memchr(a, 'd', 12) == a + 10 && strnlen(a, 5) == 5;
        }
        double maths(double x) { return floor(x) + ceil(x) + rint(x) + fma(x, 2, 1) + sin(0 * x) + pow(x, 2) + exp2(x - x); }
        long now(void) { return time(0) > 1000000000; }
      `,
        { flags: ['-O1', '-fno-builtin'] },
      );
      expect(library.func('int strings(void)')()).toBe(1);
      expect(library.func('double maths(double)')(2.5)).toBe(2 + 3 + 2 + 6 + 0 + 6.25 + 1);
      expect(library.func('long now(void)')()).toBe(1);
    });

    test('variables of libc are the process’s own', async () => {
      const library = await load(`
        #include <errno.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <unistd.h>
        extern char **environ;
        static FILE **const streams[] = { &stdout, &stderr };
        int sees(const char *name) { setenv(name, "yes", 1); int found = 0; for (char **e = environ; *e; e++) found |= !strncmp(*e, name, strlen(name)) && !strcmp(getenv(name), "yes"); unsetenv(name); return found; }
        int failed(void) { errno = 0; close(-1); return errno == EBADF; }
        int numbers(void) { return fileno(stdout) * 100 + fileno(*streams[1]) * 10 + fileno(*streams[0]); }
      `);
      expect(library.func('int sees(const char *name)')('FROMSOURCE_C_TEST')).toBe(1);
      expect(library.func('int failed(void)')()).toBe(1);
      expect(library.func('int numbers(void)')()).toBe(121);
    });

    test.for([
      '-O2 -fstack-protector-all -D_FORTIFY_SOURCE=2',
      '-O2 -fstack-clash-protection -fcf-protection=full',
      '-O2 -ffunction-sections -fdata-sections -fno-plt',
      '-O0 -g3 -fno-omit-frame-pointer',
      '-Os -mcmodel=large',
      '-O2 -mcmodel=medium',
      '-O2 -fvisibility=hidden -fno-asynchronous-unwind-tables -fno-semantic-interposition',
    ])('code is the same library with %s', async (flags, context) => {
      const loading = load(
        `
        #include <stdlib.h>
        #include <string.h>
        static int table[5000] = { 1, 2, 3 };
        static int (*volatile indirect)(const char *) = atoi;
        __attribute__((visibility("default"))) int work(const char *text, int n) {
          char copy[64]; int wide[n]; memset(wide, 0, sizeof wide);
          strncpy(copy, text, sizeof copy - 1); copy[63] = 0;
          char *big = __builtin_alloca(n * 100); big[n * 99] = 4;
          return indirect(copy) + wide[n - 1] + table[2] + big[n * 99];
        }
      `,
        { flags: flags.split(' ') },
      );
      if (loader === 'orc' && compiler === 'gcc' && flags.includes('-mcmodel=large')) {
        await expectRefusal(context, loading, /is called as -mcmodel=large has it .*give `loader: 'shared-object'`/);
        return;
      }
      const library = await loading;
      expect(library.func('int work(const char *text, int n)')('35', 1000)).toBe(35 + 3 + 4);
    });

    test('C11 atomics, threads and _Generic', async () => {
      const library = await load(`
        #include <stdatomic.h>
        #include <threads.h>
        static atomic_int total; static once_flag once = ONCE_FLAG_INIT; static int onces; static tss_t key; static atomic_int freed; static mtx_t lock; static int guarded;
        static void init(void) { onces++; }
        static void gone(void *value) { atomic_fetch_add(&freed, *(int *)value); }
        static int work(void *value) {
          static _Thread_local int mine; mine = *(int *)value; tss_set(key, &mine);
          call_once(&once, init);
          for (int i = 0; i < 1000; i++) { atomic_fetch_add(&total, 1); mtx_lock(&lock); guarded++; mtx_unlock(&lock); }
          return mine;
        }
        int run(void) {
          thrd_t all[4]; int values[4] = { 1, 2, 3, 4 }, sum = 0; tss_create(&key, gone); mtx_init(&lock, mtx_plain);
          for (int i = 0; i < 4; i++) thrd_create(&all[i], work, &values[i]);
          for (int i = 0; i < 4; i++) { int r; thrd_join(all[i], &r); sum += r; }
          tss_delete(key); return total == 4000 && guarded == 4000 && onces == 1 && sum == 10;
        }
        int kind(void) { return _Generic(1.0f, float: 1, double: 2) + _Generic((char *)0, char *: 10, default: 20); }
      `);
      expect(library.func('int run(void)')()).toBe(1);
      expect(library.func('int kind(void)')()).toBe(11);
    });
  });
});

import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LinkError } from '../../src/errors.ts';
import { koffi } from '../../src/koffi.ts';
import type { LoadedImage } from '../../src/loader/loader.ts';
import { createOrcLoader, type OrcLoader } from '../../src/loader/orc.ts';
import { type Compiler, compile, compileShared, runChild, shimIsBuilt, shimPath } from './fixtures/objects.ts';
import { exceptions, ordered, threadDestructors, threadLocal } from './fixtures/sources.ts';

const both: Compiler[] = ['clang-22', 'gcc'];
const bothPlus: Compiler[] = ['clang++-22', 'g++'];

describe.skipIf(!shimIsBuilt)('the ORC loader', () => {
  let loader: OrcLoader;
  const live: LoadedImage[] = [];

  beforeAll(() => {
    loader = createOrcLoader();
  });
  afterEach(async () => {
    for (const image of live.splice(0).reverse()) await image.dispose();
  });

  async function link(object: Uint8Array, library = 'test'): Promise<LoadedImage> {
    const image = await loader.link({ library, object, language: 'c', compilerPath: '' });
    live.push(image);
    return image;
  }

  async function linkError(object: Uint8Array, library = 'test'): Promise<LinkError> {
    const before = loader.bytesInUse;
    const error = await link(object, library).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(LinkError);
    expect(loader.bytesInUse, 'nothing of a failed link stays').toBe(before);
    return error as LinkError;
  }

  function fn(image: LoadedImage, name: string, result = 'int', parameters: string[] = []) {
    const symbol = image.symbols.get(name);
    if (!symbol) throw new Error(`no ${name}`);
    return koffi.decode(symbol.address, koffi.proto(result, parameters));
  }

  it('links a thousand sections that need one another as fast as they are many', async () => {
    const one = (n: number) => `int f${n}(int x) { return x > 0 ? ${n === 0 ? 'x' : `f${n - 1}(x - 1)`} : ${n}; }`;
    const source = Array.from({ length: 1000 }, (_, n) => one(n)).join('\n');
    const object = compile('clang-22', source, ['-O0', '-fPIC', '-ffunction-sections']);
    const times: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const started = performance.now();
      const image = await link(object);
      times.push(performance.now() - started);
      expect(fn(image, 'f999', 'int', ['int'])(10)).toBe(989);
    }
    // 0.02 s; ORC's graph of what each waits for takes 3 s.
    expect(Math.min(...times)).toBeLessThan(1000);
  });

  describe('symbols', () => {
    it.each(both)('lists what an object of %s exports, with kind and size', async (compiler) => {
      const image = await link(
        compile(
          compiler,
          `
          int add(int a, int b) { return a + b; }
          int table[10] = {1};
          int zeros[300];
          int common_one;
          const char text[] = "hello";
          static int own(void) { return 1; }
          int (*pointer)(void) = own;
          __attribute__((visibility("hidden"))) int hidden(void) { return 2; }
          __attribute__((weak)) int weak_one(void) { return 3; }
          int aliased(int a, int b) __attribute__((alias("add")));
          __thread int per_thread = 1;`,
          ['-O1', '-fPIC', '-fcommon'],
        ),
      );
      expect([...image.symbols].map(([name, { kind }]) => `${name} ${kind}`).sort()).toEqual([
        'add function',
        'aliased function',
        'common_one data',
        'pointer data',
        'table data',
        'text data',
        'weak_one function',
        'zeros data',
      ]);
      expect(image.symbols.get('table')?.size).toBe(40);
      expect(image.symbols.get('zeros')?.size).toBe(1200);
      expect(image.symbols.get('common_one')?.size).toBe(4);
      expect(image.symbols.get('aliased')?.address).toBe(image.symbols.get('add')?.address);
      expect(fn(image, 'add', 'int', ['int', 'int'])(2, 3)).toBe(5);
      expect(koffi.decode(image.symbols.get('text')?.address, 'char', 5)).toBe('hello');
    });

    it('links an object that has none', async () => {
      expect((await link(compile('clang-22', ''))).symbols.size).toBe(0);
      expect((await link(compile('gcc', 'static int unused __attribute__((used)) = 1;'))).symbols.size).toBe(0);
    });

    it.each(bothPlus)('links templates, inline functions and unique symbols of %s', async (compiler) => {
      const image = await link(
        compile(
          compiler,
          `
          #include <vector>
          #include <string>
          #include <map>
          #include <iostream>
          inline int &counter() { static int n = 0; return ++n; }
          extern "C" int count(void) { return counter(); }
          extern "C" int words(int n) {
            std::map<std::string, std::vector<int>> m;
            for (int i = 0; i < n; i++) m[std::to_string(i % 7)].push_back(i);
            return (int)m.size() * 1000 + (int)m["3"].size();
          }
          extern "C" int stream_is_good(void) { std::cout << ""; return std::cout.good(); }`,
        ),
      );
      expect(fn(image, 'count')()).toBe(1);
      expect(fn(image, 'count')()).toBe(2);
      expect(fn(image, 'words', 'int', ['int'])(70)).toBe(7010);
      expect(fn(image, 'stream_is_good')()).toBe(1);
    });

    it('defines the start and stop of a section with a C name', async () => {
      const source = `
        struct entry { int value; };
        #define ENTRY(n) static struct entry e##n __attribute__((section("entries"), used)) = {n};
        ENTRY(1) ENTRY(20) ENTRY(300)
        extern struct entry __start_entries[], __stop_entries[];
        int sum(void) { int n = 0; for (struct entry *e = __start_entries; e < __stop_entries; e++) n += e->value; return n; }`;
      for (const compiler of both) expect(fn(await link(compile(compiler, source)), 'sum')()).toBe(321);
    });

    it('resolves a weak name that nothing defines to 0', async () => {
      const source = `
        extern int nowhere(void) __attribute__((weak));
        extern int nothing __attribute__((weak));
        int defined(void) { return (nowhere ? nowhere() : 10) + (&nothing ? nothing : 1); }`;
      for (const compiler of both) expect(fn(await link(compile(compiler, source)), 'defined')()).toBe(11);
      const direct = compile('clang-22', source, ['-O1', '-fPIC', '-fno-plt']);
      expect(fn(await link(direct), 'defined')()).toBe(11);
    });

    it('chooses an ifunc when the library is loaded', async () => {
      const source = `
        static int fast(int v) { return v * 2; }
        static int slow(int v) { return v * 3; }
        static int use_fast = 1;
        static int (*choose(void))(int) { return use_fast ? fast : slow; }
        int scaled(int v) __attribute__((ifunc("choose")));
        static int inner(int v) __attribute__((ifunc("choose")));
        int (*in_data)(int) = scaled;
        int call(int v) { return scaled(v) + inner(v) + in_data(v); }
        static int at_start;
        __attribute__((constructor)) static void early(void) { at_start = scaled(4); }
        int started(void) { return at_start; }`;
      for (const compiler of both) {
        const image = await link(compile(compiler, source));
        expect(image.symbols.get('scaled')?.kind).toBe('function');
        expect(fn(image, 'scaled', 'int', ['int'])(21)).toBe(42);
        expect(fn(image, 'call', 'int', ['int'])(5)).toBe(30);
        expect(fn(image, 'started')()).toBe(8);
      }
    });

    it.each(both)('runs a function that %s cloned for several processors', async (compiler) => {
      const image = await link(
        compile(
          compiler,
          `
          __attribute__((target_clones("avx2", "default"))) int total(const int *v, int n) {
            int sum = 0;
            for (int i = 0; i < n; i++) sum += v[i];
            return sum;
          }
          int supports(void) { __builtin_cpu_init(); return __builtin_cpu_supports("sse2") != 0; }`,
          ['-O2', '-fPIC'],
        ),
      );
      expect(fn(image, 'total', 'int', ['int *', 'int'])([1, 2, 3, 4, 5, 6, 7, 8, 9], 9)).toBe(45);
      expect(fn(image, 'supports')()).toBe(1);
    });
  });

  describe('names from the process', () => {
    it('names every missing symbol, sorted, with what may have been meant', async () => {
      const error = await linkError(
        compile(
          'clang-22',
          `
          int pritnf(const char *, ...);
          int vec_lenght(void);
          int completely_unknown_name(void);
          extern int other __attribute__((weak));
          int vec_length(void) { return 1; }
          int f(void) { return pritnf("") + vec_lenght() + completely_unknown_name() + (&other ? other : 0); }`,
        ),
        'vec',
      );
      expect(error.missingSymbols).toEqual(['completely_unknown_name', 'pritnf', 'vec_lenght']);
      expect(error.message).toBe(
        'vec: nothing defines `completely_unknown_name`, `pritnf` (did you mean `printf`?), ' +
          '`vec_lenght` (did you mean `vec_length`?). Define it in the source or mend its spelling; ' +
          'a library links only to itself, to its `libraries` and to the C and C++ runtime',
      );
      expect(error.library).toBe('vec');
      expect(error.code).toBe('ERR_LINK');
    });

    it('does not take what node exports for itself, nor what is in the shim', async () => {
      const error = await linkError(
        compile(
          'clang-22',
          `
          int deflate(void *, int); void *SSL_new(void *); int uv_run(void *, int); int fs_abi_version(void);
          int LLVMCreateMessage(void); int napi_create_object(void); int _ZN4llvm11raw_ostreamD2Ev(void);
          int f(void) { return deflate(0, 0) + !!SSL_new(0) + uv_run(0, 0) + fs_abi_version() + LLVMCreateMessage()
            + napi_create_object() + _ZN4llvm11raw_ostreamD2Ev(); }`,
        ),
      );
      expect(error.missingSymbols).toEqual([
        'LLVMCreateMessage',
        'SSL_new',
        '_ZN4llvm11raw_ostreamD2Ev',
        'deflate',
        'fs_abi_version',
        'napi_create_object',
        'uv_run',
      ]);
    });

    it("calls the library's own function where the process has one of that name", async () => {
      const source = `
        int deflate(int v) { return v + 1; }
        double sqrt(double v) { return v + 0.5; }
        int call(int v) { return deflate(v); }
        int root(void) { volatile double v = 4; return (int)(sqrt(v) * 10); }`;
      for (const compiler of both) {
        const image = await link(compile(compiler, source, ['-O1', '-fPIC', '-fno-builtin']));
        expect(fn(image, 'call', 'int', ['int'])(41)).toBe(42);
        expect(fn(image, 'root')()).toBe(45);
      }
    });

    it.each(['-fplt', '-fno-plt'])('reaches libc, libm and the environment, with %s', async (plt) => {
      const source = `
        #include <math.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <pthread.h>
        #include <errno.h>
        extern char **environ;
        int all(void) {
          char *copy = strdup("abc");
          FILE *null = fopen("/dev/null", "w");
          fprintf(null, "%s", copy);
          fclose(null);
          free(copy);
          errno = 0;
          int failed = fopen("/nonexistent/x", "r") == 0 && errno == ENOENT;
          pthread_t self = pthread_self();
          void *(*volatile allocate)(size_t) = malloc;
          void (*volatile give_back)(void *) = free;
          give_back(allocate(10));
          return (int)pow(2, 10) + failed + !!pthread_equal(self, self) + (environ != 0) + (stdout != 0);
        }`;
      for (const compiler of both) {
        expect(fn(await link(compile(compiler, source, ['-O1', '-fPIC', plt])), 'all')()).toBe(1028);
      }
    });

    it('says how to compile what can not reach its data', async () => {
      const source = 'extern int far_data[]; int own[100]; int f(int i) { return own[i]; }';
      const absolute = await linkError(compile('clang-22', source, ['-O1', '-fno-pic', '-mcmodel=small']), 'abs');
      expect(absolute.message).toMatch(/^abs could not be linked: .*out of range.*: compile with -fPIC$/);
    });
  });

  describe('initialisers and finalisers', () => {
    const session = `
      const image = await link(createOrcLoader(), 'ordered');
      fn(image, 'use', 'void')();`;
    const library = (path: string) => `
      const lib = koffi.load(${JSON.stringify(path)});
      lib.func('use', 'void', [])();`;

    it.each(bothPlus)('run in the order of a shared library when disposed (%s)', (compiler) => {
      // A library with unique symbols is never closed.
      const flags = ['-O1', '-fPIC', ...(compiler === 'g++' ? ['-fno-gnu-unique'] : [])];
      const expected = runChild(
        `${library(compileShared(compiler, ordered, flags))} lib.unload(); console.log('gone');`,
      );
      const actual = runChild(`${session} await image.dispose(); await image.dispose(); console.log('gone');`, {
        ordered: compile(compiler, ordered),
      });
      expect(expected.stdout).toContain('destroy local');
      expect(actual.stdout).toBe(expected.stdout);
      expect(actual.status).toBe(0);
    });

    it.each(bothPlus)('run in the order of a shared library when the process ends (%s)', (compiler) => {
      // koffi closes its libraries before the end.
      const flags = ['-O1', '-fPIC', '-Wl,-z,nodelete'];
      const expected = runChild(`${library(compileShared(compiler, ordered, flags))} console.log('end');`);
      const actual = runChild(`${session} console.log('end');`, { ordered: compile(compiler, ordered) });
      expect(expected.stdout).toContain('destroy local');
      expect(actual.stdout).toBe(expected.stdout);
      expect(actual.status).toBe(0);
    });

    it('end the libraries of a process in the order in which ld.so would', () => {
      const source = (n: number) => `
        #include <unistd.h>
        __attribute__((destructor)) static void d(void) { (void)!write(1, "${n}\\n", 2); }
        void use(void) {}`;
      const sources = [1, 2, 3, 4].map(source);
      const paths = sources.map((text) => compileShared('clang-22', text, ['-fPIC', '-Wl,-z,nodelete']));
      const expected = runChild(paths.map((path) => `koffi.load(${JSON.stringify(path)});`).join('\n'));
      const actual = runChild(
        `const loader = createOrcLoader();
         for (const name of ['o0', 'o1', 'o2', 'o3']) await link(loader, name);`,
        Object.fromEntries(sources.map((text, i) => [`o${i}`, compile('clang-22', text)])),
      );
      expect(actual.stdout).toBe(expected.stdout);
    });

    it('get the arguments of the program', async () => {
      const image = await link(
        compile(
          'clang-22',
          `
          static int seen; static char **environment;
          __attribute__((constructor)) static void start(int argc, char **argv, char **envp) {
            seen = argc > 0 && argv[0] != 0; environment = envp;
          }
          int started(void) { return seen && environment; }`,
        ),
      );
      expect(fn(image, 'started')()).toBe(1);
    });

    it.each(bothPlus)('may throw: that is an error, and what was constructed is destroyed (%s)', (compiler) => {
      const { stdout, status } = runChild(
        `const error = await link(createOrcLoader(), 'thrower').catch((e) => e);
         console.log(error.name, error.message);`,
        {
          thrower: compile(
            compiler,
            `
            #include <stdexcept>
            #include <unistd.h>
            struct A { A() { (void)!write(1, "A\\n", 2); } ~A() { (void)!write(1, "~A\\n", 3); } };
            static A a;
            struct B { B() { throw std::runtime_error("no B"); } };
            static B b;
            static A c;`,
          ),
        },
      );
      expect(stdout).toBe(
        'A\n~A\nLinkError thrower could not be linked: an initialiser threw std::runtime_error: no B\n',
      );
      expect(status).toBe(0);
    });

    it('survive 30 ends of a process with live libraries and running workers', () => {
      const objects = { ordered: compile('clang++-22', ordered), threads: compile('clang++-22', threadDestructors) };
      for (let round = 0; round < 30; round++) {
        const { status, signal, stderr } = runChild(
          `
                    const loader = createOrcLoader();
          const image = await link(loader, 'threads');
          fn(image, 'touch')();
          fn(image, 'park', 'void')();
          fn(await link(loader, 'ordered'), 'use', 'void')();
          for (let i = 0; i < 20; i++) link(loader, 'threads');
          new Worker('for (;;);', { eval: true, execArgv: [] });
          setTimeout(() => process.exit(3), ${round % 5});`,
          objects,
        );
        expect({ status, signal, stderr }).toEqual({ status: 3, signal: null, stderr: '' });
      }
    });
  });

  describe('thread-local storage', () => {
    const models = ['-ftls-model=global-dynamic', '-ftls-model=local-dynamic', '-fPIC'];
    for (const compiler of both) {
      for (const model of [...models, '-fno-plt', '-O0', '-O2', '-g', '-fdata-sections', '-femulated-tls']) {
        if (model === '-femulated-tls' && compiler === 'gcc') continue;
        it(`works in objects of ${compiler} ${model}`, async () => {
          const object = compile(compiler, threadLocal, ['-O1', '-fPIC', model]);
          for (let round = 0; round < 5; round++) {
            const image = await link(object);
            const initial = 41 + 7 + 1 + 2 + 0 + 9 + 77;
            expect(fn(image, 'sum')()).toBe(initial);
            expect(fn(image, 'is_aligned')()).toBe(1);
            expect(fn(image, 'on_another_thread')()).toBe(initial * 1000 + initial + 60);
            expect(fn(image, 'sum')()).toBe(initial + 6);
            await image.dispose();
          }
        });
      }
    }

    it.each(bothPlus)('constructs and destroys the objects of each thread (%s)', async (compiler) => {
      const image = await link(compile(compiler, threadDestructors));
      expect(fn(image, 'thread')()).toBe(15);
      expect(fn(image, 'count')()).toBe(3);
      expect(fn(image, 'touch')()).toBe(15);
      expect(fn(image, 'count')()).toBe(303);
      expect(fn(image, 'once')()).toBe(1);
    });

    it('runs a thread’s destructors when its library is disposed, and never those of other threads', () => {
      const source = `
        #include <unistd.h>
        #include <thread>
        #include <mutex>
        struct T { char n; T(char n) : n(n) {} ~T() { char t[3] = {'~', n, '\\n'}; (void)!write(1, t, 3); } };
        static thread_local T first('a'), second('b');
        static T whole('s');
        extern "C" int touch(void) { return first.n + second.n; }`;
      const { stdout, stderr, status, signal } = runChild(
        `
                const loader = createOrcLoader();
        const image = await link(loader, 'o');
        fn(image, 'touch')();
        const worker = new Worker(\`
          const koffi = require(\${JSON.stringify(process.cwd())} + '/../../../koffi');
          const { workerData, parentPort } = require('node:worker_threads');
          koffi.load(workerData.shim);
          koffi.decode(workerData.address, koffi.proto('int', []))();
          parentPort.once('message', () => {});
          parentPort.postMessage('touched');\`,
          { eval: true, execArgv: [], workerData: { shim: process.env.FROMSOURCE_ORC_SHIM, address: image.symbols.get('touch').address } });
        await new Promise((resolve) => worker.once('message', resolve));
        await image.dispose();
        console.log('disposed');
        worker.postMessage('end');
        await new Promise((resolve) => worker.once('exit', resolve));
        console.log('end');`,
        { o: compile('clang++-22', source) },
      );
      expect(stdout).toBe('~b\n~a\n~s\ndisposed\nend\n');
      expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
    });

    it.each([
      ['gcc', '-ftls-model=initial-exec', /initial-exec.*R_X86_64_GOTTPOFF.*: compile with -fPIC/],
      ['clang-22', '-ftls-model=local-exec', /local-exec.*: compile with -fPIC/],
      ['gcc', '-mtls-dialect=gnu2', /TLS descriptors \(R_X86_64_TLSDESC\): compile with -mtls-dialect=gnu$/],
      ['clang-22', '-mtls-dialect=gnu2', /TLS descriptors \(R_X86_64_TLSDESC\): compile with -mtls-dialect=gnu$/],
    ] as const)('refuses %s %s, and says what to do', async (compiler, flag, expected) => {
      const source = '__thread int counter = 1; int next(void) { return counter++; }';
      const flags = flag === '-ftls-model=local-exec' ? ['-O1', '-fno-pic', flag] : ['-O1', '-fPIC', flag];
      const error = await linkError(compile(compiler, source, flags));
      expect(error.message).toMatch(expected);
      expect(error.message).toContain('thread-local counter');
    });
  });

  describe('exceptions', () => {
    it.each(bothPlus)('are caught inside a library and across libraries (%s)', async (compiler) => {
      const object = compile(compiler, exceptions);
      const first = await link(object);
      const second = await link(object);
      expect(fn(first, 'inside', 'int', ['int'])(7)).toBe(1007);
      expect(fn(first, 'inside', 'int', ['int'])(-3)).toBe(1497);
      const thrower = first.symbols.get('thrower')?.address;
      expect(fn(second, 'catcher', 'int', ['void *', 'int'])(thrower, 1234)).toBe(1234);
      await first.dispose();
      expect(fn(second, 'inside', 'int', ['int'])(5)).toBe(1005);
    });
  });

  describe('bytes that are no object', () => {
    const object = compile('clang-22', 'int data[50] = {1}; int f(void) { return data[3]; }', ['-O1', '-fPIC', '-g']);

    it.each([
      ['nothing', new Uint8Array(0), '0 bytes are too few'],
      [
        'text',
        Buffer.from('int main(void) { return 0; } // no object at all, but long enough to be a header'),
        'it is no ELF file',
      ],
      ['half an object', object.subarray(0, object.length / 2), 'its section table is damaged'],
      ['an object without its last byte', object.subarray(0, -1), 'it is truncated'],
      ['an executable', 'executable', 'it is an executable or a shared library'],
      ['a shared library', 'shared', 'it is an executable or a shared library'],
      ['an object of 32 bits', 'm32', 'it is for another machine'],
      ['an object for ARM', 'arm', 'it is for another machine'],
    ])('are refused: %s', async (_, bytes, reason) => {
      const { readFileSync } = await import('node:fs');
      const made =
        bytes === 'executable'
          ? readFileSync(process.execPath).subarray(0, 1 << 20)
          : bytes === 'shared'
            ? readFileSync(shimPath)
            : bytes === 'm32'
              ? compile('clang-22', 'int f(void) { return 1; }', ['-m32'])
              : bytes === 'arm'
                ? compile('clang-22', 'int f(void) { return 1; }', ['--target=aarch64-linux-gnu'])
                : (bytes as Uint8Array);
      const error = await linkError(made, 'bad');
      expect(error.message).toBe(`bad could not be linked: not a relocatable x86-64 object: ${reason}`);
      expect(error.missingSymbols).toEqual([]);
    });

    it('never end the process, whatever byte is damaged', () => {
      const { stdout, stderr, status, signal } = runChild(
        `
        const loader = createOrcLoader();
        let refused = 0, accepted = 0;
        for (const [name, step] of [['c', 7], ['cpp', 131]]) {
          const original = objects[name];
          for (let at = 0; at < original.length; at += step) {
            for (const value of [0xff, original[at] ^ 0x10]) {
              const bytes = Buffer.from(original);
              bytes[at] = value;
              objects.damaged = bytes;
              await link(loader, 'damaged').then((image) => { accepted++; }, () => { refused++; });
            }
          }
        }
        console.log(refused > 50);`,
        {
          c: object,
          cpp: compile('clang-22', 'int f(int v) { return v * 3; } __thread int t; int *g(void) { return &t; }', [
            '-O1',
            '-fPIC',
            '-g',
          ]),
        },
      );
      expect({ stdout, status, signal, stderr }).toEqual({ stdout: 'true\n', status: 0, signal: null, stderr: '' });
    });

    it('may lie at any address', async () => {
      const storage = new Uint8Array(object.length + 3);
      storage.set(object, 3);
      expect(fn(await link(storage.subarray(3)), 'f')()).toBe(0);
    });

    it('may be writable and executable at once: refused', async () => {
      const error = await linkError(
        compile('clang-22', '__asm__(".section .wx,\\"awx\\"\\n.globl code\\ncode: ret\\n.long 0\\n");'),
      );
      expect(error.message).toContain('both writable and executable');
    });
  });

  describe('memory', () => {
    const source = `
      #include <string>
      #include <vector>
      static std::vector<std::string> names{"one", "two"};
      static thread_local std::string own = "mine";
      extern "C" int size(void) { return (int)(names.size() + own.size()); }
      extern "C" int fail(int v) { try { throw v; } catch (int e) { return e; } }`;

    function mapsWith(permissions: string): string[] {
      const { readFileSync } = process.getBuiltinModule('node:fs');
      return readFileSync('/proc/self/maps', 'utf8')
        .split('\n')
        .filter((line) => line.includes(` ${permissions}`));
    }

    it('is never writable and executable', async () => {
      const before = mapsWith('rwx').length;
      const image = await link(compile('clang++-22', source));
      expect(fn(image, 'size')()).toBe(6);
      expect(mapsWith('rwx').length).toBe(before);
    });

    it('holds 500 libraries at once', async () => {
      const object = compile('clang++-22', source);
      const before = loader.bytesInUse;
      const images: LoadedImage[] = [];
      for (let i = 0; i < 500; i++) images.push(await link(object));
      for (const image of images) {
        expect(fn(image, 'size')()).toBe(6);
      }
      expect(fn(images[250] as LoadedImage, 'fail', 'int', ['int'])(9)).toBe(9);
      for (const image of images) await image.dispose();
      expect(loader.bytesInUse).toBe(before);
    });

    it('is given back: 2,000 rounds and 5,000 failed links leave nothing', () => {
      const { stdout, stderr, status, signal } = runChild(
        `
        const loader = createOrcLoader();
        const proto = koffi.proto('int', []);
        const round = async () => {
          const image = await link(loader, 'good');
          const result = koffi.call(image.symbols.get('size').address, proto);
          await image.dispose();
          return result;
        };
        const fail = () => link(loader, 'bad').then(() => 'linked', () => 'failed');
        const rss = () => { gc(); return process.memoryUsage().rss; };
        for (let i = 0; i < 500; i++) { await round(); await fail(); }
        const before = rss();
        for (let i = 0; i < 2000; i++) await round();
        for (let i = 0; i < 5000; i++) if (await fail() !== 'failed') throw new Error();
        const grown = (rss() - before) / 2 ** 20;
        console.log(loader.bytesInUse, await round(), grown < 12 ? 'flat' : grown);`,
        {
          good: compile('clang++-22', source),
          // Fails late, when its memory is allocated: an absolute address that does not fit.
          bad: compile('clang-22', 'int own[100]; int f(int i) { return own[i]; }', ['-O1', '-fno-pic']),
        },
      );
      expect({ stdout, status, signal, stderr }).toEqual({ stdout: '0 6 flat\n', status: 0, signal: null, stderr: '' });
    });

    it('ends with a clear error when the slab is full, and can be used again', () => {
      const { stdout } = runChild(
        `
        const loader = createOrcLoader();
        const images = [];
        let error;
        while (!error) await link(loader, 'big').then((image) => images.push(image), (e) => { error = e; });
        console.log(images.length, error.name, error.message.replace(/\\d{5,}/g, 'N'));
        for (const image of images.splice(0)) await image.dispose();
        console.log(loader.bytesInUse);
        await link(loader, 'big');`,
        { big: compile('clang-22', 'static char big[200 << 20]; char *get(void) { return big; }') },
      );
      expect(stdout).toBe(
        '5 LinkError big could not be linked: the 1024 MiB of JIT memory have no room for N bytes, N are in use: dispose ' +
          'libraries you no longer need\n0\n',
      );
    });
  });

  describe('threads', () => {
    it('links 64 objects at once', async () => {
      const objects = Array.from({ length: 64 }, (_, i) =>
        i % 8 === 0
          ? compile(
              'clang++-22',
              `#include <string>\nstatic std::string s("x"); extern "C" int id(void) { return ${i} + s.size() - 1; }`,
            )
          : Buffer.alloc(0),
      );
      for (let i = 0; i < 64; i++) objects[i] = objects[i - (i % 8)] as Buffer;
      for (let round = 0; round < 10; round++) {
        const images = await Promise.all(objects.map((object) => link(object)));
        images.forEach((image, i) => {
          expect(fn(image, 'id')()).toBe(i - (i % 8));
        });
        await Promise.all(images.map((image) => image.dispose()));
      }
    });

    it('takes more links at once than koffi takes calls', async () => {
      const object = compile('clang-22', 'int one(void) { return 1; }');
      const bad = Buffer.from('bad');
      const results = await Promise.allSettled(Array.from({ length: 600 }, (_, i) => link(i % 3 ? object : bad)));
      expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(400);
    });

    it('shares the session with worker threads, which may come and go', () => {
      const { stdout, stderr, status, signal } = runChild(
        `
        
        const start = () => new Promise((resolve, reject) => {
          const worker = new Worker(\`
            (async () => {
              const { createOrcLoader } = await import(\${JSON.stringify(${JSON.stringify('file://')} + process.cwd() + '/loader/orc.js')});
              const { koffi } = await import(\${JSON.stringify('file://' + process.cwd() + '/koffi.js')});
              const { workerData, parentPort } = require('node:worker_threads');
              const loader = createOrcLoader();
              let sum = 0;
              for (let i = 0; i < 20; i++) {
                const image = await loader.link({ library: 'w', object: workerData, language: 'c++', compilerPath: '' });
                sum += koffi.decode(image.symbols.get('touch').address, koffi.proto('int', []))();
                if (i % 2) await image.dispose();
              }
              parentPort.postMessage(sum);
            })();\`, { eval: true, execArgv: [], workerData: objects.o });
          worker.once('error', reject);
          worker.once('message', (sum) => worker.once('exit', () => resolve(sum)));
        });
        console.log(JSON.stringify(await Promise.all([start(), start(), start(), start()])));
        const loader = createOrcLoader();
        console.log(loader.bytesInUse > 0);
        const image = await link(loader, 'o');
        console.log(fn(image, 'touch')(), await start());`,
        { o: compile('clang++-22', threadDestructors) },
      );
      expect({ stdout, status, signal, stderr }).toEqual({
        stdout: '[300,300,300,300]\ntrue\n15 300\n',
        status: 0,
        signal: null,
        stderr: '',
      });
    });

    it('works in a process where a worker was first', () => {
      const { stdout, stderr, status, signal } = runChild(
        `
                for (let i = 0; i < 3; i++) {
          const worker = new Worker(\`import(\${JSON.stringify('file://' + process.cwd() + '/loader/orc.js')}).then((m) => m.createOrcLoader())\`, { eval: true, execArgv: [] });
          await new Promise((resolve) => worker.once('exit', resolve));
        }
        console.log(fn(await link(createOrcLoader(), 'o'), 'touch')());`,
        { o: compile('clang++-22', threadDestructors) },
      );
      expect({ stdout, status, signal, stderr }).toEqual({ stdout: '15\n', status: 0, signal: null, stderr: '' });
    });

    it('calls code on a stack of 8 MiB, also asynchronously', async () => {
      const image = await link(
        compile(
          'clang-22',
          'int deep(int n) { volatile char page[4096]; page[0] = (char)n; return n ? deep(n - 1) + page[0] * 0 + 1 : 0; }',
          ['-O0', '-fPIC'],
        ),
      );
      const deep = fn(image, 'deep', 'int', ['int']);
      expect(deep(1800)).toBe(1800);
      expect(await new Promise((resolve) => deep.async(1800, (_: unknown, result: number) => resolve(result)))).toBe(
        1800,
      );
    });
  });

  describe('several objects in one library', () => {
    const library = koffi.load(shimPath);
    const pointer = 'void *';
    const message = library.func('fs_error_message', 'str', [pointer]);
    const disposeError = library.func('fs_error_dispose', 'void', [pointer]);
    const call = (name: string, parameters: string[], ...rest: unknown[]): string => {
      const error = library.func(name, pointer, parameters)(...rest);
      if (error === null) return '';
      const text: string = message(error);
      disposeError(error);
      return text;
    };
    const out = new BigUint64Array(1);
    let session: bigint | undefined;
    let dylib: bigint | undefined;

    beforeEach(() => {
      call('fs_session_create', ['uint64_t', pointer], 0, out);
      session = out[0];
      call('fs_dylib_create', [pointer, 'str', pointer], session, 'several', out);
      dylib = out[0];
    });
    afterEach(() => {
      expect(call('fs_dylib_remove', [pointer], dylib)).toBe('');
    });

    const add = (object: Buffer) =>
      call('fs_dylib_add_object', [pointer, pointer, 'size_t'], dylib, object, object.length);
    const initialize = () => call('fs_dylib_initialize', [pointer], dylib);
    const run = (name: string): number => {
      expect(call('fs_dylib_lookup', [pointer, 'str', pointer], dylib, name, out)).toBe('');
      return koffi.decode(out[0], koffi.proto('int', []))();
    };

    it('use each other, hidden and thread-local names too', () => {
      const first = `
        __attribute__((visibility("hidden"))) int hidden(void) { return 1; }
        __attribute__((weak)) int weak_one(void) { return 20; }
        __thread int per_thread = 300;
        __attribute__((visibility("hidden"))) __thread int hidden_thread = 4000;
        int deflate(void) { return 50000; }`;
      const second = `
        __attribute__((visibility("hidden"))) int hidden(void);
        int deflate(void);
        extern __thread int per_thread;
        extern __attribute__((visibility("hidden"))) __thread int hidden_thread;
        __attribute__((weak)) int weak_one(void) { return 99; }
        int sum(void) { return hidden() + weak_one() + per_thread + hidden_thread + deflate(); }`;
      expect(add(compile('gcc', first))).toBe('');
      expect(add(compile('clang-22', second, ['-O1', '-fPIC', '-ftls-model=global-dynamic']))).toBe('');
      expect(initialize()).toBe('');
      expect(run('sum')).toBe(54321);
    });

    it('are initialised by priority, and finalised as one', () => {
      const source = (n: number) => `
        extern int order[8], count;
        __attribute__((constructor)) static void plain(void) { order[count++] = ${n}; }
        __attribute__((constructor(${300 - n}))) static void prioritised(void) { order[count++] = ${n + 10}; }`;
      expect(add(compile('clang-22', 'int order[8], count; int at(void) { static int i; return order[i++]; }'))).toBe(
        '',
      );
      expect(add(compile('clang-22', source(1)))).toBe('');
      expect(add(compile('clang-22', source(2)))).toBe('');
      expect(initialize()).toBe('');
      expect([run('at'), run('at'), run('at'), run('at')]).toEqual([12, 11, 1, 2]);
    });

    it('may not define a name twice, and the first one stays', () => {
      const object = compile('clang-22', 'int twice(void) { return 1; }');
      expect(add(object)).toBe('');
      expect(add(object)).toBe('twice is defined twice in this library');
      const variable = compile('clang-22', '__thread int twice_thread;');
      expect(add(variable)).toBe('');
      expect(add(variable)).toBe('twice_thread is defined twice in this library');
      expect(initialize()).toBe('');
      expect(run('twice')).toBe(1);
    });

    it('have no symbol that none of them defines', () => {
      expect(call('fs_dylib_lookup', [pointer, 'str', pointer], dylib, 'printf', out)).toBe('no symbol printf');
    });
  });

  describe('what it says when it can not be used', () => {
    it('the shim is not built', () => {
      expect(() => createOrcLoader('/nonexistent/shim.so')).toThrow(
        'the loader shim is not built (/nonexistent/shim.so): run `npm run setup`',
      );
      const { stdout } = runChild(
        'try { createOrcLoader(); } catch (error) { console.log(error.message); }',
        {},
        {
          FROMSOURCE_ORC_SHIM: '/nonexistent/shim.so',
        },
      );
      expect(stdout).toBe('the loader shim is not built (/nonexistent/shim.so): run `npm run setup`\n');
    });

    it('the shim can not be opened', () => {
      expect(() => createOrcLoader(import.meta.filename)).toThrow(/^the loader shim could not be opened: /);
      expect(() => createOrcLoader(compileShared('clang-22', 'int nothing;'))).toThrow(
        /^the loader shim could not be opened: .*fs_abi_version/,
      );
    });

    it('the shim is of another version', () => {
      expect(() => createOrcLoader(compileShared('clang-22', 'int fs_abi_version(void) { return 999; }'))).toThrow(
        /^the loader shim has ABI 999, this package needs \d+: run `npm run setup`$/,
      );
    });

    it('the process may not make memory executable', () => {
      const denied = compileShared(
        'clang-22',
        '#include <sys/prctl.h>\nint deny(void) { return prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0); }',
      );
      const { stdout, status } = runChild(
        `
        const supported = koffi.load(${JSON.stringify(denied)}).func('deny', 'int', [])() === 0;
        try { createOrcLoader(); console.log('allowed'); } catch (error) { console.log(error.message); }
        process.reallyExit(supported ? 0 : 77);`,
        {},
        {},
      );
      if (status === 77) return;
      expect(stdout).toBe('this process may not make memory executable: Permission denied\n');
    });
  });
});

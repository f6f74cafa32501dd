/** Runtime libraries of compilers: which flags need them, where they are found, and what of them is kept. */

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  CompileError,
  LinkError,
  loadSourceLibrary,
  type SourceLibrary,
  type SourceLibrarySpec,
  seal,
  ToolchainError,
} from '../../src/index.ts';
import { allKept } from '../../src/keep.ts';
import { linkLibraries } from '../../src/link-libraries.ts';
import { runtimesFor } from '../../src/runtimes.ts';
import { discoverToolchain, type Toolchain } from '../../src/toolchain/discover.ts';
import { findResident } from '../../src/toolchain/resident.ts';
import { type BuiltPackage, buildPackage } from '../built-package.ts';

const folder = mkdtempSync(join(tmpdir(), 'fromsource-runtimes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const live: SourceLibrary[] = [];
afterEach(async () => {
  for (const library of live.splice(0).reverse()) await library.dispose();
});

let serial = 0;
async function load(spec: Partial<SourceLibrarySpec>): Promise<SourceLibrary> {
  const library = await loadSourceLibrary({ name: `runtimes-${serial++}`, ...spec } as SourceLibrarySpec);
  live.push(library);
  return library;
}

const THREADS = `
  int threads(void) {
    int n = 0;
    #pragma omp parallel num_threads(3)
    {
      #pragma omp atomic
      n += 1;
    }
    return n;
  }
`;
const PLUS = 'int plus(int a, int b) { return a + b; }\n';

const hasOpenmp =
  spawnSync('clang-22', ['-fopenmp', '-x', 'c', '-', '-o', '/dev/null'], { input: 'int main() {}' }).status === 0;
const openmp = test.skipIf(!hasOpenmp);
if (!hasOpenmp) console.log('tests of OpenMP are skipped: there is no libomp-22-dev');

describe('the runtime libraries of flags', () => {
  const clang = { kind: 'clang', major: 22, target: 'x86_64-pc-linux-gnu' } as Toolchain;
  const gcc = { ...clang, kind: 'gcc', major: 12 } as Toolchain;
  const first = (flags: readonly string[], toolchain: Toolchain) =>
    runtimesFor(flags, toolchain).map(({ files }) => files[0]?.split('/').at(-1));

  test.each([
    [[], [], []],
    [['-O2', '-fopenmp-simd', '-I', '-fopenmp'], [], []],
    [['-fopenmp'], ['libomp.so'], ['libgomp.so']],
    [['-fopenmp', '-fno-openmp'], [], []],
    [['-fno-openmp', '-fopenmp=libiomp5'], ['libiomp5.so'], ['libiomp5.so']],
    [['-fopenmp=libgomp'], ['libgomp.so'], ['libgomp.so']],
    [['-fsanitize=undefined'], ['libclang_rt.ubsan_standalone.so'], ['libubsan.so']],
    [['-fsanitize=bool', '-fsanitize-minimal-runtime'], ['libclang_rt.ubsan_minimal.so'], ['libubsan.so']],
    [
      ['-fopenmp', '-fsanitize=shift'],
      ['libomp.so', 'libclang_rt.ubsan_standalone.so'],
      ['libgomp.so', 'libubsan.so'],
    ],
  ])('%j', (flags, ofClang, ofGcc) => {
    expect(first(flags, clang)).toEqual(ofClang);
    expect(first(flags, gcc)).toEqual(ofGcc);
  });

  test('one that is not there is an error that says what to install, when the code calls it', async () => {
    const { path: compilerPath } = await discoverToolchain({ library: 'lib' });
    const file = join(folder, 'plus.o');
    execFileSync('clang-22', ['-c', '-fPIC', '-fsanitize=undefined', '-x', 'c', '-', '-o', file], { input: PLUS });
    const [runtime] = runtimesFor(['-fsanitize=undefined'], clang);
    const missing = { kind: 'runtime', runtime: { ...runtime, files: ['lib/linux/libnowhere.so'] } } as any;
    const linking = { libraries: [missing], libraryPaths: [], pkgConfig: [], imports: null, resolve: false };
    const error = await linkLibraries({ library: 'lib', compilerPath }, linking, readFileSync(file)).catch(
      (each) => each,
    );
    expect(error).toBeInstanceOf(ToolchainError);
    expect(error.message).toBe(
      'lib: `-fsanitize=undefined` made the compiler call `__ubsan_handle_add_overflow` of a runtime library that is not ' +
        'there (libnowhere.so): install it (`apt-get install libclang-rt-22-dev`, `dnf install compiler-rt`)',
    );
    expect(error.searched).toContain('/usr/lib/lib/linux/libnowhere.so');

    execFileSync('clang-22', ['-c', '-fPIC', '-x', 'c', '-', '-o', file], { input: PLUS });
    const { imports, absent } = await linkLibraries({ library: 'lib', compilerPath }, linking, readFileSync(file));
    expect(imports).toEqual([]);
    expect(absent).toContain('/usr/lib/lib/linux/libnowhere.so');
  });

  test('a header of OpenMP that is not there is told with what brings it', async () => {
    const error = await load({ source: '#include <omp.h>', flags: ['-fopenmp', '-nostdinc'] }).catch((each) => each);
    expect(error).toBeInstanceOf(CompileError);
    expect(error.message).toMatch(
      /omp\.h comes with the runtime library of OpenMP: install that of the compiler \(`apt-get install libomp-22-dev`/,
    );
  });

  openmp('the caller may name it, too, and forbid what is called in it', async () => {
    const flags = ['-fopenmp'];
    expect((await load({ source: THREADS, flags, libraries: ['omp'] })).func('int threads(void)')()).toBe(3);
    const denied = load({ source: THREADS, flags, imports: { deny: ['__kmpc_*'] } });
    const error = await denied.catch((each) => each);
    expect(error).toBeInstanceOf(LinkError);
    expect(error.deniedSymbols).toContain('__kmpc_fork_call');
  });

  test('an object that needs one takes it from `libraries`, and it stays as well', async () => {
    const file = join(folder, 'threads.o');
    execFileSync('gcc', ['-c', '-O1', '-fPIC', '-fopenmp', '-x', 'c', '-', '-o', file], { input: THREADS });
    for (let round = 0; round < 3; round += 1) {
      const library = await loadSourceLibrary({ name: 'object', object: file, libraries: ['gomp'] });
      expect(library.func('int threads(void)')()).toBe(3);
      await library.dispose();
    }
    expect(readFileSync('/proc/self/maps', 'utf8')).toContain('/libgomp.so');
  });

  test.for(['orc', 'shared-object'] as const)('it gives nothing that libc has (%s)', async (loader) => {
    const library = await load({
      loader,
      source: `#define _GNU_SOURCE
        #include <dlfcn.h>
        #include <signal.h>
        int plus(int a, int b) { return a + b; }
        int is_libcs(void) { return (void *)sigaction == dlsym(RTLD_DEFAULT, "sigaction"); }`,
      flags: ['-fsanitize=undefined'],
    });
    expect([library.func('int plus(int, int)')(1, 2), library.func('int is_libcs(void)')()]).toEqual([3, 1]);
  });

  openmp('of several files, the one that needs it is enough', async () => {
    const [a, b] = [join(folder, 'a.c'), join(folder, 'b.c')];
    writeFileSync(a, THREADS);
    writeFileSync(b, PLUS);
    const commands = [a, b].map((file) => ({
      directory: folder,
      file,
      arguments: ['clang', ...(file === a ? ['-fopenmp'] : ['-fno-openmp']), '-c', file],
    }));
    const build = join(folder, 'build');
    mkdirSync(build);
    writeFileSync(join(build, 'compile_commands.json'), JSON.stringify(commands));
    const library = await load({ files: [a, b], compileCommands: build });
    expect([library.func('int threads(void)')(), library.func('int plus(int, int)')(1, 2)]).toEqual([3, 3]);
    const one = await load({ file: a, compileCommands: build });
    expect(one.func('int threads(void)')()).toBe(3);
  });

  const hasResident = findResident() !== null;
  test.skipIf(!hasResident || !hasOpenmp)(
    'a snippet has that of OpenMP as its library does, and the same locks',
    async () => {
      const sum = (name: string) => `int ${name}(int n) {
      int s = 0;
      #pragma omp parallel for reduction(+ : s)
      for (int i = 0; i < n; i++) s += i;
      return s;
    }`;
      const library = await load({ source: sum('first'), flags: ['-fopenmp'] });
      await library.evaluate(sum('second'));
      expect(await library.evaluate('first(10) + second(11)')).toBe(100);
    },
  );

  test.skipIf(!hasResident)('a snippet has that of sanitizers as its library does', async () => {
    const library = await load({ source: PLUS, flags: ['-fsanitize=undefined'] });
    expect(await library.evaluate('plus(1, 2) << 1')).toBe(6);
  });

  test('a library that needs one is not sealed', async () => {
    const path = join(folder, 'plus.fsl');
    const error = await seal({ name: 'plus', source: PLUS, flags: ['-fsanitize=undefined'] }, path).catch(
      (each) => each,
    );
    expect(error).toBeInstanceOf(LinkError);
    expect(error.message).toBe(
      "plus can't be sealed: by `-fsanitize` it calls `__ubsan_handle_add_overflow` of a runtime library, which would not " +
        'be in the file',
    );
    expect(existsSync(path)).toBe(false);
    const trap = ['-fsanitize=undefined', '-fsanitize-trap=undefined'];
    await seal({ name: 'plus', source: PLUS, flags: trap }, path);
    expect(existsSync(path)).toBe(true);
  });
});

describe('in the cache', () => {
  test.each(['auto', 'orc', 'shared-object'] as const)('a hit has its runtime library (%s)', async (loader) => {
    const flags = ['-fsanitize=undefined', ...(hasOpenmp ? ['-fopenmp'] : [])];
    const spec = {
      name: `cached-${loader}`,
      source: THREADS + PLUS,
      flags,
      loader,
      cache: { dir: join(folder, 'cache') },
    };
    for (const status of ['miss', 'hit', 'hit']) {
      const library = await loadSourceLibrary(spec);
      expect(library.cache.status).toBe(status);
      expect(library.func('int plus(int, int)')(2, 3)).toBe(5);
      if (hasOpenmp) expect(library.func('int threads(void)')()).toBe(3);
      await allKept();
      await library.dispose();
    }
  });
});

describe('in a process', () => {
  let built: BuiltPackage;
  beforeAll(() => {
    built = buildPackage();
  });
  afterAll(() => built.remove());

  function run(program: string) {
    const file = join(built.folder, `program-${serial++}.mjs`);
    writeFileSync(file, `import { loadSourceLibrary } from ${JSON.stringify(built.index)};\n${program}`);
    const env = { ...process.env, FROMSOURCE_CACHE: 'off' };
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [file], {
      encoding: 'utf8',
      env,
      timeout: 30_000,
    });
    return { status, signal, stdout, stderr };
  }

  openmp.for(['orc', 'shared-object'])(
    'threads of OpenMP hold no end up, by itself or by process.exit (%s)',
    (loader) => {
      for (const [end, code] of [
        ['', 0],
        ['await library.dispose();', 0],
        ['process.exit(7);', 7],
      ] as const) {
        const result = run(`
        const library = await loadSourceLibrary({
          name: 'threads', loader: '${loader}', flags: ['-fopenmp'], source: ${JSON.stringify(THREADS)},
        });
        console.log(library.func('int threads(void)')());
        ${end}`);
        expect(result).toEqual({ status: code, signal: null, stdout: '3\n', stderr: '' });
      }
    },
  );

  test.for(['orc', 'shared-object'])(
    'a trap is a SIGILL, and a report from which there is no recovery ends it (%s)',
    (loader) => {
      const program = (flags: string[]) => `
      const library = await loadSourceLibrary({
        name: 'plus', loader: '${loader}', flags: ${JSON.stringify(['-fsanitize=undefined', ...flags])}, source: ${JSON.stringify(PLUS)},
      });
      library.func('int plus(int, int)')(2147483647, 1);
      console.log('went on');`;
      expect(run(program(['-fsanitize-trap=undefined']))).toMatchObject({ signal: 'SIGILL', stdout: '' });
      const ended = run(program(['-fno-sanitize-recover=undefined']));
      expect(ended).toMatchObject({ status: 1, stdout: '' });
      expect(ended.stderr).toMatch(/^plus\.c:1:35: runtime error: signed integer overflow/);
      expect(run(program([]))).toMatchObject({ status: 0, stdout: 'went on\n' });
    },
  );
});

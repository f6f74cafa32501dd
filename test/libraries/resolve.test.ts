/** Names that are looked for in the libraries of the system, in each loader and from the cache. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import {
  compileToIR,
  LinkError,
  loadSourceLibrary,
  type SourceLibrary,
  type SourceLibrarySpec,
  seal,
} from '../../src/index.ts';
import { allKept } from '../../src/keep.ts';
import { searchSystem } from '../../src/libraries/search-system.ts';

const folder = mkdtempSync(join(tmpdir(), 'fromsource-resolve-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let serial = 0;
const live: SourceLibrary[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const library of live.splice(0).reverse()) await library.dispose();
});

const freshFolder = (): string => mkdtempSync(join(folder, 'libraries-'));

/** A shared object; its soname is its name. */
function make(into: string, name: string, source: string, ...args: string[]): string {
  const file = join(into, `${serial++}.c`);
  writeFileSync(file, source);
  const path = join(into, name);
  execFileSync('cc', ['-shared', '-fPIC', '-o', path, file, `-Wl,-soname,${name}`, ...args], { stdio: 'pipe' });
  rmSync(file);
  return path;
}

async function failure(promise: Promise<unknown>): Promise<LinkError> {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(LinkError);
  return error;
}

const WAYS = ['orc', 'shared-object', 'linked image'] as const;

describe.each(WAYS)('by %s', (way) => {
  /** By the cache's image: the first load makes it, and the second opens it. */
  async function load(spec: Partial<SourceLibrarySpec>): Promise<SourceLibrary> {
    const loader = way === 'linked image' ? 'auto' : way;
    const cache = way === 'linked image' ? { dir: join(folder, 'cache') } : false;
    const full = { name: `resolve-${serial++}`, resolve: 'auto', loader, cache, ...spec } as SourceLibrarySpec;
    let library = await loadSourceLibrary(full);
    if (way === 'linked image') {
      const { resolved } = library;
      await library.dispose();
      await allKept();
      library = await loadSourceLibrary(full);
      expect(library.cache).toEqual({ status: 'hit', reason: 'every input is what it was' });
      expect(library.loader).toEqual({ kind: 'shared-object', reason: 'its linked image is in the cache' });
      expect(library.resolved).toEqual(resolved);
    }
    live.push(library);
    return library;
  }

  test('a name that is used as thread-local is no function of the system', async () => {
    const error = await failure(load({ source: 'extern __thread int adler32; int f(void) { return adler32; }' }));
    expect(error).toBeInstanceOf(LinkError);
    expect(error.message).toContain('adler32');
  });

  test('a name is taken from the library of the system that has it, and not from node', async () => {
    const library = await load({
      source:
        '#include <zlib.h>\nunsigned long sum(void) { return crc32(0, (const unsigned char *)"abc", 3); }\nint same(const char *a) { return &a == 0 || gzopen(a, "r") == 0; }\nconst char *version(void) { return zlibVersion(); }',
    });
    expect(library.func('unsigned long sum(void)')()).toBe(0x352441c2);
    expect(library.func('int same(const char *)')('/nowhere/at/all')).toBe(1);
    expect(library.func('const char *version(void)')()).not.toBe(process.versions.zlib);
    expect(library.resolved.map(({ symbol, library: from }) => `${symbol} ${from}`)).toEqual([
      'crc32 libz.so.1',
      'gzopen libz.so.1',
      'zlibVersion libz.so.1',
    ]);
    for (const { path } of library.resolved) expect(basename(path)).toBe('libz.so.1');
  });

  test('nothing is resolved where nothing is missing, and nothing is looked for by default', async () => {
    const source = 'int f(void) { return 1; }';
    expect((await load({ source })).resolved).toEqual([]);
    expect((await load({ source, resolve: 'off' })).resolved).toEqual([]);
    const error = await failure(
      load({ source: 'int zlibVersion(); int f(void) { return zlibVersion(); }', resolve: 'off' }),
    );
    expect(error.missingSymbols).toEqual(['zlibVersion']);
    expect(error.message).not.toContain('`resolve`');
  });

  test('functions, data and indirect functions come from folders of the caller first, and initialisers may use them', async () => {
    const own = freshFolder();
    const path = make(
      own,
      'librich.so.1',
      `int rich_counter = 5; static int four(void) { return 4; } static void *choose(void) { return four; }
       int rich_indirect(void) __attribute__((ifunc("choose"))); int rich_unused(void) { return 0; }`,
    );
    const library = await load({
      language: 'c++',
      source: `extern "C" { extern int rich_counter; int rich_indirect(); extern int rich_weak __attribute__((weak)); int f(); }
        static int early = rich_indirect() + ++rich_counter; int f() { return early + (&rich_weak == nullptr ? 100 : 0); }`,
      libraryPaths: [own],
    });
    expect(library.func('int f(void)')()).toBe(110);
    expect(library.resolved).toEqual([
      { symbol: 'rich_counter', library: 'librich.so.1', path },
      { symbol: 'rich_indirect', library: 'librich.so.1', path },
    ]);
  });

  test('the policy of imports holds for what would be looked for', async () => {
    const spec = { source: '#include <zlib.h>\nconst char *f(void) { return zlibVersion(); }' };
    const error = await failure(load({ ...spec, imports: { deny: ['zlib*'] } }));
    expect(error.deniedSymbols).toEqual(['zlibVersion']);
    const library = await load({ ...spec, imports: { allow: ['zlibVersion'] } });
    expect(library.resolved.length).toBe(1);
  });

  test('what no library has is the error that it always was, with the number of those that were asked', async () => {
    const own = freshFolder();
    make(own, 'libsome.so', 'int some_name_there(void) { return 1; }');
    const source =
      'int some_name_there(void); int some_name_nowhere(void); int f(void) { return some_name_there() + some_name_nowhere(); }';
    const error = await failure(load({ name: 'nowhere', source, libraryPaths: [own] }));
    expect(error.missingSymbols).toEqual(['some_name_nowhere']);
    expect(error.message).toMatch(
      /^nowhere: nothing defines `some_name_nowhere`\. .*, and none of the \d\d+ shared libraries that `resolve` asked defines it$/,
    );
  });

  test('several files and libraries that are named go together with it', async () => {
    const own = freshFolder();
    make(own, 'libnamed.so', 'int named_one(void) { return 1; } int named_both(void) { return 10; }');
    make(own, 'libfound.so.2', 'int found_one(void) { return 2; } int named_both(void) { return 20; }');
    const files = ['a', 'b'].map((name) => join(own, `${name}.c`));
    writeFileSync(files[0] as string, 'int named_one(void); int b(void); int a(void) { return named_one() + b(); }');
    writeFileSync(
      files[1] as string,
      'int found_one(void); int named_both(void); int b(void) { return found_one() + named_both(); }',
    );
    const library = await load({ files, libraries: ['named'], libraryPaths: [own] });
    expect(library.func('int a(void)')()).toBe(13);
    expect(library.resolved.map(({ symbol }) => symbol)).toEqual(['found_one']);
  });
});

describe('which library', () => {
  const load = async (source: string, own: string, more: Partial<SourceLibrarySpec> = {}) => {
    const spec = { name: `which-${serial++}`, source, resolve: 'auto', libraryPaths: [own], cache: false, ...more };
    const library = await loadSourceLibrary(spec as SourceLibrarySpec);
    live.push(library);
    return library;
  };
  const use = (...names: string[]) =>
    `${names.map((name) => `int ${name}(void);`).join(' ')} int f(void) { return ${names.map((name) => `${name}()`).join(' + ')}; }`;

  test('the one that has all the names, when each is in others too', async () => {
    const own = freshFolder();
    make(own, 'libw1.so', 'int w_a(void) { return 1; } int w_b(void) { return 2; }');
    make(own, 'libw2.so', 'int w_a(void) { return 10; }');
    make(own, 'libw3.so', 'int w_b(void) { return 20; }');
    expect((await load(use('w_a', 'w_b'), own)).func('int f(void)')()).toBe(3);
    const error = await failure(load(use('w_a'), own, { name: 'unsure' }));
    expect(error.missingSymbols).toEqual(['w_a']);
    expect(error.message).toBe(
      `unsure: \`resolve\` can't tell which library is meant: \`w_a\` in ${own}/libw1.so, ${own}/libw2.so. Name the right one in \`libraries\``,
    );
  });

  test('of two that are needed, none gives what both have', async () => {
    const own = freshFolder();
    make(own, 'libv1.so', 'int v_a(void) { return 1; } int v_c(void) { return 3; }');
    make(own, 'libv2.so', 'int v_b(void) { return 2; } int v_c(void) { return 30; }');
    const error = await failure(load(use('v_a', 'v_b', 'v_c'), own));
    expect(error.missingSymbols).toEqual(['v_c']);
    const library = await load(use('v_a', 'v_b', 'v_c'), own, { libraries: [`${own}/libv2.so`] });
    expect([library.func('int f(void)')(), library.resolved.length]).toEqual([33, 1]);
  });

  test('of several releases that to which the link without a version leads, and never two of them', async () => {
    const own = freshFolder();
    make(own, 'libr.so.1', 'int r_a(void) { return 1; } int r_old(void) { return 5; }');
    make(own, 'libr.so.3', 'int r_a(void) { return 3; } int r_new(void) { return 7; }');
    expect((await failure(load(use('r_a'), own))).message).toContain('`r_a` in');
    symlinkSync('libr.so.3', join(own, 'libr.so'));
    const library = await load(use('r_a'), own);
    expect(library.func('int f(void)')()).toBe(3);
    expect(library.resolved[0]?.library).toBe('libr.so.3');
    expect((await failure(load(use('r_old', 'r_new'), own))).missingSymbols).toEqual(['r_new', 'r_old']);
  });

  test('the first folder that has a name, as the dynamic linker finds it', async () => {
    const [first, second] = [freshFolder(), freshFolder()];
    make(first, 'libs.so.1', 'int s_a(void) { return 1; }');
    make(second, 'libs.so.1', 'int s_a(void) { return 2; }');
    vi.stubEnv('LD_LIBRARY_PATH', `${second}:`);
    expect((await load(use('s_a'), first)).func('int f(void)')()).toBe(1);
    expect((await load(use('s_a'), freshFolder())).func('int f(void)')()).toBe(2);
  });

  test('none that gives the name in an old version only, hides it, has it for threads, or is for another machine', async () => {
    const own = freshFolder();
    const script = join(own, 'versions');
    writeFileSync(script, 'ONE { global: x_old; x_now; }; TWO { global: x_now; } ONE;');
    make(
      own,
      'libx1.so',
      `int x_was(void) { return 1; } int x_is(void) { return 2; }
       __asm__(".symver x_was, x_old@ONE"); __asm__(".symver x_was, x_now@ONE"); __asm__(".symver x_is, x_now@@TWO");`,
      `-Wl,--version-script=${script}`,
    );
    make(
      own,
      'libx2.so',
      '__attribute__((visibility("hidden"))) int x_hidden(void) { return 1; } __thread int x_thread;',
    );
    const foreign = make(own, 'libx3.so', 'int x_foreign(void) { return 1; }');
    execFileSync('sh', ['-c', `printf '\\050' | dd of=${foreign} bs=1 seek=18 conv=notrunc`], { stdio: 'pipe' });
    writeFileSync(join(own, 'libx4.so'), '\x7fELF\x02\x01 and no more');
    writeFileSync(join(own, 'libx5.so'), 'INPUT(libx1.so)');
    const names = ['x_old', 'x_hidden', 'x_thread', 'x_foreign', 'x_now'];
    const { candidates, count } = await searchSystem(names, [own], '/nowhere');
    expect(candidates.map(({ path, names: found }) => [path, found])).toEqual([[join(own, 'libx1.so'), ['x_now']]]);
    expect(count).toBe(2);
    expect((await load(use('x_now'), own)).func('int f(void)')()).toBe(2);
  });

  test('never a sanitizer, which would end the process', async () => {
    const error = await failure(load(use('__asan_init'), freshFolder()));
    expect(error.message).toContain('nothing defines `__asan_init`');
  });

  test('one that can not be opened is named with what was found in it', async () => {
    const own = freshFolder();
    make(own, 'libq_base.so', 'int q_base(void) { return 1; }');
    const path = make(own, 'libq.so', 'int q_base(void); int q_a(void) { return q_base(); }', `-L${own}`, '-lq_base');
    rmSync(join(own, 'libq_base.so'));
    const { message } = await failure(load(use('q_a'), own));
    expect(message).toContain('libq_base.so: cannot open shared object file');
    expect(message).toMatch(new RegExp(`; \`resolve\` found \`q_a\` in ${path}$`));
  });
});

describe('the cache', () => {
  test('misses when a library changes, goes, or another comes that is searched first', async () => {
    const own = freshFolder();
    const spec = {
      name: 'changing-resolved',
      source: 'int c_a(void); int f(void) { return c_a(); }',
      resolve: 'auto',
      libraryPaths: [own],
      cache: { dir: join(folder, 'changing') },
    } as const;
    const run = async () => {
      const library = await loadSourceLibrary(spec);
      const result = [library.func('int f(void)')(), library.cache.reason, library.resolved[0]?.library];
      await library.dispose();
      await allKept();
      return result;
    };
    const same = 'every input is what it was';
    const first = make(own, 'libc1.so', 'int c_a(void) { return 1; }');
    expect([await run(), await run()]).toEqual([
      [1, 'never compiled', 'libc1.so'],
      [1, same, 'libc1.so'],
    ]);
    rmSync(first);
    make(own, 'libc1.so', 'int c_a(void) { return 2; }');
    expect(await run()).toEqual([2, `${first} changed`, 'libc1.so']);
    renameSync(first, join(own, 'libc2.so'));
    expect((await run()).slice(0, 2)).toEqual([2, `${first} is gone`]);
    expect((await run())[1]).toBe(same);
    make(own, 'libc0.so', 'int c_a(void) { return 0; }');
    await expect(run()).rejects.toThrow("can't tell which library is meant");
    rmSync(join(own, 'libc2.so'));
    expect((await run())[0]).toBe(0);
  });

  test('knows that another file of ldconfig may lead elsewhere', async () => {
    const { read, absent, listed } = await searchSystem(['zlibVersion'], [folder]);
    expect([read.map(({ path }) => path), listed.map(({ path }) => path)]).toEqual([['/etc/ld.so.cache'], [folder]]);
    expect(absent).toEqual([]);
    expect((await searchSystem(['zlibVersion'], [], '/nowhere/ld.so.cache')).absent).toEqual(['/nowhere/ld.so.cache']);
  });
});

describe('the option', () => {
  const source = 'int f(void) { return 1; }';

  test('is checked, tells specs apart, and has no place where nothing is linked', async () => {
    const wrong = { name: 'wrong', source, resolve: 'yes' } as never;
    await expect(loadSourceLibrary(wrong)).rejects.toThrow(
      "Expected `resolve` to be 'auto' or 'off', got `yes` (string)",
    );
    live.push(await loadSourceLibrary({ name: 'told', source, resolve: 'auto', cache: false }));
    await expect(loadSourceLibrary({ name: 'told', source, resolve: 'off', cache: false })).rejects.toThrow(
      'told is there with another spec: `resolve` was "auto", now "off"',
    );
    await expect(seal({ name: 'sealed', source, resolve: 'auto' }, join(folder, 'x.fsl'))).rejects.toThrow(TypeError);
    await expect(compileToIR({ name: 'ir', source, resolve: 'auto' } as never)).rejects.toThrow(
      '`resolve` goes with a load, not with compileToIR',
    );
  });

  test('goes with objects', async () => {
    const file = join(folder, 'object.c');
    writeFileSync(file, '#include <zlib.h>\nunsigned long f(void) { return crc32(0, 0, 0) + adler32(0, 0, 0); }');
    execFileSync('cc', ['-c', '-fPIC', '-o', `${file}.o`, file]);
    const library = await loadSourceLibrary({ name: 'object', object: `${file}.o`, resolve: 'auto' });
    live.push(library);
    expect(library.func('unsigned long f(void)')()).toBe(1);
    expect(library.resolved.map(({ symbol }) => symbol)).toEqual(['adler32', 'crc32']);
  });
});

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  cacheStats,
  compileToIR,
  LinkError,
  loadSealedLibrary,
  loadSourceLibrary,
  SealedLibraryError,
  type SourceLibrarySpec,
  seal,
} from '../src/index.ts';
import type { SealedManifest } from '../src/sealed-file.ts';
import { type BuiltPackage, buildPackage } from './built-package.ts';
import { compile, shimIsBuilt } from './loader/fixtures/objects.ts';
import { add, changed, holdSealed, opened } from './sealing.ts';

const { folder, fresh, sealed, load, hold } = holdSealed();

describe('a sealed library', () => {
  const loaders = shimIsBuilt ? (['auto', 'orc', 'shared-object'] as const) : (['auto', 'shared-object'] as const);

  test.each(loaders)('is a library like any other: loader %s', async (loader) => {
    const path = fresh(`like-any-${loader}.fsl`);
    const report = await seal({ ...add, source: `${add.source}\n#warning "look"` }, path);
    expect(report).toMatchObject({ path, name: 'vec', bytes: readFileSync(path).length, cpu: { features: [] } });
    expect(report.declarations).toEqual([
      { name: 'add', kind: 'function', size: expect.any(Number) },
      { name: 'calls', kind: 'data', size: 4 },
    ]);
    expect(report.diagnostics).toMatchObject([{ severity: 'warning' }]);

    const vec = await load(path, { loader });
    expect([vec.name, vec.func('int add(int, int)')(2, 3), vec.variable('int calls').value]).toEqual(['vec', 5, 4]);
    expect([...vec.symbols.keys()].sort()).toEqual(['add', 'calls']);
    expect(vec.cache).toEqual({ status: 'off', reason: 'it was sealed' });
    expect(vec.loader).toEqual(
      loader === 'shared-object' || !shimIsBuilt
        ? { kind: 'shared-object', reason: loader === 'auto' ? expect.any(String) : 'it was asked for' }
        : { kind: 'orc' },
    );
    expect(Object.values(vec.timings).every((time) => time >= 0)).toBe(true);
  });

  test('has no source to reload or to watch', async () => {
    const path = await sealed(add);
    const vec = await load(path);
    const reason = 'A sealed library can not be reloaded: it has no source; load the new file, and dispose this one';
    for (const changes of [{}, { source: 'int f;' }, { flags: ['-O1'] }]) {
      await expect(vec.reload(changes)).rejects.toThrow(new TypeError(reason));
    }
    expect(vec.func('int add(int, int)')(2, 3)).toBe(5);
    await expect(loadSealedLibrary(path, { watch: true } as never)).rejects.toThrow(
      new TypeError('`watch` does not go with a sealed library: it has no source'),
    );
  });

  test.each(loaders)('is loaded anew by each load, from bytes too, with data of its own: loader %s', async (loader) => {
    const path = await sealed({ name: 'count', source: 'static int n; int next(void) { return ++n; }' });
    const bytes = readFileSync(path);
    const loading = load(bytes, { name: 'mine', loader });
    bytes.fill(0);
    const [one, other] = [await loading, await load(path, { loader })];
    expect([one.name, other.name]).toEqual(['mine', 'count']);
    const [next, nextOther] = [one.func('int next()'), other.func('int next()')];
    expect([next(), next(), nextOther(), next()]).toEqual([1, 2, 1, 3]);
    await one.dispose();
    expect(nextOther()).toBe(2);
  });

  test('sealing runs nothing of the library, loading runs its initialisers once', async () => {
    const mark = join(folder, 'ran');
    const source = `#include <fstream>
      static int run() { std::ofstream(${JSON.stringify(mark)}, std::ios::app) << 'x'; return 1; }
      static int ran = run(); extern "C" int has_run() { return ran; }`;
    const path = await sealed({ name: 'init', language: 'c++', source });
    expect(existsSync(mark)).toBe(false);
    for (const [index, loader] of loaders.entries()) {
      expect((await load(path, { loader })).func('int has_run()')()).toBe(1);
      expect(readFileSync(mark, 'utf8').length).toBe(index + 1);
    }
  });

  test('its JSON names no folder, and neither does its code', async () => {
    const home = join(folder, 'home');
    mkdirSync(join(home, 'deep'), { recursive: true });
    writeFileSync(join(home, 'own.h'), 'static const char *header(void) { return __FILE__; }');
    const file = join(home, 'deep', 'where.c');
    writeFileSync(file, '#include <stdio.h>\n#include <own.h>\nconst char *where(void) { return header(); }');
    const path = fresh();
    await seal({ name: 'where', file, includePaths: [home], flags: ['-O1', '-g', `-I${home}`, `-DX=${home}/x`] }, path);
    const text = readFileSync(path, 'latin1');
    for (const machine of [process.cwd(), tmpdir(), folder]) expect(text.includes(machine), machine).toBe(false);
    const { manifest } = opened(readFileSync(path));
    expect(manifest.flags).toEqual(['-O1', '-g', expect.stringMatching(/^-I[^/]*$/), '-DX=x']);
    expect(manifest.inputs.map(({ name }) => name)).toEqual(expect.arrayContaining(['where.c', 'own.h', 'stdio.h']));
    expect((await load(path)).func('const char *where()')()).toBe('own.h');
  });

  test('the same source gives the same file', async () => {
    const spec = { ...add, language: 'c++' as const, source: '#include <string>\nstd::string text("a");' };
    const [one, other] = [await sealed(spec), await sealed(spec)];
    expect(readFileSync(one).equals(readFileSync(other))).toBe(true);
  });

  test('what the cache has is sealed without a compile', async () => {
    const dir = fresh('cache');
    const spec = { ...add, cache: { dir } };
    await seal(spec, fresh());
    const before = await cacheStats({ dir });
    const path = await sealed(spec);
    expect([before.entries, (await cacheStats({ dir })).entries]).toEqual([1, 1]);
    expect((await load(path)).func('int add(int, int)')(2, 3)).toBe(5);
  });

  test.each([
    ['an object', async () => ({ object: compile('clang-22', add.source) })],
    ['objects', async () => ({ object: [compile('clang-22', add.source), compile('gcc', 'int more;')] })],
    ['IR', async () => ({ ir: await compileToIR(add) })],
    ['bitcode', async () => ({ ir: await compileToIR(add, { format: 'bitcode' }), flags: ['-O1'] })],
    [
      'an archive',
      async () => {
        writeFileSync(join(folder, 'add.o'), compile('gcc', add.source));
        const { status } = spawnSync('ar', ['rc', 'libadd.a', 'add.o'], { cwd: folder });
        expect(status).toBe(0);
        return { archive: join(folder, 'libadd.a'), exports: ['add'] };
      },
    ],
  ])('can be made from %s', async (_, input) => {
    const path = await sealed({ name: 'vec', ...(await input()) } as SourceLibrarySpec);
    for (const loader of loaders) {
      expect((await load(path, { loader })).func('int add(int, int)')(2, 3)).toBe(5);
    }
    expect(opened(readFileSync(path)).manifest.inputs.length).toBeGreaterThan(0);
  });

  test.each(loaders)('hears what an initialiser throws: loader %s', async (loader) => {
    const source = 'static int fail() { throw 1; } static int failed = fail(); extern "C" int f() { return failed; }';
    const path = await sealed({ name: 'throws', language: 'c++', source });
    if (shimIsBuilt) await expect(loadSealedLibrary(path, { loader })).rejects.toThrow(LinkError);
  });
});

describe('a machine without a compiler', () => {
  let built: BuiltPackage;
  beforeAll(() => {
    built = buildPackage();
  });
  afterAll(() => built.remove());

  const source = `#include <stdexcept>\n#include <string>\n#include <vector>
    static std::vector<std::string> words{"sealed", "library"};
    extern "C" int letters() { int n = 0; for (auto &word : words) n += word.size(); return n; }
    extern "C" int caught(int v) { try { if (v) throw std::runtime_error("no"); return 0; } catch (std::exception &) { return 7; } }`;

  const choices: readonly (readonly [string, Record<string, string>, string])[] = [
    ['orc', {}, 'orc'],
    ['shared-object', {}, 'shared-object'],
    ['auto', { FROMSOURCE_ORC_SHIM: '/nonexistent' }, 'shared-object'],
  ];

  test.each(choices.filter(([choice]) => shimIsBuilt || choice !== 'orc'))(
    'loads C and C++: %s %j',
    async (loader, env, kind) => {
      const c = await sealed({ ...add, flags: ['-march=native'] });
      const cxx = await sealed({ name: 'words', language: 'c++', source });
      const program = `
      import { loadSealedLibrary, loadSourceLibrary } from ${JSON.stringify(built.index)};
      const vec = await loadSealedLibrary(${JSON.stringify(c)}, { loader: ${JSON.stringify(loader)} });
      const words = await loadSealedLibrary(${JSON.stringify(cxx)}, { loader: ${JSON.stringify(loader)} });
      const results = [vec.func('int add(int, int)')(2, 3), words.func('int letters()')(), words.func('int caught(int)')(1)];
      const failure = await loadSourceLibrary({ name: 'x', source: 'int f;' }).catch((error) => error.code);
      console.log(JSON.stringify([...results, vec.loader.kind, words.loader.kind, failure]));
      await vec.dispose(); await words.dispose();`;
      const file = join(built.folder, `${loader}.mjs`);
      writeFileSync(file, program);
      const bare = { PATH: '', TMPDIR: folder, FROMSOURCE_CACHE: 'off', FROMSOURCE_CLANG_DRIVER: '/nonexistent' };
      const { stdout, stderr, status } = spawnSync(process.execPath, [file], {
        encoding: 'utf8',
        env: { ...bare, ...env },
      });
      expect([stderr, status]).toEqual(['', 0]);
      expect(JSON.parse(stdout)).toEqual([5, 13, 7, kind, kind, 'ERR_TOOLCHAIN_NOT_FOUND']);
      expect(readdirSync(folder).filter((name) => name.startsWith('fromsource-'))).toEqual([]);
    },
  );
});

describe('seal refuses', () => {
  test('what is no library, and arguments that are wrong', async () => {
    const path = fresh();
    await expect(seal({ name: 'z', sharedLibrary: 'libz.so.1' }, path)).rejects.toThrow(TypeError);
    for (const wrong of [undefined, '', 1]) await expect(seal(add, wrong as never)).rejects.toThrow(TypeError);
    await expect(seal({ ...add, flag: [] } as never, path)).rejects.toThrow('did you mean `flags`?');
    await expect(
      seal({ name: 'open', source: 'int missing(void); int f(void) { return missing(); }' }, path),
    ).rejects.toThrow(LinkError);
    await expect(seal({ ...add, signal: AbortSignal.abort('enough') }, path)).rejects.toBe('enough');
    expect(existsSync(path)).toBe(false);
  });

  test('a path that it can not write, and leaves nothing', async () => {
    const taken = fresh('taken');
    mkdirSync(join(taken, 'full'), { recursive: true });
    for (const path of [join(folder, 'no', 'such', 'vec.fsl'), taken]) {
      const error = await seal(add, path).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(SealedLibraryError);
      expect(error).toMatchObject({
        reason: 'unwritable',
        library: 'vec',
        message: expect.stringContaining(`vec: ${path} can't be written: `),
      });
    }
    expect(readdirSync(folder).filter((name) => name.endsWith('.new'))).toEqual([]);
    expect(readdirSync(taken)).toEqual(['full']);
  });

  test('and a program falls back to the source', async () => {
    const spec = { ...add, name: 'either' };
    const path = await sealed(spec);
    const foreign = (manifest: SealedManifest) => ({ ...manifest, target: { ...manifest.target, arch: 'arm64' } });
    writeFileSync(path, changed(readFileSync(path), foreign));
    const library = await loadSealedLibrary(path).catch((error: unknown) => {
      if (!(error instanceof SealedLibraryError)) throw error;
      return loadSourceLibrary(spec);
    });
    expect(hold(library).func('int add(int, int)')(2, 3)).toBe(5);
  });
});

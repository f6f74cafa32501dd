/** Libraries that are linked to others, in both loaders and in the cache's linked image. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import {
  compileToIR,
  DisposedError,
  LibraryInUseError,
  LibraryRegistry,
  LinkError,
  loadSourceLibrary,
  type SourceLibrary,
  type SourceLibrarySpec,
  seal,
  ToolchainError,
} from '../../src/index.ts';
import { allKept } from '../../src/keep.ts';

const folder = mkdtempSync(join(tmpdir(), 'fromsource-linking-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let serial = 0;
const fresh = (name: string): string => join(folder, `${serial++}-${name}`);
const live: SourceLibrary[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const library of live.splice(0).reverse()) await library.dispose();
});

const cc = (...args: string[]): void => void execFileSync('cc', args, { cwd: folder, stdio: 'pipe' });

function makeShared(source: string, name = `lib${serial++}.so`, into = folder): string {
  const file = fresh('shared.c');
  writeFileSync(file, source);
  cc('-shared', '-fPIC', '-o', join(into, name), file);
  return join(into, name);
}

function makeArchive(members: readonly string[], name = `lib${serial++}.a`, into = folder): string {
  const objects = members.map((source) => {
    const file = fresh('member.c');
    writeFileSync(file, source);
    cc('-c', '-fPIC', '-o', `${file}.o`, file);
    return `${file}.o`;
  });
  execFileSync('ar', ['rc', join(into, name), ...objects]);
  return join(into, name);
}

async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}

const WAYS = ['orc', 'shared-object', 'linked image'] as const;

describe.each(WAYS)('by %s', (way) => {
  /** By the cache's image: the first load makes it, in a folder of its own, and the second opens it. */
  async function load(spec: Partial<SourceLibrarySpec> & { readonly source: string }): Promise<SourceLibrary> {
    const name = spec.name ?? `linking-${serial++}`;
    const loader = way === 'orc' ? 'orc' : way === 'shared-object' ? 'shared-object' : 'auto';
    const cache = way === 'linked image' ? { dir: join(folder, 'cache') } : false;
    const full = { ...spec, name, loader, cache } as SourceLibrarySpec;
    let library = await loadSourceLibrary(full);
    if (way === 'linked image') {
      await library.dispose();
      await allKept();
      library = await loadSourceLibrary(full);
      expect(library.cache).toEqual({ status: 'hit', reason: 'every input is what it was' });
      expect(library.loader).toEqual({ kind: 'shared-object', reason: 'its linked image is in the cache' });
    }
    live.push(library);
    return library;
  }

  test('a system library is found by its name, and not what node has of it', async () => {
    const library = await load({
      source:
        '#include <zlib.h>\nconst char *version(void) { return zlibVersion(); }\nunsigned long sum(void) { return crc32(0, (const unsigned char *)"abc", 3); }',
      libraries: ['z', 'm', 'pthread'],
    });
    expect(library.func('unsigned long sum(void)')()).toBe(0x352441c2);
    const header = readFileSync('/usr/include/zlib.h', 'utf8');
    expect(library.func('const char *version(void)')()).toBe(/#define ZLIB_VERSION "([^"]+)"/.exec(header)?.[1]);
  });

  test('a shared object is taken by its path: functions, data, and addresses in data', async () => {
    const path = makeShared('int counter = 5; int twice(int a) { return 2 * a; } int pair[2] = {1, 7};');
    const library = await load({
      source: `extern int counter; int twice(int); extern int pair[2];
        int (*held)(int) = twice; int *second = &pair[1];
        int f(int a) { return held(a) + twice(a) + counter++ + *second; }`,
      libraries: [path],
    });
    const f = library.func('int f(int)');
    expect([f(1), f(1)]).toEqual([16, 17]);
  });

  test('a name that the library defines itself is not taken from others, one that several have from the first', async () => {
    const one = makeShared('int own(void) { return 1; } int both(void) { return 10; }');
    const two = makeShared('int both(void) { return 20; } int only(void) { return 300; }');
    const library = await load({
      source: `int own(void) { return 2; } int both(void); int only(void); int f(void) { return own() + both() + only(); }`,
      libraries: [one, two],
    });
    expect(library.func('int f(void)')()).toBe(312);
  });

  test('what is imported is there when initialisers run, and until finalisers have', async () => {
    const path = makeShared(
      'static int value = 40; int next(void) { return ++value; } int value_now(void) { return value; }',
    );
    const watcher = await load({
      source: 'int value_now(void); int now(void) { return value_now(); }',
      libraries: [path],
    });
    const library = await load({
      language: 'c++',
      source: `extern "C" int next(void); static int first = next();
        struct Last { ~Last() { next(); } } last; extern "C" int f(void) { return first; }`,
      libraries: [path],
    });
    const first = library.func('int f(void)')();
    const before = watcher.func('int now(void)')();
    expect(first).toBeLessThanOrEqual(before);
    live.splice(live.indexOf(library), 1);
    await library.dispose();
    expect(watcher.func('int now(void)')()).toBe(before + 1);
  });

  test('of an archive only the members that are needed are linked, and what these need', async () => {
    const archive = makeArchive([
      'int inner(void); int outer(void) { return inner() + 1; }',
      'int inner(void) { return 41; }',
      'int nowhere(void); int unused(void) { return nowhere(); }',
    ]);
    const library = await load({ source: 'int outer(void); int f(void) { return outer(); }', libraries: [archive] });
    expect(library.func('int f(void)')()).toBe(42);
    expect([...library.symbols.keys()].sort()).toEqual(['f', 'inner', 'outer']);
  });

  test('archives may need each other, in any order, and shared objects', async () => {
    const shared = makeShared('int base(void) { return 100; }');
    const one = makeArchive(['int b(void); int a(void) { return b() + 1; }', 'int c(void) { return 10; }']);
    const two = makeArchive(['int c(void); int base(void); int b(void) { return c() + base(); }']);
    const library = await load({ source: 'int a(void); int f(void) { return a(); }', libraries: [one, two, shared] });
    expect(library.func('int f(void)')()).toBe(111);
  });

  test('by name a library is found in the own folders first, also through a linker script', async () => {
    const own = mkdtempSync(join(folder, 'own-'));
    makeShared('int hidden_in_script(void) { return 3; }', 'libreal.so.2', own);
    makeArchive(['int in_archive(void) { return 4; }'], 'libother.a', own);
    writeFileSync(join(own, 'libz.so'), '/* GNU ld script */\nINPUT ( libreal.so.2 AS_NEEDED ( -lother ) )\n');
    const library = await load({
      source: 'int hidden_in_script(void), in_archive(void); int f(void) { return hidden_in_script() * in_archive(); }',
      libraries: ['z'],
      libraryPaths: [own],
    });
    expect(library.func('int f(void)')()).toBe(12);
  });

  test('a library is linked to one that is loaded, and sees its data', async () => {
    const base = await load({ source: 'int state = 1; int bump(void) { return ++state; }' });
    const library = await load({
      source: 'extern int state; int bump(void); int f(void) { bump(); return state; }',
      libraries: [base],
    });
    expect(library.func('int f(void)')()).toBe(2);
    expect(base.variable('int state').value).toBe(2);
    const names = [library.name];
    await expect(base.dispose()).rejects.toThrow(new LibraryInUseError(base.name, names));
    expect(base.disposed).toBe(false);
    expect(base.func('int bump(void)')()).toBe(3);
    await base.dispose({ importers: true });
    expect([base.disposed, library.disposed]).toEqual([true, true]);
  });

  test('after a reload of the other, a library keeps its code until it is reloaded too', async () => {
    const base = await load({ source: 'int answer(void) { return 1; }' });
    const library = await load({ source: 'int answer(void); int f(void) { return answer(); }', libraries: [base] });
    const f = library.func('int f(void)');
    await base.reload({ source: 'int answer(void) { return 2; }' });
    expect([base.func('int answer(void)')(), f()]).toEqual([2, 1]);
    await library.reload();
    expect(f()).toBe(2);
  });

  test('what nothing defines is named, with near names of the other libraries', async () => {
    const path = makeShared('int vec_length(void) { return 1; }');
    const spec = { source: 'int vec_lenght(void); int f(void) { return vec_lenght(); }', libraries: [path] };
    const error = (await failure(load({ ...spec, name: 'typo' }))) as LinkError;
    expect(error).toBeInstanceOf(LinkError);
    expect(error.missingSymbols).toEqual(['vec_lenght']);
    expect(error.message).toContain('nothing defines `vec_lenght` (did you mean `vec_length`?)');
  });

  test('classes and exceptions of another library are the same in both', async () => {
    const header =
      'struct Base { virtual ~Base(); virtual int value() const; }; struct Failure { int code; virtual ~Failure(); }; void fail(int);';
    const file = fresh('classes.cc');
    writeFileSync(
      file,
      `${header} Base::~Base() {} int Base::value() const { return 1; } Failure::~Failure() {} void fail(int code) { Failure f; f.code = code; throw f; }`,
    );
    execFileSync('c++', ['-shared', '-fPIC', '-o', `${file}.so`, file], { stdio: 'pipe' });
    const library = await load({
      language: 'c++',
      source: `${header} struct Derived : Base { int value() const override { return Base::value() + 10; } };
        extern "C" int f(int code) { Base *b = new Derived; int value = dynamic_cast<Derived *>(b)->value(); delete b;
          try { fail(code); } catch (const Failure &failure) { return value + failure.code; } return -1; }`,
      libraries: [`${file}.so`],
    });
    expect(library.func('int f(int)')(100)).toBe(111);
  });

  test('what gcc made, through tables of addresses or not, is linked as well', async () => {
    const path = makeShared('int counter = 5; int twice(int a) { return 2 * a; }');
    for (const flags of [['-O2'], ['-O0', '-fno-plt']]) {
      const library = await load({
        source: 'extern int counter; int twice(int); int f(int a) { return twice(a) + counter; }',
        libraries: [path],
        compiler: 'gcc',
        flags,
      });
      expect(library.func('int f(int)')(1)).toBe(7);
    }
  });

  test('a thread-local variable of another library is refused, whatever has its name there', async () => {
    for (const [definition, reason] of [
      ['__thread int mine = 1;', 'nothing defines `mine`'],
      ['int mine(void) { return 1; }', '`mine` is declared thread-local and is another library'],
    ] as const) {
      const path = makeShared(definition);
      const spec = { source: 'extern __thread int mine; int f(void) { return mine; }', libraries: [path] };
      const { message } = await failure(load(spec));
      expect(message).toContain(reason);
    }
  });
});

describe.each(['orc', 'shared-object'] as const)('packages, by %s', (loader) => {
  const load = (more: Partial<SourceLibrarySpec>) =>
    loadSourceLibrary({ name: `package-${serial++}`, loader, cache: false, ...more } as SourceLibrarySpec);

  test('bring their flags and libraries', async () => {
    const own = mkdtempSync(join(folder, 'a package-'));
    makeShared('int answer(void) { return 42; }', 'libanswer.so', own);
    writeFileSync(join(own, 'answer.h'), 'int answer(void);\n#ifndef SPECIAL\n#error no flags\n#endif\n');
    writeFileSync(
      join(own, 'answer.pc'),
      `Name: answer\nDescription: a\nVersion: 1\nCflags: -I"${own}" -DSPECIAL\nLibs: -L"${own}" -lanswer -Wl,--as-needed -pthread\n`,
    );
    vi.stubEnv('PKG_CONFIG_PATH', own);
    const library = await load({
      source: '#include <answer.h>\nint f(void) { return answer(); }',
      pkgConfig: ['answer'],
    });
    live.push(library);
    expect(library.func('int f(void)')()).toBe(42);
  });

  test('are looked for from the working folder of the load, where the path is relative', async () => {
    const before = process.cwd();
    const answers = [];
    try {
      for (const value of [1, 2]) {
        const own = mkdtempSync(join(folder, 'relative-'));
        writeFileSync(join(own, 'here.pc'), `Name: here\nDescription: h\nVersion: 1\nCflags: -DVALUE=${value}\n`);
        vi.stubEnv('PKG_CONFIG_PATH', '.');
        process.chdir(own);
        const loading = load({ source: 'int f(void) { return VALUE; }', pkgConfig: ['here'] });
        process.chdir(before);
        live.push(await loading);
        answers.push(live.at(-1)?.func('int f(void)')());
      }
    } finally {
      process.chdir(before);
    }
    expect(answers).toEqual([1, 2]);
  });

  test('that pkg-config does not know, or without it, are errors', async () => {
    const spec = { source: 'int f(void) { return 1; }', pkgConfig: ['nowhere-to-be-found'] };
    const unknown = await failure(load(spec));
    expect(unknown).toBeInstanceOf(LinkError);
    expect(unknown.message).toContain('pkg-config refuses: Package nowhere-to-be-found was not found');
    vi.stubEnv('PKG_CONFIG', 'no-such-pkg-config');
    const missing = await failure(load(spec));
    expect(missing).toBeInstanceOf(ToolchainError);
    expect(missing.message).toContain("`pkgConfig` needs no-such-pkg-config, which can't be started: install it");
  });

  test('bring no flag that the policy refuses', async () => {
    const own = mkdtempSync(join(folder, 'plugin-'));
    writeFileSync(join(own, 'bad.pc'), 'Name: bad\nDescription: b\nVersion: 1\nCflags: -fplugin=evil.so\n');
    vi.stubEnv('PKG_CONFIG_PATH', own);
    const error = await failure(load({ source: 'int f;', pkgConfig: ['bad'] }));
    expect(error.message).toContain('-fplugin=evil.so: it loads code into the compiler');
  });
});

describe.each(['orc', 'shared-object'] as const)('a policy of imports, by %s', (loader) => {
  const source =
    '#include <stdlib.h>\n#include <string.h>\nint f(const char *a) { return system(a) + atoi(a) + (getenv(a) != 0); }';
  const load = (imports: SourceLibrarySpec['imports']) =>
    loadSourceLibrary({
      name: `policy-${serial++}`,
      source,
      loader,
      imports,
      cache: { dir: join(folder, 'policy') },
    } as SourceLibrarySpec);
  const denied = async (imports: SourceLibrarySpec['imports']) =>
    ((await failure(load(imports))) as LinkError).deniedSymbols;

  test('lists what it does not allow', async () => {
    expect(await denied({ deny: ['system', 'exec*'] })).toEqual(['system']);
    expect(await denied({ allow: ['str*', 'mem*', 'atoi'] })).toContain('system');
    expect(await denied({ allow: ['*'], deny: ['*env', 'sys?em'] })).toEqual(['getenv']);
    const error = await failure(load({ deny: ['system'] }));
    expect(error.message).toMatch(/^policy-\d+: `imports` does not allow it to be linked to `system`$/);
  });

  test('lets pass what it allows, from the cache as well, and is asked again when it changes', async () => {
    for (let round = 0; round < 2; round += 1) {
      await (await load({ allow: ['*'], deny: ['exec*'] })).dispose();
      await allKept();
    }
    expect(await denied({ allow: ['*'], deny: ['system'] })).toEqual(['system']);
  });

  test('holds for members of archives too', async () => {
    const archive = makeArchive(['int system(const char *); int hidden(void) { return system("true"); }']);
    const spec = {
      name: 'members',
      source: 'int hidden(void); int f(void) { return hidden(); }',
      loader,
      libraries: [archive],
    };
    const error = (await failure(
      loadSourceLibrary({ ...spec, imports: { deny: ['system'] }, cache: false }),
    )) as LinkError;
    expect(error.deniedSymbols).toEqual(['system']);
  });
});

describe('what is wrong is said', () => {
  const source = 'int f(void) { return 1; }';
  const load = (libraries: SourceLibrarySpec['libraries'], more: Partial<SourceLibrarySpec> = {}) =>
    loadSourceLibrary({ name: `wrong-${serial++}`, source, libraries, cache: false, ...more } as SourceLibrarySpec);
  const message = async (...args: Parameters<typeof load>) => (await failure(load(...args))).message;

  test('in the option', async () => {
    expect(await message(['z', 'z'])).toBe('`libraries` has `z` twice');
    expect(await message(['-lz'])).toBe(
      "Expected `libraries[0]` to be a name without `-l`, such as 'z', got `-lz` (string)",
    );
    expect(await message(['libz.so'])).toBe(
      "Expected `libraries[0]` to be a name such as 'z', or a path, which has a slash, got `libz.so` (string)",
    );
    expect(await message([7 as never])).toBe(
      'Expected `libraries[0]` to be a name, a path with a slash, or a library that is loaded, got `7` (number)',
    );
  });

  test('of a library that is not there', async () => {
    expect(await message(['zz_nowhere'])).toMatch(
      /there is no library `zz_nowhere` \(libzz_nowhere\.so or libzz_nowhere\.a\) in \/.*; install its development package/,
    );
    expect(await message(['./nowhere.so'])).toMatch(/the library \/.*nowhere\.so can't be read: ENOENT/);
  });

  test('of one whose development package is not there', async () => {
    const own = mkdtempSync(join(folder, 'release-'));
    makeShared('int x;', 'librare.so.3', own);
    expect(await message(['rare'], { libraryPaths: [own] })).toContain(
      `there is no library \`rare\` to link to, but there is ${own}/librare.so.3: install its development package, or give that path`,
    );
  });

  test('of one that comes twice, of a circle, and of a file that is none', async () => {
    const own = mkdtempSync(join(folder, 'circle-'));
    const path = makeShared('int x;', 'libx.so', own);
    expect(await message(['x', path], { libraryPaths: [own] })).toContain(
      `are the same library, ${path}; name it once`,
    );
    writeFileSync(join(own, 'liba.so'), 'INPUT(-lb)');
    writeFileSync(join(own, 'libb.so'), 'GROUP(liba.so)');
    expect(await message(['a'], { libraryPaths: [own] })).toContain(
      `linker scripts name each other in a circle: ${own}/liba.so → ${own}/libb.so → ${own}/liba.so`,
    );
    writeFileSync(join(own, 'libtext.so'), 'no library');
    expect(await message([join(own, 'libtext.so')])).toContain('it is no shared object, archive or linker script');
  });

  test('where linking has no place', async () => {
    const spec = { name: 'no-place', source, libraries: ['z'] };
    await expect(seal(spec, join(folder, 'no-place.fsl'))).rejects.toThrow(
      'A library that is linked to others, or has `imports` or `resolve`, can not be sealed: they would not be in the file',
    );
    await expect(compileToIR(spec as never)).rejects.toThrow('`libraries` goes with a load, not with compileToIR');
  });

  test('when the same name is loaded with other libraries', async () => {
    const name = 'same-name';
    live.push(await loadSourceLibrary({ name, source, libraries: ['z'], cache: false }));
    await expect(loadSourceLibrary({ name, source, libraries: ['m'], cache: false })).rejects.toThrow(
      'same-name is there with another spec: `libraries` was ["z"], now ["m"]',
    );
  });

  test('of one that was disposed', async () => {
    const base = await loadSourceLibrary({ name: 'gone', source, cache: false });
    await base.dispose();
    expect(await failure(load([base]))).toBeInstanceOf(DisposedError);
  });
});

describe('at the end of a process', () => {
  test.each(['orc', 'shared-object', 'auto'] as const)(
    'finalisers run before those of other libraries, by %s',
    (loader) => {
      const write = '#include <unistd.h>\n';
      const end = (text: string) =>
        `__attribute__((destructor)) static void end(void) { (void)!write(1, ${text}, 1); }`;
      const path = makeShared(`${write} const char *text(void) { return "1"; } ${end('"2"')}`);
      const spec = {
        name: 'ending',
        source: `${write} const char *text(void); ${end('text()')}`,
        libraries: [path],
        loader,
        cache: loader === 'auto' ? { dir: join(folder, 'ending') } : false,
      };
      const program = `
      const { loadSourceLibrary } = await import('fromsource');
      await loadSourceLibrary(${JSON.stringify(spec)});`;
      const run = () => execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
      // The second time, from a linked image.
      expect([run(), run()]).toEqual(['12', '12']);
    },
  );
});

describe('objects and archives', () => {
  test.each(['orc', 'shared-object'] as const)('are linked to others too, by %s', async (loader) => {
    const shared = makeShared('int base(void) { return 40; }');
    const needed = makeArchive(['int base(void); int more(void) { return base() + 2; }']);
    const archive = makeArchive(['int more(void); int f(void) { return more(); }']);
    const spec = { name: `archive-${serial++}`, archive, exports: ['f'], loader, libraries: [shared, needed] };
    const library = await loadSourceLibrary(spec);
    live.push(library);
    expect(library.func('int f(void)')()).toBe(42);
  });
});

describe('the cache', () => {
  const dir = join(folder, 'changing');

  test('misses when a library changed, or another one comes first', async () => {
    const own = mkdtempSync(join(folder, 'first-'));
    const later = mkdtempSync(join(folder, 'later-'));
    makeArchive(['int value(void) { return 1; }'], 'libv.a', later);
    const spec: SourceLibrarySpec = {
      name: 'changing',
      source: 'int value(void); int f(void) { return value(); }',
      libraries: ['v'],
      libraryPaths: [own, later],
      cache: { dir },
    };
    const run = async () => {
      const library = await loadSourceLibrary(spec);
      const result = [library.func('int f(void)')(), library.cache.reason];
      await library.dispose();
      await allKept();
      return result;
    };
    expect(await run()).toEqual([1, 'never compiled']);
    expect(await run()).toEqual([1, 'every input is what it was']);
    rmSync(join(later, 'libv.a'));
    makeArchive(['int value(void) { return 2; }'], 'libv.a', later);
    expect(await run()).toEqual([2, `${later}/libv.a changed`]);
    makeShared('int value(void) { return 3; }', 'libv.so', own);
    expect(await run()).toEqual([3, `${own}/libv.so appeared`]);
    expect(await run()).toEqual([3, 'every input is what it was']);
  });
});

describe('the registry', () => {
  test('disposes all, whoever is linked to whom, and refuses one that is in use', async () => {
    const registry = new LibraryRegistry();
    const base = await registry.load({ name: 'base', source: 'int one(void) { return 1; }', cache: false });
    const source = 'int one(void); int f(void) { return one(); }';
    await registry.load({ name: 'user', source, libraries: [base], cache: false });
    await expect(registry.dispose('base')).rejects.toThrow(
      'base is not disposed: `user` is linked to it; dispose them first, or all at once with `dispose({ importers: true })`',
    );
    expect(registry.get('base')).toBe(base);
    await registry.dispose();
    expect([base.disposed, registry.list()]).toEqual([true, []]);
  });
});

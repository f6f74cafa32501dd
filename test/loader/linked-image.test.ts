import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LinkError } from '../../src/errors.ts';
import { makeLinkedImage } from '../../src/loader/linked-image.ts';
import { openLinkedImage } from '../../src/loader/open-image.ts';
import { fn, folder, keep, open, openC, openPlus } from './fixtures/images.ts';
import { type Compiler, compile, runImages, shimIsBuilt } from './fixtures/objects.ts';
import { exceptions, threadDestructors, threadLocal } from './fixtures/sources.ts';

describe('what is found in a linked image', () => {
  test('a function is found without the table, data with its size, and both as the table has them', async () => {
    const image = await openC('int add(int a, int b) { return a + b; } int table[10] = {1}; const int limit = 3;');
    expect(fn(image, 'add', 'int', ['int', 'int'])(2, 3)).toBe(5);
    expect(image.find('table')).toEqual(image.symbols.get('table'));
    expect(image.find('limit')).toMatchObject({ kind: 'data', size: 4 });
    expect(image.find('add')?.address).toBe(image.symbols.get('add')?.address);
    expect([...image.symbols.keys()].sort()).toEqual(['add', 'limit', 'table']);
  });

  test('only what the object exports: nothing of libm, of libc, of the start files or of the linker', async () => {
    const image = await openC(`
      #include <math.h>
      double root(double v) { return sin(v); } static int own(void) { return 1; }
      __attribute__((visibility("hidden"))) int hidden(void) { return own(); } int outer(void) { return hidden(); }`);
    const names = ['sin', 'malloc', 'own', 'hidden', '_init', '_fini', '_end', '_edata', '__bss_start', '_DYNAMIC', ''];
    for (const name of names) expect(image.find(name), name).toBeUndefined();
    expect([...image.symbols.keys()].sort()).toEqual(['outer', 'root']);
  });

  test('thread-local names are none of its exports, protected ones are, as with the other loaders', async () => {
    const image = await openC(`
      __attribute__((visibility("protected"))) int guarded(void) { return 1; }
      __thread int mine = 5; int read(void) { return mine + guarded(); }`);
    expect(fn(image, 'read')()).toBe(6);
    expect(fn(image, 'guarded')()).toBe(1);
    expect(image.find('mine')).toBeUndefined();
    expect([...image.symbols.keys()].sort()).toEqual(['guarded', 'read']);
  });

  test('an ifunc is the function that was chosen, also where that is in another library', async () => {
    const image = await openC(`
      #include <stdlib.h>
      static int fast(int v) { return v * 2; }
      static int (*choose(void))(int) { return fast; }
      int scaled(int v) __attribute__((ifunc("choose")));
      static int (*elsewhere(void))(int) { return abs; }
      int size_of(int v) __attribute__((ifunc("elsewhere")));`);
    expect(fn(image, 'scaled', 'int', ['int'])(21)).toBe(42);
    expect(fn(image, 'size_of', 'int', ['int'])(-7)).toBe(7);
    expect(image.find('size_of')).toEqual(image.symbols.get('size_of'));
  });

  test('functions among data, and data among code, keep their kinds', async () => {
    const image = await openC(`
      __attribute__((section(".text.mine"))) const int in_text = 7; int f(void) { return in_text; }`);
    expect(image.find('in_text')).toMatchObject({ kind: 'data', size: 4 });
    expect(fn(image, 'f')()).toBe(7);
  });

  test('the file may be gone when its table is read', async () => {
    const kept = await keep(compile('clang-22', 'int data = 4; int f(void) { return data; }'));
    const image = open(kept);
    rmSync(kept.path);
    expect(image.find('data')).toMatchObject({ kind: 'data', size: 4 });
    expect(fn(image, 'f')()).toBe(4);
  });

  test("a name that node has is the library's own, or, weak and undefined, 0", async () => {
    const image = await openC(`
      int deflate(void *s, int f) { return 77; } int squeeze(void) { return deflate(0, 0); }
      __attribute__((weak)) int uv_version(void); int has(void) { return uv_version != 0; }`);
    expect([fn(image, 'squeeze')(), fn(image, 'has')()]).toEqual([77, 0]);
  });
});

describe('initialisers of a linked image', () => {
  test('those of C are left to the dynamic linker, those of C++ are run when it is open', async () => {
    const source = (extern: string) => `
      static int order;
      __attribute__((constructor(200))) static void late(void) { order = order * 10 + 2; }
      __attribute__((constructor(150))) static void early(void) { order = order * 10 + 1; }
      __attribute__((constructor)) static void last(int argc, char **argv) { order = order * 10 + (argc > 0 && argv[0] ? 3 : 9); }
      ${extern} int get(void) { return order; }`;
    const c = await keep(compile('clang-22', source('')));
    const plus = await keep(compile('clang++-22', source('extern "C"')), 'c++');
    expect(c.layout.initialisers).toBeNull();
    expect(plus.layout.initialisers).toMatchObject({ count: expect.any(Number) });
    for (const kept of [c, plus]) expect(fn(open(kept), 'get')()).toBe(123);
  });

  test('C++ without any needs no shim for the one of the start files', async () => {
    const kept = await keep(compile('clang++-22', 'extern "C" int f() { return 1; }'), 'c++');
    expect(kept.layout.initialisers).toBeNull();
  });

  test.skipIf(!shimIsBuilt)(
    'one that throws is a LinkError; the image is closed, and can be opened again',
    async () => {
      const kept = await keep(
        compile(
          'clang++-22',
          '#include <stdexcept>\nstatic int x = [] { throw std::runtime_error("no luck"); return 1; }();',
        ),
        'c++',
      );
      for (let times = 0; times < 3; times += 1) {
        expect(() => openLinkedImage('lib', kept.path, kept.layout)).toThrow(
          new LinkError('lib', 'lib could not be linked: an initialiser threw std::runtime_error: no luck', []),
        );
      }
    },
  );

  test('they run without the shim too', async () => {
    const kept = await keep(
      compile('clang++-22', 'struct S { int v; S() : v(41) {} }; static S s; extern "C" int get() { return ++s.v; }'),
      'c++',
    );
    const { stdout } = runImages(
      `const { path, layout } = ${JSON.stringify(kept)};
       const image = openLinkedImage('lib', path, layout);
       console.log(koffi.decode(image.find('get').address, koffi.proto('int', []))());`,
      { FROMSOURCE_ORC_SHIM: '/nonexistent' },
    );
    expect(stdout).toBe('42\n');
  });
});

describe('real code in a linked image', () => {
  test.each<Compiler>(['clang++-22', 'g++'])('exceptions, threads and thread-local objects of %s', async (compiler) => {
    const thrown = await openPlus(exceptions, compiler);
    expect([fn(thrown, 'inside', 'int', ['int'])(7), fn(thrown, 'inside', 'int', ['int'])(-1)]).toEqual([1007, 1499]);
    const threads = await openPlus(threadDestructors, compiler);
    expect([fn(threads, 'thread')(), fn(threads, 'count')(), fn(threads, 'once')()]).toEqual([15, 3, 1]);
  });

  test('thread-local variables of C, common symbols, aliases and big data', async () => {
    const image = await openC(
      `${threadLocal}\nint common; int big[1 << 22]; int total(void) __attribute__((alias("sum")));`,
      ['-O1', '-fPIC', '-fcommon'],
    );
    expect(fn(image, 'total')()).toBe(fn(image, 'sum')());
    expect(image.find('big')).toMatchObject({ kind: 'data', size: 1 << 24 });
    expect(image.find('common')).toMatchObject({ kind: 'data', size: 4 });
    expect(fn(image, 'on_another_thread')()).toBeGreaterThan(0);
  });

  test('the start and stop of a section are none of its exports', async () => {
    const image = await openC(`
      static int e1 __attribute__((section("entries"), used)) = 1;
      extern int __start_entries[], __stop_entries[];
      int count(void) { return (int)(__stop_entries - __start_entries); }`);
    expect(fn(image, 'count')()).toBe(1);
    expect([...image.symbols.keys()]).toEqual(['count']);
  });

  test.each(['-Wl,--as-needed', '-fuse-ld=lld'])('an image made with %s opens', async (flag) => {
    const script = join(folder, `cc${flag}`);
    writeFileSync(script, `#!/bin/sh\nexec clang-22 "$@" ${flag}\n`, { mode: 0o755 });
    const object = compile('clang-22', 'int n = 1; int zeros[5000]; int f(void) { return n + zeros[4999]; }');
    const image = open(await keep(object, 'c', script));
    expect(fn(image, 'f')()).toBe(1);
    expect([...image.symbols.keys()].sort()).toEqual(['f', 'n', 'zeros']);
  });
});

describe('what can not be an image', () => {
  const make = (object: Uint8Array) =>
    makeLinkedImage({ library: 'lib', object, language: 'c', compilerPath: 'clang-22' });

  test('an object that needs what nothing defines', async () => {
    const error = await make(compile('clang-22', 'int uv_version(void); int f(void) { return uv_version(); }')).catch(
      (e) => e,
    );
    expect(error).toBeInstanceOf(LinkError);
    expect(error.missingSymbols).toEqual(['uv_version']);
  });

  test('what the linker makes that is not what the object is', async () => {
    const script = join(folder, 'liar');
    const other = join(folder, 'other.o');
    writeFileSync(other, compile('clang-22', 'int other(void) { return 1; }'));
    writeFileSync(script, `#!/bin/sh\ncp ${other} library.o\nexec clang-22 "$@"\n`, { mode: 0o755 });
    const object = compile('clang-22', 'int f(void) { return 1; }');
    await expect(makeLinkedImage({ library: 'lib', object, language: 'c', compilerPath: script })).rejects.toThrow(
      "lib: the linker made an image that can't be used: it does not export `f`",
    );
  });

  test('a file that is not there, or is none, is not opened', async () => {
    const { layout } = await keep(compile('clang-22', 'int f(void) { return 1; }'));
    expect(openLinkedImage('lib', '/nonexistent/a.so', layout)).toBeNull();
    const text = join(folder, 'text.so');
    writeFileSync(text, 'hello');
    expect(openLinkedImage('lib', text, layout)).toBeNull();
  });
});

/** What libraries that are linked to each other share, by the ways in which objects come together. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import {
  loadSealedLibrary,
  loadSourceLibrary,
  type SourceLibrary,
  type SourceLibrarySpec,
  seal,
} from '../../src/index.ts';
import { allKept } from '../../src/keep.ts';

const folder = mkdtempSync(join(tmpdir(), 'fromsource-sharing-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let serial = 0;
const live: SourceLibrary[] = [];
afterEach(async () => {
  for (const library of live.splice(0).reverse()) await library.dispose();
});

const HEADER = `
  inline int counter = 5;
  inline int &inner() { static int value = 30; return value; }
  template <typename T> struct Held { static int count; };
  template <typename T> int Held<T>::count = 1;
  #define SUM counter + 100 * inner() + 10000 * Held<int>::count
`;
const CHANGE = 'extern "C" int change() { inner()++; Held<int>::count++; return ++counter; }';
const CHANGED = 6 + 3100 + 20000;

function write(text: string, extension = 'cpp'): string {
  const path = join(folder, `file-${serial++}.${extension}`);
  writeFileSync(path, text);
  return path;
}

describe.each(['orc', 'shared-object'] as const)('by %s', (loader) => {
  async function load(spec: Partial<SourceLibrarySpec>): Promise<SourceLibrary> {
    const library = await loadSourceLibrary({ name: `sharing-${serial++}`, loader, ...spec } as SourceLibrarySpec);
    live.push(library);
    return library;
  }
  const loadCxx = (source: string, spec: Partial<SourceLibrarySpec> = {}) =>
    load({ source: HEADER + source, language: 'c++', ...spec } as Partial<SourceLibrarySpec>);

  test('a member of an archive, and several files, share what the library shares', async () => {
    const low = await loadCxx(CHANGE);
    const member = write(`${HEADER} extern "C" int member() { return SUM; }`);
    execFileSync('clang++-22', ['-std=c++17', '-fPIC', '-O2', '-c', member, '-o', `${member}.o`]);
    const archive = join(folder, `lib${serial++}.a`);
    execFileSync('ar', ['rc', archive, `${member}.o`]);
    const source =
      'extern "C" int member(); extern "C" int sum() { return member(); } extern "C" int own() { return counter; }';
    const top = await loadCxx(source, { libraries: [low, archive] });
    const header = write(HEADER, 'h');
    const sums = ['a', 'b'].map((name) => write(`#include "${header}"\nextern "C" int sum_${name}() { return SUM; }`));
    const files = await load({ files: sums, libraries: [low] } as Partial<SourceLibrarySpec>);
    low.func('int change()')();
    expect(top.func('int sum()')()).toBe(CHANGED);
    expect(top.func('int own()')()).toBe(6);
    expect([files.func('int sum_a()')(), files.func('int sum_b()')()]).toEqual([CHANGED, CHANGED]);
  });

  test('what gcc compiled shares as well, and common variables of C', async () => {
    const compiler = 'g++';
    const low = await loadCxx(CHANGE, { compiler });
    const top = await loadCxx('extern "C" int sum() { return SUM; }', { compiler, libraries: [low] });
    low.func('int change()')();
    expect(top.func('int sum()')()).toBe(CHANGED);
    const flags = ['-fcommon', '-g'];
    const one = await load({ source: 'int common; int next(void) { return ++common; }', flags });
    const two = await load({ source: 'int common; int next(void) { return ++common; }', flags, libraries: [one] });
    expect([one, two, one].map((each) => each.func('int next(void)')())).toEqual([1, 2, 3]);
    expect(two.variable('int common').value).toBe(3);
  });

  test('a common variable is a library’s own where the other has a function of that name, or a smaller variable', async () => {
    const flags = ['-fcommon'];
    const low = await load({ source: 'int small[2]; int word(void) { return 5; }', flags });
    const source = 'int small[600], word; int fill(int n) { small[599] = n; return word = n; }';
    const top = await load({ source, flags, libraries: [low] });
    expect(top.func('int fill(int)')(7)).toBe(7);
    expect(low.func('int word(void)')()).toBe(5);
    expect(top.variable('int word').value).toBe(7);
    expect(top.variable('int small').value).toBe(0);
    expect(top.address('small')).not.toBe(low.address('small'));
  });

  test('a library whose inline functions are another’s unwinds the rest of its own', async () => {
    const header = `
      struct Base { virtual ~Base() = default; virtual int id() const { return 1; } };
      struct Derived : Base { int id() const override { return 2; } };
      inline int thrown() { try { throw Derived(); } catch (const Base &base) { return base.id(); } }`;
    const functions = (name: string) =>
      `extern "C" int ${name}() { return thrown(); } extern "C" int own_${name}() { try { throw 5; } catch (int v) { return v; } }`;
    const flags = ['-O2'];
    const low = await loadCxx(header + functions('low'), { flags });
    const top = await loadCxx(header + functions('top'), { flags, libraries: [low] });
    expect([top.func('int own_top()')(), top.func('int top()')()]).toEqual([5, 2]);
  });

  test('a shared object gives its definitions too', async () => {
    const source = write(`${HEADER}${CHANGE}`);
    const path = join(folder, `lib${serial++}.so`);
    execFileSync('clang++-22', ['-std=c++17', '-fPIC', '-O2', '-shared', source, '-o', path]);
    const top = await loadCxx('extern "C" int change(); extern "C" int sum() { change(); return SUM; }', {
      libraries: [path],
    });
    expect(top.func('int sum()')()).toBe(CHANGED);
  });

  test('a weak definition of C is a library’s own, and so is what `imports` denies', async () => {
    const hook = (value: number) => `__attribute__((weak)) int hook(void) { return ${value}; }`;
    const low = await load({ source: `${hook(1)} int low(void) { return hook(); }` });
    const top = await load({ source: `${hook(2)} int top(void) { return hook(); }`, libraries: [low] });
    expect([low.func('int low(void)')(), top.func('int top(void)')()]).toEqual([1, 2]);
    const one = await loadCxx(CHANGE);
    const two = await loadCxx('extern "C" int sum() { return SUM; }', {
      libraries: [one],
      imports: { deny: ['counter'] },
    });
    one.func('int change()')();
    expect(two.func('int sum()')()).toBe(CHANGED - 1);
  });

  test('after a reload of the other a library shares with the code that it is linked to, until its own reload', async () => {
    const low = await loadCxx(CHANGE);
    const top = await loadCxx('extern "C" int get() { return counter; }', { libraries: [low] });
    const [change, get] = [low.func('int change()'), top.func('int get()')];
    change();
    await low.reload();
    expect([change(), get()]).toEqual([6, 6]);
    expect([change(), get()]).toEqual([7, 6]);
    await top.reload();
    expect([change(), get()]).toEqual([8, 8]);
  });
});

test('what is shared is taken from the cache as it was', async () => {
  const cache = { dir: join(folder, 'cache') };
  const low = await loadSourceLibrary({ name: 'low', source: HEADER + CHANGE, language: 'c++', cache });
  live.push(low);
  for (const status of ['miss', 'hit', 'hit']) {
    const source = `${HEADER} extern "C" int get() { return counter; }`;
    const top = await loadSourceLibrary({ name: 'top', source, language: 'c++', cache, libraries: [low] });
    expect(top.cache.status).toBe(status);
    expect(top.func('int get()')()).toBe(low.func('int change()')() - 1);
    expect(top.variable('int counter').value).toBe(low.variable('int counter').value);
    await top.dispose();
    await allKept();
  }
});

test('what no longer fits is not shared from the cache', async () => {
  const cache = { dir: join(folder, 'fits') };
  const flags = ['-fcommon'];
  const source = 'int table[100]; int last(void) { return ++table[99]; }';
  for (const [length, status, isShared] of [
    [100, 'miss', true],
    [2, 'miss', false],
    [100, 'hit', true],
  ] as const) {
    const low = await loadSourceLibrary({ name: 'low', source: `int table[${length}];`, flags, cache });
    const top = await loadSourceLibrary({ name: 'top', source, flags, cache, libraries: [low] });
    expect(top.cache.status).toBe(status);
    expect(top.func('int last(void)')()).toBe(1);
    expect(top.address('table') === low.address('table')).toBe(isShared);
    await top.dispose();
    await low.dispose();
    await allKept();
  }
});

test('an exception leaves a function of a shared library and of a sealed one, too', async () => {
  const source = '#include <stdexcept>\nextern "C" int f(int n) { if (n < 0) throw std::length_error("f"); return n; }';
  const path = join(folder, 'libthrows.so');
  execFileSync('clang++-22', ['-fPIC', '-O2', '-shared', write(source), '-o', path]);
  live.push(await loadSourceLibrary({ name: 'shared', sharedLibrary: path }));
  await seal({ name: 'sealed', source, language: 'c++' }, join(folder, 'throws.fsl'));
  for (const loader of ['orc', 'shared-object'] as const) {
    live.push(await loadSealedLibrary(join(folder, 'throws.fsl'), { loader, name: `sealed-${loader}` }));
  }
  for (const library of live) {
    const f = library.func('int f(int)');
    expect(f(4)).toBe(4);
    expect(() => f(-1)).toThrow(`${library.name}: f threw std::length_error: f`);
    await expect(f.async(-1)).rejects.toThrow('std::length_error');
  }
});

/** Several files through the cache: one entry for the library, and one for each file. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CompileError, cacheStats, verifyCache } from '../../src/index.ts';
import { holdCaches } from './caches.ts';

const { folder, load, once } = holdCaches();
const hit = { status: 'hit', reason: 'every input is what it was' };

/** A folder with three files, of which two share a header. */
function project() {
  const root = folder();
  const path = (name: string) => join(root, name);
  const write = (name: string, text: string) => writeFileSync(path(name), text);
  mkdirSync(path('include'));
  write('include/value.h', '#define VALUE 1\n');
  write('a.c', '#include <value.h>\nint a(void) { return VALUE; }');
  write('b.c', '#include <value.h>\nint b(void) { return VALUE * 10; }');
  write('c.cpp', 'extern "C" int a(void); extern "C" int c(void) { return a() + 100; }');
  return { path, write, spec: { files: [path('*.c'), path('c.cpp')], includePaths: [path('include')] } };
}

describe.each(['auto', 'orc', 'shared-object'])('several files, loader %s', (loader) => {
  test('are compiled once: the second load opens one image', async () => {
    const dir = folder();
    const { path, spec } = project();
    const first = await load(dir, { ...spec, loader });
    expect(first.cache).toEqual({
      status: 'miss',
      reason: `${path('a.c')}, ${path('b.c')}, ${path('c.cpp')}: never compiled`,
    });
    expect(first.func('int c(void)')()).toBe(101);
    await first.dispose();
    const { entries, images } = await cacheStats({ dir });
    expect([entries, images]).toEqual([4, loader === 'orc' ? 0 : 1]);
    const second = await load(dir, { ...spec, loader });
    expect(second.cache).toEqual(hit);
    expect(second.func('int c(void)')()).toBe(101);
    expect([...second.symbols.keys()].sort()).toEqual(['a', 'b', 'c']);
    expect(second.loader.kind).toBe(loader === 'orc' ? 'orc' : 'shared-object');
    if (loader === 'auto') expect(second.loader).toMatchObject({ reason: 'its linked image is in the cache' });
    expect((await verifyCache({ dir })).damaged).toEqual([]);
  });

  test('that changed are compiled, and no others', async () => {
    const dir = folder();
    const { path, write, spec } = project();
    await once(dir, { ...spec, loader });
    const { entries } = await cacheStats({ dir });
    write('b.c', 'int b(void) { return 7; }');
    const library = await load(dir, { ...spec, loader });
    expect(library.cache).toEqual({ status: 'miss', reason: `${path('b.c')} changed` });
    expect(library.func('int b(void)')()).toBe(7);
    // One object, and what all are joined to.
    expect((await cacheStats({ dir })).entries).toBe(entries + 2);
    expect(await once(dir, { ...spec, loader })).toEqual(hit);
  });

  test('with a header that changed are named with it', async () => {
    const dir = folder();
    const { path, write, spec } = project();
    await once(dir, { ...spec, loader });
    write('include/value.h', '#define VALUE 2\n');
    const library = await load(dir, { ...spec, loader });
    expect(library.cache).toEqual({
      status: 'miss',
      reason: `${path('a.c')}, ${path('b.c')}: ${path('include/value.h')} changed`,
    });
    expect(library.func('int c(void)')()).toBe(102);
    write('include/value.h', '#define VALUE 1\n');
    expect(await once(dir, { ...spec, loader })).toEqual(hit);
  });
});

test('a library of some of the files takes their objects, in any order', async () => {
  const dir = folder();
  const { path, spec } = project();
  await once(dir, spec);
  const files = [path('c.cpp'), path('a.c')];
  expect(await once(dir, { ...spec, name: 'some', files })).toEqual(hit);
  // And shares them with a library of one file.
  expect(await once(dir, { name: 'one', file: path('a.c'), includePaths: spec.includePaths })).toEqual(hit);
});

test('gcc compiles and keeps them too', async () => {
  const dir = folder();
  const { write, spec } = project();
  const first = await load(dir, { ...spec, compiler: 'gcc' });
  expect(first.cache.status).toBe('miss');
  expect(await once(dir, { ...spec, compiler: 'gcc' })).toEqual(hit);
  write('include/a.h', '');
  expect(await once(dir, { ...spec, compiler: 'gcc' })).toEqual(hit);
});

test('files that compile are kept when others do not', async () => {
  const dir = folder();
  const { path, write, spec } = project();
  write('b.c', 'int b(void) { return 1 }');
  await expect(load(dir, spec)).rejects.toThrow(CompileError);
  await cacheStats({ dir });
  write('b.c', 'int b(void) { return 1; }');
  expect(await once(dir, spec)).toEqual({ status: 'miss', reason: `${path('b.c')}: never compiled` });
});

test('a file that can not be repeated makes the library one that is not kept, and the others are', async () => {
  const dir = folder();
  const { path, write, spec } = project();
  write('b.c', 'const char *b(void) { return __TIME__; }');
  const off = { status: 'off', reason: `${path('b.c')}: not repeatable: __TIME__` };
  expect(await once(dir, spec)).toEqual(off);
  expect((await cacheStats({ dir })).entries).toBe(2);
  expect(await once(dir, spec)).toEqual(off);
});

test('a reload compiles what changed', async () => {
  const dir = folder();
  const { path, write, spec } = project();
  const library = await load(dir, spec);
  write('a.c', 'int a(void) { return 5; }');
  await library.reload();
  expect(library.cache).toEqual({ status: 'miss', reason: `${path('a.c')} changed` });
  expect(library.func('int c(void)')()).toBe(105);
  // The folder goes when all is kept.
  await cacheStats({ dir });
});

test('the same library from many at once is compiled once', async () => {
  const dir = folder();
  const { spec } = project();
  const all = await Promise.all(Array.from({ length: 8 }, () => load(dir, spec)));
  const missed = all.filter(({ cache }) => cache.status === 'miss');
  expect(missed.length).toBe(1);
  for (const library of all) expect(library.func('int c(void)')()).toBe(101);
});

test('without a cache all are compiled each time', async () => {
  const { spec } = project();
  const library = await load(folder(), { ...spec, cache: false });
  expect(library.cache).toEqual({ status: 'off', reason: 'it was not asked for' });
  expect(library.func('int c(void)')()).toBe(101);
});

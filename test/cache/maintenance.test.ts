/** Keeping a cache in bounds, and what its owner asks of it: counting, clearing, verifying. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cacheStats, clearCache, verifyCache } from '../../src/index.ts';
import { filesIn, holdCaches } from './caches.ts';

const { folder, load, once } = holdCaches();
const value = (number: number) => ({ source: `int value(void) { return ${number}; }\n` });
const nameOf = (path: string) => path.split('/').at(-1) as string;
const ending = (dir: string, end: string) => filesIn(dir).filter((name) => name.endsWith(end));
const only = (dir: string, end: string) => {
  const names = ending(dir, end);
  if (names.length !== 1) throw new Error(`expected one file *${end}, got ${names}`);
  return join(dir, 'v1', names[0] as string);
};
/** Loads, and gives the names that came with it. */
async function added(dir: string, spec: Record<string, unknown>): Promise<string[]> {
  const before = existsSync(join(dir, 'v1')) ? filesIn(dir) : [];
  await once(dir, spec);
  return filesIn(dir).filter((name) => !before.includes(name));
}
const bytesIn = (dir: string) => filesIn(dir).reduce((sum, name) => sum + statSync(join(dir, 'v1', name)).size, 0);
/** As if it was written, or used, so many minutes ago. */
function age(path: string, minutes: number): void {
  const seconds = Date.now() / 1000 - minutes * 60;
  utimesSync(path, seconds, seconds);
}

describe('the bound', () => {
  test('is held after each load, and the newest entry is spared', async () => {
    const dir = folder();
    await once(dir, value(0));
    const maxBytes = bytesIn(dir) * 3;
    for (let number = 1; number <= 12; number += 1) {
      await once(dir, { ...value(number), cache: { dir, maxBytes } });
      const stats = await cacheStats({ dir, maxBytes });
      expect(stats.bytes).toBe(bytesIn(dir));
      expect(stats.bytes, `after ${number} loads`).toBeLessThanOrEqual(maxBytes);
      expect((await once(dir, { ...value(number), cache: { dir, maxBytes } })).status).toBe('hit');
    }
  });

  test('of less than one entry leaves the newest', async () => {
    const dir = folder();
    for (const number of [1, 2, 3]) {
      await once(dir, { ...value(number), cache: { dir, maxBytes: 1 } });
      expect(ending(dir, '.object')).toHaveLength(1);
      expect((await once(dir, { ...value(number), cache: { dir, maxBytes: 1 } })).status).toBe('hit');
    }
  });

  test('takes what was used longest ago, be it older or younger', async () => {
    const dir = folder();
    const manifests: string[] = [];
    for (const number of [1, 2, 3, 4]) {
      const names = await added(dir, { ...value(number), name: `of-${number}` });
      manifests.push(join(dir, 'v1', names.find((name) => name.endsWith('.manifest')) as string));
    }
    for (const [index, path] of manifests.entries()) age(path, 10 - index);
    for (const name of ending(dir, '.memo')) age(join(dir, 'v1', name), 1);
    // The oldest is used again.
    expect((await once(dir, { ...value(1), name: 'of-1' })).status).toBe('hit');
    expect(Date.now() - statSync(manifests[0] as string).mtimeMs).toBeLessThan(30_000);
    // Room for what is remembered of a fifth library, and not for its files.
    const maxBytes = bytesIn(dir) + 3000;
    await once(dir, { ...value(5), name: 'of-5', cache: { dir, maxBytes } });
    expect(manifests.map((path) => existsSync(path))).toEqual([true, false, true, true]);
    const left = filesIn(dir).map((name) => name.slice(0, 64));
    expect(left).not.toContain(nameOf(manifests[1] as string).slice(0, 64));
    expect((await once(dir, { ...value(1), name: 'of-1' })).status).toBe('hit');
    expect((await once(dir, { ...value(2), name: 'of-2' })).status).toBe('miss');
  });

  test('takes files that no manifest names, as those of other age', async () => {
    const dir = folder();
    const [first, second] = [await added(dir, value(1)), await added(dir, { ...value(2), name: 'second' })];
    for (const names of [first, second]) {
      for (const name of names) {
        const path = join(dir, 'v1', name);
        if (/(manifest|memo)$/.test(name)) rmSync(path);
        else age(path, 5);
      }
    }
    expect(ending(dir, '.object')).toHaveLength(2);
    const maxBytes = 1;
    await once(dir, { ...value(3), name: 'third', cache: { dir, maxBytes } });
    const keys = new Set(
      filesIn(dir)
        .filter((name) => !name.endsWith('.memo'))
        .map((name) => name.slice(0, 64)),
    );
    expect(keys.size).toBe(1);
    expect((await once(dir, { ...value(3), name: 'third' })).status).toBe('hit');
  });
});

describe('of one key', () => {
  test('eight states of the headers are kept, and the files of older ones go', async () => {
    const dir = folder();
    const project = folder();
    const header = join(project, 'value.h');
    const spec = { source: '#include <value.h>\nint value(void) { return VALUE; }\n', includePaths: [project] };
    const state = async (number: number) => {
      writeFileSync(header, `#define VALUE ${number}\n`);
      const library = await load(dir, spec);
      expect(library.func('int value()')()).toBe(number);
      return library.cache.status;
    };
    for (let number = 1; number <= 10; number += 1) expect(await state(number)).toBe('miss');
    const stats = await cacheStats({ dir });
    expect([stats.entries, stats.images]).toEqual([8, 8]);
    expect(ending(dir, '.manifest')).toHaveLength(1);
    expect(await verifyCache({ dir })).toMatchObject({ damaged: [] });
    for (let number = 3; number <= 10; number += 1) expect(await state(number)).toBe('hit');
    expect([await state(1), await state(2)]).toEqual(['miss', 'miss']);
    // Those that went for them are the ones that were compiled first.
    expect([await state(3), await state(10)]).toEqual(['miss', 'hit']);
  });
});

describe('cacheStats', () => {
  test('counts', async () => {
    const dir = folder();
    const empty = { dir: join(dir), entries: 0, images: 0, bytes: 0, maxBytes: 2 ** 31 };
    expect(await cacheStats({ dir })).toEqual(empty);
    await once(dir, value(1));
    await once(dir, { ...value(2), loader: 'shared-object' });
    expect(await cacheStats({ dir, maxBytes: 1e6 })).toEqual({
      dir,
      entries: 2,
      images: 2,
      bytes: bytesIn(dir),
      maxBytes: 1e6,
    });
    rmSync(join(dir, 'v1', ending(dir, '.so')[0] as string));
    expect(await cacheStats({ dir })).toMatchObject({ entries: 2, images: 1, bytes: bytesIn(dir) });
  });

  test('of a folder that can not be used is an error', async () => {
    const dir = folder();
    writeFileSync(join(dir, 'file'), '');
    await expect(cacheStats({ dir: join(dir, 'file') })).rejects.toMatchObject({ code: 'ERR_CACHE' });
  });
});

test('clearCache removes every entry, and what is loaded lives on', async () => {
  const dir = folder();
  const [first, second] = [await load(dir, value(1)), await load(dir, value(1))];
  expect(second.cache.status).toBe('hit');
  const count = filesIn(dir).length;
  expect(await clearCache({ dir })).toBe(count);
  expect(filesIn(dir)).toEqual([]);
  expect(await clearCache({ dir })).toBe(0);
  expect([first, second].map((library) => library.func('int value()')())).toEqual([1, 1]);
  expect(await once(dir, value(1))).toEqual({ status: 'miss', reason: 'never compiled' });
  expect((await once(dir, value(1))).status).toBe('hit');
});

describe('verifyCache', () => {
  const flip = (path: string) => {
    const bytes = readFileSync(path);
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] as number) ^ 1;
    writeFileSync(path, bytes);
  };

  test('finds nothing where nothing is wrong', async () => {
    const dir = folder();
    for (const number of [1, 2, 3]) await once(dir, value(number));
    expect(await verifyCache({ dir })).toEqual({ dir, checked: filesIn(dir).length, damaged: [] });
  });

  test.each([
    ['.object', 'its digest is wrong'],
    ['.so', 'its digest is wrong'],
    ['.memo', 'its digest is wrong'],
    ['.manifest', 'its digest is wrong'],
  ])('finds and removes a damaged *%s, and only reports it where it may change nothing', async (end, reason) => {
    const dir = folder();
    await once(dir, value(1));
    const before = filesIn(dir);
    const path = join(dir, 'v1', ending(dir, end)[0] as string);
    flip(path);
    const damaged = [{ file: path, reason }];
    expect(await verifyCache({ dir, readOnly: true })).toEqual({ dir, checked: before.length, damaged });
    expect(filesIn(dir)).toEqual(before);
    expect(await verifyCache({ dir })).toEqual({ dir, checked: before.length, damaged });
    expect(filesIn(dir)).toEqual(before.filter((name) => name !== nameOf(path)));
    expect((await verifyCache({ dir })).damaged).toEqual([]);
    const library = await load(dir, value(1));
    expect(library.func('int value()')()).toBe(1);
    await once(dir, value(1));
    expect((await once(dir, value(1))).status).toBe('hit');
  });

  test.each(['.object', '.so'])(
    'removes a *%s that no entry names, once nobody can be about to name it',
    async (end) => {
      const dir = folder();
      await once(dir, value(1));
      const path = only(dir, end);
      const bytes = readFileSync(path);
      // Of another variant, as its name says; the object answers to its own name.
      if (end === '.object') rmSync(only(dir, '.manifest'));
      else writeFileSync(path.replace(/-[\da-f]{16}/, `-${'0'.repeat(16)}`), bytes, { mode: 0o600 });
      const orphan = end === '.object' ? path : path.replace(/-[\da-f]{16}/, `-${'0'.repeat(16)}`);
      const removed = async () => {
        const { damaged } = await verifyCache({ dir });
        return damaged.filter(({ file }) => file === orphan).map(({ reason }) => reason);
      };
      expect(await removed()).toEqual([]);
      age(orphan, 0.9);
      expect(await removed()).toEqual([]);
      expect(existsSync(orphan)).toBe(true);
      age(orphan, 1.1);
      expect(await removed()).toEqual(['no entry names it']);
      expect(existsSync(orphan)).toBe(false);
    },
  );

  test('removes a link and a pipe by the names of files, and does not wait for the pipe', async () => {
    const dir = folder();
    await once(dir, value(1));
    for (const end of ['.manifest', '.object', '.so', '.memo']) {
      for (const kind of ['link', 'pipe']) {
        const path = join(dir, 'v1', ending(dir, end)[0] as string);
        const copy = join(folder(), 'copy');
        writeFileSync(copy, readFileSync(path));
        rmSync(path);
        if (kind === 'link') symlinkSync(copy, path);
        else execFileSync('mkfifo', [path]);
        const { damaged } = await verifyCache({ dir });
        expect(damaged, `${kind} ${end}`).toContainEqual({ file: path, reason: 'it is not a regular file' });
        expect(() => statSync(path)).toThrow('ENOENT');
        writeFileSync(path, readFileSync(copy), { mode: 0o600 });
      }
    }
  });
});

test('what is not ours is never touched', async () => {
  const dir = folder();
  await once(dir, value(1));
  const key = 'ab'.repeat(32);
  const foreign = ['notes.txt', `${key}.txt`, `${key}-12.object`, `${key.slice(1)}.manifest`, `x${key}.memo`, key];
  for (const name of foreign) writeFileSync(join(dir, 'v1', name), 'mine');
  for (const name of ['v1/notes/deep', 'v0', 'v2/tmp']) mkdirSync(join(dir, name), { recursive: true });
  const elsewhere = [join(dir, 'v0', `${key}.manifest`), join(dir, 'v2', `${key}.manifest`), join(dir, 'readme')];
  for (const path of [...elsewhere, join(dir, 'v1', 'notes', 'deep', `${key}.manifest`)]) writeFileSync(path, 'mine');
  for (const name of foreign) age(join(dir, 'v1', name), 1e5);
  for (const path of elsewhere) age(path, 1e5);
  const stats = await cacheStats({ dir });
  expect(stats.entries).toBe(1);

  expect((await verifyCache({ dir })).damaged).toEqual([]);
  await once(dir, { ...value(2), cache: { dir, maxBytes: 1 } });
  expect(await clearCache({ dir })).toBeGreaterThan(0);

  const left = filesIn(dir).filter((name) => !name.startsWith('notes/'));
  expect(left).toEqual([...foreign, 'notes'].sort());
  for (const path of elsewhere) expect(readFileSync(path, 'utf8')).toBe('mine');
  expect(readFileSync(join(dir, 'v1', 'notes', 'deep', `${key}.manifest`), 'utf8')).toBe('mine');
});

/** Damaged files of a cache: none is taken for what it was, none stays, and the library is right all the same. */

import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Hit, lookUp, type Miss } from '../../src/cache/lookup.ts';
import { memoFile, memoKey } from '../../src/cache/names.ts';
import { Store } from '../../src/cache/store.ts';
import { knownTools } from '../../src/cache/tool-digests.ts';
import type { CompileInput } from '../../src/compile/compiler.ts';
import { keyPartsOf } from '../../src/key-parts.ts';
import { requestOf, resolveSpec, type SourceLibrarySpec } from '../../src/options.ts';
import { sha256 } from '../../src/sha256.ts';
import { discoverToolchain } from '../../src/toolchain/discover.ts';
import { filesIn, holdCaches } from './caches.ts';

const { folder, load, once } = holdCaches();
const value = (number: number) => ({ name: `of-${number}`, source: `int value(void) { return ${number}; }\n` });

const ENDS = { manifest: '.manifest', object: '.object', image: '.so' } as const;
type Part = keyof typeof ENDS;
const PARTS = Object.keys(ENDS) as Part[];

/** Numbers below 1, the same at every run: xorshift32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

const partsOf = async (spec: Record<string, unknown>) => {
  const resolved = resolveSpec(spec as unknown as SourceLibrarySpec);
  const toolchain = await discoverToolchain({ library: resolved.name });
  return keyPartsOf(toolchain, requestOf(resolved, resolved.input as CompileInput));
};

/** A cache with two libraries, and what is needed to look the first one up. */
async function filled() {
  const dir = folder();
  await once(dir, value(1));
  const own = filesIn(dir);
  await once(dir, value(2));
  const others = filesIn(dir).filter((name) => !own.includes(name));
  const named = (names: readonly string[], end: string) => {
    const name = names.find((each) => each.endsWith(end));
    if (name === undefined) throw new Error(`no *${end}`);
    return join(dir, 'v1', name);
  };
  const parts = await partsOf(value(1));
  return {
    dir,
    store: new Store({ folder: dir, maxBytes: 2 ** 31, readOnly: false }),
    parts,
    path: (part: Part) => named(own, ENDS[part]),
    other: (part: Part) => named(others, ENDS[part]),
    named: (end: string) => named(own, end),
  };
}
type Filled = Awaited<ReturnType<typeof filled>>;

/** What a load would get, without making it live: an entry with bytes, or none. */
function lookAt({ store, parts }: Filled, part: Part): Hit | Miss | 'no object' {
  const found = lookUp(store, parts, 'of-1', part === 'image');
  return part === 'object' && 'variant' in found && found.readObject() === null ? 'no object' : found;
}

/** Nothing at the path, neither a link that leads nowhere. */
const isGone = (path: string) => lstatSync(path, { throwIfNoEntry: false }) === undefined;

/** Damages a file many times, puts all back in between, and gives how many times that was noticed. */
async function countNoticed(part: Part, damages: Iterable<(path: string, bytes: Buffer) => void>): Promise<number> {
  const cache = await filled();
  const files = PARTS.map((each) => ({ path: cache.path(each), bytes: readFileSync(cache.path(each)) }));
  const path = cache.path(part);
  const bytes = readFileSync(path);
  let noticed = 0;
  for (const damage of damages) {
    expect(lookAt(cache, part)).toHaveProperty('variant');
    damage(path, bytes);
    const found = lookAt(cache, part);
    if (found !== 'no object' && 'variant' in found) throw new Error(`${part} was taken (damage ${noticed})`);
    if (!isGone(path)) throw new Error(`${part} was left (damage ${noticed})`);
    // What is left of the entry by design is restored with the rest.
    await new Promise((resolve) => setImmediate(resolve));
    for (const file of files) {
      rmSync(file.path, { recursive: true, force: true });
      writeFileSync(file.path, file.bytes, { mode: 0o600 });
    }
    noticed += 1;
  }
  return noticed;
}

function* flips(count: number, seed: number) {
  const random = randomFrom(seed);
  for (let index = 0; index < count; index += 1) {
    yield (path: string, bytes: Buffer) => {
      const bit = Math.floor(random() * bytes.length * 8);
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      writeFileSync(path, damaged);
    };
  }
}

function* cuts(length: number) {
  for (let size = 0; size < length; size += 64) {
    yield (path: string, bytes: Buffer) => writeFileSync(path, bytes.subarray(0, size));
  }
}

describe('is noticed, and the entry goes:', () => {
  test.each(PARTS.map((part, index) => [part, index + 1] as const))('any of 200 bits of the %s', async (part, seed) => {
    expect(await countNoticed(part, flips(200, seed))).toBe(200);
  });

  test.each(PARTS)('a cut of the %s at every 64 bytes', async (part) => {
    const cache = await filled();
    const { length } = readFileSync(cache.path(part));
    expect(await countNoticed(part, cuts(length))).toBe(Math.ceil(length / 64));
  });

  test.each(PARTS)('bytes after the %s', async (part) => {
    const more = [1, 64, 4096].map((count) => (path: string, bytes: Buffer) => {
      writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(count)]));
    });
    expect(await countNoticed(part, more)).toBe(more.length);
  });

  test.each(['manifest', 'object'] as const)('huge lengths in the %s, with a right digest', async (part) => {
    const damages = [48, 56].flatMap((at) =>
      [2n ** 31n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n].map((size) => (path: string, bytes: Buffer) => {
        const damaged = Buffer.from(bytes);
        damaged.writeBigUInt64LE(size, at);
        damaged.write(sha256(damaged.subarray(40)), 8, 'hex');
        writeFileSync(path, damaged);
      }),
    );
    expect(await countNoticed(part, damages)).toBe(8);
  });
});

/** What stands at a path instead of the file, and what a load must do about it. */
const REPLACEMENTS: Readonly<Record<string, (path: string, other: string, elsewhere: string) => void>> = {
  'an empty file': (path) => writeFileSync(path, ''),
  'the file of another entry': (path, other) => cpSync(other, path),
  'the file of another entry, renamed': (path, other) => renameSync(other, path),
  'an empty folder': (path) => {
    rmSync(path);
    mkdirSync(path);
  },
  'a link to a whole copy': (path, _, elsewhere) => {
    renameSync(path, join(elsewhere, 'copy'));
    symlinkSync(join(elsewhere, 'copy'), path);
  },
  'a link to nothing': (path, _, elsewhere) => {
    rmSync(path);
    symlinkSync(join(elsewhere, 'nothing'), path);
  },
  'a pipe': (path) => {
    rmSync(path);
    execFileSync('mkfifo', [path]);
  },
  text: (path) => writeFileSync(path, 'not what it was\n'.repeat(100)),
  'zeroes of its own length': (path) => writeFileSync(path, Buffer.alloc(readFileSync(path).length)),
};

describe.each(Object.entries(REPLACEMENTS))('%s', (_, replace) => {
  test.each(PARTS)('in the place of the %s is a miss, and the next load hits again', async (part) => {
    const cache = await filled();
    const { dir, path, other } = cache;
    replace(path(part), other(part), folder());
    // The image is what a load takes first, so that the object is only asked for without it.
    if (part === 'object') rmSync(path('image'));
    const library = await load(dir, value(1));
    expect(library.cache.status).toBe('miss');
    expect(library.func('int value()')()).toBe(1);
    await library.dispose();
    for (const each of PARTS) expect(lstatSync(path(each)).isFile(), each).toBe(true);
    const next = await load(dir, value(1));
    expect(next.cache.status).toBe('hit');
    expect(next.loader).toEqual({ kind: 'shared-object', reason: 'its linked image is in the cache' });
    expect(next.func('int value()')()).toBe(1);
    expect((await load(dir, value(2))).func('int value()')()).toBe(2);
  });
});

describe('a file that is gone', () => {
  test('is made up for by the object where it is the image', async () => {
    const { dir, path } = await filled();
    rmSync(path('image'));
    const library = await load(dir, value(1));
    expect(library.cache.status).toBe('hit');
    expect(library.func('int value()')()).toBe(1);
  });

  test('is not missed where it is the object and there is an image', async () => {
    const { dir, path } = await filled();
    rmSync(path('object'));
    const library = await load(dir, value(1));
    expect(library.cache.status).toBe('hit');
    expect(library.func('int value()')()).toBe(1);
    expect(existsSync(path('object'))).toBe(false);
  });

  test('is compiled again where it is the object that is asked for', async () => {
    const { dir, path } = await filled();
    rmSync(path('object'));
    const library = await load(dir, { ...value(1), loader: 'orc' });
    expect(library.cache).toEqual({ status: 'miss', reason: 'its object is gone' });
    expect(library.func('int value()')()).toBe(1);
    expect(await once(dir, { ...value(1), loader: 'orc' })).toMatchObject({ status: 'hit' });
  });

  test('is the whole entry where it is the manifest', async () => {
    const { dir, path } = await filled();
    rmSync(path('manifest'));
    expect(await once(dir, value(1))).toEqual({ status: 'miss', reason: 'its entry was removed' });
    expect((await once(dir, value(1))).status).toBe('hit');
  });
});

describe('a memo', () => {
  test('of the last compile that is damaged explains nothing, and goes', async () => {
    const cache = await filled();
    const memo = cache.named('.memo');
    const bytes = readFileSync(memo);
    const changed = { ...value(1), source: 'int value(void) { return 3; }\n' };
    const parts = await partsOf(changed);
    const reason = () => lookUp(cache.store, parts, 'of-1', false);
    const memos = filesIn(cache.dir).filter((name) => name.endsWith('.memo'));
    expect(memos.length).toBeGreaterThanOrEqual(2);
    let explained = 0;
    for (const name of memos) {
      const path = join(cache.dir, 'v1', name);
      const whole = readFileSync(path);
      for (const damage of [...flips(200, 7), ...cuts(whole.length)]) {
        damage(path, whole);
        const miss = reason();
        expect(miss).toHaveProperty('reason');
        if ('reason' in miss && miss.reason === 'the source changed') explained += 1;
        else expect(isGone(path)).toBe(true);
        writeFileSync(path, whole, { mode: 0o600 });
      }
    }
    expect(explained).toBeGreaterThan(0);
    expect(bytes).toEqual(readFileSync(memo));
    expect((await load(cache.dir, changed)).func('int value()')()).toBe(3);
  });

  test('of a compiler that is damaged is read anew', async () => {
    const dir = folder();
    const store = new Store({ folder: dir, maxBytes: 2 ** 31, readOnly: false });
    const memo = memoFile(memoKey('tools\0of this test'), [{ path: '/bin/sh', digest: '', identity: 'another' }]);
    await store.put([memo]);
    const path = store.path(memo.name);
    const whole = readFileSync(path);
    let noticed = 0;
    for (const damage of [...flips(200, 11), ...cuts(whole.length)]) {
      damage(path, whole);
      expect(knownTools(store, 'of this test', Date.now())).toBeNull();
      expect(isGone(path)).toBe(true);
      noticed += 1;
    }
    expect(noticed).toBe(200 + Math.ceil(whole.length / 64));
    writeFileSync(path, whole, { mode: 0o600 });
    // Whole, but of a file that has changed since: it is not relied on, and left to whoever reads the file.
    expect(knownTools(store, 'of this test', Date.now())).toBeNull();
    expect(isGone(path)).toBe(false);
  });
});

/** What `resolve` decides, without files. */

import { describe, expect, test } from 'vitest';
import { type Candidate, chooseLibraries } from '../../src/libraries/choose.ts';
import { readLoaderCache } from '../../src/libraries/loader-cache.ts';

/** As ldconfig writes it: `[flags, hwcap, name, path]` for each library. */
function makeCache(entries: readonly (readonly [number, bigint, string, string])[], before = 0): Buffer {
  const head = Buffer.alloc(48 + entries.length * 24);
  head.write('glibc-ld.so.cache1.1', 'latin1');
  head.writeUInt32LE(entries.length, 20);
  let strings = '';
  const put = (text: string): number => {
    strings += `${text}\0`;
    return head.length + strings.length - text.length - 1;
  };
  for (const [index, [flags, hwcap, name, path]] of entries.entries()) {
    const at = 48 + index * 24;
    head.writeUInt32LE(flags, at);
    head.writeUInt32LE(put(name), at + 4);
    head.writeUInt32LE(put(path), at + 8);
    head.writeBigUInt64LE(hwcap, at + 16);
  }
  return Buffer.concat([Buffer.alloc(before, 'ld.so-1.7.0'), head, Buffer.from(strings)]);
}

const OURS = process.arch === 'arm64' ? 0xa03 : 0x303;

describe('the list of ldconfig', () => {
  test.each([0, 128])('has libraries of this machine, behind %i bytes of an older format', (before) => {
    const cache = makeCache(
      [
        [OURS, 0n, 'libz.so.1', '/lib/libz.so.1'],
        [3, 0n, 'libz.so.1', '/lib32/libz.so.1'],
        [OURS, 1n << 62n, 'libz.so.1', '/lib/glibc-hwcaps/x86-64-v3/libz.so.1'],
        [OURS, 0n, 'liba.so', '/lib/liba.so'],
      ],
      before,
    );
    expect(readLoaderCache(cache)).toEqual([
      { name: 'libz.so.1', path: '/lib/libz.so.1' },
      { name: 'liba.so', path: '/lib/liba.so' },
    ]);
  });

  test('that is cut, or something else, is an error', () => {
    const cache = makeCache([[OURS, 0n, 'libz.so.1', '/lib/libz.so.1']]);
    for (let length = 0; length < cache.length; length += 1) {
      expect(() => readLoaderCache(cache.subarray(0, length))).toThrow(RangeError);
    }
  });
});

describe('of libraries', () => {
  const lib = (soname: string, names: string, isDevelopment = false): Candidate => ({
    soname,
    path: `/lib/${soname}`,
    development: isDevelopment ? '/lib/lib.so' : null,
    names: names.split(' '),
  });
  /** `library: names` of each that was chosen, or the names that could not be decided. */
  function choose(names: string, ...candidates: Candidate[]): string {
    const choice = chooseLibraries(names.split(' '), candidates);
    return 'chosen' in choice
      ? choice.chosen.map(({ soname, names: taken }) => `${soname}: ${taken.join(' ')}`).join(', ')
      : `? ${[...choice.ambiguous.keys()].join(' ')}`;
  }

  test.each<[string, string, Candidate[]]>([
    ['liba.so.1: x y', 'x y', [lib('liba.so.1', 'x y'), lib('libb.so.1', 'x'), lib('libc.so.1', 'y')]],
    ['liba.so.1: x, libb.so.1: y', 'x y', [lib('liba.so.1', 'x'), lib('libb.so.1', 'y')]],
    ['liba.so.1: x y', 'x y', [lib('liba.so.1', 'x y'), lib('libb.so.1', 'y')]],
    ['? x', 'x', [lib('liba.so.1', 'x'), lib('libb.so.1', 'x')]],
    ['? z', 'x y z', [lib('liba.so.1', 'x z'), lib('libb.so.1', 'y z')]],
    ['? x', 'x', [lib('libssl.so.3', 'x'), lib('libssl.so.1.1', 'x')]],
    ['libssl.so.3: x', 'x', [lib('libssl.so.1.1', 'x'), lib('libssl.so.3', 'x', true)]],
    ['? x y', 'x y', [lib('libssl.so.1.1', 'x'), lib('libssl.so.3', 'y', true)]],
    ['? x', 'x', [lib('liba.so.3', 'x', true), lib('libb.so.3', 'x', true)]],
  ])('%s', (expected, names, candidates) => {
    expect(choose(names, ...candidates)).toBe(expected);
    expect(
      choose(names, ...candidates.toReversed())
        .split(', ')
        .sort()
        .join(', '),
    ).toBe(expected);
  });

  test('a search that has no end is no choice', () => {
    const names = Array.from({ length: 24 }, (_, index) => `n${index}`);
    const candidates = names.flatMap((name, index) =>
      [1, 2, 3].map((step) => lib(`lib${name}_${step}.so`, `${name} ${names[(index * step + step) % 24]}`)),
    );
    const started = performance.now();
    expect('ambiguous' in chooseLibraries(names, candidates)).toBe(true);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

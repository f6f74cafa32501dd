import { beforeAll, expect, test } from 'vitest';
import type { SourceLibrary } from '../../src/index.ts';
import { describeSamples } from './describe-samples.ts';

const PRIME32 = 0x9e3779b1n;
const PRIME64 = 0x9e3779b185ebca8dn;

/** The input that xxHash's published test vectors are made for. */
function vectorInput(length: number): Buffer {
  let state = PRIME32;
  return Buffer.from(
    Array.from({ length }, () => {
      const byte = Number(state >> 56n);
      state = (state * PRIME64) & 0xffff_ffff_ffff_ffffn;
      return byte;
    }),
  );
}

const XXH32: readonly [number, bigint, bigint][] = [
  [0, 0n, 0x02cc5d05n],
  [0, PRIME32, 0x36b78ae7n],
  [1, 0n, 0xcf65b03en],
  [1, PRIME32, 0xb4545aa4n],
  [14, 0n, 0x1208e7e2n],
  [14, PRIME32, 0x6af1d1fen],
  [222, 0n, 0x5bd11dbdn],
  [222, PRIME32, 0x58803c5fn],
];

const XXH64: readonly [number, bigint, bigint][] = [
  [0, 0n, 0xef46db3751d8e999n],
  [0, PRIME32, 0xac75fda2929b17efn],
  [1, 0n, 0xe934a84adb052768n],
  [1, PRIME32, 0x5014607643a9b4c3n],
  [4, 0n, 0x9136a0dca57457een],
  [14, 0n, 0x8282dcc4994e35c8n],
  [14, PRIME32, 0xc3bd6bf63deb6df0n],
  [222, 0n, 0xb641ae8cb691c174n],
  [222, PRIME32, 0x20cb8ab7ae10c14an],
];

/** One per code path: each length class of XXH3 has its own. */
const XXH3: readonly [number, bigint, bigint][] = [
  [0, 0n, 0x2d06800538d394c2n],
  [0, PRIME64, 0xa8a6b918b2f0364an],
  [1, 0n, 0xc44bdff4074eecdbn],
  [1, PRIME64, 0x032be332dd766ef8n],
  [6, 0n, 0x27b56a84cd2d7325n],
  [6, PRIME64, 0x84589c116ab59ab9n],
  [12, 0n, 0xa713daf0dfbb77e7n],
  [24, 0n, 0xa3fe70bf9d3510ebn],
  [48, 0n, 0x397da259ecba1f11n],
  [80, 0n, 0xbcdefbbb2c47c90an],
  [195, 0n, 0xcd94217ee362ec3an],
  [195, PRIME64, 0xba68003d370cb3d9n],
  [403, 0n, 0xcdeb804d65c6dea4n],
  [403, PRIME64, 0x6259f6ecfd6443fdn],
  [512, 0n, 0x617e49599013cb6bn],
  [2048, 0n, 0xdd59e2c3a5f038e0n],
];

describeSamples(['xxhash'], (load) => {
  let xxhash: SourceLibrary;
  beforeAll(async () => {
    xxhash = await load('xxhash');
  });

  test('is version 0.8.3', () => {
    expect(xxhash.func('unsigned XXH_versionNumber(void)')()).toBe(803);
  });

  test.each(XXH32)('XXH32 of %i bytes, seed %i, is the published %i', (length, seed, expected) => {
    const hash = xxhash.func('uint32_t XXH32(const void *input, size_t length, uint32_t seed)');
    expect(BigInt(hash(vectorInput(length), length, Number(seed)))).toBe(expected);
  });

  test.each(XXH64)('XXH64 of %i bytes, seed %i, is the published %i', (length, seed, expected) => {
    const hash = xxhash.func('uint64_t XXH64(const void *input, size_t length, uint64_t seed)');
    expect(BigInt(hash(vectorInput(length), length, seed))).toBe(expected);
  });

  test.each(XXH3)('XXH3 of %i bytes, seed %i, is the published %i', (length, seed, expected) => {
    const hash = xxhash.func('uint64_t XXH3_64bits_withSeed(const void *input, size_t length, uint64_t seed)');
    expect(BigInt(hash(vectorInput(length), length, seed))).toBe(expected);
  });

  test('hashing in pieces gives what hashing at once gives', () => {
    const createState = xxhash.func('XXH3_state_t *XXH3_createState(void)');
    const freeState = xxhash.func('int XXH3_freeState(XXH3_state_t *state)');
    const reset = xxhash.func('int XXH3_64bits_reset(XXH3_state_t *state)');
    const update = xxhash.func('int XXH3_64bits_update(XXH3_state_t *state, const void *input, size_t length)');
    const digest = xxhash.func('uint64_t XXH3_64bits_digest(const XXH3_state_t *state)');
    const state = createState();
    expect(reset(state)).toBe(0);
    const input = vectorInput(2048);
    for (let at = 0; at < input.length; at += 100) {
      const piece = input.subarray(at, at + 100);
      expect(update(state, piece, piece.length)).toBe(0);
    }
    expect(BigInt(digest(state))).toBe(0xdd59e2c3a5f038e0n);
    expect(freeState(state)).toBe(0);
  });

  test('hashes on a worker thread while the event loop goes on', async () => {
    const hash = xxhash.func('uint64_t XXH64(const void *input, size_t length, uint64_t seed)');
    const text = Buffer.from('Nobody inspects the spammish repetition');
    const hashes = await Promise.all(Array.from({ length: 8 }, () => hash.async(text, text.length, 0)));
    expect(hashes.map(BigInt)).toEqual(Array(8).fill(0xfbcea83c8a378bf1n));
  });
});

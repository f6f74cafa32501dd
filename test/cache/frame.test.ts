/** The format of a cache's files: what is not exactly what was written is refused with a reason, and never throws. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeFrame, encodeFrame, FORMAT_VERSION, type FrameKind } from '../../src/cache/frame.ts';
import { sha256 } from '../../src/sha256.ts';

const KINDS: readonly FrameKind[] = ['manifest', 'object', 'sealed', 'memo'];
const KEY = sha256('a key');
const HEADER_BYTES = 96;

const encode = (kind: FrameKind, key: string, json: unknown, bytes: Uint8Array): Buffer =>
  Buffer.concat(encodeFrame(kind, key, json, bytes));

const anyKind = fc.constantFrom(...KINDS);
const anyKey = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'));
// As it comes back from JSON, which has no -0.
const anyJson = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)));
const anyBytes = fc.uint8Array({ maxLength: 300 });

/** A file of 571 bytes, with JSON of every kind of value and bytes of every value. */
const sample = encode(
  'object',
  KEY,
  { text: 'ä\0\u{1f600}', list: [1, null, true], empty: {} },
  Uint8Array.from({ length: 400 }, (_, index) => index % 256),
);

/** With its digest made right again, so that what lies behind that check is reached. */
function signed(file: Buffer): Buffer {
  file.write(sha256(file.subarray(40)), 8, 'hex');
  return file;
}

describe('a file', () => {
  test('gives back what it was made of, whatever its kind', () => {
    fc.assert(
      fc.property(anyKind, anyKey, anyJson, anyBytes, (kind, key, json, bytes) => {
        const file = encode(kind, key, json, bytes);
        for (const answersTo of [key, null]) {
          const frame = decodeFrame(kind, answersTo, file);
          if (typeof frame === 'string') throw new Error(frame);
          expect(frame.key).toBe(key);
          expect(frame.json).toEqual(json);
          expect(Buffer.compare(frame.bytes, bytes)).toBe(0);
        }
      }),
    );
  });

  test('is the same bytes for the same content', () => {
    expect(encode('memo', KEY, { a: 1 }, Buffer.from('x'))).toEqual(encode('memo', KEY, { a: 1 }, Buffer.from('x')));
  });

  test.each(['', 'abc', `${KEY}00`.slice(0, 63), 'z'.repeat(64)])('is not made for the key %j', (key) => {
    expect(() => encodeFrame('memo', key, null, new Uint8Array())).toThrow(RangeError);
  });
});

describe('damage is a reason', () => {
  test('in any single bit of header, JSON and bytes', () => {
    expect(decodeFrame('object', KEY, sample)).not.toBeTypeOf('string');
    for (let bit = 0; bit < sample.length * 8; bit += 1) {
      const file = Buffer.from(sample);
      file[bit >> 3] = (file[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(decodeFrame('object', KEY, file), `bit ${bit}`).toBeTypeOf('string');
      expect(decodeFrame('object', null, file), `bit ${bit}`).toBeTypeOf('string');
    }
  });

  test('in 200 sets of random bits, in files of any content', () => {
    const flips = fc.uniqueArray(fc.nat(), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(anyKind, anyJson, anyBytes, flips, (kind, json, bytes, numbers) => {
        const file = encode(kind, KEY, json, bytes);
        for (const bit of new Set(numbers.map((number) => number % (file.length * 8)))) {
          file[bit >> 3] = (file[bit >> 3] as number) ^ (1 << (bit & 7));
        }
        expect(decodeFrame(kind, KEY, file)).toBeTypeOf('string');
      }),
      { numRuns: 200 },
    );
  });

  test('by a cut at every byte of the header, and every 64 bytes', () => {
    const lengths = [...Array(HEADER_BYTES).keys()];
    for (let length = HEADER_BYTES; length < sample.length; length += 64) lengths.push(length);
    lengths.push(sample.length - 1);
    for (const length of lengths) {
      const expected =
        length === 0 ? 'it is empty' : length < HEADER_BYTES ? 'it is cut' : 'its length is not what it says';
      expect(decodeFrame('object', KEY, sample.subarray(0, length)), `${length} bytes`).toBe(expected);
    }
  });

  test('by bytes that follow', () => {
    for (const more of [Buffer.alloc(1), Buffer.alloc(4096, 1), sample]) {
      expect(decodeFrame('object', KEY, Buffer.concat([sample, more]))).toBe('its length is not what it says');
    }
  });

  test.each(KINDS)('where a %s is in the place of another kind', (kind) => {
    const file = encode(kind, KEY, null, Buffer.from('bytes'));
    for (const other of KINDS) {
      const frame = decodeFrame(other, KEY, file);
      if (other === kind) expect(frame).not.toBeTypeOf('string');
      else expect(frame).toBe('it is of another kind');
    }
  });

  test('where it answers to another key, by one bit or by all', () => {
    expect(decodeFrame('object', sha256('another'), sample)).toBe('it answers to another key');
    const near = `${KEY.slice(0, 63)}${KEY.endsWith('0') ? '1' : '0'}`;
    expect(decodeFrame('object', near, sample)).toBe('it answers to another key');
    expect(decodeFrame('object', KEY.toUpperCase(), sample)).toBe('it answers to another key');
  });

  test.each([
    ['JSON', 48],
    ['bytes', 56],
  ])('where the length of its %s is huge, also with a right digest', (_, at) => {
    const sizes = [2n ** 27n, 2n ** 27n + 1n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n - 96n];
    for (const size of sizes) {
      const file = Buffer.from(sample);
      file.writeBigUInt64LE(size, at);
      expect(decodeFrame('object', KEY, signed(file)), `${size}`).toBe('its length is not what it says');
    }
  });

  test('where both lengths run over to the right sum', () => {
    const file = Buffer.from(sample);
    file.writeBigUInt64LE(2n ** 64n - 1n, 48);
    file.writeBigUInt64LE(BigInt(sample.length - HEADER_BYTES) + 1n, 56);
    expect(decodeFrame('object', KEY, signed(file))).toBe('its length is not what it says');
  });

  test('where the border between JSON and bytes has moved, also with a right digest', () => {
    const whole = sample.length - HEADER_BYTES;
    const text = Number(sample.readBigUInt64LE(48));
    for (let length = 0; length <= whole; length += 1) {
      if (length === text) continue;
      const file = Buffer.from(sample);
      file.writeBigUInt64LE(BigInt(length), 48);
      file.writeBigUInt64LE(BigInt(whole - length), 56);
      expect(decodeFrame('object', KEY, file)).toBe('its digest is wrong');
      expect(decodeFrame('object', KEY, signed(file)), `JSON of ${length} bytes`).toBe('its JSON is wrong');
    }
  });

  test.each([0, FORMAT_VERSION - 1, FORMAT_VERSION + 1, 2 ** 32 - 1])('where its format is %d', (version) => {
    const file = Buffer.from(sample);
    file.writeUInt32LE(version, 40);
    expect(decodeFrame('object', KEY, signed(file))).toBe(`it has format ${version}, not ${FORMAT_VERSION}`);
  });
});

describe('what is no file of ours', () => {
  test('is refused, whatever its bytes are', () => {
    fc.assert(
      fc.property(anyKind, fc.option(anyKey), fc.uint8Array({ maxLength: 400, size: 'max' }), (kind, key, bytes) => {
        expect(decodeFrame(kind, key, Buffer.from(bytes))).toBeTypeOf('string');
      }),
      { numRuns: 500 },
    );
  });

  test('is refused with a header of ours before it', () => {
    const header = sample.subarray(0, HEADER_BYTES);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600, size: 'max' }), (bytes) => {
        expect(decodeFrame('object', KEY, Buffer.concat([header, bytes]))).toBeTypeOf('string');
      }),
      { numRuns: 200 },
    );
  });

  test('is refused with the digest, key, version and lengths of whoever forges them, unless its JSON can be read', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100, size: 'max' }), fc.nat(100), (bytes, cut) => {
        const file = Buffer.concat([sample.subarray(0, HEADER_BYTES), bytes]);
        const length = Math.min(cut, bytes.length);
        file.writeBigUInt64LE(BigInt(length), 48);
        file.writeBigUInt64LE(BigInt(bytes.length - length), 56);
        const frame = decodeFrame('object', KEY, signed(file));
        if (typeof frame !== 'string') expect(frame.bytes).toHaveLength(bytes.length - length);
        else expect(frame).toBe('its JSON is wrong');
      }),
      { numRuns: 200 },
    );
  });
});

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync, inflateRawSync, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readBytes, type SourceLibrary } from '../../src/index.ts';
import { describeSamples } from './describe-samples.ts';

const DATA_ERROR = -3;
const BUFFER_ERROR = -5;

function bindings(miniz: SourceLibrary) {
  return {
    version: miniz.func('const char *mz_version(void)'),
    bound: miniz.func('unsigned long mz_compressBound(unsigned long length)'),
    compress: miniz.func(
      'int mz_compress2(unsigned char *out, unsigned long *outLength, const unsigned char *in, unsigned long length, int level)',
    ),
    uncompress: miniz.func(
      'int mz_uncompress(unsigned char *out, unsigned long *outLength, const unsigned char *in, unsigned long length)',
    ),
    crc32: miniz.func('unsigned long mz_crc32(unsigned long crc, const unsigned char *in, size_t length)'),
    free: miniz.func('void mz_free(void *memory)'),
    addToZip: miniz.func(
      'int mz_zip_add_mem_to_archive_file_in_place(const char *zip, const char *name, const void *bytes, size_t length, const void *comment, uint16_t commentLength, uint32_t flags)',
    ),
    takeFromZip: miniz.func(
      'void *mz_zip_extract_archive_file_to_heap(const char *zip, const char *name, size_t *length, uint32_t flags)',
    ),
  };
}

describeSamples(['miniz'], (load) => {
  let miniz: ReturnType<typeof bindings>;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fromsource-test-'));
    miniz = bindings(await load('miniz'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function compress(bytes: Uint8Array, level: number): Buffer {
    const out = Buffer.alloc(Number(miniz.bound(bytes.length)));
    const length = BigUint64Array.of(BigInt(out.length));
    expect(miniz.compress(out, length, bytes, bytes.length, level)).toBe(0);
    return out.subarray(0, Number(length[0]));
  }

  function uncompress(bytes: Uint8Array, room: number): Buffer | number {
    const out = Buffer.alloc(room);
    const length = BigUint64Array.of(BigInt(room));
    const code = miniz.uncompress(out, length, bytes, bytes.length);
    return code === 0 ? out.subarray(0, Number(length[0])) : code;
  }

  test('says its version', () => {
    expect(miniz.version()).toBe('11.3.1');
  });

  /** Repeats itself, so that there is something to compress. */
  const content = fc
    .tuple(fc.uint8Array({ maxLength: 300 }), fc.nat(60))
    .map(([bytes, times]) => Buffer.concat(Array.from({ length: times }, () => bytes)));
  const level = fc.integer({ min: 0, max: 10 });

  test('compresses what zlib reads, and reads what zlib compressed', () => {
    fc.assert(
      fc.property(content, level, (bytes, at) => {
        expect(inflateSync(compress(bytes, at)).equals(bytes)).toBe(true);
        expect(uncompress(deflateSync(bytes, { level: Math.min(at, 9) }), bytes.length + 1)).toEqual(bytes);
        expect(miniz.crc32(0, bytes, bytes.length)).toBe(crc32(bytes));
      }),
      { numRuns: 300 },
    );
  });

  test('compresses about as well as zlib', () => {
    const text = readFileSync(new URL('../../README.md', import.meta.url));
    const [ours, theirs] = [compress(text, 9).length, deflateSync(text, { level: 9 }).length];
    expect(ours / theirs).toBeGreaterThan(0.95);
    expect(ours / theirs).toBeLessThan(1.05);
  });

  test('refuses what is damaged or does not fit', () => {
    const bytes = Buffer.from('an example of '.repeat(100));
    const packed = deflateSync(bytes);
    expect(uncompress(packed, bytes.length - 1)).toBe(BUFFER_ERROR);
    packed[packed.length - 1] = (packed.at(-1) ?? 0) ^ 1;
    expect(uncompress(packed, bytes.length)).toBe(DATA_ERROR);
  });

  test('writes a zip archive, and reads it again', () => {
    const zip = join(folder, 'some.zip');
    const files = { 'a.txt': Buffer.from('first '.repeat(1000)), 'folder/b.bin': Buffer.from([0, 1, 2, 255]) };
    for (const [name, bytes] of Object.entries(files)) {
      expect(miniz.addToZip(zip, name, bytes, bytes.length, null, 0, 9)).toBe(1);
    }
    expect(existsSync(zip)).toBe(true);
    for (const [name, bytes] of Object.entries(files)) {
      const length = new BigUint64Array(1);
      const memory = miniz.takeFromZip(zip, name, length, 0) ?? 0n;
      expect(Buffer.from(readBytes(memory, Number(length[0])))).toEqual(bytes);
      miniz.free(memory);
    }
    expect(miniz.takeFromZip(zip, 'missing', new BigUint64Array(1), 0)).toBeNull();

    // By the format itself: the first file's header, then its bytes, deflated.
    const archive = readFileSync(zip);
    expect(archive.readUInt32LE(0)).toBe(0x04034b50);
    const start = 30 + archive.readUInt16LE(26) + archive.readUInt16LE(28);
    expect(inflateRawSync(archive.subarray(start))).toEqual(files['a.txt']);
    rmSync(zip);
  });
});

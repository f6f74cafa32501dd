import { inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { readBytes, type SourceLibrary } from '../../src/index.ts';
import { describeSamples } from './describe-samples.ts';

interface Image {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly pixels: Uint8Array;
}

function decoderOf(stbImage: SourceLibrary) {
  const decode = stbImage.func(
    'uint8_t *stbi_load_from_memory(const uint8_t *data, int length, int *x, int *y, int *channels, int wanted)',
  );
  const free = stbImage.func('void stbi_image_free(void *pixels)');
  return (data: Uint8Array, wanted = 0): Image | null => {
    const [x, y, n] = [new Int32Array(1), new Int32Array(1), new Int32Array(1)];
    const pixels = decode(data, data.length, x, y, n, wanted);
    if (pixels === null) return null;
    const [width, height, channels] = [x[0] ?? 0, y[0] ?? 0, n[0] ?? 0];
    const copy = readBytes(pixels, width * height * (wanted || channels));
    free(pixels);
    return { width, height, channels, pixels: copy };
  };
}

function encoderOf(stbImageWrite: SourceLibrary) {
  const encode = stbImageWrite.func(
    'uint8_t *stbi_write_png_to_mem(const uint8_t *pixels, int stride, int w, int h, int n, int *length)',
  );
  return ({ width, height, channels, pixels }: Image): Buffer => {
    const length = new Int32Array(1);
    const png = encode(pixels, width * channels, width, height, channels, length);
    if (png === null) throw new Error('stbi_write_png_to_mem gave NULL');
    // stbi_write's memory is malloc's; a few small pictures are left to the process.
    return Buffer.from(readBytes(png, length[0] ?? 0));
  };
}

/** A BMP of 24 bits, written by hand: rows from the bottom up, blue first, padded to four bytes. */
function bmp(width: number, rows: readonly (readonly number[])[]): Buffer {
  const stride = Math.ceil((width * 3) / 4) * 4;
  const file = Buffer.alloc(54 + stride * rows.length);
  file.write('BM');
  file.writeUInt32LE(file.length, 2);
  file.writeUInt32LE(54, 10);
  file.writeUInt32LE(40, 14);
  file.writeInt32LE(width, 18);
  file.writeInt32LE(rows.length, 22);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(24, 28);
  rows.toReversed().forEach((row, y) => {
    row.forEach((rgb, x) => {
      file.writeUIntLE(rgb, 54 + y * stride + x * 3, 3);
    });
  });
  return file;
}

describeSamples(['stb_image', 'stb_image_write'], (load) => {
  let decode: ReturnType<typeof decoderOf>;
  let encode: ReturnType<typeof encoderOf>;
  let stbImage: SourceLibrary;

  beforeAll(async () => {
    const [reader, writer] = await Promise.all([load('stb_image'), load('stb_image_write')]);
    stbImage = reader;
    decode = decoderOf(reader);
    encode = encoderOf(writer);
  });

  test('reads back every picture that stb_image_write wrote', () => {
    const picture = fc
      .record({
        width: fc.integer({ min: 1, max: 17 }),
        height: fc.integer({ min: 1, max: 17 }),
        channels: fc.integer({ min: 1, max: 4 }),
      })
      .chain((shape) => {
        const size = shape.width * shape.height * shape.channels;
        const pixels = fc.uint8Array({ minLength: size, maxLength: size });
        return fc.record({ ...mapToConstants(shape), pixels });
      });
    fc.assert(
      fc.property(picture, (image) => {
        expect(decode(encode(image))).toEqual(image);
      }),
      { numRuns: 100 },
    );
  });

  test('writes a PNG that zlib agrees with', () => {
    const pixels = Uint8Array.from({ length: 40 * 30 * 3 }, (_, i) => i % 251);
    const png = encode({ width: 40, height: 30, channels: 3, pixels });
    expect(png.subarray(0, 8)).toEqual(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]));
    expect(png.toString('latin1', 12, 16)).toBe('IHDR');
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([40, 30]);
    const at = png.indexOf('IDAT');
    const data = png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4));
    // One filter byte begins each row.
    expect(inflateSync(data).length).toBe(30 * (1 + 40 * 3));
  });

  test('reads a BMP written by hand', () => {
    const image = decode(
      bmp(3, [
        [0xff0000, 0x00ff00, 0x0000ff],
        [0x102030, 0x405060, 0x708090],
      ]),
    );
    expect(image).toMatchObject({ width: 3, height: 2, channels: 3 });
    expect(Buffer.from(image?.pixels ?? []).toString('hex')).toBe('ff000000ff000000ff102030405060708090');
  });

  test('converts to the number of channels that is asked for', () => {
    const image = decode(bmp(1, [[0xffffff]]), 4);
    expect(Buffer.from(image?.pixels ?? []).toString('hex')).toBe('ffffffff');
    expect(decode(bmp(1, [[0xffffff]]), 1)?.pixels).toEqual(new Uint8Array([255]));
  });

  test('gives NULL and a reason for what is no picture', () => {
    const reason = stbImage.func('const char *stbi_failure_reason(void)');
    expect(decode(Buffer.from('not a picture at all'))).toBeNull();
    expect(reason()).toBe('unknown image type');
    const png = encode({ width: 8, height: 8, channels: 1, pixels: new Uint8Array(64).fill(7) });
    expect(decode(png.subarray(0, png.length - 20))).toBeNull();
    expect(reason()).toEqual(expect.any(String));
  });

  test('decodes on worker threads, several at a time', async () => {
    const pixels = Uint8Array.from({ length: 200 * 200 }, (_, i) => (i * i) & 255);
    const png = encode({ width: 200, height: 200, channels: 1, pixels });
    const info = stbImage.func('int stbi_info_from_memory(const uint8_t *data, int length, int *x, int *y, int *n)');
    const sizes = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const [x, y, n] = [new Int32Array(1), new Int32Array(1), new Int32Array(1)];
        expect(await info.async(png, png.length, x, y, n)).toBe(1);
        return [x[0], y[0], n[0]];
      }),
    );
    expect(sizes).toEqual(Array(4).fill([200, 200, 1]));
  });
});

function mapToConstants<T extends Record<string, number>>(shape: T): { [K in keyof T]: fc.Arbitrary<number> } {
  return Object.fromEntries(Object.entries(shape).map(([key, value]) => [key, fc.constant(value)])) as {
    [K in keyof T]: fc.Arbitrary<number>;
  };
}

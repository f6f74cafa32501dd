import { beforeAll, expect, test } from 'vitest';
import { readBytes, type SourceLibrary } from '../../src/index.ts';
import { describeSamples } from './describe-samples.ts';
import { makeFont } from './tiny-font.ts';

// stbtt_fontinfo keeps the address of the font's bytes: both must live as long as the tests.
const font = makeFont({
  // biome-ignore format: an outline
  '█': { advance: 600, points: [[0, 0], [0, 1000], [500, 1000], [500, 0]] },
  // biome-ignore format: an outline
  '◣': { advance: 700, points: [[0, 0], [0, 600], [600, 0]] },
  ' ': { advance: 250, points: [] },
});
const info = Buffer.alloc(1024);
const SCALE = 0.02;

describeSamples(['stb_truetype'], (load) => {
  let truetype: SourceLibrary;

  beforeAll(async () => {
    truetype = await load('stb_truetype');
    info.fill(0);
    expect(
      truetype.func('int stbtt_InitFont(stbtt_fontinfo *info, const uint8_t *data, int offset)')(info, font, 0),
    ).toBe(1);
  });

  function rasterise(text: string) {
    const bitmap = truetype.func(
      'uint8_t *stbtt_GetCodepointBitmap(const stbtt_fontinfo *info, float sx, float sy, int codepoint, int *w, int *h, int *x, int *y)',
    );
    const free = truetype.func('void stbtt_FreeBitmap(uint8_t *bitmap, void *userdata)');
    const out = Array.from({ length: 4 }, () => new Int32Array(1)) as [Int32Array, Int32Array, Int32Array, Int32Array];
    const pixels = bitmap(info, SCALE, SCALE, text.codePointAt(0) ?? 0, ...out);
    const [width, height, left, top] = out.map(([value]) => value) as [number, number, number, number];
    const bytes = pixels ? readBytes(pixels, width * height) : new Uint8Array();
    free(pixels, null);
    return { width, height, left, top, bytes };
  }

  test('finds the glyphs of the font by their characters', () => {
    const find = truetype.func('int stbtt_FindGlyphIndex(const stbtt_fontinfo *info, int codepoint)');
    expect([' ', '█', '◣', 'A'].map((text) => find(info, text.codePointAt(0) ?? 0))).toEqual([1, 2, 3, 0]);
  });

  test('rasterises a box to a box', () => {
    const { bytes, ...shape } = rasterise('█');
    expect(shape).toEqual({ width: 10, height: 20, left: 0, top: -20 });
    expect(bytes).toEqual(new Uint8Array(200).fill(255));
  });

  test('rasterises a slope with antialiased edges that cover half of the square', () => {
    const { width, height, bytes } = rasterise('◣');
    expect([width, height]).toEqual([12, 12]);
    const row = (y: number) => bytes.subarray(y * 12, y * 12 + 12);
    const covered = bytes.reduce((sum, value) => sum + value, 0) / (255 * 144);
    expect(covered).toBeCloseTo(0.5, 2);
    for (let y = 0; y < 12; y++) {
      expect(row(y).subarray(0, y)).toEqual(new Uint8Array(y).fill(255));
      expect(row(y)[y]).toBeGreaterThan(100);
      expect(row(y)[y]).toBeLessThan(155);
      expect(row(y).subarray(y + 1)).toEqual(new Uint8Array(11 - y));
    }
  });

  test('gives nothing to draw for a space, and its width', () => {
    expect(rasterise(' ').bytes).toHaveLength(0);
    const metrics = truetype.func(
      'void stbtt_GetCodepointHMetrics(const stbtt_fontinfo *info, int codepoint, int *advance, int *bearing)',
    );
    const [advance, bearing] = [new Int32Array(1), new Int32Array(1)];
    metrics(info, 0x20, advance, bearing);
    expect([advance[0], bearing[0]]).toEqual([250, 0]);
  });

  test('reads the metrics of the font', () => {
    const metrics = truetype.func(
      'void stbtt_GetFontVMetrics(const stbtt_fontinfo *info, int *ascent, int *descent, int *gap)',
    );
    const out = [new Int32Array(1), new Int32Array(1), new Int32Array(1)] as const;
    metrics(info, ...out);
    expect(out.map(([value]) => value)).toEqual([800, -200, 100]);
    const scale = truetype.func('float stbtt_ScaleForPixelHeight(const stbtt_fontinfo *info, float pixels)');
    expect(scale(info, 20)).toBeCloseTo(SCALE, 6);
  });

  test('refuses what is no font', () => {
    const init = truetype.func('int stbtt_InitFont(stbtt_fontinfo *info, const uint8_t *data, int offset)');
    const broken = Buffer.from(font);
    broken.write('Cmap', broken.indexOf('cmap'), 'latin1');
    expect(init(Buffer.alloc(1024), broken, 0)).toBe(0);
  });
});

/** stb_perlin makes a landscape, stb_image_write packs it into a PNG, stb_image unpacks it, dots prints it. */

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readBytes, type SourceLibrary } from 'fromsource';
import { formatCount, formatMs, printStory } from './screen.ts';

/** Heights from 0 to 255, row by row. */
export interface Landscape {
  readonly width: number;
  readonly height: number;
  readonly heights: Uint8Array;
}

/** What stands in for the noise where stb is not there. */
export function makeHills(width = 544, height = 144): Landscape {
  const at = (i: number) => 128 + 80 * Math.sin((i % width) / 40) * Math.cos(Math.floor(i / width) / 30);
  return { width, height, heights: Uint8Array.from({ length: width * height }, (_, i) => at(i)) };
}

/** One call into C for each pixel. */
function makeLandscape(perlin: SourceLibrary, width: number, height: number): Landscape {
  const noise = perlin.func(
    'float stb_perlin_fbm_noise3(float x, float y, float z, float lacunarity, float gain, int octaves)',
  );
  const heights = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = noise(x / 72, y / 72, 0.7, 2, 0.5, 6);
      heights[y * width + x] = Math.max(0, Math.min(255, Math.round(128 + 210 * value)));
    }
  }
  return { width, height, heights };
}

function encodePng(writer: SourceLibrary, { width, height, heights }: Landscape): Uint8Array {
  const length = new Int32Array(1);
  const encode = writer.func(
    'uint8_t *stbi_write_png_to_mem(const uint8_t *pixels, int stride, int w, int h, int n, int *length)',
  );
  const png = encode(heights, width, width, height, 1, length);
  if (png === null) throw new Error('stb_image_write could not write the picture');
  return readBytes(png, length[0] ?? 0);
}

function decodePng(reader: SourceLibrary, png: Uint8Array): Landscape {
  const decode = reader.func(
    'uint8_t *stbi_load_from_memory(const uint8_t *png, int length, int *w, int *h, int *n, int wanted)',
  );
  const [w, h, n] = [new Int32Array(1), new Int32Array(1), new Int32Array(1)];
  const pixels = decode(png, png.length, w, h, n, 1);
  if (pixels === null) throw new Error('stb_image could not read what stb_image_write wrote');
  const [width = 0, height = 0] = [w[0], h[0]];
  const heights = readBytes(pixels, width * height);
  reader.func('void stbi_image_free(void *pixels)')(pixels);
  return { width, height, heights };
}

/** The picture in Braille dots, as lines of text. */
function draw(dots: SourceLibrary, { width, height, heights }: Landscape, columns: number): string[] {
  const create = dots.func('dots_canvas *dots_create(int width, int height)');
  const image = dots.func('void dots_image(dots_canvas *canvas, const uint8_t *grey, int w, int h, int stride)');
  const text = dots.func('size_t dots_text(const dots_canvas *canvas, uint8_t *out, size_t size)');
  const canvas = create(columns * 2, Math.round((columns * 2 * height) / width));
  image(canvas, heights, width, height, width);
  const out = Buffer.alloc(Number(dots.func('size_t dots_text_size(const dots_canvas *canvas)')(canvas)));
  const length = Number(text(canvas, out, out.length));
  dots.func('void dots_free(dots_canvas *canvas)')(canvas);
  return out.toString('utf8', 0, length).split('\n');
}

/** Tells the story; gives the landscape for the next one. Throws when a pixel differs. */
export function tellPicture(
  perlin: SourceLibrary,
  writer: SourceLibrary,
  reader: SourceLibrary,
  dots: SourceLibrary,
): Landscape {
  const started = performance.now();
  const landscape = makeLandscape(perlin, 544, 144);
  const made = performance.now();
  const png = encodePng(writer, landscape);
  const decoded = decodePng(reader, png);
  const differing = landscape.heights.reduce((sum, value, at) => sum + (value === decoded.heights[at] ? 0 : 1), 0);
  if (differing > 0 || decoded.heights.length !== landscape.heights.length) {
    throw new Error(`${differing} pixels came back from the PNG as something else`);
  }
  const path = join(mkdtempSync(join(tmpdir(), 'fromsource-demo-')), 'noise.png');
  writeFileSync(path, png);
  const { width, height } = landscape;
  printStory('noise', [
    ...draw(dots, landscape, 68),
    `${width} x ${height} pixels, a call each: ${formatCount(width * height)} calls in ${formatMs(made - started)}`,
    `to PNG in memory: ${formatCount(png.length)} bytes; decoded again, every pixel is the same`,
    `saved to ${path}`,
  ]);
  return landscape;
}

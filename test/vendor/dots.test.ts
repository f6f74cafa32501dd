import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import type { SourceLibrary } from '../../src/index.ts';
import { describeSamples } from './describe-samples.ts';

function bindings(dots: SourceLibrary) {
  return {
    create: dots.func('dots_canvas *dots_create(int width, int height)'),
    free: dots.func('void dots_free(dots_canvas *canvas)'),
    clear: dots.func('void dots_clear(dots_canvas *canvas)'),
    set: dots.func('void dots_set(dots_canvas *canvas, int x, int y, int on)'),
    get: dots.func('int dots_get(const dots_canvas *canvas, int x, int y)'),
    count: dots.func('int dots_count(const dots_canvas *canvas)'),
    line: dots.func('void dots_line(dots_canvas *canvas, int x0, int y0, int x1, int y1)'),
    circle: dots.func('void dots_circle(dots_canvas *canvas, int x, int y, int radius)'),
    plot: dots.func('void dots_plot(dots_canvas *canvas, const float *samples, int count, float low, float high)'),
    image: dots.func('void dots_image(dots_canvas *canvas, const uint8_t *pixels, int width, int height, int stride)'),
    textSize: dots.func('size_t dots_text_size(const dots_canvas *canvas)'),
    text: dots.func('size_t dots_text(const dots_canvas *canvas, uint8_t *out, size_t size)'),
  };
}

/** The same in JavaScript: a set of dots, printed by the definition of the Braille block. */
class Model {
  readonly #dots = new Set<string>();
  readonly #width: number;
  readonly #height: number;

  constructor(width: number, height: number) {
    this.#width = width;
    this.#height = height;
  }

  set(x: number, y: number, on: number): void {
    if (x < 0 || y < 0 || x >= this.#width || y >= this.#height) return;
    if (on) this.#dots.add(`${x},${y}`);
    else this.#dots.delete(`${x},${y}`);
  }

  toString(): string {
    const bits = [0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80];
    const rows: string[] = [];
    for (let top = 0; top < this.#height; top += 4) {
      let row = '';
      for (let left = 0; left < this.#width; left += 2) {
        const lit = bits.filter((_, i) => this.#dots.has(`${left + (i % 2)},${top + Math.floor(i / 2)}`));
        row += String.fromCodePoint(0x2800 + lit.reduce((sum, bit) => sum + bit, 0));
      }
      rows.push(row);
    }
    return rows.join('\n');
  }
}

describeSamples(['dots'], (load) => {
  let dots: ReturnType<typeof bindings>;
  beforeAll(async () => {
    dots = bindings(await load('dots'));
  });

  function withCanvas(width: number, height: number, use: (canvas: bigint) => void): void {
    const canvas = dots.create(width, height) ?? 0n;
    try {
      use(canvas);
    } finally {
      dots.free(canvas);
    }
  }

  function print(canvas: bigint): string {
    const out = new Uint8Array(Number(dots.textSize(canvas)));
    const length = Number(dots.text(canvas, out, out.length));
    expect(length).toBe(out.length - 1);
    return Buffer.from(out.subarray(0, length)).toString('utf8');
  }

  const side = fc.integer({ min: 1, max: 33 });
  const coordinate = fc.integer({ min: -50, max: 50 });

  test('prints what a set of dots prints, for any dots set and unset', () => {
    const edits = fc.array(fc.tuple(coordinate, coordinate, fc.nat(1)), { maxLength: 200 });
    fc.assert(
      fc.property(side, side, edits, (width, height, changes) =>
        withCanvas(width, height, (canvas) => {
          const model = new Model(width, height);
          for (const change of changes) {
            dots.set(canvas, ...change);
            model.set(...change);
          }
          expect(print(canvas)).toBe(model.toString());
        }),
      ),
    );
  });

  test('draws a line from one end to the other, without gaps, one dot a step', () => {
    const inside = fc.nat(32);
    fc.assert(
      fc.property(inside, inside, inside, inside, (x0, y0, x1, y1) =>
        withCanvas(33, 33, (canvas) => {
          dots.line(canvas, x0, y0, x1, y1);
          expect([dots.get(canvas, x0, y0), dots.get(canvas, x1, y1)]).toEqual([1, 1]);
          expect(dots.count(canvas)).toBe(Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0)) + 1);
        }),
      ),
    );
  });

  test('clips whatever lies outside', () => {
    const far = fc.integer({ min: -1500, max: 1500 });
    fc.assert(
      fc.property(side, side, far, far, far, far, (width, height, x0, y0, x1, y1) =>
        withCanvas(width, height, (canvas) => {
          dots.line(canvas, x0, y0, x1, y1);
          dots.circle(canvas, x0, y0, Math.abs(x1));
          expect(dots.count(canvas)).toBeLessThanOrEqual(width * height);
        }),
      ),
    );
  });

  test('draws a circle whose dots are all its radius away from the middle', () => {
    withCanvas(41, 41, (canvas) => {
      dots.circle(canvas, 20, 20, 17);
      for (let y = 0; y < 41; y++) {
        for (let x = 0; x < 41; x++) {
          if (dots.get(canvas, x, y)) expect(Math.abs(Math.hypot(x - 20, y - 20) - 17)).toBeLessThan(0.75);
        }
      }
      expect(dots.count(canvas)).toBeGreaterThan(80);
    });
  });

  test('plots a curve, with a gap where there is no number', () => {
    withCanvas(8, 8, (canvas) => {
      dots.plot(canvas, Float32Array.of(0, 1, Number.NaN, 1, 0), 5, 0, 1);
      expect([dots.get(canvas, 0, 7), dots.get(canvas, 2, 0), dots.get(canvas, 5, 0), dots.get(canvas, 7, 7)]).toEqual([
        1, 1, 1, 1,
      ]);
      expect([dots.get(canvas, 3, 0), dots.get(canvas, 4, 0)]).toEqual([0, 0]);
    });
  });

  test('sets as many dots as the picture is bright', () => {
    fc.assert(
      fc.property(
        fc.nat(255),
        fc.integer({ min: 1, max: 90 }),
        fc.integer({ min: 1, max: 90 }),
        (grey, width, height) =>
          withCanvas(40, 40, (canvas) => {
            dots.image(canvas, new Uint8Array(width * height).fill(grey), width, height, width);
            // The error that the last row and the sides can't hand on is lost.
            expect(Math.abs(dots.count(canvas) / 1600 - grey / 255)).toBeLessThan(0.04);
          }),
      ),
    );
  });

  test('refuses sizes that make no sense and text that does not fit', () => {
    expect([dots.create(0, 1), dots.create(1, 32769), dots.create(-1, -1)]).toEqual([null, null, null]);
    withCanvas(2, 4, (canvas) => {
      dots.set(canvas, 0, 0, 1);
      const out = new Uint8Array(4);
      expect(dots.text(canvas, out, 3)).toBe(0);
      expect(out).toEqual(new Uint8Array(4));
      expect(dots.text(canvas, out, 4)).toBe(3);
      expect(Buffer.from(out).toString('utf8')).toBe('⠁\0');
      dots.clear(canvas);
      expect(dots.count(canvas)).toBe(0);
    });
  });
});

import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import type { SourceLibrary } from '../../src/index.ts';
import { describeSamples } from './describe-samples.ts';

describeSamples(['stb_perlin'], (load) => {
  let perlin: SourceLibrary;
  let noise: (x: number, y: number, z: number, wx: number, wy: number, wz: number) => number;
  const coordinate = fc.float({ min: -100, max: 100, noNaN: true });

  beforeAll(async () => {
    perlin = await load('stb_perlin');
    noise = perlin.func('float stb_perlin_noise3(float x, float y, float z, int x_wrap, int y_wrap, int z_wrap)');
  });

  test('is zero on the lattice, as gradient noise is', () => {
    const whole = fc.integer({ min: -1000, max: 1000 });
    fc.assert(fc.property(whole, whole, whole, (x, y, z) => Math.abs(noise(x, y, z, 0, 0, 0)) === 0));
  });

  test('stays between -1 and 1, and changes little over a small step', () => {
    fc.assert(
      fc.property(coordinate, coordinate, coordinate, (x, y, z) => {
        const here = noise(x, y, z, 0, 0, 0);
        expect(Math.abs(here)).toBeLessThanOrEqual(1);
        expect(Math.abs(noise(x + 0.001, y, z, 0, 0, 0) - here)).toBeLessThan(0.01);
      }),
    );
  });

  test('wraps around at a power of two', () => {
    // Eighths are exact as floats, so that both calls see the same fraction.
    const eighth = fc.integer({ min: 0, max: 127 }).map((n) => n / 8);
    fc.assert(fc.property(eighth, eighth, (x, y) => noise(x, y, 0.5, 16, 0, 0) === noise(x + 16, y, 0.5, 16, 0, 0)));
  });

  test('sums octaves to turbulence, which is never negative', () => {
    const turbulence = perlin.func(
      'float stb_perlin_turbulence_noise3(float x, float y, float z, float lacunarity, float gain, int octaves)',
    );
    fc.assert(fc.property(coordinate, coordinate, (x, y) => turbulence(x, y, 0.5, 2, 0.5, 6) >= 0));
  });
});

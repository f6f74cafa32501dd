/** Steady-state speed of compiled code, against the same code in a shared object that clang -O2 made. */

import { performance } from 'node:perf_hooks';
import { loadSourceLibrary } from 'fromsource';
import koffi from 'koffi';
import { makeSharedObject, median, report, verify, withFolder } from '../trial.ts';

const ROUNDS = 15;
/** Each works some tens of milliseconds and returns a number that depends on all of it. */
const source = `
#include <math.h>
#include <stdint.h>
double mandelbrot(int size) {
  long inside = 0;
  for (int y = 0; y < size; y++) for (int x = 0; x < size; x++) {
    double cr = 3.0 * x / size - 2.0, ci = 2.0 * y / size - 1.0, zr = 0, zi = 0; int n = 0;
    while (n < 100 && zr * zr + zi * zi < 4) { double t = zr * zr - zi * zi + cr; zi = 2 * zr * zi + ci; zr = t; n++; }
    inside += n;
  }
  return inside;
}
static float a[256 * 256], b[256 * 256], c[256 * 256];
double matmul(int n) {
  for (int i = 0; i < n * n; i++) { a[i] = i % 7; b[i] = i % 5; c[i] = 0; }
  for (int i = 0; i < n; i++) for (int k = 0; k < n; k++) for (int j = 0; j < n; j++) c[i * n + j] += a[i * n + k] * b[k * n + j];
  double s = 0; for (int i = 0; i < n * n; i++) s += c[i]; return s;
}
double hashes(int n) {
  uint64_t h = 1469598103934665603u; for (int i = 0; i < n; i++) { h ^= (uint8_t)(i >> (i & 7)); h *= 1099511628211u; } return (double)(h >> 12);
}
double libm_calls(int n) { double s = 0; for (int i = 1; i <= n; i++) s += sin(i) * sqrt(i); return s; }`;

const kernels = { mandelbrot: 400, matmul: 256, hashes: 20_000_000, libm_calls: 1_500_000 };

await withFolder(async (folder) => {
  const library = await loadSourceLibrary({ name: 'kernel', source, flags: ['-O2'], loader: 'orc' });
  const plain = koffi.load(makeSharedObject(folder, 'kernel', source, ['-O2']));
  for (const [kernel, size] of Object.entries(kernels)) {
    const ours = library.func(`double ${kernel}(int n)`) as (n: number) => number;
    const theirs = plain.func(`double ${kernel}(int n)`);
    verify(ours(size), theirs(size), kernel);
    const times = { ours: [] as number[], theirs: [] as number[] };
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [into, run] of [[times.ours, ours] as const, [times.theirs, theirs] as const]) {
        const start = performance.now();
        run(size);
        into.push(performance.now() - start);
      }
    }
    report({
      name: `kernel ${kernel}`,
      unit: 'ms',
      subject: median(times.ours),
      baseline: median(times.theirs),
      baselineName: 'the same in a clang -O2 .so',
    });
  }
});

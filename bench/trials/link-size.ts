/** Time of a link against the size of the object, 10 to 10,000 functions, in both loaders, with the line that fits. */

import { loadSourceLibrary } from 'fromsource';
import { fitExponent, fitLine, type Point } from '../fit.ts';
import { makeObject, report, verify } from '../trial.ts';

const SIZES = [10, 30, 100, 300, 1000, 3000, 10_000];
const ROUNDS = { orc: 20, 'shared-object': 8 };
/** How C is compiled, and what C++ makes of inline functions and templates. */
const SHAPES = { 'in one section': [], 'in a section each': ['-ffunction-sections'] };

/** Each calls the one before and one of the C library. */
function sourceOf(functions: number): string {
  const one = (n: number) =>
    `int f${n}(int x, char *t) { memset(t, x, ${n % 64}); return x + ${n} + (x > 0 ? ${n === 0 ? 0 : `f${n - 1}(x - 1, t)`} : 0); }`;
  return `#include <string.h>
${Array.from({ length: functions }, (_, n) => one(n)).join('\n')}
int last(int x) { char text[64]; return f${functions - 1}(x, text); }`;
}

async function timeLink(object: Uint8Array, functions: number, loader: keyof typeof ROUNDS): Promise<number> {
  const times: number[] = [];
  for (let round = -1; round < ROUNDS[loader]; round += 1) {
    const library = await loadSourceLibrary({ name: 'size', object, loader, cache: false });
    // Of the last two functions: 1 + (n - 1), and 0 + (n - 2).
    verify(library.func('int last(int x)')(1), 2 * functions - 2, `${functions} functions by ${loader}`);
    verify(library.symbols.size, functions + 1, 'symbols');
    if (round >= 0) times.push(library.timings.link);
    await library.dispose();
  }
  // Whatever else the machine does only adds to a time, and to the long ones most.
  return Math.min(...times);
}

for (const [shape, flags] of Object.entries(SHAPES)) {
  const objects = SIZES.map((size) => makeObject(sourceOf(size), ['-O0', '-w', ...flags]));
  for (const loader of ['orc', 'shared-object'] as const) {
    const points: Point[] = [];
    for (const [index, object] of objects.entries()) {
      const x = SIZES[index] as number;
      points.push({ x, y: await timeLink(object, x, loader) });
    }
    const { intercept, slope, rSquared } = fitLine(points);
    const name = (what: string) => `${loader}, functions ${shape}: ${what}`;
    report({ name: name('each'), unit: 'µs', value: slope * 1000 });
    report({ name: name('beside them'), unit: 'ms', value: intercept });
    report({ name: name('R² of the line'), unit: '', value: rSquared });
    // More than 1 is left for what no longer fits into the processor's caches. The other loader's time is mostly that of
    // a process, which hides what grows.
    const must = loader === 'orc' ? { must: 1.3 } : {};
    report({ name: name('exponent'), unit: '', value: fitExponent(points), ...must });
    report({ name: name('10,000 functions'), unit: 'ms', value: (points.at(-1) as Point).y });
  }
}

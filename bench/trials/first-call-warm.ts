/** Source to first call in a process that has loaded a library before, against doing it by hand. */

import { performance } from 'node:perf_hooks';
import { loadSourceLibrary } from 'fromsource';
import koffi from 'koffi';
import { makeSharedObject, median, report, verify, withFolder } from '../trial.ts';

const ROUNDS = 25;
const source = (n: number): string => `int add(int a, int b) { return a + b + ${n}; }`;

async function ours(n: number): Promise<number> {
  const start = performance.now();
  const library = await loadSourceLibrary({ name: `warm-${n}`, source: source(n), flags: ['-O2'], loader: 'orc' });
  const result = library.func('int add(int, int)')(2, 3);
  const time = performance.now() - start;
  verify(result, 5 + n, 'add');
  await library.dispose();
  return time;
}

function byHand(folder: string, n: number): number {
  const start = performance.now();
  const library = koffi.load(makeSharedObject(folder, `warm-${n}`, source(n), ['-O2']));
  const result = library.func('int add(int, int)')(2, 3);
  const time = performance.now() - start;
  verify(result, 5 + n, 'add');
  return time;
}

await withFolder(async (folder) => {
  await ours(-1);
  byHand(folder, -1);
  const times = { ours: [] as number[], byHand: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    times.ours.push(await ours(round));
    times.byHand.push(byHand(folder, round));
  }
  report({
    name: 'one-line C function, source to first call, warm',
    unit: 'ms',
    subject: median(times.ours),
    baseline: median(times.byHand),
    baselineName: 'clang -shared + koffi.load',
  });
});

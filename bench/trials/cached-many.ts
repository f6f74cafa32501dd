/** 1,000 cached loads in one process: the last hundred against the first hundred. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { cacheStats, LibraryRegistry } from 'fromsource';
import { median, report, verify } from '../trial.ts';

const LOADS = 1000;
const KINDS = 100;

const dir = mkdtempSync(join(tmpdir(), 'fromsource-bench-'));
const registry = new LibraryRegistry();
const load = (n: number) =>
  registry.load({ name: `n${n}`, source: `int f(int x) { return x * ${n}; }`, cache: { dir } });

for (let n = 0; n < KINDS; n += 1) await (await load(n)).dispose();
await cacheStats({ dir });
await new Promise((resolve) => setTimeout(resolve, 2500));
// Whatever is read once more because it was young is read here.
for (let n = 0; n < KINDS; n += 1) await (await load(n)).dispose();
await cacheStats({ dir });

const times: number[] = [];
for (let n = 0; n < LOADS; n += 1) {
  const start = performance.now();
  const library = await load(n % KINDS);
  const result = library.func('int f(int)')(3);
  times.push(performance.now() - start);
  verify(result, 3 * (n % KINDS), 'a cached function');
  verify(library.cache.status, 'hit', 'the cache');
  await library.dispose();
}
report({
  name: '1,000 cached loads: the last hundred',
  unit: 'ms',
  subject: median(times.slice(-100)),
  baseline: median(times.slice(0, 100)),
  baselineName: 'the first hundred',
  must: 1.2,
});
await registry.dispose();
rmSync(dir, { recursive: true });

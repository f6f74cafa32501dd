/** 200 files as one library: all of them compiled, against one after the other; and all of them from the cache. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { cacheStats, loadSourceLibrary } from 'fromsource';
import { median, report, usualSource, verify, withFolder } from '../trial.ts';

const COUNT = 200;
const ROUNDS = 3;
const CACHED_ROUNDS = 11;

/** A usual file, and a function that all files have of their own. */
const source = (file: number, round: number): string =>
  `${usualSource(file, round)}int f${file}(int x) { return x + ${file}; }\n`;

/** The functions of all files, called from one more. */
function caller(): string {
  const numbers = Array.from({ length: COUNT - 1 }, (_, n) => n);
  const declared = numbers.map((n) => `int f${n}(int);`).join('\n');
  return `${declared}\nint all(int x) { return ${numbers.map((n) => `f${n}(x)`).join(' + ')}; }\n`;
}

const SUM = ((COUNT - 1) * (COUNT - 2)) / 2;

function writeProject(folder: string, round: number): string[] {
  mkdirSync(folder);
  return Array.from({ length: COUNT }, (_, n) => {
    const path = join(folder, `${n}.c`);
    writeFileSync(path, n === COUNT - 1 ? caller() : source(n, round));
    return path;
  });
}

await withFolder(async (root) => {
  const times = { together: [] as number[], alone: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    const folder = join(root, `round-${round}`);
    const paths = writeProject(folder, round);
    // Every driver there is has been started, and has the headers, before either is measured.
    const first = await loadSourceLibrary({ name: `first-${round}`, files: paths.slice(0, 8), cache: false });
    await first.dispose();

    const together = await loadSourceLibrary({ name: `files-${round}`, files: [join(folder, '*.c')], cache: false });
    verify(together.func('int all(int)')(0), SUM, 'a function over all files');
    // With the joining of the objects, which the other has not.
    times.together.push(together.timings.compile);
    await together.dispose();

    let alone = 0;
    for (const [n, file] of paths.slice(0, -1).entries()) {
      const library = await loadSourceLibrary({ name: `alone-${round}-${n}`, file, cache: false });
      verify(library.func(`int f${n}(int)`)(1), 1 + n, 'a function of one file');
      alone += library.timings.compile;
      await library.dispose();
    }
    times.alone.push(alone);
  }
  report({
    name: '200 files, all compiled and joined',
    unit: 'ms',
    subject: median(times.together),
    baseline: median(times.alone),
    baselineName: 'compiled one after the other, not joined',
    must: 0.6,
  });

  const spec = { name: 'cached', files: [join(root, 'round-0/*.c')], cache: { dir: join(root, 'cache') } };
  await (await loadSourceLibrary(spec)).dispose();
  await cacheStats({ dir: join(root, 'cache') });
  // Files that are young are read again: of these loads the first one does.
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await (await loadSourceLibrary(spec)).dispose();
  await cacheStats({ dir: join(root, 'cache') });
  const cached: number[] = [];
  for (let round = 0; round < CACHED_ROUNDS; round += 1) {
    const start = performance.now();
    const library = await loadSourceLibrary(spec);
    const result = library.func('int all(int)')(0);
    cached.push(performance.now() - start);
    verify(result, SUM, 'a cached function over all files');
    verify(library.cache.status, 'hit', 'the cache');
    await library.dispose();
  }
  report({ name: '200 files from the cache', unit: 'ms', value: median(cached) });
});
process.exit();

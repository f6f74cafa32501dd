/** The first call of a function in a lazy library of 200 files, against compiling that one file alone. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { loadSourceLibrary } from 'fromsource';
import { median, report, usualSource, verify, withFolder } from '../trial.ts';

const COUNT = 200;
const ROUNDS = 15;

/** A usual file, which calls into the next one when it is told to. */
function source(file: number, round: number): string {
  const next = (file + 1) % COUNT;
  const chain = `int f${next}(int x);\nint f${file}(int x) { return x < 0 ? f${next}(x + 1) : x + ${file}; }\n`;
  return usualSource(file, round) + chain;
}

await withFolder(async (root) => {
  const times = { first: [] as number[], alone: [] as number[], load: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    const folder = join(root, `round-${round}`);
    mkdirSync(folder);
    for (let n = 0; n < COUNT; n += 1) writeFileSync(join(folder, `${n}.c`), source(n, round));
    // Of the middle, and another one each time.
    const wanted = 90 + round;
    const alone = join(root, `alone-${round}.c`);
    writeFileSync(alone, source(wanted, round + ROUNDS).replace(/ \? f\d+\(x \+ 1\)/, ' ? 0'));

    const loading = performance.now();
    const lazy = await loadSourceLibrary({
      name: `lazy-${round}`,
      files: [join(folder, '*.c')],
      lazy: true,
      cache: false,
    });
    times.load.push(performance.now() - loading);
    verify(lazy.symbols.size, 0, 'symbols before the first call');
    const f = lazy.func(`int f${wanted}(int)`);
    const calling = performance.now();
    const result = f(1);
    times.first.push(performance.now() - calling);
    verify(result, 1 + wanted, 'the first call');
    verify(lazy.symbols.size, 2, 'symbols after it');
    // What it calls in other files is there when it does.
    verify(f(-1), wanted + 1, 'a call into another file');
    verify(lazy.symbols.size, 4, 'symbols after that');
    await lazy.dispose();

    const start = performance.now();
    const library = await loadSourceLibrary({ name: `alone-${round}`, file: alone, loader: 'orc', cache: false });
    const same = library.func(`int f${wanted}(int)`)(1);
    times.alone.push(performance.now() - start);
    verify(same, 1 + wanted, 'the file alone');
    await library.dispose();
  }
  report({
    name: 'first call in a lazy library of 200 files',
    unit: 'ms',
    // The first round has drivers to start, in both.
    subject: median(times.first.slice(1)),
    baseline: median(times.alone.slice(1)),
    baselineName: 'loading that file alone and calling it',
    must: 1.3,
  });
  report({ name: 'loading a lazy library of 200 files', unit: 'ms', value: median(times.load.slice(1)) });
});
process.exit();

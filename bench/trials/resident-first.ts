/** The first compile of a Node process, the driver's start included, against one-shot clang; and what idling costs. */

import { spawnSync } from 'node:child_process';
import { CLANG, median, report, verify } from '../trial.ts';

const ROUNDS = 9;

interface Answer {
  readonly result: number;
  readonly time: number;
  readonly memory: number;
}

/** Loads one library in a fresh process: milliseconds from the call to the first result, and MB that it added. */
function run(options: string): Answer {
  const program = `
    const { loadSourceLibrary } = await import('fromsource');
    global.gc();
    const before = process.memoryUsage.rss();
    const start = performance.now();
    const library = await loadSourceLibrary({ name: 'first', source: 'int f(int x) { return x + 41; }', loader: 'orc', ${options} });
    const result = library.func('int f(int x)')(1);
    const time = performance.now() - start;
    global.gc();
    console.log(JSON.stringify({ result, time, memory: (process.memoryUsage.rss() - before) / 1e6 }));
    process.exit();`;
  const args = ['--expose-gc', '--input-type=module', '-e', program];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (stdout === '') throw new Error(stderr);
  const answer = JSON.parse(stdout) as Answer;
  verify(answer.result, 42, 'the first result');
  return answer;
}

run('');
const resident: Answer[] = [];
const oneShot: Answer[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  resident.push(run(''));
  oneShot.push(run(`compiler: '${CLANG}'`));
}
report({
  name: 'first compile of a process',
  unit: 'ms',
  subject: median(resident.map(({ time }) => time)),
  baseline: median(oneShot.map(({ time }) => time)),
  baselineName: 'one-shot clang + ORC',
  must: 0.6,
});
report({
  name: 'memory that Node gained by compile and loader',
  unit: 'MB',
  value: median(resident.map(({ memory }) => memory)),
  must: 10,
});

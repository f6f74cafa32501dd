/** What a program pays for `import 'fromsource'` before it has loaded anything: whole process, from start to end. */

import { spawnSync } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { median, report, verify } from '../trial.ts';

const ROUNDS = 41;
const programs = {
  fromsource: `import { loadSourceLibrary } from 'fromsource'; process.stdout.write(typeof loadSourceLibrary);`,
  koffi: `import koffi from 'koffi'; process.stdout.write(typeof koffi.load);`,
  node: `process.stdout.write(typeof process.exit);`,
};

function run(program: string): number {
  const start = performance.now();
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  const time = performance.now() - start;
  verify(stdout, 'function', `the program's output (${stderr})`);
  return time;
}

const times = { fromsource: [] as number[], koffi: [] as number[], node: [] as number[] };
// The first rounds read the files from disk.
for (let round = -2; round < ROUNDS; round += 1) {
  for (const name of ['fromsource', 'koffi', 'node'] as const) {
    const time = run(programs[name]);
    if (round >= 0) times[name].push(time);
  }
}
const subject = median(times.fromsource);
for (const [baseline, baselineName] of [
  [times.koffi, "import 'koffi'"],
  [times.node, 'Node alone'],
] as const) {
  report({ name: "import 'fromsource', whole process", unit: 'ms', subject, baseline: median(baseline), baselineName });
}

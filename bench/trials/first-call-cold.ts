/** Source to first call, whole process: Node's start, the library's start, the compiler's discovery, and all the rest. */

import { spawnSync } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { median, report, verify } from '../trial.ts';

const ROUNDS = 7;
const source = 'int add(int a, int b) { return a + b; }';

const programs = {
  orc: `const { loadSourceLibrary } = await import('fromsource');
    const library = await loadSourceLibrary({ name: 'cold', source: '${source}', loader: 'orc' });
    console.log(library.func('int add(int, int)')(2, 3)); process.exit();`,
  byHand: `const { default: koffi } = await import('koffi');
    const { execFileSync } = await import('node:child_process');
    const { mkdtempSync, rmSync } = await import('node:fs');
    const folder = mkdtempSync('/tmp/fromsource-bench-');
    execFileSync(process.env.FROMSOURCE_COMPILER ?? 'clang-22',
      ['-shared', '-fPIC', '-O2', '-xc', '-', '-o', folder + '/cold.so'], { input: '${source}' });
    console.log(koffi.load(folder + '/cold.so').func('int add(int, int)')(2, 3));
    rmSync(folder, { recursive: true }); process.exit();`,
};

function run(program: string): number {
  const start = performance.now();
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  const time = performance.now() - start;
  verify(stdout.trim(), '5', `the program's output (${stderr})`);
  return time;
}

const times = { orc: [] as number[], byHand: [] as number[] };
for (let round = 0; round < ROUNDS; round += 1) {
  times.orc.push(run(programs.orc));
  times.byHand.push(run(programs.byHand));
}
report({
  name: 'one-line C function, whole process, cold',
  unit: 'ms',
  subject: median(times.orc),
  baseline: median(times.byHand),
  baselineName: 'clang -shared + koffi.load',
});

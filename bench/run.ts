/**
 * Runs every trial in processes of its own and prints subject / baseline with the spread over those processes.
 *
 *     npm run bench                     all trials, five processes each where one is short
 *     npm run bench -- link call        the trials that are named
 *     npm run bench -- --processes 10
 *
 * The figures also go to bench/results/<time>.json. Ratios are of medians, measured in one process in turn; absolute
 * times are of this machine and this moment.
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Figure, median, type Row } from './trial.ts';

const { values, positionals } = parseArgs({ options: { processes: { type: 'string' } }, allowPositionals: true });
const processes = Number(values.processes ?? 5);

const trialFolder = fileURLToPath(new URL('trials/', import.meta.url));
const known = readdirSync(trialFolder).flatMap((file) => (file.endsWith('.js') ? [file.slice(0, -3)] : []));
for (const name of positionals) {
  if (known.includes(name)) continue;
  console.error(`bench: there is no trial ${name}; there are ${known.join(', ')}`);
  process.exit(2);
}

/** Trials that take long in themselves, and where a median over processes adds little. */
const FEW: Readonly<Record<string, number>> = {
  'resident-soak': 1,
  'loads-soak': 1,
  'resident-large': 2,
  'link-size': 2,
  cached: 2,
  files: 2,
};

/** Trials that ask for more than `--expose-gc`. */
const NODE_OPTIONS: Readonly<Record<string, string[]>> = { 'loads-soak': ['--jitless'] };

type Line = Row | Figure;
const isRow = (line: Line): line is Row => 'baseline' in line;

function runTrial(name: string): Line[] {
  const { stdout, stderr, status, signal } = spawnSync(
    process.execPath,
    ['--expose-gc', ...(NODE_OPTIONS[name] ?? []), `${trialFolder}${name}.js`],
    {
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
      // The trials of the cache ask for one.
      env: { ...process.env, FROMSOURCE_CACHE: 'off' },
    },
  );
  if (status === 0) return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]));
  console.error(`bench: ${name} failed with ${signal ?? `exit code ${status}`}\n${stderr}`);
  process.exit(1);
}

const digits = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

function summarise(runs: readonly Line[]) {
  const first = runs[0] as Line;
  const amounts = runs.map((line) => (isRow(line) ? line.subject / line.baseline : line.value));
  const result = median(amounts);
  const verdict = first.must === undefined ? '' : result <= first.must ? `≤ ${first.must} ✓` : `≤ ${first.must} ✗`;
  const spread = `${digits(Math.min(...amounts))} – ${digits(Math.max(...amounts))}`;
  const times = isRow(first)
    ? `${digits(median(runs.map((line) => (line as Row).subject)))} against ${digits(median(runs.map((line) => (line as Row).baseline)))} ${first.unit}, ${first.baselineName}`
    : '';
  return { name: first.name, amount: `${digits(result)} ${isRow(first) ? '×' : first.unit}`, spread, verdict, times };
}

console.log(
  `${processes} processes a trial; median of them, lowest – highest; ${cpus()[0]?.model.trim()}, Node ${process.version}\n`,
);
const all: { trial: string; runs: Line[][] }[] = [];
for (const trial of positionals.length > 0 ? positionals : known) {
  const runs = Array.from({ length: Math.min(processes, FEW[trial] ?? processes) }, () => runTrial(trial));
  all.push({ trial, runs });
  for (const [index] of (runs[0] as Line[]).entries()) {
    const { name, amount, spread, verdict, times } = summarise(runs.map((run) => run[index] as Line));
    console.log(
      `${name.padEnd(52)} ${amount.padStart(9)}  (${spread})  ${verdict}${verdict && times ? '  ' : ''}${times}`,
    );
  }
}

const folder = fileURLToPath(new URL('../../bench/results/', import.meta.url));
mkdirSync(folder, { recursive: true });
const path = `${folder}${new Date().toISOString().replaceAll(':', '-')}.json`;
writeFileSync(path, JSON.stringify({ node: process.version, cpu: cpus()[0]?.model, all }, null, 2));
console.log(`\n${path}`);

/**
 * Runs the contract, and prints where the loaders differ on this machine.
 *
 *     npm run parity
 *
 * A line is one test of test/contract on one loader. Where all do the same it is counted; where one refuses it by design,
 * fails, or could not be tried, the line is shown with the reason.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What vitest's JSON reporter writes, as far as it is read here. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly Assertion[];
  }[];
}

interface Assertion {
  readonly ancestorTitles: readonly string[];
  readonly title: string;
  readonly status: 'passed' | 'failed' | 'skipped' | 'pending' | 'todo' | 'disabled';
  readonly failureMessages: readonly string[] | null;
  /** What the harness notes. */
  readonly meta: { readonly refused?: string; readonly skipped?: string };
}

const LOADERS = ['orc', 'shared-object', 'linked-image'];
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Of one loader: `yes`, or what is otherwise and why. */
type Outcome = { readonly kind: 'yes' | 'refused' | 'fails' | 'not tried'; readonly reason: string };

function outcomeOf({ status, failureMessages, meta }: Assertion): Outcome {
  const [failure = ''] = failureMessages ?? [];
  if (status === 'failed') {
    const [first = ''] = failure.split('\n');
    // What vitest's error for a test that was too slow begins with.
    return { kind: 'fails', reason: first.includes('STACK_TRACE_ERROR') ? 'it took longer than it may' : first };
  }
  if (status !== 'passed') return { kind: 'not tried', reason: meta.skipped ?? 'skipped' };
  return meta.refused === undefined ? { kind: 'yes', reason: '' } : { kind: 'refused', reason: meta.refused };
}

function runContract(): Report {
  const folder = mkdtempSync(join(tmpdir(), 'fromsource-parity-'));
  try {
    const file = join(folder, 'report.json');
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const args = [vitest, 'run', 'test/contract', '--reporter=json', `--outputFile=${file}`];
    // Reports of the code under test are no concern here; failures are in the file.
    const { stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 });
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as Report;
    } catch {
      console.error(`parity: the contract could not be run\n${stderr}`);
      process.exit(1);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** By what the line says, apart from the loader; outcomes in the order of {@link LOADERS}. */
function linesOf(assertions: readonly Assertion[]): Map<string, (Outcome | undefined)[]> {
  const lines = new Map<string, (Outcome | undefined)[]>();
  for (const assertion of assertions) {
    const loader = LOADERS.findIndex((name) => assertion.ancestorTitles.includes(`on the ${name} loader`));
    if (loader < 0) continue;
    const groups = assertion.ancestorTitles.filter((title) => !/^on the \S+ loader$/.test(title));
    const line = [...groups, assertion.title].join(': ');
    const outcomes = lines.get(line) ?? LOADERS.map(() => undefined);
    outcomes[loader] = outcomeOf(assertion);
    lines.set(line, outcomes);
  }
  return lines;
}

/** What differs in one and the same way. */
interface Difference {
  readonly outcomes: readonly (Outcome | undefined)[];
  readonly lines: string[];
}

function differencesOf(lines: ReadonlyMap<string, readonly (Outcome | undefined)[]>): Difference[] {
  const byWay = new Map<string, Difference>();
  for (const [line, outcomes] of lines) {
    if (outcomes.every((outcome) => outcome?.kind === 'yes')) continue;
    const way = JSON.stringify(outcomes);
    const difference = byWay.get(way) ?? { outcomes, lines: [] };
    difference.lines.push(line);
    byWay.set(way, difference);
  }
  return [...byWay.values()];
}

function print({ outcomes, lines }: Difference): void {
  const kinds = outcomes.map((outcome) => outcome?.kind ?? 'not run');
  const columns = LOADERS.map((loader, index) => `${loader}: ${kinds[index]}`).join('   ');
  console.log(`  ${new Set(kinds).size === 1 ? `on every loader: ${kinds[0]}` : columns}`);
  for (const reason of new Set(outcomes.map((outcome) => outcome?.reason ?? ''))) {
    if (reason !== '') console.log(`  reason: ${reason}`);
  }
  for (const line of lines) console.log(`    ${line}`);
}

let isBroken = false;
console.log(`Node ${process.version}; loaders: ${LOADERS.join(', ')}`);
for (const { name, message, assertionResults } of runContract().testResults) {
  const lines = linesOf(assertionResults);
  const differences = differencesOf(lines);
  const differing = differences.reduce((sum, difference) => sum + difference.lines.length, 0);
  console.log(`\n${basename(name)}: ${lines.size - differing} of ${lines.size} lines hold on every loader`);
  for (const difference of differences) {
    print(difference);
    isBroken ||= difference.outcomes.some((outcome) => outcome === undefined || outcome.kind === 'fails');
  }
  // A file that could not be run, as when its process has died, has no lines.
  if (lines.size > 0) continue;
  isBroken = true;
  console.log(`  ${message.split('\n')[0] || 'it could not be run'}`);
}
process.exitCode = isBroken ? 1 : 0;

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
  if (status === 'failed') return { kind: 'fails', reason: failure.split('\n')[0] ?? '' };
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

let differing = 0;
let isBroken = false;
console.log(`Node ${process.version}; loaders: ${LOADERS.join(', ')}`);
for (const { name, message, assertionResults } of runContract().testResults) {
  const lines = linesOf(assertionResults);
  const rows = [...lines].filter(([, outcomes]) => outcomes.some((outcome) => outcome?.kind !== 'yes'));
  console.log(`\n${basename(name)}: ${lines.size - rows.length} of ${lines.size} lines hold on every loader`);
  // A file that could not be run, as when its process has died, has no lines.
  if (lines.size === 0) {
    isBroken = true;
    console.log(`  ✗ ${message.split('\n')[0] || 'it could not be run'}`);
  }
  for (const [line, outcomes] of rows) {
    differing += 1;
    isBroken ||= outcomes.some((outcome) => outcome === undefined || outcome.kind === 'fails');
    console.log(`  ${line}`);
    const kinds = outcomes.map((outcome) => (outcome === undefined ? 'not run' : outcome.kind));
    console.log(`    ${LOADERS.map((loader, index) => `${loader}: ${kinds[index]}`).join('   ')}`);
    for (const reason of new Set(outcomes.map((outcome) => outcome?.reason ?? ''))) {
      if (reason !== '') console.log(`    ${reason}`);
    }
  }
}
console.log(`\n${differing} ${differing === 1 ? 'line differs, or was' : 'lines differ, or were'} not tried`);
process.exitCode = isBroken ? 1 : 0;

/** What is left of a load when Node ends in the middle of it: no process, no folder. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type BuiltPackage, buildPackage } from './built-package.ts';
import { enterSandbox, processes, type Sandbox } from './compile/leftovers.ts';

let sandbox: Sandbox;
let built: BuiltPackage;
let serial = 0;
beforeAll(() => {
  built = buildPackage();
  sandbox = enterSandbox();
  execFileSync('mkfifo', [join(sandbox.cwd, 'pipe.h')]);
});
afterAll(() => {
  sandbox.remove();
  built.remove();
});
afterEach(() => {
  for (const line of processes(sandbox)) process.kill(Number.parseInt(line, 10), 'SIGKILL');
});

/** Sixty levels of doubling: no compiler gets to the end of it. */
const BOMB = `#define M0 1 +\n${Array.from({ length: 60 }, (_, i) => `#define M${i + 1} M${i} M${i}\n`).join('')}int x = M60 1;\n`;
const SOURCES = [BOMB, '#include "pipe.h"\n'];

/** Each compiler, and the program that is at work while it compiles; null for the resident one. */
const COMPILERS = [
  ['gcc', /^\d+ \S*\/cc1 /],
  ['clang-22', /^\d+ \S*\/clang-22 /],
  [null, /^\d+ \S*fromsource-clang-driver/],
] as const;
const compiling = (seen: RegExp): string[] => processes(sandbox).filter((line) => seen.test(line));

/** A Node that runs the program; the program ends itself when it is told to by SIGUSR2. */
function startNode(program: string): ChildProcess {
  const file = join(sandbox.cwd, `program-${serial++}.mjs`);
  writeFileSync(
    file,
    `import { loadSourceLibrary } from ${JSON.stringify(built.index)};\nprocess.on('SIGUSR2', () => process.exit(3));\n${program}`,
  );
  return spawn(process.execPath, [file], { cwd: sandbox.cwd, stdio: 'inherit' });
}

/** Waits until the condition holds, for ten seconds at most. */
async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !condition(); tries += 1) await delay(20);
  expect(condition()).toBe(true);
}

const ENDS: readonly (readonly [string, NodeJS.Signals])[] = [
  ['Ctrl-C', 'SIGINT'],
  ['kill -9', 'SIGKILL'],
  ['process.exit', 'SIGUSR2'],
];

test.each(ENDS)('%s in the middle of a compile leaves no process of any compiler', async (_, signal) => {
  const nodes = COMPILERS.flatMap(([compiler]) =>
    SOURCES.map((source) => {
      const spec = { name: 'cut', source, ...(compiler === null ? {} : { compiler }) };
      return startNode(`await loadSourceLibrary(${JSON.stringify(spec)});`);
    }),
  );
  for (const [, seen] of COMPILERS) await until(() => compiling(seen).length >= SOURCES.length);
  await delay(200);
  for (const node of nodes) node.kill(signal);
  await until(() => nodes.every(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null));
  for (let tries = 0; tries < 100 && processes(sandbox).length > 0; tries += 1) await delay(20);
  expect(processes(sandbox)).toEqual([]);
  const ended = signal === 'SIGUSR2' ? 3 : signal;
  expect(nodes.map(({ exitCode, signalCode }) => exitCode ?? signalCode)).toEqual(nodes.map(() => ended));
});

test('a Node that ends by itself leaves nothing either', async () => {
  const node = startNode(
    `await (await loadSourceLibrary({ name: 'a', source: 'int x;', compiler: 'gcc' })).dispose();`,
  );
  await until(() => node.exitCode !== null);
  expect(node.exitCode).toBe(0);
  expect(processes(sandbox)).toEqual([]);
  expect(readdirSync(sandbox.temporary)).toEqual([]);
});

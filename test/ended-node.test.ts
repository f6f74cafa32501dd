/** What is left of a load when Node ends in the middle of it: no process, no folder. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadSourceLibrary } from '../src/index.ts';
import { sharedObjectLoader } from '../src/loader/shared-object.ts';
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
  ['clang-22', /^\d+ \S*\/clang-22 .* -c /],
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

test.each(ENDS)('%s in the middle of a link leaves no process of the linker', async (_, signal) => {
  const compiler = join(sandbox.cwd, 'slow-linker');
  writeFileSync(compiler, '#!/bin/sh\ncase " $* " in *" -shared "*) sleep 1000 ;; esac\nexec gcc "$@"\n', {
    mode: 0o755,
  });
  const node = startNode(`await loadSourceLibrary(${JSON.stringify({ name: 'cut', source: 'int x;', compiler })});`);
  await until(() => compiling(/sleep 1000/).length > 0);
  node.kill(signal);
  await until(() => node.exitCode !== null || node.signalCode !== null);
  for (let tries = 0; tries < 100 && processes(sandbox).length > 0; tries += 1) await delay(20);
  expect(processes(sandbox)).toEqual([]);
  for (const name of readdirSync(sandbox.temporary)) rmSync(join(sandbox.temporary, name), { recursive: true });
});

describe('temporary folders', () => {
  /** A Node that has header folders, while their compilers wait for a FIFO. */
  async function cutOff(signal: NodeJS.Signals): Promise<void> {
    const spec = { name: 'cut', source: '#include "h.h"\n#include "pipe.h"\n', headers: { 'h.h': 'int x;\n' } };
    const node = startNode(`await loadSourceLibrary(${JSON.stringify({ ...spec, compiler: 'gcc' })});`);
    await until(() => compiling(/\/cc1 /).length > 0);
    expect(readdirSync(sandbox.temporary).length).toBe(1);
    node.kill(signal);
    await until(() => node.exitCode !== null || node.signalCode !== null);
  }

  test('are removed when the process exits', async () => {
    await cutOff('SIGUSR2');
    expect(readdirSync(sandbox.temporary)).toEqual([]);
  });

  test('that a signal left behind are swept by the next process, those of others and of the living are kept', async () => {
    await cutOff('SIGKILL');
    await cutOff('SIGINT');
    const [left] = readdirSync(sandbox.temporary) as [string];
    const [, namespace, pid] = left.split('-') as [string, string, string];
    const uuid = randomUUID();
    const kept = {
      living: `fromsource-${namespace}-${process.pid}-${uuid}`,
      elsewhere: `fromsource-1${namespace}-${pid}-${uuid}`,
      shaped: `fromsource-${namespace}-${pid}-x`,
      open: `fromsource-${namespace}-${pid}-${uuid}`,
      link: `fromsource-${namespace}-${pid}-${uuid.replace(/^./, uuid.startsWith('0') ? '1' : '0')}`,
    };
    const { link, open, ...folders } = kept;
    for (const name of Object.values(folders)) mkdirSync(join(sandbox.temporary, name), { mode: 0o700 });
    mkdirSync(join(sandbox.temporary, open), { mode: 0o755 });
    symlinkSync(sandbox.cwd, join(sandbox.temporary, link));
    const program = `await (await loadSourceLibrary({ name: 'a', source: 'int x;', compiler: 'gcc' })).dispose();`;
    const node = startNode(program);
    await until(() => node.exitCode !== null);
    expect(readdirSync(sandbox.temporary).sort()).toEqual(Object.values(kept).sort());
    expect(readdirSync(sandbox.cwd)).toContain('pipe.h');
    for (const name of Object.values(kept)) rmSync(join(sandbox.temporary, name), { recursive: true });
  });

  test.each(['gcc', 'clang-22'])('that can not be written to are a typed error of %s, by name', async (compiler) => {
    const nowhere = join(sandbox.temporary, 'nowhere');
    process.env.TMPDIR = nowhere;
    const advice = `the temporary folder ${nowhere} can't be used (ENOENT): set TMPDIR to a folder with room`;
    const spec = { name: 'cut', compiler, loader: 'shared-object' } as const;
    const headers = { 'h.h': 'int x;' };
    const compiling = loadSourceLibrary({ ...spec, source: '#include "h.h"', headers, unsafeFlags: true });
    await expect(compiling).rejects.toMatchObject({ name: 'CompileError', message: `cut: ${advice}`, library: 'cut' });
    const linking = sharedObjectLoader.link({
      library: 'cut',
      object: new Uint8Array(),
      language: 'c',
      compilerPath: compiler,
      signal: undefined,
    });
    await expect(linking).rejects.toMatchObject({ name: 'LinkError', message: `cut: ${advice}`, library: 'cut' });
    process.env.TMPDIR = sandbox.temporary;
  });
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

/** The start of the package as a script, with the code that V8 made of it before. */

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BuiltPackage, buildPackage } from './built-package.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
let built: BuiltPackage;
let dist: string;

beforeAll(() => {
  built = buildPackage();
  dist = join(built.folder, 'dist');
});
afterAll(() => built.remove());

/** Runs a module beside the package; what it prints is JSON. */
function run(program: string, ...flags: string[]): unknown {
  const file = join(built.folder, 'program.mjs');
  writeFileSync(file, program);
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, file], { encoding: 'utf8' });
  if (stderr !== '') throw new Error(stderr);
  return JSON.parse(stdout);
}

const codes = () => readdirSync(dist).filter((name) => name.endsWith('.code'));
const ASK = `
  import { script } from './dist/start.js';
  import { loadSourceLibrary } from './dist/index.js';
  const library = await loadSourceLibrary({ name: 'vec', source: 'int add(int a, int b) { return a + b; }', cache: false });
  console.log(JSON.stringify([script.cachedDataRejected ?? 'none', library.func('int add(int, int)')(2, 3)]));
  await library.dispose();`;

test('without kept code V8 compiles as always', () => {
  expect(codes()).toEqual([]);
  expect(run(ASK)).toEqual(['none', 5]);
});

test('kept code is taken by the Node that it was made by, and refused under other flags', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'start-code.mjs'), dist], {
    encoding: 'utf8',
  });
  expect([status, stdout, stderr]).toEqual([0, '', '']);
  expect(codes()).toHaveLength(1);
  expect(run(ASK)).toEqual([false, 5]);
  expect(run(ASK, '--no-opt', '--max-lazy')).toEqual([true, 5]);
});

test('damaged code is never given to V8, which would die of it', () => {
  const file = join(dist, codes()[0] as string);
  const whole = readFileSync(file);
  const damaged = Array.from({ length: 8 }, (_, index) => {
    const bytes = Buffer.from(whole);
    const at = Math.floor((whole.length * (index + 0.5)) / 8);
    if (index % 2 === 0) bytes[at] = (bytes[at] as number) ^ 0x10;
    else bytes.fill(0, at, at + 4096);
    return bytes;
  });
  for (const bytes of [...damaged, whole.subarray(0, 1000), whole.subarray(0, 1001), Buffer.alloc(0)]) {
    writeFileSync(file, bytes);
    expect(run(ASK)).toEqual(['none', 5]);
  }
  // Two halves that are the same, and no code of V8's.
  writeFileSync(file, Buffer.alloc(8192));
  expect(run(ASK)).toEqual([true, 5]);
});

test('a build leaves no code of another script', () => {
  const { status } = spawnSync(process.execPath, ['build.mjs', dist], { cwd: root });
  expect([status, codes()]).toEqual([0, []]);
});

test('a stack names the script and its lines, and a start loads neither compiler nor queue', () => {
  const program = `
    const { loadSourceLibrary } = await import('./dist/index.js');
    const error = await loadSourceLibrary({ name: '' }).catch((error) => error);
    const loaded = ['child_process', 'crypto', 'worker_threads'].filter((name) =>
      process.moduleLoadList.includes('NativeModule ' + name));
    console.log(JSON.stringify([error.stack, loaded]));`;
  const [stack, loaded] = run(program) as [string, string[]];
  expect(stack).toMatch(/at checkName \(.*\/dist\/start\.script\.js:\d+:\d+\)/);
  expect(loaded).toEqual([]);
});

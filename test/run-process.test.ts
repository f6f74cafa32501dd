import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runProcess } from '../src/run-process.ts';
import { descriptors, enterSandbox, expectNothingLeft, type Sandbox } from './compile/leftovers.ts';

let sandbox: Sandbox;
beforeAll(() => {
  sandbox = enterSandbox();
});
afterAll(() => sandbox.remove());

const none = Number.POSITIVE_INFINITY;
const run = (script: string, input: string | null = null) =>
  runProcess({
    command: ['/bin/sh', '-c', script],
    cwd: sandbox.cwd,
    env: { TMPDIR: sandbox.temporary },
    input,
    descriptors: [],
    limits: { timeout: 20_000, maxOutputBytes: none, maxMemoryBytes: none },
    signal: undefined,
  });

describe('what the program says comes through the guard', () => {
  test.each([0, 1, 42, 126, 147, 150, 200, 255])('the exit code %d', async (code) => {
    const before = descriptors();
    expect(await run(`exit ${code}`)).toMatchObject({ exitCode: code, signal: null, stderr: '' });
    await expectNothingLeft(sandbox, before);
  });

  test.each(['SIGKILL', 'SIGSEGV', 'SIGABRT', 'SIGTERM', 'SIGXFSZ', 'SIGXCPU', 'SIGINT'])('%s', async (signal) => {
    expect(await run(`kill -${signal.slice(3)} $$`)).toMatchObject({ exitCode: null, signal, stderr: '' });
  });

  test('input and both outputs', async () => {
    const outcome = await run('cat; echo words >&2', 'text\n');
    expect({ ...outcome, stdout: outcome.stdout.toString() }).toMatchObject({ stdout: 'text\n', stderr: 'words\n' });
  });

  test('it has the descriptors that any child of this process has, and none of the guard', async () => {
    const { stdout } = await run('ls /proc/self/fd');
    expect(stdout.toString()).toBe(execFileSync('ls', ['/proc/self/fd'], { stdio: 'pipe', encoding: 'utf8' }));
  });
});

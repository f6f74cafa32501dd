import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sharedObjectLoader } from '../../src/loader/shared-object.ts';
import { descriptors, enterSandbox, expectNothingLeft, type Sandbox } from '../compile/leftovers.ts';

let sandbox: Sandbox;
let before: readonly string[];
beforeAll(() => {
  sandbox = enterSandbox();
});
afterAll(() => sandbox.remove());
beforeEach(() => {
  before = descriptors();
});
afterEach(async () => await expectNothingLeft(sandbox, before));

/** A linker that is this script. */
function linker(name: string, body: string): string {
  const path = join(sandbox.cwd, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return path;
}
const link = (compilerPath: string, signal?: AbortSignal) =>
  sharedObjectLoader.link({ library: 'lib', object: new Uint8Array(64), language: 'c', compilerPath, signal });

describe('the linker of the shared-object loader', () => {
  test('64 links at once run as many linkers as there are processors', async () => {
    const at = join(sandbox.cwd, 'running');
    const body = `: > ${at}.$$; ls ${at}.* | wc -l >> ${sandbox.cwd}/counts; sleep 0.02; rm ${at}.$$; exit 1`;
    const path = linker('counting', body);
    const results = await Promise.allSettled(Array.from({ length: 64 }, () => link(path)));
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
    const counts = readFileSync(join(sandbox.cwd, 'counts'), 'utf8').trim().split('\n').map(Number);
    expect(counts.length).toBe(64);
    expect(Math.max(...counts)).toBeLessThanOrEqual(availableParallelism());
  });

  test('is ended, with its children, when the signal aborts; one that waits is never started', async () => {
    const path = linker('slow', `: > ${sandbox.cwd}/started.$$; sleep 1000 & sleep 1000`);
    const abort = new AbortController();
    const links = Array.from({ length: 8 }, () => link(path, abort.signal));
    const started = () => readdirSync(sandbox.cwd).filter((name) => name.startsWith('started.')).length;
    while (started() < availableParallelism()) await delay(10);
    abort.abort(new Error('enough'));
    for (const result of await Promise.allSettled(links)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { message: 'enough' } });
    }
    expect(started()).toBe(availableParallelism());
  });

  test.each([
    ['what it says', 'echo no such thing >&2; exit 1', 'lib: the linker failed: no such thing'],
    ['its exit code', 'exit 3', 'lib: the linker failed: exit code 3'],
    ['its signal', 'kill -SEGV $$', 'lib: the linker failed: SIGSEGV'],
  ])('a failure tells %s', async (name, body, message) => {
    await expect(link(linker(name.replaceAll(' ', '-'), body))).rejects.toMatchObject({ name: 'LinkError', message });
  });

  test('one that is not there is a LinkError', async () => {
    await expect(link(join(sandbox.cwd, 'nowhere'))).rejects.toMatchObject({ name: 'LinkError' });
  });
});

import { getEventListeners } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compile } from '../../src/compile/queue.ts';
import type { Toolchain } from '../../src/toolchain/discover.ts';
import { descriptors, enterSandbox, expectNothingLeft, processes, type Sandbox } from './leftovers.ts';
import { installedToolchains, rejectionOf, textRequest } from './requests.ts';

let sandbox: Sandbox;
let before: readonly string[];
let slow: Toolchain;
beforeAll(async () => {
  sandbox = enterSandbox();
  const path = join(sandbox.cwd, 'slow');
  // Counts its starts by the files that it leaves.
  writeFileSync(path, '#!/bin/sh\n: > started.$$\nsleep 1000\n', { mode: 0o755 });
  slow = { kind: 'clang', path, version: '22.1.8', major: 22, target: 'x86_64-pc-linux-gnu', resident: null };
  const [toolchain] = await installedToolchains();
  if (toolchain !== undefined) await compile(toolchain, textRequest('int x;\n'));
});
afterAll(() => sandbox.remove());
beforeEach(() => {
  before = descriptors();
});
afterEach(async () => await expectNothingLeft(sandbox, before));

const started = () => readdirSync(sandbox.cwd).filter((name) => name.startsWith('started.')).length;

describe('compile', () => {
  it('starts as many compilers as there are processors, and lets a waiting request leave at once', async () => {
    const busy = Array.from({ length: availableParallelism() }, () => new AbortController());
    const running = busy.map(({ signal }) => rejectionOf(compile(slow, textRequest('', { signal }))));
    const waiting = new AbortController();
    const queued = rejectionOf(compile(slow, textRequest('', { signal: waiting.signal, limits: { timeout: 1 } })));
    while (started() < busy.length) await delay(10);
    await delay(100);
    // Its millisecond has long passed, but a timeout counts from the start.
    expect(started()).toBe(busy.length);
    const reason = new Error('left');
    waiting.abort(reason);
    expect(await queued).toBe(reason);
    expect(processes(sandbox).length).toBeGreaterThanOrEqual(busy.length);
    for (const controller of busy) controller.abort(reason);
    expect(await Promise.all(running)).toEqual(busy.map(() => reason));
    expect(started()).toBe(busy.length);
    for (const { signal } of [waiting, ...busy]) expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('refuses a request whose signal has aborted already', async () => {
    const reason = new Error('early');
    expect(await rejectionOf(compile(slow, textRequest('', { signal: AbortSignal.abort(reason) })))).toBe(reason);
  });

  it('compiles many requests, each with its own result', async () => {
    for (const toolchain of await installedToolchains()) {
      const names = Array.from({ length: 12 }, (_, index) => `function_number_${index}`);
      const results = await Promise.all(
        names.map((name) =>
          compile(toolchain, textRequest(`#include "h.h"\n`, { headers: { 'h.h': `void ${name}(void) {}\n` } })),
        ),
      );
      for (const [index, { object }] of results.entries()) {
        const found = names.filter((name) => Buffer.from(object).includes(`\0${name}\0`));
        expect(found).toEqual([names[index]]);
      }
    }
  });
});

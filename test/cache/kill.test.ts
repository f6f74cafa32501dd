/** `kill -9` at every step of the write and of eviction: what is left serves the next process, or is swept by it. */

import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { filesIn } from './caches.ts';
import { Children } from './children.ts';
import { buildInterposer, type Fault, type Interposer } from './interpose.ts';

/** FROMSOURCE_KILL_ROUNDS=50 is the long run. */
const ROUNDS = Number(process.env.FROMSOURCE_KILL_ROUNDS ?? 3);
const TIMEOUT = 60_000 + ROUNDS * 3000;

let children: Children;
let interposer: Interposer;
/** A cache with two entries, which knows what its compiler consists of. */
let template: string;
beforeAll(async () => {
  children = new Children();
  interposer = await buildInterposer(children.folder);
  template = children.freshPath();
  await children.well('await once(1); await once(2);', { dir: template });
});
afterAll(() => children.remove());

/** Files beyond those of the template, by kind: one that was there and is gone counts as -1. */
type Left = Readonly<Record<string, number>>;

function countFiles(dir: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of filesIn(dir)) {
    const kind = name.startsWith('tmp/') ? 'tmp' : (name.split('.')[1] ?? name);
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

function leftIn(dir: string): Left {
  const [now, before] = [countFiles(dir), countFiles(template)];
  const kinds = new Set([...Object.keys(now), ...Object.keys(before)]);
  const changes = [...kinds].map((kind) => [kind, (now[kind] ?? 0) - (before[kind] ?? 0)] as const);
  return Object.fromEntries(changes.filter(([, change]) => change !== 0));
}

/** Two at a time: a process waits more than it works. */
async function rounds(program: string, fault: Omit<Fault, 'what'>, left: Left): Promise<void> {
  let begun = 0;
  const worker = async (): Promise<void> => {
    while (begun < ROUNDS) {
      begun += 1;
      await round(program, { ...fault, what: 'kill' }, left);
    }
  };
  await Promise.all([worker(), worker()]);
}

async function round(program: string, fault: Fault, left: Left): Promise<void> {
  const dir = children.freshPath();
  cpSync(template, dir, { recursive: true, preserveTimestamps: true });
  const end = await children.run(program, { dir, env: interposer.fault(fault) });
  expect({ signal: end.signal, stderr: end.stderr }).toEqual({ signal: 'SIGKILL', stderr: '' });
  expect(leftIn(dir)).toEqual(left);
  const [[, , other], { damaged }] = await children.well(
    'say([await once(3), await once(1), await once(4)]); say(await verifyCache({ dir }));',
    { dir },
  );
  expect(other).toBe('miss');
  expect(damaged).toEqual([]);
  expect(readdirSync(join(dir, 'v1', 'tmp'))).toEqual([]);
  const again = await children.well('say([await once(3), await once(1), await once(4)]);', { dir });
  expect(again).toEqual([['hit', 'hit', 'hit']]);
}

describe(`a process that is killed ${ROUNDS} times`, () => {
  test.each<[string, Omit<Fault, 'what'>, Left]>([
    ['before the first temporary file is there', { call: 'open', path: '/v1/tmp/' }, { lock: 1 }],
    ['with half of an object written', { call: 'write', path: '/v1/tmp/', nth: 3, when: 'half' }, { lock: 1, tmp: 1 }],
    ['with all written and nothing on the disk', { call: 'fsync', path: '/v1/tmp/' }, { lock: 1, tmp: 3 }],
    ['with all on the disk and nothing named', { call: 'rename', path: '/v1/tmp/' }, { lock: 1, tmp: 3 }],
    [
      'between the object and its manifest',
      { call: 'rename', path: '.object', when: 'after' },
      { lock: 1, object: 1, tmp: 2 },
    ],
    [
      'when the manifest is named',
      { call: 'rename', path: '.manifest', when: 'after' },
      { lock: 1, memo: 1, object: 1, manifest: 1 },
    ],
    [
      'between the image and the manifest that names it',
      { call: 'rename', path: '.so', when: 'after' },
      { memo: 1, object: 1, manifest: 1, so: 1 },
    ],
  ])(
    'while it writes, %s, leaves a cache that serves the next',
    (_, fault, left) => rounds('await once(3);', fault, left),
    TIMEOUT,
  );

  // Memos are older than any entry, and go first.
  const evicting = 'await once(3, { cache: { dir, maxBytes: 1 }, loader: "orc" });';
  test.each<[string, Omit<Fault, 'what'>, Left]>([
    ['before the first file goes', { call: 'unlink', path: '.memo' }, { memo: 1, object: 1, manifest: 1 }],
    [
      'between a manifest and its object',
      { call: 'unlink', path: '.manifest', when: 'after' },
      { memo: -1, object: 1 },
    ],
    ['with its object gone', { call: 'unlink', path: '.object', when: 'after' }, { memo: -1 }],
  ])(
    'while it evicts, %s, leaves a cache that serves the next',
    (_, fault, left) => rounds(evicting, fault, left),
    TIMEOUT,
  );
});

/** Many that want one library at once: one compiles it, and nobody who holds the lock in vain delays the others. */

import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { discoverToolchain } from '../../src/toolchain/discover.ts';
import { findResident } from '../../src/toolchain/resident.ts';
import { type Child, Children, isStopped, until } from './children.ts';
import { buildInterposer, type Interposer } from './interpose.ts';

let children: Children;
let interposer: Interposer;
/** Compiles as clang or gcc does, after a while, and notes each compile. */
let compiler: string;
let log: string;
let pause: string;
let template: string;
let dir: string;
beforeAll(async () => {
  children = new Children();
  interposer = await buildInterposer(children.folder);
  const { path } = await discoverToolchain({ library: 'flight' });
  [compiler, log, pause] = ['compiler', 'log', 'pause'].map((name) => join(children.folder, name)) as [
    string,
    string,
    string,
  ];
  const note = `echo compile >> '${log}'; sleep "$(cat '${pause}')"`;
  writeFileSync(compiler, `#!/bin/sh\ncase " $* " in *" -E "*) ;; *" -c "*) ${note} ;; esac\nexec '${path}' "$@"\n`, {
    mode: 0o755,
  });
  template = children.freshPath();
  writeFileSync(pause, '0');
  await children.well(`await once(0, { cache: { dir }, compiler: ${JSON.stringify(compiler)} });`, { dir: template });
});
afterAll(() => children.remove());

/** A cache without library 1 that knows its compiler, so that a compile takes what it takes. */
beforeEach(() => {
  dir = children.freshPath();
  cpSync(template, dir, { recursive: true });
  writeFileSync(pause, '0');
  writeFileSync(log, '');
});

const options = (): string => JSON.stringify({ cache: { dir }, compiler });
const compiles = (): number => readFileSync(log, 'utf8').split('\n').length - 1;
const lockOf = (): string | undefined => readdirSync(join(dir, 'v1')).find((name) => name.endsWith('.lock'));

/** Loads library 1, and says how long that took. */
const LOAD = () => `const at = performance.now(); const status = await once(1, ${options()});
say({ status, took: performance.now() - at }); await cacheStats({ dir });`;

/** Starts processes that all wait for the same moment. */
function startMany(count: number): Child[] {
  const startAt = Date.now() + 80 * count;
  return Array.from({ length: count }, () =>
    children.start(`await delay(${startAt} - Date.now());\n${LOAD()}`, { dir }),
  );
}

async function allWell(many: readonly Child[]): Promise<{ status: string; took: number }[]> {
  const ends = await Promise.all(many.map(({ ended }) => ended));
  expect(ends.filter(({ code, stderr }) => code !== 0 || stderr !== '')).toEqual([]);
  return ends.map(({ said }) => said[0]);
}

describe('32 processes that ask for a library at once', () => {
  test('compile it once', async () => {
    writeFileSync(pause, '1');
    const found = await allWell(startMany(32));
    expect(compiles()).toBe(1);
    expect(found.filter(({ status }) => status === 'miss').length).toBe(1);
    expect(lockOf()).toBe(undefined);
  });

  test('compile it twice when the first is killed meanwhile, and go on at once', async () => {
    writeFileSync(pause, '3');
    const many = startMany(32);
    await until('a compile', () => compiles() === 1);
    await until('a lock', () => lockOf() !== undefined);
    const holder = Number(readFileSync(join(dir, 'v1', lockOf() as string), 'utf8').split(' ')[1]);
    const killed = many.find(({ process }) => process.pid === holder) as Child;
    writeFileSync(pause, '0');
    const killedAt = performance.now();
    process.kill(holder, 'SIGKILL');
    await until('a second compile', () => compiles() > 1);
    expect(performance.now() - killedAt).toBeLessThan(2000);
    expect((await killed.ended).signal).toBe('SIGKILL');
    await allWell(many.filter((child) => child !== killed));
    expect(compiles()).toBe(2);
    expect(lockOf()).toBe(undefined);
  });
});

describe('a holder that', () => {
  test('is stopped delays nobody by more than 2 s', async () => {
    writeFileSync(pause, '30');
    const holder = children.start(LOAD(), { dir });
    await until('a compile', () => compiles() === 1);
    process.kill(holder.process.pid as number, 'SIGSTOP');
    writeFileSync(pause, '0');
    const found = await allWell([1, 2, 3, 4].map(() => children.start(LOAD(), { dir })));
    for (const { took } of found) expect(took).toBeLessThan(4000);
    expect(compiles()).toBe(2);
    expect(found.filter(({ status }) => status === 'hit').length).toBe(3);
    process.kill(holder.process.pid as number, 'SIGKILL');
    await holder.ended;
  });

  test('fails lets the others go on at once', async () => {
    writeFileSync(pause, '0.5');
    const failing = `try { await once('}', ${options()}); say('no error'); } catch ({ code }) { say(code); }`;
    const ends = await Promise.all([1, 2, 3].map(() => children.run(failing, { dir })));
    expect(ends.map(({ said }) => said)).toEqual([['ERR_COMPILE'], ['ERR_COMPILE'], ['ERR_COMPILE']]);
    for (const { took } of ends) expect(took).toBeLessThan(8000);
    expect(lockOf()).toBe(undefined);
  });
});

// A one-shot compiler is asked for what it read after the load, which an exit does not wait for.
describe.skipIf(findResident() === null)('a process that exits right after a load (resident compiler only)', () => {
  // What the compiler consists of is read before, which takes longer than an exit waits.
  beforeEach(() => children.well('await once(0); await cacheStats({ dir });', { dir }));

  test('keeps what it compiled, also after it has written before', async () => {
    const program = 'await once(0); await delay(50); await load(1); process.exit(0);';
    const copy = children.freshPath();
    // Of a copy the times are to be noted, which is a write.
    cpSync(dir, copy, { recursive: true });
    await children.well(program, { dir: copy });
    expect(readdirSync(join(copy, 'v1', 'tmp'))).toEqual([]);
    expect(await children.well('say(await once(1));', { dir: copy })).toEqual(['hit']);
  });

  test('gives the lock back when the entry is there', async () => {
    const env = interposer.fault({ call: 'unlink', path: '.lock', when: 'after', what: 'stop' });
    const holder = children.start('await load(1); process.exit(0);', { dir, env });
    await until('a stop', () => isStopped(holder));
    expect(await children.well('say(await once(1));', { dir })).toEqual(['hit']);
    holder.process.kill('SIGCONT');
    expect((await holder.ended).code).toBe(0);
  });
});

describe('what was left as a lock', () => {
  const hourAgo = new Date(Date.now() - 3_600_000);
  const write = (path: string, content: string | Buffer): void => {
    writeFileSync(path, content);
    utimesSync(path, hourAgo, hourAgo);
  };
  const kinds: readonly (readonly [string, number, (path: string) => void])[] = [
    ['the file of a process that was killed', 1500, () => {}],
    ['one of another PID namespace', 4000, (path) => write(path, '1 1 from-elsewhere')],
    ['garbage', 4000, (path) => write(path, Buffer.from([0, 255, 10, 13, 0]))],
    ['an empty file', 4000, (path) => write(path, '')],
    ['a folder', 1500, (path) => [unlinkSync(path), mkdirSync(path)]],
  ];

  test('delays a load by 2 s at the most, and is no warning', async () => {
    writeFileSync(pause, '30');
    const holder = children.start(LOAD(), { dir });
    await until('a compile', () => compiles() === 1);
    const lock = lockOf() as string;
    holder.process.kill('SIGKILL');
    await holder.ended;
    writeFileSync(pause, '0');
    writeFileSync(log, '');
    const killed = dir;
    const found = kinds.map(async ([kind, most, make]) => {
      dir = children.freshPath();
      cpSync(killed, dir, { recursive: true });
      const path = join(dir, 'v1', lock);
      make(path);
      const [{ status, took }] = await children.well(LOAD(), { dir });
      return { kind, status, isInTime: took < most };
    });
    const wanted = kinds.map(([kind]) => ({ kind, status: 'miss', isInTime: true }));
    expect(await Promise.all(found)).toEqual(wanted);
    expect(compiles()).toBe(kinds.length);
  });

  test('and can not be replaced is no lock: there is no folder for what is written', async () => {
    writeFileSync(pause, '30');
    const holder = children.start(LOAD(), { dir });
    await until('a compile', () => compiles() === 1);
    holder.process.kill('SIGKILL');
    await holder.ended;
    writeFileSync(pause, '0');
    rmSync(join(dir, 'v1', 'tmp'), { recursive: true });
    const { code, said, stderr } = await children.run(LOAD(), { dir });
    expect([code, said[0].status]).toEqual([0, 'miss']);
    expect(said[0].took).toBeLessThan(4000);
    // The folder was made anew when something was written.
    expect(stderr).toBe('');
  });
});

describe('in one process', () => {
  // The name of a text is in its code, as `__FILE__`: only a file is the same under any name.
  test.each([
    ['file', 1],
    ['text', 32],
  ])('32 loads of one %s under 32 names compile it %i times', async (kind, count) => {
    writeFileSync(pause, '0.3');
    const file = join(children.folder, 'shared.c');
    writeFileSync(file, 'int value(void) { return 7; }');
    const [statuses] = await children.well(
      `const source = ${kind === 'file' ? `{ file: ${JSON.stringify(file)}, ...${options()} }` : '{ source: sourceOf(7), cache }'};
       const { signal } = new AbortController();
       const all = await Promise.all(Array.from({ length: 32 }, (_, i) =>
         new LibraryRegistry().load({ name: 'name' + i, ...source, signal })));
       say(all.map((library) => library.cache.status + library.func('int value()')()));
       for (const library of all) await library.dispose();`,
      { dir },
    );
    expect(statuses.filter((status: string) => status === 'miss7').length).toBe(count);
    expect(statuses.filter((status: string) => status === 'hit7').length).toBe(32 - count);
    if (kind === 'file') expect(compiles()).toBe(1);
  });

  test('an abort of the first fails the first alone', async () => {
    writeFileSync(pause, '1');
    const [said] = await children.well(
      `const abort = new AbortController();
       const first = load(1, { ...${options()}, signal: abort.signal });
       await delay(300);
       const second = once(1, ${options()});
       await delay(100);
       fs.writeFileSync(${JSON.stringify(pause)}, '0');
       abort.abort(new Error('enough'));
       say([await first.catch(({ message }) => message), await second]);`,
      { dir },
    );
    expect(said).toEqual(['enough', 'miss']);
    expect(compiles()).toBe(2);
  });

  test('an abort of one that waits does not disturb the first', async () => {
    writeFileSync(pause, '1');
    const [said] = await children.well(
      `const abort = new AbortController();
       const first = once(1, ${options()});
       await delay(300);
       const second = load(1, { ...${options()}, signal: abort.signal }).catch(({ message }) => message);
       await delay(100);
       abort.abort(new Error('enough'));
       say([await first, await second]);`,
      { dir },
    );
    expect(said).toEqual(['miss', 'enough']);
    expect(compiles()).toBe(1);
  });

  test('one that waited for another process leaves no lock behind', async () => {
    writeFileSync(pause, '0.7');
    const holder = children.start(LOAD(), { dir });
    await until('a compile', () => compiles() === 1);
    const said = await children.well(
      `const spec = ${options()};
       say(await once(1, spec));
       say(fs.readdirSync(dir + '/v1').filter((name) => name.endsWith('.lock')));
       await clearCache({ dir });
       say(await once(1, spec));`,
      { dir },
    );
    expect(said).toEqual(['hit', [], 'miss']);
    expect((await holder.ended).code).toBe(0);
  });
});

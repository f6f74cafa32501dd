/** Places where a cache can't be, or must not be trusted: the load succeeds without, and says so once. */

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { filesIn } from './caches.ts';
import { Children, type Start } from './children.ts';

let children: Children;
/** A cache that has library 1, its object and its image. */
let template: string;
beforeAll(async () => {
  children = new Children();
  template = children.freshPath();
  await children.well('await once(1);', { dir: template });
});
afterAll(() => children.remove());

const isRoot = process.geteuid?.() === 0;
const NOT_ROOT = isRoot ? null : 'only root can give files to another user';

/** What can't be done on this machine, or null. */
function lacking(what: string, attempt: (folder: string) => void): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'fromsource-test-'));
  try {
    attempt(folder);
    return null;
  } catch (error) {
    return `${what}: ${(error as Error).message.trim().split('\n').slice(0, 2).join('; ')}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** As it is in most containers. */
const NO_MOUNT = isRoot
  ? lacking('nothing can be mounted', (folder) => {
      mount(folder);
      execFileSync('umount', [folder]);
    })
  : 'only root can mount';

/** Root with no privilege is stopped by permissions, as others are. */
const UNPRIVILEGED: readonly string[] = isRoot ? ['setpriv', '--bounding-set', '-all'] : [];
const NO_PRIVILEGES = lacking('nobody can be stopped by permissions', (folder) => {
  chmodSync(folder, 0o500);
  const file = join(folder, 'file');
  const command = [...UNPRIVILEGED, 'sh', '-c', '! touch "$1"', 'sh', file];
  execFileSync(command[0] as string, command.slice(1), { stdio: 'pipe' });
});

function mount(folder: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'tmpfs', folder], { stdio: 'pipe' });
}

/** A test, or why there is none. */
function testUnless(reason: string | null, title: string, body: () => Promise<void>): void {
  if (reason !== null) console.log(`skipped: ${title}: ${reason}`);
  test.skipIf(reason !== null)(title, body);
}

function copyOfTemplate(): string {
  const dir = children.freshPath();
  cpSync(template, dir, { recursive: true });
  return dir;
}

/** Twice, so that a warning that comes with every load is counted. */
const LOAD = `
const statuses = [await once(1), await once(1)];
await cacheStats(dir === undefined ? {} : { dir }).catch(({ code }) => code);
await delay(20);
say({ statuses, every });
`;

/** Loads library 1: it must succeed, with the one warning. */
async function expectWarned(code: string, statuses: readonly string[], start: Start, program = LOAD): Promise<void> {
  const { code: exitCode, signal, said, stderr } = await children.run(program, start);
  expect({ exitCode, signal }).toEqual({ exitCode: 0, signal: null });
  const found = said[0].statuses as string[];
  // Of what can't be kept this is known a little later.
  const settled = code === 'FROMSOURCE_CACHE_FAULT' ? found.map((each) => each.replace('off', 'miss')) : found;
  expect([settled, said[0].every]).toEqual([statuses, [`CacheWarning ${code}`]]);
  expect(stderr.match(/Warning: /g)).toEqual(['Warning: ']);
}

const OFF = ['FROMSOURCE_CACHE_OFF', ['off', 'off']] as const;

describe('nothing is taken from a folder that', () => {
  test.each<[string, (dir: string) => void]>([
    ['others may write to', (dir) => chmodSync(dir, 0o777)],
    ['others may read', (dir) => chmodSync(dir, 0o704)],
    ['has entries that others may write', (dir) => chmodSync(join(dir, 'v1'), 0o770)],
    ['is a link to another', (dir) => [renameSync(dir, `${dir}-real`), symlinkSync(`${dir}-real`, dir)]],
    [
      'has its entries elsewhere, by a link',
      (dir) => [renameSync(join(dir, 'v1'), `${dir}-real`), symlinkSync(`${dir}-real`, join(dir, 'v1'))],
    ],
    ['is a link to nothing', (dir) => [rmSync(dir, { recursive: true }), symlinkSync(`${dir}-gone`, dir)]],
    ['is a file', (dir) => [rmSync(dir, { recursive: true }), writeFileSync(dir, '')]],
    [
      'has a file for its entries',
      (dir) => [rmSync(join(dir, 'v1'), { recursive: true }), writeFileSync(join(dir, 'v1'), '')],
    ],
  ])('%s', async (_, spoil) => {
    const dir = copyOfTemplate();
    spoil(dir);
    await expectWarned(...OFF, { dir });
  });

  testUnless(NOT_ROOT, 'is another user’s', async () => {
    const dir = copyOfTemplate();
    chownSync(dir, 65_534, 65_534);
    await expectWarned(...OFF, { dir });
    chownSync(dir, 0, 0);
    chownSync(join(dir, 'v1'), 65_534, 65_534);
    await expectWarned(...OFF, { dir });
  });

  testUnless(NO_PRIVILEGES, 'can not be reached', async () => {
    const dir = copyOfTemplate();
    const parent = join(dir, '..');
    chmodSync(parent, 0);
    await expectWarned(...OFF, { dir, by: UNPRIVILEGED }).finally(() => chmodSync(parent, 0o700));
  });

  testUnless(NO_PRIVILEGES, 'can not be made', async () => {
    const dir = children.freshPath();
    chmodSync(join(dir, '..'), 0o500);
    await expectWarned(...OFF, { dir, by: UNPRIVILEGED });
  });

  test.each([
    ['a name', 'n'.repeat(300)],
    ['a path', Array.from({ length: 30 }, () => 'n'.repeat(200)).join('/')],
  ])('has too long %s', async (_, name) => {
    await expectWarned(...OFF, { dir: children.freshPath(name) });
  });

  const noPlace = { FROMSOURCE_CACHE_DIR: undefined, XDG_CACHE_HOME: undefined };
  test.each<[string, string | undefined]>([
    ['is not known: there is no HOME', undefined],
    ['is not known: HOME is empty', ''],
    ['depends on where the program runs: HOME is relative', 'home'],
    ['can not be made: HOME is /proc', '/proc'],
  ])('%s', async (_, home) => {
    const cwd = children.freshPath();
    mkdirSync(cwd);
    await expectWarned(...OFF, { cwd, env: { ...noPlace, HOME: home } });
    expect(readdirSync(cwd)).toEqual([]);
  });
});

describe('nothing is taken from an entry whose', () => {
  /** The link leads to the very file that was there, which alone would be trusted. */
  function plant(dir: string, kind: string): void {
    const name = filesIn(dir).find((each) => each.endsWith(kind)) as string;
    const path = join(dir, 'v1', name);
    copyFileSync(path, `${dir}-outside`);
    unlinkSync(path);
    symlinkSync(`${dir}-outside`, path);
  }

  test.each(['manifest', 'so'])('%s is a link to a file elsewhere', async (kind) => {
    const dir = copyOfTemplate();
    plant(dir, `.${kind}`);
    const outside = readFileSync(`${dir}-outside`);
    await expectWarned('FROMSOURCE_CACHE_DAMAGED', ['miss', 'hit'], { dir });
    expect(readFileSync(`${dir}-outside`).equals(outside)).toBe(true);
    expect(await children.well('say([await once(1)]);', { dir })).toEqual([['hit']]);
  });

  test('object is a link to a file elsewhere', async () => {
    const dir = copyOfTemplate();
    plant(dir, '.object');
    const program = LOAD.replaceAll('once(1)', 'once(1, { loader: "orc" })');
    await expectWarned('FROMSOURCE_CACHE_DAMAGED', ['miss', 'hit'], { dir }, program);
  });

  test('manifest is a pipe that nobody writes to', async () => {
    const dir = copyOfTemplate();
    const path = join(dir, 'v1', filesIn(dir).find((each) => each.endsWith('.manifest')) as string);
    unlinkSync(path);
    execFileSync('mkfifo', [path]);
    await expectWarned('FROMSOURCE_CACHE_DAMAGED', ['miss', 'hit'], { dir });
  });

  testUnless(NOT_ROOT, 'manifest is another user’s', async () => {
    const dir = copyOfTemplate();
    chownSync(join(dir, 'v1', filesIn(dir).find((each) => each.endsWith('.manifest')) as string), 65_534, 65_534);
    await expectWarned('FROMSOURCE_CACHE_DAMAGED', ['miss', 'hit'], { dir });
  });
});

describe('a folder', () => {
  test.each(['with space', 'new\nline', 'größe-数-🙂', '%2e $HOME `x` \'"'])('may be named %j', async (name) => {
    const dir = children.freshPath(name);
    const program = 'say([await once(1)]); await cacheStats({ dir });';
    expect(await children.well(program, { dir })).toEqual([['miss']]);
    expect(await children.well(program, { dir })).toEqual([['hit']]);
  });

  test('that is deleted between two loads is made anew by the next process', async () => {
    const dir = copyOfTemplate();
    const program = `const statuses = [await once(1)];
      fs.rmSync(dir, { recursive: true });
      statuses.push(await once(2), await once(1), await once(2));
      await cacheStats({ dir }).catch(() => {});
      await delay(20);
      say({ statuses, every });`;
    await expectWarned('FROMSOURCE_CACHE_FAULT', ['hit', 'miss', 'miss', 'miss'], { dir }, program);
    expect(await children.well('say([await once(1), await once(1)]);', { dir })).toEqual([['miss', 'hit']]);
  });

  testUnless(NO_MOUNT, 'on a full disk keeps what was there, and takes no more', async () => {
    const dir = children.freshPath();
    mkdirSync(dir, { mode: 0o700 });
    mount(dir);
    try {
      cpSync(template, dir, { recursive: true });
      writeFileSync(join(dir, 'rest'), Buffer.alloc(2 ** 19));
      const large = `{ source: 'int value(void) { return 2; } char much[1 << 20] = { 1 };' }`;
      const program = `const statuses = [await once(1), await once(2, ${large}), await once(2, ${large}), await once(1)];
        await cacheStats({ dir });
        await delay(20);
        say({ statuses, every });`;
      await expectWarned('FROMSOURCE_CACHE_FAULT', ['hit', 'miss', 'miss', 'hit'], { dir }, program);
      expect(readdirSync(join(dir, 'v1', 'tmp'))).toEqual([]);
    } finally {
      execFileSync('umount', [dir]);
    }
  });

  testUnless(NO_MOUNT, 'that is mounted read-only serves what is there', async () => {
    const dir = children.freshPath();
    mkdirSync(dir, { mode: 0o700 });
    mount(dir);
    try {
      cpSync(template, dir, { recursive: true });
      const key = filesIn(dir)
        .find((each) => each.endsWith('.manifest'))
        ?.slice(0, 64);
      // As if its holder had just been killed: a lock that nobody can take away.
      for (const name of filesIn(dir))
        if (name.startsWith(`${key}`)) renameSync(join(dir, 'v1', name), join(dir, name));
      writeFileSync(join(dir, 'v1', `${key}.lock`), '0 0 gone');
      execFileSync('mount', ['-o', 'remount,ro', dir]);
      await expectWarned('FROMSOURCE_CACHE_FAULT', ['miss', 'miss'], { dir });
      execFileSync('mount', ['-o', 'remount,rw', dir]);
      for (const name of readdirSync(dir))
        if (name.startsWith(`${key}`)) renameSync(join(dir, name), join(dir, 'v1', name));
      execFileSync('mount', ['-o', 'remount,ro', dir]);
      await expectWarned('FROMSOURCE_CACHE_FAULT', ['hit', 'hit'], { dir });
    } finally {
      execFileSync('umount', [dir]);
    }
  });
});

/** Calls that fail, or take so long that the cache is another one afterwards: the load succeeds all the same. */

import { cpSync, readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Children, isStopped, type Start, until } from './children.ts';
import { buildInterposer, type Fault, type Interposer } from './interpose.ts';

const { EIO, EMFILE, ENOSPC, EROFS } = constants.errno;

let children: Children;
let interposer: Interposer;
/** A cache that has library 1, its object and its image. */
let template: string;
beforeAll(async () => {
  children = new Children();
  interposer = await buildInterposer(children.folder);
  template = children.freshPath();
  await children.well('await once(1);', { dir: template });
});
afterAll(() => children.remove());

function copyOfTemplate(): string {
  const dir = children.freshPath();
  cpSync(template, dir, { recursive: true });
  return dir;
}

/** Of what can't be kept it is known a little later that the cache is off. */
const end =
  'await cacheStats({ dir }); await delay(20); say({ statuses: statuses.map((each) => each.replace("off", "miss")), every });';
const FAULT = ['CacheWarning FROMSOURCE_CACHE_FAULT'];

async function expectSaid(statuses: readonly string[], every: readonly string[], program: string, start: Start) {
  const { code, signal, said, stderr } = await children.run(`${program}\n${end}`, start);
  expect({ code, signal, said, stderr }).toMatchObject({ code: 0, signal: null, said: [{ statuses, every }] });
  expect(stderr.match(/Warning: /g)?.length ?? 0).toBe(every.length);
}

describe('a load succeeds, and warns once, when', () => {
  test.each<[string, Fault]>([
    ['the disk is full', { call: 'write', path: '/v1/tmp/', nth: 0, what: ENOSPC }],
    ['the disk is full after half of the files', { call: 'write', path: '/v1/tmp/', nth: 6, what: ENOSPC }],
    ['the disk does not take what was written', { call: 'fsync', path: '/v1/tmp/', nth: 0, what: EIO }],
    ['nothing can be named', { call: 'rename', path: '/v1/', nth: 0, what: EIO }],
    ['nothing can be written', { call: 'open', path: '/v1/tmp/', nth: 0, what: EROFS }],
    ['nothing can be removed', { call: 'unlink', path: '.lock', nth: 0, what: EROFS }],
  ])('%s', async (title, fault) => {
    const dir = copyOfTemplate();
    // Of a lock nobody needs to hear: it is old in 2 s.
    const every = title === 'nothing can be removed' ? [] : FAULT;
    await expectSaid(['miss', 'hit'], every, 'const statuses = [await once(2), await once(1)];', {
      dir,
      env: interposer.fault(fault),
    });
    expect(readdirSync(join(dir, 'v1', 'tmp'))).toEqual([]);
    expect(await children.well('await once(2); say((await verifyCache({ dir })).damaged);', { dir })).toEqual([[]]);
  });

  test('the use of an entry can not be noted', async () => {
    const fault: Fault = { call: 'utimensat', path: '/v1/', nth: 0, what: EROFS };
    const start = { dir: copyOfTemplate(), env: interposer.fault(fault) };
    // A copy is known by its content first, and then by its time.
    await children.well('await once(1); await cacheStats({ dir });', { dir: start.dir });
    await expectSaid(['hit', 'hit'], FAULT, 'const statuses = [await once(1), await once(1)];', start);
  });

  test.each(['.manifest', '.object'])('there is no descriptor for a %s', async (path) => {
    const fault: Fault = { call: 'open', path, what: EMFILE };
    const start = { dir: copyOfTemplate(), env: interposer.fault(fault) };
    await expectSaid(['miss'], FAULT, 'const statuses = [await once(1, { loader: "orc" })];', start);
  });

  test('all descriptors are taken until the warning', async () => {
    // What is loaded at the first miss is there then.
    const program = `await once(7);
      await cacheStats({ dir });
      const taken = [];
      process.once('warning', () => taken.splice(0).forEach((descriptor) => fs.closeSync(descriptor)));
      const loading = once(1);
      try { for (;;) taken.push(fs.openSync('/dev/null')); } catch {}
      const statuses = [await loading, await once(1)];`;
    const dir = copyOfTemplate();
    const by = ['sh', '-c', 'ulimit -n 256 && exec "$@"', 'sh'];
    await expectSaid(['miss', 'hit'], FAULT, program, { dir, by });
  });
});

describe('an entry that is evicted', () => {
  /** Stops a process at a call, clears its cache, and lets it go on. */
  async function clearedAt(fault: Omit<Fault, 'what'>, program: string): Promise<void> {
    const dir = copyOfTemplate();
    const env = interposer.fault({ ...fault, what: 'stop' });
    const child = children.start(`const statuses = [${program}];\n${end}`, { dir, env });
    await until('a stop', () => isStopped(child));
    await children.well('await clearCache({ dir });', { dir });
    child.process.kill('SIGCONT');
    const { code, said, stderr } = await child.ended;
    expect({ code, said, stderr }).toEqual({ code: 0, said: [{ statuses: ['miss'], every: [] }], stderr: '' });
  }

  test('after its manifest was read is compiled', () =>
    clearedAt({ call: 'open', path: '.object' }, 'await once(1, { loader: "orc" })'));

  test('before its image is opened is compiled', () => clearedAt({ call: 'dlopen', path: '.so' }, 'await once(1)'));

  test.each(['auto', 'orc', 'shared-object'])('while it is live stays so (loader: %s)', async (loader) => {
    const dir = copyOfTemplate();
    const child = children.start(
      `const library = await load(1, { loader: '${loader}' });
       const value = library.func('int value()');
       say(library.cache.status);
       const before = value();
       while (fs.readdirSync(dir + '/v1').length > 1) { value(); await delay(5); }
       say([before, value(), await once(1), await once(1), every]);`,
      { dir },
    );
    await until('a load', () => child.said().length > 0);
    await children.well('await once(2, { cache: { dir, maxBytes: 1 } }); await clearCache({ dir });', { dir });
    const { code, said } = await child.ended;
    expect({ code, said }).toEqual({ code: 0, said: ['hit', [1, 1, 'miss', 'hit', []]] });
  });
});

describe('a clock that is', () => {
  const DAY = 86_400;
  const all = 'say([await once(1), await once(2), await once(2)]); await cacheStats({ dir });';
  test.each([
    // Of a compiler that was changed in the future it can't be told whether it changes just now.
    ['a day late', -DAY, ['off', 'off']],
    ['a day early', DAY, ['miss', 'hit']],
    ['at 1970', -Math.floor(Date.now() / 1000), ['off', 'off']],
  ])('%s costs no more than the cache', async (_, shift, statuses) => {
    const dir = copyOfTemplate();
    const wrong = await children.well(all, { dir, env: interposer.clock(shift) });
    expect(wrong[0].slice(1)).toEqual(statuses);
    expect((await children.well(all, { dir }))[0][2]).toBe('hit');
    expect(await children.well('say((await verifyCache({ dir })).damaged);', { dir })).toEqual([[]]);
  });
});

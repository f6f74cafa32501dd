/** What happens to files between two loads and changes nothing of what was read: nothing is compiled again. */

import { chmodSync, copyFileSync, mkdirSync, utimesSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { findResident } from '../../src/toolchain/resident.ts';
import { holdCaches } from './caches.ts';
import { BY_COMPILER, Project, through } from './projects.ts';

const caches = holdCaches();
const early = through('early');

const HITS: Readonly<Record<string, (project: Project) => void>> = {
  nothing: () => {},
  'a header of another time': ({ path }) => utimesSync(path('include/value.h'), new Date(), new Date()),
  'a header of an earlier time': ({ path }) => utimesSync(path('include/value.h'), 1e8, 1e8),
  'a header that was written again': ({ header }) => header('include/value.h', 1),
  'a header that its copy has replaced': ({ path, rename }) => {
    copyFileSync(path('include/value.h'), path('copy.h'));
    rename('copy.h', 'include/value.h');
  },
  'a header that was changed and changed back': ({ header }) => {
    header('include/value.h', 2);
    header('include/value.h', 1);
  },
  'a header that went and came': ({ rename }) => {
    rename('include/value.h', 'away.h');
    rename('away.h', 'include/value.h');
  },
  'a header of other permissions': ({ path }) => chmodSync(path('include/value.h'), 0o400),
  'a link to the same content in its place': ({ rename, link }) => {
    rename('include/value.h', 'away.h');
    link('include/value.h', '../away.h');
  },
  'the folder of the header, copied': ({ rename, header }) => {
    rename('include', 'away');
    header('include/value.h', 1);
  },
  'a file beside the header': ({ header }) => header('include/other.h', 2),
  'a folder beside the header': ({ path }) => mkdirSync(path('include/other')),
  'a file in an earlier folder': ({ header }) => header('early/other.h', 2),
  'a header in no folder that is searched': ({ header }) => header('unrelated/value.h', 2),
};

let hit = 0;

async function expectHit(change: (project: Project) => void, compiler?: string) {
  const project = new Project(caches, { ...early.files, 'early/unrelated': '', 'later/unrelated': '' });
  expect(await project.value('compiled', early.spec, compiler)).toBe(1);
  change(project);
  expect(await project.value('hit', early.spec, compiler)).toBe(1);
  hit += 1;
}

describe.each(BY_COMPILER)('taken from the cache (compiler: %s) is what did not see', (compiler, takes) => {
  test.each(Object.entries(HITS).filter(takes))('%s', (_, change) => expectHit(change, compiler));
});

// Of other compilers it is only known what they may have looked for.
test.skipIf(findResident() === null)('taken from the cache is what did not see a header in a later folder', () =>
  expectHit(({ header }) => header('later/value.h', 2)),
);

test('of all that makes no difference nothing was compiled again', () => expect(hit).toBeGreaterThanOrEqual(28));

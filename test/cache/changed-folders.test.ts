/** Folders that change between two loads, which no header that was read tells of. */

import { mkdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { findResident } from '../../src/toolchain/resident.ts';
import { holdCaches } from './caches.ts';
import { ANGLED, type Change, Project, through } from './projects.ts';

const caches = holdCaches();

async function expectMiss({ files, spec, prepare, change, after }: Change, compiler?: string) {
  const project = new Project(caches, files);
  prepare?.(project);
  expect(await project.value('compiled', spec, compiler)).toBe(1);
  expect(await project.value('hit', spec, compiler)).toBe(1);
  await change(project);
  expect(await project.value('compiled', spec, compiler)).toBe(after);
}

const BY_ITS_NAME: Change = {
  ...through('early'),
  prepare: ({ path }) => mkdirSync(path('early/value.h'), { recursive: true }),
  change({ remove, header }) {
    remove('early/value.h');
    header('early/value.h', 2);
  },
  after: 2,
};

test.each([undefined, 'clang-22', 'gcc'])('a folder by the name of a header gives way to one (%s)', (compiler) =>
  expectMiss(BY_ITS_NAME, compiler),
);

test('such a folder may come and go', async () => {
  const project = new Project(caches, BY_ITS_NAME.files);
  BY_ITS_NAME.prepare?.(project);
  expect(await project.value('compiled', BY_ITS_NAME.spec)).toBe(1);
  project.write('early/value.h/inner.h', '');
  expect(await project.value('hit', BY_ITS_NAME.spec)).toBe(1);
  project.remove('early/value.h');
  expect(await project.value('hit', BY_ITS_NAME.spec)).toBe(1);
});

const GCC = 'root/usr/lib/gcc/x86_64-linux-gnu';
const ROOTED: Pick<Change, 'files' | 'spec' | 'after'> = {
  files: {
    [`${GCC}/12/crtbegin.o`]: '',
    'root/usr/include/c++/12/value.h': 1,
    'root/usr/include/c++/13/value.h': 2,
    'root/usr/include/c++/13.2.1/value.h': 2,
  },
  spec: ({ path }) => ({
    source: ANGLED.replace('int value', 'extern "C" int value'),
    language: 'c++',
    flags: [`--sysroot=${path('root')}`],
  }),
  after: 2,
};

const INSTALLED: Readonly<Record<string, Pick<Change, 'prepare' | 'change'>>> = {
  'in a new folder': { change: ({ write }) => write(`${GCC}/13/crtbegin.o`, '') },
  'of a version in full': { change: ({ write }) => write(`${GCC}/13.2.1/crtbegin.o`, '') },
  'of another triple': { change: ({ write }) => write('root/usr/lib/gcc/x86_64-redhat-linux/13/crtbegin.o', '') },
  'in another folder of libraries': {
    change: ({ write }) => write('root/usr/lib64/gcc/x86_64-linux-gnu/13/crtbegin.o', ''),
  },
  'in a folder that was there': {
    prepare: ({ path }) => mkdirSync(path(`${GCC}/13`)),
    change: ({ write }) => write(`${GCC}/13/crtbegin.o`, ''),
  },
  'that was the older one of two': {
    prepare({ write, header }) {
      write(`${GCC}/13/crtbegin.o`, '');
      header('root/usr/include/c++/13/value.h', 1);
      header('root/usr/include/c++/12/value.h', 2);
    },
    change: ({ remove }) => remove(`${GCC}/13/crtbegin.o`),
  },
};

describe.skipIf(findResident() === null)('clang takes its headers from a gcc', () => {
  test.each(Object.entries(INSTALLED))('%s', (_, how) => expectMiss({ ...ROOTED, ...how }));
});

test('below another root, what a clang of its own makes is not kept', async () => {
  const project = new Project(caches, ROOTED.files);
  for (let time = 0; time < 2; time += 1) expect(await project.value('compiled', ROOTED.spec, 'clang-22')).toBe(1);
});

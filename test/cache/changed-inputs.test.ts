/** Files that change between two loads: nothing of what was compiled before is taken for what is there now. */

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { checkVariant, digestOfFile, groupAbsent, type Variant } from '../../src/cache/manifest.ts';
import { CompileError } from '../../src/index.ts';
import { findResident } from '../../src/toolchain/resident.ts';
import { holdCaches } from './caches.ts';
import { BY_COMPILER, type Change, direct, file, Project, QUOTED, through } from './projects.ts';

const caches = holdCaches();
const home = process.cwd();
afterEach(() => process.chdir(home));

const MISSES: Readonly<Record<string, Change>> = {
  'a header of the same size and time': { ...direct, change: ({ header }) => header('include/value.h', 2), after: 2 },
  'a header that is deleted': { ...direct, change: ({ remove }) => remove('include/value.h'), after: null },
  'a header that is deleted, where a later folder has one': {
    ...direct,
    files: { ...direct.files, 'later/value.h': 2 },
    change: ({ remove }) => remove('include/value.h'),
    after: 2,
  },
  'a header that another is renamed to': {
    ...direct,
    files: { ...direct.files, 'other.h': 2 },
    change: ({ rename }) => rename('other.h', 'include/value.h'),
    after: 2,
  },
  'a header that hides it from an earlier folder': {
    ...through('early'),
    prepare: ({ path }) => mkdirSync(path('early')),
    change: ({ header }) => header('early/value.h', 2),
    after: 2,
  },
  'a folder that comes to be, with such a header': {
    ...through('early/deep'),
    files: { ...direct.files, 'elsewhere/deep/value.h': 2 },
    change: ({ rename }) => rename('elsewhere', 'early'),
    after: 2,
  },
  'a link that led nowhere': {
    ...through('early'),
    files: { ...direct.files, 'elsewhere/none.h': '' },
    prepare({ path, link }) {
      mkdirSync(path('early'));
      link('early/value.h', '../elsewhere/value.h');
    },
    change: ({ header }) => header('elsewhere/value.h', 2),
    after: 2,
  },
  'a header in the folder of the file, which is searched first': {
    ...file,
    files: { ...file.files, ...direct.files },
    spec: ({ path }) => ({ file: path('src/main.c'), includePaths: [path('include')] }),
    change: ({ header }) => header('src/value.h', 2),
    after: 2,
  },
  'a header in the working folder, which is searched first for a text': {
    files: { ...direct.files, 'here/unrelated': '' },
    spec: ({ path }) => ({ source: QUOTED, includePaths: [path('include')] }),
    prepare: ({ path }) => process.chdir(path('here')),
    change: ({ header }) => header('here/value.h', 2),
    after: 2,
  },
  'a header that a header includes': {
    ...direct,
    files: { 'include/value.h': '#include "inner/more.h"\n', 'include/inner/more.h': 1 },
    change: ({ header }) => header('include/inner/more.h', 2),
    after: 2,
  },
  'a header that hides one that a header includes': {
    ...direct,
    files: { 'include/value.h': '#include "more.h"\n', 'later/more.h': 1 },
    change: ({ header }) => header('include/more.h', 2),
    after: 2,
  },
  'a link to a header that leads elsewhere': {
    ...direct,
    files: { 'one.h': 1, 'two.h': 2, 'include/unrelated': '' },
    prepare: ({ link }) => link('include/value.h', '../one.h'),
    change({ link, rename }) {
      link('new.h', '../two.h');
      rename('new.h', 'include/value.h');
    },
    after: 2,
  },
  'a link to a folder that leads elsewhere': {
    ...direct,
    files: { 'one/value.h': 1, 'two/value.h': 2 },
    prepare: ({ link }) => link('include', 'one'),
    change({ link, rename }) {
      link('new', 'two');
      rename('new', 'include');
    },
    after: 2,
  },
  'a folder that is renamed to that of the header': {
    ...direct,
    files: { 'include/value.h': 1, 'other/value.h': 2 },
    change({ rename }) {
      rename('include', 'old');
      rename('other', 'include');
    },
    after: 2,
  },
  'a folder that gives way to a file': {
    ...direct,
    files: { ...direct.files, 'later/value.h': 2 },
    change({ remove, write }) {
      remove('include');
      write('include', '');
    },
    after: 2,
  },
  'a header that gives way to a folder': {
    ...direct,
    change({ remove, path }) {
      remove('include/value.h');
      mkdirSync(path('include/value.h'));
    },
    after: null,
  },
  'a header that gives way to a link to itself': {
    ...direct,
    change({ remove, link }) {
      remove('include/value.h');
      link('include/value.h', 'value.h');
    },
    after: null,
  },
  'the file itself': {
    ...file,
    files: { 'src/main.c': 'int value(void) { return 1; }\n' },
    change: ({ write }) => write('src/main.c', 'int value(void) { return 2; }\n'),
    after: 2,
  },
  'the file itself, which is gone': {
    ...file,
    files: { 'src/main.c': 'int value(void) { return 1; }\n' },
    change: ({ remove }) => remove('src/main.c'),
    after: null,
  },
  'a file that a flag includes': {
    ...direct,
    spec: ({ path }) => ({
      source: 'int value(void) { return VALUE; }\n',
      flags: ['-include', path('include/value.h')],
    }),
    change: ({ header }) => header('include/value.h', 2),
    after: 2,
  },
};

/** The resident driver sees these; of other compilers such a compile may not be kept at all. */
const SEEN_BY_THE_DRIVER: Readonly<Record<string, Change>> = {
  'a header that the source asks for': {
    files: { 'include/other.h': '' },
    spec: ({ path }) => ({
      source:
        '#if __has_include(<value.h>)\n#include <value.h>\n#else\n#define VALUE 1\n#endif\nint value(void) { return VALUE; }',
      includePaths: [path('include')],
    }),
    change: ({ header }) => header('include/value.h', 2),
    after: 2,
  },
  'a file that is embedded': {
    files: { 'include/data.bin': '\u0001' },
    spec: ({ path }) => ({
      source: `static const char data[] = {\n#embed "${path('include/data.bin')}"\n};\nint value(void) { return data[0]; }\n`,
      flags: ['-std=c23'],
    }),
    change: ({ write }) => write('include/data.bin', '\u0002'),
    after: 2,
  },
  'a file that assembly includes': {
    files: { 'include/data.bin': '\u0001' },
    spec: ({ path }) => ({
      source: `__asm__(".data\\ndata: .incbin \\"${path('include/data.bin')}\\"\\n.text\\n");\nextern const char data[];\nint value(void) { return data[0]; }\n`,
    }),
    change: ({ write }) => write('include/data.bin', '\u0002'),
    after: 2,
  },
};

let missed = 0;

async function expectMiss({ files, spec, prepare, change, after }: Change, compiler?: string) {
  const project = new Project(caches, files);
  prepare?.(project);
  expect(await project.value('compiled', spec, compiler)).toBe(1);
  expect(await project.value('hit', spec, compiler)).toBe(1);
  await change(project);
  const value = project.value('compiled', spec, compiler);
  if (after === null) await expect(value).rejects.toThrow(CompileError);
  else expect(await value).toBe(after);
  missed += 1;
}

describe.each(BY_COMPILER)('not taken from the cache (compiler: %s) is what read', (compiler, takes) => {
  test.each(Object.entries(MISSES).filter(takes))('%s', (_, change) => expectMiss(change, compiler));
});

describe.skipIf(findResident() === null)('not taken from the cache is what read', () => {
  test.each(Object.entries(SEEN_BY_THE_DRIVER))('%s', (_, change) => expectMiss(change));
});

describe('a folder between an absent header and where it was looked for', () => {
  const later = Date.now() + 60_000;
  const variant = (absent: Variant['absent']) => ({ read: [], tools: [], absent, listed: [] }) as unknown as Variant;
  const groupsOf = (...paths: string[]) => {
    const groups = groupAbsent(paths, later);
    if (typeof groups === 'string') throw new Error(groups);
    return groups;
  };

  test('is watched from when it comes to be', () => {
    const { path, header } = new Project(caches, {});
    mkdirSync(path('early'));
    const before = variant(groupsOf(path('early/deep/value.h'), path('early/other.h')));
    mkdirSync(path('early/deep'));
    const check = checkVariant(before, later);
    if (!check.holds || check.renewed === null) throw new Error('it is not renewed');
    expect(checkVariant(check.renewed, later)).toEqual({ holds: true, renewed: null });
    header('early/deep/value.h', 2);
    const reason = `${path('early/deep/value.h')} appeared`;
    expect(checkVariant(check.renewed, later)).toEqual({ holds: false, reason });
    expect(checkVariant(before, later)).toEqual({ holds: false, reason });
  });

  test('may be a file for a while', () => {
    const { path, write, remove, header } = new Project(caches, {});
    write('early', '');
    const before = variant(groupsOf(path('early/value.h')));
    expect(checkVariant(before, later)).toEqual({ holds: true, renewed: null });
    remove('early');
    expect(checkVariant(before, later).holds).toBe(true);
    header('early/value.h', 2);
    expect(checkVariant(before, later).holds).toBe(false);
  });
});

test('a pipe in the place of a header is not waited for', () => {
  const { path, header, remove } = new Project(caches, {});
  header('value.h', 1);
  const read = [{ path: path('value.h'), digest: digestOfFile(path('value.h')) as string, identity: null }];
  const variant = { read, tools: [], absent: [], listed: [] } as unknown as Variant;
  expect(checkVariant(variant, Date.now()).holds).toBe(true);
  remove('value.h');
  execFileSync('mkfifo', [path('value.h')]);
  expect(checkVariant(variant, Date.now())).toEqual({ holds: false, reason: `${path('value.h')} changed` });
});

describe('a compiler that is a script', () => {
  const script = (value: number) => `#!/bin/sh\nexec clang-22 -DVALUE=${value} "$@"\n`;
  const spec = ({ path }: Project) => ({ source: 'int value(void) { return VALUE; }\n', compiler: path('cc') });
  /** Compilers are kept track of only when they have not changed for two seconds. */
  const settle = () => delay(2100);

  test('is read again where it was written again', async () => {
    const { project, value } = scripted();
    project.write('cc', script(1));
    chmodSync(project.path('cc'), 0o755);
    await settle();
    expect(await value('compiled')).toBe(1);
    expect(await value('hit')).toBe(1);
    project.write('cc', script(1));
    expect(await value('hit')).toBe(1);
    project.write('cc', script(2));
    expect(await value('compiled')).toBe(2);
  });

  test('is another one where its link leads elsewhere', async () => {
    const { project, value } = scripted();
    for (const each of [1, 2]) {
      project.write(`cc${each}`, script(each));
      chmodSync(project.path(`cc${each}`), 0o755);
    }
    project.link('cc', 'cc1');
    await settle();
    expect(await value('compiled')).toBe(1);
    expect(await value('hit')).toBe(1);
    project.link('new', 'cc2');
    project.rename('new', 'cc');
    expect(await value('compiled')).toBe(2);
  });

  function scripted() {
    const project = new Project(caches, {});
    return { project, value: (how: 'hit' | 'compiled') => project.value(how, spec) };
  }
});

test('of all changes none was overlooked', () => expect(missed).toBeGreaterThanOrEqual(40));

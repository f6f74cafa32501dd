import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listFiles, matchFiles } from '../src/file-patterns.ts';
import { resolveFiles } from '../src/input-files.ts';

const root = mkdtempSync(join(tmpdir(), 'fromsource-patterns-'));
const FILES = [
  'a.c',
  'b.c',
  'b.h',
  '.hidden.c',
  'a+b (1).c',
  'é.c',
  'src/x.cpp',
  'src/deep/y.cpp',
  'src/deep/er/z.cpp',
  'src/.git/w.cpp',
  'star*/s.c',
];

beforeAll(() => {
  for (const file of FILES) {
    mkdirSync(join(root, file, '..'), { recursive: true });
    writeFileSync(join(root, file), '');
  }
  mkdirSync(join(root, 'folder.c'));
  symlinkSync('..', join(root, 'src/loop'));
  symlinkSync('a.c', join(root, 'link.c'));
  symlinkSync('nowhere.c', join(root, 'broken.c'));
});
afterAll(() => rmSync(root, { recursive: true }));

describe('a pattern', () => {
  test.each([
    ['*.c', ['a+b (1).c', 'a.c', 'b.c', 'link.c', 'é.c']],
    ['?.c', ['a.c', 'b.c', 'é.c']],
    ['.*.c', ['.hidden.c']],
    ['a+*.c', ['a+b (1).c']],
    ['./b.*', ['b.c', 'b.h']],
    ['src/*.cpp', ['src/x.cpp']],
    ['src/**/*.cpp', ['src/deep/er/z.cpp', 'src/deep/y.cpp', 'src/x.cpp']],
    ['**/**/z.cpp', ['src/deep/er/z.cpp']],
    ['src/**', ['src/deep/er/z.cpp', 'src/deep/y.cpp', 'src/x.cpp']],
    ['s*/deep/*.cpp', ['src/deep/y.cpp']],
    ['src/deep/../*.cpp', ['src/x.cpp']],
    ['src/loop/?.c', ['src/loop/a.c', 'src/loop/b.c', 'src/loop/é.c']],
    ['star*/s.c', ['star*/s.c']],
    ['*', ['a+b (1).c', 'a.c', 'b.c', 'b.h', 'link.c', 'é.c']],
    ['none*.c', []],
    ['a.c/*', []],
  ])('%s matches the files that it says, sorted', (pattern, expected) => {
    expect(matchFiles(root, pattern)).toEqual(expected.map((file) => join(root, file)));
    expect(matchFiles('/', join(root, pattern))).toEqual(expected.map((file) => join(root, file)));
  });
});

describe('a list of files', () => {
  const list = (files: string[], language?: 'c' | 'c++') =>
    listFiles({ kind: 'files', files, folder: root, language: language ?? null });

  test('keeps its order, and has each file once', () => {
    expect(list(['src/x.cpp', 'b.c', '?.c', './b.c']).map(({ path, language }) => [path, language])).toEqual([
      [join(root, 'src/x.cpp'), 'c++'],
      [join(root, 'b.c'), 'c'],
      [join(root, 'a.c'), 'c'],
      [join(root, 'é.c'), 'c'],
    ]);
    expect(list(['b.?'], 'c++').map(({ language }) => language)).toEqual(['c++', 'c++']);
  });

  test('names what is wrong', () => {
    expect(() => list(['a.c', 'none*.c'])).toThrow(
      `Expected \`files[1]\` to be a pattern that matches a file, in ${root}, got \`none*.c\` (string)`,
    );
    expect(() => list(['b.*'])).toThrow(
      `Expected \`files[0]\` to be a path with one of the extensions .c .cc .cpp .cxx .c++ .C, or to come with a \`language\`, got \`${join(root, 'b.h')}\` (string)`,
    );
    expect(() => resolveFiles('a.c', undefined)).toThrow('Expected `files` to be an array of paths and patterns');
    expect(() => resolveFiles([], undefined)).toThrow('Expected `files` to be one file or more');
    expect(() => resolveFiles(['a.c', ''], undefined)).toThrow('Expected `files[1]` to be a non-empty string');
    expect(() => resolveFiles(['a.inc'], undefined)).toThrow('Expected `files[0]` to be a path with one of');
    expect(resolveFiles(['a.inc'], 'c').files).toEqual(['a.inc']);
  });
});

import { describe, expect, test } from 'vitest';
import { readRecorded, splitCommand } from '../../src/compile/recorded-command.ts';

describe('a command is split as a shell splits it', () => {
  test.each([
    ['cc -c a.c', ['cc', '-c', 'a.c']],
    ['  cc\t-c \n a.c ', ['cc', '-c', 'a.c']],
    [`cc '-DA="x y"' -DB=\\"q\\"`, ['cc', '-DA="x y"', '-DB="q"']],
    [`cc "-DC=a\\"b\\\\c\\d \\$e"`, ['cc', '-DC=a"b\\c\\d $e']],
    [`cc a''b "" ''`, ['cc', 'ab', '', '']],
    ['cc a\\ b c\\\nd', ['cc', 'a b', 'cd']],
    [`cc -I/x/"with space"/y`, ['cc', '-I/x/with space/y']],
    ['', []],
  ])('%j', (command, words) => expect(splitCommand(command)).toEqual(words));

  test.each([
    [`cc 'a`, "a ' is left open"],
    ['cc "a', 'a " is left open'],
    ['cc a\\', 'it ends with a backslash'],
  ])('%j is refused', (command, reason) => expect(() => splitCommand(command)).toThrow(reason));
});

describe('what an entry says of its file', () => {
  const read = (...words: string[]) => readRecorded(words, '/d', '/d/a.c', (path) => path === '/d/conf.h');

  test('is without outputs, dependencies, and the file itself', () => {
    const noise = ['-c', '-o', 'a.o', '-MD', '-MT', 'a.o', '-MF', 'a.d', '-MMD', '-MP', '-oa.o', '--', 'a.c', '/d/a.c'];
    expect(read('/usr/bin/cc', '-O3', ...noise, '-g')).toEqual({ flags: ['-O3', '-g'], language: null });
  });

  test('has folders from where the entry starts', () => {
    const words = ['-Iinc', '-I', '../up', '-isystem', '/abs', '-iquote', '.', '--sysroot=root', '-I=sys'];
    expect(read('cc', ...words, '-include', 'conf.h', '-include', 'stdio.h', '-DX=rel/path').flags).toEqual([
      ...['-I', '/d/inc', '-I', '/up', '-isystem', '/abs', '-iquote', '/d', '--sysroot=/d/root', '-I=sys'],
      ...['-include', '/d/conf.h', '-include', 'stdio.h', '-DX=rel/path'],
    ]);
  });

  test.each([
    [['cc', '-x', 'c++', 'a.c'], 'c++'],
    [['cc', '-xc', 'a.c'], 'c'],
    [['/usr/bin/g++-13', 'a.c'], 'c++'],
    [['ccache', 'clang++', 'a.c'], 'c++'],
    [['x86_64-linux-gnu-g++', 'a.c'], 'c++'],
    [['clang-22', 'a.c'], null],
  ])('has the language of %j', (words, language) => expect(read(...words)).toEqual({ flags: [], language }));

  test('leaves the rest to be judged', () => {
    expect(read('cc', '-flto', '@args', 'other.c', '-x', 'cuda').flags).toEqual([
      '-flto',
      '@args',
      'other.c',
      '-x',
      'cuda',
    ]);
  });
});

/** What is read from linker scripts and from pkg-config. */

import { describe, expect, test } from 'vitest';
import { deniedImports } from '../../src/import-policy.ts';
import { readLinkerScript } from '../../src/libraries/linker-script.ts';
import { readNeeds, splitWords } from '../../src/toolchain/pkg-config.ts';

describe('linker scripts', () => {
  test.each([
    [
      '/* GNU ld script\n   Use the shared library */\nOUTPUT_FORMAT(elf64-x86-64)\nGROUP ( /lib/libc.so.6 /usr/lib/libc_nonshared.a  AS_NEEDED ( /lib64/ld-linux-x86-64.so.2 ) )\n',
      [{ path: '/lib/libc.so.6' }, { path: '/usr/lib/libc_nonshared.a' }, { path: '/lib64/ld-linux-x86-64.so.2' }],
    ],
    ['INPUT(libncurses.so.6 -ltinfo)', [{ file: 'libncurses.so.6' }, { name: 'tinfo' }]],
    ['INPUT(a.so, "b c.so")', [{ file: 'a.so' }, { file: 'b c.so' }]],
    ['SEARCH_DIR(/x) INPUT(-la) GROUP(-lb)', [{ name: 'a' }, { name: 'b' }]],
    ['no library at all', null],
    ['', null],
  ])('%j', (text, items) => expect(readLinkerScript(text)).toEqual(items));
});

describe('pkg-config', () => {
  test.each([
    ['-I/usr/include/libpng16 -lz  -lpng16 \n', ['-I/usr/include/libpng16', '-lz', '-lpng16']],
    ['-I/a\\ b -DX=\\"y\\"', ['-I/a b', '-DX="y"']],
    ['-I"/a b" \'-Dc d\'', ['-I/a b', '-Dc d']],
    ['', []],
  ])('words of %j', (text, words) => expect(splitWords(text)).toEqual(words));

  test('paths, names and files are told from flags', () => {
    expect(
      readNeeds(['-DA'], ['-L/x', '-la', '/y/libb.a', '-Wl,--as-needed', '-pthread', '-L/x', '-la', '-odd']),
    ).toEqual({
      flags: ['-DA', '-odd'],
      libraryPaths: ['/x'],
      libraries: ['a', '/y/libb.a'],
    });
  });
});

describe('policies of imports', () => {
  test.each([
    [{ allow: undefined, deny: ['exec*'] }, ['execve', 'exec', 'my_exec'], ['exec', 'execve']],
    [{ allow: [], deny: [] }, ['b', 'a', '_GLOBAL_OFFSET_TABLE_'], ['a', 'b']],
    [{ allow: ['a*', '_Z*'], deny: ['ab'] }, ['ab', 'ac', 'b', '_Z1fi'], ['ab', 'b']],
    [{ allow: ['a.c'], deny: [] }, ['abc', 'a.c'], ['abc']],
  ])('%j of %j', (policy, names, denied) => expect(deniedImports(policy, names)).toEqual(denied));
});

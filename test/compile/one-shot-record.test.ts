import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest';
import type { CompileRequest } from '../../src/compile/compiler.ts';
import { compileOneShot } from '../../src/compile/one-shot.ts';
import { recordOneShot } from '../../src/compile/one-shot-record.ts';
import { parseSearchList } from '../../src/compile/search-list.ts';
import { enterSandbox, type Sandbox } from './leftovers.ts';
import { isCovered, write } from './record-checks.ts';
import { installedToolchains, textRequest } from './requests.ts';

const toolchains = await installedToolchains();
let sandbox: Sandbox;
const here = (name: string) => join(sandbox.cwd, name);

beforeAll(() => {
  sandbox = enterSandbox();
});
afterAll(() => {
  sandbox.remove();
});

describe.each(toolchains)('recordOneShot with $kind', (toolchain) => {
  const record = async (request: CompileRequest) => {
    const startedAt = Date.now();
    const { dependencies } = await compileOneShot(toolchain, request);
    return await recordOneShot(toolchain, request, dependencies, startedAt);
  };
  const ofText = (text: string, variation: Parameters<typeof textRequest>[1] = {}) =>
    record(textRequest(text, variation));

  afterEach(() => execFileSync('find', [sandbox.cwd, '-mindepth', '1', '-delete']));

  it('has each file with size and digest, by path', async () => {
    await write({ 'near.h': 'int near;\n', 'inc/far.h': 'int far;\n' });
    const { read, volatile } = await ofText('#include "near.h"\n#include <far.h>\n', { includePaths: ['inc'] });
    const own = read.filter(({ path }) => path.startsWith(sandbox.cwd));
    const digest = (text: string) => createHash('sha256').update(text).digest('hex');
    expect(own).toEqual([
      { path: here('inc/far.h'), size: 9, digest: digest('int far;\n') },
      { path: here('near.h'), size: 10, digest: digest('int near;\n') },
    ]);
    expect(volatile).toEqual([]);
  });

  it('misses a header that would be found in an earlier folder, or beside the text', async () => {
    await write({ 'late/x.h': 'int x;\n', 'early/y.h': '' });
    const found = await ofText('#include "x.h"\n', { includePaths: ['early', 'late'] });
    expect(found.absent).toContain(here('early/x.h'));
    expect(found.absent).toContain(here('x.h'));
    expect(found.volatile).toEqual([]);
  });

  it('misses a file in the place of a folder, which compilers pass over', async () => {
    await write({ 'late/x.h': 'int x;\n', 'early/x.h/y.h': '', 'empty/x.h': '' });
    execFileSync('rm', ['empty/x.h']);
    const found = await ofText('#include <x.h>\n', { includePaths: ['early', 'empty', 'late'] });
    expect(found.absent).toContain(here('early/x.h/'));
    expect(found.absent).toContain(here('empty/'));
    expect(found.volatile).toEqual([]);
  });

  it('lists where a gcc may come to be that clang takes headers from, but below no other root', async () => {
    const { listed, volatile } = await ofText('#include <stddef.h>\n');
    expect(volatile).toEqual([]);
    const digest = (names: string[]) =>
      createHash('sha256')
        .update(names.map((name) => `${name}\0`).join(''))
        .digest('hex');
    const folders = existsSync('/usr/lib/gcc') ? ['/usr/lib/gcc'] : [];
    for (const folder of folders)
      folders.push(
        ...readdirSync(folder)
          .map((name) => join(folder, name))
          .filter((path) => path.split('/').length < 7),
      );
    const expected = folders.map((path) => ({ path, digest: digest(readdirSync(path).sort()) }));
    expect(listed).toEqual(toolchain.kind === 'clang' ? expect.arrayContaining(expected) : []);
    const rooted = await ofText('int x;\n', { flags: ['--sysroot=/'] });
    const reason = '--sysroot=/ can have clang take the headers of another gcc';
    expect(rooted.volatile).toEqual(toolchain.kind === 'clang' ? [reason] : []);
  });

  it('misses a folder that would be searched if it were there', async () => {
    await write({ 'late/x.h': 'int x;\n' });
    const flags = ['-isystem', 'gone/system', '-iquote', 'gone/quote'];
    const { absent } = await ofText('#include <x.h>\n', { includePaths: ['gone/inc', 'late'], flags });
    expect(absent).toContain(here('gone'));
    const noFolder = await ofText('#include <x.h>\n', { includePaths: ['late/x.h', 'late'] });
    expect(noFolder.absent).toContain(here('late/x.h/x.h'));
  });

  it('misses a folder of the list again that has gone since it was asked for', async () => {
    await write({ 'a/x.h': 'int x;\n', 'b/x.h': 'int y;\n' });
    const variation = { includePaths: ['a', 'b'] };
    expect((await ofText('#include <x.h>\n', variation)).absent).not.toContain(here('a'));
    execFileSync('rm', ['-r', 'a']);
    expect((await ofText('#include <x.h>\n', variation)).absent).toContain(here('a'));
  });

  it('follows #include_next past the folder of the header', async () => {
    await write({ '1/x.h': '#include_next <x.h>\n', '2/y.h': '', '3/x.h': 'int x;\n' });
    const { absent } = await ofText('#include <x.h>\n', { includePaths: ['1', '2', '3'] });
    expect(absent).toContain(here('2/x.h'));
  });

  it('starts quoted includes at the folder of the header', async () => {
    await write({
      'lib/a.h': '#include "sub/b.h"\n',
      'inc/sub/b.h': '#include "c.h"\n',
      'inc/c.h': '',
      'lib/sub/z.h': '',
    });
    const { absent, volatile } = await ofText('#include "lib/a.h"\n', { includePaths: ['inc'] });
    for (const name of ['lib/sub/b.h', 'inc/sub/c.h', 'inc/lib']) expect(absent).toContain(here(name));
    expect(volatile).toEqual([]);
  });

  it('follows names that go up, through links to where they lead', async () => {
    await write({ 'real/deep/x.h': '#include "../y.h"\n', 'inc/y.h': '', 'y.h': '', 'other/z.h': '' });
    symlinkSync('../real/deep', 'other/link');
    writeFileSync('real/y.h', '');
    await delay(25);
    const { absent, read } = await ofText('#include "other/link/x.h"\n#include <../y.h>\n', { includePaths: ['inc'] });
    expect(read.map(({ path }) => path)).toContain(here('y.h'));
    expect(absent).toContain(here('inc/other'));
  });

  it('takes a macro for any of the files read, and gives up where it may go up', async () => {
    await write({ 'lib/a.h': '#include CONFIG\n', 'lib/z.h': '', 'inc/config.h': '#define X 1\n' });
    const plain = await ofText('#include "lib/a.h"\n', { includePaths: ['inc'], defines: { CONFIG: '"config.h"' } });
    expect(plain.absent).toContain(here('lib/config.h'));
    expect(plain.volatile).toEqual([]);
    const up = await ofText('#include "lib/a.h"\n', { defines: { CONFIG: '"../inc/config.h"' } });
    expect(up.volatile).toEqual(['#include of a macro that may have `..` in it']);
  });

  it('has what __has_include did not find, in the text, in headers, and beside them', async () => {
    await write({ 'lib/a.h': '#if __has_include("opt.h")\n#endif\n', 'inc/b.h': '' });
    const text =
      '#include "lib/a.h"\n#if __has_include(<never/there.h>)\n#endif\n#if 0\n#include "nowhere.h"\n#endif\n';
    const found = await ofText(text, { includePaths: ['inc'] });
    for (const name of ['lib/opt.h', 'inc/opt.h', 'inc/never']) expect(found.absent).toContain(here(name));
    expect(isCovered(found, '/usr/include/never/there.h')).toBe(true);
    expect(found.absent.filter((path) => path.endsWith('nowhere.h'))).toEqual([]);
    const macro = await ofText('#define NAME "x.h"\n#if __has_include(NAME)\n#endif\n');
    expect(macro.volatile).toEqual(['vec.c has __has_include of a macro']);
  });

  it('names no folder of in-memory headers, and knows that only the working folder comes before them', async () => {
    await write({ 'inc/disk.h': '#include "own.h"\n' });
    const headers = { 'own.h': '#include "sub/b.h"\n', 'sub/b.h': '#include "c.h"\n', 'sub/c.h': 'int c;\n' };
    const found = await ofText('#include "disk.h"\n#include "own.h"\n', { headers, includePaths: ['inc'] });
    expect(found.absent).toContain(here('own.h'));
    expect(found.absent).toContain(here('inc/own.h'));
    expect(found.absent.filter((path) => path.startsWith(sandbox.temporary) || path.endsWith('/c.h'))).toEqual([]);
    expect(found.read.map(({ path }) => path).filter((path) => path.startsWith(sandbox.temporary))).toEqual([]);
    expect(found.volatile).toEqual([]);
  });

  it('has the precompiled headers that would be taken', async () => {
    await write({ 'forced.h': 'int f;\n', 'inc/z.h': '' });
    const { absent } = await ofText('#include <limits.h>\n', {
      flags: ['-include', 'forced.h'],
      includePaths: ['inc'],
    });
    expect(absent).toContain(here('forced.h.gch'));
    expect(absent).toContain(here(toolchain.kind === 'clang' ? 'forced.h.pch' : 'inc/forced.h.gch'));
  });

  it('reads a source file, and starts its quoted includes beside it', async () => {
    await write({ 'src/main.c': '#include "x.h"\n', 'inc/x.h': 'int x;\n' });
    const input = { kind: 'file', path: 'src/main.c' } as const;
    const found = await record({ ...textRequest(''), input, includePaths: ['inc'] });
    expect(found.absent).toContain(here('src/x.h'));
    expect(found.absent).not.toContain(here('x.h'));
    expect(found.read.map(({ path }) => path)).toContain(here('src/main.c'));
  });

  it('says which files changed, appeared or vanished during the compile', async () => {
    await write({ 'x.h': 'int x;\n', 'inc/y.h': 'int y;\n', 'late/y.h': 'int z;\n', 'gone.h': '' });
    const startedAt = Date.now();
    const request = textRequest('#include "x.h"\n#include <y.h>\n#include "gone.h"\n', {
      includePaths: ['inc', 'late'],
    });
    const { dependencies } = await compileOneShot(toolchain, request);
    writeFileSync('x.h', 'int y;\n');
    // A time that a program sets does not hide a change.
    utimesSync('x.h', 1, 1);
    execFileSync('rm', ['gone.h']);
    writeFileSync('y.h', '');
    execFileSync('touch', ['late/y.h']);
    const { volatile } = await recordOneShot(toolchain, request, dependencies, startedAt);
    expect(volatile).toEqual([
      `${here('gone.h')} vanished during the compile`,
      `${here('late/y.h')} appeared during the compile`,
      `${here('x.h')} changed during the compile`,
    ]);
  });

  it('says what makes a compile unrepeatable, in the text, in headers, in macros and flags', async () => {
    await write({ 'x.h': 'static const char *t = __TIME__;\n', 'p.bin': '' });
    const headers = { 'm.h': 'static const char *s = __TIMESTAMP__;\n' };
    const text = '#include "x.h"\n#include "m.h"\nconst char *d = __DATE__; const char *b = BUILT;\n';
    const { volatile } = await ofText(text, { headers, defines: { BUILT: '__DATE__' } });
    expect(volatile).toEqual(
      ['m.h has __TIMESTAMP__', 'the command has __DATE__', 'vec.c has __DATE__', `${here('x.h')} has __TIME__`].sort(),
    );
    const request = textRequest('int x;\n', { flags: [`-fprofile-use=${here('p.bin')}`, '-fdebug-prefix-map=/a=/b'] });
    expect((await recordOneShot(toolchain, request, [], Date.now())).volatile).toContain(
      `-fprofile-use=${here('p.bin')} can have the compiler read files that it does not list`,
    );
    for (const flag of ['-fbasic-block-sections=list=names.txt', '-fxray-attr-list=names.txt']) {
      const listing = await recordOneShot(toolchain, textRequest('', { flags: [flag] }), [], Date.now());
      expect(listing.volatile).toContain(`${flag} can have the compiler read files that it does not list`);
    }
    const device = await recordOneShot(toolchain, textRequest(''), ['/dev/null', '/proc/version'], Date.now());
    expect(device.volatile).toEqual([
      '/dev/null need not hold the same twice',
      '/proc/version need not hold the same twice',
    ]);
  });

  it.each(['c', 'c++'] as const)('finds standard headers of %s repeatable', async (language) => {
    const text = {
      c: [
        'stdio.h',
        'stdlib.h',
        'string.h',
        'math.h',
        'tgmath.h',
        'unistd.h',
        'pthread.h',
        'sys/mount.h',
        'sys/stat.h',
      ],
      'c++': [
        'vector',
        'string',
        'iostream',
        'unordered_map',
        'algorithm',
        'thread',
        'filesystem',
        'execution',
        'ranges',
      ],
    }[language].map((name) => `#include <${name}>\n`);
    const flags = language === 'c++' ? ['-std=c++20'] : ['-D_GNU_SOURCE'];
    const { volatile, read, absent } = await ofText(text.join(''), { language, flags });
    expect(volatile).toEqual([]);
    expect(read.length).toBeGreaterThan(50);
    expect(absent.length).toBeLessThan(3000);
    expect(absent.filter((path) => !path.endsWith('/') && existsSync(path))).toEqual([]);
  });

  it('never rejects, and says when the compiler does not answer', async () => {
    const broken = { ...toolchain, path: '/bin/false' };
    const { volatile } = await recordOneShot(broken, textRequest('int x;\n'), [], Date.now());
    expect(volatile).toEqual(['/bin/false does not say where it looks for headers']);
  });
});

test('parseSearchList reads what both compilers print', () => {
  const text = [
    'ignoring nonexistent directory "/gone with space"',
    'ignoring duplicate directory "/inc"',
    '#include "..." search starts here:',
    ' quote',
    '#include <...> search starts here:',
    ' /inc',
    ' /fw (framework directory)',
    'End of search list.',
  ].join('\n');
  expect(parseSearchList(text)).toEqual({
    quoted: ['quote'],
    angled: ['/inc', '/fw'],
    missing: ['/gone with space'],
    installed: [],
  });
  expect(parseSearchList('clang: error: no input files')).toBeNull();
});

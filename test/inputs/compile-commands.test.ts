/** compile_commands.json: flags from it, and files for editors. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { compileToIR, type SourceLibrarySpec, writeCompileCommands } from '../../src/index.ts';
import { holdLoads } from './load.ts';

const loads = holdLoads({});
const { load, refusal } = loads;

beforeAll(async () => {
  // The first watch opens what stays open: libuv's inotify.
  write({ 'first.c': 'int first;' });
  await (await load({ file: 'first.c', watch: true })).dispose();
});

function write(files: Readonly<Record<string, string | object>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(name, '..'), { recursive: true });
    writeFileSync(name, typeof content === 'string' ? content : JSON.stringify(content));
  }
}

describe('flags from a compile_commands.json', () => {
  test('are those of each file, with the spec after them', async () => {
    write({
      'in/src/a.c': '#include "value.h"\nint a(void) { return VALUE + A; }',
      'in/src/b.c': 'int b(void) { return B; }',
      'in/inc/value.h': '#define VALUE 40\n',
      'in/build/compile_commands.json': [
        {
          directory: resolve('in/build'),
          command: `ccache /usr/bin/cc -I../inc '-DA=1' -DB=1 -O1 -MD -MF a.d -o a.o -c ../src/a.c`,
          file: '../src/a.c',
        },
        { directory: '.', arguments: ['cc', '-x', 'c++', '-DB=5', '-c', '../src/b.c'], file: '../src/b.c' },
      ],
    });
    const files = ['in/src/*.c'];
    const library = await load({ files, compileCommands: 'in/build', flags: ['-UA', '-DA=2'] });
    expect(library.func('int a(void)')()).toBe(42);
    // As C++, which its entry says it is.
    expect([...library.symbols.keys()].sort()).toEqual(['_Z1bv', 'a']);
    const one = await load({ file: 'in/src/a.c', compileCommands: 'in/build/compile_commands.json' });
    expect(one.func('int a(void)')()).toBe(41);
    const told = await load({ files: ['in/src/b.c'], language: 'c', compileCommands: 'in/build' });
    expect(told.func('int b(void)')()).toBe(5);
    expect(await compileToIR({ name: 'ir', file: 'in/src/b.c', compileCommands: 'in/build' })).toContain('ret i32 5');
  });

  test('are refused like any, and named with their file', async () => {
    write({
      'bad/a.c': 'int a;',
      'bad/b.c': 'int b;',
      'bad/compile_commands.json': [
        { directory: '.', arguments: ['cc', '-flto', 'a.c'], file: 'a.c' },
        { directory: '.', command: 'cc -fplugin=x.so b.c', file: 'b.c' },
      ],
    });
    const error = await refusal({ name: 'bad', files: ['bad/*.c'], compileCommands: 'bad' });
    expect(error).toMatchObject({ code: 'ERR_COMPILE' });
    expect(error.message).toBe(
      `bad: ${resolve('bad/compile_commands.json')} has flags that are refused\n` +
        `  ${resolve('bad/a.c')}: -flto: its object would hold no machine code\n` +
        `  ${resolve('bad/b.c')}: -fplugin=x.so: it loads code into the compiler\n` +
        '`unsafeFlags: true` lets every flag pass.',
    );
  });

  test.each([
    ['[]', 'has no entry for '],
    ['{}', "can't be read: it is no array"],
    ['[{"file": "a.c"}]', "can't be read: entry 0 needs `directory`, `file`, and `arguments` or `command`"],
    ['[', "can't be read: "],
    [`[{"directory": ".", "file": "a.c", "command": "cc 'a.c"}]`, "can't be read: a ' is left open"],
  ])('%s is an error that names the file', async (text, reason) => {
    write({ 'fault/a.c': 'int a;', 'fault/compile_commands.json': text });
    const error = await refusal({ name: 'fault', file: 'fault/a.c', compileCommands: 'fault' });
    expect(error).toMatchObject({ code: 'ERR_COMPILE_COMMANDS', library: 'fault' });
    expect(error.message).toContain(`fault: ${resolve('fault/compile_commands.json')}`);
    expect(error.message).toContain(reason);
  });

  test('are watched with the files', async () => {
    const entry = (flags: string) => [{ directory: '.', command: `cc ${flags} -c a.c`, file: 'a.c' }];
    write({ 'watch/a.c': 'int a(void) { return A; }', 'watch/compile_commands.json': entry('-DA=1') });
    const library = await load({ files: ['watch/a.c'], compileCommands: 'watch', watch: true });
    const a = library.func('int a(void)');
    expect(a()).toBe(1);
    write({ 'watch/compile_commands.json': entry('-DA=2') });
    for (let tries = 0; tries < 100 && a() !== 2; tries += 1) await delay(50);
    expect(a()).toBe(2);
  });

  test('are found through links', async () => {
    write({ 'real/a.c': 'int a(void) { return A; }' });
    write({ 'real/compile_commands.json': [{ directory: '.', command: 'cc -DA=3 -c a.c', file: 'a.c' }] });
    symlinkSync('real', 'link');
    const library = await load({ file: 'link/a.c', compileCommands: 'real' });
    expect(library.func('int a(void)')()).toBe(3);
  });

  test('go with files only', async () => {
    const error = await refusal({ source: '', compileCommands: 'in' });
    expect(error.message).toBe('`compileCommands` goes with `file` or `files`, not with `source`');
  });
});

describe('writeCompileCommands', () => {
  const read = (path: string): { directory: string; file: string; arguments: string[] }[] =>
    JSON.parse(readFileSync(path, 'utf8'));

  test('writes what clang takes, and what this package reads', async () => {
    write({
      'out/a.c': '#include <value.h>\nint a(void) { return VALUE + MORE; }',
      'out/b.cpp': '#include <value.h>\nextern "C" int b() { return VALUE; }',
      'out/include/value.h': '#define VALUE 1\n',
    });
    const spec: SourceLibrarySpec = {
      name: 'out',
      files: ['out/*.c', 'out/b.cpp'],
      includePaths: ['out/include'],
      defines: { MORE: 2, TEXT: '"a b"' },
      flags: ['-Wall'],
    };
    const path = await writeCompileCommands(spec, 'out');
    expect(path).toBe(resolve('out/compile_commands.json'));
    const entries = read(path);
    expect(entries.map(({ file }) => file)).toEqual([resolve('out/a.c'), resolve('out/b.cpp')]);
    for (const { directory, arguments: words } of entries) {
      expect(existsSync(words[0] as string)).toBe(true);
      expect(realpathSync(directory)).toBe(realpathSync('.'));
      execFileSync(words[0] as string, [...words.slice(1), '-fsyntax-only'], { cwd: directory, stdio: 'pipe' });
    }
    expect(entries[0]?.arguments.slice(1)).toEqual([
      ...['-O2', '-I', resolve('out/include'), '-Wall', '-fPIC', '-DMORE=2', '-DTEXT="a b"'],
      ...['-x', 'c', '-c', resolve('out/a.c')],
    ]);
    const library = await load({ files: ['out/*.c', 'out/*.cpp'], compileCommands: path });
    expect(library.func('int a(void)')()).toBe(3);
  });

  test('writes the flags of packages, too', async () => {
    write({
      'package/a.c': 'int a;',
      'package/pc/flagged.pc': 'Name: flagged\nDescription: f\nVersion: 1\nCflags: -I/of/the/package -DOF_PACKAGE=3\n',
    });
    vi.stubEnv('PKG_CONFIG_PATH', resolve('package/pc'));
    const spec: SourceLibrarySpec = { name: 'package', file: 'package/a.c', pkgConfig: ['flagged'], flags: ['-O1'] };
    const [entry] = JSON.parse(readFileSync(await writeCompileCommands(spec, 'package'), 'utf8'));
    vi.unstubAllEnvs();
    expect(entry.arguments).toEqual(expect.arrayContaining(['-O1', '-I/of/the/package', '-DOF_PACKAGE=3']));
  });

  test('keeps the entries of other files, and replaces its own', async () => {
    write({
      'merge/a.c': 'int a;',
      'merge/compile_commands.json': [
        { directory: '.', command: 'cc -c other.c', file: 'other.c', output: 'other.o' },
        { directory: '.', command: 'cc -DOLD -c a.c', file: 'a.c' },
      ],
    });
    const path = await writeCompileCommands([{ name: 'merge', file: 'merge/a.c' }], 'merge/compile_commands.json');
    const entries = read(path);
    expect(entries.map(({ file }) => file)).toEqual(['other.c', resolve('merge/a.c')]);
    expect(entries[0]).toHaveProperty('output', 'other.o');
    expect(JSON.stringify(entries)).not.toContain('OLD');
  });

  test('refuses what has no file, and what it would destroy', async () => {
    await expect(writeCompileCommands({ name: 'text', source: '' })).rejects.toThrow(
      new TypeError('`source` of text is no file that an editor opens; give `file` or `files`'),
    );
    write({ 'keep/a.c': 'int a;', 'keep/compile_commands.json': 'notes of mine' });
    const spec: SourceLibrarySpec = { name: 'keep', file: 'keep/a.c' };
    await expect(writeCompileCommands(spec, 'keep')).rejects.toMatchObject({ code: 'ERR_COMPILE_COMMANDS' });
    expect(readFileSync('keep/compile_commands.json', 'utf8')).toBe('notes of mine');
    await expect(writeCompileCommands(spec, 'gone/x.json')).rejects.toThrow("can't be written");
  });
});

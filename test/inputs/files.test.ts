/** Several source files that become one library. */

import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { CompileError, type Diagnostic, LinkError, NameConflictError } from '../../src/index.ts';
import { holdLoads, LOADERS } from './load.ts';

/** Writes files below the working folder, which is one of the test's own. */
function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(name, '..'), { recursive: true });
    writeFileSync(`${name}.new`, text);
    renameSync(`${name}.new`, name);
  }
}

describe.each(LOADERS)('files on the %s loader', (loader) => {
  const loads = holdLoads({ loader });
  const { load, refusal } = loads;

  beforeAll(async () => {
    // The first watch opens what stays open: libuv's inotify.
    write({ 'first.c': 'int first;' });
    await (await load({ file: 'first.c', watch: true })).dispose();
  });

  test('refer to each other, and have statics of their own', async () => {
    write({
      'ab/a.c': 'static int n = 1; int b(int); int a(int x) { return x == 0 ? n : b(x - 1); }',
      'ab/b.c': 'static int n = 2; int a(int); int b(int x) { return x == 0 ? n : a(x - 1); }',
    });
    const library = await load({ files: ['ab/a.c', 'ab/b.c'] });
    const a = library.func('int a(int)');
    expect([a(0), a(1), a(2)]).toEqual([1, 2, 1]);
    expect([...library.symbols.keys()].sort()).toEqual(['a', 'b']);
    expect(library.loader.kind).toBe(loader);
  });

  test('are C and C++ by their extensions, and one library of both', async () => {
    write({
      'mix/sum.cpp': `#include <numeric>
        #include <vector>
        extern "C" int square(int);
        extern "C" int sum(int n) { std::vector<int> v; for (int i = 1; i <= n; ++i) v.push_back(square(i));
          return std::accumulate(v.begin(), v.end(), 0); }`,
      'mix/square.c': 'int square(int class) { return class * class; }',
    });
    const library = await load({ files: ['mix/*'], flags: ['-O1'] });
    expect(library.func('int sum(int)')(3)).toBe(14);
  });

  test('share one copy of what is inline in C++, and run initialisers in the order of the list', async () => {
    write({
      'inline/shared.h': `inline int counter = 0;
        inline char order[4];
        inline int next() { static int calls; return ++calls; }
        template <class T> T twice(T x) { static int uses; ++uses; return x + x + (uses > 100); }
        struct Note { Note(char which) { order[counter++] = which; } };`,
      'inline/a.cpp':
        '#include "shared.h"\nstatic Note note(\'a\'); extern "C" int a() { return next() * 10 + twice(1); }',
      'inline/b.cpp':
        '#include "shared.h"\nstatic Note note(\'b\'); extern "C" int b() { return next() * 10 + twice(2); }',
      'inline/c.cpp': '#include "shared.h"\nstatic Note note(\'c\'); extern "C" const char *text() { return order; }',
    });
    const files = ['inline/c.cpp', 'inline/*.cpp'];
    const library = await load({ files, language: 'c++', flags: ['-std=c++17'] });
    const [a, b] = [library.func('int a()'), library.func('int b()')];
    expect([a(), b(), a()]).toEqual([12, 24, 32]);
    expect(library.func('const char *text()')()).toBe('cab');
  });

  test('that define the same function are a LinkError that names both', async () => {
    write({ 'twice/one.c': 'int f(void) { return 1; }', 'twice/two.c': 'int f(void) { return 2; }' });
    const error = await refusal({ files: ['twice/one.c', 'twice/two.c'] });
    expect(error).toBeInstanceOf(LinkError);
    expect(error.message).toContain('more than one object defines `f`');
    expect(error.message).toContain(resolve('twice/one.c'));
    expect(error.message).toContain(resolve('twice/two.c'));
  });

  test('that need what no file has are a LinkError with the symbol', async () => {
    write({ 'need/a.c': 'int gone(void); int a(void) { return gone(); }', 'need/b.c': 'int b;' });
    expect(await refusal({ files: ['need/*.c'] })).toMatchObject({ code: 'ERR_LINK', missingSymbols: ['gone'] });
  });

  test('are all compiled when some fail, and one error has what is wrong with each', async () => {
    const bad = Array.from({ length: 7 }, (_, n) => [`bad/f${n}.c`, `int f${n}(void) { return wrong${n}; }`]);
    write({ ...Object.fromEntries(bad), 'bad/good.c': 'int good(void) { return 1; }' });
    const error = await refusal({ name: 'bad', files: ['bad/*.c'] });
    expect(error).toBeInstanceOf(CompileError);
    expect(error.message.split('\n')[0]).toBe('bad: 7 of 8 files do not compile');
    for (let n = 0; n < 5; n += 1) expect(error.message).toContain(`1 error in ${resolve(`bad/f${n}.c`)}`);
    expect(error.message).not.toContain('f5.c');
    expect(error.message.endsWith('\nand 2 more')).toBe(true);
    const diagnostics = error.diagnostics as Diagnostic[];
    expect(diagnostics.map(({ file }) => file)).toEqual(bad.map(([name]) => resolve(name as string)));
    expect(diagnostics[6]?.message).toContain('wrong6');
  });

  test('of which one fails are its own error', async () => {
    write({ 'one/a.c': 'int a(void) { return 1 }', 'one/b.c': 'int b;' });
    const error = await refusal({ name: 'one', files: ['one/*.c'] });
    expect(error.message.split('\n')[0]).toBe(`one: 1 error in ${resolve('one/a.c')}`);
  });

  test('are compiled with flags, macros and folders of the spec, and their warnings are kept', async () => {
    write({
      'opts/include/value.h': '#define VALUE 40\n',
      'opts/a.c': '#include <value.h>\nint a(void) { return VALUE + MORE; }',
      'opts/b.c': 'int b(void) { int unused; return MORE; }',
    });
    const spec = { files: ['opts/*.c'], includePaths: ['opts/include'], defines: { MORE: 2 }, flags: ['-Wall'] };
    const library = await load(spec);
    expect(library.func('int a(void)')()).toBe(42);
    expect(library.diagnostics.map(({ file, flag }) => [file, flag])).toEqual([
      [resolve('opts/b.c'), '-Wunused-variable'],
    ]);
    await library.reload({ flags: ['-w'] });
    expect(library.diagnostics).toEqual([]);
    await expect(library.reload({ source: '' })).rejects.toThrow("`source` can't replace `files`");
  });

  test('are found anew by a reload, and a function that went is a refused reload', async () => {
    write({ 'grow/a.c': 'int a(void) { return 1; }' });
    const library = await load({ files: ['grow/*.c'] });
    write({ 'grow/b.c': 'int b(void) { return 2; }' });
    await library.reload();
    expect(library.func('int b(void)')()).toBe(2);
    rmSync('grow/b.c');
    await expect(library.reload()).rejects.toMatchObject({ code: 'ERR_RELOAD_REFUSED' });
  });

  test('and their headers are watched', async () => {
    write({
      'watch/value.h': '#define VALUE 1\n',
      'watch/a.c': '#include "value.h"\nint a(void) { return VALUE; }',
      'watch/b.c': 'int b(void) { return 1; }',
    });
    const library = await load({ files: ['watch/*.c'], watch: true });
    const [a, b] = [library.func('int a(void)'), library.func('int b(void)')];
    const until = async (holds: () => boolean): Promise<void> => {
      for (let tries = 0; tries < 100 && !holds(); tries += 1) await delay(50);
      expect(holds()).toBe(true);
    };
    write({ 'watch/value.h': '#define VALUE 2\n' });
    await until(() => a() === 2);
    write({ 'watch/b.c': 'int b(void) { return 3; }' });
    await until(() => b() === 3);
    expect(a()).toBe(2);
  });

  test('that come and go are seen, in folders that come too, and others are not', async () => {
    write({ 'come/src/a.c': 'int a(void) { return 1; }' });
    const library = await load({ files: ['come/**/*.c'], watch: true });
    const reloaded = async (change: () => void): Promise<string[]> => {
      const before = library.generation;
      change();
      for (let tries = 0; tries < 100 && library.generation === before; tries += 1) await delay(50);
      return [...library.symbols.keys()].sort();
    };
    expect(await reloaded(() => write({ 'come/src/b.c': 'int b(void) { return 2; }' }))).toEqual(['a', 'b']);
    // The folder is there before its file: it is looked for in either order.
    expect(await reloaded(() => write({ 'come/new/deep/c.c': 'int c;' }))).toEqual(['a', 'b', 'c']);
    expect(await reloaded(() => rmSync('come/src/b.c'))).toEqual(['a', 'c']);
    // One that goes may be seen twice.
    await delay(500);
    const { generation } = library;
    write({ 'come/src/notes.txt': 'no source' });
    await delay(300);
    expect(library.generation).toBe(generation);
  });

  test('are seen again when the folder of a pattern was away', async () => {
    write({ 'away/main.c': 'int main_(void) { return 1; }', 'away/src/a.c': 'int a;' });
    const library = await load({ files: ['away/main.c', 'away/src/*.c'], watch: true });
    const failed = new Promise((resolve) => library.on('error', resolve));
    rmSync('away/src', { recursive: true });
    expect(await failed).toBeInstanceOf(TypeError);
    // What went is looked for once more.
    await delay(600);
    const reloaded = new Promise((resolve) => library.once('reload', resolve));
    write({ 'away/src/b.c': 'int b;' });
    await reloaded;
    expect([...library.symbols.keys()].sort()).toEqual(['b', 'main_']);
  });

  test('are one library of a name, and others are another', async () => {
    write({ 'same/a.c': 'int a;', 'same/b.c': 'int b;' });
    const library = await load({ name: 'same', files: ['same/a.c'] });
    expect(await load({ name: 'same', files: ['same/a.c'] })).toBe(library);
    expect(await refusal({ name: 'same', files: ['same/b.c'] })).toBeInstanceOf(NameConflictError);
  });

  test('share exceptions, thread-local and common data, with debug information', async () => {
    write({
      'deep/a.cpp': `#include <stdexcept>
        #include <string>
        extern thread_local int depth;
        void fail(int n) { depth = n; throw std::runtime_error(std::to_string(n)); }`,
      'deep/b.cpp': `#include <stdexcept>
        #include <string>
        void fail(int n); thread_local int depth = 1; extern "C" int shared;
        extern "C" int caught(int n) { try { fail(n); } catch (const std::exception &e) { return std::stoi(e.what()) + depth + shared; } return 0; }`,
      'deep/c.c': 'int shared = 100;',
    });
    const library = await load({ files: ['deep/*'], flags: ['-g', '-O1'] });
    expect(library.func('int caught(int)')(5)).toBe(110);
  });

  test('with a flag that is refused are one error', async () => {
    write({ 'flag/a.c': 'int a;', 'flag/b.c': 'int b;' });
    const error = await refusal({ name: 'flag', files: ['flag/*.c'], flags: ['-fplugin=x.so'] });
    expect(error.message.split('\n').slice(0, 2)).toEqual([
      'flag: a compiler flag is refused',
      '  -fplugin=x.so: it loads code into the compiler',
    ]);
  });

  test('that are not there, and compiles that take too long, are named', async () => {
    write({ 'gone/a.c': 'int a;' });
    const error = await refusal({ files: ['gone/a.c', 'gone/b.c'] });
    expect(error).toMatchObject({ code: 'ERR_COMPILE' });
    expect(error.message).toContain(resolve('gone/b.c'));
    write({ 'big/a.c': 'char a[100000] = { 1 };', 'big/b.c': 'char b[100000] = { 1 };' });
    const limited = await refusal({ files: ['big/*.c'], maxOutputBytes: 10_000 });
    expect(limited).toMatchObject({ code: 'ERR_COMPILE_LIMIT', limit: 'maxOutputBytes', value: 10_000 });
    for (const name of ['a.c', 'b.c']) expect(limited.message).toContain(resolve('big', name));
  });

  test('are as many as one likes', async () => {
    const numbers = Array.from({ length: 30 }, (_, n) => n);
    write(Object.fromEntries(numbers.map((n) => [`many/f${n}.c`, `int f${n}(void) { return ${n}; }`])));
    const warnings: Error[] = [];
    const warn = (warning: Error) => warnings.push(warning);
    process.on('warning', warn);
    const library = await load({ files: ['many/*.c'], signal: new AbortController().signal });
    await delay(10);
    process.off('warning', warn);
    expect(warnings).toEqual([]);
    expect(numbers.map((n) => library.func(`int f${n}(void)`)())).toEqual(numbers);
  });

  test('are not loaded when the signal aborts', async () => {
    write({ 'stop/a.c': 'int a;', 'stop/b.c': 'int b;' });
    const stop = new AbortController();
    const loading = refusal({ files: ['stop/*.c'], signal: stop.signal });
    stop.abort(new Error('enough'));
    expect((await loading).message).toBe('enough');
  });
});

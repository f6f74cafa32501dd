import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compileOneShot } from '../../src/compile/one-shot.ts';
import { checkRelocatable } from '../../src/elf.ts';
import { descriptors, enterSandbox, expectNothingLeft, type Sandbox } from './leftovers.ts';
import { installedToolchains, rejectionOf, textRequest } from './requests.ts';

const ADD = 'int add(int a, int b) { return a + b; }\n';
const toolchains = await installedToolchains();

describe.each(toolchains)('compileOneShot with $kind', (toolchain) => {
  let sandbox: Sandbox;
  let before: readonly string[];
  const compile = (text: string, variation: Parameters<typeof textRequest>[1] = {}) =>
    compileOneShot(toolchain, textRequest(text, variation));
  const strings = (object: Uint8Array) => Buffer.from(object).toString('latin1');
  const isClang = toolchain.kind === 'clang';

  beforeAll(async () => {
    sandbox = enterSandbox();
    await compile(ADD);
  });
  afterAll(() => sandbox.remove());
  beforeEach(() => {
    before = descriptors();
  });
  afterEach(async () => await expectNothingLeft(sandbox, before));

  it('makes a relocatable object of this machine from text', async () => {
    const { object, diagnostics, dependencies } = await compile(ADD, { flags: ['-ffreestanding', '-nostdinc'] });
    expect(checkRelocatable(object)).toBeNull();
    expect(diagnostics).toEqual([]);
    // gcc reads this one before every C source.
    expect(dependencies.filter((path) => !path.endsWith('/stdc-predef.h'))).toEqual([]);
  });

  it('gives the same bytes for the same request, also with headers in a folder of another name', async () => {
    const request = [
      `#include "h.h"\nconst char *f = __FILE__;\n${ADD}`,
      { flags: ['-g'], headers: { 'h.h': 'int x;' } },
    ] as const;
    const [first, second] = [await compile(...request), await compile(...request)];
    expect(Buffer.compare(first.object, second.object)).toBe(0);
    expect(strings(first.object)).not.toContain(sandbox.temporary);
  });

  it('reads a file by its path, spaces and all, and lists what it included', async () => {
    mkdirSync('a b#$');
    writeFileSync('a b#$/x y.h', 'int x;\n');
    writeFileSync('a b#$/-main.cpp', '#include "x y.h"\nextern "C" int get() { return x; }\n');
    const input = { kind: 'file', path: 'a b#$/-main.cpp' } as const;
    const { dependencies } = await compileOneShot(toolchain, { ...textRequest(''), input, language: 'c++' });
    const own = dependencies.filter((path) => path.startsWith(sandbox.cwd));
    expect(own).toEqual([join(sandbox.cwd, 'a b#$/-main.cpp'), join(sandbox.cwd, 'a b#$/x y.h')]);
  });

  it('finds quoted includes of text in the working folder, and lists every kind of file read', async () => {
    mkdirSync('inc');
    for (const name of ['near.h', 'inc/far.h', 'forced.h', 'macros.h'])
      writeFileSync(name, `int ${name.replace(/\W/g, '_')};\n`);
    const { dependencies } = await compile('#include "near.h"\n#include <far.h>\n', {
      includePaths: ['inc'],
      flags: ['-include', 'forced.h', '-imacros', 'macros.h'],
    });
    const own = dependencies.filter((path) => path.startsWith(sandbox.cwd)).sort();
    expect(own).toEqual(['forced.h', 'inc/far.h', 'macros.h', 'near.h'].map((name) => join(sandbox.cwd, name)));
  });

  it('finds in-memory headers before any folder, nested ones too, and lists none of them', async () => {
    mkdirSync('shadow/sub', { recursive: true });
    writeFileSync('shadow/own.h', '#error the file on disk\n');
    const cwd = process.cwd();
    const headers = { 'own.h': '#include "sub/b.h"\n', 'sub/b.h': '#include "c.h"\n', 'sub/c.h': '#define OK 1\n' };
    const text = '#include <own.h>\n#include "own.h"\n#include "disk.h"\nint ok = OK + DISK;\n';
    writeFileSync('disk.h', '#define DISK 1\n');
    const apart = await compile(text, { headers, includePaths: ['shadow'], flags: ['-iquote', 'shadow'] });
    expect(apart.dependencies.filter((path) => path.startsWith(cwd))).toEqual([join(cwd, 'disk.h')]);

    writeFileSync('shadow/disk.h', '#define DISK 1\n');
    process.chdir('shadow');
    const hidden = await compile(text, { headers, flags: ['-g', '-Isub'] });
    expect(hidden.dependencies.filter((path) => path.startsWith(cwd))).toEqual([join(cwd, 'shadow/disk.h')]);
    expect(strings(hidden.object)).not.toContain(sandbox.temporary);
    process.chdir(cwd);
  });

  it.each([
    'vec.c',
    'we ird=x.c',
    '-o',
    '@f',
    '../x',
    'é漢😀.c',
    'quo"te\\back.c',
    'new\nline.c',
    'x'.repeat(4096),
    '%s',
    '=',
  ])('shows the name %j in diagnostics and __FILE__, whatever it is', async (displayName) => {
    const { object } = await compile('const char *name(void) { return __FILE__; }\n', { displayName });
    expect(Buffer.from(object).includes(`${displayName}\0`)).toBe(true);
    const error = await rejectionOf(compile('int x = y;\n', { displayName }));
    expect(error.diagnostics).toMatchObject([{ file: displayName, line: 1, column: 9 }]);
  });

  it('shows the name in debug information and assert texts', async () => {
    const { object } = await compile('#include <assert.h>\nvoid f(int x) { assert(x); }\n', { flags: ['-g'] });
    writeFileSync('debug.o', object);
    const dump = execFileSync('readelf', ['--debug-dump=line', 'debug.o'], { encoding: 'utf8' });
    expect(dump).toContain('vec.c');
    if (isClang) expect(strings(object)).not.toContain('<stdin>');
  });

  it('lets our arguments win over flags that contradict them', async () => {
    const flags = ['-fno-pic', '-fno-PIC', ...(isClang ? ['-fcrash-diagnostics'] : ['-fgnu-unique'])];
    writeFileSync('pic.o', (await compile('extern int x; int *f(void) { return &x; }\n', { flags })).object);
    const relocations = execFileSync('readelf', ['-rW', 'pic.o'], { encoding: 'utf8' });
    expect(relocations).toMatch(/GOT/);
  });

  it('keeps the environment of this process out', async () => {
    const bad = {
      CPATH: '/nowhere',
      CCC_OVERRIDE_OPTIONS: '# +-E',
      CC_PRINT_PROC_STAT: '1',
      GCC_EXEC_PREFIX: '/nowhere',
    };
    Object.assign(process.env, bad);
    const { object } = await compile(ADD);
    for (const name of Object.keys(bad)) delete process.env[name];
    expect(Buffer.compare(object, (await compile(ADD)).object)).toBe(0);
  });

  it('returns warnings with the object', async () => {
    const { diagnostics } = await compile('int f(void) { int unused; return 0; }\n', { flags: ['-Wall'] });
    expect(diagnostics).toMatchObject([
      { severity: 'warning', flag: '-Wunused-variable', file: 'vec.c', line: 1, column: 19 },
    ]);
  });

  it('shows a syntax error in the source of the caller', async () => {
    const error = await rejectionOf(
      compile('#include <stddef.h>\nint é = 1;\n\tint add(int a) { return a + 1 }\nint x = y;\n'),
    );
    const clangText =
      "vec: 2 errors in vec.c\nvec.c:3:31: error: expected ';' after return statement\n" +
      '    3 | \tint add(int a) { return a + 1 }\n      | \t                             ^\n' +
      '      | \t                             ;\n' +
      "vec.c:4:9: error: use of undeclared identifier 'y'\n    4 | int x = y;\n      |         ^";
    const gccText =
      'vec: 2 errors in vec.c\nvec.c:3:31: error: expected ‘;’ before ‘}’ token\n' +
      '    3 | \tint add(int a) { return a + 1 }\n      | \t                             ^\n' +
      '      | \t                             ;\n' +
      'vec.c:4:9: error: ‘y’ undeclared here (not in a function)\n    4 | int x = y;\n      |         ^';
    expect(error.message).toBe(isClang ? clangText : gccText);
    expect(error).toMatchObject({
      name: 'CompileError',
      code: 'ERR_COMPILE',
      library: 'vec',
      exitCode: 1,
      signal: null,
    });
    expect((error.command as string[])[0]).toBe(toolchain.path);
  });

  it('shows the lines of an included file and of an in-memory header, under their names', async () => {
    writeFileSync('real.h', '\nint real = nowhere;\n');
    const headers = { 'memory.h': '\n\nint memory = nothing;\n' };
    const error = await rejectionOf(compile('#include "real.h"\n#include "memory.h"\n', { headers }));
    const real = join(sandbox.cwd, 'real.h');
    expect(error.diagnostics).toMatchObject([
      { file: real, line: 2, column: 12 },
      { file: 'memory.h', line: 3, column: 14 },
    ]);
    expect(error.message).toContain('    2 | int real = nowhere;\n      |            ^');
    expect(error.message).toContain('memory.h:3:14: error: ');
    expect(error.message).toContain('    3 | int memory = nothing;\n      |              ^');
    expect(error.message).not.toContain(sandbox.temporary);
  });

  it.each([
    ['a forced header that is missing', ADD, { flags: ['-include', 'nowhere.h'] }, /nowhere\.h/],
    ['wrong text of a macro', 'int x = BAD;\n', { defines: { BAD: '(' } }, /expected/],
    ['a wrong instruction', 'void f(void) { __asm__("bogus %eax"); }\n', {}, /bogus/],
    ['a name of a line directive', '#line 100 "other.y"\nint x = y;\n', {}, /^other\.y:100:9: error/m],
    ['a missing input file', '', { input: { kind: 'file', path: 'nowhere.c' } as const }, /nowhere\.c/],
    ['a folder as input file', '', { input: { kind: 'file', path: '.' } as const }, /./],
    ['an unknown flag', ADD, { flags: ['-fno-such-thing'] }, /error: .*-fno-such-thing/],
  ])('reports %s', async (_, text, variation, message) => {
    const { input, ...rest } = { input: undefined, ...variation };
    const request = textRequest(text, rest);
    const error = await rejectionOf(compileOneShot(toolchain, input === undefined ? request : { ...request, input }));
    expect(error.name).toBe('CompileError');
    expect(error.signal).toBeNull();
    expect(error.message).toMatch(message);
    expect((error.diagnostics as unknown[]).length).toBeGreaterThan(0);
  });

  it('takes bytes only when they are an object, also where every flag is let through', async () => {
    for (const flags of [['-E'], ['-S'], ['--version'], ['-fsyntax-only'], ['-###']]) {
      const error = await rejectionOf(compile(ADD, { flags, unsafeFlags: true }));
      expect(error.name).toBe('CompileError');
      expect(error.message).toMatch(/^vec: the compiler ended well for vec\.c, but what it made can't be used: it is /);
    }
  });

  it('keeps machine code in the object also with -flto, where every flag is let through', async () => {
    const { object } = await compile(ADD, { flags: ['-flto'], unsafeFlags: true });
    expect(checkRelocatable(object)).toBeNull();
  });

  it('compiles through a path with odd characters', async () => {
    symlinkSync(toolchain.path, "c c'$(x)");
    const path = join(sandbox.cwd, "c c'$(x)");
    await compileOneShot({ ...toolchain, path }, textRequest(ADD));
  });
});

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CompileOptions, commandFor, DriverClient, whyNoDriver } from './client.ts';

const missing = whyNoDriver();
if (missing !== null) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== null)('a compile that can not be repeated says so', () => {
  let client: DriverClient;
  let folder: string;
  const file = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const compile = async (options: CompileOptions) => (await client.compile({ folder, ...options })).message;
  const reasonsOf = async (options: CompileOptions) => (await compile(options)).volatile;
  /** Whether clang makes another object of it on another day. */
  const dependsOnDay = (text: string, language: string, flags: readonly string[] = ['-O2']): boolean => {
    const [program, ...args] = commandFor(flags, language, folder) as [string, ...string[]];
    const [one, other] = ['0', '1000000001'].map((SOURCE_DATE_EPOCH) => {
      const options = { input: text, cwd: folder, env: { ...process.env, SOURCE_DATE_EPOCH } };
      const { status, stdout } = spawnSync(program, args, options);
      expect(status).toBe(0);
      return stdout;
    });
    return !(one as Buffer).equals(other as Buffer);
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fromsource-driver-'));
    mkdirSync(join(folder, 'inc'));
    client = await DriverClient.start();
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  const CAT = '#define CAT_(a, b) a##b\n#define CAT(a, b) CAT_(a, b)\n';
  it.each([
    ['the date', 'const char *f(void) { return __DATE__; }', ['__DATE__']],
    ['both, twice', 'const char *f(void) { return __TIME__ __DATE__ __TIME__ __DATE__; }', ['__DATE__', '__TIME__']],
    ['in a macro', '#define NOW __DATE__ " " __TIME__\nconst char *f(void) { return NOW; }', ['__DATE__', '__TIME__']],
    ['pasted', `${CAT}const char *f(void) { return CAT(__DA, TE__); }`, ['__DATE__']],
    ['pasted in a body', '#define D() __DA##TE__\nconst char *f(void) { return D(); }', ['__DATE__']],
    ['as an argument', '#define ID(x) x\nconst char *f(void) { return ID(__TIME__); }', ['__TIME__']],
    ['over lines', 'const char *f(void) { return __DA\\\nTE__; }', ['__DATE__']],
    ['one character of it', 'int f(void) { return __TIME__[7]; }', ['__TIME__']],
    ['in assembly', '__asm__(".section s\\n.asciz \\"" __DATE__ "\\"\\n");', ['__DATE__']],
  ])('when a macro of time is expanded: %s', async (_, text, reasons) => {
    for (const language of ['c', 'c++'] as const) {
      expect(await reasonsOf({ text, language })).toEqual(reasons);
      expect(dependsOnDay(text, language)).toBe(true);
    }
  });

  it.each([
    ['comments', '// __DATE__\n/* __TIME__ __TIMESTAMP__ */ int x;'],
    ['strings', 'const char *x = "__DATE__ __TIME__ __TIMESTAMP__";'],
    ['what is skipped', '#if 0\nconst char *x = __DATE__;\n#elif 1\n#else\n#if __TIME__\n#endif\n#endif\nint x;'],
    ['a macro that is not used', '#define NOW __DATE__\n#define LATER() __TIME__ __TIMESTAMP__\nint x;'],
    ['#ifdef', '#ifdef __DATE__\n#endif\n#ifndef __TIME__\n#endif\n#if defined(__TIMESTAMP__)\nint x;\n#endif'],
    ['an argument that is dropped', '#define NONE(x)\nNONE(__DATE__) int x;'],
    ['an argument that is quoted', '#define QUOTE(x) #x\nconst char *x = QUOTE(__DATE__);'],
    ['a part of a name', 'int __DATE__x, x__TIME__;'],
    ['a name that is undefined', '#undef __DATE__\nint __DATE__;'],
    ['own macros', '#undef __DATE__\n#define __DATE__ "today"\nconst char *x = __DATE__;'],
  ])('but not for %s', async (_, text) => {
    for (const language of ['c', 'c++'] as const) {
      expect(await reasonsOf({ text, language })).toEqual([]);
      expect(dependsOnDay(text, language)).toBe(false);
    }
  });

  it('when a flag brings it in, unless a flag has another macro in its place', async () => {
    const text = 'const char *f(void) { return WHEN; }';
    expect(await reasonsOf({ text, flags: ['-DWHEN=__TIMESTAMP__'] })).toEqual(['__TIMESTAMP__']);
    const fixed = ['-Wno-builtin-macro-redefined', '-D__DATE__="x"', '-DWHEN=__DATE__'];
    expect(await reasonsOf({ text, flags: fixed })).toEqual([]);
    expect(dependsOnDay(text, 'c', fixed)).toBe(false);
    expect(await reasonsOf({ text: 'int x;', flags: fixed })).toEqual([]);
  });

  it('when a compile fails by it, and for every output', async () => {
    const failed = await compile({ text: '#include __DATE__\n' });
    expect([failed.status, failed.volatile]).toEqual(['failed', ['__DATE__']]);
    const text = 'const char *f(void) { return __DATE__; }';
    for (const kind of ['object', 'bitcode', 'ir'] as const) {
      expect(await reasonsOf({ text, outputs: [kind] })).toEqual(['__DATE__']);
    }
    expect(await reasonsOf({ text, outputs: ['ir', 'object'] })).toEqual(['__DATE__']);
    expect(await reasonsOf({ text: 'int x;' })).toEqual([]);
  });

  it('when a header does it, each time, also where the prefix is to be kept', async () => {
    file('inc/date.h', 'static inline const char *date(void) { return __DATE__; }\n');
    const flags = ['-O2', `-I${folder}/inc`];
    const text = '#include <date.h>\nconst char *f(void) { return date(); }\n';
    for (const language of ['c', 'c++'] as const) {
      for (const preamble of [false, true, true, true]) {
        const message = await compile({ text, flags, language, preamble });
        expect([message.status, message.volatile, message.preamble]).toEqual(['ok', ['__DATE__'], 'none']);
      }
    }
    const forced = {
      text: '#include <stddef.h>\nsize_t x;\n',
      flags: [...flags, '-include', 'date.h'],
      preamble: true,
    };
    for (let time = 0; time < 3; time += 1) expect(await reasonsOf(forced)).toEqual(['__DATE__']);
    const path = join(folder, 'inc/date.h');
    const files = { [path]: 'static const char t[] = __TIME__;\n' };
    expect(await reasonsOf({ text: '#include <date.h>\n', flags, files })).toEqual(['__TIME__']);
  });

  it('when the rest behind a kept prefix does it, and not for another rest', async () => {
    file('inc/now.h', '#pragma once\n#define NOW __TIME__\n#ifdef __DATE__\n#define HAS_DATE\n#endif\n');
    const rest = { now: 'const char *f(void) { return NOW; }', date: 'const char f[] = __DATE__;', none: 'int x;' };
    for (const language of ['c', 'c++'] as const) {
      const seen: unknown[] = [];
      for (const body of [rest.now, rest.now, rest.none, rest.date, rest.none, rest.now]) {
        const text = `#include "inc/now.h"\n#include <stddef.h>\n${body}\n`;
        const message = await compile({ text, language, preamble: true });
        seen.push([message.status, message.preamble, message.volatile.join()]);
      }
      expect(seen).toEqual([
        ['ok', 'built', '__TIME__'],
        ['ok', 'reused', '__TIME__'],
        ['ok', 'reused', ''],
        ['ok', 'reused', '__DATE__'],
        ['ok', 'reused', ''],
        ['ok', 'reused', '__TIME__'],
      ]);
    }
  });

  it('when it reads what the system makes up, with its path', async () => {
    const version = '/proc/sys/kernel/random/uuid';
    for (const preamble of [false, true, true]) {
      const message = await compile({ text: `#include "${version}"\n#include <stddef.h>\nint x;\n`, preamble });
      expect([message.volatile, message.preamble]).toEqual([[version], 'none']);
    }
    expect(await reasonsOf({ text: '#if __has_include("/dev/zero")\nint x;\n#endif\n' })).toEqual(['/dev/zero']);
    expect(await reasonsOf({ text: `__asm__(".incbin \\"${version}\\"");\n` })).toEqual([version]);
    expect(await reasonsOf({ text: 'int x;\n', flags: ['-include', '/dev/null'] })).toEqual([]);
  });

  it('when a name that it looks for can not be told', async () => {
    const header = '#if __has_include("\xff.h")\n#endif\n#if __has_include("\xc3\xa4.h")\n#endif\n';
    writeFileSync(join(folder, 'bytes.h'), header, 'latin1');
    for (const preamble of [false, true, true]) {
      const message = await compile({ text: '#include "bytes.h"\nint x;\n', preamble });
      expect(message.volatile).toContain(join(folder, '\ufffd.h'));
      expect(message.volatile.filter((path) => !path.endsWith('/\ufffd.h'))).toEqual([]);
      expect(message.absent).toContain(join(folder, 'ä.h'));
    }
  });
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandFor, compileOnce, DriverClient, whyNoDriver } from './client.ts';
import { corpus, shuffled } from './corpus.ts';

const missing = whyNoDriver();
if (missing !== null) console.warn(`skipped: ${missing}`);

/** Compiles that fail, each in another part of clang. */
const FAILING = [
  { text: 'int f( { return 1 }\n' },
  { text: '#include "no such header"\n' },
  { text: 'int f(void) { return 1; } int f(void) { return 2; }\n', flags: ['-O2', '-g'] },
  { text: 'void f(void) { __asm__("no such instruction"); }\n' },
  { text: 'int x;\n', flags: ['-fno-such-flag'] },
  { text: 'int x;\n', flags: ['-O2', '-Xclang', '-no-such-flag'] },
  { text: '#error stop\n', language: 'c++' as const },
  { text: 'template <class T> struct S { typename T::x y; }; S<int> s;\n', language: 'c++' as const },
] as const;

describe.skipIf(missing !== null)('an object of the resident compiler', () => {
  const sources = corpus();
  const expected = new Map<string, ReturnType<typeof compileOnce>>();
  let client: DriverClient;

  beforeAll(async () => {
    for (const { name, text, flags, language } of sources) {
      expected.set(name, compileOnce(commandFor(flags, language), text));
    }
    client = await DriverClient.start();
  });
  afterAll(async () => await client[Symbol.asyncDispose]());

  it.each([1, 2, 3])('is the same bytes as that of a process, in shuffled order %i, among failures', async (seed) => {
    const different: string[] = [];
    for (const [index, { name, text, flags, language }] of shuffled(sources, seed).entries()) {
      await client.compile(FAILING[index % FAILING.length] as (typeof FAILING)[number]);
      const { object, stderr, message } = await client.compile({ text, flags, language });
      const { object: wanted, stderr: printed } = expected.get(name) as ReturnType<typeof compileOnce>;
      if (Buffer.compare(object, wanted) !== 0 || wanted.length === 0) different.push(`object of ${name}`);
      if (stderr !== printed) different.push(`text of ${name}:\n${stderr}\ninstead of\n${printed}`);
      if (message.status !== 'ok') different.push(`${name}: ${message.status} ${message.reason}`);
    }
    expect(different).toEqual([]);
  });

  it('comes with every file that a dependency rule lists, and no other', async () => {
    for (const { name, text, flags, language } of sources.slice(-12)) {
      const { message } = await client.compile({ text, flags, language });
      const { read } = expected.get(name) as ReturnType<typeof compileOnce>;
      const listed = new Set(read.filter((path) => !path.endsWith('<stdin>')));
      const recorded = message.read.map(({ path }) => path).sort();
      expect(recorded, name).toEqual([...listed].sort());
    }
  });

  it.each(FAILING)('is not made of a wrong source, which gets the same words: $text $flags', async (wrong) => {
    const {
      flags = undefined,
      language = undefined,
      text,
    } = wrong as { flags?: string[]; language?: 'c++'; text: string };
    const { message, stderr, object } = await client.compile(wrong);
    const once = compileOnce(commandFor(flags, language), text);
    expect(message.status).toBe('failed');
    expect(object.length).toBe(0);
    expect(stderr).toBe(once.stderr);
    expect(once.status).not.toBe(0);
  });

  it('is the same bytes with files that exist in memory only', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fromsource-driver-'));
    const files = {
      'a.h': '#include "sub/b.h"\n',
      'sub/b.h': '#include "c.h"\n',
      'sub/c.h': '#pragma once\nstatic int c = 3;\n',
    };
    const text = '#include "./a.h"\n#include <sub/c.h>\nint f(void) { return c++; }\nconst char *n = __FILE__;\n';
    const flags = ['-O0', '-g', `-I${folder}`];
    const inMemory = Object.fromEntries(Object.entries(files).map(([name, content]) => [join(folder, name), content]));
    const memory = await client.compile({ text, flags, folder, files: inMemory });
    mkdirSync(join(folder, 'sub'));
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    const once = compileOnce(commandFor(flags, 'c', folder), text, folder);
    rmSync(folder, { recursive: true });
    expect(memory.stderr + once.stderr).toBe('');
    expect(Buffer.compare(memory.object, once.object)).toBe(0);
    expect(memory.message.read.filter(({ path }) => path.startsWith(folder))).toEqual([]);
  });

  it('is made of a file that clang reads itself', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fromsource-driver-'));
    const path = join(folder, 'main.c');
    const command = [...commandFor(['-O2', '-g'], 'c', folder).slice(0, -1), path];
    const missingFile = await client.compile({ command, folder, text: null });
    expect(missingFile.stderr).toBe(compileOnce(command, '', folder).stderr);
    expect(missingFile.message.status).toBe('failed');
    writeFileSync(path, 'int f(void) { return 1; }\n');
    const found = await client.compile({ command, folder, text: null });
    const once = compileOnce(command, '', folder);
    rmSync(folder, { recursive: true });
    expect(Buffer.compare(found.object, once.object)).toBe(0);
    expect(found.message.read.map((file) => file.path)).toEqual([path]);
  });

  it('passes 17 MB of source', async () => {
    const text = `${'/* 0123456789abcdef0123456789abcdef0123456789abcdef */\n'.repeat(310_000)}int big(void) { return 7; }\n`;
    expect(text.length).toBeGreaterThan(17e6);
    const { object, message } = await client.compile({ text });
    expect(message.status).toBe('ok');
    expect(Buffer.compare(object, compileOnce(commandFor(), text).object)).toBe(0);
  });
});

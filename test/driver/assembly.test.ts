import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Compiled, type CompileOptions, commandFor, compileOnce, DriverClient, whyNoDriver } from './client.ts';

const missing = whyNoDriver();
if (missing !== null) console.warn(`skipped: ${missing}`);

const INCBIN = '.incbin \\"data.bin\\"\\n';
const IR = 'target triple = "x86_64-pc-linux-gnu"\n';
const IN_FUNCTION = 'call void asm sideeffect ".incbin \\22data.bin\\22", ""()';

describe.skipIf(missing !== null)('what assembly reads', () => {
  let client: DriverClient;
  let folder: string;
  const file = (name: string, text: string) => writeFileSync(join(folder, name), text);
  /** What was read of the folder, each with the digest that it has now; and the same object as a process makes. */
  async function check(options: CompileOptions): Promise<{ read: string[] } & Compiled> {
    const compiled = await client.compile({ folder, ...options });
    const { message, object, stderr } = compiled;
    expect([message.status, message.volatile, stderr]).toEqual(['ok', [], '']);
    const own = message.read.filter(({ path }) => path.startsWith(folder));
    for (const { path, digest, size } of own) {
      expect(digest).toBe(createHash('sha256').update(readFileSync(path)).digest('hex'));
      expect(size).toBe(readFileSync(path).length);
    }
    const command = commandFor(options.flags, options.language, folder);
    const once = compileOnce(command, options.bytes ?? options.text ?? '', folder);
    if (options.files === undefined && options.passes === undefined && options.outputs === undefined) {
      expect(Buffer.compare(object, once.object)).toBe(0);
    }
    return { ...compiled, read: own.map(({ path }) => path.slice(folder.length + 1)).sort() };
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fromsource-driver-'));
    mkdirSync(join(folder, 'inc'));
    file('data.bin', 'the content');
    file('inc/far.bin', 'from far');
    file('part.s', '.macro part\n.incbin "data.bin"\n.endm\n');
    file('asm.h', `__asm__("${INCBIN}");\nstatic inline void in(void) { __asm__ volatile("${INCBIN}"); }\n`);
    client = await DriverClient.start();
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  it.each([
    ['of a file', `__asm__("${INCBIN}");`],
    ['of a function', `void f(void) { __asm__ volatile("${INCBIN}"); }`],
    ['with a string put together', 'void f(void) { __asm__ volatile(".inc" "bin \\"da" "ta.bin\\""); }'],
    ['with a part of the file', '__asm__(".incbin \\"data.bin\\", 4, 3");'],
    ['that comes from a macro', '#define IN(x) __asm__(".incbin \\"" #x "\\"")\nIN(data.bin);'],
    ['with a directive put together', '__asm__(".macro m a b\\n.\\\\a\\\\b \\"data.bin\\"\\n.endm\\nm inc bin\\n");'],
    [
      'in Intel order',
      `void f(void) { __asm__ volatile(".intel_syntax noprefix\\nmov eax, 1\\n${INCBIN}.att_syntax" : : : "eax"); }`,
    ],
  ])('is in the record: %s', async (_, text) => {
    for (const language of ['c', 'c++'] as const) {
      for (const flags of [['-O0'], ['-O2'], ['-O2', '-g']]) {
        expect((await check({ text: `${text}\n`, language, flags })).read).toEqual(['data.bin']);
      }
    }
  });

  it('is in the record of IR, as text, as bitcode, and after passes', async () => {
    for (const text of [
      `${IR}module asm ".incbin \\22data.bin\\22"\n`,
      `${IR}module asm ".inc\\62in \\22data.bin\\22"\n`,
      `${IR}define void @f() {\n  ${IN_FUNCTION}\n  ret void\n}\n`,
    ]) {
      expect((await check({ text, language: 'ir' })).read).toEqual(['data.bin']);
      expect((await check({ text, language: 'ir', passes: 'default<O2>' })).read).toEqual(['data.bin']);
      const { outputs } = await check({ text, language: 'ir', outputs: ['bitcode', 'ir'] });
      expect((await check({ bytes: outputs.bitcode as Buffer, language: 'ir' })).read).toEqual(['data.bin']);
      expect(String(outputs.ir)).toMatch(/\.incbin/);
    }
  });

  it('is in the record with what it includes, and with where it was looked for', async () => {
    const part = await check({ text: '__asm__(".include \\"part.s\\"\\npart\\n");\n' });
    expect(part.read).toEqual(['data.bin', 'part.s']);
    const flags = ['-O2', `-I${folder}/gone`, `-I${folder}/inc`];
    const far = await check({ text: '__asm__(".incbin \\"far.bin\\"");\n', flags });
    expect(far.read).toEqual(['inc/far.bin']);
    expect(far.message.absent).toEqual(expect.arrayContaining([join(folder, 'far.bin'), join(folder, 'gone')]));
    const none = await client.compile({ text: '__asm__(".incbin \\"none.bin\\"");\n', folder, flags });
    expect(none.message.status).toBe('failed');
    expect(none.stderr).toContain("Could not find incbin file 'none.bin'");
    const absent = ['none.bin', 'inc/none.bin'].map((name) => join(folder, name));
    expect(none.message.absent).toEqual(expect.arrayContaining(absent));
  });

  it('is in the record when a header of a kept prefix has it, only where it is emitted', async () => {
    const seen: string[] = [];
    for (const body of ['int x;', 'int y;', 'void f(void) { in(); }']) {
      const { message, read } = await check({
        text: `#include "asm.h"\n#include <stddef.h>\n${body}\n`,
        preamble: true,
      });
      seen.push(message.preamble);
      expect(read).toEqual(['asm.h', 'data.bin']);
    }
    expect(seen).toEqual(['built', 'reused', 'reused']);
    file('unused.h', `static inline void in(void) { __asm__ volatile("${INCBIN}"); }\n`);
    expect((await check({ text: '#include "unused.h"\n' })).read).toEqual(['unused.h']);
    expect((await check({ text: '#include "unused.h"\nvoid f(void) { in(); }\n' })).read).toEqual([
      'data.bin',
      'unused.h',
    ]);
  });

  it('has the digest of an edit, and is only what is really read', async () => {
    const text = `#include <stddef.h>\n__asm__("${INCBIN}");\n`;
    for (const content of ['one', 'two', 'six']) {
      file('data.bin', content);
      const { object } = await check({ text, preamble: true });
      expect(object.includes(content)).toBe(true);
    }
    for (const mention of [
      '__asm__("# .incbin \\"data.bin\\"");',
      '__asm__(".if 0\\n.incbin \\"data.bin\\"\\n.endif");',
      '__asm__(".ascii \\".incbin data.bin\\"");',
      'const char *x = ".incbin \\"data.bin\\"";',
    ]) {
      expect((await check({ text: `${mention}\n` })).read).toEqual([]);
    }
  });

  it('may be a file in memory, as headers are', async () => {
    const text = '__asm__(".incbin \\"kept.bin\\"");\n';
    const files = { '/fromsource-headers/kept.bin': 'only in memory' };
    const { object, message, read } = await check({ text, flags: ['-I/fromsource-headers'], files });
    expect(object.includes('only in memory')).toBe(true);
    expect(read).toEqual([]);
    expect(message.absent).toContain(join(folder, 'kept.bin'));
    const after = await client.compile({ text, folder, flags: ['-I/fromsource-headers'] });
    expect(after.message.status).toBe('failed');
  });
});

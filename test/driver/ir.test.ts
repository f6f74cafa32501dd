import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandFor, compileOnce, DriverClient, whyNoDriver } from './client.ts';

const missing = whyNoDriver();
if (missing !== null) console.warn(`skipped: ${missing}`);

const GOOD = 'define i32 @f(i32 %x) {\n  %y = add i32 %x, 1\n  %z = mul i32 %y, 4\n  ret i32 %z\n}\n';
const TARGET = 'target triple = "x86_64-pc-linux-gnu"\n';

describe.skipIf(missing !== null)('LLVM IR', () => {
  let client: DriverClient;
  const compile = (text: string, more: object = {}) => client.compile({ text: TARGET + text, language: 'ir', ...more });

  beforeAll(async () => {
    client = await DriverClient.start();
  });
  afterAll(async () => await client[Symbol.asyncDispose]());

  it('as text and as bitcode gives the object that clang makes of it', async () => {
    for (const flags of [['-O2'], ['-O0']]) {
      const command = commandFor(flags, 'ir');
      const text = await client.compile({ text: TARGET + GOOD, command, outputs: ['object', 'bitcode', 'ir'] });
      expect(text.stderr).toBe('');
      expect(Buffer.compare(text.object, compileOnce(command, TARGET + GOOD).object)).toBe(0);
      const bytes = text.outputs.bitcode as Buffer;
      expect(bytes.toString('latin1', 0, 2)).toBe('BC');
      const bitcode = await client.compile({ bytes, command });
      expect(Buffer.compare(bitcode.object, compileOnce(command, bytes).object)).toBe(0);
      expect(String(text.outputs.ir)).toContain('define');
    }
  });

  it.each([
    ['bitcode', ['-emit-llvm', '-c'], '-O2', 'c'],
    ['bitcode', ['-emit-llvm', '-c'], '-O0', 'c++'],
    ['ir', ['-emit-llvm', '-S'], '-O2', 'c++'],
    ['ir', ['-emit-llvm', '-S'], '-O0', 'c'],
  ] as const)('comes out as %s as with %s %s', async (kind, flags, level, language) => {
    const text = 'int g(int); int f(int x) { int s = 0; while (x--) s += g(x); return s; }\n';
    const command = commandFor([level], language);
    const [program, ...args] = command as [string, ...string[]];
    const plain = args.filter((word, at) => word !== '-c' && !/^-M/.test(word) && !/^-M[FT]$/.test(args[at - 1] ?? ''));
    const once = spawnSync(program, [...flags, ...plain], { input: text });
    const { outputs } = await client.compile({ text, command, outputs: [kind] });
    expect(once.status).toBe(0);
    expect(Buffer.compare(outputs[kind] as Buffer, once.stdout)).toBe(0);
  });

  it.each([
    [
      'of an order that can not be',
      'define i32 @late(i32 %x) {\n  %y = add i32 %x, %z\n  %z = add i32 %x, 1\n  ret i32 %y\n}\n',
      "error: function 'late': Instruction does not dominate all uses! %z = add i32 %x, 1; %y = add i32 %x, %z\n",
    ],
    [
      'with two wrong functions',
      'define void @a(ptr %p) {\n  store i32 %v, ptr %p\n  %v = add i32 1, 2\n  ret void\n}\ndefine void @b(ptr %p) {\n  store i32 %v, ptr %p\n  %v = add i32 1, 2\n  ret void\n}\n',
      "error: function 'a': Instruction does not dominate all uses! %v = add i32 1, 2; store i32 %v, ptr %p, align 4\n" +
        "error: function 'b': Instruction does not dominate all uses! %v = add i32 1, 2; store i32 %v, ptr %p, align 4\n",
    ],
    [
      'with a wrong alias',
      '@a = alias i32, ptr @b\n@b = external global i32\n',
      'error: module: Alias must point to a definition ptr @a\n',
    ],
  ])('%s is refused, with the name of the function', async (_, text, words) => {
    const { message, stderr, object } = await compile(text);
    expect(message.status).toBe('failed');
    expect(stderr).toBe(words);
    expect(object.length).toBe(0);
  });

  it('that is not IR is refused with the place, and with the function around it', async () => {
    const { message, stderr } = await compile(`${GOOD}define i32 @g() {\n  ret i64 0\n}\n`);
    expect(message.status).toBe('failed');
    expect(stderr).toContain("<stdin>:8:7: error: value doesn't match function result type 'i32'");
    expect(stderr).toContain("<stdin>:8:7: note: in function 'g'\n");
    const nonsense = await client.compile({ bytes: Buffer.from('BC\xc0\xde nonsense', 'latin1'), language: 'ir' });
    expect(nonsense.message.status).toBe('failed');
    expect(nonsense.stderr).toMatch(/error: /);
  });

  it('for another machine is refused', async () => {
    const foreign = await client.compile({ text: `target triple = "aarch64-linux-gnu"\n${GOOD}`, language: 'ir' });
    expect(foreign.stderr).toBe('error: the module is for aarch64-linux-gnu, not for x86_64-pc-linux-gnu\n');
    const layout = await compile(`target datalayout = "e-p:32:32"\n${GOOD}`);
    expect(layout.stderr).toMatch(/^error: the module's data layout is 'e-p:32:32', not 'e-m:e-.*'\n$/);
    const near = await client.compile({ text: `target triple = "x86_64-unknown-linux-gnu"\n${GOOD}`, language: 'ir' });
    expect(near.message.status).toBe('ok');
    const old = 'target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-f80:128-n8:16:32:64-S128"\n';
    const typed = await compile(`${old}define i32 @f(i32* %p) {\n  %v = load i32, i32* %p\n  ret i32 %v\n}\n`);
    expect([typed.message.status, typed.stderr]).toEqual(['ok', '']);
    const none = await client.compile({ text: GOOD, language: 'ir' });
    expect(none.message.status).toBe('ok');
  });

  it('goes through the passes that are asked for, and no others', async () => {
    const text =
      'define i32 @f() {\n  %p = alloca i32\n  store i32 5, ptr %p\n  %v = load i32, ptr %p\n  %w = add i32 %v, 0\n  ret i32 %w\n}\n';
    const ir = async (passes: string) => String((await compile(text, { passes, outputs: ['ir'] })).outputs.ir);
    expect(await ir('mem2reg')).toContain('%w = add i32 5, 0');
    expect(await ir('function(mem2reg,instcombine)')).toContain('ret i32 5');
    expect(await ir('default<O2>')).toContain('ret i32 5');
    expect(await ir('default<O0>')).toContain('alloca');
    const object = await compile(text, { passes: 'default<O2>' });
    expect(object.message.status).toBe('ok');
    expect(object.object.length).toBeGreaterThan(400);
  });

  it.each([
    ['no-such-pass', "error: passes: unknown pass name 'no-such-pass'\n"],
    ['function(no-such-pass)', "error: passes: unknown function pass 'no-such-pass'\n"],
    ['function(dce', "error: passes: invalid pipeline 'function(dce'\n"],
    ['dot-cfg', "error: passes: 'dot-cfg' is not let through\n"],
    ['function(print<domtree>)', "error: passes: 'print' is not let through\n"],
  ])('with the passes %s is refused', async (passes, words) => {
    const { message, stderr } = await compile(GOOD, { passes });
    expect(stderr).toBe(words);
    expect(message.status).toBe('failed');
  });
});

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { recordOneShot } from '../../src/compile/one-shot-record.ts';
import { enterSandbox, type Sandbox } from './leftovers.ts';
import { installedToolchains, textRequest } from './requests.ts';

const toolchains = await installedToolchains();
let sandbox: Sandbox;
beforeAll(() => {
  sandbox = enterSandbox();
});
afterAll(() => {
  sandbox.remove();
});

const clang = toolchains.find(({ kind }) => kind === 'clang');

describe.skipIf(clang === undefined)('recordOneShot of LLVM IR', () => {
  const ofIR = async (ir: string | Uint8Array) => {
    const input = { kind: 'ir', ir, displayName: 'm.ll', passes: null } as const;
    return await recordOneShot(clang as NonNullable<typeof clang>, { ...textRequest(''), input }, [], Date.now());
  };
  const bitcode = (text: string) =>
    execFileSync((clang as NonNullable<typeof clang>).path, ['-c', '-emit-llvm', '-x', 'c', '-', '-o', '-'], {
      input: text,
    });

  it('has nothing but the assembly that reads files, in text', async () => {
    expect(await ofIR('@a = global i32 1\n; __DATE__\n')).toEqual({ read: [], absent: [], listed: [], volatile: [] });
    expect((await ofIR('module asm ".incbin \\22x\\22"\n')).volatile).toEqual(['m.ll has .incbin']);
    expect((await ofIR('module asm "d: .inc\\62in \\22x\\22"\n')).volatile).toEqual(['m.ll has .incbin']);
    const macro = 'module asm ".macro m a"\nmodule asm ".inc\\5Ca \\22x\\22"\n';
    expect((await ofIR(macro)).volatile).toEqual(['m.ll has assembly in pieces']);
    expect((await ofIR('module asm ".include \\22x\\22"\n')).volatile).toEqual(['m.ll has .include']);
  });

  test.each([0, 1, 2, 3, 4, 5, 6, 7])('and in bitcode, at whichever bit it is (%i more characters)', async (count) => {
    const pad = 'n'.repeat(count);
    const inline = bitcode(`int f${pad}(void) { asm("#${pad}\\n.incbin \\"x\\""); return 1; }\n`);
    expect((await ofIR(inline)).volatile).toEqual(['m.ll has .incbin']);
    // clang reads the file when it makes the bitcode.
    writeFileSync('x', '');
    const whole = bitcode(`asm("#${pad}\\n.include \\"x\\"");\n`);
    expect((await ofIR(whole)).volatile).toEqual(['m.ll has .include']);
    expect((await ofIR(bitcode(`int f${pad}(void) { asm("nop"); return 1; }\n`))).volatile).toEqual([]);
  });
});

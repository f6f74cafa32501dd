import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { isForeign, tripleOf } from '../../src/compile/ir-triple.ts';

const HERE = 'x86_64-pc-linux-gnu';

function bitcode(target: string): Buffer {
  const args = [`--target=${target}`, '-x', 'c', '-c', '-emit-llvm', '-o', '-', '-'];
  return execFileSync('clang-22', args, { input: 'int add(int a, int b) { return a + b; }' });
}

describe('the triple of a module', () => {
  it.each([
    ['; a comment\ntarget triple = "aarch64-linux-gnu"\n', 'aarch64-linux-gnu'],
    ['source_filename = "x"\n\ttarget  triple="x86_64"', 'x86_64'],
    ['target triple = ""', null],
    ['define void @f() {\n  ret void\n}\n', null],
    ['; target triple = "nvptx64"', null],
    ['', null],
  ])('is read from the text %j', (text, triple) => {
    expect(tripleOf(text)).toBe(triple);
  });

  it.each(['x86_64-pc-linux-gnu', 'aarch64-unknown-linux-gnu', 'i386-pc-linux-gnu'])(
    'is read from bitcode for %s',
    (target) => {
      expect(tripleOf(bitcode(target))).toBe(target);
    },
  );

  it('is null for what is no bitcode, and for bitcode that is cut anywhere', () => {
    expect(tripleOf(new Uint8Array())).toBeNull();
    expect(tripleOf(Buffer.from('BC'))).toBeNull();
    const whole = bitcode(HERE);
    const found = new Set(Array.from({ length: whole.length }, (_, length) => tripleOf(whole.subarray(0, length))));
    expect([...found]).toEqual([null, HERE]);
  });

  it.each([
    [HERE, false],
    ['x86_64-unknown-linux-gnu', false],
    ['x86_64-linux-musl', false],
    ['x86_64', false],
    ['amd64-unknown-unknown', false],
    ['x86_64-pc-linux-gnux32', true],
    ['i386-pc-linux-gnu', true],
    ['aarch64-unknown-linux-gnu', true],
    ['x86_64-apple-macosx10.15.0', true],
    ['x86_64-pc-windows-msvc', true],
  ])('%s is foreign: %s', (triple, foreign) => {
    expect(isForeign(triple, HERE)).toBe(foreign);
  });
});

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checkRelocatable, readExports } from '../src/elf.ts';

const compile = (source: string, ...flags: string[]): Buffer =>
  execFileSync('clang-22', ['-xc', '-', '-c', '-o', '-', ...flags], { input: source });

describe('only a relocatable object of this machine is one', () => {
  const object = compile('int x;');

  test('a real one is', () => {
    expect(checkRelocatable(object)).toBeNull();
    expect(checkRelocatable(new Uint8Array(object))).toBeNull();
  });

  test.each([
    ['nothing', new Uint8Array(), 'it is empty'],
    ['text', Buffer.from('hello'), 'it is not an ELF file'],
    ['a cut header', object.subarray(0, 40), 'it is not an ELF file'],
    [
      'LLVM bitcode',
      Buffer.concat([Buffer.from('BC\xc0\xde', 'latin1'), Buffer.alloc(100)]),
      'it is LLVM bitcode, not an ELF file',
    ],
    ['a 32-bit object', compile('int x;', '-m32'), 'it is not a 64-bit little-endian ELF file'],
    [
      'an object for another machine',
      compile('int x;', '--target=aarch64-linux-gnu'),
      'it is for another machine than x64',
    ],
    ['an executable', readFileSync(process.execPath).subarray(0, 4096), 'it is not a relocatable object'],
  ])('%s is not', (_what, bytes, reason) => {
    expect(checkRelocatable(bytes)).toBe(reason);
  });
});

test('the symbols that others can see are read with kind and size', () => {
  const object = compile(`
    int zero; char bytes[12] = { 1 }; static int inner(void) { return zero; } int outer(void) { return inner(); }
    __attribute__((visibility("hidden"))) int hidden; int undefined_one(void); int call(void) { return undefined_one(); }
    __thread int per_thread;
  `);
  const symbols = readExports(object, 'static').map(
    ({ name, kind, size }) => `${name} ${kind} ${kind === 'data' ? size : '-'}`,
  );
  expect(symbols.sort()).toEqual(['bytes data 12', 'call function -', 'outer function -', 'zero data 4']);
  expect(() => readExports(Buffer.from('junk'), 'static')).toThrow(RangeError);
});

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { LinkError } from '../../src/index.ts';
import { compileShared } from '../loader/fixtures/objects.ts';
import { holdLoads } from './load.ts';

const SOURCE = `
  int add(int a, int b) { return a + b; }
  int table[4] = { 1, 2, 3, 4 };
  static int hidden(void) { return 1; }
  static int (*choose(void))(void) { return hidden; }
  int chosen(void) __attribute__((ifunc("choose")));
`;

describe('shared libraries', () => {
  const { load, refusal } = holdLoads({});
  const path = compileShared('clang-22', SOURCE);
  const file = compileShared('clang-22', 'int f(int x) { return 2 * x; }');
  const padding = Array.from({ length: 50 }, (_, n) => `int pad${n}(int x) { return x * ${n + 3}; }`).join('\n');
  const replacement = compileShared('clang-22', `${padding}\nint f(int x) { return 100 * x; }`);
  const open = compileShared('gcc', 'int nope(void); int f(void) { return nope(); }');

  test('are opened by path, and their functions and data are bound', async () => {
    const library = await load({ sharedLibrary: path });
    expect(library.loader).toEqual({ kind: 'shared-object', reason: 'the input is a shared library' });
    expect(library.func('int add(int, int)')(2, 3)).toBe(5);
    expect(library.func('int chosen(void)')()).toBe(1);
    expect(library.variable('int table').value).toBe(1);
    expect(library.symbols.get('table')).toMatchObject({ kind: 'data', size: 16 });
    expect([...library.symbols.keys()].sort()).toEqual(['add', 'chosen', 'table']);
  });

  test('are opened by name, as the system finds them', async () => {
    const library = await load({ sharedLibrary: 'libz.so.1' });
    expect(library.func('unsigned long crc32(unsigned long, const void *, unsigned)')(0, Buffer.from('hello'), 5)).toBe(
      0x3610a686,
    );
    expect([...library.symbols.keys()].filter((name) => name.startsWith('ZLIB_'))).toEqual([]);
  });

  test('give the default of a name with several versions', async () => {
    const library = await load({ sharedLibrary: 'libc.so.6' });
    expect(library.func('unsigned long strlen(const char *)')('four')).toBe(4);
    const copy = new Uint8Array(4);
    library.func('void *memcpy(void *, const void *, unsigned long)')(copy, Uint8Array.of(1, 2, 3, 4), 4);
    expect([...copy]).toEqual([1, 2, 3, 4]);
  });

  test('are closed by the dispose of the last library that has them', async () => {
    const isMapped = () => readFileSync('/proc/self/maps', 'utf8').includes(path);
    const [first, second] = [await load({ sharedLibrary: path }), await load({ sharedLibrary: path })];
    await first.dispose();
    expect(isMapped()).toBe(true);
    expect(second.func('int add(int, int)')(2, 3)).toBe(5);
    await second.dispose();
    expect(isMapped()).toBe(false);
  });

  test('that were replaced while they were open are called where they are mapped', async () => {
    const before = await load({ sharedLibrary: file });
    expect(before.func('int f(int)')(4)).toBe(8);
    renameSync(replacement, file);
    const after = await load({ sharedLibrary: file });
    expect(after.func('int f(int)')(4)).toBe(8);
    expect(() => after.func('int pad7(int)')).toThrow('exports no `pad7`');
  });

  test('can not be reloaded', async () => {
    const library = await load({ sharedLibrary: path });
    await expect(library.reload()).rejects.toThrow('A `sharedLibrary` can not be reloaded');
    expect(library.func('int add(int, int)')(2, 3)).toBe(5);
  });

  describe('that can not be used are refused', () => {
    test.each([
      ['./nope.so', /^bad: the shared library \/.*\/nope\.so can't be read: ENOENT/],
      ['libnope-at-all.so.1', /^bad: the dynamic linker refused the library: libnope-at-all\.so\.1: cannot open/],
      ['./', /can't be read: EISDIR/],
    ])('%s', async (sharedLibrary, message) => {
      const error = await refusal({ name: 'bad', sharedLibrary });
      expect(error).toBeInstanceOf(LinkError);
      expect(error.message).toMatch(message);
    });

    test.each([
      ['for another machine', (bytes: Buffer) => bytes.writeUInt16LE(183, 18), 'it is for another machine than x64'],
      ['of 32 bits', (bytes: Buffer) => bytes.writeUInt8(1, 4), 'it is not a 64-bit little-endian ELF file'],
      ['an object', (bytes: Buffer) => bytes.writeUInt8(1, 16), 'it is not a shared object'],
      ['a script for a linker', (bytes: Buffer) => bytes.fill('GROUP ( libz.so.1 )\n'), 'it is not an ELF file'],
    ])('%s', async (_, damage, reason) => {
      const bytes = readFileSync(path);
      damage(bytes);
      writeFileSync('bad.so', bytes);
      const error = await refusal({ sharedLibrary: './bad.so' });
      expect(error).toBeInstanceOf(LinkError);
      expect(error.message).toContain(reason);
    });

    test('one that is cut anywhere, and the process goes on', async () => {
      const bytes = readFileSync(path);
      for (let length = 0; length < bytes.length; length += 1009) {
        writeFileSync('cut.so', bytes.subarray(0, length));
        expect(await refusal({ sharedLibrary: './cut.so' }), `${length} bytes`).toBeInstanceOf(LinkError);
      }
    });

    test('one that needs what is not there', async () => {
      const error = await refusal({ sharedLibrary: open });
      expect(error.message).toContain('undefined symbol: nope');
    });
  });
});

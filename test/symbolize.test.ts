/** Which library, function and line an address lies in. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { findLine, readLineTable } from '../src/dwarf-lines.ts';
import { readObjectLines } from '../src/elf-code.ts';
import { makeImages } from '../src/images.ts';
import { cacheStats, loadSourceLibrary, type SourceLibrary, type SourceLibrarySpec, symbolize } from '../src/index.ts';
import { loadFromImage } from './contract/linked-image.ts';
import { compile, shimIsBuilt } from './loader/fixtures/objects.ts';

const live: SourceLibrary[] = [];
afterEach(async () => {
  for (const library of live.splice(0)) await library.dispose();
});

const SOURCE = `static int __attribute__((noinline)) own(int value) {
  return value * 3;
}
void *where(void) {
  return __builtin_return_address(0);
}
void *inside(void) {
  void *here = where();
  return here;
}
int (*address_of_own(void))(int) {
  return own;
}
`;
let serial = 0;

describe.each(['orc', 'shared-object', 'linked-image'] as const)('on the %s loader', (loader) => {
  const name = `symbols-${loader}`;
  async function load(options: object): Promise<SourceLibrary> {
    const kind = loader === 'orc' ? 'orc' : 'shared-object';
    const spec = { name, source: SOURCE, loader: kind, cache: false, ...options } as SourceLibrarySpec;
    const library = await (loader === 'linked-image' ? loadFromImage(spec) : loadSourceLibrary(spec));
    live.push(library);
    return library;
  }
  const skipped = loader === 'orc' && !shimIsBuilt;

  test.skipIf(skipped)('a function has a name, and without -g no line', async () => {
    const library = await load({ flags: ['-O1'] });
    const address = library.address('where');
    const where = { library: name, generation: 1, function: 'where', symbol: 'where' };
    expect(await symbolize(address)).toEqual({ ...where, offset: 0 });
    expect(await symbolize(address + 1n)).toEqual({ ...where, offset: 1 });
  });

  test.skipIf(skipped)('with -g a function, static or not, has file and line', async () => {
    for (const flags of [['-g'], ['-g', '-gdwarf-4'], ['-g', '-ffunction-sections'], ['-g', '-gz']]) {
      const library = await load({ name: `${name}-${serial++}`, flags: [...flags, '-O0'] });
      const inside = await symbolize(library.func('void *inside(void)')() as bigint);
      const file = `${library.name}.c`;
      expect(inside).toMatchObject({ library: library.name, function: 'inside' });
      // These images are no files any more: of such only what they export is known.
      expect(inside?.file).toBe(loader === 'linked-image' ? undefined : file);
      if (loader === 'linked-image') continue;
      expect(inside?.line).toBe(8);
      const own = library.func('void *address_of_own(void)')() as bigint;
      expect(await symbolize(own)).toMatchObject({ function: 'own', symbol: 'own', offset: 0, file, line: 1 });
    }
  });

  test.skipIf(skipped)('C++ is shown as it is written', async () => {
    const source = 'namespace geometry { int area(int a, int b) { return a * b; } }';
    const library = await load({ source, language: 'c++' });
    expect(await symbolize(library.address('_ZN8geometry4areaEii'))).toMatchObject({
      function: 'geometry::area(int, int)',
      symbol: '_ZN8geometry4areaEii',
    });
  });

  test.skipIf(skipped)('a reload gives a new generation, and what is gone is in no library', async () => {
    const library = await load({ flags: ['-O1'] });
    const first = library.address('where');
    await library.reload({ source: `int more;\n${SOURCE}` });
    expect(await symbolize(library.address('where'))).toMatchObject({ generation: 2, function: 'where' });
    const second = library.address('where');
    await library.dispose();
    expect(await symbolize(first)).toBeNull();
    expect(await symbolize(second)).toBeNull();
  });
});

test('a linked image in the cache has its lines', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'fromsource-symbols-'));
  try {
    const spec = { name: 'symbols-kept', source: SOURCE, flags: ['-g', '-O0'], cache: { dir } };
    await (await loadSourceLibrary(spec)).dispose();
    await cacheStats({ dir });
    await makeImages();
    const library = await loadSourceLibrary(spec);
    live.push(library);
    expect(library.loader).toEqual({ kind: 'shared-object', reason: 'its linked image is in the cache' });
    const own = library.func('void *address_of_own(void)')() as bigint;
    const where = { file: 'symbols-kept.c', line: 1, offset: 0 };
    expect(await symbolize(own)).toMatchObject({ function: 'own', ...where });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('an address of no library is in none, and must be a bigint', async () => {
  expect(await symbolize(0n)).toBeNull();
  expect(await symbolize(2n ** 64n - 1n)).toBeNull();
  await expect(symbolize(5 as never)).rejects.toThrow(
    new TypeError('Expected `address` to be a bigint, got `5` (number)'),
  );
});

test('the lines of what was left out of a link are left out', () => {
  // Not linked: all its addresses are those of code that has no place.
  const lines = readObjectLines(compile('clang-22', SOURCE, ['-g', '-fPIC']));
  if (lines === null) throw new Error('no lines');
  expect(readLineTable(lines).addresses).toHaveLength(0);
  const all = readLineTable({ ...lines, lowest: 0 });
  expect(findLine(all, 0)).toEqual({ file: '<stdin>', line: 4 });
  expect(findLine(all, 1e6)).toBeNull();
});

test('a damaged line program is a RangeError, or no lines', () => {
  const lines = readObjectLines(compile('clang-22', SOURCE, ['-g', '-fPIC']));
  if (lines === null) throw new Error('no lines');
  for (let at = 0; at < lines.line.length; at += 1) {
    for (const value of [0, 0x7f, 0xff]) {
      const line = Uint8Array.from(lines.line);
      line[at] = value;
      try {
        readLineTable({ ...lines, line });
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }
  }
});

/** `-stdlib=libc++`, wherever it is asked for: that code finds the library by itself, and what can't have it says so. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { LinkError, loadSourceLibrary, type SourceLibrary, type SourceLibrarySpec, seal } from '../../src/index.ts';
import { takesLibcxx } from '../../src/runtimes.ts';
import { findResident } from '../../src/toolchain/resident.ts';

const probe = { input: '#include <vector>', encoding: 'utf8' } as const;
const HAS_LIBCXX = spawnSync('clang++-22', ['-xc++', '-stdlib=libc++', '-fsyntax-only', '-'], probe).status === 0;
if (!HAS_LIBCXX) console.log('the tests of libc++ are skipped: clang++-22 finds none');

const folder = mkdtempSync(join(tmpdir(), 'fromsource-libcxx-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const live: SourceLibrary[] = [];
afterEach(async () => {
  for (const library of live.splice(0).reverse()) await library.dispose();
});

let serial = 0;
async function load(spec: Partial<SourceLibrarySpec>): Promise<SourceLibrary> {
  const library = await loadSourceLibrary({ name: `libcxx-${serial++}`, ...spec } as SourceLibrarySpec);
  live.push(library);
  return library;
}

const FLAG = '-stdlib=libc++';
/** The number's digits; negative where the standard library is another one. */
const DIGITS = `
  #include <sstream>
  #ifdef _LIBCPP_VERSION
  #define SIGN 1
  #else
  #define SIGN -1
  #endif
  extern "C" int digits(int n) { std::ostringstream out; out << n; return SIGN * (int) out.str().size(); }
`;

describe.skipIf(!HAS_LIBCXX)('libc++', () => {
  const cxx = join(folder, 'digits.cpp');
  writeFileSync(cxx, DIGITS);
  const entry = { directory: folder, file: cxx, arguments: ['clang++', FLAG, '-c', cxx] };
  writeFileSync(join(folder, 'compile_commands.json'), JSON.stringify([entry]));

  test.each([{ file: cxx }, { files: [cxx] }])('a compile_commands.json may ask for it: %j', async (input) => {
    const library = await load({ ...input, compileCommands: folder } as Partial<SourceLibrarySpec>);
    expect(library.func('int digits(int)')(12345)).toBe(5);
  });

  test('the last flag counts, and C has none of it', async () => {
    const source = { source: DIGITS, language: 'c++' } as const;
    const both = await load({ ...source, flags: [FLAG, '-stdlib=libstdc++'], loader: 'shared-object' });
    expect(both.func('int digits(int)')(12345)).toBe(-5);
    expect(takesLibcxx({ flags: [FLAG], language: 'c' })).toBe(false);
  });

  test('a sealed library is refused it, whoever asks for it', async () => {
    const path = join(folder, 'digits.fsl');
    for (const spec of [{ flags: [FLAG] }, { compileCommands: folder }]) {
      const error = await seal({ name: 'digits', file: cxx, ...spec }, path).catch((each) => each);
      expect(error).toBeInstanceOf(LinkError);
      expect(error.message).toBe(
        "digits can't be sealed: by `-stdlib=libc++` it needs libc++, which would not be in the file",
      );
    }
    expect(existsSync(path)).toBe(false);
  });

  test.skipIf(findResident() === null)('a snippet has it as its library does', async () => {
    const library = await load({ source: DIGITS, language: 'c++', flags: [FLAG] });
    expect(await library.evaluate('std::stoi(std::string("123, and more"))')).toBe(123);
    await expect(library.evaluate('std::stoi("none")')).rejects.toMatchObject({ type: 'std::invalid_argument' });
  });
});

/** What the shim says about the code of a dylib, for {@link LoadedImage.readCode}. */

import type { LineSections } from '../dwarf-lines.ts';
import { readObjectLines } from '../elf-code.ts';
import { koffi } from '../koffi.ts';
import type { CodeFunction, ImageCode } from './loader.ts';

/** "f <address, hex> <size> <name>\n" and "o <address, hex> <size> -\n", of a dylib that is live. */
export function parseCode(text: string): ImageCode {
  const functions: CodeFunction[] = [];
  const lines: LineSections[] = [];
  for (const [, kind, start, length, name] of text.matchAll(/^([fo]) (\w+) (\d+) (.*)$/gm)) {
    const size = Number(length);
    if (kind === 'f') {
      functions.push({ address: Number(`0x${start}`), size, name: name as string });
      continue;
    }
    const found = readObjectLines(new Uint8Array(koffi.view(BigInt(`0x${start}`), size)));
    if (found !== null) lines.push(found);
  }
  const ranges = functions.map(({ address, size }) => ({ from: address, to: address + size }));
  return { ranges, functions, lines };
}

/** What is known of the code of a mapped shared object, for {@link LoadedImage.readCode}. */

import { readFile } from 'node:fs/promises';
import { codeOf, readCodeParts } from '../elf-code.ts';
import { koffi } from '../koffi.ts';
import type { ImageCode, SymbolInfo } from './loader.ts';

const PT_LOAD = 1;
const PF_X = 1;
const PAGE = 4096;

/** What is known of nothing. */
export const NO_CODE: ImageCode = { ranges: [], functions: [], lines: [] };

/**
 * Whether the file is the one that is mapped its first page tells: there are its tables.
 *
 * @param path - of the file that was mapped, as far as anyone knows
 * @param symbols - what the object exports
 */
export async function readMappedCode(
  path: string,
  base: bigint,
  symbols: ReadonlyMap<string, SymbolInfo>,
): Promise<ImageCode> {
  // Before anything is waited for: it may be unmapped then.
  const ranges = mappedCode(base);
  const page = Buffer.from(new Uint8Array(koffi.view(base, PAGE)));
  const file = await readFile(path).catch(() => null);
  if (file !== null && startsAlike(file, page)) return codeOf(readCodeParts(file), Number(base));
  const functions = [...symbols].filter(([, { kind }]) => kind === 'function');
  return {
    ranges,
    functions: functions.map(([name, { address, size }]) => ({ address: Number(address), size, name })),
    lines: [],
  };
}

function startsAlike(file: Uint8Array, page: Uint8Array): boolean {
  const length = Math.min(page.length, file.length);
  return Buffer.compare(file.subarray(0, length), page.subarray(0, length)) === 0;
}

function mappedCode(base: bigint): ImageCode['ranges'] {
  const header = new DataView(koffi.view(base, 64));
  const [table, count] = [Number(header.getBigUint64(32, true)), header.getUint16(56, true)];
  const view = new DataView(koffi.view(base, table + count * 56));
  const number = (at: number) => Number(view.getBigUint64(at, true));
  return Array.from({ length: count }, (_, index) => table + index * 56)
    .filter((at) => view.getUint32(at, true) === PT_LOAD && (view.getUint32(at + 4, true) & PF_X) !== 0)
    .map((at) => ({ from: Number(base) + number(at + 16), to: Number(base) + number(at + 16) + number(at + 40) }));
}

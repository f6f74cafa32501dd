/** Hands what is known of a library's code to the handlers of fatal signals, which can look up nothing themselves. */

import { type CodeMap, codeMapOf, demangle } from './code-map.ts';
import { addCrashCode, type CrashTables } from './loader/crash-code.ts';
import type { LoadedImage } from './loader/loader.ts';

/**
 * From now on a fatal signal in the image is reported.
 *
 * @returns ends that; to be called when the image is disposed
 * @throws LinkError when there is no shim, which has the handlers; the image is disposed then.
 */
export async function reportCrashes(library: string, image: LoadedImage): Promise<() => void> {
  try {
    return addCrashCode(library, tablesOf(await codeMapOf(image)));
  } catch (error) {
    await image.dispose();
    throw error;
  }
}

/** Of where code is, from which entry to the next. */
interface Row {
  readonly address: number;
  readonly file: string | undefined;
  readonly line: number;
}

function tablesOf({ ranges, functions, lines }: CodeMap): CrashTables {
  const text: Buffer[] = [];
  const offsets = new Map<string, number>();
  let size = 0;
  const offsetOf = (name: string): number => {
    const known = offsets.get(name);
    if (known !== undefined) return known;
    const bytes = Buffer.from(`${name}\0`);
    const offset = size;
    text.push(bytes);
    offsets.set(name, offset);
    size += bytes.length;
    return offset;
  };
  const rows: Row[] = lines.flatMap(({ addresses, fileOf, lines: numbers, files }) =>
    Array.from(addresses, (address, index) => {
      const file = files[fileOf[index] ?? -1];
      return { address, file, line: file === undefined ? 0 : (numbers[index] ?? 0) };
    }),
  );
  // Of one object they are in order; those of several may lie between each other. At an end something may begin.
  rows.sort((a, b) => a.address - b.address || a.line - b.line);
  return {
    ranges: entries(ranges, ({ from, to }, write) => write(from, to % 2 ** 32, Math.floor(to / 2 ** 32))),
    functions: entries(functions, ({ address, size, name }, write) => write(address, size, offsetOf(demangle(name)))),
    lines: entries(rows, ({ address, file, line }, write) =>
      write(address, file === undefined ? 0 : offsetOf(file), line),
    ),
    text: Buffer.concat(text),
  };
}

/** All of the tables have entries of an address and two words. */
function entries<T>(
  items: readonly T[],
  encode: (item: T, write: (from: number, first: number, second: number) => void) => void,
): Buffer {
  const bytes = Buffer.alloc(items.length * 16);
  items.forEach((item, index) => {
    encode(item, (from, first, second) => {
      bytes.writeBigUint64LE(BigInt(from), index * 16);
      bytes.writeUInt32LE(first, index * 16 + 8);
      bytes.writeUInt32LE(second, index * 16 + 12);
    });
  });
  return bytes;
}

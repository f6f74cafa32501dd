/** Where every function and line of the live libraries is; built for a library when it is first asked for. */

import { findLine, type LineTable, readLineTable } from './dwarf-lines.ts';
import { liveGenerations } from './generation.ts';
import { koffi } from './koffi.ts';
import type { CodeFunction, ImageCode, LoadedImage } from './loader/loader.ts';
import type { SymbolizedAddress } from './symbolize.ts';

/** The code of one generation, in order. */
export interface CodeMap {
  readonly ranges: ImageCode['ranges'];
  /** By address; where several have one address the exported one of them, or any. */
  readonly functions: readonly CodeFunction[];
  readonly lines: readonly LineTable[];
}

const maps = new WeakMap<object, Promise<CodeMap>>();

/** The map of an image that is live. Where debug information can't be read there are no lines. */
export function codeMapOf(image: LoadedImage): Promise<CodeMap> {
  const key = image.codeKey ?? image;
  let map = maps.get(key);
  if (map === undefined) {
    map = readMap(image);
    maps.set(key, map);
    // Such as when memory was short: the next may have more luck.
    map.catch(() => maps.delete(key));
  }
  return map;
}

async function readMap(image: LoadedImage): Promise<CodeMap> {
  const { ranges, functions, lines } = await image.readCode();
  const tables = lines.flatMap((sections) => {
    try {
      return [readLineTable(sections)];
    } catch (error) {
      if (error instanceof RangeError) return [];
      throw error;
    }
  });
  // Of functions at one address the last is found: the largest, because a label within it may have no size.
  const sorted = [...functions].sort((a, b) => a.address - b.address || a.size - b.size);
  return { ranges, functions: sorted, lines: tables };
}

export async function findAddress(address: number): Promise<SymbolizedAddress | null> {
  for (const generation of liveGenerations) {
    const found = findIn(await codeMapOf(generation.build.image), address);
    if (found === null) continue;
    const { symbol, ...rest } = found;
    const name = symbol === null ? null : demangle(symbol);
    return { library: generation.library, generation: generation.number, function: name, symbol, ...rest };
  }
  return null;
}

type Found = Pick<SymbolizedAddress, 'symbol' | 'offset' | 'file' | 'line'>;

function findIn({ ranges, functions, lines }: CodeMap, address: number): Found | null {
  const found = functionAt(functions, address);
  const range = ranges.find(({ from, to }) => from <= address && address < to);
  if (found === null && range === undefined) return null;
  const start = found?.address ?? (range as { from: number }).from;
  const place = lines.map((table) => findLine(table, address)).find((each) => each !== null) ?? {};
  return { symbol: found?.name ?? null, offset: address - start, ...place };
}

function functionAt(functions: readonly CodeFunction[], address: number): CodeFunction | null {
  let [low, high] = [0, functions.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((functions[middle] as CodeFunction).address <= address) low = middle + 1;
    else high = middle;
  }
  const found = functions[low - 1];
  if (found === undefined) return null;
  return address < found.address + Math.max(found.size, 1) ? found : null;
}

function declareDemangle(): (symbol: string) => string {
  try {
    const program = koffi.load(null);
    const demangleAt = program.func('__cxa_demangle', 'void *', ['const char *', 'void *', 'void *', 'void *']);
    const free = program.func('free', 'void', ['void *']);
    return (symbol) => {
      const text: bigint | null = demangleAt(symbol, null, null, null);
      if (text === null) return symbol;
      const name = koffi.decode.string(text);
      free(text);
      return name;
    };
  } catch {
    return (symbol) => symbol;
  }
}

let declared: ReturnType<typeof declareDemangle> | undefined;

/** By the C++ runtime that node is linked with; the name as it is where that is not to be had. */
export function demangle(symbol: string): string {
  if (!symbol.startsWith('_Z')) return symbol;
  declared ??= declareDemangle();
  return declared(symbol);
}

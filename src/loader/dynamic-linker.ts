/** The system's dynamic linker, as C sees it. */

import type { ExportedSymbol } from '../elf.ts';
import { LinkError } from '../errors.ts';
import { koffi } from './koffi.ts';
import type { LoadedImage, SymbolInfo } from './loader.ts';

const RTLD_NOW = 2;
const RTLD_DI_LINKMAP = 2;

let declared: ReturnType<typeof declare> | undefined;

function declare() {
  const process = koffi.load(null);
  return {
    dlopen: process.func('dlopen', 'void *', ['const char *', 'int']),
    dlsym: process.func('dlsym', 'void *', ['void *', 'const char *']),
    dlclose: process.func('dlclose', 'int', ['void *']),
    dlerror: process.func('dlerror', 'const char *', []),
    dlinfo: process.func('dlinfo', 'int', ['void *', 'int', 'void *']),
  };
}

/**
 * Opens a shared object for this library alone (`RTLD_LOCAL`). Its initialisers run in here, on this thread, as they do
 * under the ORC loader.
 *
 * @param readExported - what it exports, given the path at which the system found it; what this throws is thrown on.
 * @param initialise - runs those that the dynamic linker was kept from, given the address at which it is mapped; what
 * this throws is thrown on, when the library is closed again.
 * @throws LinkError when the dynamic linker refuses it.
 */
export function openSharedObject(
  library: string,
  file: string,
  readExported: (path: string) => readonly ExportedSymbol[],
  initialise?: (base: bigint) => void,
): LoadedImage {
  declared ??= declare();
  const { dlopen, dlclose, dlerror } = declared;
  const handle = dlopen(file, RTLD_NOW) as bigint | null;
  if (handle === null) {
    throw new LinkError(library, `${library}: the dynamic linker refused the library: ${dlerror()}`, []);
  }
  try {
    const { base, path } = placeOf(handle, file);
    initialise?.(base);
    return {
      symbols: addressesOf(handle, base, readExported(path)),
      dispose: async () => void dlclose(handle),
    };
  } catch (error) {
    dlclose(handle);
    throw error;
  }
}

/** Where it is mapped, and the file that it was found in: the first two fields of `struct link_map`. */
function placeOf(handle: bigint, file: string): { base: bigint; path: string } {
  const out = new BigUint64Array(1);
  if (declared?.dlinfo(handle, RTLD_DI_LINKMAP, out) !== 0) throw new Error(`dlinfo failed for ${file}`);
  const [base, name] = koffi.decode(out[0] as bigint, 'uint64_t', 2) as [number | bigint, number | bigint];
  return { base: BigInt(base), path: koffi.decode.string(BigInt(name)) };
}

function addressesOf(handle: bigint, base: bigint, exported: readonly ExportedSymbol[]): Map<string, SymbolInfo> {
  const symbols = new Map<string, SymbolInfo>();
  for (const { name, value, size, kind, indirect } of exported) {
    // A name that comes twice has several versions, of which the dynamic linker knows the default.
    const isAmbiguous = indirect || symbols.has(name);
    const address = isAmbiguous ? (declared?.dlsym(handle, name) as bigint | null) : base + BigInt(value);
    // Only an old version of a name, which no one can ask for; or not in what is mapped, which is an older file.
    if (address === null) continue;
    symbols.set(name, { address, kind, size });
  }
  return symbols;
}

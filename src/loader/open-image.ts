/** Opens linked images: the short way of a library that was loaded before. Nothing here waits, or reads the file. */

import { readExports } from '../elf.ts';
import { koffi } from '../koffi.ts';
import {
  addressesOf,
  addressIn,
  bringsExceptions,
  closeObject,
  fillImports,
  openObject,
  tryLock,
} from './dynamic-linker.ts';
import type { ImageLayout } from './image-layout.ts';
import { runInitialisers } from './initialisers.ts';
import type { LoadedImage, SymbolInfo } from './loader.ts';

const { uint64 } = koffi.decode;

/**
 * Opens an image that `makeLinkedImage` made. Its initialisers run in here, on this thread.
 *
 * The dynamic linker gives an image that is open in this process a second time with the same static data, which two
 * libraries must not share. So the first to open one claims it, until it is unmapped; all others, workers too, get null
 * and link the object instead. An image that can't be unmapped stays claimed.
 *
 * @param path - absolute; the file must be whole, and as it was made: the dynamic linker checks next to nothing
 * @param layout - of this very file
 * @param imports - the address of every name in the layout's `imports`
 * @returns null also when the dynamic linker refuses it, as it does on a file system that is mounted `noexec`.
 * @throws LinkError when an initialiser throws; it is closed then.
 */
export function openLinkedImage(
  library: string,
  path: string,
  layout: ImageLayout,
  imports?: ReadonlyMap<string, bigint>,
): LoadedImage | null {
  let handle: bigint;
  try {
    handle = openObject(library, path);
  } catch {
    return null;
  }
  try {
    // glibc's and musl's handle is the object's `struct link_map *`, which begins with where it is mapped.
    const base = BigInt(uint64(handle));
    if (tryLock(base + BigInt(layout.claim)) !== 0) {
      closeObject(handle);
      return null;
    }
    if (layout.imports !== undefined) fillImports(base, layout.imports, imports);
    if (layout.initialisers !== null) runInitialisers(library, base, layout.initialisers);
    return imageOf(handle, base, path, layout);
  } catch (error) {
    closeObject(handle);
    throw error;
  }
}

function imageOf(handle: bigint, base: bigint, path: string, layout: ImageLayout): LoadedImage {
  const { code, symbols: table } = layout;
  let symbols: ReadonlyMap<string, SymbolInfo> | undefined;
  let isOpen = true;

  return {
    /** From the table as it is mapped: the file may be gone. */
    get symbols() {
      if (symbols === undefined) {
        const end = Math.max(table.offset + table.size, table.names.offset + table.names.size);
        symbols = addressesOf(handle, base, readExports(new Uint8Array(koffi.view(base, end)), table));
      }
      return symbols;
    },

    find(name: string): SymbolInfo | undefined {
      if (code === null) return this.symbols.get(name);
      const address = addressIn(handle, name);
      if (address === null) return undefined;
      const offset = Number(address - base);
      // Data, of which the size is asked; a dependency's, such as libm's `sin`; or what a resolver chose elsewhere.
      if (offset < code.from || offset >= code.to) return this.symbols.get(name);
      return { address, kind: 'function', size: 0 };
    },

    // A name that the dynamic linker looks for in vain takes it 20 µs, the first time.
    mayThrow: () => layout.mayThrow ?? (isOpen && bringsExceptions(handle)),

    async readCode() {
      const { NO_CODE, readMappedCode } = await import('./image-code.ts');
      return isOpen ? readMappedCode(path, base, this.symbols) : NO_CODE;
    },

    async dispose() {
      if (!isOpen) return;
      isOpen = false;
      closeObject(handle);
    },
  };
}

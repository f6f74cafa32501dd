/** The loader that works wherever a compiler does: `cc -shared`, then the system's own dynamic linker. */

import { open, readFile } from 'node:fs/promises';
import { readExports } from '../elf.ts';
import { codeOf, readCodeParts } from '../elf-code.ts';
import { LinkError } from '../errors.ts';
import { fillImports, openSharedObject } from './dynamic-linker.ts';
import { findInitialisers } from './image-layout.ts';
import { findImportSlots, type ImportSlots } from './imports.ts';
import { runInitialisers, shimIfAny } from './initialisers.ts';
import { linkShared } from './link-shared.ts';
import type { LinkRequest, LoadedImage, Loader } from './loader.ts';

export const sharedObjectLoader: Loader = {
  kind: 'shared-object',

  link(request: LinkRequest): Promise<LoadedImage> {
    const { library, signal, imports } = request;
    return linkShared(request, [], async (path) => {
      const bytes = await readFile(path);
      const exported = readExports(bytes, 'dynamic');
      const places = imports === undefined ? [] : placesOf(library, bytes, imports);
      const run = await takeInitialisers(library, path, bytes, places.length > 0);
      // The last chance: initialisers run next.
      signal?.throwIfAborted();
      const initialise = (base: bigint): void => {
        fillImports(base, places, imports);
        run?.(base);
      };
      // The file is gone when anybody asks.
      const parts = readCodeParts(bytes);
      const readCode = (base: bigint) => codeOf(parts, Number(base));
      return openSharedObject(library, path, () => exported, initialise, readCode);
    });
  },
};

function placesOf(library: string, file: Uint8Array, imports: ReadonlyMap<string, bigint>): ImportSlots[] {
  try {
    return findImportSlots(file, new Set(imports.keys()));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new LinkError(library, `${library} could not be linked: ${error.message}`, [], { cause: error });
  }
}

/**
 * Makes the file one of which the dynamic linker runs no initialisers, and gives what runs them instead, once it is
 * mapped. Undefined, and the file stays, where there are none, or there is no shim and nothing that must come before.
 *
 * @param bytes - what is in the file
 */
async function takeInitialisers(
  library: string,
  file: string,
  bytes: Uint8Array,
  isImporting: boolean,
): Promise<((base: bigint) => void) | undefined> {
  const found = findInitialisers(bytes);
  if (found === null || (shimIfAny() === null && !isImporting)) return undefined;
  const handle = await open(file, 'r+');
  try {
    await handle.write(new Uint8Array(8), 0, 8, found.sizeAt);
  } finally {
    await handle.close();
  }
  return (base) => runInitialisers(library, base, found);
}

/** The loader that works wherever a compiler does: `cc -shared`, then the system's own dynamic linker. */

import { open, readFile } from 'node:fs/promises';
import { readExports } from '../elf.ts';
import { codeOf, readCodeParts } from '../elf-code.ts';
import { openSharedObject } from './dynamic-linker.ts';
import { findInitialisers } from './image-layout.ts';
import { runInitialisers, shimIfAny } from './initialisers.ts';
import { linkShared } from './link-shared.ts';
import type { LinkRequest, LoadedImage, Loader } from './loader.ts';

export const sharedObjectLoader: Loader = {
  kind: 'shared-object',

  link(request: LinkRequest): Promise<LoadedImage> {
    const { library, signal } = request;
    return linkShared(request, [], async (path) => {
      const bytes = await readFile(path);
      const exported = readExports(bytes, 'dynamic');
      const initialise = await takeInitialisers(library, path, bytes);
      // The last chance: initialisers run next.
      signal?.throwIfAborted();
      // The file is gone when anybody asks.
      const parts = readCodeParts(bytes);
      const readCode = (base: bigint) => codeOf(parts, Number(base));
      return openSharedObject(library, path, () => exported, initialise, readCode);
    });
  },
};

/**
 * Makes the file one of which the dynamic linker runs no initialisers, and gives what runs them instead, once it is
 * mapped. Undefined, and the file stays, where there are none or there is no shim.
 *
 * @param bytes - what is in the file
 */
async function takeInitialisers(
  library: string,
  file: string,
  bytes: Uint8Array,
): Promise<((base: bigint) => void) | undefined> {
  const found = findInitialisers(bytes);
  if (found === null || shimIfAny() === null) return undefined;
  const handle = await open(file, 'r+');
  try {
    await handle.write(new Uint8Array(8), 0, 8, found.sizeAt);
  } finally {
    await handle.close();
  }
  return (base) => runInitialisers(library, base, found);
}

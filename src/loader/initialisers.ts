/** Runs the initialisers of a shared object where they may throw, which within `dlopen` ends the process. */

import { koffi } from '../koffi.ts';
import type { Initialisers } from './image-layout.ts';
import { openShim, type ShimLibrary } from './shim.ts';

/** The shim, or null where it can't be had: then nothing catches what an initialiser throws. */
export function shimIfAny(): ShimLibrary | null {
  try {
    return openShim();
  } catch {
    return null;
  }
}

/**
 * Runs the initialisers that the dynamic linker was kept from, in order, on this thread.
 *
 * It can't be caught around `dlopen`: that would leave the dynamic linker's lock held for ever.
 *
 * @param base - where the object is mapped
 * @throws LinkError when one throws; the rest do not run. Without the shim that ends the process.
 */
export function runInitialisers(library: string, base: bigint, { offset, count }: Initialisers): void {
  const table = base + BigInt(offset);
  const shim = shimIfAny();
  if (shim !== null) {
    shim.check(library, shim.runInitialisers(table, count));
    return;
  }
  const initialiser = koffi.proto('void', []);
  for (let index = 0; index < count; index += 1) {
    const address = BigInt(koffi.decode.uint64(table + BigInt(8 * index)));
    koffi.decode(address, initialiser)();
  }
}

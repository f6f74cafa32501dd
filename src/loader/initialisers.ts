/** Runs the initialisers of a shared object where they may throw, which within `dlopen` ends the process. */

import { open } from 'node:fs/promises';
import { openShim, type ShimLibrary } from './shim.ts';

const PT_DYNAMIC = 2;
const DT_INIT_ARRAY = 25;
const DT_INIT_ARRAYSZ = 27;

/** The entries of DT_INIT_ARRAY, and where in the file their size is. */
interface InitialiserArray {
  /** From the address at which the object is loaded. */
  readonly offset: bigint;
  readonly bytes: number;
  readonly sizeAt: number;
}

/**
 * Makes the file one of which the dynamic linker runs no initialisers, and gives what runs them instead, once it is
 * mapped; throws LinkError when one throws. Undefined, and the file stays, where there are none or there is no shim.
 *
 * It can't be caught around `dlopen`: that would leave the dynamic linker's lock held for ever.
 *
 * @param bytes - what is in the file
 */
export async function takeInitialisers(
  library: string,
  file: string,
  bytes: Uint8Array,
): Promise<((base: bigint) => void) | undefined> {
  const found = findInitialisers(bytes);
  const shim = found === null ? null : shimIfAny();
  if (found === null || shim === null) return undefined;
  const handle = await open(file, 'r+');
  try {
    await handle.write(new Uint8Array(8), 0, 8, found.sizeAt);
  } finally {
    await handle.close();
  }
  return (base) => shim.check(library, shim.runInitialisers(base + found.offset, found.bytes / 8));
}

function shimIfAny(): ShimLibrary | null {
  try {
    return openShim();
  } catch {
    return null;
  }
}

function findInitialisers(file: Uint8Array): InitialiserArray | null {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const number = (at: number) => Number(view.getBigUint64(at, true));
  const [headers, count] = [number(32), view.getUint16(56, true)];
  for (let header = headers; header < headers + count * 56; header += 56) {
    if (view.getUint32(header, true) !== PT_DYNAMIC) continue;
    const [start, size] = [number(header + 8), number(header + 32)];
    let offset: bigint | undefined;
    let sizeAt: number | undefined;
    for (let at = start; at < start + size; at += 16) {
      if (number(at) === DT_INIT_ARRAY) offset = view.getBigUint64(at + 8, true);
      if (number(at) === DT_INIT_ARRAYSZ) sizeAt = at + 8;
    }
    if (offset !== undefined && sizeAt !== undefined) return { offset, bytes: number(sizeAt), sizeAt };
  }
  return null;
}

/**
 * Pure: lets a shared object take names from libraries that its loader chose, and not from wherever the dynamic linker
 * finds them first: that would be node itself, which exports a zlib and an OpenSSL of its own.
 *
 * The names are weak for the linker, which then does not miss them, and every place that holds one of their addresses is
 * listed, to be filled when the object is mapped.
 */

import { markWeak, readSections, symbolNames } from '../elf.ts';

/** The places of one name. */
export interface ImportSlots {
  readonly name: string;
  /** From where the object is mapped; what is there is the name's address and the addend. */
  readonly slots: readonly { readonly offset: number; readonly addend: number }[];
}

/** Without the last the pages of addresses are read-only before they are filled. */
export const IMPORT_FLAGS = ['-Wl,-z,norelro'];

const SHT_RELA = 4;
/** Of an address, of a function's entry in the global offset table, and of an entry of a jump table. */
const ADDRESS_KINDS: Readonly<Record<string, readonly number[]>> = { x64: [1, 6, 7], arm64: [257, 1025, 1026] };

/** A copy of the object that a linker links without the names. */
export function withoutNeedOf(object: Uint8Array, names: ReadonlySet<string>): Uint8Array {
  return markWeak(object, names);
}

/**
 * Where a shared object holds the addresses of names. A name that is not used is not listed.
 *
 * @throws RangeError for a name of which more than the address is used, such as a thread-local variable.
 */
export function findImportSlots(file: Uint8Array, names: ReadonlySet<string>): ImportSlots[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const number = (at: number) => Number(view.getBigUint64(at, true));
  const known = symbolNames(file, 'dynamic');
  const found = new Map<string, { offset: number; addend: number }[]>();
  for (const { type, offset: start, size } of readSections(file)) {
    if (type !== SHT_RELA) continue;
    for (let at = start; at < start + size; at += 24) {
      const name = known[view.getUint32(at + 12, true)] ?? '';
      if (!names.has(name)) continue;
      if (!ADDRESS_KINDS[process.arch]?.includes(view.getUint32(at + 8, true))) {
        throw new RangeError(
          `\`${name}\` of another library is thread-local, or used in another way than by its address`,
        );
      }
      const slots = found.get(name) ?? [];
      slots.push({ offset: number(at), addend: Number(view.getBigInt64(at + 16, true)) });
      found.set(name, slots);
    }
  }
  return [...found].map(([name, slots]) => ({ name, slots }));
}

/** Objects that ask for a stack that code can be run on. */

import { readSections } from '../elf.ts';
import { LinkError } from '../errors.ts';

const SHF_EXECINSTR = 4;
const SHN_XINDEX = 0xffff;
const STACK_NOTE = '.note.GNU-stack';

/**
 * No thread of node has such a stack, and the first jump into it would end the process.
 *
 * @throws LinkError
 */
export function assertPlainStack({ library, object }: { readonly library: string; readonly object: Uint8Array }): void {
  if (!needsExecutableStack(object)) return;
  const message =
    `${library} could not be linked: it needs an executable stack, which no library gets here. gcc asks for one where the ` +
    'address of a nested function is taken: make it a function of the file, and pass it what it uses';
  throw new LinkError(library, message, []);
}

function needsExecutableStack(object: Uint8Array): boolean {
  try {
    const sections = readSections(object);
    const view = new DataView(object.buffer, object.byteOffset, object.byteLength);
    const headers = Number(view.getBigUint64(40, true));
    // Where a file has too many sections for the field, the first one's link says which has the names.
    const index = view.getUint16(62, true);
    const names = sections[index === SHN_XINDEX ? (sections[0]?.link ?? 0) : index];
    if (names === undefined) return false;
    return sections.some(({ flags }, at) => {
      if ((flags & SHF_EXECINSTR) === 0) return false;
      const start = names.offset + view.getUint32(headers + at * 64, true);
      const name = object.subarray(start, start + STACK_NOTE.length);
      return Buffer.from(name).toString('latin1') === STACK_NOTE;
    });
  } catch (error) {
    // What is wrong with a damaged object is for a loader to say.
    if (error instanceof RangeError) return false;
    throw error;
  }
}

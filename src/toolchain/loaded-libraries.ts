/** Pure: what a program asks the dynamic linker for, and what that answers. */

const PT_INTERP = 3;

/**
 * The dynamic linker that the start of an ELF program names; null for a script, a static program, or a damaged file.
 */
export function readInterpreter(start: Uint8Array): string | null {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  // 64-bit and little-endian, as every machine that this runs on.
  if (bytes.length < 64 || bytes.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return null;
  const table = Number(bytes.readBigUInt64LE(32));
  const [entryBytes, count] = [bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
  for (let index = 0; index < count; index += 1) {
    const at = table + index * entryBytes;
    if (at + 56 > bytes.length) return null;
    if (bytes.readUInt32LE(at) !== PT_INTERP) continue;
    const from = Number(bytes.readBigUInt64LE(at + 8));
    const end = bytes.indexOf(0, from);
    return end < 0 ? null : bytes.toString('utf8', from, end);
  }
  return null;
}

/**
 * The paths in the answer to `ld.so --list program`, in order; glibc and musl print the same form.
 *
 * @throws Error when a library was not found: then not all of them are known.
 */
export function parseLoadedLibraries(answer: string): string[] {
  const lost = /^\s*(\S+) => not found/m.exec(answer)?.[1];
  if (lost !== undefined) throw new Error(`the dynamic linker does not find ${lost}`);
  const lines = answer.matchAll(/^\s*(?:\S+ => )?(\/.*?) \(0x[\da-f]+\)$/gm);
  return [...lines].map(([, path]) => path as string);
}

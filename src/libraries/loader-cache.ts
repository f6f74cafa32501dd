/** Pure: reads `/etc/ld.so.cache`, in which ldconfig lists the shared libraries of the system's search path. */

/** A library that the dynamic linker would find. */
export interface ListedLibrary {
  /** What it is asked for by, such as `libz.so.1`; also `libz.so`, where that is there for linkers. */
  readonly name: string;
  readonly path: string;
}

/** Of glibc since 2.2; before it there may be the table of an older format. */
const MAGIC = Buffer.from('glibc-ld.so.cache1.1', 'latin1');
const HEADER_BYTES = 48;
const ENTRY_BYTES = 24;
/** Libraries of glibc for this machine: `FLAG_ELF_LIBC6`, and the flag of its 64-bit kind. */
const FLAGS_BY_ARCH: Readonly<Record<string, number>> = { x64: 0x303, arm64: 0xa03 };

/**
 * The libraries for this machine, in the order of the file, which is by name.
 *
 * Those for processors with more instructions (`glibc-hwcaps`) are left out: they stand beside one that every processor
 * runs, and have the same names.
 *
 * @throws RangeError for what is no such file.
 */
export function readLoaderCache(bytes: Buffer): ListedLibrary[] {
  const start = bytes.indexOf(MAGIC);
  if (start < 0) throw new RangeError('it is not of a format that is known');
  const count = bytes.readUInt32LE(start + MAGIC.length);
  const text = (offset: number): string => {
    const end = bytes.indexOf(0, start + offset);
    if (end < 0) throw new RangeError('a name does not end');
    return bytes.toString('latin1', start + offset, end);
  };
  const libraries: ListedLibrary[] = [];
  for (let index = 0; index < count; index += 1) {
    const at = start + HEADER_BYTES + index * ENTRY_BYTES;
    const isOurs = bytes.readUInt32LE(at) === FLAGS_BY_ARCH[process.arch];
    const hasMore = bytes.readBigUInt64LE(at + 16) !== 0n;
    if (!isOurs || hasMore) continue;
    libraries.push({ name: text(bytes.readUInt32LE(at + 4)), path: text(bytes.readUInt32LE(at + 8)) });
  }
  return libraries;
}

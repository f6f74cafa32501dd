/**
 * Asks shared objects for names as the dynamic linker does, by the table of `DT_GNU_HASH`: its Bloom filter says of nearly
 * every library that it has none of them, so that of hundreds of libraries a few kilobytes each are read.
 */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** A name, and its hash. */
export interface HashedName {
  readonly name: string;
  readonly hash: number;
}

/** What a shared object answered. */
export interface Answer {
  /** Device and inode: the same for all paths that lead to the file. */
  readonly identity: string;
  /** `DT_SONAME`; null when it has none. */
  readonly soname: string | null;
  /** Those of the names that it defines for others, in their default version. */
  readonly names: readonly string[];
}

const EM_BY_ARCH: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };
const ET_DYN = 3;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT = { strtab: 5, symtab: 6, soname: 14, gnuHash: 0x6ffffef5, flags1: 0x6ffffffb, versym: 0x6ffffff0 };
/** `DF_1_NOOPEN`, `DF_1_PIE`: what `dlopen` refuses. */
const NOT_OPENED = 0x40 | 0x08000000;
/** Of an entry of `DT_VERSYM`: another version is the default. */
const VERSION_HIDDEN = 0x8000;
/** Binding: global, weak, unique. Type: none, data, function, common, indirect function; not thread-local. */
const BINDINGS = [1, 2, 10];
const TYPES = [0, 1, 2, 5, 10];
const SHN_ABS = 0xfff1;

export function hashName(name: string): HashedName {
  let hash = 5381;
  for (const byte of Buffer.from(name, 'utf8')) hash = (Math.imul(hash, 33) + byte) >>> 0;
  return { name, hash };
}

/**
 * Null for what can't be read, is no shared object of this machine that can be opened, or has no such table, which every
 * linker has made by default for fifteen years.
 */
export function askLibrary(path: string, names: readonly HashedName[]): Answer | null {
  let descriptor: number | undefined;
  try {
    // A pipe would be waited for.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return answer(new Reader(descriptor), `${dev}:${ino}`, names);
  } catch {
    return null;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Reads a file in pieces; throws RangeError beyond its end. */
class Reader {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  read(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    if (readSync(this.#descriptor, bytes, 0, length, offset) !== length) throw new RangeError('it is cut');
    return bytes;
  }

  /** As much as there is. */
  text(offset: number, length: number): string {
    const bytes = Buffer.alloc(length);
    const count = readSync(this.#descriptor, bytes, 0, length, offset);
    const end = bytes.indexOf(0);
    return bytes.toString('utf8', 0, end < 0 ? count : end);
  }
}

interface Tables {
  readonly strings: number;
  readonly symbols: number;
  readonly hash: number;
  readonly versions: number | null;
  readonly soname: number | null;
}

function answer(file: Reader, identity: string, names: readonly HashedName[]): Answer | null {
  const tables = findTables(file);
  if (tables === null) return null;
  const head = file.read(tables.hash, 16);
  const [buckets, first, words, shift] = [0, 4, 8, 12].map((at) => head.readUInt32LE(at)) as [
    number,
    number,
    number,
    number,
  ];
  const bloom = file.read(tables.hash + 16, words * 8);
  const hasBit = (word: number, bit: number): boolean =>
    ((bloom[word * 8 + (bit >>> 3)] as number) & (1 << (bit & 7))) !== 0;
  const mayHave = ({ hash }: HashedName): boolean => {
    const word = (hash >>> 6) % words;
    return hasBit(word, hash & 63) && hasBit(word, (hash >>> shift) & 63);
  };
  const bucketsAt = tables.hash + 16 + words * 8;
  const has = ({ name, hash }: HashedName): boolean => {
    let index = file.read(bucketsAt + (hash % buckets) * 4, 4).readUInt32LE(0);
    if (index < first) return false;
    for (; ; index += 1) {
      const link = file.read(bucketsAt + (buckets + index - first) * 4, 4).readUInt32LE(0);
      if ((link | 1) >>> 0 === (hash | 1) >>> 0 && isDefinition(file, tables, index, name)) return true;
      if ((link & 1) !== 0) return false;
    }
  };
  const found = names.filter((each) => mayHave(each) && has(each)).map(({ name }) => name);
  const soname = found.length === 0 || tables.soname === null ? null : file.text(tables.soname, 256);
  return { identity, soname, names: found };
}

/** Whether a symbol is of this name, and is what another library gets that asks for it. */
function isDefinition(file: Reader, { symbols, strings, versions }: Tables, index: number, name: string): boolean {
  const symbol = file.read(symbols + index * 24, 24);
  const [info, other, section] = [symbol[4] as number, symbol[5] as number, symbol.readUInt16LE(6)];
  const isName = file.text(strings + symbol.readUInt32LE(0), Buffer.byteLength(name) + 1) === name;
  const isVisible = (other & 3) === 0 || (other & 3) === 3;
  // An absolute one with the value 0 is the name of a version.
  const isVersion = section === SHN_ABS && symbol.readBigUInt64LE(8) === 0n;
  if (!isName || !isVisible || section === 0 || isVersion) return false;
  if (!BINDINGS.includes(info >> 4) || !TYPES.includes(info & 15)) return false;
  return versions === null || (file.read(versions + index * 2, 2).readUInt16LE(0) & VERSION_HIDDEN) === 0;
}

/** Where in the file the tables of the dynamic linker are. */
function findTables(file: Reader): Tables | null {
  const header = file.read(0, 64);
  const isOurs = header.readUInt32BE(0) === 0x7f454c46 && header[4] === 2 && header[5] === 1;
  if (!isOurs || header.readUInt16LE(16) !== ET_DYN || header.readUInt16LE(18) !== EM_BY_ARCH[process.arch])
    return null;
  const programs = file.read(Number(header.readBigUInt64LE(32)), header.readUInt16LE(56) * 56);
  const segments: { from: number; size: number; offset: number }[] = [];
  const values = new Map<number, number>();
  for (let at = 0; at < programs.length; at += 56) {
    const [type, offset] = [programs.readUInt32LE(at), Number(programs.readBigUInt64LE(at + 8))];
    const [from, size] = [Number(programs.readBigUInt64LE(at + 16)), Number(programs.readBigUInt64LE(at + 32))];
    if (type === PT_LOAD) segments.push({ from, size, offset });
    if (type !== PT_DYNAMIC) continue;
    const dynamic = file.read(offset, size);
    for (let entry = 0; entry + 16 <= size; entry += 16) {
      const tag = Number(dynamic.readBigUInt64LE(entry));
      if (tag === 0) break;
      values.set(tag, Number(dynamic.readBigUInt64LE(entry + 8)));
    }
  }
  const place = (address: number | undefined): number | null => {
    const segment = segments.find(
      ({ from, size }) => address !== undefined && from <= address && address < from + size,
    );
    return segment === undefined || address === undefined ? null : address - segment.from + segment.offset;
  };
  const [strings, symbols, hash] = [DT.strtab, DT.symtab, DT.gnuHash].map((tag) => place(values.get(tag)));
  if (strings == null || symbols == null || hash == null || ((values.get(DT.flags1) ?? 0) & NOT_OPENED) !== 0)
    return null;
  const name = values.get(DT.soname);
  return {
    strings,
    symbols,
    hash,
    versions: place(values.get(DT.versym)),
    soname: name === undefined ? null : strings + name,
  };
}

/** Pure: the little of ELF that is needed to trust an object's kind and to read a shared object's exports. */

const ELF_MAGIC = 0x7f454c46;
const BITCODE_MAGIC = 0x4243c0de;
const ET_REL = 1;
const ET_DYN = 3;
const PT_LOAD = 1;
/** Section types of the two symbol tables: what a linker reads, and what the dynamic linker reads. */
const SYMBOL_TABLES = { static: 2, dynamic: 11 };
const SHT_INIT_ARRAY = 14;
const SHT_PREINIT_ARRAY = 16;
const EM_BY_ARCH: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };

const STB_LOCAL = 0;
const STB_WEAK = 2;
const STB_GNU_UNIQUE = 10;
const SHN_RESERVED = 0xff00;
const SHN_ABS = 0xfff1;
const SHN_COMMON = 0xfff2;
const SHF_GROUP = 0x200;
const STT_TLS = 6;
const STT_OBJECT = 1;
const STT_FUNC = 2;
const STT_COMMON = 5;
const STT_GNU_IFUNC = 10;

/** One symbol that a shared object defines and exports. */
export interface ExportedSymbol {
  readonly name: string;
  /** Offset from the address at which the object is loaded. */
  readonly value: number;
  readonly size: number;
  readonly kind: 'function' | 'data';
  /** The address must be asked of the dynamic linker: the value is a resolver's, absolute, or that of one of many copies. */
  readonly indirect: boolean;
}

/** A definition that a library may have of another. */
export type SharedDefinition = Pick<ExportedSymbol, 'name' | 'kind' | 'size'>;

/** Where a symbol table is, from the start of a file or of what is mapped of it. */
export interface SymbolTable {
  readonly offset: number;
  readonly size: number;
  readonly names: { readonly offset: number; readonly size: number };
}

/** What is known of one section. */
export interface Section {
  readonly type: number;
  readonly flags: number;
  /** From the address at which the object is loaded. */
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  /** Of a symbol table, which section has the names. */
  readonly link: number;
  /** Of relocations, which section they are for. */
  readonly info: number;
}

function describeHeader(bytes: Uint8Array): string | null {
  if (bytes.length === 0) return 'it is empty';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length >= 4 && view.getUint32(0) === BITCODE_MAGIC) return 'it is LLVM bitcode, not an ELF file';
  if (bytes.length < 64 || view.getUint32(0) !== ELF_MAGIC) return 'it is not an ELF file';
  if (bytes[4] !== 2 || bytes[5] !== 1) return 'it is not a 64-bit little-endian ELF file';
  if (view.getUint16(18, true) !== EM_BY_ARCH[process.arch]) return `it is for another machine than ${process.arch}`;
  return null;
}

/**
 * Why the bytes are no shared object of this machine that can be mapped whole, or null when they are one. The dynamic
 * linker does not check the last: of a file that is cut, the missing part ends the process when it is touched.
 */
export function checkSharedObject(bytes: Uint8Array): string | null {
  const wrong = describeHeader(bytes);
  if (wrong !== null) return wrong;
  if (bytes[16] !== ET_DYN || bytes[17] !== 0) return 'it is not a shared object';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [table, count] = [Number(view.getBigUint64(32, true)), view.getUint16(56, true)];
  if (table + count * 56 > bytes.length) return 'it is cut';
  for (let at = table; at < table + count * 56; at += 56) {
    const end = Number(view.getBigUint64(at + 8, true)) + Number(view.getBigUint64(at + 32, true));
    if (view.getUint32(at, true) === PT_LOAD && end > bytes.length) return 'it is cut';
  }
  return null;
}

/** Why the bytes are no relocatable object of this machine, or null when they are one. */
export function checkRelocatable(bytes: Uint8Array): string | null {
  const wrong = describeHeader(bytes);
  if (wrong !== null) return wrong;
  return bytes[16] === ET_REL && bytes[17] === 0 ? null : 'it is not a relocatable object';
}

/** One entry of a symbol table. */
export interface RawSymbol {
  /** Where in the bytes its entry is. */
  readonly at: number;
  readonly name: string;
  readonly value: number;
  readonly size: number;
  readonly type: number;
  readonly binding: number;
  readonly isHidden: boolean;
  /** 0 for a symbol that is defined elsewhere. */
  readonly section: number;
}

/** What an object gives to the others of a link, and wants from them. */
export interface LinkSymbols {
  /** Hidden ones too, which the objects of one library share. */
  readonly defined: readonly string[];
  /** Of those, the ones that give way to another object's definition. */
  readonly weak: readonly string[];
  /** Names that must be defined: weak references, which may stay open, are not among them. */
  readonly needed: readonly string[];
  /** Weak references. */
  readonly wished: readonly string[];
  /** Of both, those to thread-local variables. */
  readonly threadLocal: readonly string[];
}

/** The sections of an object or shared object. Throws RangeError when they do not lie within the bytes. */
export function readSections(bytes: Uint8Array): Section[] {
  const wrong = describeHeader(bytes);
  if (wrong !== null) throw new RangeError(`no symbols can be read: ${wrong}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const number = (at: number) => Number(view.getBigUint64(at, true));
  const start = number(40);
  if (start === 0) return [];
  // Where a file has more than 65,279 sections, the first one's size says how many.
  const count = view.getUint16(60, true) || number(start + 32);
  const sections: Section[] = [];
  for (let at = start; at < start + count * 64; at += 64) {
    sections.push({
      type: view.getUint32(at + 4, true),
      flags: number(at + 8),
      address: number(at + 16),
      offset: number(at + 24),
      size: number(at + 32),
      link: view.getUint32(at + 40, true),
      info: view.getUint32(at + 44, true),
    });
  }
  return sections;
}

/** Throws RangeError when there is a table that names no table of names. */
export function findSymbolTables(bytes: Uint8Array, table: keyof typeof SYMBOL_TABLES): SymbolTable[] {
  const sections = readSections(bytes);
  return sections.flatMap(({ type, offset, size, link }) => {
    if (type !== SYMBOL_TABLES[table]) return [];
    const names = sections[link];
    if (names === undefined) throw new RangeError('a symbol table has no table of names');
    return [{ offset, size, names: { offset: names.offset, size: names.size } }];
  });
}

/** Whether an object brings initialisers of its own. Throws RangeError for a damaged table. */
export function hasInitialisers(object: Uint8Array): boolean {
  return readSections(object).some(({ type }) => type === SHT_INIT_ARRAY || type === SHT_PREINIT_ARRAY);
}

/** STV_INTERNAL and STV_HIDDEN. What is protected is there for others, but for what linkers define so. */
const HIDDEN = new Set([1, 2]);
const STV_PROTECTED = 3;
const SECTION_BOUND = /^__(?:start|stop)_/;

/** Reads every entry. Throws RangeError when a table does not lie within the bytes. */
function* readTable(bytes: Uint8Array, { offset, size, names }: SymbolTable): Iterable<RawSymbol> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = offset; at < offset + size; at += 24) {
    const info = view.getUint8(at + 4);
    const start = names.offset + view.getUint32(at, true);
    const end = bytes.indexOf(0, start);
    if (end < 0 || end > names.offset + names.size) throw new RangeError('a name lies outside the table of names');
    const name = Buffer.from(bytes.subarray(start, end)).toString('utf8');
    const visibility = view.getUint8(at + 5) & 3;
    yield {
      at,
      name,
      value: Number(view.getBigUint64(at + 8, true)),
      size: Number(view.getBigUint64(at + 16, true)),
      type: info & 0xf,
      binding: info >> 4,
      isHidden: HIDDEN.has(visibility) || (visibility === STV_PROTECTED && SECTION_BOUND.test(name)),
      section: view.getUint16(at + 6, true),
    };
  }
}

/** Every symbol of an object, local ones too, in the order of the table. Throws RangeError for a damaged one. */
export function* readSymbols(bytes: Uint8Array, table: keyof typeof SYMBOL_TABLES): Iterable<RawSymbol> {
  for (const found of findSymbolTables(bytes, table)) yield* readTable(bytes, found);
}

/**
 * The functions and data that an object or shared object defines for others. The bytes should come from a linker or
 * compiler that is trusted: of a damaged table the result is wrong or a RangeError.
 */
export function readExports(bytes: Uint8Array, table: keyof typeof SYMBOL_TABLES | SymbolTable): ExportedSymbol[] {
  const exports: ExportedSymbol[] = [];
  for (const symbol of typeof table === 'string' ? readSymbols(bytes, table) : readTable(bytes, table)) {
    const { name, value, size, type, binding, isHidden, section } = symbol;
    const isFunction = type === STT_FUNC || type === STT_GNU_IFUNC;
    const isData = type === STT_OBJECT || type === STT_COMMON || type === 0;
    // The names of versions are absolute symbols with the value 0.
    const isVersion = section === SHN_ABS && value === 0;
    if (binding === STB_LOCAL || isHidden || section === 0 || isVersion || !(isFunction || isData)) continue;
    if (name === '' || LINKER_DEFINED.has(name)) continue;
    const indirect = type === STT_GNU_IFUNC || binding === STB_GNU_UNIQUE || section === SHN_ABS;
    exports.push({ name, value, size, kind: isFunction ? 'function' : 'data', indirect });
  }
  return exports;
}

/** What a relocatable object, or a shared one, defines and needs. Throws RangeError for a damaged table. */
export function readLinkSymbols(bytes: Uint8Array, table: keyof typeof SYMBOL_TABLES = 'static'): LinkSymbols {
  const defined: string[] = [];
  const weak: string[] = [];
  const needed: string[] = [];
  const wished: string[] = [];
  const threadLocal: string[] = [];
  for (const { name, type, binding, section } of readSymbols(bytes, table)) {
    if (name === '' || binding === STB_LOCAL) continue;
    if (section !== 0) {
      defined.push(name);
      if (binding === STB_WEAK) weak.push(name);
      continue;
    }
    (binding === STB_WEAK ? wished : needed).push(name);
    if (type === STT_TLS) threadLocal.push(name);
  }
  return { defined, weak, needed, wished, threadLocal };
}

/** The names of a table's symbols, by their index. Throws RangeError for a damaged table. */
export function symbolNames(bytes: Uint8Array, table: keyof typeof SYMBOL_TABLES): string[] {
  return [...readSymbols(bytes, table)].map(({ name }) => name);
}

/** A copy of an object in which references to these names are weak. Throws RangeError for a damaged table. */
export function markWeak(object: Uint8Array, names: ReadonlySet<string>): Uint8Array {
  const copy = new Uint8Array(object);
  for (const { at, name, type, section } of readSymbols(object, 'static')) {
    if (section === 0 && names.has(name)) copy[at + 4] = (STB_WEAK << 4) | type;
  }
  return copy;
}

/**
 * What each object defines that uses it, and of which a program has one: inline functions and variables, instances of
 * templates, type information (COMDAT groups), and common variables. Thread-local ones can't be shared by an address.
 *
 * @throws RangeError for a damaged table.
 */
export function readSharedDefinitions(object: Uint8Array): SharedDefinition[] {
  const sections = readSections(object);
  const isInGroup = (section: number) => section < SHN_RESERVED && ((sections[section]?.flags ?? 0) & SHF_GROUP) !== 0;
  const found: SharedDefinition[] = [];
  for (const { name, type, size, binding, isHidden, section } of readSymbols(object, 'static')) {
    if (name === '' || isHidden || binding === STB_LOCAL || type === STT_TLS) continue;
    const isVague = (binding === STB_WEAK || binding === STB_GNU_UNIQUE) && isInGroup(section);
    if (!isVague && section !== SHN_COMMON) continue;
    found.push({ name, kind: type === STT_FUNC ? 'function' : 'data', size });
  }
  return found;
}

/** A copy of an object that needs these names instead of defining them. Throws RangeError for a damaged table. */
export function undefine(object: Uint8Array, names: ReadonlySet<string>): Uint8Array {
  const copy = new Uint8Array(object);
  const view = new DataView(copy.buffer);
  for (const { at, name, binding } of readSymbols(object, 'static')) {
    if (binding === STB_LOCAL || !names.has(name)) continue;
    // No type: an undefined common variable is none.
    view.setUint8(at + 4, STB_WEAK << 4);
    view.setUint16(at + 6, 0, true);
    view.setBigUint64(at + 8, 0n, true);
    view.setBigUint64(at + 16, 0n, true);
  }
  return copy;
}

/** Names that linkers define in every shared object. They are no exports. */
export const LINKER_DEFINED = new Set(['_init', '_fini', '_end', '_edata', '__bss_start']);

/** Pure: the little of ELF that is needed to trust an object's kind and to read a shared object's exports. */

const ELF_MAGIC = 0x7f454c46;
const ET_REL = 1;
/** Section types of the two symbol tables: what a linker reads, and what the dynamic linker reads. */
const SYMBOL_TABLES = { static: 2, dynamic: 11 };
const EM_BY_ARCH: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };

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
  /** The address must be asked of the dynamic linker: the value is that of a resolver. */
  readonly indirect: boolean;
}

function describeHeader(bytes: Uint8Array): string | null {
  if (bytes.length === 0) return 'it is empty';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 64 || view.getUint32(0) !== ELF_MAGIC) return 'it is not an ELF file';
  if (bytes[4] !== 2 || bytes[5] !== 1) return 'it is not a 64-bit little-endian ELF file';
  if (view.getUint16(18, true) !== EM_BY_ARCH[process.arch]) return `it is for another machine than ${process.arch}`;
  return null;
}

/** Why the bytes are no relocatable object of this machine, or null when they are one. */
export function checkRelocatable(bytes: Uint8Array): string | null {
  const wrong = describeHeader(bytes);
  if (wrong !== null) return wrong;
  return bytes[16] === ET_REL && bytes[17] === 0 ? null : 'it is not a relocatable object';
}

/**
 * The functions and data that an object or shared object defines for others. The bytes must come from a linker or
 * compiler that is trusted: of a damaged table the result is wrong or a RangeError.
 */
export function readExports(bytes: Uint8Array, table: keyof typeof SYMBOL_TABLES): ExportedSymbol[] {
  const wrong = describeHeader(bytes);
  if (wrong !== null) throw new RangeError(`no symbols can be read: ${wrong}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sectionTable = Number(view.getBigUint64(40, true));
  const sectionCount = view.getUint16(60, true);
  const section = (index: number) => {
    const at = sectionTable + index * 64;
    return {
      type: view.getUint32(at + 4, true),
      offset: Number(view.getBigUint64(at + 24, true)),
      size: Number(view.getBigUint64(at + 32, true)),
      link: view.getUint32(at + 40, true),
    };
  };

  const exports: ExportedSymbol[] = [];
  for (let index = 0; index < sectionCount; index += 1) {
    const symbols = section(index);
    if (symbols.type !== SYMBOL_TABLES[table]) continue;
    const names = section(symbols.link).offset;
    for (let at = symbols.offset; at < symbols.offset + symbols.size; at += 24) {
      const symbol = readSymbol(bytes, view, at, names);
      if (symbol !== null) exports.push(symbol);
    }
  }
  return exports;
}

/** Names that linkers define in every shared object. */
const LINKER_DEFINED = new Set(['_init', '_fini', '_end', '_edata', '__bss_start']);

function readSymbol(bytes: Uint8Array, view: DataView, at: number, names: number): ExportedSymbol | null {
  const type = view.getUint8(at + 4) & 0xf;
  const isLocal = view.getUint8(at + 4) >> 4 === 0;
  const isHidden = (view.getUint8(at + 5) & 3) !== 0;
  const isDefined = view.getUint16(at + 6, true) !== 0;
  const isFunction = type === STT_FUNC || type === STT_GNU_IFUNC;
  const isData = type === STT_OBJECT || type === STT_COMMON || type === 0;
  if (isLocal || isHidden || !isDefined || !(isFunction || isData)) return null;
  const start = names + view.getUint32(at, true);
  const name = Buffer.from(bytes.subarray(start, bytes.indexOf(0, start))).toString('utf8');
  if (name === '' || LINKER_DEFINED.has(name)) return null;
  return {
    name,
    value: Number(view.getBigUint64(at + 8, true)),
    size: Number(view.getBigUint64(at + 16, true)),
    kind: isFunction ? 'function' : 'data',
    indirect: type === STT_GNU_IFUNC,
  };
}

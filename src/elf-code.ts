/** Pure: what an ELF file says about its code: functions, exported or not, and where its lines are. */

import { inflateSync } from 'node:zlib';
import type { LineSections } from './dwarf-lines.ts';
import { readSections, type Section } from './elf.ts';
import type { CodeFunction, ImageCode } from './loader/loader.ts';

const SHT_SYMTAB = 2;
const SHT_RELA = 4;
const SHT_NOBITS = 8;
const SHT_DYNSYM = 11;
const SHF_EXECINSTR = 4n;
const SHF_COMPRESSED = 0x800n;
const ELFCOMPRESS_ZLIB = 1;
const STT_FUNC = 2;
/** The relocations of line programs, by how many bytes they write: absolute ones of x86-64 and of arm64. */
const ABSOLUTE: ReadonlyMap<number, 4 | 8> = new Map([
  [1, 8],
  [10, 4],
  [11, 4],
  [257, 8],
  [258, 4],
]);
/** In an object whose sections have addresses, code that was left out has those of an object that is not linked. */
const LOWEST_JIT_ADDRESS = 65536;
/** What a linker leaves of such code in a shared object. */
const LOWEST_IMAGE_ADDRESS = 1;

const NONE = new Uint8Array(0);

class File {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly sections: readonly Section[];
  readonly #names: readonly string[];

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.sections = readSections(bytes);
    const table = this.sections[this.#view.getUint16(62, true)];
    const start = Number(this.#view.getBigUint64(40, true));
    this.#names = this.sections.map((_, index) =>
      table === undefined ? '' : this.text(table, this.#view.getUint32(start + index * 64, true)),
    );
  }

  text({ offset }: Section, at: number): string {
    const end = this.#bytes.indexOf(0, offset + at);
    return Buffer.from(this.#bytes.subarray(offset + at, end)).toString('utf8');
  }

  content({ type, flags, offset, size }: Section): Uint8Array {
    if (type === SHT_NOBITS) return NONE;
    const bytes = this.#bytes.subarray(offset, offset + size);
    if ((BigInt(flags) & SHF_COMPRESSED) === 0n) return bytes;
    if (this.#view.getUint32(offset, true) !== ELFCOMPRESS_ZLIB)
      throw new RangeError('a section is compressed by zstd');
    return inflateSync(bytes.subarray(24));
  }

  indexOf(name: string): number {
    return this.#names.indexOf(name);
  }

  /** A section with its relocations applied; empty when there is none. */
  relocated(name: string): Uint8Array {
    const index = this.indexOf(name);
    const section = this.sections[index];
    if (section === undefined) return NONE;
    const relocations = this.sections[this.indexOf(`.rela${name}`)];
    if (relocations?.type !== SHT_RELA) return this.content(section);
    const bytes = Uint8Array.from(this.content(section));
    const target = new DataView(bytes.buffer);
    const symbols = this.sections[relocations.link] as Section;
    const number = (at: number) => Number(this.#view.getBigUint64(at, true));
    for (let at = relocations.offset; at < relocations.offset + relocations.size; at += 24) {
      const width = ABSOLUTE.get(this.#view.getUint32(at + 8, true));
      if (width === undefined) continue;
      const symbol = symbols.offset + this.#view.getUint32(at + 12, true) * 24;
      const home = this.sections[this.#view.getUint16(symbol + 6, true)];
      const value = number(symbol + 8) + Number(this.#view.getBigInt64(at + 16, true)) + (home?.address ?? 0);
      if (width === 8) target.setBigUint64(number(at), BigInt(value), true);
      else target.setUint32(number(at), value, true);
    }
    return bytes;
  }

  /** The linker's table of symbols, else the dynamic linker's. */
  symbols(): Pick<CodeParts, 'symbols' | 'names'> {
    const table =
      this.sections.find(({ type }) => type === SHT_SYMTAB) ?? this.sections.find(({ type }) => type === SHT_DYNSYM);
    const names = this.sections[table?.link ?? -1];
    if (table === undefined || names === undefined) return { symbols: NONE, names: NONE };
    return { symbols: Uint8Array.from(this.content(table)), names: Uint8Array.from(this.content(names)) };
  }
}

/** Copies of what {@link codeOf} reads, so that the rest of a file need not stay in memory. */
export interface CodeParts {
  /** From where the file is mapped. */
  readonly ranges: ImageCode['ranges'];
  readonly symbols: Uint8Array;
  readonly names: Uint8Array;
  readonly lines: Omit<LineSections, 'base'> | null;
}

/** Of an object whose sections have their addresses; null when it has no lines. Throws RangeError for a damaged one. */
export function readObjectLines(bytes: Uint8Array): LineSections | null {
  const lines = linesOf(new File(bytes), LOWEST_JIT_ADDRESS);
  return lines === null ? null : { ...lines, base: 0 };
}

function linesOf(file: File, lowest: number): CodeParts['lines'] {
  const line = file.relocated('.debug_line');
  if (line.length === 0) return null;
  const copy = (name: string) => Uint8Array.from(file.relocated(name));
  return { line: Uint8Array.from(line), lineStrings: copy('.debug_line_str'), strings: copy('.debug_str'), lowest };
}

/** Of a shared object. Throws RangeError for a damaged one. */
export function readCodeParts(bytes: Uint8Array): CodeParts {
  const file = new File(bytes);
  const ranges = file.sections
    .filter(({ flags }) => (BigInt(flags) & SHF_EXECINSTR) !== 0n)
    .map(({ address, size }) => ({ from: address, to: address + size }));
  return { ranges, ...file.symbols(), lines: linesOf(file, LOWEST_IMAGE_ADDRESS) };
}

/** The code of a shared object that is mapped at `base`. */
export function codeOf({ ranges, symbols, names, lines }: CodeParts, base: number): ImageCode {
  const view = new DataView(symbols.buffer, symbols.byteOffset, symbols.byteLength);
  const functions: CodeFunction[] = [];
  for (let at = 0; at < symbols.length; at += 24) {
    if ((view.getUint8(at + 4) & 0xf) !== STT_FUNC || view.getUint16(at + 6, true) === 0) continue;
    const start = view.getUint32(at, true);
    functions.push({
      address: base + Number(view.getBigUint64(at + 8, true)),
      size: Number(view.getBigUint64(at + 16, true)),
      name: Buffer.from(names.subarray(start, names.indexOf(0, start))).toString('utf8'),
    });
  }
  return {
    ranges: ranges.map(({ from, to }) => ({ from: base + from, to: base + to })),
    functions,
    lines: lines === null ? [] : [{ ...lines, base }],
  };
}

/** Pure: DWARF's line programs (`.debug_line`, versions 2 to 5) as a table from address to file and line. */

/** What line programs are read from, with relocations applied. */
export interface LineSections {
  readonly line: Uint8Array;
  readonly lineStrings: Uint8Array;
  readonly strings: Uint8Array;
  /** To be added to every address. */
  readonly base: number;
  /** Below it no code lies: such addresses are of functions that the linker left out. */
  readonly lowest: number;
}

/** Row `i` holds from `addresses[i]` to the next row's address. Sorted by address. */
export interface LineTable {
  readonly files: readonly string[];
  readonly addresses: Float64Array;
  /** Indices of {@link files}; -1 where no code of the table is. */
  readonly fileOf: Int32Array;
  readonly lines: Int32Array;
}

interface Row {
  readonly address: number;
  readonly file: number;
  readonly line: number;
}

/** Form codes of DWARF, as far as they occur in a line program's header. */
const FORM = { block: 0x09, data1: 0x0b, data2: 0x05, data4: 0x06, data8: 0x07, data16: 0x1e } as const;
const STRING_FORM = { inline: 0x08, strings: 0x0e, lineStrings: 0x1f } as const;
const UDATA = 0x0f;
const [CONTENT_PATH, CONTENT_DIRECTORY] = [1, 2];

class Reader {
  readonly #view: DataView;
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  unsigned(size: number): number {
    const at = this.at;
    this.at += size;
    if (size === 1) return this.#view.getUint8(at);
    if (size === 2) return this.#view.getUint16(at, true);
    return size === 4 ? this.#view.getUint32(at, true) : Number(this.#view.getBigUint64(at, true));
  }

  leb(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.unsigned(1);
      value += (byte & 0x7f) * scale;
      if ((byte & 0x80) === 0) return value;
    }
  }

  signedLeb(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.unsigned(1);
      value += (byte & 0x7f) * scale;
      if ((byte & 0x80) === 0) return (byte & 0x40) === 0 ? value : value - scale * 128;
    }
  }

  text(): string {
    const end = this.bytes.indexOf(0, this.at);
    if (end < 0) throw new RangeError('a string has no end');
    const text = Buffer.from(this.bytes.subarray(this.at, end)).toString('utf8');
    this.at = end + 1;
    return text;
  }
}

interface Header {
  readonly minimumLength: number;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  readonly lengths: readonly number[];
  /** By the file numbers of the program. */
  readonly files: readonly string[];
}

/** @throws RangeError for a damaged section, and for a version that is not known. */
export function readLineTable(sections: LineSections): LineTable {
  const files: string[] = [];
  const numbers = new Map<string, number>();
  const rows: Row[] = [];
  const numberOf = (file: string): number => {
    let number = numbers.get(file);
    if (number === undefined) {
      number = files.push(file) - 1;
      numbers.set(file, number);
    }
    return number;
  };
  for (let at = 0; at < sections.line.length; ) {
    const reader = new Reader(sections.line, at);
    let length = reader.unsigned(4);
    const offsetSize = length === 0xffffffff ? 8 : 4;
    if (offsetSize === 8) length = reader.unsigned(8);
    at = reader.at + length;
    if (length === 0 || at > sections.line.length) break;
    readProgram(reader, at, offsetSize, sections, numberOf, rows);
  }
  // Where one function ends at the address where the next begins, the end comes first.
  rows.sort((a, b) => a.address - b.address || a.file - b.file);
  return {
    files,
    addresses: Float64Array.from(rows, ({ address }) => address),
    fileOf: Int32Array.from(rows, ({ file }) => file),
    lines: Int32Array.from(rows, ({ line }) => line),
  };
}

/** File and line of an address; null when the table says nothing about it. */
export function findLine(table: LineTable, address: number): { file: string; line: number } | null {
  const { addresses } = table;
  let [low, high] = [0, addresses.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((addresses[middle] as number) <= address) low = middle + 1;
    else high = middle;
  }
  const file = table.files[table.fileOf[low - 1] ?? -1];
  const line = table.lines[low - 1] ?? 0;
  return file === undefined || line === 0 ? null : { file, line };
}

function readHeader(reader: Reader, offsetSize: number, sections: LineSections): Header {
  const version = reader.unsigned(2);
  if (version < 2 || version > 5) throw new RangeError(`line programs of version ${version} are not known`);
  if (version >= 5) reader.unsigned(2);
  const length = reader.unsigned(offsetSize);
  const program = reader.at + length;
  const minimumLength = reader.unsigned(1);
  if (version >= 4) reader.unsigned(1);
  reader.unsigned(1);
  const lineBase = (reader.unsigned(1) << 24) >> 24;
  const lineRange = reader.unsigned(1);
  const opcodeBase = reader.unsigned(1);
  const lengths = [0];
  for (let opcode = 1; opcode < opcodeBase; opcode += 1) lengths.push(reader.unsigned(1));
  const files = version >= 5 ? readEntries(reader, offsetSize, sections) : readOldEntries(reader);
  reader.at = program;
  return { minimumLength, lineBase, lineRange, opcodeBase, lengths, files };
}

function joined(directory: string | undefined, name: string): string {
  return name.startsWith('/') || directory === undefined || directory === '' ? name : `${directory}/${name}`;
}

/** Before version 5: files count from 1, folder 0 is the one that the compiler ran in, of which nothing is said. */
function readOldEntries(reader: Reader): string[] {
  const directories: (string | undefined)[] = [undefined];
  for (let name = reader.text(); name !== ''; name = reader.text()) directories.push(name);
  const files = [''];
  for (let name = reader.text(); name !== ''; name = reader.text()) {
    files.push(joined(directories[reader.leb()], name));
    reader.leb();
    reader.leb();
  }
  return files;
}

function readEntries(reader: Reader, offsetSize: number, sections: LineSections): string[] {
  const directories = readTable(reader, offsetSize, sections).map(({ path }) => path);
  // Names that are relative to the compiler's folder are what the caller knows them by.
  return readTable(reader, offsetSize, sections).map(({ path, directory }) =>
    joined(directory === 0 ? undefined : directories[directory], path),
  );
}

function readTable(reader: Reader, offsetSize: number, sections: LineSections): { path: string; directory: number }[] {
  const formats: { content: number; form: number }[] = [];
  for (let left = reader.unsigned(1); left > 0; left -= 1) formats.push({ content: reader.leb(), form: reader.leb() });
  const entries: { path: string; directory: number }[] = [];
  const count = reader.leb();
  if (count > 0 && (formats.length === 0 || count > reader.bytes.length)) throw new RangeError('too many files');
  for (let left = count; left > 0; left -= 1) {
    const entry = { path: '', directory: 0 };
    for (const { content, form } of formats) {
      const value = readForm(reader, form, offsetSize, sections);
      if (content === CONTENT_PATH) entry.path = String(value);
      else if (content === CONTENT_DIRECTORY) entry.directory = Number(value);
    }
    entries.push(entry);
  }
  return entries;
}

function readForm(reader: Reader, form: number, offsetSize: number, sections: LineSections): string | number {
  switch (form) {
    case STRING_FORM.inline:
      return reader.text();
    case STRING_FORM.strings:
      return new Reader(sections.strings, reader.unsigned(offsetSize)).text();
    case STRING_FORM.lineStrings:
      return new Reader(sections.lineStrings, reader.unsigned(offsetSize)).text();
    case UDATA:
      return reader.leb();
    case FORM.data1:
      return reader.unsigned(1);
    case FORM.data2:
      return reader.unsigned(2);
    case FORM.data4:
      return reader.unsigned(4);
    case FORM.data8:
      return reader.unsigned(8);
    case FORM.data16:
      reader.at += 16;
      return 0;
    case FORM.block: {
      const length = reader.leb();
      reader.at += length;
      return 0;
    }
  }
  throw new RangeError(`a line program's header has a form of ${form}, which is not known`);
}

function readProgram(
  reader: Reader,
  end: number,
  offsetSize: number,
  sections: LineSections,
  numberOf: (file: string) => number,
  rows: Row[],
): void {
  const header = readHeader(reader, offsetSize, sections);
  const { minimumLength, lineBase, lineRange, opcodeBase, lengths, files } = header;
  let [address, file, line, first] = [0, 1, 1, rows.length];
  const add = (): void => {
    const name = files[file];
    rows.push({ address: address + sections.base, file: name === undefined ? -1 : numberOf(name), line });
  };
  const endSequence = (): void => {
    rows.push({ address: address + sections.base, file: -1, line: 0 });
    const start = (rows[first]?.address ?? 0) - sections.base;
    if (start < sections.lowest) rows.length = first;
    [address, file, line, first] = [0, 1, 1, rows.length];
  };

  while (reader.at < end) {
    const opcode = reader.unsigned(1);
    if (opcode >= opcodeBase) {
      address += Math.floor((opcode - opcodeBase) / lineRange) * minimumLength;
      line += lineBase + ((opcode - opcodeBase) % lineRange);
      add();
    } else if (opcode === 0) {
      const length = reader.leb();
      const next = reader.at + length;
      const extended = reader.unsigned(1);
      if (extended === 1) endSequence();
      else if (extended === 2) address = reader.unsigned(length - 1);
      reader.at = next;
    } else if (opcode === 1) add();
    else if (opcode === 2) address += reader.leb() * minimumLength;
    else if (opcode === 3) line += reader.signedLeb();
    else if (opcode === 4) file = reader.leb();
    else if (opcode === 8) address += Math.floor((255 - opcodeBase) / lineRange) * minimumLength;
    else if (opcode === 9) address += reader.unsigned(2);
    else for (let left = lengths[opcode] ?? 0; left > 0; left -= 1) reader.leb();
  }
}

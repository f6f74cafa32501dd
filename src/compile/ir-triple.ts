/** Pure: which machine LLVM IR is for. */

/** `BC` 0xC0DE, and the header that Apple's tools put before it. */
const BITCODE = 0xdec04342;
const WRAPPER = 0x0b17c0de;
/** Of LLVM's bitstream format: what an entry is, and the few blocks and records that matter. */
const ENTER_BLOCK = 1;
const UNABBREVIATED = 3;
const MODULE_BLOCK = 8;
const TRIPLE_RECORD = 2;

/** The target triple that a module names, or null when it names none or can't be read, which the compiler will say. */
export function tripleOf(ir: string | Uint8Array): string | null {
  if (typeof ir === 'string') return /^\s*target\s+triple\s*=\s*"([^"]*)"/m.exec(ir)?.[1] || null;
  try {
    return tripleOfBitcode(ir);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/**
 * Whether code for the triple can't run where `here` does. As the resident compiler judges: the processor, and the
 * system where it is named.
 */
export function isForeign(triple: string, here: string): boolean {
  const processor = (text: string) => text.split('-')[0]?.replace(/^amd64$/, 'x86_64');
  const [, ...rest] = triple.split('-');
  const system = rest.filter((part) => !/^(unknown|pc|none)?$/.test(part));
  const isLinux = system.length === 0 || system.some((part) => part.startsWith('linux'));
  return processor(triple) !== processor(here) || !isLinux || triple.endsWith('x32');
}

/** A module's triple comes before any abbreviation is defined in it, and all blocks before it can be skipped. */
function tripleOfBitcode(bytes: Uint8Array): string | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isWrapped = view.getUint32(0, true) === WRAPPER;
  const start = isWrapped ? view.getUint32(8, true) : 0;
  if (view.getUint32(start, true) !== BITCODE) return null;
  // In bits. The stream is counted from the magic on.
  let at = (start + 4) * 8;

  const bits = (count: number): number => {
    let value = 0;
    for (let index = 0; index < count; index += 1, at += 1) {
      value += ((view.getUint8(Math.floor(at / 8)) >>> (at % 8)) & 1) * 2 ** index;
    }
    return value;
  };
  /** Chunks of `width` bits, of which the highest says whether another follows. */
  const chunks = (width: number): number => {
    const more = 2 ** (width - 1);
    for (let value = 0, scale = 1; ; scale *= more) {
      const chunk = bits(width);
      value += (chunk % more) * scale;
      if (chunk < more) return value;
    }
  };

  for (let width = 2; ; ) {
    const entry = bits(width);
    if (entry === ENTER_BLOCK) {
      const block = chunks(8);
      const innerWidth = chunks(4);
      at = Math.ceil(at / 32) * 32;
      const words = bits(32);
      if (block === MODULE_BLOCK && width === 2) width = innerWidth;
      else at += words * 32;
    } else if (entry === UNABBREVIATED) {
      const code = chunks(6);
      const operands: number[] = [];
      for (let left = chunks(6); left > 0; left -= 1) operands.push(chunks(6));
      if (code === TRIPLE_RECORD && width !== 2) return String.fromCharCode(...operands);
    } else {
      return null;
    }
  }
}

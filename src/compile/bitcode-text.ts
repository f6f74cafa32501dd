/** Pure: finds a text in LLVM bitcode, where strings begin at any bit. */

/**
 * Whether bitcode holds the text in module-level or inline assembly.
 *
 * LLVM writes assembly as records without an abbreviation: each character in 6-bit groups, low ones first, of 5 bits and
 * one that says whether more follow. The text is looked for at all eight places of a byte, and as plain bytes too.
 */
export function bitcodeHolds(bitcode: Uint8Array, text: string): boolean {
  const bytes = Buffer.from(bitcode.buffer, bitcode.byteOffset, bitcode.byteLength);
  if (bytes.includes(text, 0, 'latin1')) return true;
  const bits = [...text].flatMap((char) => variableWidth(char.charCodeAt(0)));
  for (let shift = 0; shift < 8; shift += 1) {
    const whole = Buffer.alloc(Math.floor((bits.length - shift) / 8));
    for (let at = 0; at < whole.length * 8; at += 1) {
      if (bits[shift + at] === 1) whole[at >> 3] = (whole[at >> 3] as number) | (1 << (at & 7));
    }
    if (bytes.includes(whole)) return true;
  }
  return false;
}

/** The bits of a number as LLVM's VBR6, the first one first. */
function variableWidth(value: number): number[] {
  const bits: number[] = [];
  for (let rest = value; ; rest >>= 5) {
    const hasMore = rest >= 32;
    for (let bit = 0; bit < 5; bit += 1) bits.push((rest >> bit) & 1);
    bits.push(hasMore ? 1 : 0);
    if (!hasMore) return bits;
  }
}

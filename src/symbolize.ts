/** What a program can ask about an address. */

/** Where in a library an address lies. */
export interface SymbolizedAddress {
  /** The library's name. */
  readonly library: string;
  /** Which of its generations. */
  readonly generation: number;
  /** As a C++ programmer writes it; null when no function of the library is known there. */
  readonly function: string | null;
  /** As the linker knows it, such as `_Z3addii`; the same as {@link function} in C. */
  readonly symbol: string | null;
  /** Bytes from the start of the function, else from that of the library's code. */
  readonly offset: number;
  /** Only of code that was compiled with `-g`; as the debug information has it, so a text is called by its name. */
  readonly file?: string;
  /** 1-based; there when the file is. */
  readonly line?: number;
}

/**
 * Says in which function, and in which line, an address of a library's code lies; null when it is in no library of this
 * thread.
 *
 * Static functions are named too, but for a linked image whose file is gone. Lines need `-g`; no tool is needed. The
 * address to which a call returns is in the line after it: give the one before.
 *
 * @throws TypeError when the address is no bigint.
 *
 * @example
 * await symbolize(vec.address('add')); // { library: 'vec', generation: 1, function: 'add', symbol: 'add', offset: 0 }
 */
export async function symbolize(address: bigint): Promise<SymbolizedAddress | null> {
  if (typeof address !== 'bigint') {
    throw new TypeError(`Expected \`address\` to be a bigint, got \`${String(address)}\` (${typeof address})`);
  }
  return (await import('./code-map.ts')).findAddress(Number(address));
}

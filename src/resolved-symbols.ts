/** What the option `resolve` found. */

import type { ImportRecord } from './open-imports.ts';

/** Where a name of a library comes from that was looked for in the libraries of the system. */
export interface ResolvedSymbol {
  /** The name, as the linker knows it. */
  readonly symbol: string;
  /** What the library calls itself, such as `libz.so.1`. */
  readonly library: string;
  /** Of the file that was opened. */
  readonly path: string;
}

/** By name. */
export function resolvedSymbols(imports: readonly ImportRecord[] = []): ResolvedSymbol[] {
  const symbols = imports.flatMap(({ soname, path, names }) =>
    soname === undefined || path === null ? [] : names.map((symbol) => ({ symbol, library: soname, path })),
  );
  return symbols.sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
}

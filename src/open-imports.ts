/** Opens what a library takes from others, and keeps it open for as long as the library is live. */

import type { SharedDefinition } from './elf.ts';
import { LinkError } from './errors.ts';
import { isLibcxx } from './libraries/libcxx.ts';
import { HOLD, type Hold, type Linking } from './linking.ts';
import {
  addressIn,
  bringsExceptions,
  closeObject,
  openObject,
  RTLD_DEEPBIND,
  RTLD_NODELETE,
} from './loader/dynamic-linker.ts';
import type { LinkRequest, LoadedImage, Loader, SymbolInfo } from './loader/loader.ts';
import { missingSymbolsError } from './loader/missing-symbols.ts';
import { isRuntime, openRuntime } from './loader/open-runtime.ts';

/** What is taken from one library. Plain data, to be kept beside an object. */
export interface ImportRecord {
  /** Its place in the option `libraries`; beyond its end for one that `resolve` found. */
  readonly from: number;
  /** What that one calls itself, such as `libz.so.1`. */
  readonly soname?: string;
  /** Of the shared object; null for a library that is loaded. */
  readonly path: string | null;
  readonly names: readonly string[];
  /** Those of the names that the library defines too, and exports as its own. */
  readonly shared?: readonly SharedDefinition[];
}

/** Libraries that are open for one generation of another. */
export interface OpenImports {
  readonly addresses: ReadonlyMap<string, bigint>;
  readonly shared: ReadonlyMap<string, SymbolInfo>;
  readonly holds: readonly Hold[];
  /** The shared objects among them. */
  readonly files: readonly string[];
  /** Whether exceptions may come out of them. */
  readonly mayThrow: boolean;
  /** Once, when the library is gone. */
  release(): void;
}

/**
 * Opens each library, and finds the names in it.
 *
 * @throws LinkError when one can't be opened, or lacks a name; DisposedError. Nothing stays open then.
 */
export function openImports(library: string, linking: Linking | null, records: readonly ImportRecord[]): OpenImports {
  const addresses = new Map<string, bigint>();
  const shared = new Map<string, SymbolInfo>();
  const handles: bigint[] = [];
  const holds: Hold[] = [];
  const release = (): void => {
    for (const hold of holds) hold.release();
    for (const handle of handles.splice(0).reverse()) closeObject(handle);
  };
  try {
    for (const { from, path, names, shared: definitions = [] } of records) {
      const reference = linking?.libraries[from];
      let find: (name: string) => bigint | null | undefined;
      if (path !== null) {
        // It stays, as threads keep data whose ends are in its code.
        const flags = isLibcxx(path) ? RTLD_DEEPBIND | RTLD_NODELETE : 0;
        const handle = isRuntime(path) ? openRuntime(library, path) : openObject(library, path, flags);
        handles.push(handle);
        find = (name) => addressIn(handle, name);
      } else if (reference?.kind === 'library') {
        const hold = reference.library[HOLD](library);
        holds.push(hold);
        find = (name) => hold.symbols.get(name)?.address;
      } else throw new LinkError(library, `${library}: what it was linked to is not among its \`libraries\``, []);
      const missing: string[] = [];
      for (const name of names) {
        const address = find(name);
        if (address === null || address === undefined) missing.push(name);
        else addresses.set(name, address);
      }
      if (missing.length > 0) throw missingSymbolsError(library, missing, []);
      for (const { name, kind, size } of definitions) {
        shared.set(name, { address: addresses.get(name) as bigint, kind, size });
      }
    }
    const mayThrow = handles.some(bringsExceptions) || holds.some((hold) => hold.mayThrow);
    return { addresses, shared, holds, files: records.flatMap(({ path }) => path ?? []), mayThrow, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** The image, with which the libraries are let go. */
export function withImports(image: LoadedImage, imports: OpenImports): LoadedImage {
  const { shared } = imports;
  let symbols: ReadonlyMap<string, SymbolInfo> | undefined;
  return {
    find: (name) => image.find(name) ?? shared.get(name),
    mayThrow: () => imports.mayThrow || image.mayThrow(),
    get symbols() {
      if (shared.size === 0) return image.symbols;
      symbols ??= new Map([...image.symbols, ...shared]);
      return symbols;
    },
    readCode: () => image.readCode(),
    async dispose() {
      try {
        await image.dispose();
      } finally {
        imports.release();
      }
    },
  };
}

/** The request with what is imported. */
export const importing = (request: LinkRequest, { addresses, files }: OpenImports): LinkRequest => ({
  ...request,
  imports: addresses,
  needs: files,
});

/** Links an object to libraries that are open, as its request says; they are let go when that fails. */
export async function linkWithImports(
  loader: Loader,
  request: LinkRequest,
  imports: OpenImports,
): Promise<LoadedImage> {
  try {
    return withImports(await loader.link(request), imports);
  } catch (error) {
    imports.release();
    throw error;
  }
}

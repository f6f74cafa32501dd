/** Opens what a library takes from others, and keeps it open for as long as the library is live. */

import { LinkError } from './errors.ts';
import { HOLD, type Hold, type Linking } from './linking.ts';
import { addressIn, closeObject, openObject } from './loader/dynamic-linker.ts';
import type { LinkRequest, LoadedImage, Loader } from './loader/loader.ts';
import { missingSymbolsError } from './loader/missing-symbols.ts';
import { isRuntime, openRuntime } from './loader/open-runtime.ts';

/** What is taken from one library. Plain data, to be kept beside an object. */
export interface ImportRecord {
  /** Its place in the option `libraries`. */
  readonly from: number;
  /** Of the shared object; null for a library that is loaded. */
  readonly path: string | null;
  readonly names: readonly string[];
}

/** Libraries that are open for one generation of another. */
export interface OpenImports {
  readonly addresses: ReadonlyMap<string, bigint>;
  readonly holds: readonly Hold[];
  /** The shared objects among them. */
  readonly files: readonly string[];
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
  const handles: bigint[] = [];
  const holds: Hold[] = [];
  const release = (): void => {
    for (const hold of holds) hold.release();
    for (const handle of handles.splice(0).reverse()) closeObject(handle);
  };
  try {
    for (const { from, path, names } of records) {
      const reference = linking?.libraries[from];
      let find: (name: string) => bigint | null | undefined;
      if (path !== null) {
        const handle = isRuntime(path) ? openRuntime(library, path) : openObject(library, path);
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
    }
    return { addresses, holds, files: records.flatMap(({ path }) => path ?? []), release };
  } catch (error) {
    release();
    throw error;
  }
}

/** The image, with which the libraries are let go. */
export function withImports(image: LoadedImage, imports: OpenImports): LoadedImage {
  return {
    find: (name) => image.find(name),
    get symbols() {
      return image.symbols;
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

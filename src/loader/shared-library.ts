/** Opens shared objects that were linked elsewhere. */

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { checkSharedObject, type ExportedSymbol, readExports } from '../elf.ts';
import { LinkError } from '../errors.ts';
import { openSharedObject } from './dynamic-linker.ts';
import type { LoadedImage } from './loader.ts';

/**
 * Opens a shared library and finds all that it exports. Disposing it closes it, once for each time that it was opened.
 *
 * @param file - an absolute path, or a name without a slash, which the system searches for
 * @throws LinkError when it is not there, not for this machine, damaged, or needs what is not there.
 */
export async function openSharedLibrary(library: string, file: string): Promise<LoadedImage> {
  const exportsOf = (path: string, bytes: Uint8Array): readonly ExportedSymbol[] => {
    const wrong = checkSharedObject(bytes);
    if (wrong === null) {
      try {
        // The dynamic linker gives the image that it has, which is an older one when the file was replaced since: only
        // it knows where that has its symbols.
        return readExports(bytes, 'dynamic').map((symbol) => ({ ...symbol, indirect: true }));
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
      }
    }
    const reason = wrong ?? 'its symbol table is damaged';
    throw new LinkError(library, `${library}: the shared library ${path} can't be used: ${reason}`, []);
  };
  const unreadable = (path: string, cause: unknown): LinkError => {
    const message = `${library}: the shared library ${path} can't be read: ${(cause as Error).message}`;
    return new LinkError(library, message, [], { cause });
  };

  if (!file.includes('/')) {
    return openSharedObject(library, file, (path) => {
      let bytes: Uint8Array;
      try {
        bytes = readFileSync(path);
      } catch (error) {
        throw unreadable(path, error);
      }
      return exportsOf(path, bytes);
    });
  }
  // Before it is opened, because what the dynamic linker does with a damaged file can end the process.
  const bytes = await readFile(file).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  const exported = exportsOf(file, bytes);
  return openSharedObject(library, file, () => exported);
}

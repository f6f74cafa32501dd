/** Makes linked images: files that the dynamic linker opens in a fraction of the time that a link in memory takes. */

import { readFile } from 'node:fs/promises';
import { checkSharedObject, hasInitialisers, readExports } from '../elf.ts';
import { LinkError } from '../errors.ts';
import { type ImageLayout, prepareImage } from './image-layout.ts';
import { findImportSlots } from './imports.ts';
import { linkShared } from './link-shared.ts';
import type { LinkRequest } from './loader.ts';

/** A file to be kept, and what opens it. */
export interface LinkedImage {
  readonly bytes: Uint8Array;
  readonly layout: ImageLayout;
}

/**
 * `nodynamic-undefined-weak`: a weak name that neither the object nor the runtime defines is 0, as it is for the ORC
 * loader, and not what the node binary has of that name; lld does not know it, and warns. `noseparate-code`: two
 * mappings instead of four, which is 10 µs of the 65 that `dlopen` takes for a small library.
 */
const IMAGE_FLAGS = ['-Wl,-z,nodynamic-undefined-weak', '-Wl,-z,noseparate-code'];
/** What is imported is weak, and must have its places. */
const IMPORTING_IMAGE_FLAGS = ['-Wl,-z,noseparate-code'];

/**
 * Links the object as the shared-object loader does, into a file that `openLinkedImage` opens.
 *
 * Initialisers of C++ may throw, so they are taken from the dynamic linker, which could not go on; those of C can't.
 *
 * @throws LinkError when it can't be linked, or what comes out is not what the object is; the signal's reason.
 */
export function makeLinkedImage(request: LinkRequest): Promise<LinkedImage> {
  const { library, object, language } = request;
  const names = new Set(request.imports?.keys());
  const isImporting = names.size > 0;
  return linkShared(request, isImporting ? IMPORTING_IMAGE_FLAGS : IMAGE_FLAGS, async (path) => {
    const bytes = await readFile(path);
    const refuse = (reason: string, cause?: unknown) =>
      new LinkError(library, `${library}: the linker made an image that can't be used: ${reason}`, [], { cause });
    const wrong = checkSharedObject(bytes);
    if (wrong !== null) throw refuse(wrong);
    try {
      const [missing, more] = differences(namesOf(object, 'static'), namesOf(bytes, 'dynamic'));
      if (missing !== undefined) throw refuse(`it does not export \`${missing}\``);
      if (more !== undefined) throw refuse(`it exports \`${more}\`, which the object does not`);
      // One entry is that of the compiler's own start files, in every shared object.
      const mayThrow = language === 'c++';
      // They may use what is imported, which is not there yet when the dynamic linker would run them.
      const takes = (count: number) => (mayThrow || isImporting) && (count > 1 || hasInitialisers(object));
      const layout = prepareImage(bytes, takes);
      return { bytes, layout: isImporting ? { ...layout, imports: findImportSlots(bytes, names) } : layout };
    } catch (error) {
      throw error instanceof RangeError ? refuse(error.message, error) : error;
    }
  });
}

function namesOf(bytes: Uint8Array, table: 'static' | 'dynamic'): Set<string> {
  return new Set(readExports(bytes, table).map(({ name }) => name));
}

/** One that is only in the first, and one that is only in the second. */
function differences(one: ReadonlySet<string>, other: ReadonlySet<string>): [string | undefined, string | undefined] {
  return [[...one].find((name) => !other.has(name)), [...other].find((name) => !one.has(name))];
}

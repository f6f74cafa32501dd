/** Objects that were compiled elsewhere: from bytes, files and archives to what is to be linked. */

import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { checkRelocatable, readLinkSymbols } from '../elf.ts';
import { LinkError } from '../errors.ts';
import type { ObjectsInput } from '../inputs.ts';
import { nearNames } from '../near-names.ts';
import { ArchiveError, readArchive } from './ar.ts';
import { pickMembers } from './members.ts';

/** One relocatable object of this machine. */
export interface NamedObject {
  /** For messages. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Objects, the files that they came from, and whether they need the C++ runtime. */
export interface ReadObjects {
  readonly objects: readonly NamedObject[];
  /** Absolute paths. */
  readonly files: readonly string[];
  readonly language: 'c' | 'c++';
}

/**
 * What an input is made of, checked to be for this machine. At least one object.
 *
 * @throws LinkError for a file that can't be read, bytes that are no object, an archive that can't be used, and roots
 * that it does not define.
 */
export async function readObjects(library: string, input: ObjectsInput): Promise<ReadObjects> {
  const objects = input.kind === 'object' ? await readAll(library, input.object) : await readMembers(library, input);
  const files =
    input.kind === 'archive'
      ? [input.archive]
      : input.object.filter((each): each is string => typeof each === 'string');
  for (const { name, bytes } of objects) assertComplete(library, name, bytes);
  return { objects, files, language: languageOf(objects.map(({ bytes }) => bytes)) };
}

/** What a linker needs must be there, and not only what gcc would make it from. */
function assertComplete(library: string, name: string, bytes: Uint8Array): void {
  const refuse = (reason: string, cause?: unknown): never => {
    throw new LinkError(library, `${library}: ${name} can't be linked: ${reason}`, [], { cause });
  };
  try {
    const { defined } = readLinkSymbols(bytes);
    if (defined.includes('__gnu_lto_slim'))
      refuse('it has only the intermediate code of gcc; compile it without `-flto`');
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    refuse('its symbol table is damaged', error);
  }
}

async function readAll(library: string, inputs: readonly (Uint8Array | string)[]): Promise<NamedObject[]> {
  return Promise.all(
    inputs.map(async (each, index) => {
      const isPath = typeof each === 'string';
      const shown = isPath ? `the object ${each}` : inputs.length === 1 ? 'the object' : `object[${index}]`;
      const bytes = isPath ? await read(library, shown, each) : each;
      const wrong = checkRelocatable(bytes);
      if (wrong !== null) throw new LinkError(library, `${library}: ${shown} can't be linked: ${wrong}`, []);
      return { name: isPath ? basename(each) : `object-${index}.o`, bytes };
    }),
  );
}

async function readMembers(
  library: string,
  { archive, exports }: { readonly archive: string; readonly exports: readonly string[] | null },
): Promise<readonly NamedObject[]> {
  const bytes = await read(library, `the archive ${archive}`, archive);
  try {
    const { members, missing, known } = pickMembers(readArchive(bytes), exports);
    if (missing.length > 0) throw missingRoots(library, archive, missing, known);
    if (members.length === 0) throw new ArchiveError('it has no members');
    return members;
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    throw new LinkError(library, `${library}: the archive ${archive} can't be used: ${error.message}`, []);
  }
}

function missingRoots(
  library: string,
  archive: string,
  missing: readonly string[],
  known: readonly string[],
): LinkError {
  const shown = missing.map((name) => {
    const [near] = nearNames(name, known);
    return near === undefined ? `\`${name}\`` : `\`${name}\` (did you mean \`${near}\`?)`;
  });
  const message = `${library}: no member of ${archive} defines ${shown.join(', ')}, which \`exports\` asks for`;
  return new LinkError(library, message, [...missing].sort());
}

async function read(library: string, shown: string, path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const message = `${library}: ${shown} can't be read: ${(error as Error).message}`;
    throw new LinkError(library, message, [], { cause: error });
  }
}

/** Names of the C++ runtime; those two of `__cxa_…` are in libc. */
const CXX_NAME = /^(?:_Z|__gxx_|__cxa_(?!atexit$|finalize$))/;

/** `'c++'` when the C++ runtime is needed. Throws RangeError for a damaged symbol table. */
export function languageOf(objects: readonly Uint8Array[]): 'c' | 'c++' {
  return objects.some((bytes) => readLinkSymbols(bytes).needed.some((name) => CXX_NAME.test(name))) ? 'c++' : 'c';
}

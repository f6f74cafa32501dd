/** Links an object as a shared object, by `cc -shared`. */

import { join } from 'node:path';
import { readLinkSymbols } from '../elf.ts';
import { LinkError } from '../errors.ts';
import { createPrivateFolder, type PrivateFolderError } from '../private-folder.ts';
import { Turns } from '../turns.ts';
import { IMPORT_FLAGS, withoutNeedOf } from './imports.ts';
import type { LinkRequest } from './loader.ts';
import { knownNames, missingSymbolsError } from './missing-symbols.ts';
import { runLinker } from './run-linker.ts';

/**
 * `-Bsymbolic`: without it a library that defines `deflate` would call the one that the node binary exports.
 * `-z defs`: a missing symbol is found now, not at its first call. `--no-demangle`: names as `dlsym` takes them.
 */
const LINK_FLAGS = ['-Wl,-Bsymbolic', '-Wl,-z,defs', '-Wl,-z,noexecstack', '-Wl,--no-demangle', '-Wl,--build-id=none'];

const links = new Turns();

/**
 * Links when it is its turn, and gives the file to `use`; it is gone when what that gives is there.
 *
 * @param flags - more of them
 * @throws LinkError, the signal's reason, or what `use` throws.
 */
export function linkShared<Result>(
  request: LinkRequest,
  flags: readonly string[],
  use: (path: string) => Promise<Result>,
): Promise<Result> {
  return links.take(request.signal, async () => {
    const { library } = request;
    const imported = new Set(request.imports?.keys());
    const object = imported.size === 0 ? request.object : withoutNeedOf(request.object, imported);
    // The name is fresh: the dynamic linker gives an open library's handle again for a path that it knows.
    await using folder = await createPrivateFolder({ 'library.o': object }).catch((error: PrivateFolderError) => {
      throw new LinkError(library, `${library}: ${error.message}`, [], { cause: error });
    });
    const path = join(folder.path, 'library.so');
    const runtime = request.language === 'c++' ? ['-lstdc++', '-lm'] : ['-lm'];
    const inputs = ['-shared', '-fPIC', '-o', path, 'library.o'];
    const own = imported.size === 0 ? flags : [...IMPORT_FLAGS, ...flags];
    // What is imported is weak, for which a linker needs no file.
    const needs = request.needs?.length ? ['-Wl,--no-as-needed', ...request.needs] : [];
    const asNeeded = hasWeakReferences(request.object) ? '-Wl,--no-as-needed' : '-Wl,--as-needed';
    const args = [...inputs, ...LINK_FLAGS, ...own, ...needs, asNeeded, ...runtime];
    await runLinker(request, folder.path, args, (complaint) => explain(request, complaint));
    return await use(path);
  });
}

/** A name that is only referred to weakly is nothing that a linker takes a library for where it is needed, libc among them. */
function hasWeakReferences(object: Uint8Array): boolean {
  try {
    return readLinkSymbols(object).wished.length > 0;
  } catch (error) {
    // What is wrong with a damaged object is for the linker to say.
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** GNU ld says "undefined reference to `f'", lld says "undefined symbol: f". */
const MISSING_SYMBOL = /undefined (?:reference to [`']([^'`]+)'|symbol: (\S+))/g;

function explain({ library, object, known = [] }: LinkRequest, complaint: string): LinkError | null {
  const missing = new Set<string>();
  for (const match of complaint.matchAll(MISSING_SYMBOL)) missing.add(match[1] ?? match[2] ?? '');
  return missing.size === 0
    ? null
    : missingSymbolsError(library, [...missing].sort(), [...knownNames(object), ...known]);
}

/** The loader that works wherever a compiler does: `cc -shared`, then the system's own dynamic linker. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readExports } from '../elf.ts';
import { LinkError } from '../errors.ts';
import { createPrivateFolder, type PrivateFolderError } from '../private-folder.ts';
import { Turns } from '../turns.ts';
import { openSharedObject } from './dynamic-linker.ts';
import { takeInitialisers } from './initialisers.ts';
import type { LinkRequest, LoadedImage, Loader } from './loader.ts';
import { knownNames, missingSymbolsError } from './missing-symbols.ts';
import { runLinker } from './run-linker.ts';

/**
 * `-Bsymbolic`: without it a library that defines `deflate` would call the one that the node binary exports.
 * `-z defs`: a missing symbol is found now, not at its first call. `--no-demangle`: names as `dlsym` takes them.
 */
const LINK_FLAGS = ['-Wl,-Bsymbolic', '-Wl,-z,defs', '-Wl,-z,noexecstack', '-Wl,--no-demangle', '-Wl,--build-id=none'];

export const sharedObjectLoader: Loader = {
  kind: 'shared-object',

  link(request: LinkRequest): Promise<LoadedImage> {
    return links.take(request.signal, () => link(request));
  },
};

const links = new Turns();

async function link(request: LinkRequest): Promise<LoadedImage> {
  const { library, object, signal } = request;
  // The name is fresh: the dynamic linker gives an open library's handle again for a path that it knows.
  await using folder = await createPrivateFolder({ 'library.o': object }).catch((error: PrivateFolderError) => {
    throw new LinkError(library, `${library}: ${error.message}`, [], { cause: error });
  });
  const path = join(folder.path, 'library.so');
  const runtime = request.language === 'c++' ? ['-lstdc++', '-lm'] : ['-lm'];
  const args = ['-shared', '-fPIC', '-o', path, 'library.o', ...LINK_FLAGS, '-Wl,--as-needed', ...runtime];
  await runLinker(request, folder.path, args, (complaint) => explain(request, complaint));
  const bytes = await readFile(path);
  const exported = readExports(bytes, 'dynamic');
  const initialise = await takeInitialisers(library, path, bytes);
  // The last chance: initialisers run next.
  signal?.throwIfAborted();
  return openSharedObject(library, path, () => exported, initialise);
}

/** GNU ld says "undefined reference to `f'", lld says "undefined symbol: f". */
const MISSING_SYMBOL = /undefined (?:reference to [`']([^'`]+)'|symbol: (\S+))/g;

function explain({ library, object }: LinkRequest, complaint: string): LinkError | null {
  const missing = new Set<string>();
  for (const match of complaint.matchAll(MISSING_SYMBOL)) missing.add(match[1] ?? match[2] ?? '');
  return missing.size === 0 ? null : missingSymbolsError(library, [...missing].sort(), knownNames(object));
}

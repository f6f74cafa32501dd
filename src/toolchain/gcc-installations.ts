/** The gcc that clang takes its C++ library from: the newest, which no command and no list of read files names. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Toolchain } from './discover.ts';

const FOLDER = '/usr/lib/gcc';
/** gcc's releases to come, for a long time. */
const HIGHEST = 40;

/**
 * Paths that are not there, and would change what clang includes if they came to be: the folders of gcc installations.
 * Empty for gcc, which brings its own.
 */
export function absentGccFolders({ kind }: Toolchain): string[] {
  if (kind !== 'clang') return [];
  if (!existsSync(FOLDER)) return [FOLDER];
  return readdirSync(FOLDER).flatMap((triple) => {
    const versions = Array.from({ length: HIGHEST }, (_, version) => join(FOLDER, triple, String(version + 1)));
    return versions.filter((path) => !existsSync(path));
  });
}

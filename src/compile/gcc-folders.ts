/** Where clang looks for gcc installations; it takes the C++ headers of the newest, which no list of its names. */

import { type Dirent, existsSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { digestOfFolder } from '../folder-listing.ts';
import type { FolderListed } from './compiler.ts';

/** Folders of whose entries each may be one more that is searched, and those that would be if they were there. */
export interface GccFolders {
  readonly listed: readonly FolderListed[];
  readonly absent: readonly string[];
}

/** Which gcc is in use on Gentoo, and where Red Hat has more of them. */
const HINTS = ['/etc/env.d/gcc', '/opt/rh'];

/**
 * More than clang looks at: the triples and versions in each folder of gcc's, with what is in these, as it's one file
 * that makes a version count.
 *
 * @param installed - clang's own folder, and the installations that it found
 */
export function gccFolders(installed: readonly string[]): GccFolders {
  const found = installed.map(
    (folder) => /^(.*)\/lib[^/]*\/gcc[^/]*\/[^/]+\/[^/]+$/.exec(folder)?.[1] ?? dirname(folder),
  );
  const prefixes = new Set(['/usr', ...found.map((folder) => resolve(folder))]);
  const roots = [...prefixes].flatMap((prefix) =>
    ['lib', 'lib32', 'lib64', 'libx32'].flatMap((name) => [join(prefix, name, 'gcc'), join(prefix, name, 'gcc-cross')]),
  );
  const isThere = new Map([...roots, ...HINTS].map((folder) => [folder, existsSync(folder)]));
  const there = [...isThere.keys()].filter((folder) => isThere.get(folder));
  const triples = there.flatMap(foldersIn);
  const all = [...there, ...triples, ...triples.flatMap(foldersIn)];
  return {
    listed: all.map((path) => ({ path, digest: digestOfFolder(path) })),
    absent: [...isThere.keys()].filter((folder) => !isThere.get(folder)),
  };
}

function foldersIn(folder: string): string[] {
  const isFolder = (entry: Dirent): boolean => entry.isDirectory() || entry.isSymbolicLink();
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter(isFolder).map(({ name }) => join(folder, name));
  } catch {
    return [];
  }
}

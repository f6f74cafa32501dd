/** Looks for names in the shared libraries that the system's dynamic linker finds. */

import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { digestOfFolder } from '../folder-listing.ts';
import { sha256 } from '../sha256.ts';
import type { Candidate } from './choose.ts';
import { askLibrary, hashName } from './hash-table.ts';
import { type ListedLibrary, readLoaderCache } from './loader-cache.ts';

/** What was found, and what that was found out from. */
export interface SystemSearch {
  readonly candidates: readonly Candidate[];
  /** How many libraries were asked. */
  readonly count: number;
  /** Files with their digests; folders with the digests of their names; what was not there. */
  readonly read: readonly { readonly path: string; readonly digest: string }[];
  readonly listed: readonly { readonly path: string; readonly digest: string }[];
  readonly absent: readonly string[];
}

const LOADER_CACHE = '/etc/ld.so.cache';

/** Asking 500 libraries takes 10 ms, and 300 when nothing of them is in memory: the event loop has its turn in between. */
const AT_ONCE = 32;

/** Runtimes of sanitizers, which end the process when they are opened after its start. */
const SANITIZER = /^lib(?:clang_rt\.)?(?:a|hwa|l|m|t)san(?:[-._]|$)/;

/** The folders that the dynamic linker was told to search before all others. */
export function environmentFolders(): string[] {
  const folders = (process.env.LD_LIBRARY_PATH ?? '').split(/[:;]/);
  return folders.filter((folder) => folder !== '').map((folder) => resolve(folder));
}

/**
 * Every library that defines one of the names, first those of the folders. What the system does not find by a name, since
 * an earlier one is called the same, is not among them.
 *
 * @param folders - absolute
 * @param cache - the file that ldconfig makes
 */
export async function searchSystem(
  names: readonly string[],
  folders: readonly string[],
  cache: string = LOADER_CACHE,
): Promise<SystemSearch> {
  const [listed, bytes] = [
    folders.map((path) => ({ path, digest: digestOfFolder(path) })),
    await readFile(cache).catch(() => null),
  ];
  const paths = new Map<string, string>();
  for (const { name, path } of [...folders.flatMap(librariesIn), ...(bytes === null ? [] : fromCache(bytes))]) {
    if (!paths.has(name) && !SANITIZER.test(name)) paths.set(name, path);
  }
  const hashed = names.map(hashName);
  const asked = new Map<string, Candidate>();
  let turn = 0;
  for (const [name, path] of paths) {
    turn += 1;
    if (turn % AT_ONCE === 0) await setImmediate();
    const answer = askLibrary(path, hashed);
    if (answer === null) continue;
    // Most are there twice, by a link without a version for linkers.
    const fresh = { soname: answer.soname ?? name, path, names: answer.names, development: null };
    const known = asked.get(answer.identity) ?? fresh;
    asked.set(answer.identity, name.endsWith('.so') ? { ...known, development: path } : known);
  }
  const candidates = [...asked.values()].filter((each) => each.names.length > 0);
  const read = bytes === null ? [] : [{ path: cache, digest: sha256(bytes) }];
  return { candidates, count: asked.size, read, listed, absent: bytes === null ? [cache] : [] };
}

function fromCache(bytes: Buffer): readonly ListedLibrary[] {
  try {
    return readLoaderCache(bytes);
  } catch {
    return [];
  }
}

function librariesIn(folder: string): ListedLibrary[] {
  try {
    const names = readdirSync(folder).filter((name) => /\.so(?:\.|$)/.test(name));
    return names.sort().map((name) => ({ name, path: join(folder, name) }));
  } catch {
    return [];
  }
}

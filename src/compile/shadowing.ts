/** Pure: at which paths a file would have to appear to be read in place of, or beside, what a compile has read. */

import { isAbsolute, relative, resolve } from 'node:path';
import type { TextScan } from './scan-text.ts';

/** A text of the compile, and where its quoted includes start. */
export interface ScannedText {
  readonly scan: TextScan;
  /** The folder of the file; null for one that exists only in memory. */
  readonly folder: string | null;
}

/** What {@link wantedNames} starts from. */
export interface Lookups {
  /** Searched for every include, or for quoted ones, in any order. */
  readonly folders: readonly string[];
  readonly texts: readonly ScannedText[];
  /** Absolute paths of the files that were read. */
  readonly read: readonly string[];
  /** Named by `-include`: looked for as quoted includes of a text in the working folder are. */
  readonly forced: readonly string[];
  readonly cwd: string;
  /** Names of the headers that exist only in memory; they come before any folder but that of the including file. */
  readonly inMemory: readonly string[];
}

/** A name, and every folder that it may have been looked for in. */
export interface WantedName {
  readonly name: string;
  readonly folders: ReadonlySet<string>;
  /**
   * Whether it may be on no disk: `__has_include` bears that, and a header in memory is on none. Any other name that is
   * found nowhere stands in an `#include` that a condition took out.
   */
  readonly mayBeNowhere: boolean;
}

/**
 * More than was looked for, never less: a name is taken to have been looked for in all search folders, before and behind
 * the one that has it.
 *
 * The names are those that the texts spell, and the path of every file read from every search folder that it lies in,
 * as macros can make those. Where a text names a file by a macro, its own folder is searched for all of them.
 */
export function wantedNames(lookups: Lookups): WantedName[] {
  const { folders, texts, read, forced, cwd } = lookups;
  const inMemory = new Set(lookups.inMemory);
  const wanted = new Map<string, { folders: Set<string>; mayBeNowhere: boolean }>();
  const want = (name: string, places: Iterable<string>, isProbe: boolean) => {
    const entry = wanted.get(name) ?? { folders: new Set<string>(), mayBeNowhere: inMemory.has(name) };
    wanted.set(name, entry);
    for (const place of places) entry.folders.add(place);
    entry.mayBeNowhere ||= isProbe;
  };
  const behindOwn = (name: string) => (inMemory.has(name) ? [] : folders);

  for (const { scan, folder } of texts) {
    const own = folder === null ? [] : [folder];
    for (const { name, isQuoted, isProbe } of scan.names) {
      want(name, isQuoted ? [...own, ...behindOwn(name)] : behindOwn(name), isProbe);
    }
    if (!scan.hasMacroInclude) continue;
    const places = [...own, ...folders];
    for (const place of places) for (const name of namesFrom(place, read)) want(name, places, false);
    for (const name of inMemory) want(name, own, false);
  }
  for (const name of forced) want(name, [cwd, ...behindOwn(name)], false);
  for (const place of folders) for (const name of namesFrom(place, read)) want(name, behindOwn(name), false);
  return [...wanted].map(([name, entry]) => ({ name, ...entry }));
}

function namesFrom(folder: string, read: readonly string[]): string[] {
  return read.map((path) => relative(folder, path)).filter((name) => name !== '' && !/^\.\.(?:\/|$)/.test(name));
}

/** The path that a compiler tries for a name in a folder. One with `..` keeps it, for the sake of links on the way. */
export function pathIn(folder: string, name: string): string {
  if (isAbsolute(name)) return name;
  return name.split('/').includes('..') ? `${folder}/${name}` : resolve(folder, name);
}

/**
 * The precompiled headers that would be taken in place of headers: clang looks for them beside what `-include` names,
 * gcc beside every place where it looks for the first header. The first of the rule may be the source or the header that
 * gcc includes by itself.
 */
export function precompiledPaths(
  kind: 'clang' | 'gcc',
  lookups: Lookups,
  wanted: readonly WantedName[],
): readonly string[] {
  if (kind === 'clang') {
    return lookups.forced.flatMap((name) => ['.pch', '.gch'].map((end) => `${resolve(lookups.cwd, name)}${end}`));
  }
  const first = new Set(lookups.read.slice(0, 3));
  const names = wanted.filter(({ name, folders }) => [...folders].some((folder) => first.has(resolve(folder, name))));
  return names.flatMap(({ name, folders }) => [...folders].map((folder) => `${pathIn(folder, name)}.gch`));
}

/** Pure: where a compiler looks for headers, as it says under `-v`. */

import { readFlags } from './flags.ts';

/** The folders as the compiler spells them, in its order. */
export interface SearchList {
  /** Searched for quoted includes only. */
  readonly quoted: readonly string[];
  readonly angled: readonly string[];
  /** Asked for, or looked for by the compiler itself, and not there. */
  readonly missing: readonly string[];
  /** clang's own folder, and the gcc installations that it found. */
  readonly installed: readonly string[];
}

/** Null when the text has no such list. clang and gcc print the same form. */
export function parseSearchList(stderr: string): SearchList | null {
  const quoted: string[] = [];
  const angled: string[] = [];
  const missing: string[] = [];
  const installed: string[] = [];
  let list: string[] | null = null;
  let isWhole = false;
  for (const line of stderr.split('\n')) {
    if (line === '#include "..." search starts here:') list = quoted;
    else if (line === '#include <...> search starts here:') list = angled;
    else if (line === 'End of search list.') {
      isWhole = list === angled;
      list = null;
    } else if (list !== null) list.push(line.replace(/^ /, '').replace(/ \(framework directory\)$/, ''));
    else {
      const ignored = /^ignoring nonexistent directory "(.*)"$/.exec(line)?.[1];
      if (ignored !== undefined) missing.push(ignored);
      const found = /^(?:InstalledDir|Found candidate GCC installation): (.*)$/.exec(line)?.[1];
      if (found !== undefined) installed.push(found);
    }
  }
  return isWhole ? { quoted, angled, missing, installed } : null;
}

/** Options that name macros and files; what they name is not where to search. */
const NOT_SEARCHED = new Set('-D -U --define-macro --undefine-macro -include --include -imacros --imacros'.split(' '));

/** The flags that can change the search list: all but levels, warnings, debug information, macros and forced headers. */
export function searchFlags(words: readonly string[]): string[] {
  return readFlags(words)
    .filter(({ option }) => !NOT_SEARCHED.has(option) && !/^-(?:O|g|W|w$|R)/.test(option))
    .flatMap((flag) => flag.words);
}

/** The files that `-include` and `-imacros` force in, as they are named. */
export function forcedHeaders(words: readonly string[]): string[] {
  const isForced = /^--?(?:include|imacros)$/;
  return readFlags(words).flatMap(({ option, value }) => (isForced.test(option) && value !== undefined ? [value] : []));
}

const SEARCHED = new Set(['-I', '-isystem', '-iquote', '-idirafter', '--include-directory']);

/** The folders that flags say to search, but for those below a system root. */
export function searchedFolders(words: readonly string[]): string[] {
  return readFlags(words).flatMap(({ option, value }) =>
    SEARCHED.has(option) && value !== undefined && !/^(?:=|\$SYSROOT)/.test(value) ? [value] : [],
  );
}

/** Flags that make the compiler read a file which no record lists, such as `-fprofile-use=`, each as it was given. */
export function dataFlags(words: readonly string[]): string[] {
  return readFlags(words)
    .map(({ words: [word = ''] }) => word)
    .filter((word) => READS_DATA.test(word));
}

const READS_DATA = new RegExp(
  [
    '^-f(?:(?:cs-)?profile(?:-\\w+)*-use|auto-profile|branch-probabilities|profile-values|vpt)',
    '^-f[\\w-]*(?:list|file|-use|instrument)=',
    // As in `-fbasic-block-sections=list=names.txt`.
    '^-f[\\w-]+=(?:list|file)=',
    // Whatever else has a path for its value, but for those that only rename.
    '^-f(?![\\w-]*(?:prefix-map|compilation-dir)=)[\\w-]+=.*/',
  ].join('|'),
);

/** The option `resolve`: links to libraries of the system for names that nothing else defines. */

import { LinkError } from './errors.ts';
import { type Candidate, chooseLibraries } from './libraries/choose.ts';
import { environmentFolders, type SystemSearch, searchSystem } from './libraries/search-system.ts';
import type { Linked } from './link-libraries.ts';
import type { LinkedTo } from './link-to.ts';
import type { Linking } from './linking.ts';
import type { LinkRequest } from './loader/loader.ts';
import { missingSymbolsError } from './loader/missing-symbols.ts';

/**
 * Links as named, and when names are missing, to what defines them, too. What is missing the loader says, which knows what
 * the runtime defines; it says so before anything is loaded. A linker may name a part only, so that it is asked again.
 *
 * @param link - links to what the options name
 * @throws LinkError for names that no library defines, or several do; else as `link` does.
 */
export async function linkResolving(
  linking: Linking,
  { library, signal }: LinkRequest,
  link: (linking: Linking) => Promise<LinkedTo & { linked: Linked }>,
): Promise<LinkedTo> {
  const missing = new Set<string>();
  const named = linking.libraries.length;
  let search: SystemSearch | undefined;
  let chosen: readonly Candidate[] = [];
  for (;;) {
    const paths = chosen.map(({ path }) => ({ kind: 'path', path }) as const);
    try {
      const result = await link({ ...linking, libraries: [...linking.libraries, ...paths] });
      return search === undefined ? result : { ...result, linked: withSearch(result.linked, search, chosen, named) };
    } catch (error) {
      const names = error instanceof LinkError ? error.missingSymbols : [];
      if (names.length === 0 || names.some((name) => missing.has(name))) throw withChoice(error, chosen);
      for (const name of names) missing.add(name);
      search = await searchSystem([...missing], [...linking.libraryPaths, ...environmentFolders()]);
      signal?.throwIfAborted();
      chosen = choose(library, [...missing], search, error as LinkError);
    }
  }
}

function choose(
  library: string,
  names: readonly string[],
  search: SystemSearch,
  error: LinkError,
): readonly Candidate[] {
  const { candidates, count } = search;
  const nowhere = names.filter((name) => !candidates.some((each) => each.names.includes(name)));
  if (nowhere.length > 0) {
    // The near names, where the error has some, are for all that is missing.
    const { message } = nowhere.length === names.length ? error : missingSymbolsError(library, nowhere, []);
    const where = count === 1 ? 'the one shared library' : `the ${count} shared libraries`;
    throw new LinkError(
      library,
      `${message}, and none of ${where} that \`resolve\` asked defines ${nowhere.length === 1 ? 'it' : 'them'}`,
      nowhere,
    );
  }
  const choice = chooseLibraries(names, candidates);
  if ('chosen' in choice) return choice.chosen;
  const lines = [...choice.ambiguous].slice(0, 10).map(([name, several]) => {
    const paths = several.map(({ path }) => path);
    const more = paths.length > 8 ? ` and ${paths.length - 8} more` : '';
    return `\`${name}\` in ${paths.slice(0, 8).join(', ')}${more}`;
  });
  const more = choice.ambiguous.size > lines.length ? `; and ${choice.ambiguous.size - lines.length} more names` : '';
  const message =
    `${library}: \`resolve\` can't tell which library is meant: ${lines.join('; ')}${more}. ` +
    'Name the right one in `libraries`';
  throw new LinkError(library, message, [...choice.ambiguous.keys()].sort());
}

/** A library that can't be opened is not one that the program has named. */
function withChoice(error: unknown, chosen: readonly Candidate[]): unknown {
  if (!(error instanceof LinkError) || chosen.length === 0) return error;
  const taken = chosen.map(({ path, names }) => `${showNames(names)} in ${path}`);
  const message = `${error.message}; \`resolve\` found ${taken.join(', ')}`;
  return new LinkError(error.library, message, error.missingSymbols, { cause: error });
}

function showNames(names: readonly string[]): string {
  const shown = names.slice(0, 10).map((name) => `\`${name}\``);
  return `${shown.join(', ')}${names.length > shown.length ? ` and ${names.length - shown.length} more` : ''}`;
}

/** With all that the choice depends on: the cache must not have it when another one would be made. */
function withSearch(linked: Linked, search: SystemSearch, chosen: readonly Candidate[], named: number): Linked {
  const imports = linked.imports.map((record) => {
    const candidate = chosen[record.from - named];
    return candidate === undefined ? record : { ...record, soname: candidate.soname };
  });
  const links = chosen.flatMap(({ path, development }) => {
    const digest = linked.read.find((file) => file.path === path)?.digest;
    return development === null || development === path || digest === undefined ? [] : [{ path: development, digest }];
  });
  const { read, listed, absent } = search;
  return {
    ...linked,
    imports,
    read: [...linked.read, ...links, ...read],
    absent: [...linked.absent, ...absent],
    listed,
  };
}

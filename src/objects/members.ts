/** Pure: which members of an archive are linked. */

import { checkRelocatable, type LinkSymbols, readLinkSymbols } from '../elf.ts';
import { ArchiveError, type Member } from './ar.ts';

/** What was picked from an archive. */
export interface Picked {
  /** In the archive's order. */
  readonly members: readonly Member[];
  /** The roots that no member defines. */
  readonly missing: readonly string[];
  /** All that the members define, for near names of the missing ones. */
  readonly known: readonly string[];
}

/**
 * As a linker picks: of each name that is wanted the first member that defines it, and then what that member needs. With
 * no roots, all.
 *
 * @param roots - names, or null for every member
 * @throws ArchiveError when a member that is needed is no object of this machine; without roots all are needed.
 */
export function pickMembers(members: readonly Member[], roots: readonly string[] | null): Picked {
  if (roots === null) {
    for (const member of members) {
      const wrong = checkRelocatable(member.bytes);
      if (wrong !== null) throw new ArchiveError(`the member ${member.name} can't be linked: ${wrong}`);
    }
    return { members, missing: [], known: [] };
  }
  const symbols = members.map(symbolsOf);
  const definers = new Map<string, number>();
  symbols.forEach(({ defined }, index) => {
    for (const name of defined) if (!definers.has(name)) definers.set(name, index);
  });

  const picked = new Set<number>();
  const wanted = [...roots];
  for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
    const index = definers.get(name);
    if (index === undefined || picked.has(index)) continue;
    picked.add(index);
    wanted.push(...(symbols[index] as LinkSymbols).needed);
  }
  return {
    members: members.filter((_, index) => picked.has(index)),
    missing: roots.filter((name) => !definers.has(name)),
    known: [...definers.keys()],
  };
}

/** Of a file that is no object, such as a table of contents, nothing is ever wanted. */
function symbolsOf(member: Member): LinkSymbols {
  if (checkRelocatable(member.bytes) !== null)
    return { defined: [], weak: [], needed: [], wished: [], threadLocal: [] };
  try {
    return readLinkSymbols(member.bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ArchiveError(`the symbol table of the member ${member.name} is damaged`);
  }
}

/** Pure: which of several libraries that define a name it is taken from. */

/** A library that defines some of the names that are missing. */
export interface Candidate {
  /** What it calls itself, such as `libz.so.1`. */
  readonly soname: string;
  readonly path: string;
  /** The path without a version, such as `/usr/lib/libz.so`, that leads linkers to it; null where there is none. */
  readonly development: string | null;
  readonly names: readonly string[];
}

/** What names are taken from which library; or those that none can be chosen for, with the libraries that have them. */
export type Choice =
  | { readonly chosen: readonly Candidate[] }
  | { readonly ambiguous: ReadonlyMap<string, readonly Candidate[]> };

/** A search for the fewest libraries that takes more steps than this has no answer that anybody would foresee. */
const MAX_STEPS = 10_000;

/**
 * The fewest libraries that define all names together. They must be the only so few, no name may be in two of them, and no
 * two of them releases of one library. Of the releases that define a name, the one is meant whose headers are installed,
 * to which the path without a version leads.
 *
 * @param candidates - in the order in which the system finds them; each name is in one at least
 */
export function chooseLibraries(names: readonly string[], candidates: readonly Candidate[]): Choice {
  const definers = new Map(names.map((name) => [name, withoutOldReleases(definersOf(name, candidates))]));
  const covers = smallestCovers([...definers.values()]);
  const [cover] = covers;
  const taken = cover?.map((each) => ({ ...each, names: names.filter((name) => definers.get(name)?.includes(each)) }));
  const isOne = taken !== undefined && covers.length === 1;
  const count = taken?.reduce((sum, each) => sum + each.names.length, 0);
  if (isOne && count === names.length && new Set(taken.map(stemOf)).size === taken.length) return { chosen: taken };
  const alone = new Set([...definers.values()].flatMap((each) => (each.length === 1 ? each : [])));
  const isUnsure = ([, each]: [string, readonly Candidate[]]) => each.filter((one) => alone.has(one)).length !== 1;
  const unsure = [...definers].filter(isUnsure);
  // None of them, where each name has its library, and these are releases of one.
  return { ambiguous: new Map(unsure.length > 0 ? unsure : definers) };
}

const definersOf = (name: string, all: readonly Candidate[]) => all.filter(({ names }) => names.includes(name));

/** `libssl` of `libssl.so.3`. */
const stemOf = ({ soname }: Candidate): string => soname.replace(/\.so(?:\..*)?$/, '');

function withoutOldReleases(definers: readonly Candidate[]): Candidate[] {
  return definers.filter(
    (one) =>
      one.development !== null ||
      !definers.some((other) => other.development !== null && stemOf(other) === stemOf(one)),
  );
}

/** One or two of the smallest sets that have one of each group; none when that takes too long to find out. */
function smallestCovers(groups: readonly (readonly Candidate[])[]): (readonly Candidate[])[] {
  const found = new Map<string, readonly Candidate[]>();
  let steps = 0;
  const search = (chosen: readonly Candidate[], size: number): void => {
    steps += 1;
    const open = groups.filter((group) => !group.some((each) => chosen.includes(each)));
    const [group] = open.sort((a, b) => a.length - b.length);
    if (group === undefined)
      found.set(
        chosen
          .map(({ path }) => path)
          .sort()
          .join('\0'),
        chosen,
      );
    else if (chosen.length < size) {
      for (const each of group) if (found.size < 2 && steps < MAX_STEPS) search([...chosen, each], size);
    }
  };
  for (let size = 1; size <= groups.length && found.size === 0 && steps < MAX_STEPS; size += 1) search([], size);
  return steps < MAX_STEPS ? [...found.values()] : [];
}

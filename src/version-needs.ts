/** Pure: which versions of its system's libraries a shared object needs. */

import { readSections } from './elf.ts';

const SHT_GNU_VERNEED = 0x6ffffffe;

/** What a shared object needs of one library. */
export interface VersionNeed {
  /** Such as `libc.so.6`. */
  readonly library: string;
  /** Such as `GLIBC_2.34`. */
  readonly versions: readonly string[];
}

/** Of a shared object that a trusted linker made; none of musl. Throws RangeError for a damaged table. */
export function readVersionNeeds(file: Uint8Array): VersionNeed[] {
  const sections = readSections(file);
  const table = sections.find(({ type }) => type === SHT_GNU_VERNEED);
  const names = table === undefined ? undefined : sections[table.link];
  if (table === undefined || names === undefined) return [];
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const text = (offset: number): string => {
    const start = names.offset + offset;
    const end = file.indexOf(0, start);
    if (end < 0 || end > names.offset + names.size) throw new RangeError('a name lies outside the table of names');
    return Buffer.from(file.subarray(start, end)).toString('latin1');
  };
  const needs: VersionNeed[] = [];
  // `struct Verneed`, each with a list of `struct Vernaux`; a 0 for the next one ends either.
  for (let at = table.offset, next = -1; next !== 0; at += next) {
    const versions: string[] = [];
    for (let entry = at + view.getUint32(at + 8, true), step = -1; step !== 0; entry += step) {
      versions.push(text(view.getUint32(entry + 8, true)));
      step = view.getUint32(entry + 12, true);
    }
    needs.push({ library: text(view.getUint32(at + 4, true)), versions: versions.sort() });
    next = view.getUint32(at + 12, true);
  }
  return needs;
}

/** The highest release of glibc among the versions, such as `2.34`; null when there is none. */
export function highestGlibc(needs: readonly VersionNeed[]): string | null {
  const releases = needs.flatMap(({ versions }) =>
    versions.flatMap((each) => /^GLIBC_(\d[\d.]*)$/.exec(each)?.[1] ?? []),
  );
  return releases.sort(compareReleases).at(-1) ?? null;
}

/** Below 0 when the first is the older one: `2.9` is older than `2.34`. */
export function compareReleases(one: string, other: string): number {
  const [a, b] = [one, other].map((each) => each.split('.').map(Number)) as [number[], number[]];
  const differs = a.findIndex((part, index) => part !== (b[index] ?? 0));
  return differs < 0 ? a.length - b.length : (a[differs] ?? 0) - (b[differs] ?? 0);
}

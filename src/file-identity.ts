/** Tells whether a file is still what it was, without reading it. */

import { type BigIntStats, statSync } from 'node:fs';

/** The text that changes whenever a file is written or replaced: no program can set a ctime, as it can an mtime. */
export function identityFrom({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}

/** What the path leads to; undefined also where a file stands for a folder, links lead in a circle, or no one may look. */
export function statOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** The identity of what the path leads to; `'absent'` for a file that isn't there. */
export function identityOf(file: string): string {
  const found = statOf(file);
  return found === undefined ? 'absent' : identityFrom(found);
}

/** Kernels stamp with a clock of 4 to 10 ms; old file systems count in seconds, or in two. */
const SETTLED_MS = 2000;

/**
 * Whether an identity that was read at `now` can be relied on: a file that was written just before may be written again
 * without its times changing. Never, for a time that lies ahead of the clock.
 */
export function isSettled({ ctimeMs }: BigIntStats, now: number): boolean {
  return Number(ctimeMs) < now - SETTLED_MS;
}

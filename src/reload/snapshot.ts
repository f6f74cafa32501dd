/** Tells whether a file changed after a moment. */

import { statSync } from 'node:fs';
import { identityOf } from '../file-identity.ts';

/** The state of files before a compile read them. */
export interface Snapshot {
  /** `Date.now()` when it was taken. */
  readonly takenAt: number;
  /** Of the files that were known to be read. */
  readonly identities: ReadonlyMap<string, string>;
}

export function takeSnapshot(files: readonly string[]): Snapshot {
  return { takenAt: Date.now(), identities: new Map(files.map((file) => [file, identityOf(file)])) };
}

/**
 * Whether a file changed after the snapshot. Of a file that was not known then only the time of its change can tell,
 * and that is as coarse as the kernel's clock: 4 to 10 ms.
 */
export function hasChangedSince(file: string, { identities, takenAt }: Snapshot): boolean {
  const known = identities.get(file);
  if (known !== undefined) return identityOf(file) !== known;
  return (statSync(file, { throwIfNoEntry: false })?.ctimeMs ?? 0) > takenAt;
}

/** Gives files that are written their names: in their time, and at the latest when the process exits. */

import { fsyncSync, renameSync } from 'node:fs';

/** Files that are written and not yet named. */
export interface PendingFile {
  readonly descriptor: number;
  readonly temporary: string;
  readonly final: string;
}

/** What is under way in all stores. */
export const writes = new Set<Promise<unknown>>();

/** Resolves when all that was to be written by now is named. */
export async function allWritten(): Promise<void> {
  while (writes.size > 0) await Promise.all(writes);
}

/** What is still to be named when the process ends. */
export const pending = new Set<PendingFile[]>();
/** What waits until all is named. */
const afterNaming = new Set<() => void>();

/**
 * The last chance: a program that calls `process.exit` right after a load shall find it in the cache next time. Comes
 * after all that was to be done at exit by now, so that what is begun to be written there is finished.
 */
export function finishAtExit(): void {
  process.off('exit', finish);
  process.on('exit', finish);
}

/** Calls when the process exits and all is named. */
export function atExitWhenNamed(call: () => void): void {
  afterNaming.add(call);
  finishAtExit();
}

function finish(): void {
  for (const files of pending) {
    try {
      for (const { descriptor } of files) fsyncSync(descriptor);
      nameFiles(files);
    } catch {
      // Nobody is left to hear of it: the next process sweeps the temporary files.
    }
  }
  for (const call of afterNaming) call();
}

/** In the order of the list: what refers to the others comes last. */
export function nameFiles(files: readonly PendingFile[]): void {
  for (const { temporary, final } of files) renameSync(temporary, final);
}

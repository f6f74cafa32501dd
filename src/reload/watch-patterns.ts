/** Tells when patterns come to stand for other files than before. */

import { type FSWatcher, watch } from 'node:fs';
import type { FilesInput } from '../input-files.ts';

/** Which files the patterns of an input stand for now; `looked` is told the folders that this depends on. */
export type ListFiles = (input: FilesInput, looked: Set<string>) => readonly { readonly path: string }[];

/**
 * Calls `onChange` when an entry that comes or goes makes it other files. Does not keep the process alive.
 *
 * A folder that can't be watched is passed over; one that comes is watched as soon as it is seen.
 *
 * @returns ends it
 */
export function watchPatterns(input: FilesInput, list: ListFiles, onChange: () => void): () => void {
  const watchers = new Map<string, FSWatcher>();
  let isClosed = false;
  const look = (): string => {
    const looked = new Set<string>();
    const files = filesNow(input, list, looked);
    for (const [folder, watcher] of watchers) {
      if (looked.has(folder)) continue;
      watcher.close();
      watchers.delete(folder);
    }
    for (const folder of looked) if (!watchers.has(folder)) open(folder);
    return files;
  };
  const open = (folder: string): void => {
    try {
      const watcher = watch(folder, { persistent: false }, (event) => {
        if (event === 'rename') check();
      });
      // Such as that of a folder that is gone, whose parent says so.
      watcher.on('error', () => watcher.close());
      watchers.set(folder, watcher);
    } catch {
      // Gone, or not to be read.
    }
  };
  let last = look();
  const check = (): void => {
    if (isClosed) return;
    const files = look();
    if (files === last) return;
    last = files;
    onChange();
  };
  // What came while the first watchers were set up.
  check();
  return () => {
    isClosed = true;
    for (const watcher of watchers.values()) watcher.close();
  };
}

/** A pattern that matches nothing is an error of the reload, which says so. */
function filesNow(input: FilesInput, list: ListFiles, looked: Set<string>): string {
  try {
    return list(input, looked)
      .map(({ path }) => path)
      .join('\0');
  } catch {
    return '';
  }
}

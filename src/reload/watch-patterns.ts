/** Tells when patterns come to stand for other files than before. */

import { type FSWatcher, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { FilesInput } from '../input-files.ts';

/** Which files the patterns of an input stand for now; `looked` is told the folders that this depends on. */
export type ListFiles = (input: FilesInput, looked: Set<string>) => readonly { readonly path: string }[];

/** A watch is for a folder, not for its path: one that is made anew needs another. */
interface WatchedFolder {
  readonly identity: string;
  readonly watcher: FSWatcher;
}

/**
 * Calls `onChange` when an entry that comes or goes makes it other files. Does not keep the process alive.
 *
 * A folder that can't be watched is passed over. In place of one that is not there, the folder that it would come to is
 * watched.
 *
 * @returns ends it
 */
export function watchPatterns(input: FilesInput, list: ListFiles, onChange: () => void): () => void {
  const watched = new Map<string, WatchedFolder>();
  let isClosed = false;
  const look = (): string => {
    for (;;) {
      const looked = new Set<string>();
      const files = filesNow(input, list, looked);
      const folders = new Map([...looked].map(nearestFolder));
      for (const [folder, { identity, watcher }] of watched) {
        if (folders.get(folder) === identity) continue;
        watcher.close();
        watched.delete(folder);
      }
      const opened = [...folders].filter(([folder, identity]) => !watched.has(folder) && open(folder, identity));
      // What came before its folder was watched is only in a list that is made now.
      if (opened.length === 0) return files;
    }
  };
  const open = (folder: string, identity: string): boolean => {
    try {
      const watcher = watch(folder, { persistent: false }, (event) => {
        if (event === 'rename') check();
      });
      // Such as that of a folder that is gone, whose parent says so.
      watcher.on('error', () => watcher.close());
      watched.set(folder, { identity, watcher });
      return true;
    } catch {
      // Gone, or not to be read.
      return false;
    }
  };
  const check = (): void => {
    if (isClosed) return;
    const files = look();
    if (files === last) return;
    last = files;
    onChange();
  };
  let last = look();
  return () => {
    isClosed = true;
    for (const { watcher } of watched.values()) watcher.close();
  };
}

/** The folder, or the nearest above it that is there, and what tells it from another one of that path. */
function nearestFolder(folder: string): [path: string, identity: string] {
  for (let path = folder; ; path = dirname(path)) {
    const found = statOf(path);
    // File systems use numbers anew at once; the time says that it is another one.
    if (found !== undefined) return [path, `${found.dev} ${found.ino} ${found.birthtimeNs}`];
    if (path === dirname(path)) return [path, ''];
  }
}

function statOf(path: string): ReturnType<typeof statBig> {
  try {
    return statBig(path);
  } catch {
    return undefined;
  }
}

const statBig = (path: string) => statSync(path, { bigint: true, throwIfNoEntry: false });

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

/** Tells when one of a library's files changes. */

import { isAbsolute } from 'node:path';
import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import { watch } from 'chokidar';
import { identityOf } from '../file-identity.ts';
import { hasChangedSince, type Snapshot } from './snapshot.ts';

/** Watches a set of files that changes with every compile. */
export interface Watcher {
  /** Watch these too, until the next `replace`. Names that are no absolute paths are passed over. */
  add(files: readonly string[]): void;
  /** From now on these files, and no others. */
  replace(files: readonly string[]): void;
  close(): Promise<void>;
}

/**
 * A file that is replaced by a rename is another file: until its new watch is set up, chokidar misses what happens to
 * it. So the files are looked at once more, this long after each reload.
 */
const RECHECK_MS = 150;

/** Editors write a file in several steps, and a save-all touches several files: one reload for all of them. */
const SETTLE_MS = 30;

/**
 * Calls `onChange` once for each burst of changes since the snapshot `before`. Resolves when every later change will be
 * seen. Does not keep the process alive.
 *
 * @param watchMore - calls back for changes that are none of a file, too; gives what ends that
 */
export async function watchFiles(
  files: readonly string[],
  before: Snapshot,
  onChange: () => Promise<void>,
  watchMore?: (onChange: () => void) => () => void,
): Promise<Watcher> {
  const watcher = watch([...files], { persistent: false, ignoreInitial: true, atomic: true });
  const watched = new Set(files);
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  const settle = (): void => {
    clearTimeout(timer);
    timer = setTimeout(fire, SETTLE_MS).unref();
  };
  const fire = async (): Promise<void> => {
    const identities = new Map([...watched].map((file) => [file, identityOf(file)]));
    await onChange();
    await setTimeoutPromise(RECHECK_MS, undefined, { ref: false });
    const isMissed = [...identities].some(([file, identity]) => watched.has(file) && identityOf(file) !== identity);
    if (isMissed && !isClosed) settle();
  };
  watcher.on('all', settle);
  const unwatchMore = watchMore?.(settle);
  // A file that can't be watched ends the watching of that file, not the program.
  watcher.on('error', (error) => process.emitWarning(error instanceof Error ? error : String(error)));
  // Not `once`, which rejects when there is an error before.
  if (files.length > 0) await new Promise<void>((resolve) => watcher.once('ready', resolve));
  if (files.some((file) => hasChangedSince(file, before))) settle();

  const add = (more: readonly string[]): void => {
    for (const file of more) {
      if (!isAbsolute(file) || watched.has(file)) continue;
      watched.add(file);
      watcher.add(file);
    }
  };
  return {
    add,
    replace(next) {
      for (const file of watched) {
        if (next.includes(file)) continue;
        watched.delete(file);
        watcher.unwatch(file);
      }
      add(next);
    },
    async close() {
      isClosed = true;
      unwatchMore?.();
      clearTimeout(timer);
      await watcher.close();
    },
  };
}

/** Tells when one of a library's files changes. */

import { once } from 'node:events';
import { isAbsolute } from 'node:path';
import { watch } from 'chokidar';

/** Watches a set of files that changes with every compile. */
export interface Watcher {
  /** Watch these too, until the next `replace`. Names that are no absolute paths are passed over. */
  add(files: readonly string[]): void;
  /** From now on these files, and no others. */
  replace(files: readonly string[]): void;
  close(): Promise<void>;
}

/** Editors write a file in several steps, and a save-all touches several files: one reload for all of them. */
const SETTLE_MS = 30;

/**
 * Calls `onChange` once for each burst of changes. Resolves when every later change will be seen. Does not keep the
 * process alive.
 */
export async function watchFiles(files: readonly string[], onChange: () => void): Promise<Watcher> {
  const watcher = watch([...files], { persistent: false, ignoreInitial: true, atomic: true });
  const watched = new Set(files);
  let timer: NodeJS.Timeout | undefined;
  watcher.on('all', () => {
    clearTimeout(timer);
    timer = setTimeout(onChange, SETTLE_MS);
    timer.unref();
  });
  // A file that can't be watched ends the watching of that file, not the program.
  watcher.on('error', (error) => process.emitWarning(error instanceof Error ? error : String(error)));
  if (files.length > 0) await once(watcher, 'ready');

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
      clearTimeout(timer);
      await watcher.close();
    },
  };
}

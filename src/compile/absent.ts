/** Which of many paths are not there, with one look at each folder that isn't. */

import { lstatSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createPauses } from './pauses.ts';
import { pathIn, type WantedName } from './shadowing.ts';

/** What was found out about paths. */
export interface AbsentPaths {
  /**
   * Of a path in a folder that is not there, the uppermost such folder: nothing appears in it before it does. With a
   * slash at the end, the path of what is a folder: compilers pass over it, but would take a file.
   */
  readonly absent: string[];
  /** Paths of files that are there, but appeared or changed since the given time. */
  readonly recent: string[];
  /** Paths that can't be looked at, so that nothing is known of them. */
  readonly closed: string[];
}

/**
 * Looks at a name in each of its folders; one that is in none of them is left out where that means nothing.
 *
 * @param others - paths to look at as they are
 * @param since - in ms
 */
export async function findAbsent(
  wanted: readonly WantedName[],
  others: readonly string[],
  since: number,
): Promise<AbsentPaths> {
  const pause = createPauses();
  const disk = new Disk(since);
  const absent = new Set<string>();
  for (const { name, folders, mayBeNowhere } of wanted) {
    await pause();
    const paths = [...folders].map((folder) => pathIn(folder, name));
    const missing = paths.filter((path) => disk.kindOf(path) !== 'file');
    if (missing.length === paths.length && !mayBeNowhere) continue;
    for (const path of missing) absent.add(disk.nameOf(path));
  }
  for (const path of others) {
    await pause();
    if (disk.kindOf(path) !== 'file') absent.add(disk.nameOf(path));
  }
  return { absent: [...absent], recent: [...disk.recent], closed: [...disk.closed] };
}

class Disk {
  readonly recent = new Set<string>();
  readonly closed = new Set<string>();
  readonly #since: number;
  /** Whether something is there, folder or not. */
  readonly #folders = new Map<string, boolean>();

  constructor(since: number) {
    this.#since = since;
  }

  kindOf(path: string): 'file' | 'folder' | null {
    if (!this.#hasFolder(dirname(path))) return null;
    const found = this.#look(path);
    if (found === undefined) return null;
    // It changes with every file in it.
    if (found.isDirectory()) return 'folder';
    const times = [found.ctimeMs, lstatSync(path, { throwIfNoEntry: false })?.ctimeMs ?? Number.POSITIVE_INFINITY];
    if (times.some((time) => time >= this.#since)) this.recent.add(path);
    return 'file';
  }

  /** How a path that is no file stands in the list. */
  nameOf(path: string): string {
    if (this.kindOf(path) === 'folder') return `${path.replace(/\/+$/, '')}/`;
    let top = path.replace(/\/+$/, '');
    while (!this.#hasFolder(dirname(top))) top = dirname(top);
    return top.split('/').includes('..') ? withoutDots(top) : top;
  }

  #hasFolder(folder: string): boolean {
    let found = this.#folders.get(folder);
    if (found === undefined) {
      found = this.#look(folder) !== undefined;
      this.#folders.set(folder, found);
    }
    return found;
  }

  /** Undefined also where a part of the path is a file, or a link that leads nowhere. */
  #look(path: string): Stats | undefined {
    try {
      return statSync(path, { throwIfNoEntry: false });
    } catch {
      this.closed.add(path);
      return undefined;
    }
  }
}

/** `..` goes up from where a link leads to. */
function withoutDots(path: string): string {
  const folder = dirname(path);
  try {
    const real = realpathSync(folder);
    if (real !== realpathSync(resolve(folder))) return resolve(real, path.slice(path.lastIndexOf('/') + 1));
  } catch {
    // The folder has just gone.
  }
  return resolve(path);
}

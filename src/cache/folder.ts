/** The folder that a cache is kept in, and whether what lies in it may be trusted. */

import { constants, existsSync, lstatSync, mkdirSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { FORMAT_VERSION } from './frame.ts';
import { TEMPORARY_FOLDER } from './names.ts';

/** Said of every cache that can't be used as it should; each once per process and folder. */
export type CacheWarningCode =
  /** The folder can't be used: nothing is taken from it, and nothing is kept. */
  | 'FROMSOURCE_CACHE_OFF'
  /** A file in it was damaged or is not ours; it was removed. */
  | 'FROMSOURCE_CACHE_DAMAGED'
  /** Something could not be read, kept or removed. */
  | 'FROMSOURCE_CACHE_FAULT';

const warned = new Set<string>();

/** Emits a process warning of the type `CacheWarning`, the first time. */
export function warnOnce(code: CacheWarningCode, folder: string, message: string): void {
  if (warned.has(`${code} ${folder}`)) return;
  warned.add(`${code} ${folder}`);
  process.emitWarning(`fromsource: ${message}`, { type: 'CacheWarning', code });
}

/** `$FROMSOURCE_CACHE_DIR`, else `fromsource` in `$XDG_CACHE_HOME`, else in `$HOME/.cache`; null when none is set. */
export function defaultFolder(env: NodeJS.ProcessEnv = process.env): string | null {
  const { FROMSOURCE_CACHE_DIR, XDG_CACHE_HOME, HOME } = env;
  if (FROMSOURCE_CACHE_DIR) return resolve(FROMSOURCE_CACHE_DIR);
  // The XDG specification tells to pass relative paths over.
  if (XDG_CACHE_HOME !== undefined && isAbsolute(XDG_CACHE_HOME)) return join(XDG_CACHE_HOME, 'fromsource');
  return HOME !== undefined && isAbsolute(HOME) ? join(HOME, '.cache', 'fromsource') : null;
}

/** The subfolder of this format, so that two releases of this package leave each other alone. */
export function entryFolder(folder: string): string {
  return join(folder, `v${FORMAT_VERSION}`);
}

/**
 * Makes the folder if need be, with mode 0700. Gives null when it may be used, else the reason: it must be a folder, no
 * link to one, belong to this user, and be open to nobody else.
 */
export function prepareFolder(folder: string, readOnly: boolean): string | null {
  const entries = entryFolder(folder);
  try {
    const isThere = lstatSync(entries, { throwIfNoEntry: false, bigint: true }) !== undefined;
    if (!isThere && !readOnly) makeFolder(join(entries, TEMPORARY_FOLDER));
    return distrust(folder) ?? distrust(entries);
  } catch (error) {
    return (error as Error).message;
  }
}

/** Not by `recursive`, which goes round for ever where a folder is there and none can be made in it, as in `/proc`. */
function makeFolder(folder: string): void {
  const parent = dirname(folder);
  if (!existsSync(parent)) makeFolder(parent);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Another process was quicker.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function distrust(folder: string): string | null {
  // With bigints, as all that is looked at on a hit: node has code of its own for either form, which is compiled then.
  const { mode, uid } = lstatSync(folder, { bigint: true });
  const kind = Number(mode) & constants.S_IFMT;
  if (kind === constants.S_IFLNK) return `${folder} is a symbolic link`;
  if (kind !== constants.S_IFDIR) return `${folder} is not a folder`;
  const me = process.geteuid?.();
  if (Number(uid) !== me) return `${folder} belongs to user ${uid}, not to ${me}`;
  const permissions = Number(mode) & 0o777;
  if ((permissions & 0o077) === 0) return null;
  return `${folder} is open to others (mode ${permissions.toString(8).padStart(4, '0')}); chmod 0700 it`;
}

/** The cache that a load may use, if any. */

import { defaultFolder, warnOnce } from './folder.ts';
import type { CacheReport } from './lookup.ts';
import { openStore, type Store } from './store.ts';

/** What the option `cache` came to. */
export interface CacheSettings {
  /** Absolute; null for the default, which the environment decides. */
  readonly dir: string | null;
  readonly maxBytes: number;
  readonly readOnly: boolean;
}

/** A store, or why there is none. */
export type OpenedCache = { readonly store: Store } | { readonly store: null; readonly off: CacheReport };

const off = (reason: string): OpenedCache => ({ store: null, off: { status: 'off', reason } });

/**
 * Opens the cache. A folder that can't be used is warned of, once, and is no error.
 *
 * @param settings - null when the caller wants none
 * @param unsafe - whether flags were let pass unseen: what they make the compiler read is not known
 */
export function openCache(settings: CacheSettings | null, unsafe = false): OpenedCache {
  if (settings === null) return off('it was not asked for');
  if (unsafe) return off('with `unsafeFlags` it is not known what the compiler reads');
  const folder = settings.dir ?? defaultFolder();
  if (folder === null) {
    const reason = 'neither FROMSOURCE_CACHE_DIR, XDG_CACHE_HOME nor HOME says where it is';
    warnOnce('FROMSOURCE_CACHE_OFF', '', `the cache is off: ${reason}`);
    return off(reason);
  }
  const store = openStore({ folder, maxBytes: settings.maxBytes, readOnly: settings.readOnly });
  return store.fault === null ? { store } : off(store.fault);
}

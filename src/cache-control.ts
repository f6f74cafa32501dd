/** What a program can ask of a cache as a whole. */

import type { CacheStats, CacheVerification } from './cache/maintenance.ts';
import { openCache } from './cache/open.ts';
import type { Store } from './cache/store.ts';
import { SourceLibraryError } from './errors.ts';
import { type CacheOptions, resolveCache } from './options.ts';

/** What takes care of a cache is loaded when it is asked for: no start pays for it. */
async function openedStore(options: CacheOptions): Promise<Store> {
  const cache = openCache(resolveCache(options));
  if (cache.store === null) {
    throw new SourceLibraryError('ERR_CACHE', '', `the cache can't be used: ${cache.off.reason}`);
  }
  const { allKept } = await import('./keep.ts');
  await allKept();
  return cache.store;
}

/**
 * What a cache holds, once all that this process has compiled so far is kept.
 *
 * @param options - which cache; default: the one that loads use by default.
 * @throws SourceLibraryError with code `ERR_CACHE` when its folder can't be used; TypeError for a wrong option.
 */
export async function cacheStats(options: CacheOptions = {}): Promise<CacheStats> {
  const { statsOf } = await import('./cache/maintenance.ts');
  return statsOf(await openedStore(options));
}

/**
 * Removes every entry; resolves to the number of files. Libraries that are loaded stay so.
 *
 * @throws as {@link cacheStats}.
 */
export async function clearCache(options: CacheOptions = {}): Promise<number> {
  const { clear } = await import('./cache/maintenance.ts');
  return clear(await openedStore(options));
}

/**
 * Reads every file of a cache and compares it with its digest. What is damaged is removed, unless `readOnly` is set.
 *
 * A load does this for what it takes. Linked images it reads again only when they were written to since: bits that decay
 * on the disk by themselves are found here.
 *
 * @throws as {@link cacheStats}.
 */
export async function verifyCache(options: CacheOptions = {}): Promise<CacheVerification> {
  const { verify } = await import('./cache/maintenance.ts');
  return verify(await openedStore(options));
}

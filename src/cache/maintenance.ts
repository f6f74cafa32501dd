/** What keeps a cache in bounds, and what its owner can ask of it. */

import { lstat, readdir, readFile } from 'node:fs/promises';
import { decodeFrame, type FrameKind } from './frame.ts';
import { digestOfFile, type Manifest, type Variant } from './manifest.ts';
import { ENTRY_NAME, imageName, manifestName, objectKey } from './names.ts';
import type { Store } from './store.ts';

/** One file, as the folder's listing has it. */
interface ListedFile {
  readonly name: string;
  readonly kind: string;
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly writtenAt: number;
  /** A folder, link or pipe by the name of one of ours is none. */
  readonly isRegular: boolean;
}

/** All files of one key. */
interface Entry {
  readonly key: string;
  readonly files: ListedFile[];
  /** Milliseconds since the epoch: of the manifest, else of the newest file. */
  usedAt: number;
  hasManifest: boolean;
}

const bytesOf = (entries: readonly Entry[]): number =>
  entries.reduce((sum, { files }) => files.reduce((inner, { bytes }) => inner + bytes, sum), 0);

/**
 * What nobody can be at work on any more: the holder of a lock beats every half second, and what is published is named by
 * its manifest at once, an image within 50 ms.
 */
const STALE_MS = 60_000;

async function listEntries(store: Store): Promise<Entry[]> {
  const entries = new Map<string, Entry>();
  for (const name of await readdir(store.folder)) {
    const [, key, kind] = ENTRY_NAME.exec(name) ?? [];
    if (key === undefined || kind === undefined) continue;
    const found = await lstat(store.path(name)).catch(() => null);
    if (found === null) continue;
    if (kind === 'lock') {
      if (Date.now() - found.mtimeMs > STALE_MS) store.remove(name);
      continue;
    }
    const entry = entries.get(key) ?? { key, files: [], usedAt: 0, hasManifest: false };
    entries.set(key, entry);
    entry.files.push({ name, kind, bytes: found.size, writtenAt: found.mtimeMs, isRegular: found.isFile() });
    if (kind === 'manifest') [entry.usedAt, entry.hasManifest] = [found.mtimeMs, true];
    else if (!entry.hasManifest) entry.usedAt = Math.max(entry.usedAt, found.mtimeMs);
  }
  return [...entries.values()];
}

/** The manifest goes first: what is left when the process is killed in between is no entry, and goes in its turn. */
function removeEntry(store: Store, { files }: Entry): void {
  const last = (kind: string): number => (kind === 'manifest' ? 0 : 1);
  for (const { name } of [...files].sort((a, b) => last(a.kind) - last(b.kind))) store.remove(name);
}

/** What a store held when it was last counted, and what this process had written by then. */
const counts = new WeakMap<Store, { counted: number; writtenBefore: number; puts: number }>();

/** Other processes add too: after so many of our own additions the files are counted anew. */
const RECOUNT_AFTER = 50;

/**
 * Brings the store below its bound, if it may be above it: the entries go that were used longest ago. Code of theirs that
 * is live in some process stays so, because a file lives until it is closed.
 *
 * @param spared - the key that is not removed
 */
export async function evict(store: Store, spared: string): Promise<void> {
  const { maxBytes } = store.place;
  const count = counts.get(store);
  if (count !== undefined) {
    count.puts += 1;
    const added = store.bytesWritten - count.writtenBefore;
    if (count.counted + added <= maxBytes && count.puts < RECOUNT_AFTER) return;
  }
  const writtenBefore = store.bytesWritten;
  const entries = await listEntries(store).catch(() => []);
  let total = bytesOf(entries);
  for (const entry of entries.sort((a, b) => a.usedAt - b.usedAt)) {
    if (total <= maxBytes) break;
    if (entry.key === spared) continue;
    removeEntry(store, entry);
    total -= bytesOf([entry]);
  }
  counts.set(store, { counted: total, writtenBefore, puts: 0 });
}

/** What a cache holds. */
export interface CacheStats {
  /** Its folder. */
  readonly dir: string;
  /** Compiles that are kept. */
  readonly entries: number;
  /** Linked images among their files. */
  readonly images: number;
  /** Bytes of all files. */
  readonly bytes: number;
  /** What they may come to; what was not used for longest goes first. */
  readonly maxBytes: number;
}

export async function statsOf(store: Store): Promise<CacheStats> {
  const entries = await listEntries(store);
  const count = (wanted: string): number =>
    entries.reduce((sum, { files }) => sum + files.filter(({ kind }) => kind === wanted).length, 0);
  const { folder: dir, maxBytes } = store.place;
  return { dir, entries: count('object'), images: count('so'), bytes: bytesOf(entries), maxBytes };
}

/** Removes every entry; gives how many files that were. */
export async function clear(store: Store): Promise<number> {
  const entries = await listEntries(store);
  for (const entry of entries) removeEntry(store, entry);
  counts.delete(store);
  return entries.reduce((sum, { files }) => sum + files.length, 0);
}

/** What a look at every file found. */
export interface CacheVerification {
  /** Its folder. */
  readonly dir: string;
  /** Files that were read. */
  readonly checked: number;
  /** Those that were not what they should be; they were removed, unless the cache is read-only. */
  readonly damaged: readonly { readonly file: string; readonly reason: string }[];
}

/** Reads every file whole, images too, and removes what is damaged. */
export async function verify(store: Store): Promise<CacheVerification> {
  const damaged: { file: string; reason: string }[] = [];
  let checked = 0;
  for (const { key, files } of await listEntries(store)) {
    const { variants } = await peekAtManifest(store, key, files);
    for (const file of files) {
      const found = await examine(store, key, variants, file);
      if (found === 'gone') continue;
      checked += 1;
      if (found === null) continue;
      damaged.push({ file: store.path(file.name), reason: found.reason });
      store.remove(file.name);
    }
  }
  return { dir: store.place.folder, checked, damaged };
}

/** The manifest as it is now, or an empty one; what is wrong with it is found out in its turn. */
async function peekAtManifest(store: Store, key: string, files: readonly ListedFile[]): Promise<Manifest> {
  // One that is renamed to just now may not be listed.
  const canRead = files.find(({ kind }) => kind === 'manifest')?.isRegular ?? true;
  const bytes = canRead ? await readFile(store.path(manifestName(key))).catch(() => null) : null;
  const frame = bytes === null ? '' : decodeFrame('manifest', key, bytes);
  return typeof frame === 'string' ? { variants: [] } : (frame.json as Manifest);
}

/** Null for a file that is what it should be; `'gone'` for one that was removed since it was listed. */
async function examine(
  store: Store,
  key: string,
  variants: readonly Variant[],
  { name, kind, writtenAt, isRegular }: ListedFile,
): Promise<{ readonly reason: string } | 'gone' | null> {
  if (!isRegular) return { reason: 'it is not a regular file' };
  const isYoung = Date.now() - writtenAt < STALE_MS;
  // Somebody may be about to name it.
  const orphan = isYoung ? null : { reason: 'no entry names it' };
  if (kind === 'so') {
    const digest = variants.find(({ id }) => imageName(key, id) === name)?.image?.digest;
    if (digest === undefined) return orphan;
    const found = digestOfFile(store.path(name));
    if (found === digest) return null;
    return found === null && !(await isThere(store, name)) ? 'gone' : { reason: 'its digest is wrong' };
  }
  const bytes = await readFile(store.path(name)).catch(() => null);
  if (bytes === null) return (await isThere(store, name)) ? { reason: 'it can not be read' } : 'gone';
  const id = kind === 'object' ? (name.split(/[-.]/)[1] ?? '') : '';
  const answersTo = kind === 'object' ? objectKey(key, id) : key;
  const frame = decodeFrame(kind as FrameKind, answersTo, bytes);
  if (typeof frame === 'string') return { reason: frame };
  return kind === 'object' && !variants.some((variant) => variant.id === id) ? orphan : null;
}

async function isThere(store: Store, name: string): Promise<boolean> {
  return await lstat(store.path(name)).then(
    () => true,
    () => false,
  );
}

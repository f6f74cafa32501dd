/** What keeps a cache in bounds, and what its owner can ask of it. */

import { lstat, readdir, readFile } from 'node:fs/promises';
import { decodeFrame, type FrameKind } from './frame.ts';
import { digestOfFile, type Manifest } from './manifest.ts';
import { ENTRY_NAME, imageName, manifestName, objectKey, objectName } from './names.ts';
import type { Store } from './store.ts';

/** All files of one key. */
interface Entry {
  readonly key: string;
  readonly files: { readonly name: string; readonly kind: string; readonly bytes: number }[];
  /** Milliseconds since the epoch: of the manifest, else of the newest file. */
  usedAt: number;
  hasManifest: boolean;
}

const bytesOf = (entries: readonly Entry[]): number =>
  entries.reduce((sum, { files }) => files.reduce((inner, { bytes }) => inner + bytes, sum), 0);

/** A lock that nobody can hold any more: its holder beats every half second. */
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
    entry.files.push({ name, kind, bytes: found.size });
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

/** What a store held when it was last counted, and what this process has added since. */
const counts = new WeakMap<Store, { counted: number; added: number; puts: number }>();

/** Other processes add too: after so many of our own additions the files are counted anew. */
const RECOUNT_AFTER = 50;

/**
 * Brings the store below its bound, if it may be above it: the entries go that were used longest ago. Code of theirs that
 * is live in some process stays so, because a file lives until it is closed.
 *
 * @param added - bytes that were just kept
 * @param spared - the key that is not removed
 */
export async function evict(store: Store, spared: string, added: number): Promise<void> {
  const { maxBytes } = store.place;
  const count = counts.get(store);
  if (count !== undefined) {
    count.added += added;
    count.puts += 1;
    if (count.counted + count.added <= maxBytes && count.puts < RECOUNT_AFTER) return;
  }
  const entries = await listEntries(store).catch(() => []);
  let total = bytesOf(entries);
  for (const entry of entries.sort((a, b) => a.usedAt - b.usedAt)) {
    if (total <= maxBytes) break;
    if (entry.key === spared) continue;
    removeEntry(store, entry);
    total -= bytesOf([entry]);
  }
  counts.set(store, { counted: total, added: 0, puts: 0 });
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
  const condemn = (name: string, reason: string): void => {
    damaged.push({ file: store.path(name), reason });
    store.remove(name);
  };
  for (const { key, files } of await listEntries(store)) {
    const manifestBytes = await readFile(store.path(manifestName(key))).catch(() => null);
    const manifest = manifestBytes === null ? null : decodeFrame('manifest', key, manifestBytes);
    const { variants } =
      manifest === null || typeof manifest === 'string' ? { variants: [] } : (manifest.json as Manifest);
    for (const { name, kind } of files) {
      checked += 1;
      if (kind === 'so') {
        const digest = variants.find(({ id }) => imageName(key, id) === name)?.image?.digest;
        if (digest === undefined) condemn(name, 'no entry names it');
        else if (digestOfFile(store.path(name)) !== digest) condemn(name, 'its digest is wrong');
        continue;
      }
      const bytes = await readFile(store.path(name)).catch(() => null);
      const id = kind === 'object' ? (name.split(/[-.]/)[1] ?? '') : '';
      const answersTo = kind === 'object' ? objectKey(key, id) : key;
      const frame = bytes === null ? 'it can not be read' : decodeFrame(kind as FrameKind, answersTo, bytes);
      if (typeof frame === 'string') condemn(name, frame);
      else if (kind === 'object' && !variants.some((variant) => objectName(key, variant.id) === name)) {
        condemn(name, 'no entry names it');
      }
    }
  }
  return { dir: store.place.folder, checked, damaged };
}

/** The answer to "was this compiled before, and does it still hold?". */

import { setImmediate } from 'node:timers';
import { type FileState, stateOf } from '../file-identity.ts';
import { explainDifference, type KeyOutline, type KeyParts, keyOf, outlineOf } from './key.ts';
import { checkVariant, digestOfFile, type Manifest, type Variant } from './manifest.ts';
import { imageName, manifestFile, manifestName, memoKey, memoName, objectKey, objectName } from './names.ts';
import type { Store } from './store.ts';

/** What the cache did for a load. */
export interface CacheReport {
  /** `off`: it was not asked, or what was compiled can't be kept. */
  readonly status: 'hit' | 'miss' | 'off';
  /** In words; of a miss the input that differs from the nearest entry, or `'never compiled'`. */
  readonly reason: string;
}

export const HIT: CacheReport = { status: 'hit', reason: 'every input is what it was' };

/** An entry that holds. */
export interface Hit {
  readonly key: string;
  readonly variant: Variant;
  /** Path of the linked image, whose content was checked; null where there is none, or none was asked for. */
  readonly image: string | null;
  /** The object's bytes, checked; null when they are not there any more. */
  readObject(): Uint8Array | null;
}

/** No entry holds. */
export interface Miss {
  readonly key: string;
  readonly reason: string;
}

/** The manifest of a key; an empty one when there is none that can be trusted. */
export function readManifest(store: Store, key: string): Manifest {
  const frame = store.readFrame('manifest', manifestName(key), key);
  return frame === null ? { variants: [] } : (frame.json as Manifest);
}

/**
 * Finds the entry that holds now. What is damaged is removed on the way, and is a miss.
 *
 * @param library - its name: a miss is explained by the library's last compile
 * @param wantsImage - whether a linked image is of use
 */
export function lookUp(store: Store, parts: KeyParts, library: string, wantsImage: boolean): Hit | Miss {
  const key = keyOf(parts);
  const now = Date.now();
  const manifest = readManifest(store, key);
  let reason: string | undefined;
  for (const variant of manifest.variants) {
    const check = checkVariant(variant, now);
    if (!check.holds) {
      reason ??= check.reason;
      continue;
    }
    const found = wantsImage ? findImage(store, key, check.renewed ?? variant) : null;
    if (found === 'damaged') {
      removeVariant(store, key, manifest, variant.id);
      return { key, reason: 'its entry was damaged' };
    }
    const current = found?.variant ?? check.renewed ?? variant;
    noteUse(store, key, manifest, variant, current, now);
    return {
      key,
      variant: current,
      image: found?.path ?? null,
      readObject: () => readObject(store, key, manifest, variant.id),
    };
  }
  return { key, reason: reason ?? explainMiss(store, parts, library) };
}

/** The image, read whole unless its identity is the one that was seen with the right content. */
function findImage(
  store: Store,
  key: string,
  variant: Variant,
): { readonly path: string; readonly variant: Variant } | 'damaged' | null {
  const { image, id } = variant;
  if (image === null) return null;
  const name = imageName(key, id);
  const path = store.path(name);
  const found = stateOf(path, false);
  if (found === null) return null;
  const { identity } = found;
  if (identity === image.identity) return { path, variant };
  const isOurs = found.isFile && found.uid === process.geteuid?.();
  if (isOurs && digestOfFile(path) === image.digest) {
    return { path, variant: { ...variant, image: { ...image, identity: isTelling(found) ? identity : null } } };
  }
  store.removeDamaged(name, isOurs ? 'its digest is wrong' : 'it is not a regular file of this user');
  return 'damaged';
}

/** Files of the cache are written once, so that a few ticks of the kernel's clock make them settled. */
const IMAGE_SETTLED_MS = 30;

/** Whether an image with this time of change can't be written again in the same tick. */
export function isTelling({ ctimeMs }: FileState): boolean {
  // A file system that counts in whole seconds can't tell.
  return !Number.isInteger(ctimeMs) && ctimeMs + IMAGE_SETTLED_MS < Date.now();
}

function readObject(store: Store, key: string, manifest: Manifest, id: string): Uint8Array | null {
  const frame = store.readFrame('object', objectName(key, id), objectKey(key, id));
  if (frame !== null) return frame.bytes;
  removeVariant(store, key, manifest, id);
  return null;
}

/** After the load, which is not to wait for it. */
function noteUse(store: Store, key: string, manifest: Manifest, found: Variant, current: Variant, now: number): void {
  if (!store.isWritable) return;
  setImmediate(() => {
    store.sweep();
    if (current === found) {
      store.touch(manifestName(key), now);
      return;
    }
    const variants = manifest.variants.map((variant) => (variant === found ? current : variant));
    void store.put([manifestFile(key, variants)]);
  });
}

function removeVariant(store: Store, key: string, manifest: Manifest, id: string): void {
  const variants = manifest.variants.filter((variant) => variant.id !== id);
  if (variants.length === 0) store.remove(manifestName(key));
  else if (store.isWritable) void store.put([manifestFile(key, variants)]);
  store.remove(objectName(key, id));
  store.remove(imageName(key, id));
}

/** The memo of a library's last compile. */
export const lastCompile = (library: string): string => memoKey(`last\0${library}`);

function explainMiss(store: Store, parts: KeyParts, library: string): string {
  const key = lastCompile(library);
  const frame = store.readFrame('memo', memoName(key), key);
  return frame === null ? 'never compiled' : explainDifference(frame.json as KeyOutline, outlineOf(parts));
}

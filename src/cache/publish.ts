/** Keeps what a compile came to. */

import { stateOf } from '../file-identity.ts';
import { sha256 } from '../sha256.ts';
import { encodeFrame } from './frame.ts';
import { type KeyParts, outlineOf } from './key.ts';
import { isTelling, lastCompile, readManifest } from './lookup.ts';
import { evict } from './maintenance.ts';
import {
  digestOfFile,
  groupAbsent,
  type ImageRecord,
  type InputFile,
  MAX_VARIANTS,
  type Variant,
  variantId,
} from './manifest.ts';
import { imageName, manifestFile, memoFile, objectKey, objectName } from './names.ts';
import type { Store } from './store.ts';

/** A compile that was linked, and is to be kept. */
export interface Compiled extends Pick<Variant, 'diagnostics' | 'language' | 'imports'> {
  readonly object: Uint8Array;
  /** Every file that was read, with its digest as the compiler saw it. */
  readonly read: readonly { readonly path: string; readonly digest: string }[];
  /** Every path that was looked for and not there; with a slash at the end, one that was a folder. */
  readonly absent: readonly string[];
  /** Every folder whose entries were made use of, with the digest of their names. */
  readonly listed: readonly { readonly path: string; readonly digest: string }[];
  /** The programs and libraries that compiled. */
  readonly tools: readonly InputFile[];
}

/** What was kept, or why nothing was. */
export type Published = { readonly id: string } | { readonly refused: string };

/** Keeps the object and what it holds for. Everything is written, though not yet named, when this returns its promise. */
export async function publish(
  store: Store,
  key: string,
  parts: KeyParts,
  library: string,
  made: Compiled,
): Promise<Published> {
  store.sweep();
  const { object, diagnostics, language, tools, imports } = made;
  const absent = groupAbsent(made.absent, Date.now());
  if (typeof absent === 'string') return { refused: `${absent} meanwhile` };
  // What is there now may be another file than the one that was read: the first hit reads it, and sees.
  const read = made.read.map(({ path, digest }) => ({ path, digest, identity: null }));
  const listed = made.listed.map(({ path, digest }) => ({ path, digest, identity: null }));
  const inputs = { read, tools, absent, listed };
  const id = variantId(key, inputs);
  const facts = { diagnostics, language, objectBytes: object.byteLength, image: null };
  const variant: Variant = { id, ...inputs, ...facts, ...(imports === undefined ? {} : { imports }) };
  const others = readManifest(store, key).variants.filter((other) => other.id !== id);
  const last = lastCompile(library);
  const isKept = await store.put([
    { name: objectName(key, id), parts: encodeFrame('object', objectKey(key, id), null, object) },
    memoFile(last, outlineOf(parts)),
    manifestFile(key, [variant, ...others]),
  ]);
  if (!isKept) return { refused: 'it could not be written' };
  for (const dropped of others.slice(MAX_VARIANTS - 1)) {
    store.remove(objectName(key, dropped.id));
    store.remove(imageName(key, dropped.id));
  }
  return { id };
}

/**
 * Keeps a linked image beside the object that it was made of.
 *
 * @param made - the image, or why there can be none, which spares the next process the attempt
 */
export async function publishImage(
  store: Store,
  key: string,
  id: string,
  made: { readonly bytes: Uint8Array; readonly layout: ImageRecord['layout'] } | { readonly refused: string },
): Promise<void> {
  if ('refused' in made) {
    await changeVariant(store, key, id, (variant) => ({ ...variant, unlinkable: made.refused }));
    return;
  }
  const { bytes, layout } = made;
  const name = imageName(key, id);
  if (!(await store.put([{ name, parts: [bytes] }]))) return;
  // Its identity is worth nothing before the clock has gone on.
  await new Promise((resolve) => setTimeout(resolve, IMAGE_WAIT_MS));
  const found = stateOf(store.path(name), false);
  if (found === null) return;
  const digest = sha256(bytes);
  // Another process may have put another one there meanwhile, which the digest finds out when it is opened.
  const isOurs = digestOfFile(store.path(name)) === digest;
  const identity = isOurs && isTelling(found) ? found.identity : null;
  const isKept = await changeVariant(store, key, id, (variant) => ({
    ...variant,
    image: { digest, identity, layout },
  }));
  if (isKept) await evict(store, key);
  else store.remove(name);
}

const IMAGE_WAIT_MS = 50;

async function changeVariant(
  store: Store,
  key: string,
  id: string,
  change: (variant: Variant) => Variant,
): Promise<boolean> {
  const { variants } = readManifest(store, key);
  if (!variants.some((variant) => variant.id === id)) return false;
  return store.put([
    manifestFile(
      key,
      variants.map((variant) => (variant.id === id ? change(variant) : variant)),
    ),
  ]);
}

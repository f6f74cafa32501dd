/** The path where the cache has an object that no linked image was made of yet, or where the image is not to be used. */

import { performance } from 'node:perf_hooks';
import { HIT, type Hit } from './cache/lookup.ts';
import type { OpenedCache } from './cache/open.ts';
import type { Live } from './generation.ts';
import { keepImage } from './images.ts';
import type { Linking } from './linking.ts';
import type { LinkRequest, Loader } from './loader/loader.ts';
import { selectLoader } from './loader/select.ts';
import type { ImportRecord } from './open-imports.ts';
import type { ResolvedSpec } from './options.ts';
import type { Toolchain } from './toolchain/discover.ts';

/** A load as far as it has come. */
export interface Begun {
  readonly spec: ResolvedSpec;
  readonly toolchain: Toolchain;
  readonly cache: OpenedCache;
  /** `performance.now()` when the toolchain was found. */
  readonly found: number;
}

/** Makes an entry live through its object; in the background then keeps an image. Null when the object is gone. */
export async function linkEntry(begun: Begun, entry: Hit): Promise<Live | null> {
  const { spec, toolchain, cache, found } = begun;
  const object = entry.readObject();
  if (object === null) return null;
  const { name: library, signal } = spec;
  const { diagnostics, language, read, image: kept, unlinkable, imports, id } = entry.variant;
  const made = performance.now();
  const { loader, report } = selectLoader(library, spec.loader, toolchain.kind);
  const unlinked = { library, object, language, compilerPath: toolchain.path, signal };
  const { image, link, holds } = await linkAgain(loader, unlinked, spec.linking, imports);
  const wantsImage = kept === null && unlinkable === undefined && spec.loader !== 'orc';
  if (wantsImage && cache.store !== null) keepImage(cache.store, entry.key, id, link);
  const dependencies = read.map(({ path }) => path);
  return { image, loader: report, diagnostics, dependencies, holds, imports, found, made, cache: () => HIT };
}

/** To what it was linked to before. */
async function linkAgain(
  loader: Loader,
  link: LinkRequest,
  linking: Linking | null,
  records: readonly ImportRecord[] = [],
) {
  if (records.length === 0) return { image: await loader.link(link), link, holds: [] };
  const { importing, openImports, linkWithImports } = await import('./open-imports.ts');
  const imports = openImports(link.library, linking, records);
  const request = importing(link, imports);
  return { image: await linkWithImports(loader, request, imports), link: request, holds: imports.holds };
}

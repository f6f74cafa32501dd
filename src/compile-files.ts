/** The path of several sources that the cache has not as a whole: compiles what is not there, and makes one library. */

import { performance } from 'node:perf_hooks';
import { type CacheReport, HIT, lookUp, readManifest } from './cache/lookup.ts';
import type { Published } from './cache/publish.ts';
import type { Store } from './cache/store.ts';
import type { Language } from './compile/compiler.ts';
import { compile, startAhead } from './compile/queue.ts';
import type { Diagnostic } from './errors.ts';
import { allOrFailure } from './files-failure.ts';
import { type FilesPlan, labelOf, type PlannedFile } from './files-plan.ts';
import type { Live } from './generation.ts';
import { type KeptEntry, keepCompiled, keepJoined, notRepeatable } from './keep.ts';
import { linkEntry } from './link-entry.ts';
import { linkTo } from './link-to.ts';
import { mergeObjects } from './loader/merge-objects.ts';
import { selectLoader } from './loader/select.ts';

/** What one file came to. */
export interface FileObject {
  readonly path: string;
  readonly object: Uint8Array;
  readonly diagnostics: readonly Diagnostic[];
  readonly dependencies: readonly string[];
  /** Why it was compiled; null when it was in the cache. */
  readonly reason: string | null;
  /** Its entry, as soon as that is there; null where nothing is kept. */
  readonly kept: Promise<KeptEntry> | null;
}

/** Compiles and links; in the background then keeps each object, what they were joined to, and its image. */
export async function compileFiles(plan: FilesPlan): Promise<Live> {
  const { spec, toolchain, cache, parts, entry } = plan;
  // Before the compiles, so that a loader that was asked for and can't be had is known at once.
  selectLoader(spec.name, spec.loader, toolchain.kind);
  if (cache.store === null || entry === null) return fresh(plan, () => {});
  // With the rest of that path, which it stays one piece with.
  const { enterFlight } = await import('./compile-and-link.ts');
  const flight = await enterFlight(cache.store, entry.key, spec.signal);
  try {
    if (flight.hasWaited) {
      const other = lookUp(cache.store, parts, labelOf(spec.name), false);
      const live = 'variant' in other ? await linkEntry(plan, other) : null;
      if (live !== null) return live;
    }
    return await fresh(plan, flight.end);
  } catch (error) {
    flight.end();
    throw error;
  }
}

/** @param onKept - called when the library is there for others, or can't be */
async function fresh(plan: FilesPlan, onKept: () => void): Promise<Live> {
  const { spec, toolchain, cache, parts, entry, found } = plan;
  const { name: library, signal } = spec;
  const objects = await allOrFailure(spec, plan.files, (file) => objectOf(plan, file));
  const { path: compilerPath } = toolchain;
  const named = objects.map(({ path, object }) => ({ name: path, bytes: object }));
  const object = await mergeObjects({ library, compilerPath, signal }, named);
  const made = performance.now();
  const { loader, report } = selectLoader(library, spec.loader, toolchain.kind);
  const unlinked = { library, object, language: languageOf(plan), compilerPath, signal };
  const { image, link, linked, holds } = await linkTo(spec.linking, loader, unlinked);
  const diagnostics = objects.flatMap((each) => each.diagnostics);
  const libraries = (linked?.read ?? []).map(({ path }) => path);
  const dependencies = [...new Set([...objects.flatMap((each) => each.dependencies), ...libraries])];
  let cached = reportOf(plan, objects, linked !== null && entry !== null && 'reason' in entry ? entry.reason : null);
  const entries = objects.flatMap(({ kept }) => (kept === null ? [] : [kept]));
  if (cache.store?.isWritable && entry !== null && entries.length === objects.length) {
    const { store } = cache;
    const label = labelOf(library);
    const joined = {
      store,
      key: entry.key,
      parts,
      label,
      diagnostics,
      entries,
      link,
      linked,
      wantsImage: spec.loader !== 'orc',
    };
    keepJoined(joined, (kept) => {
      if ('refused' in kept && cached !== HIT) cached = { status: 'off', reason: kept.refused };
      onKept();
    });
  } else onKept();
  const imports = linked?.imports;
  return { image, loader: report, diagnostics, dependencies, holds, imports, found, made, cache: () => cached };
}

/** From the cache where its entry holds, which other libraries that have the file with the same flags share. */
export async function objectOf(
  { spec, toolchain, cache }: Pick<FilesPlan, 'spec' | 'toolchain' | 'cache'>,
  file: PlannedFile,
): Promise<FileObject> {
  const { path, request, parts } = file;
  const { store } = cache;
  const label = labelOf(spec.name, path);
  const entry = store === null ? null : lookUp(store, parts, label, false);
  if (entry !== null && 'variant' in entry && entry.variant.objectBytes <= request.limits.maxOutputBytes) {
    const object = entry.readObject();
    const { diagnostics, read, tools, absent, listed } = entry.variant;
    const dependencies = read.map((each) => each.path);
    const kept = Promise.resolve({ read, tools, absent, listed });
    if (object !== null) return { path, object, diagnostics, dependencies, reason: null, kept };
  }
  startAhead(toolchain);
  const startedAt = Date.now();
  const result = await compile(toolchain, request);
  const { object, diagnostics, dependencies } = result;
  const reason = entry !== null && 'reason' in entry ? entry.reason : 'its object is gone';
  let kept: Promise<KeptEntry> | null = null;
  const volatile = result.record?.volatile ?? [];
  if (volatile.length > 0) kept = Promise.resolve({ refused: `${path}: ${notRepeatable(volatile)}` });
  else if (store?.isWritable && entry !== null) {
    const link = { library: label, object, language: request.language, compilerPath: toolchain.path };
    const compiled = {
      store,
      key: entry.key,
      parts,
      toolchain,
      request,
      result,
      link,
      linked: null,
      startedAt,
      wantsImage: false,
    };
    kept = new Promise<Published>((resolve) => keepCompiled(compiled, resolve)).then((published) =>
      entryOf(store, path, (entry as { key: string }).key, published),
    );
  }
  return { path, object, diagnostics, dependencies, reason, kept };
}

/** What it holds for, as it was kept. */
function entryOf(store: Store, path: string, key: string, published: Published): KeptEntry {
  if ('refused' in published) return { refused: `${path}: ${published.refused}` };
  const variant = readManifest(store, key).variants.find(({ id }) => id === published.id);
  return variant ?? { refused: `${path}: its entry was removed` };
}

function languageOf({ files }: FilesPlan): Language {
  return files.some(({ request }) => request.language === 'c++') ? 'c++' : 'c';
}

/** How many files are named that were compiled for one and the same reason. */
const NAMED = 3;

/**
 * A hit when nothing was compiled, or linked to other libraries; else why.
 *
 * @param relinked - why it was linked to other libraries anew, if it was
 */
export function reportOf(
  { cache }: Pick<FilesPlan, 'cache'>,
  objects: readonly Pick<FileObject, 'path' | 'reason'>[],
  relinked: string | null = null,
): CacheReport {
  if (cache.store === null) return cache.off;
  const byReason = new Map<string, string[]>();
  for (const { path, reason } of objects) {
    if (reason !== null) byReason.set(reason, [...(byReason.get(reason) ?? []), path]);
  }
  if (byReason.size === 0) return relinked === null ? HIT : { status: 'miss', reason: relinked };
  const lines = [...byReason].map(([reason, paths]) => {
    // It names the file itself.
    if (paths.length === 1 && reason.startsWith(`${paths[0]} `)) return reason;
    const more = paths.length - NAMED;
    return `${paths.slice(0, NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}: ${reason}`;
  });
  const more = lines.length - NAMED;
  const reason = [...lines.slice(0, NAMED), ...(more > 0 ? [`and ${more} more reasons`] : [])].join('; ');
  return { status: 'miss', reason };
}

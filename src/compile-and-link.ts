/** The path where the cache has no entry: compiles, links, and keeps what was made. */

import { performance } from 'node:perf_hooks';
import { enterFlight } from './cache/flight.ts';
import type { KeyParts } from './cache/key.ts';
import { type CacheReport, type Hit, lookUp, type Miss } from './cache/lookup.ts';
import type { CompileRequest } from './compile/compiler.ts';
import { compile, startAhead } from './compile/queue.ts';
import type { Live } from './generation.ts';
import { keepCompiled, notRepeatable } from './keep.ts';
import { type Begun, linkEntry } from './link-entry.ts';
import type { Linked } from './link-libraries.ts';
import { linkTo } from './link-to.ts';
import { selectLoader } from './loader/select.ts';
import { languageOf } from './objects/read-objects.ts';

/** For several sources: so it stays in one piece with this path. */
export { enterFlight } from './cache/flight.ts';

/** A load that the cache has no entry for. */
export interface Missed extends Begun {
  readonly request: CompileRequest;
  readonly parts: KeyParts;
  /** Null where there is no cache; a hit when its entry could not be made live. */
  readonly entry: Hit | Miss | null;
}

/** Compiles and links; in the background then keeps object and image. */
export async function compileAndLink(missed: Missed): Promise<Live> {
  const { spec, toolchain, cache, parts, entry } = missed;
  startAhead(toolchain);
  // Before the compile, so that a loader that was asked for and can't be had is known at once.
  selectLoader(spec.name, spec.loader, toolchain.kind);
  if (cache.store === null || entry === null) return fresh(missed, null);
  const flight = await enterFlight(cache.store, entry.key, spec.signal);
  try {
    if (flight.hasWaited) {
      const other = lookUp(cache.store, parts, spec.name, false);
      const live = 'variant' in other ? await linkEntry(missed, other) : null;
      if (live !== null) return live;
    }
    return await fresh(missed, flight.end);
  } catch (error) {
    flight.end();
    throw error;
  }
}

/** @param onKept - called when the entry is there for others, or can't be */
async function fresh({ spec, toolchain, request, cache, parts, entry, found }: Missed, onKept: (() => void) | null) {
  const { name: library, signal } = spec;
  const startedAt = Date.now();
  const result = await compile(toolchain, request);
  const made = performance.now();
  const { diagnostics } = result;
  const { loader, report } = selectLoader(library, spec.loader, toolchain.kind);
  const language = request.input.kind === 'ir' ? languageOf([result.object]) : spec.language;
  const unlinked = { library, object: result.object, language, compilerPath: toolchain.path, signal };
  const { image, link, linked, holds } = await linkTo(spec.linking, loader, unlinked);
  const dependencies = linked === null ? result.dependencies : withRead(result.dependencies, linked);
  let cached: CacheReport = cache.store === null ? cache.off : { status: 'miss', reason: reasonOf(entry) };
  const volatile = result.record?.volatile ?? [];
  if (cache.store !== null && volatile.length > 0) cached = { status: 'off', reason: notRepeatable(volatile) };
  const store = cache.store?.isWritable ? cache.store : null;
  if (store !== null && entry !== null && volatile.length === 0) {
    const wantsImage = spec.loader !== 'orc';
    const made = { store, key: entry.key, parts, toolchain, request, result, link, linked, startedAt, wantsImage };
    keepCompiled(made, (kept) => {
      if ('refused' in kept) cached = { status: 'off', reason: kept.refused };
      onKept?.();
    });
  } else onKept?.();
  const imports = linked?.imports;
  return { image, loader: report, diagnostics, dependencies, holds, imports, found, made, cache: () => cached };
}

const withRead = (files: readonly string[], { read }: Linked): string[] => [...files, ...read.map(({ path }) => path)];

function reasonOf(entry: Hit | Miss | null): string {
  return entry !== null && 'reason' in entry ? entry.reason : 'its object is gone';
}

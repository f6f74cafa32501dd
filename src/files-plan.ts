/** Several sources as one library: which files these are, how each is compiled, and whether the cache has all of it. */

import { performance } from 'node:perf_hooks';
import { type KeyParts, keyOf } from './cache/key.ts';
import { type Hit, lookUp, type Miss } from './cache/lookup.ts';
import { openCache } from './cache/open.ts';
import type { CompileRequest } from './compile/compiler.ts';
import { checkFlags } from './compile/flags.ts';
import { keyPartsOf } from './key-parts.ts';
import type { Begun } from './link-entry.ts';
import { mayNeedRuntime } from './linking.ts';
import { type ResolvedSpec, requestOf } from './options.ts';
import { type Snapshot, takeSnapshot } from './reload/snapshot.ts';
import { filesOfSpec, type SpecFile } from './spec-files.ts';
import { discoverToolchain, type Toolchain } from './toolchain/discover.ts';

/** For who imports this when it is needed: by itself the bundler would give it a file more. */
export { filesOfSpec } from './spec-files.ts';

/** One file, and how it is compiled. */
export interface PlannedFile {
  /** Absolute. */
  readonly path: string;
  readonly request: CompileRequest;
  readonly parts: KeyParts;
}

/** What is to be made of a `files` input. Its spec's `maxOutputBytes` is that of all objects together. */
export interface FilesPlan extends Begun {
  readonly files: readonly PlannedFile[];
  /** Of the library as a whole. */
  readonly parts: KeyParts;
  /** Of the library as a whole; null where there is no cache. */
  readonly entry: Hit | Miss | null;
  /** Of the files, before any was read. */
  readonly before: Snapshot;
  /** The compile_commands.json that the flags are from, or null. */
  readonly database: string | null;
}

/** Under which name the cache remembers what a library was made of last, apart from those of one source. */
export const labelOf = (library: string, path = ''): string => `${library}\0files\0${path}`;

/**
 * One look at the cache answers for all files: the entry of the library has every file that any of them reads.
 *
 * @throws as {@link filesOfSpec}, ToolchainError.
 */
export async function planFiles(spec: ResolvedSpec): Promise<FilesPlan> {
  const { name: library, compiler, loader, limits } = spec;
  const toolchain = await discoverToolchain({ library, compiler });
  const { files: sources, database } = filesOfSpec(spec);
  const paths = sources.map(({ path }) => path);
  // By its identity: the time of a file that was written just before is the time of now.
  const before = takeSnapshot(database === null ? paths : [...paths, database]);
  const files = sources.map((file) => planFile(toolchain, file));
  const own = sources.map((source) => source.spec);
  const { linking } = own.some(({ flags }) => flags.some(mayNeedRuntime))
    ? (await import('./runtimes.ts')).withRuntimes(spec, own, toolchain)
    : spec;
  const cache = openCache(spec.cache, spec.unsafeFlags);
  const ofAll = partsOfAll(files);
  const parts = linking === null ? ofAll : (await import('./link-key.ts')).withLinking(ofAll, linking);
  const found = performance.now();
  const entry = cache.store === null ? null : lookUp(cache.store, parts, labelOf(library), loader !== 'orc');
  const whole = { ...spec, linking, limits: { ...limits, maxOutputBytes: limits.maxOutputBytes * files.length } };
  return { spec: whole, toolchain, cache, found, files, parts, entry, before, database };
}

/** Throws CompileError for a flag that is refused. */
export function planFile(toolchain: Toolchain, { path, spec }: SpecFile): PlannedFile {
  const request = requestOf(spec, { kind: 'file', path });
  // As for one source: it is refused whether or not the cache has it.
  checkFlags(request);
  return { path, request, parts: keyPartsOf(toolchain, request) };
}

/** What decides the bytes of the library: what decides those of each file, and their order. No compile is `-r`. */
function partsOfAll(files: readonly PlannedFile[]): KeyParts {
  const { compiler, folder } = (files[0] as PlannedFile).parts;
  const source = files.map(({ parts }) => keyOf(parts)).join('\n');
  return { compiler, cpu: '', command: ['-r'], folder, environment: [], displayName: '', source, headers: [] };
}

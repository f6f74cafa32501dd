/** The compile of a sealed library: like a load's, but that no folder of this machine gets into the object. */

import { basename, dirname, isAbsolute, relative } from 'node:path';
import { lookUp } from './cache/lookup.ts';
import { openCache } from './cache/open.ts';
import type { CompileInput, CompileRequest } from './compile/compiler.ts';
import { readFlags } from './compile/flags.ts';
import { asksForNative } from './compile/key-command.ts';
import { targetFeatures } from './compile/target-features.ts';
import { type Diagnostic, LinkError, ToolchainError } from './errors.ts';
import { featuresOfIR } from './ir-features.ts';
import { keyPartsOf } from './key-parts.ts';
import { languageOf } from './objects/read-objects.ts';
import { type ResolvedSpec, requestOf } from './options.ts';
import { takesLibcxx } from './runtimes.ts';
import type { SealedObject } from './seal.ts';
import { digestOf } from './sealed-file.ts';
import type { Toolchain } from './toolchain/discover.ts';

/** What the code may use of a processor. */
export interface Features {
  readonly features: readonly string[];
  readonly onRequest: readonly string[];
  readonly unnamed: readonly string[];
  /** Whether it is what this machine's has. */
  readonly isNative: boolean;
}

export const NO_FEATURES: Features = { features: [], onRequest: [], unnamed: [], isNative: false };

/** A compile, and the files that it read. */
interface Compiled {
  readonly object: Uint8Array;
  readonly diagnostics: readonly Diagnostic[];
  readonly read: readonly { readonly path: string; readonly digest: string }[];
}

export async function compileForSeal(
  spec: ResolvedSpec,
  input: CompileInput,
  toolchain: Toolchain,
): Promise<SealedObject> {
  if (takesLibcxx(spec)) {
    const message = `${spec.name} can't be sealed: by \`-stdlib=libc++\` it needs libc++, which would not be in the file`;
    throw new LinkError(spec.name, message, []);
  }
  const folders = foldersOf(spec, input);
  // First, so that the caller's own maps win.
  const flags = input.kind === 'ir' ? spec.flags : [...folders.flatMap(mapsOf), ...spec.flags];
  const request = requestOf({ ...spec, flags }, input);
  const { object, diagnostics, read } = await compileOrTake(spec, request, toolchain);
  return {
    object,
    diagnostics,
    language: input.kind === 'ir' ? languageOf([object]) : spec.language,
    compiler: { kind: toolchain.kind, version: toolchain.version },
    flags: spec.flags.length === 0 ? ['-O2'] : withoutFolders(spec.flags, folders),
    inputs: [...givenInputs(input), ...read.map(({ path, digest }) => ({ name: nameOf(path, folders), digest }))],
    features: await featuresFor(spec, request, toolchain),
  };
}

/** What several sources came to, as one. Flags are for people: each list of them once. */
export function joinSealed(object: Uint8Array, made: readonly SealedObject[]): SealedObject {
  const [first] = made as readonly [SealedObject];
  const lists = new Map(made.map(({ flags }) => [flags.join('\0'), flags]));
  const inputs = new Map(made.flatMap((each) => each.inputs).map((input) => [`${input.name}\0${input.digest}`, input]));
  return {
    object,
    diagnostics: made.flatMap(({ diagnostics }) => diagnostics),
    language: made.some(({ language }) => language === 'c++') ? 'c++' : 'c',
    compiler: first.compiler,
    flags: [...lists.values()].flat(),
    inputs: [...inputs.values()],
    features: joinFeatures(made.map(({ features }) => features)),
  };
}

function joinFeatures(all: readonly Features[]): Features {
  const join = (of: 'features' | 'onRequest' | 'unnamed') => [...new Set(all.flatMap((each) => each[of]))].sort();
  return {
    features: join('features'),
    onRequest: join('onRequest'),
    unnamed: join('unnamed'),
    isNative: all.some(({ isNative }) => isNative),
  };
}

/** From the cache when it is there; else it is kept there. */
async function compileOrTake(spec: ResolvedSpec, request: CompileRequest, toolchain: Toolchain): Promise<Compiled> {
  const { name: library } = spec;
  const { store } = openCache(spec.cache, request.unsafeFlags);
  const parts = keyPartsOf(toolchain, request);
  const entry = store === null ? null : lookUp(store, parts, library, false);
  if (entry !== null && 'variant' in entry && entry.variant.objectBytes <= spec.limits.maxOutputBytes) {
    const object = entry.readObject();
    const { diagnostics, read } = entry.variant;
    if (object !== null) return { object, diagnostics, read };
  }
  const startedAt = Date.now();
  const { compile } = await import('./compile/queue.ts');
  const result = await compile(toolchain, request);
  const { object, diagnostics, dependencies } = result;
  const { recordOneShot } = await import('./compile/one-shot-record.ts');
  const record = result.record ?? (await recordOneShot(toolchain, request, dependencies, startedAt));
  if (store?.isWritable && entry !== null && record.volatile.length === 0) {
    const language = request.input.kind === 'ir' ? languageOf([object]) : spec.language;
    const link = { library, object, language, compilerPath: toolchain.path };
    const made = { store, key: entry.key, parts, toolchain, request, result: { ...result, record }, link };
    const { keepCompiled } = await import('./keep.ts');
    keepCompiled({ ...made, startedAt, linked: null, wantsImage: false }, () => {});
  }
  return { object, diagnostics, read: record.read };
}

/** Folders that names in the code may begin with; of two that fit the later one is meant. */
function foldersOf(spec: ResolvedSpec, input: CompileInput): string[] {
  const own = input.kind === 'file' ? [dirname(input.path)] : [];
  return [...spec.includePaths, spec.folder, ...own].filter((folder) => folder !== '/');
}

/** Names below the folder become relative, the folder itself `.`. A map can't be given for a name with `=`. */
function mapsOf(folder: string): string[] {
  return folder.includes('=') ? [] : [`-ffile-prefix-map=${folder}=.`, `-ffile-prefix-map=${folder}/=`];
}

/** For people: relative to the folder that it is in, or as `#include <…>` has it. */
function nameOf(path: string, folders: readonly string[]): string {
  const folder = folders.findLast((each) => path.startsWith(`${each}/`));
  if (folder !== undefined) return relative(folder, path);
  return /\/include\/(?:c\+\+\/\d+\/)?(.+)$/.exec(path)?.[1] ?? basename(path);
}

/** The flags for people: of absolute paths the name that {@link nameOf} gives. */
function withoutFolders(words: readonly string[], folders: readonly string[]): string[] {
  return readFlags(words).flatMap(({ words: own, value }) => {
    const short = value !== undefined && isAbsolute(value) ? nameOf(value, folders) : value;
    const shown =
      value === undefined || short === undefined ? own : own.map((word) => word.replace(value, () => short));
    return shown.map((word) => word.replace(/(=)(\/[^=]+)/g, (_, equals, path) => equals + nameOf(path, folders)));
  });
}

/** What the compiler is given, rather than reads. */
function givenInputs(input: CompileInput): { name: string; digest: string }[] {
  if (input.kind === 'file') return [];
  const [name, content] = [input.displayName, input.kind === 'text' ? input.text : input.ir];
  const headers = input.kind === 'text' ? Object.entries(input.headers) : [];
  return [[name, content] as const, ...headers].map(([each, text]) => ({ name: each, digest: digestOf(text) }));
}

async function featuresFor(spec: ResolvedSpec, request: CompileRequest, toolchain: Toolchain): Promise<Features> {
  const { flags, name } = spec;
  try {
    const isNative = asksForNative(flags);
    const own = await targetFeatures(toolchain, flags);
    if (request.input.kind !== 'ir') return { ...own, isNative };
    return joinFeatures(
      [own, ...(await featuresOfIR(toolchain, request, request.input))].map((each) => ({ ...each, isNative })),
    );
  } catch (error) {
    const message = `${name}: it can't be told what the code needs of a processor: ${(error as Error).message}`;
    throw new ToolchainError(name, message, [toolchain.path], { cause: error });
  }
}

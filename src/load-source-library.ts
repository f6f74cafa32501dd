/**
 * The path: source → toolchain → key → cache, else compile → live symbols → library. Every stage is a folder; only this
 * file and those that it loads when they are needed compose them.
 */

import { performance } from 'node:perf_hooks';
import { HIT, type Hit, lookUp } from './cache/lookup.ts';
import type { Variant } from './cache/manifest.ts';
import { type OpenedCache, openCache } from './cache/open.ts';
import type { CompileInput } from './compile/compiler.ts';
import { type Build, guardsOf, type Live } from './generation.ts';
import { filesOf, isCompiled, type LibraryInput } from './inputs.ts';
import { keyPartsOf } from './key-parts.ts';
import { SourceLibrary } from './library.ts';
import { type Linking, mayNeedRuntime } from './linking.ts';
import type { ImageLayout } from './loader/image-layout.ts';
import { openLinkedImage } from './loader/open-image.ts';
import { type ResolvedSpec, requestOf, type SourceLibrarySpec } from './options.ts';
import { Registry } from './registry.ts';
import { rehearse } from './rehearsal.ts';
import { takeSnapshot } from './reload/snapshot.ts';
import { discoverToolchain, type Toolchain } from './toolchain/discover.ts';

/** One run of the path. */
async function build(spec: ResolvedSpec): Promise<Build> {
  const started = performance.now();
  const { input, signal } = spec;
  signal?.throwIfAborted();
  const before = takeSnapshot(filesOf(input));
  const live = await makeLive(spec, input);
  const linked = performance.now();
  if (signal?.aborted) {
    await live.image.dispose();
    throw signal.reason;
  }
  const { found, made, ...rest } = live;
  const stages = { toolchain: found - started, compile: made - found, link: linked - made };
  const guards = await guardsOf(spec.name, live.image);
  const built = { before, ...rest, started, linked, stages, guards };
  if (spec.perf) await (await import('./perf.ts')).tellPerf(live.image);
  if (!spec.crashReport) return built;
  const { reportCrashes } = await import('./crash-report.ts');
  return { ...built, onRetired: await reportCrashes(spec.name, live.image) };
}

async function makeLive(given: ResolvedSpec, input: LibraryInput): Promise<Live> {
  const spec = given.linking?.pkgConfig.length ? await spelledOut(given, given.linking) : given;
  if (spec.lazy) return (await import('./lazy.ts')).openLazy(spec);
  if (input.kind === 'files') return fromFiles(spec);
  if (input.kind === 'file' && spec.compileCommands !== null) return fromRecorded(spec, input);
  if (isCompiled(input)) return fromSource(spec, input);
  const { linkObjects, openShared } = await import('./link-inputs.ts');
  return input.kind === 'sharedLibrary' ? openShared(spec, input.sharedLibrary) : linkObjects(spec, input);
}

/** With what pkg-config says of its packages. */
async function spelledOut(spec: ResolvedSpec, linking: Linking): Promise<ResolvedSpec> {
  const { withPackages } = await import('./with-packages.ts');
  return withPackages(spec, linking);
}

/** From the cache where an entry holds; what a compile and its keeping need is not even loaded then. */
async function fromSource(given: ResolvedSpec, input: CompileInput): Promise<Live> {
  const { name: library, compiler, loader, flags } = given;
  const toolchain = await discoverToolchain({ library, compiler });
  const spec = flags.some(mayNeedRuntime)
    ? (await import('./runtimes.ts')).withRuntimes(given, [given], toolchain)
    : given;
  const request = requestOf(spec, input);
  const cache = openCache(spec.cache, request.unsafeFlags);
  const own = keyPartsOf(toolchain, request);
  const parts = spec.linking === null ? own : (await import('./link-key.ts')).withLinking(own, spec.linking);
  const found = performance.now();
  const entry = cache.store === null ? null : lookUp(cache.store, parts, library, loader !== 'orc');
  if (entry !== null && 'variant' in entry) {
    const live = await fromEntry(spec, toolchain, cache, entry, found);
    if (live !== null) return live;
  }
  const { compileAndLink } = await import('./compile-and-link.ts');
  return compileAndLink({ spec, toolchain, request, cache, parts, entry, found });
}

/** A file that a compile_commands.json says the flags of; both are watched. */
async function fromRecorded(spec: ResolvedSpec, input: CompileInput & { readonly kind: 'file' }): Promise<Live> {
  const { filesOfSpec } = await import('./files-plan.ts');
  const { files, database } = filesOfSpec(spec);
  const live = await fromSource(files[0]?.spec ?? spec, input);
  return { ...live, dependencies: [...live.dependencies, ...(database === null ? [] : [database])] };
}

/** Several files are one entry of the cache, and each of them is one, of which the first is made anew. */
async function fromFiles(spec: ResolvedSpec): Promise<Live> {
  const { planFiles } = await import('./files-plan.ts');
  const plan = await planFiles(spec);
  const { toolchain, cache, entry, found, before, database } = plan;
  let live = entry !== null && 'variant' in entry ? await fromEntry(plan.spec, toolchain, cache, entry, found) : null;
  live ??= await (await import('./compile-files.ts')).compileFiles(plan);
  return { ...live, before, dependencies: [...live.dependencies, ...(database === null ? [] : [database])] };
}

/** Null when the entry can't be made live, and must be compiled anew. */
async function fromEntry(
  spec: ResolvedSpec,
  toolchain: Toolchain,
  cache: OpenedCache,
  entry: Hit,
  found: number,
): Promise<Live | null> {
  const { loader, limits } = spec;
  const { variant } = entry;
  if (variant.objectBytes > limits.maxOutputBytes) return null;
  const made = performance.now();
  const { layout } = variant.image ?? {};
  const { image, holds } =
    entry.image === null || layout === undefined ? NO_IMAGE : await openEntry(spec, entry.image, layout, variant);
  if (image === null) {
    const { linkEntry } = await import('./link-entry.ts');
    return linkEntry({ spec, toolchain, cache, found }, entry);
  }
  const reason = loader === 'shared-object' ? 'it was asked for' : 'its linked image is in the cache';
  return {
    image,
    loader: { kind: 'shared-object', reason },
    diagnostics: variant.diagnostics,
    dependencies: variant.read.map(({ path }) => path),
    holds,
    imports: variant.imports,
    found,
    made,
    cache: () => HIT,
  };
}

const NO_IMAGE = { image: null, holds: [] };

/** With what it takes from other libraries. */
function openEntry({ name: library, linking }: ResolvedSpec, path: string, layout: ImageLayout, { imports }: Variant) {
  if (imports === undefined || imports.length === 0)
    return { ...NO_IMAGE, image: openLinkedImage(library, path, layout) };
  return import('./open-imports.ts').then(({ openImports, withImports }) => {
    const opened = openImports(library, linking, imports);
    try {
      const image = openLinkedImage(library, path, layout, opened.addresses);
      if (image !== null) return { image: withImports(image, opened), holds: opened.holds };
    } catch (error) {
      opened.release();
      throw error;
    }
    opened.release();
    return NO_IMAGE;
  });
}

async function open(spec: ResolvedSpec, onDispose: () => void): Promise<SourceLibrary> {
  const first = await build(spec);
  const library = new SourceLibrary(spec, build, first, onDispose);
  try {
    if (spec.watch) await library.watch();
  } catch (error) {
    await library.dispose();
    throw error;
  }
  return library;
}

/**
 * Name → library. Loads of one name are joined; two specs for one name are an error.
 *
 * Use one of your own to keep the names of a part of a program to itself; {@link loadSourceLibrary} uses
 * {@link libraries}.
 */
export class LibraryRegistry extends Registry<SourceLibrary> {
  constructor() {
    super(open);
  }
}

/** The registry that {@link loadSourceLibrary} uses. */
export const libraries: LibraryRegistry = new LibraryRegistry();

/**
 * Compiles a C or C++ source, or LLVM IR, links it into this process, and gives its functions. Objects and archives are
 * linked, and shared libraries opened, without a compile. What was compiled before, and has not changed in any input, is
 * taken from the cache.
 *
 * A second load of the same name with the same spec gives the same library: disposing it ends it for both. Initialisers
 * run on the calling thread; compiling and linking don't.
 *
 * @throws TypeError for a wrong option, by name.
 * @throws ToolchainError when there is no compiler, or it can't do what is asked, such as gcc with IR.
 * @throws CompileError when the source, or a flag, is refused; it carries the diagnostics.
 * @throws CompileLimitError when the compile goes over a limit.
 * @throws LinkError when symbols are missing, or an object, archive or shared library can't be used.
 * @throws NameConflictError when the name is taken by another spec.
 * @throws DisposedError when one of `libraries` was disposed.
 * @throws SourceLibraryError with code `ERR_COMPILE_COMMANDS` when the option's file can't be read or has no entry for a
 * file, `ERR_WORKING_FOLDER` when the working folder is gone.
 * @throws the signal's reason when `signal` aborts.
 *
 * @example
 * const vec = await loadSourceLibrary({ name: 'vec', source: 'int add(int a, int b) { return a + b; }' });
 * vec.func('int add(int, int)')(2, 3); // 5
 */
export function loadSourceLibrary(spec: SourceLibrarySpec): Promise<SourceLibrary> {
  return libraries.load(spec);
}

process.on('worker', (worker) => {
  worker.once('exit', () => void import('./orphans.ts').then(({ reapSoon }) => reapSoon()));
});

try {
  rehearse();
} catch {
  // Whatever it is, a load says it better; an import must not fail for it.
}

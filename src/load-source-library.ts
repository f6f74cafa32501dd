/**
 * The path: source → toolchain → object bytes → live symbols → library. Every stage is a folder; only this file
 * composes them.
 */

import { performance } from 'node:perf_hooks';
import { compile } from './compile/queue.ts';
import { startAhead } from './compile/resident.ts';
import type { Build } from './generation.ts';
import { SourceLibrary } from './library.ts';
import { selectLoader } from './loader/select.ts';
import type { ResolvedSpec, SourceLibrarySpec } from './options.ts';
import { Registry } from './registry.ts';
import { discoverToolchain } from './toolchain/discover.ts';

/** One run of the path. */
async function build(spec: ResolvedSpec): Promise<Build> {
  const startedAt = Date.now();
  const started = performance.now();
  const library = spec.name;
  spec.signal?.throwIfAborted();
  const toolchain = await discoverToolchain({ library, compiler: spec.compiler });
  startAhead(toolchain);
  // Before the compile, so that a loader that was asked for and can't be had is known at once.
  const { loader, report } = selectLoader(library, spec.loader, toolchain.kind);
  const found = performance.now();

  const compiled = await compile(toolchain, {
    library,
    input: spec.input,
    language: spec.language,
    flags: spec.flags,
    includePaths: spec.includePaths,
    defines: spec.defines,
    unsafeFlags: spec.unsafeFlags,
    limits: spec.limits,
    signal: spec.signal,
  });
  const compiledAt = performance.now();

  const image = await loader.link({
    library,
    object: compiled.object,
    language: spec.language,
    compilerPath: toolchain.path,
  });
  const linked = performance.now();
  if (spec.signal?.aborted) {
    await image.dispose();
    throw spec.signal.reason;
  }
  return {
    image,
    loader: report,
    diagnostics: compiled.diagnostics,
    dependencies: compiled.dependencies,
    startedAt,
    started,
    linked,
    stages: { toolchain: found - started, compile: compiledAt - found, link: linked - compiledAt },
  };
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
 * Compiles a C or C++ source, links it into this process, and gives its functions.
 *
 * A second load of the same name with the same spec gives the same library: disposing it ends it for both. Initialisers
 * run on the calling thread; compiling and linking don't.
 *
 * @throws TypeError for a wrong option, by name.
 * @throws ToolchainError when there is no compiler.
 * @throws CompileError when the source, or a flag, is refused; it carries the diagnostics.
 * @throws CompileLimitError when the compile goes over a limit.
 * @throws LinkError when symbols are missing.
 * @throws NameConflictError when the name is taken by another spec.
 * @throws the signal's reason when `signal` aborts.
 *
 * @example
 * const vec = await loadSourceLibrary({ name: 'vec', source: 'int add(int a, int b) { return a + b; }' });
 * vec.func('int add(int, int)')(2, 3); // 5
 */
export function loadSourceLibrary(spec: SourceLibrarySpec): Promise<SourceLibrary> {
  return libraries.load(spec);
}

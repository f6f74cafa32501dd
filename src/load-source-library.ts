/**
 * The path: source → toolchain → object bytes → live symbols → library. Every stage is a folder; only this file
 * composes them.
 */

import { performance } from 'node:perf_hooks';
import type { CompileInput } from './compile/compiler.ts';
import { compile } from './compile/queue.ts';
import { startAhead } from './compile/resident.ts';
import type { Build } from './generation.ts';
import { filesOf, type LibraryInput, type ObjectsInput } from './inputs.ts';
import { SourceLibrary } from './library.ts';
import { mergeObjects } from './loader/merge-objects.ts';
import { selectLoader } from './loader/select.ts';
import { openSharedLibrary } from './loader/shared-library.ts';
import { languageOf, readObjects } from './objects/read-objects.ts';
import { type ResolvedSpec, requestOf, type SourceLibrarySpec } from './options.ts';
import { Registry } from './registry.ts';
import { takeSnapshot } from './reload/snapshot.ts';
import { discoverToolchain } from './toolchain/discover.ts';

/** What a kind of input comes to, and when it was there. */
type Live = Pick<Build, 'image' | 'loader' | 'diagnostics' | 'dependencies'> & {
  /** `performance.now()` when the tools were found, and when the object was there. */
  readonly found: number;
  readonly made: number;
};

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
  return { ...rest, before, started, linked, stages };
}

function makeLive(spec: ResolvedSpec, input: LibraryInput): Promise<Live> {
  switch (input.kind) {
    case 'sharedLibrary':
      return openShared(spec, input.sharedLibrary);
    case 'object':
    case 'archive':
      return linkObjects(spec, input);
    default:
      return compileAndLink(spec, input);
  }
}

async function compileAndLink(spec: ResolvedSpec, input: CompileInput): Promise<Live> {
  const { name: library, signal } = spec;
  const toolchain = await discoverToolchain({ library, compiler: spec.compiler });
  startAhead(toolchain);
  // Before the compile, so that a loader that was asked for and can't be had is known at once.
  const { loader, report } = selectLoader(library, spec.loader, toolchain.kind);
  const found = performance.now();
  const { object, diagnostics, dependencies } = await compile(toolchain, requestOf(spec, input));
  const made = performance.now();
  // IR does not say which language it was.
  const language = input.kind === 'ir' ? languageOf([object]) : spec.language;
  const image = await loader.link({ library, object, language, compilerPath: toolchain.path, signal });
  return { image, loader: report, diagnostics, dependencies, found, made };
}

/** Needs a compiler only where a linker is needed. */
async function linkObjects(spec: ResolvedSpec, input: ObjectsInput): Promise<Live> {
  const { name: library, signal } = spec;
  const { objects, files, language } = await readObjects(library, input);
  const { loader, report } = selectLoader(library, spec.loader, 'clang');
  const needsLinker = loader.kind === 'shared-object' || objects.length > 1;
  const compilerPath = needsLinker ? (await discoverToolchain({ library, compiler: spec.compiler })).path : '';
  const found = performance.now();
  const object = await mergeObjects({ library, compilerPath, signal }, objects);
  const made = performance.now();
  const image = await loader.link({ library, object, language, compilerPath, signal });
  return { image, loader: report, diagnostics: [], dependencies: files, found, made };
}

async function openShared(spec: ResolvedSpec, file: string): Promise<Live> {
  const found = performance.now();
  const image = await openSharedLibrary(spec.name, file);
  const report = { kind: 'shared-object', reason: 'the input is a shared library' } as const;
  return { image, loader: report, diagnostics: [], dependencies: [], found, made: found };
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
 * linked, and shared libraries opened, without a compile.
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
 * @throws the signal's reason when `signal` aborts.
 *
 * @example
 * const vec = await loadSourceLibrary({ name: 'vec', source: 'int add(int a, int b) { return a + b; }' });
 * vec.func('int add(int, int)')(2, 3); // 5
 */
export function loadSourceLibrary(spec: SourceLibrarySpec): Promise<SourceLibrary> {
  return libraries.load(spec);
}

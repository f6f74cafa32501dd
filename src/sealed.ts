/** Libraries as files that need no compiler: what a program calls. What does it is loaded when it is asked for. */

import { checkNonEmpty, checkRecord, refuse } from './checks.ts';
import type { Diagnostic } from './errors.ts';
import type { SourceLibrary } from './library.ts';
import { nearNames } from './near-names.ts';
import { type LoaderChoice, resolveSpec, type SourceLibrarySpec } from './options.ts';
import type { SealedCpu, SealedManifest, SealedTarget } from './sealed-file.ts';

/** What {@link seal} wrote. */
export interface SealReport {
  /** Absolute. */
  readonly path: string;
  /** Of the file. */
  readonly bytes: number;
  /** The name that it loads under, unless it is given another. */
  readonly name: string;
  /** Where it loads. */
  readonly target: SealedTarget;
  /** What a processor must have to load it. */
  readonly cpu: SealedCpu;
  /** What it exports. Their types are not kept yet: `func` takes a prototype, as ever. */
  readonly declarations: SealedManifest['declarations'];
  /** The compiler's warnings. */
  readonly diagnostics: readonly Diagnostic[];
}

/** How a sealed library is loaded. */
export interface SealedLibraryOptions {
  /** Default: the name that it was sealed under. */
  readonly name?: string;
  /** Default `'auto'`: `orc` links the object where that loader can be had, `shared-object` opens the linked image. */
  readonly loader?: LoaderChoice;
  /** Aborts the load: the promise rejects with the signal's reason, and no initialiser runs. */
  readonly signal?: AbortSignal;
}

/**
 * Compiles a library and writes it as one file, which {@link loadSealedLibrary} loads on machines without a compiler.
 *
 * The file holds the object, a shared object that was linked from it, what it exports, what it was made from (names and
 * digests, no folders of this machine), and which system and processor it needs. Both were linked before it is written;
 * nothing of the library runs. What the file was before stays until the whole of the new one is there.
 *
 * Names of folders in `__FILE__` and in debug information are relative to the working folder. `loader`, `watch`,
 * `lazy`, `crashReport` and `perf`, which are for loads, have no meaning here, so that one spec serves both. What a
 * processor must have is read from `flags`, and of IR from its attributes; of `object` and `archive` it is not known,
 * and taken to be what all have.
 *
 * @param path - of the file; `.fsl` is as good an extension as any.
 * @throws TypeError for a wrong option, for `sharedLibrary`, which is a file already, and for the options of linking,
 * such as `libraries`.
 * @throws ToolchainError, CompileError, CompileLimitError, LinkError as a load does, LinkError also for what needs a
 * runtime library, as `-fopenmp` does; the signal's reason.
 * @throws SealedLibraryError with the reason `unwritable` when the file can't be written; nothing is left of it then.
 *
 * @example
 * await seal({ name: 'vec', file: 'vec.c', flags: ['-O3', '-march=x86-64-v3'] }, 'dist/vec.fsl');
 */
export async function seal(spec: SourceLibrarySpec, path: string): Promise<SealReport> {
  const resolved = resolveSpec(spec);
  checkNonEmpty('path', path);
  if (resolved.input.kind === 'sharedLibrary') {
    throw new TypeError('A `sharedLibrary` can not be sealed: it is no source; ship the file itself');
  }
  if (resolved.linking !== null) {
    throw new TypeError(
      'A library that is linked to others, or has `imports` or `resolve`, can not be sealed: they would not be in the file',
    );
  }
  resolved.signal?.throwIfAborted();
  const { writeSealed } = await import('./seal.ts');
  return writeSealed(resolved, resolved.input, path);
}

/**
 * Loads what {@link seal} wrote, without a compiler or a linker.
 *
 * Every byte is checked against the file's digest before anything is loaded. That finds damage, not malice: the file is
 * native code, to be trusted like any.
 *
 * Each call gives a library of its own, which shares no data with others, also of the same file; `libraries` does not list
 * it, and its name may be taken twice. It has no source: `reload` throws a TypeError.
 *
 * @param sealed - a path, or the file's bytes.
 * @throws SealedLibraryError when the file is missing or damaged, or is for another system, processor or release: what a
 * package answers by loading the source.
 * @throws LinkError when `loader: 'orc'` can't be had, an initialiser throws, or there is no memory for it.
 * @throws TypeError for a wrong option; the signal's reason.
 *
 * @example
 * const vec = await loadSealedLibrary(fileURLToPath(new URL('vec.fsl', import.meta.url)));
 */
export async function loadSealedLibrary(
  sealed: Uint8Array | string,
  options: SealedLibraryOptions = {},
): Promise<SourceLibrary> {
  // A copy: the caller may write into the array as soon as we wait for something.
  const given = sealed instanceof Uint8Array ? Buffer.from(sealed) : sealed;
  if (!(given instanceof Uint8Array)) {
    if (typeof given !== 'string') refuse('sealed', 'a path or a Uint8Array', given);
    checkNonEmpty('sealed', given);
  }
  const { watch, name, loader = 'auto', signal, ...unknown } = checkRecord('options', options);
  if (watch) throw new TypeError('`watch` does not go with a sealed library: it has no source');
  const [option] = Object.keys(unknown);
  if (option !== undefined) {
    const [near] = nearNames(option, ['name', 'loader', 'signal']);
    throw new TypeError(`Unknown option \`${option}\`${near ? `; did you mean \`${near}\`?` : ''}`);
  }
  // An object is what it is; which one is not known yet.
  const spec = { name: name ?? 'sealed', object: new Uint8Array(), loader, signal } as SourceLibrarySpec;
  const resolved = resolveSpec(spec);
  resolved.signal?.throwIfAborted();
  const { loadSealed } = await import('./load-sealed-library.ts');
  return loadSealed(given, resolved, name !== undefined);
}

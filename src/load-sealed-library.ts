/** The path of a sealed library: file → checks → live symbols → library. */

import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { CacheReport } from './cache/lookup.ts';
import { describeFeatures, hostCpu, missingFeatures } from './cpu.ts';
import { checkRelocatable, checkSharedObject } from './elf.ts';
import { LinkError, type SealedFault, SealedLibraryError } from './errors.ts';
import { type Build, guardsOf } from './generation.ts';
import { SourceLibrary } from './library.ts';
import { closeObject, openObject } from './loader/dynamic-linker.ts';
import { glibcRelease } from './loader/glibc.ts';
import type { LoadedImage } from './loader/loader.ts';
import { openLinkedImage } from './loader/open-image.ts';
import { type LoaderReport, selectLoader } from './loader/select.ts';
import type { ResolvedSpec } from './options.ts';
import { createPrivateFolder, type PrivateFolderError } from './private-folder.ts';
import { takeSnapshot } from './reload/snapshot.ts';
import { decodeSealed, makeOf, type Sealed, type SealedManifest } from './sealed-file.ts';
import { compareReleases } from './version-needs.ts';

const CACHE: CacheReport = { status: 'off', reason: 'it was sealed' };
const FIXED = 'A sealed library can not be reloaded: it has no source; load the new file, and dispose this one';

/** How the library and its file are called in errors. */
interface Called {
  readonly library: string;
  readonly file: string;
}

/**
 * @param given - the caller's path, or bytes that are ours
 * @param spec - the caller's options
 * @param isNamed - whether the spec's name is the caller's; else it is the file's
 */
export async function loadSealed(given: Buffer | string, spec: ResolvedSpec, isNamed: boolean): Promise<SourceLibrary> {
  const started = performance.now();
  const isPath = typeof given === 'string';
  const file = isPath ? basename(given) : 'the sealed library';
  const unnamed = isPath ? file : '';
  const sealed = await read(given, { library: isNamed ? spec.name : unnamed, file });
  const { manifest } = sealed;
  const called = { library: isNamed ? spec.name : manifest.name, file };
  assertTarget(manifest, called);
  assertCpu(manifest, called);
  assertCode(sealed, called);
  const made = performance.now();
  spec.signal?.throwIfAborted();
  const { image, loader } = await open(sealed, spec, called);
  const linked = performance.now();
  const first: Build = {
    image,
    loader,
    cache: () => CACHE,
    before: takeSnapshot([]),
    started,
    linked,
    stages: { toolchain: 0, compile: made - started, link: linked - made },
    diagnostics: [],
    dependencies: [],
    guards: await guardsOf(called.library, image),
  };
  const fixed = { ...spec, name: called.library, fixed: FIXED };
  return new SourceLibrary(fixed, () => Promise.reject(new TypeError(FIXED)), first);
}

function fault({ library }: Called, reason: SealedFault, message: string, cause?: unknown): SealedLibraryError {
  return new SealedLibraryError(library, message, reason, cause === undefined ? {} : { cause });
}

async function read(given: Buffer | string, called: Called): Promise<Sealed> {
  let bytes: Buffer;
  try {
    bytes = typeof given === 'string' ? await readFile(given) : given;
  } catch (error) {
    throw fault(called, 'unreadable', `${given} can't be read: ${(error as Error).message}`, error);
  }
  const sealed = decodeSealed(bytes);
  if (!('fault' in sealed)) return sealed;
  throw fault(called, sealed.fault, `${called.file} can't be loaded: ${sealed.why}; seal the library again`);
}

const CURE = 'seal the library on such a system, or load its source';
const shownArch = (arch: string): string => (arch === 'x64' ? 'x86-64' : arch);

function assertTarget({ target }: SealedManifest, called: Called): void {
  const refused = (reason: string) => fault(called, 'target', `${called.file} ${reason}; ${CURE}`);
  const { triple, arch, platform, libc, glibc } = target;
  if (arch !== process.arch || platform !== process.platform) {
    throw refused(`was sealed for ${triple}, and this is ${shownArch(process.arch)} ${process.platform}`);
  }
  if (libc === null) return;
  const here = glibcRelease();
  if (libc === 'musl' && here !== null) throw refused(`was sealed for ${triple}, with musl, and this system has glibc`);
  if (libc === 'musl') return;
  if (here === null) throw refused(`was sealed for ${triple}, with glibc, which this system does not have`);
  if (glibc !== null && compareReleases(glibc, here) > 0) {
    throw refused(`needs glibc ${glibc}, and this system has ${here}`);
  }
}

function assertCpu({ cpu }: SealedManifest, called: Called): void {
  const host = hostCpu();
  const isSameMake = cpu.native !== null && cpu.native === makeOf(host.identity);
  const missing = [...missingFeatures(cpu.features, host), ...(isSameMake ? [] : cpu.unnamed)];
  if (missing.length === 0) return;
  const message = `${called.file} needs ${describeFeatures(missing)}, which this processor lacks; seal the library for less, or load its source`;
  throw new SealedLibraryError(called.library, message, 'cpu', { missingFeatures: missing });
}

/** The digest says that it is what was written, not that it is code. */
function assertCode({ object, image, manifest }: Sealed, called: Called): void {
  const wrong = checkRelocatable(object) ?? checkSharedObject(image) ?? checkLayout(manifest, image);
  if (wrong !== null)
    throw fault(called, 'damaged', `${called.file} can't be loaded: ${wrong}; seal the library again`);
}

/** What opening it relies on. */
function checkLayout({ image: { layout } }: SealedManifest, image: Uint8Array): string | null {
  const { symbols, claim, end, initialisers } = layout;
  const tablesEnd = Math.max(symbols.offset + symbols.size, symbols.names.offset + symbols.names.size);
  const initialisersEnd = initialisers === null ? 0 : initialisers.offset + initialisers.count * 8;
  const isWithin = tablesEnd <= image.length && claim < end && initialisersEnd <= end;
  return isWithin ? null : 'its layout is wrong';
}

/** By the loader that is asked for, or can be had. */
async function open(
  sealed: Sealed,
  { loader: choice, signal }: ResolvedSpec,
  called: Called,
): Promise<{ readonly image: LoadedImage; readonly loader: LoaderReport }> {
  const { manifest, object } = sealed;
  const { library } = called;
  const { loader, report } = selectLoader(library, choice, manifest.compiler?.kind ?? 'clang');
  try {
    if (loader.kind !== 'orc') return { image: await openImage(sealed, library, signal), loader: report };
    const link = { library, object, language: manifest.language, compilerPath: '', signal };
    return { image: await loader.link(link), loader: report };
  } catch (error) {
    if (!(error instanceof LinkError) || !isLacking(error)) throw error;
    // It was linked when it was sealed: what is missing is missing here.
    throw fault(called, 'target', `${called.file} needs what this system does not have: ${error.message}`, error);
  }
}

/** glibc says "version `GLIBCXX_3.4.32' not found", "libx.so.1: cannot open shared object file", "undefined symbol: x". */
function isLacking({ missingSymbols, message }: LinkError): boolean {
  return (
    missingSymbols.length > 0 ||
    /version [`'][^']+' not found|cannot open shared object file|undefined symbol/.test(message)
  );
}

async function openImage({ image, manifest }: Sealed, library: string, signal?: AbortSignal): Promise<LoadedImage> {
  // The name is fresh, so that the dynamic linker makes it one of its own; the file need not outlive its opening.
  await using folder = await createPrivateFolder({ 'library.so': image }).catch((error: PrivateFolderError) => {
    throw new LinkError(library, `${library}: ${error.message}`, [], { cause: error });
  });
  // The last chance: initialisers run next.
  signal?.throwIfAborted();
  const path = join(folder.path, 'library.so');
  const opened = openLinkedImage(library, path, manifest.image.layout);
  if (opened !== null) return opened;
  // Nobody else has it open: the dynamic linker refused it, and says why when it is asked again.
  closeObject(openObject(library, path));
  throw new LinkError(library, `${library}: its linked image can't be opened`, []);
}

/** Makes sealed libraries: input → toolchain → object → linked image → file. */

import { basename, resolve } from 'node:path';
import { hostCpu, levelOf } from './cpu.ts';
import { readExports, readLinkSymbols } from './elf.ts';
import { type Diagnostic, LinkError, SealedLibraryError } from './errors.ts';
import { allOrFailure } from './files-failure.ts';
import type { LibraryInput, ObjectsInput } from './inputs.ts';
import type { LinkRequest } from './loader/loader.ts';
import { mergeObjects } from './loader/merge-objects.ts';
import { selectLoader } from './loader/select.ts';
import { assertPlainStack } from './objects/plain-stack.ts';
import { readObjects } from './objects/read-objects.ts';
import type { ResolvedSpec } from './options.ts';
import { compileForSeal, type Features, joinSealed, NO_FEATURES } from './seal-compile.ts';
import type { SealReport } from './sealed.ts';
import {
  digestOf,
  encodeSealed,
  makeOf,
  type SealedCpu,
  type SealedManifest,
  type SealedTarget,
} from './sealed-file.ts';
import { filesOfSpec, type SpecFile } from './spec-files.ts';
import { discoverToolchain, type Toolchain } from './toolchain/discover.ts';
import { highestGlibc, readVersionNeeds, type VersionNeed } from './version-needs.ts';
import { writeWhole } from './write-whole.ts';

/** What an input comes to. */
export interface SealedObject extends Pick<SealedManifest, 'language' | 'compiler' | 'flags' | 'inputs'> {
  readonly object: Uint8Array;
  readonly diagnostics: readonly Diagnostic[];
  readonly features: Features;
}

/** @param path - absolute, or relative to the working folder */
export async function writeSealed(spec: ResolvedSpec, input: LibraryInput, path: string): Promise<SealReport> {
  const { name, signal } = spec;
  const file = resolve(path);
  const toolchain = await discoverToolchain({ library: name, compiler: spec.compiler });
  const made = await objectOf(spec, input, toolchain);
  const { object, diagnostics, features, ...facts } = made;
  const link = { library: name, object, language: made.language, compilerPath: toolchain.path, signal };
  assertPlainStack(link);
  await assertNoRuntime(name, object);
  await assertLinks(link, facts.compiler?.kind ?? 'clang');
  // What loads import when they need it is imported so here too: else the bundler cuts it up, and each piece costs them.
  const { makeLinkedImage } = await import('./loader/linked-image.ts');
  const { bytes: image, layout } = await makeLinkedImage(link);
  const needs = readVersionNeeds(image);
  const manifest: SealedManifest = {
    name,
    target: targetOf(toolchain, needs),
    cpu: cpuOf(features),
    ...facts,
    declarations: declarationsOf(object),
    needs,
    object: { length: object.byteLength },
    image: { length: image.byteLength, layout },
  };
  const parts = encodeSealed(manifest, object, image);
  signal?.throwIfAborted();
  await writeWhole(file, parts).catch((cause: Error) => {
    const message = `${name}: ${file} can't be written: ${cause.message}`;
    throw new SealedLibraryError(name, message, 'unwritable', { cause });
  });
  const { target, cpu, declarations } = manifest;
  const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
  return { path: file, bytes, name, target, cpu, declarations, diagnostics };
}

async function objectOf(spec: ResolvedSpec, input: LibraryInput, toolchain: Toolchain): Promise<SealedObject> {
  if (input.kind === 'object' || input.kind === 'archive') return fromObjects(spec, input, toolchain);
  // Refused where the option is.
  if (input.kind === 'sharedLibrary') throw new TypeError('`sharedLibrary` is no source');
  if (input.kind === 'files') return fromFiles(spec, toolchain);
  const [file] = filesOfSpec(spec).files;
  return compileForSeal(file?.spec ?? spec, input, toolchain);
}

async function fromFiles(spec: ResolvedSpec, toolchain: Toolchain): Promise<SealedObject> {
  const { name: library, signal } = spec;
  const { files } = filesOfSpec(spec);
  const compile = ({ path, spec: own }: SpecFile) => compileForSeal(own, { kind: 'file', path }, toolchain);
  const made = await allOrFailure(spec, files, compile);
  const named = made.map(({ object }, index) => ({ name: files[index]?.path ?? '', bytes: object }));
  const object = await mergeObjects({ library, compilerPath: toolchain.path, signal }, named);
  return joinSealed(object, made);
}

async function fromObjects(spec: ResolvedSpec, input: ObjectsInput, toolchain: Toolchain): Promise<SealedObject> {
  const { name: library, signal } = spec;
  const { objects, language } = await readObjects(library, input);
  const object = await mergeObjects({ library, compilerPath: toolchain.path, signal }, objects);
  const inputs = objects.map(({ name, bytes }) => ({ name: basename(name), digest: digestOf(bytes) }));
  return { object, language, compiler: null, flags: [], inputs, diagnostics: [], features: NO_FEATURES };
}

/** It would be looked for by a compiler's folders, and where the file is loaded there is no compiler. */
async function assertNoRuntime(library: string, object: Uint8Array): Promise<void> {
  const { runtimeNameIn } = await import('./runtimes.ts');
  const found = runtimeNameIn(readLinkSymbols(object).needed);
  if (found === null) return;
  const { flag, name } = found;
  const message = `${library} can't be sealed: by \`${flag}\` it calls \`${name}\` of a runtime library, which would not be in the file`;
  throw new LinkError(library, message, [name]);
}

/** Told apart from what a caller's signal says. */
const LINKED = new Error('it links');

/**
 * Links the object in the ORC loader, where that can be had, and stops before the initialisers run, as a link does that is
 * called off meanwhile.
 */
async function assertLinks(link: LinkRequest, compilerKind: 'clang' | 'gcc'): Promise<void> {
  const { loader } = selectLoader(link.library, 'auto', compilerKind);
  if (loader.kind !== 'orc') return;
  const stop = new AbortController();
  const linking = loader.link({ ...link, signal: stop.signal });
  stop.abort(LINKED);
  try {
    await (await linking).dispose();
  } catch (error) {
    if (error !== LINKED) throw error;
  }
}

function targetOf({ target: triple }: Toolchain, needs: readonly VersionNeed[]): SealedTarget {
  const { arch, platform } = process;
  const glibc = highestGlibc(needs);
  const libc = glibc !== null ? 'glibc' : /musl/.test(triple) ? 'musl' : null;
  return { triple, arch, platform, libc, glibc };
}

function cpuOf({ features, onRequest, unnamed, isNative }: Features): SealedCpu {
  return {
    // With those on request: they are in the levels.
    level: process.arch === 'x64' ? levelOf(new Set([...features, ...onRequest])) : null,
    features,
    unnamed,
    native: isNative ? makeOf(hostCpu().identity) : null,
  };
}

function declarationsOf(object: Uint8Array): SealedManifest['declarations'] {
  const exported = readExports(object, 'static').map(({ name, kind, size }) => ({ name, kind, size }));
  return exported.sort((a, b) => (a.name < b.name ? -1 : 1));
}

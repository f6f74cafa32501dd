/** The path for inputs that are not compiled: objects and archives are linked, shared libraries opened. */

import { performance } from 'node:perf_hooks';
import type { Live } from './generation.ts';
import type { ObjectsInput } from './inputs.ts';
import { linkTo } from './link-to.ts';
import { mergeObjects } from './loader/merge-objects.ts';
import { selectLoader } from './loader/select.ts';
import { openSharedLibrary } from './loader/shared-library.ts';
import { readObjects } from './objects/read-objects.ts';
import type { ResolvedSpec } from './options.ts';
import { discoverToolchain } from './toolchain/discover.ts';

/** The cache keeps what compilers make. */
const cache: Live['cache'] = () => ({ status: 'off', reason: 'nothing is compiled' });

/** Needs a compiler only where a linker is needed. */
export async function linkObjects(spec: ResolvedSpec, input: ObjectsInput): Promise<Live> {
  const { name: library, signal } = spec;
  const { objects, files, language } = await readObjects(library, input);
  const { loader, report } = selectLoader(library, spec.loader, 'clang');
  const needsLinker = loader.kind === 'shared-object' || objects.length > 1 || spec.linking?.libraries.length;
  const compilerPath = needsLinker ? (await discoverToolchain({ library, compiler: spec.compiler })).path : '';
  const found = performance.now();
  const object = await mergeObjects({ library, compilerPath, signal }, objects);
  const made = performance.now();
  const link = { library, object, language, compilerPath, signal };
  const { image, linked, holds } = await linkTo(spec.linking, loader, link);
  const dependencies = [...files, ...(linked?.read ?? []).map(({ path }) => path)];
  const imports = linked?.imports;
  return { image, loader: report, diagnostics: [], dependencies, holds, imports, found, made, cache };
}

export async function openShared(spec: ResolvedSpec, file: string): Promise<Live> {
  const found = performance.now();
  const image = await openSharedLibrary(spec.name, file);
  const report = { kind: 'shared-object', reason: 'the input is a shared library' } as const;
  return { image, loader: report, diagnostics: [], dependencies: [], found, made: found, cache };
}

/** Libraries that code needs because of a flag: a compiler would link them by itself, and so do we. */

import { join } from 'node:path';
import { readFlags } from './compile/flags.ts';
import type { LibraryReference, Linking } from './linking.ts';
import type { ResolvedSpec } from './options.ts';
import type { Toolchain } from './toolchain/discover.ts';

/** A runtime library of a compiler. It is never unloaded: it has threads, or state, that outlive a library. */
export interface Runtime {
  /** That it is for. */
  readonly flag: string;
  /** Where it is in one of the compiler's folders; the first that is there is taken. */
  readonly files: readonly string[];
  /** The names that are taken from it. */
  readonly names: RegExp;
  /** What to do where it is missing. */
  readonly cure: string;
}

const OPENMP_NAMES = /^(?:ompx?_|__kmpc_|kmp_|GOMP_)/;
const UBSAN_NAMES = /^__(?:ubsan|sanitizer)_/;

/** What says how a source is compiled. */
type SourceFlags = Pick<ResolvedSpec, 'flags' | 'language'>;

/** libc++. Its C++ runtime is opened before what needs that. */
const LIBCXX = ['c++abi', 'c++'];

/**
 * The spec with the libraries that its code needs because of flags, after its own libraries.
 *
 * @param sources - each of its sources
 */
export function withRuntimes(spec: ResolvedSpec, sources: readonly SourceFlags[], toolchain: Toolchain): ResolvedSpec {
  const found = sources.flatMap(({ flags }) => runtimesFor(flags, toolchain));
  const names = sources.some(takesLibcxx) ? LIBCXX : [];
  if (found.length + names.length === 0) return spec;
  const runtimes = new Map(found.map((runtime) => [runtime.files[0], runtime])).values();
  const own: Linking = spec.linking ?? {
    libraries: [],
    libraryPaths: [],
    pkgConfig: [],
    imports: null,
    resolve: false,
  };
  const isThere = (name: string) => own.libraries.some((each) => each.kind === 'name' && each.name === name);
  const added: LibraryReference[] = [
    ...names.filter((name) => !isThere(name)).map((name) => ({ kind: 'name', name }) as const),
    ...[...runtimes].map((runtime) => ({ kind: 'runtime', runtime }) as const),
  ];
  return { ...spec, linking: { ...own, libraries: [...own.libraries, ...added] } };
}

/** Pure: whether the standard library of a source is libc++. */
export function takesLibcxx({ flags: words, language }: SourceFlags): boolean {
  const flags = readFlags(words).map(({ option }) => option);
  return language === 'c++' && flags.findLast((each) => each.startsWith('-stdlib=')) === '-stdlib=libc++';
}

/** Pure: the runtime libraries of which code that is compiled with these flags may call functions. */
export function runtimesFor(words: readonly string[], toolchain: Toolchain): Runtime[] {
  // Grouped, so that a folder's name is not taken for a flag.
  const flags = readFlags(words).map(({ option }) => option);
  return [openmpOf(flags, toolchain), sanitizerOf(flags, toolchain)].filter((runtime) => runtime !== null);
}

function openmpOf(flags: readonly string[], { kind, major }: Toolchain): Runtime | null {
  const flag = flags.findLast((each) => /^-f(?:no-)?openmp(?:=|$)/.test(each));
  if (flag === undefined || flag === '-fno-openmp') return null;
  const [, asked = kind === 'clang' ? 'libomp' : 'libgomp'] = flag.split('=');
  const isGnu = asked === 'libgomp';
  return {
    flag,
    // The one with the release's number is there without a development package.
    files: isGnu ? ['libgomp.so', 'libgomp.so.1'] : [`${asked}.so`, `${asked}.so.5`],
    names: OPENMP_NAMES,
    cure: isGnu
      ? 'install it (`apt-get install libgomp1`, `dnf install libgomp`)'
      : `install it (\`apt-get install libomp-${major}-dev\`, \`dnf install libomp-devel\`)`,
  };
}

function sanitizerOf(flags: readonly string[], { kind, major, target }: Toolchain): Runtime | null {
  const flag = flags.findLast((each) => each.startsWith('-fsanitize='));
  if (flag === undefined) return null;
  if (kind === 'gcc') {
    const cure = 'install it (`apt-get install libubsan1`, `dnf install libubsan`)';
    return { flag, files: ['libubsan.so', 'libubsan.so.1'], names: UBSAN_NAMES, cure };
  }
  const minimal = flags.findLast((each) => /^-f(?:no-)?sanitize-minimal-runtime$/.test(each));
  const name = minimal === '-fsanitize-minimal-runtime' ? 'ubsan_minimal' : 'ubsan_standalone';
  const [arch = ''] = target.split('-');
  return {
    flag,
    // Its resource folder is among a compiler's folders. Releases and distributions have one of two layouts.
    files: [
      join('lib', target, `libclang_rt.${name}.so`),
      join('lib', 'linux', `libclang_rt.${name}-${arch}.so`),
      `libclang_rt.${name}-${arch}.so`,
    ],
    names: UBSAN_NAMES,
    cure: `install it (\`apt-get install libclang-rt-${major}-dev\`, \`dnf install compiler-rt\`)`,
  };
}

/** The flag whose runtime library one of the names is of, and the name; null when there is none. */
export function runtimeNameIn(names: Iterable<string>): { readonly flag: string; readonly name: string } | null {
  for (const name of names) {
    if (OPENMP_NAMES.test(name)) return { flag: '-fopenmp', name };
    if (UBSAN_NAMES.test(name)) return { flag: '-fsanitize', name };
  }
  return null;
}

/** What a library is linked to beside itself: the options, their validation, and what libraries are to each other. */

import { resolve } from 'node:path';
import { checkNonEmpty, checkRecord, checkStrings, refuse } from './checks.ts';
import type { ImportPolicy } from './import-policy.ts';
import type { SymbolInfo } from './loader/loader.ts';
import type { Runtime } from './runtimes.ts';

/** Gives a library to others that are linked to it. A text, so that two copies of the package understand each other. */
export const HOLD = 'fromsource.hold';

/** A live library that others may be linked to. */
export interface Linkable {
  /** The label it was loaded under. */
  readonly name: string;
  /**
   * Keeps the current code until the hold is released.
   *
   * @throws DisposedError
   */
  [HOLD](importer: string): Hold;
}

/** One generation's use of another library. */
export interface Hold {
  /** The name of the library that holds. */
  readonly importer: string;
  /** That library, once there is one. */
  owner: { dispose(options?: { readonly importers?: boolean }): Promise<void> } | undefined;
  readonly symbols: ReadonlyMap<string, SymbolInfo>;
  /** Whether C++ exceptions may come out of its functions. */
  readonly mayThrow: boolean;
  /** Further calls do nothing. */
  release(): void;
}

/** The options of {@link LinkingOptions}, of which some inputs and other options take none. */
export const LINKING = ['libraries', 'libraryPaths', 'pkgConfig', 'imports', 'resolve'] as const;

/** What to link to beside the source itself. */
export interface LinkingOptions<Library = Linkable> {
  /**
   * What the library needs beside itself and the C and C++ runtime, in the order in which a name is looked for: a system
   * library by its name (`'z'`, as `-lz` finds it), a shared object or an archive by its path, which has a slash, or
   * another library that is loaded. Of an archive only the members that are needed are linked.
   */
  readonly libraries?: readonly (string | Library)[];
  /** Folders to look for libraries by name in, before those of the system. */
  readonly libraryPaths?: readonly string[];
  /** Packages whose compiler flags and libraries pkg-config knows, such as `['zlib']`. They go after those given here. */
  readonly pkgConfig?: readonly string[];
  /**
   * Which names from outside of the library, those of the runtime included, it may be linked to; in patterns `*` stands
   * for any text. What `deny` has is denied though `allow` has it; without `allow` all else is allowed. Compilers call
   * functions of their own accord, such as `memcpy`. It is an aid to keep a policy, and no sandbox: code that runs can
   * find any function without a name.
   */
  readonly imports?: { readonly allow?: readonly string[]; readonly deny?: readonly string[] };
  /**
   * `'auto'`: a name that nothing defines is looked for in the shared libraries of `libraryPaths`, of `$LD_LIBRARY_PATH`,
   * and of the system (`/etc/ld.so.cache`), and the fewest libraries that define all such names are opened, as if
   * `libraries` had them; `library.resolved` says which. Where that leaves a choice it is a LinkError that lists them.
   * Default `'off'`.
   */
  readonly resolve?: 'auto' | 'off';
}

/** One of the option `libraries`, or what a flag needs. */
export type LibraryReference =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'library'; readonly library: Linkable }
  | { readonly kind: 'runtime'; readonly runtime: Runtime };

/** The validated options. */
export interface Linking {
  readonly libraries: readonly LibraryReference[];
  readonly libraryPaths: readonly string[];
  readonly pkgConfig: readonly string[];
  readonly imports: ImportPolicy | null;
  /** Whether names that none of them defines are looked for in the libraries of the system. */
  readonly resolve: boolean;
}

/**
 * Null when nothing is asked for.
 *
 * @throws TypeError
 */
export function resolveLinking(spec: Readonly<Record<string, unknown>>): Linking | null {
  const { libraries, libraryPaths, pkgConfig, imports, resolve: resolving } = spec;
  if ([libraries, libraryPaths, pkgConfig, imports, resolving].every((value) => value === undefined)) return null;
  if (![undefined, 'auto', 'off'].includes(resolving as string)) refuse('resolve', "'auto' or 'off'", resolving);
  return {
    libraries: checkLibraries(libraries),
    libraryPaths: checkStrings('libraryPaths', libraryPaths, checkNonEmpty).map((path) => resolve(path)),
    pkgConfig: checkStrings('pkgConfig', pkgConfig, checkPackage),
    imports: imports === undefined ? null : checkImports(imports),
    resolve: resolving === 'auto',
  };
}

function checkPackage(option: string, value: unknown): string {
  const name = checkNonEmpty(option, value);
  return name.startsWith('-') ? refuse(option, "a package's name, such as 'zlib'", value) : name;
}

function checkImports(value: unknown): ImportPolicy {
  const { allow, deny, ...unknown } = checkRecord('imports', value);
  const [option] = Object.keys(unknown);
  if (option !== undefined) throw new TypeError(`Unknown option \`imports.${option}\`; it has \`allow\` and \`deny\``);
  return {
    allow: allow === undefined ? undefined : checkStrings('imports.allow', allow, checkNonEmpty),
    deny: checkStrings('imports.deny', deny, checkNonEmpty),
  };
}

function checkLibraries(value: unknown): LibraryReference[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) refuse('libraries', 'an array of names, paths and libraries', value);
  const seen = new Set<unknown>();
  return value.map((item: unknown, index) => {
    const reference = checkLibrary(`libraries[${index}]`, item);
    const what = reference.kind === 'name' ? reference.name : reference.kind === 'path' ? reference.path : item;
    if (seen.has(what)) throw new TypeError(`\`libraries\` has ${showReference(reference)} twice`);
    seen.add(what);
    return reference;
  });
}

function checkLibrary(option: string, value: unknown): LibraryReference {
  if (typeof value === 'object' && value !== null && HOLD in value) {
    return { kind: 'library', library: value as Linkable };
  }
  if (typeof value !== 'string') refuse(option, 'a name, a path with a slash, or a library that is loaded', value);
  checkNonEmpty(option, value);
  if (value.includes('/')) return { kind: 'path', path: resolve(value) };
  if (value.startsWith('-')) refuse(option, "a name without `-l`, such as 'z'", value);
  if (/\.(?:so|a|o)(?:\.|$)/.test(value)) refuse(option, "a name such as 'z', or a path, which has a slash", value);
  return { kind: 'name', name: value };
}

/** As messages and keys call it. */
export function showReference(reference: LibraryReference): string {
  if (reference.kind === 'library') return `the library ${reference.library.name}`;
  if (reference.kind === 'runtime') return `the runtime library of \`${reference.runtime.flag}\``;
  return reference.kind === 'name' ? `\`${reference.name}\`` : `\`${reference.path}\``;
}

const numbers = new WeakMap<Linkable, number>();
let last = 0;

/** What tells two libraries of one name apart. */
function numberOf(library: Linkable): number {
  let number = numbers.get(library);
  if (number === undefined) {
    last += 1;
    number = last;
    numbers.set(library, number);
  }
  return number;
}

/** The options as plain values, for a comparison of specs. */
export function plainLinking(linking: Linking | null): Readonly<Record<string, unknown>> {
  if (linking === null) return {};
  const libraries = linking.libraries.map((reference) => {
    if (reference.kind === 'library') return `${reference.library.name} (library ${numberOf(reference.library)})`;
    if (reference.kind === 'name') return reference.name;
    return reference.kind === 'path' ? reference.path : showReference(reference);
  });
  return { ...linking, libraries, resolve: linking.resolve ? 'auto' : 'off' };
}

/** Whether code that is compiled with the flag may call functions of a library that a compiler would link by itself. */
export const mayNeedRuntime = (flag: string): boolean => /^-f(openmp|sanitize)|^-stdlib=libc\+\+$/.test(flag);

/** What a caller may say about a library: types, defaults, and the one place where it is validated. */

import { resolve } from 'node:path';
import type { CacheSettings } from './cache/open.ts';
import { checkAmount, checkBoolean, checkNonEmpty, checkRecord, checkString, checkStrings, refuse } from './checks.ts';
import type { CompileInput, CompileLimits, CompileRequest, Language } from './compile/compiler.ts';
import { SourceLibraryError } from './errors.ts';
import type { FilesInput, SourceFiles } from './input-files.ts';
import {
  type ArchiveInput,
  INPUT_NAMES,
  irOf,
  type LibraryInput,
  type ObjectInput,
  OPTIONS_OF_INPUTS,
  resolveInput,
  type SharedLibraryInput,
  type SourceFile,
  type SourceIR,
  type SourceText,
} from './inputs.ts';
import { checkLazy } from './lazy-option.ts';
import { type Linking, type LinkingOptions, resolveLinking } from './linking.ts';
import type { LlvmModule } from './llvm-module.ts';
import { nearNames } from './near-names.ts';

/** Which loader makes the object live. `auto` takes `orc` where it can be used, else `shared-object`. */
export type LoaderChoice = 'auto' | 'orc' | 'shared-object';

/** Where a cache is, and what it may do there. */
export interface CacheOptions {
  /**
   * The folder. Default: `$FROMSOURCE_CACHE_DIR`, else `fromsource` in `$XDG_CACHE_HOME`, else in `$HOME/.cache`. It is
   * made with mode 0700; one that others can read or write, or that is another user's, is not used.
   */
  readonly dir?: string;
  /** Bytes that all of it may have; what was not used for longest goes first. Default 2,147,483,648 (2 GiB). */
  readonly maxBytes?: number;
  /** Take what is there and change nothing. Default false. */
  readonly readOnly?: boolean;
}

/** Everything about a library but where its source is. */
export interface SourceLibraryOptions extends LinkingOptions {
  /** A label, unique within a registry; shown in errors, debuggers and diagnostics. At most 4,096 characters. */
  readonly name: string;
  /** Compiler flags, each one argument. Default `['-O2']`; `-O2` also holds when no flag begins with `-O`. */
  readonly flags?: readonly string[];
  /** Folders searched by `#include`, in order; relative ones start at the working folder. */
  readonly includePaths?: readonly string[];
  /** Macros: `true` defines as 1, `false` undefines, a string or number is the macro's text. */
  readonly defines?: Readonly<Record<string, string | number | boolean>>;
  /** Default `'auto'`. */
  readonly loader?: LoaderChoice;
  /**
   * Path or name of a compiler; each compile is a process of it. Default: `$FROMSOURCE_COMPILER`, else the resident
   * compiler, else the newest clang on PATH, else gcc.
   */
  readonly compiler?: string;
  /** Milliseconds that a compile may take. Default 300,000. */
  readonly timeout?: number;
  /** Bytes that an object may have; with `files`, that of each. Default 268,435,456 (256 MiB). */
  readonly maxOutputBytes?: number;
  /** Bytes of address space that each compiler process may use. Default 8,589,934,592 (8 GiB). */
  readonly maxMemoryBytes?: number;
  /** Aborts the load: the compiler is ended, and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Pass every flag on as it is, also those that write files or load code into the compiler. Default false. */
  readonly unsafeFlags?: boolean;
  /**
   * Whether the object is taken from the cache, and kept there. Default true, and false where `$FROMSOURCE_CACHE` is
   * `off`.
   */
  readonly cache?: boolean | CacheOptions;
  /**
   * A compile_commands.json, or the folder that has it: flags, macros and folders of `file` and `files` are taken from
   * there, and those of this spec come after. A file without an entry is an error.
   */
  readonly compileCommands?: string;
  /**
   * Reload when a file that the library is made from, or that its source includes, changes. Default false. It does not
   * keep the program alive; what fails is an `error` event.
   */
  readonly watch?: boolean;
  /**
   * Compile nothing of a file until a symbol of it is first called; that call compiles, links, and goes on. What it
   * can't compile it throws, and the next call tries again. Default false. For `source`, `file` and `files`, in the orc
   * loader.
   */
  readonly lazy?: boolean;
  /**
   * Write a report to stderr when a fatal signal in the library ends the process: library, function, native stack, and
   * with `-g` file and line. Default false; it needs the native shim, and reads the library's symbols at each load.
   */
  readonly crashReport?: boolean;
  /**
   * Write where the functions are, and their code, for `perf inject --jit`: `jit-<pid>.dump` in a new folder in
   * `$JITDUMPDIR`, else in the system's folder for temporary files. It stays there. Default false.
   */
  readonly perf?: boolean;
}

/** What {@link loadSourceLibrary} takes: one input, and how to treat it. An option that doesn't go with it is refused. */
export type SourceLibrarySpec = SourceLibraryOptions &
  (SourceText | SourceFile | SourceFiles | SourceIR | ObjectInput | ArchiveInput | SharedLibraryInput);

/** A validated spec with every default filled in. */
export interface ResolvedSpec {
  readonly name: string;
  /** The working folder of the load, absolute: it may be another one by the time that something is compiled. */
  readonly folder: string;
  readonly input: LibraryInput;
  /** Of a source; `'c'` for other inputs, which have none, and for `files`, which have one each. */
  readonly language: Language;
  readonly flags: readonly string[];
  readonly includePaths: readonly string[];
  readonly defines: Readonly<Record<string, string | number | boolean>>;
  readonly loader: LoaderChoice;
  readonly compiler: string | undefined;
  readonly limits: CompileLimits;
  readonly signal: AbortSignal | undefined;
  readonly unsafeFlags: boolean;
  /** Null when the cache is not to be asked. */
  readonly cache: CacheSettings | null;
  readonly watch: boolean;
  readonly lazy: boolean;
  /** Absolute; null when flags come from the spec alone. */
  readonly compileCommands: string | null;
  readonly crashReport: boolean;
  readonly perf: boolean;
  /** Null where it is linked to nothing but itself and the runtime. */
  readonly linking: Linking | null;
  /** Why the library can't be reloaded, where its input is not what it was made from. */
  readonly fixed?: string;
}

const OPTION_NAMES: readonly string[] = [
  'name',
  ...INPUT_NAMES,
  ...OPTIONS_OF_INPUTS,
  'loader',
  'signal',
  'crashReport',
  'perf',
];

/** setTimeout fires at once for anything longer. */
const MAX_TIMEOUT = 2 ** 31 - 1;

function checkName(value: unknown): string {
  const expected = 'a non-empty string of at most 4,096 characters without control characters';
  if (typeof value !== 'string' || value === '' || value.length > 4096 || /[\0-\x1f\x7f]/.test(value)) {
    refuse('name', expected, value);
  }
  return value;
}

function checkDefines(value: unknown): ResolvedSpec['defines'] {
  const defines = checkRecord('defines', value);
  for (const [name, text] of Object.entries(defines)) {
    if (!/^[A-Za-z_]\w*(\([\w, .]*\))?$/.test(name)) refuse('defines', 'keyed by macro names', name);
    const isText = typeof text === 'string' && !/[\0\r\n]/.test(text);
    if (!isText && typeof text !== 'boolean' && !Number.isFinite(text)) {
      refuse(`defines.${name}`, 'a boolean, a finite number, or a string of one line', text);
    }
  }
  return defines as ResolvedSpec['defines'];
}

/** What `cache: true` means. */
export const DEFAULT_CACHE: CacheSettings = { dir: null, maxBytes: 2 ** 31, readOnly: false };

/**
 * The settings of the option `cache`, or null for none.
 *
 * @throws TypeError
 */
export function resolveCache(value: unknown): CacheSettings | null {
  if (value === false) return null;
  if (value === true) return DEFAULT_CACHE;
  if (value === undefined) return process.env.FROMSOURCE_CACHE === 'off' ? null : DEFAULT_CACHE;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuse('cache', 'a boolean, or an object with `dir`, `maxBytes` and `readOnly`', value);
  }
  const { dir, maxBytes, readOnly, ...unknown } = value as Readonly<Record<string, unknown>>;
  const [option] = Object.keys(unknown);
  if (option !== undefined)
    throw new TypeError(`Unknown option \`cache.${option}\`; it has \`dir\`, \`maxBytes\` and \`readOnly\``);
  return {
    dir: dir === undefined ? null : resolve(checkNonEmpty('cache.dir', dir)),
    maxBytes: checkAmount('cache.maxBytes', maxBytes, DEFAULT_CACHE.maxBytes, Number.MAX_SAFE_INTEGER),
    readOnly: checkBoolean('cache.readOnly', readOnly),
  };
}

/**
 * Validates a spec and fills in its defaults.
 *
 * @throws TypeError that names the option, what was expected, and what it got.
 */
export function resolveSpec(spec: SourceLibrarySpec): ResolvedSpec {
  if (typeof spec !== 'object' || spec === null) refuse('spec', 'an object', spec);
  for (const option of Object.keys(spec)) {
    if (OPTION_NAMES.includes(option)) continue;
    const [near] = nearNames(option, OPTION_NAMES);
    throw new TypeError(`Unknown option \`${option}\`${near ? `; did you mean \`${near}\`?` : ''}`);
  }
  const name = checkName(spec.name);
  const folder = workingFolder(name);
  const given = spec as unknown as Readonly<Record<string, unknown>>;
  const { input, language } = resolveInput(given, name);
  const loader = spec.loader ?? 'auto';
  if (!['auto', 'orc', 'shared-object'].includes(loader)) {
    refuse('loader', "'auto', 'orc' or 'shared-object'", loader);
  }
  if (spec.signal !== undefined && !(spec.signal instanceof AbortSignal)) {
    refuse('signal', 'an AbortSignal', spec.signal);
  }
  return {
    name,
    folder,
    input,
    language,
    flags: checkStrings('flags', spec.flags),
    includePaths: checkStrings('includePaths', spec.includePaths).map((path) => resolve(path)),
    defines: checkDefines(spec.defines),
    loader,
    compiler: spec.compiler === undefined ? undefined : checkNonEmpty('compiler', spec.compiler),
    limits: {
      timeout: checkAmount('timeout', spec.timeout, 300_000, MAX_TIMEOUT),
      maxOutputBytes: checkAmount('maxOutputBytes', spec.maxOutputBytes, 2 ** 28, 2 ** 32),
      maxMemoryBytes: checkAmount('maxMemoryBytes', spec.maxMemoryBytes, 2 ** 33, Number.MAX_SAFE_INTEGER),
    },
    signal: spec.signal,
    unsafeFlags: checkBoolean('unsafeFlags', spec.unsafeFlags),
    cache: resolveCache(spec.cache),
    watch: checkBoolean('watch', spec.watch),
    lazy: checkLazy(given),
    compileCommands:
      spec.compileCommands === undefined ? null : resolve(checkNonEmpty('compileCommands', spec.compileCommands)),
    crashReport: checkBoolean('crashReport', spec.crashReport),
    perf: checkBoolean('perf', spec.perf),
    linking: resolveLinking(given),
  };
}

function workingFolder(library: string): string {
  try {
    return process.cwd();
  } catch (cause) {
    const message = `${library}: the working folder is gone; change to another one by \`process.chdir\``;
    throw new SourceLibraryError('ERR_WORKING_FOLDER', library, message, { cause });
  }
}

/** What the compile stage is asked for. */
export function requestOf(spec: ResolvedSpec, input: CompileInput): CompileRequest {
  const { name, folder, language, flags, includePaths, defines, unsafeFlags, limits, signal } = spec;
  return { library: name, folder, input, language, flags, includePaths, defines, unsafeFlags, limits, signal };
}

/** What a reload may change. */
export interface SpecChanges {
  readonly source?: string;
  readonly ir?: string | Uint8Array | LlvmModule;
  readonly flags?: readonly string[];
}

/**
 * The spec with another source or IR, or with other flags.
 *
 * @throws TypeError for a wrong value, an unknown name, or a change that does not go with the input.
 */
export function withChanges(spec: ResolvedSpec, changes: SpecChanges): ResolvedSpec {
  checkRecord('changes', changes);
  for (const option of Object.keys(changes)) {
    if (option !== 'source' && option !== 'ir' && option !== 'flags') {
      throw new TypeError(`Unknown option \`${option}\`; a reload takes \`source\`, \`ir\` and \`flags\``);
    }
  }
  if (spec.fixed !== undefined) throw new TypeError(spec.fixed);
  const { input } = spec;
  if (input.kind === 'sharedLibrary') {
    throw new TypeError(
      'A `sharedLibrary` can not be reloaded: the dynamic linker gives an open library again; dispose it and load it anew',
    );
  }
  if (input.kind === 'object' || input.kind === 'archive') {
    const [option] = Object.entries(changes).find(([, value]) => value !== undefined) ?? [];
    if (option === undefined) return spec;
    throw new TypeError(`\`${option}\` does not go with \`${input.kind}\`, which a reload reads again`);
  }
  const flags = changes.flags === undefined ? spec.flags : checkStrings('flags', changes.flags);
  return { ...spec, flags, input: withChangedInput(spec.name, input, changes) };
}

function withChangedInput(
  name: string,
  input: CompileInput | FilesInput,
  { source, ir }: SpecChanges,
): CompileInput | FilesInput {
  if (source !== undefined) {
    if (input.kind === 'ir') throw new TypeError('`source` can not replace `ir`; give `ir`');
    if (input.kind === 'file') {
      throw new TypeError(`\`source\` can't replace the file ${input.path}; write the file and reload`);
    }
    if (input.kind === 'files') throw new TypeError("`source` can't replace `files`; write the files and reload");
  }
  if (ir !== undefined) {
    if (input.kind !== 'ir') throw new TypeError('`ir` can only replace `ir`');
    return { ...input, ...irOf(ir, name) };
  }
  return source === undefined || input.kind !== 'text' ? input : { ...input, text: checkString('source', source) };
}

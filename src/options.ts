/** What a caller may say about a library: types, defaults, and the one place where it is validated. */

import { extname, resolve } from 'node:path';
import type { CompileInput, CompileLimits, Language } from './compile/compiler.ts';
import { nearNames } from './near-names.ts';

/** Which loader makes the object live. `auto` takes `orc` where it can be used, else `shared-object`. */
export type LoaderChoice = 'auto' | 'orc' | 'shared-object';

/** Everything about a library but where its source is. */
export interface SourceLibraryOptions {
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
  /** Path or name of the compiler driver. Default: `$FROMSOURCE_COMPILER`, else the newest clang on PATH, else gcc. */
  readonly compiler?: string;
  /** Milliseconds that a compile may take. Default 300,000. */
  readonly timeout?: number;
  /** Bytes that an object may have. Default 268,435,456 (256 MiB). */
  readonly maxOutputBytes?: number;
  /** Bytes of address space that each compiler process may use. Default 8,589,934,592 (8 GiB). */
  readonly maxMemoryBytes?: number;
  /** Aborts the load: the compiler is ended, and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Pass every flag on as it is, also those that write files or load code into the compiler. Default false. */
  readonly unsafeFlags?: boolean;
  /** Reload when `file`, or a file that it includes, changes. Needs `file`, or a source that includes files. */
  readonly watch?: boolean;
}

/** A source that exists only in memory. */
export interface SourceText {
  readonly source: string;
  /** Default `'c'`. */
  readonly language?: Language;
  /** Header name → text: found by `#include` before any folder, never by another library. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly file?: never;
}

/** A source file. */
export interface SourceFile {
  /** Path, absolute or relative to the working folder. The language follows from its extension unless it is given. */
  readonly file: string;
  /** Default: by extension; `.c` is C, `.cc .cpp .cxx .c++ .C` are C++. */
  readonly language?: Language;
  readonly source?: never;
  readonly headers?: never;
}

/** What {@link loadSourceLibrary} takes: one source, in memory or in a file, and how to treat it. */
export type SourceLibrarySpec = SourceLibraryOptions & (SourceText | SourceFile);

/** A validated spec with every default filled in. */
export interface ResolvedSpec {
  readonly name: string;
  readonly input: CompileInput;
  readonly language: Language;
  readonly flags: readonly string[];
  readonly includePaths: readonly string[];
  readonly defines: Readonly<Record<string, string | number | boolean>>;
  readonly loader: LoaderChoice;
  readonly compiler: string | undefined;
  readonly limits: CompileLimits;
  readonly signal: AbortSignal | undefined;
  readonly unsafeFlags: boolean;
  readonly watch: boolean;
}

const LANGUAGE_BY_EXTENSION: Readonly<Record<string, Language>> = {
  '.c': 'c',
  '.cc': 'c++',
  '.cpp': 'c++',
  '.cxx': 'c++',
  '.c++': 'c++',
  '.C': 'c++',
};

const OPTION_NAMES = [
  'name',
  'source',
  'language',
  'headers',
  'file',
  'flags',
  'includePaths',
  'defines',
  'loader',
  'compiler',
  'timeout',
  'maxOutputBytes',
  'maxMemoryBytes',
  'signal',
  'unsafeFlags',
  'watch',
] as const;

/** Throws the TypeError that every wrong option gets: option, expectation, value and its type. */
function refuse(option: string, expected: string, value: unknown): never {
  const shown = typeof value === 'string' ? value.slice(0, 80) : String(value).slice(0, 80);
  const type = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  throw new TypeError(`Expected \`${option}\` to be ${expected}, got \`${shown}\` (${type})`);
}

function checkString(option: string, value: unknown, expected = 'a string without NUL'): string {
  if (typeof value !== 'string' || value.includes('\0')) refuse(option, expected, value);
  return value;
}

function checkNonEmpty(option: string, value: unknown): string {
  if (checkString(option, value, 'a non-empty string without NUL') === '') {
    refuse(option, 'a non-empty string without NUL', value);
  }
  return value as string;
}

function checkStrings(option: string, value: unknown): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) refuse(option, 'an array of strings', value);
  return value.map((item, index) => checkString(`${option}[${index}]`, item));
}

function checkBoolean(option: string, value: unknown): boolean {
  if (value !== undefined && typeof value !== 'boolean') refuse(option, 'a boolean', value);
  return value ?? false;
}

/** setTimeout fires at once for anything longer. */
const MAX_TIMEOUT = 2 ** 31 - 1;

function checkAmount(option: string, value: unknown, fallback: number, most: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > most) {
    refuse(option, `an integer from 1 to ${most}`, value);
  }
  return value;
}

function checkRecord(option: string, value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(option, 'a plain object', value);
  return value as Readonly<Record<string, unknown>>;
}

function checkName(value: unknown): string {
  const expected = 'a non-empty string of at most 4,096 characters without control characters';
  if (typeof value !== 'string' || value === '' || value.length > 4096 || /[\0-\x1f\x7f]/.test(value)) {
    refuse('name', expected, value);
  }
  return value;
}

/** One path inside our private folder, never a way out of it. */
function checkHeaders(value: unknown): Readonly<Record<string, string>> {
  const headers = checkRecord('headers', value);
  for (const [name, text] of Object.entries(headers)) {
    const parts = name.split('/');
    if (
      /[\0-\x1f\x7f\\"<>]/.test(name) ||
      name.length > 512 ||
      parts.some((part) => part === '' || /^\.\.?$/.test(part))
    ) {
      refuse('headers', 'keyed by relative paths such as `name.h` or `folder/name.h`', name);
    }
    checkString(`headers['${name}']`, text);
  }
  return headers as Readonly<Record<string, string>>;
}

function checkDefines(value: unknown): ResolvedSpec['defines'] {
  const defines = checkRecord('defines', value);
  for (const [name, text] of Object.entries(defines)) {
    if (!/^[A-Za-z_]\w*(\([\w, .]*\))?$/.test(name)) refuse('defines', 'keyed by macro names', name);
    if (typeof text === 'string' ? /[\0\r\n]/.test(text) : typeof text !== 'number' && typeof text !== 'boolean') {
      refuse(`defines.${name}`, 'a boolean, a number, or a string of one line', text);
    }
  }
  return defines as ResolvedSpec['defines'];
}

function checkLanguage(value: unknown): Language | undefined {
  if (value !== undefined && value !== 'c' && value !== 'c++') refuse('language', "'c' or 'c++'", value);
  return value;
}

function resolveInput(spec: SourceLibrarySpec): { input: CompileInput; language: Language } {
  const language = checkLanguage(spec.language);
  if (spec.source !== undefined && spec.file !== undefined) {
    throw new TypeError('Expected one of `source` and `file`, got both');
  }
  if (spec.file !== undefined) {
    const path = checkNonEmpty('file', spec.file);
    if (spec.headers !== undefined) throw new TypeError('`headers` goes with `source`; put a header beside the `file`');
    const byExtension = language ?? LANGUAGE_BY_EXTENSION[extname(path)];
    if (byExtension === undefined) {
      const known = Object.keys(LANGUAGE_BY_EXTENSION).join(' ');
      refuse('file', `a path with one of the extensions ${known}, or to come with a \`language\``, path);
    }
    return { input: { kind: 'file', path: resolve(path) }, language: byExtension };
  }
  if (spec.source === undefined) throw new TypeError('Expected one of `source` and `file`, got neither');
  const text = checkString('source', spec.source);
  const headers = checkHeaders(spec.headers);
  const extension = language === 'c++' ? 'cpp' : 'c';
  return {
    input: { kind: 'text', text, displayName: `${spec.name}.${extension}`, headers },
    language: language ?? 'c',
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
    if ((OPTION_NAMES as readonly string[]).includes(option)) continue;
    const [near] = nearNames(option, OPTION_NAMES);
    throw new TypeError(`Unknown option \`${option}\`${near ? `; did you mean \`${near}\`?` : ''}`);
  }
  const name = checkName(spec.name);
  const { input, language } = resolveInput(spec);
  const loader = spec.loader ?? 'auto';
  if (!['auto', 'orc', 'shared-object'].includes(loader)) {
    refuse('loader', "'auto', 'orc' or 'shared-object'", loader);
  }
  if (spec.signal !== undefined && !(spec.signal instanceof AbortSignal)) {
    refuse('signal', 'an AbortSignal', spec.signal);
  }
  return {
    name,
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
    watch: checkBoolean('watch', spec.watch),
  };
}

/**
 * The spec with another source or other flags.
 *
 * @throws TypeError for a wrong value, an unknown name, or a `source` for a library that lives in a file.
 */
export function withChanges(
  spec: ResolvedSpec,
  changes: { readonly source?: string; readonly flags?: readonly string[] },
): ResolvedSpec {
  checkRecord('changes', changes);
  for (const option of Object.keys(changes)) {
    if (option !== 'source' && option !== 'flags') {
      throw new TypeError(`Unknown option \`${option}\`; a reload takes \`source\` and \`flags\``);
    }
  }
  const flags = changes.flags === undefined ? spec.flags : checkStrings('flags', changes.flags);
  if (changes.source === undefined) return { ...spec, flags };
  if (spec.input.kind === 'file') {
    throw new TypeError(`\`source\` can't replace the file ${spec.input.path}; write the file and reload`);
  }
  return { ...spec, flags, input: { ...spec.input, text: checkString('source', changes.source) } };
}

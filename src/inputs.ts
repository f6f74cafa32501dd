/** What a library can be made from: the types of the inputs, and their validation. */

import { resolve } from 'node:path';
import { checkNonEmpty, checkRecord, checkString, checkStrings, listNames, refuse } from './checks.ts';
import type { CompileInput, Language } from './compile/compiler.ts';
import { type FilesInput, languageByExtension, refuseExtension, resolveFiles } from './input-files.ts';
import { LINKING } from './linking.ts';
import { isModule, type LlvmModule, writeModule } from './llvm-module.ts';

/** A source that exists only in memory. */
export interface SourceText {
  /** The text. Diagnostics call it by the library's name, such as `vec.c`. */
  readonly source: string;
  /** Default `'c'`. */
  readonly language?: Language;
  /** Header name → text: found by `#include` before any folder, never by another library. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly file?: never;
  readonly files?: never;
}

/** A source file. */
export interface SourceFile {
  /** Path, absolute or relative to the working folder. The language follows from its extension unless it is given. */
  readonly file: string;
  /** Default: by extension; `.c` is C, `.cc .cpp .cxx .c++ .C` are C++. */
  readonly language?: Language;
  readonly source?: never;
  readonly files?: never;
  readonly headers?: never;
}

/** LLVM IR, which is verified, optimised and lowered by clang; gcc can't. */
export interface SourceIR {
  /** Text; bitcode; or a module of the package llvm-bindings, which is read when it is given and may change then. */
  readonly ir: string | Uint8Array | LlvmModule;
  /**
   * A pass pipeline in place of that of the `-O` level, such as `'default<O2>,function(dce)'`, as `opt -passes=` takes
   * it. Needs the resident compiler.
   */
  readonly passes?: string;
  readonly source?: never;
  readonly file?: never;
}

/** Relocatable ELF objects that were compiled before, for this machine and with `-fPIC`. Nothing is compiled. */
export interface ObjectInput {
  /** Bytes or a path; or several of them, which may refer to each other. */
  readonly object: Uint8Array | string | readonly (Uint8Array | string)[];
  readonly source?: never;
  readonly file?: never;
}

/** A `.a` file. Nothing is compiled. */
export interface ArchiveInput {
  /** Path, absolute or relative to the working folder. */
  readonly archive: string;
  /**
   * The symbols that are wanted: only members that define them, and those which these need, are linked. By default every
   * member is, and all of them together must define all that they use.
   */
  readonly exports?: readonly string[];
  readonly source?: never;
  readonly file?: never;
}

/** A shared object, which the system's dynamic linker opens. Nothing is compiled or linked. */
export interface SharedLibraryInput {
  /** A path, which has a slash, or a name such as `libz.so.1` that the system searches for. */
  readonly sharedLibrary: string;
  readonly source?: never;
  readonly file?: never;
}

/** An input that is linked without a compile. */
export type ObjectsInput =
  | { readonly kind: 'object'; readonly object: readonly (Uint8Array | string)[] }
  /** `exports`: null for every member. */
  | { readonly kind: 'archive'; readonly archive: string; readonly exports: readonly string[] | null };

/** A validated input; its bytes are a copy of the caller's. */
export type LibraryInput =
  | CompileInput
  | FilesInput
  | ObjectsInput
  | { readonly kind: 'sharedLibrary'; readonly sharedLibrary: string };

/** Whether it is what one compile takes. */
export function isCompiled(input: LibraryInput): input is CompileInput {
  return input.kind === 'text' || input.kind === 'file' || input.kind === 'ir';
}

const COMPILING = [
  'flags',
  'includePaths',
  'defines',
  'compiler',
  'timeout',
  'maxOutputBytes',
  'maxMemoryBytes',
  'unsafeFlags',
  'cache',
] as const;

/** Which options go with which input, beside `name`, `loader` and `signal`, which go with all. */
const OPTIONS_BY_INPUT = {
  source: ['language', 'headers', ...COMPILING, ...LINKING, 'watch', 'lazy'],
  file: ['language', 'compileCommands', ...COMPILING, ...LINKING, 'watch', 'lazy'],
  files: ['language', 'compileCommands', ...COMPILING, ...LINKING, 'watch', 'lazy'],
  ir: ['passes', ...COMPILING.filter((option) => option !== 'includePaths' && option !== 'defines'), ...LINKING],
  object: ['compiler', ...LINKING, 'watch'],
  archive: ['exports', 'compiler', ...LINKING, 'watch'],
  // Its code is not relinked, and the dynamic linker gives an open library again for a path that it knows.
  sharedLibrary: [],
} as const satisfies Record<string, readonly string[]>;

export type InputName = keyof typeof OPTIONS_BY_INPUT;

export const INPUT_NAMES = Object.keys(OPTIONS_BY_INPUT) as readonly InputName[];

/** Every option that goes with some inputs only. */
export const OPTIONS_OF_INPUTS: readonly string[] = [...new Set(Object.values(OPTIONS_BY_INPUT).flat())];

type UncheckedSpec = Readonly<Record<string, unknown>>;

/** A validated input and, for a source, its language. */
export interface ResolvedInput {
  readonly input: LibraryInput;
  readonly language: Language;
}

/**
 * The one input of a spec.
 *
 * @throws TypeError when there is none or more than one, when it is wrong, or when an option does not go with it.
 */
export function resolveInput(spec: UncheckedSpec, name: string): ResolvedInput {
  const given = INPUT_NAMES.filter((each) => spec[each] !== undefined);
  const [kind] = given;
  if (kind === undefined || given.length > 1) {
    const got = kind === undefined ? 'none' : listNames(given, 'and');
    throw new TypeError(`Expected one of ${listNames(INPUT_NAMES, 'and')}, got ${got}`);
  }
  for (const option of OPTIONS_OF_INPUTS) {
    const goesWith = (input: InputName) => (OPTIONS_BY_INPUT[input] as readonly string[]).includes(option);
    // `false` is what the options that may be false are without it.
    if (spec[option] === undefined || spec[option] === false || goesWith(kind)) continue;
    const others = listNames(INPUT_NAMES.filter(goesWith), 'or');
    throw new TypeError(`\`${option}\` goes with ${others}, not with \`${kind}\``);
  }
  if (kind === 'source') return resolveSource(spec, name);
  if (kind === 'file') return resolveFile(spec);
  if (kind === 'files') return { input: resolveFiles(spec.files, checkLanguage(spec.language)), language: 'c' };
  return { input: RESOLVERS[kind](spec, name), language: 'c' };
}

function checkLanguage(value: unknown): Language | undefined {
  if (value !== undefined && value !== 'c' && value !== 'c++') refuse('language', "'c' or 'c++'", value);
  return value;
}

function resolveSource(spec: UncheckedSpec, name: string): ResolvedInput {
  const language = checkLanguage(spec.language) ?? 'c';
  const text = checkString('source', spec.source);
  const headers = checkHeaders(spec.headers);
  const displayName = `${name}.${language === 'c++' ? 'cpp' : 'c'}`;
  return { input: { kind: 'text', text, displayName, headers }, language };
}

function resolveFile(spec: UncheckedSpec): ResolvedInput {
  const path = checkNonEmpty('file', spec.file);
  const language = checkLanguage(spec.language) ?? languageByExtension(path) ?? refuseExtension('file', path);
  return { input: { kind: 'file', path: resolve(path) }, language };
}

/** The files that an input names, absolute; of several sources they are known when they are looked for. */
export function filesOf(input: LibraryInput): string[] {
  if (input.kind === 'file') return [input.path];
  if (input.kind === 'archive') return [input.archive];
  return input.kind === 'object' ? input.object.filter((each) => typeof each === 'string') : [];
}

/** What file systems take in one name and, with room for the folder before it, in a path. */
const MAX_SEGMENT = 255;
const MAX_HEADER_NAME = 512;

function isHeaderName(name: string): boolean {
  const segments = name.split('/');
  if (/[\0-\x1f\x7f\\"<>]/.test(name) || Buffer.byteLength(name) > MAX_HEADER_NAME) return false;
  return segments.every((segment) => !/^\.{0,2}$/.test(segment) && Buffer.byteLength(segment) <= MAX_SEGMENT);
}

/** Each name is one path inside a private folder, never a way out of it, and all can be in one folder together. */
function checkHeaders(value: unknown): Readonly<Record<string, string>> {
  const headers = checkRecord('headers', value);
  const names = Object.keys(headers);
  const folders = new Set(
    names.flatMap((name) => name.split('/').map((_, depth, segments) => segments.slice(0, depth).join('/'))),
  );
  for (const name of names) {
    if (!isHeaderName(name)) refuse('headers', 'keyed by relative paths such as `name.h` or `folder/name.h`', name);
    if (folders.has(name)) refuse('headers', 'free of names that are also folders of others', name);
    checkString(`headers['${name}']`, headers[name]);
  }
  return headers as Readonly<Record<string, string>>;
}

/** The caller may write into the array as soon as we wait for something. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function resolveIR(spec: UncheckedSpec, name: string): LibraryInput {
  const passes = spec.passes === undefined ? null : checkNonEmpty('passes', spec.passes);
  return { kind: 'ir', ...irOf(spec.ir, name), passes };
}

/** LLVM IR in a form that a compiler can be fed, and what it is called in messages. */
export function irOf(value: unknown, name: string): { ir: string | Uint8Array; displayName: string } {
  if (typeof value === 'string') return { ir: checkString('ir', value), displayName: `${name}.ll` };
  if (value instanceof Uint8Array) return { ir: copyOf(value), displayName: `${name}.bc` };
  if (isModule(value)) return { ir: writeModule(value), displayName: `${name}.bc` };
  return refuse('ir', 'a string, a Uint8Array or a module of llvm-bindings', value);
}

function resolveObject(spec: UncheckedSpec): LibraryInput {
  const several = Array.isArray(spec.object);
  const objects: unknown[] = several ? (spec.object as unknown[]) : [spec.object];
  if (objects.length === 0) refuse('object', 'one object or more', spec.object);
  const object = objects.map((each, index) => {
    const option = several ? `object[${index}]` : 'object';
    if (each instanceof Uint8Array) return copyOf(each);
    if (typeof each !== 'string') refuse(option, 'a Uint8Array or a path', each);
    return resolve(checkNonEmpty(option, each));
  });
  if (spec.watch === true && !object.some((each) => typeof each === 'string')) {
    throw new TypeError('`watch` needs an `object` that is a path; bytes do not change');
  }
  return { kind: 'object', object };
}

function resolveArchive(spec: UncheckedSpec): LibraryInput {
  const exports = spec.exports === undefined ? null : checkStrings('exports', spec.exports, checkNonEmpty);
  if (exports?.length === 0) refuse('exports', 'at least one symbol', spec.exports);
  return { kind: 'archive', archive: resolve(checkNonEmpty('archive', spec.archive)), exports };
}

function resolveSharedLibrary(spec: UncheckedSpec): LibraryInput {
  const name = checkNonEmpty('sharedLibrary', spec.sharedLibrary);
  if (spec.loader === 'orc') {
    throw new TypeError("`loader: 'orc'` does not go with `sharedLibrary`, which the system's dynamic linker opens");
  }
  return { kind: 'sharedLibrary', sharedLibrary: name.includes('/') ? resolve(name) : name };
}

const RESOLVERS = {
  ir: resolveIR,
  object: resolveObject,
  archive: resolveArchive,
  sharedLibrary: resolveSharedLibrary,
};

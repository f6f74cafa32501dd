/** Flags from a compile_commands.json: what it says of each file, as part of the spec. */

import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Language } from './compile/compiler.ts';
import { judgeFlags } from './compile/flags.ts';
import { type RecordedCompile, readRecorded, splitCommand } from './compile/recorded-command.ts';
import { CompileError, SourceLibraryError } from './errors.ts';
import type { ResolvedSpec } from './options.ts';

/** A file whose flags are wanted. */
interface AskedFile {
  /** Absolute. */
  readonly path: string;
  readonly language: Language;
  /** Whether the caller has said the language, so that no entry says another. */
  readonly isTold: boolean;
}

/** A database, and the specs of the files that it was asked for, in their order. */
export interface Applied {
  /** Absolute. */
  readonly database: string;
  readonly specs: readonly ResolvedSpec[];
}

/** One command of a database, checked to have what is used of it. */
export interface Entry {
  readonly directory: string;
  readonly file: string;
  readonly arguments?: readonly string[];
  readonly command?: string;
}

const NAME = 'compile_commands.json';
/** How many are shown of what is wrong. */
const SHOWN = 5;

/**
 * For each file the spec with the flags of its entry before the spec's own, so that these have the last word. Of several
 * entries for a file the first counts.
 *
 * @throws SourceLibraryError with code `ERR_COMPILE_COMMANDS` when the database can't be read or lacks a file;
 * CompileError for flags that are refused.
 */
export function applyCommands(spec: ResolvedSpec, files: readonly AskedFile[]): Applied {
  const { name: library, compileCommands, unsafeFlags } = spec;
  const database = databaseAt(compileCommands as string);
  const find = finderOf(library, database);
  const absent = files.filter((file) => find(file) === undefined).map(({ path }) => path);
  if (absent.length > 0) throw fault(library, `${database} has no entry for ${listed(absent, ', ')}`);
  const recorded = files.map((file) => ({ file, entry: readEntry(library, database, file.path, find(file) as Entry) }));
  const refused = unsafeFlags
    ? []
    : recorded.flatMap(({ file, entry }) =>
        judgeFlags(entry.flags).map(({ flag, reason }) => `  ${file.path}: ${flag}: ${reason}`),
      );
  if (refused.length > 0) throw refusal(library, database, refused);
  const specs = recorded.map(({ file, entry }) => ({
    ...spec,
    flags: [...entry.flags, ...spec.flags],
    language: file.isTold ? file.language : (entry.language ?? file.language),
  }));
  return { database, specs };
}

/** The file itself, or that in the folder. */
export function databaseAt(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? join(path, NAME) : path;
}

/**
 * The commands of a database, as they are there.
 *
 * @throws SourceLibraryError
 */
export function readEntries(library: string, database: string): Entry[] {
  const refuse = (reason: string, cause?: unknown) => fault(library, `${database} can't be read: ${reason}`, cause);
  let entries: unknown;
  try {
    entries = JSON.parse(readFileSync(database, 'utf8'));
  } catch (error) {
    throw refuse((error as Error).message, error);
  }
  if (!Array.isArray(entries)) throw refuse('it is no array');
  const wrong = entries.findIndex((entry) => !isEntry(entry));
  if (wrong !== -1) throw refuse(`entry ${wrong} needs \`directory\`, \`file\`, and \`arguments\` or \`command\``);
  return entries as Entry[];
}

function isEntry(value: unknown): value is Entry {
  const { directory, file, command, arguments: words } = (value ?? {}) as Partial<Record<string, unknown>>;
  const hasWords = Array.isArray(words) && words.length > 0 && words.every((word) => typeof word === 'string');
  return typeof directory === 'string' && typeof file === 'string' && (hasWords || typeof command === 'string');
}

/** Where an entry's relative paths start: a relative folder is found from the database's. */
export function folderOf(database: string, { directory }: Entry): string {
  return resolve(dirname(database), directory);
}

/** What finds the entry of a file: by its path, else by where links lead, which is asked of all when it must be. */
function finderOf(library: string, database: string): (file: AskedFile) => Entry | undefined {
  const entries = readEntries(library, database);
  const indexBy = (nameOf: (path: string) => string) => {
    const byPath = new Map<string, Entry>();
    for (const entry of entries) {
      const path = nameOf(resolve(folderOf(database, entry), entry.file));
      if (!byPath.has(path)) byPath.set(path, entry);
    }
    return byPath;
  };
  const byName = indexBy((path) => path);
  let byRealName: Map<string, Entry> | undefined;
  return ({ path }) => {
    const found = byName.get(path);
    if (found !== undefined) return found;
    byRealName ??= indexBy(realPath);
    return byRealName.get(realPath(path));
  };
}

function readEntry(library: string, database: string, path: string, entry: Entry): RecordedCompile {
  const folder = folderOf(database, entry);
  try {
    const words = entry.arguments ?? splitCommand(entry.command as string);
    const isFile = (each: string) => statSync(each, { throwIfNoEntry: false })?.isFile() ?? false;
    return readRecorded(words, folder, resolve(folder, entry.file), isFile);
  } catch (error) {
    throw fault(library, `${database}: the command for ${path} can't be read: ${(error as Error).message}`, error);
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function listed(lines: readonly string[], separator: string): string {
  const more = lines.length - SHOWN;
  return [...lines.slice(0, SHOWN), ...(more > 0 ? [`and ${more} more`] : [])].join(separator);
}

function fault(library: string, message: string, cause?: unknown): SourceLibraryError {
  return new SourceLibraryError('ERR_COMPILE_COMMANDS', library, `${library}: ${message}`, { cause });
}

function refusal(library: string, database: string, lines: readonly string[]): CompileError {
  const message =
    `${library}: ${database} has flags that are refused\n${listed(lines, '\n')}\n` +
    '`unsafeFlags: true` lets every flag pass.';
  const nothing = { diagnostics: [], command: [], exitCode: null, signal: null, stderr: '' };
  return new CompileError(library, message, nothing);
}

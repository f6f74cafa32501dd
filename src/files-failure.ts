/** What is wrong with several files → one error. */

import { setMaxListeners } from 'node:events';
import { CompileError, CompileLimitError } from './errors.ts';

/** Of how many files the message shows what is wrong, and how much of each. The rest is in `diagnostics`. */
const SHOWN = 5;
const MAX_SHOWN_LENGTH = 1500;

/** What comes of each file. All have ended when it rejects, with {@link failureOfFiles} or the signal's reason. */
export async function allOrFailure<File, Made>(
  { name, signal }: { readonly name: string; readonly signal: AbortSignal | undefined },
  files: readonly File[],
  make: (file: File) => Promise<Made>,
): Promise<Made[]> {
  // Every compile listens to it, which is no leak: each listener goes when its compile has ended.
  if (signal !== undefined) setMaxListeners(0, signal);
  const outcomes = await Promise.allSettled(files.map(make));
  signal?.throwIfAborted();
  const errors = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as Error] : []));
  if (errors.length > 0) throw failureOfFiles(name, errors, files.length);
  return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
}

/**
 * One error for all that failed; for a single file its own. A CompileError has the diagnostics of all files; `command`,
 * `exitCode` and `signal` are those of the first, and `cause` has every file's error.
 *
 * @param count - of all files, those that compiled too; at least one failed
 */
export function failureOfFiles(library: string, failed: readonly Error[], count: number): Error {
  const [first] = failed as readonly [Error];
  // One file, or what is no file's fault, such as a flag that is refused.
  if (failed.every(({ message }) => message === first.message)) return first;
  const compiles = failed.flatMap((error) => (error instanceof CompileError ? [error] : []));
  const [compile] = compiles;
  // A compiler that can't be started: that is no file's fault.
  if (compile === undefined && !(first instanceof CompileLimitError)) return first;
  const shown = failed.slice(0, SHOWN).map((error) => excerpt(library, error.message));
  const more = failed.length - shown.length;
  if (more > 0) shown.push(`and ${more} more`);
  const message = `${library}: ${failed.length} of ${count} files do not compile\n${shown.join('\n')}`;
  if (compile === undefined) {
    const { limit, value } = first as CompileLimitError;
    return new CompileLimitError(library, message, limit, value);
  }
  const { command, exitCode, signal } = compile;
  const diagnostics = compiles.flatMap((error) => error.diagnostics);
  const stderr = compiles.map((error) => error.stderr).join('');
  const cause = new AggregateError(failed, message);
  const failure = { diagnostics, command, exitCode, signal, stderr: stderr.slice(0, 64 * 1024) };
  return new CompileError(library, message, failure, { cause });
}

/** Whole lines, without the name that the message as a whole begins with. */
function excerpt(library: string, message: string): string {
  const text = message.startsWith(`${library}: `) ? message.slice(library.length + 2) : message;
  if (text.length <= MAX_SHOWN_LENGTH) return text;
  const end = text.lastIndexOf('\n', MAX_SHOWN_LENGTH);
  return `${text.slice(0, end > 0 ? end : MAX_SHOWN_LENGTH)}\n…`;
}

/** Pure: how a compiler ended → the error that says so. */

import { constants } from 'node:os';
import { CompileError, type CompileFailure, CompileLimitError, ToolchainError } from '../errors.ts';
import type { CompileLimits } from './compiler.ts';

/** What is known of a compile that gave no object. */
export interface FailedCompile extends CompileFailure {
  readonly library: string;
  /** The caller's name of the source. */
  readonly file: string;
  /** Diagnostics as text, with code frames. */
  readonly frames: string;
  /** What was wrong although the exit code is 0, else null. */
  readonly reason: string | null;
  readonly limits: CompileLimits;
}

const SIGNAL_TEXTS: readonly (readonly [string, NodeJS.Signals])[] = [
  ['Segmentation fault', 'SIGSEGV'],
  ['Aborted', 'SIGABRT'],
  ['Killed', 'SIGKILL'],
  ['Illegal instruction', 'SIGILL'],
  ['Bus error', 'SIGBUS'],
  ['File size limit exceeded', 'SIGXFSZ'],
  ['CPU time limit exceeded', 'SIGXCPU'],
];

/** Words of clang, gcc, libstdc++ and the dynamic loader when an allocation fails. */
const OUT_OF_MEMORY =
  /^out of memory$|std::bad_alloc|out of memory allocating|virtual memory exhausted|failed to map segment|cannot allocate memory/im;

/** A compiler has it only together with the runtime library. */
const NO_OPENMP_HEADER = /^(?:'omp\.h' file not found|omp\.h: No such file or directory)$/;
const OPENMP_CURE =
  'omp.h comes with the runtime library of OpenMP: install that of the compiler (`apt-get install libomp-22-dev` for ' +
  'clang 22, `dnf install libomp-devel`)';

/**
 * The signal that ended the compiler, also where the process that was started outlived it: clang's driver recovers from
 * its own crash and exits with 128 plus the signal, gcc's names the signal that ended cc1 or as.
 */
export function signalOf(
  exitCode: number | null,
  signal: NodeJS.Signals | null,
  stderr: string,
): NodeJS.Signals | null {
  if (signal !== null || exitCode === null || exitCode === 0) return signal;
  const named = /^[\w.+-]+: internal compiler error: (.+) signal terminated program/m.exec(stderr)?.[1];
  const fromText = SIGNAL_TEXTS.find(([text]) => text === named)?.[1];
  if (fromText !== undefined) return fromText;
  const number = exitCode > 128 ? exitCode - 128 : undefined;
  const entry = Object.entries(constants.signals).find(([, value]) => value === number);
  return (entry?.[0] as NodeJS.Signals | undefined) ?? null;
}

/** The error for a compile that gave no object. */
export function failureOf(failed: FailedCompile): CompileError | CompileLimitError | ToolchainError {
  const { library, file, signal, exitCode, stderr, limits, diagnostics } = failed;
  if (signal === 'SIGXFSZ') return limitError(library, file, 'maxOutputBytes', limits);
  const unlocated = diagnostics.filter((diagnostic) => diagnostic.line === 0).map((diagnostic) => diagnostic.message);
  if (exitCode !== 0 && OUT_OF_MEMORY.test([stderr, ...unlocated].join('\n'))) {
    return limitError(library, file, 'maxMemoryBytes', limits);
  }
  // What a shell says of a program that is gone, or that the system can't run.
  if ((exitCode === 126 || exitCode === 127) && diagnostics.length === 0) {
    const path = failed.command[0] ?? '';
    return new ToolchainError(library, `${library}: the compiler can't be started.${lastLines(stderr)}`, [path]);
  }
  return new CompileError(library, `${library}: ${headline(failed)}`, failed);
}

function headline({ file, signal, exitCode, reason, stderr, diagnostics, frames }: FailedCompile): string {
  const shown = frames === '' ? '' : `\n${frames}`;
  if (reason !== null) return `the compiler ended well for ${file}, but ${reason}${shown}`;
  if (signal === 'SIGKILL') return `the compiler was killed on ${file}; the system may be short of memory${shown}`;
  // A crashed compiler's last lines are addresses: they are left to `stderr`.
  if (signal !== null) {
    return (
      `the compiler crashed with ${signal} on ${file}. Source that is nested very deeply does this, and so does a ` +
      `fault of the compiler: simplify the source, or try another compiler or another -O level.${shown}`
    );
  }
  const errors = diagnostics.filter(({ severity }) => severity === 'error' || severity === 'fatal').length;
  const cure = diagnostics.some(({ message }) => NO_OPENMP_HEADER.test(message)) ? `\n${OPENMP_CURE}` : '';
  if (errors > 0) return `${errors} error${errors === 1 ? '' : 's'} in ${file}${shown}${cure}`;
  return `the compiler ended with exit code ${exitCode} for ${file}${lastLines(stderr)}`;
}

/** What each limit is called in a message, and how it is raised. */
export function limitError(
  library: string,
  file: string,
  limit: keyof CompileLimits,
  limits: CompileLimits,
): CompileLimitError {
  const value = limits[limit];
  const went = {
    timeout: `took longer than ${value} ms`,
    maxOutputBytes: `made more than ${value} bytes`,
    maxMemoryBytes: `needed more than ${value} bytes of memory`,
  }[limit];
  const message = `${library}: compiling ${file} ${went} and was ended; raise \`${limit}\` to allow it`;
  return new CompileLimitError(library, message, limit, value);
}

function lastLines(stderr: string): string {
  const lines = stderr.slice(-2000).trim().split('\n').slice(-5);
  return lines.join('') === '' ? '' : `\n${lines.join('\n')}`;
}

/** The error for a compiler that could not even be started. */
export function startFailure(library: string, path: string, cause: unknown): ToolchainError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const why = code === 'E2BIG' ? 'flags, include paths and defines are longer than a command may be' : message;
  return new ToolchainError(library, `${library}: the compiler ${path} can't be started: ${why}`, [path], { cause });
}

/** The error for a temporary folder that can't be written to. */
export function folderFailure(library: string, cause: unknown): CompileError {
  const nothing = { diagnostics: [], command: [], exitCode: null, signal: null, stderr: '' };
  return new CompileError(library, `${library}: ${(cause as Error).message}`, nothing, { cause });
}

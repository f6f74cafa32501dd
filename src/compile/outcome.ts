/** What a compiler did, in whichever process it ran → diagnostics in the caller's names, and the error they amount to. */

import { checkRelocatable } from '../elf.ts';
import type { CompileLimit } from '../errors.ts';
import type { ToolchainKind } from '../toolchain/discover.ts';
import { formatDiagnostics } from './code-frame.ts';
import type { CompileRequest } from './compiler.ts';
import { type CompilerDiagnostic, nameDiagnostics, parseDiagnostics } from './diagnostics.ts';
import { failureOf, limitError, signalOf } from './failure.ts';
import { needsLineDirective } from './source-text.ts';
import { type CompilePlaces, readSources } from './sources.ts';

const MAX_KEPT_STDERR = 64 * 1024;

/** How a compile ended. */
export interface Outcome {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What the compiler printed, diagnostics included. */
  readonly stderr: string;
  /** The limit for which it was ended, or null when it ended by itself. */
  readonly overLimit: CompileLimit | null;
}

/** An outcome that was read. */
export interface ReadOutcome {
  readonly diagnostics: readonly CompilerDiagnostic[];
  /** The error for it; `reason` says what is wrong although the compiler ended well, or is null. */
  failure(reason: string | null): Error;
}

/** Why the bytes are not what the request asked for, or null when they are. */
export function checkOutput({ output = 'object' }: CompileRequest, bytes: Uint8Array): string | null {
  if (output === 'object') return checkRelocatable(bytes);
  if (output === 'bitcode') return bytes[0] === 0x42 && bytes[1] === 0x43 ? null : 'it is not bitcode';
  return bytes.length > 0 ? null : 'it is empty';
}

/** The caller's name for the source. */
export function fileOf({ input }: CompileRequest): string {
  return input.kind === 'file' ? input.path : input.displayName;
}

/** Reads diagnostics, and the lines that they point into. Throws CompileLimitError when a limit ended the compile. */
export async function readOutcome(
  kind: ToolchainKind,
  request: CompileRequest,
  command: readonly string[],
  places: CompilePlaces,
  outcome: Outcome,
): Promise<ReadOutcome> {
  const { library, limits, input } = request;
  const file = fileOf(request);
  if (outcome.overLimit !== null) throw limitError(library, file, outcome.overLimit, limits);
  const named = needsLineDirective(kind, request) ? file : null;
  const { diagnostics: raw, rest } = parseDiagnostics(kind, outcome.stderr, named);
  const sources = await readSources(raw, input, places);
  const diagnostics = nameDiagnostics(raw, sources);
  return {
    diagnostics,
    failure(reason) {
      const { exitCode } = outcome;
      const signal = signalOf(exitCode, outcome.signal, outcome.stderr);
      const stderr = rest.slice(0, MAX_KEPT_STDERR);
      const errors = diagnostics.filter(({ severity }) => severity === 'error' || severity === 'fatal');
      const lines = new Map([...sources.values()].map((source) => [source.name, source.lines]));
      const frames = formatDiagnostics(errors, lines);
      return failureOf({ library, file, frames, limits, reason, diagnostics, command, exitCode, signal, stderr });
    },
  };
}

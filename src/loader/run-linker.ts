/** One run of the system's linker, through a compiler driver. */

import { LinkError } from '../errors.ts';
import { type ProcessOutcome, runProcess } from '../run-process.ts';

/** What exceeds these has gone wrong, or will: 100 MB objects take 2 s. Milliseconds, and bytes. */
const LINK_LIMITS = { timeout: 120_000, maxOutputBytes: 2 ** 32, maxMemoryBytes: 2 ** 34 };

/** Whom a link is for, and by what. */
export interface LinkerRequest {
  /** The library's name, for errors only. */
  readonly library: string;
  /** The compiler driver. */
  readonly compilerPath: string;
  readonly priority?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs the linker in a private folder.
 *
 * @param explain - the error for what the linker complains of, or null for one that repeats the complaint
 * @throws LinkError, or the signal's reason.
 */
export async function runLinker(
  { library, compilerPath, priority = 0, signal }: LinkerRequest,
  folder: string,
  args: readonly string[],
  explain: (complaint: string) => LinkError | null,
): Promise<void> {
  const outcome = await runProcess({
    command: [compilerPath, ...args],
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', TMPDIR: folder, LC_ALL: 'C' },
    input: null,
    descriptors: [],
    limits: LINK_LIMITS,
    priority,
    signal,
  }).catch((error: Error) => {
    throw signal?.aborted
      ? error
      : new LinkError(library, `${library}: the linker can't be started: ${error.message}`, [], { cause: error });
  });
  if (outcome.exitCode === 0) return;
  const complaint = outcome.stderr.replaceAll(`${folder}/`, '').trim();
  throw (
    explain(complaint) ?? new LinkError(library, `${library}: the linker failed: ${howItEnded(complaint, outcome)}`, [])
  );
}

function howItEnded(complaint: string, { exitCode, signal, overLimit }: ProcessOutcome): string {
  if (complaint !== '') return complaint.slice(0, 2000);
  return overLimit === 'timeout'
    ? `it took longer than ${LINK_LIMITS.timeout} ms`
    : (signal ?? `exit code ${exitCode}`);
}

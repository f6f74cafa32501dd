/** What a compile of LLVM IR needs of the compiler. Pure. */

import { CompileError, ToolchainError } from '../errors.ts';
import { SETUP_COMMAND } from '../setup-command.ts';
import type { Toolchain } from '../toolchain/discover.ts';
import type { CompileRequest } from './compiler.ts';
import { isForeign, tripleOf } from './ir-triple.ts';
import { fileOf } from './outcome.ts';

export function hasPasses({ input }: CompileRequest): boolean {
  return input.kind === 'ir' && input.passes !== null;
}

/** The error for passes that nobody can run. */
export function passesError(library: string, reason: string): ToolchainError {
  const message = `${library}: only the resident compiler runs \`passes\`, and ${reason}`;
  return new ToolchainError(library, message, []);
}

/**
 * Whether a compiler that is started once can do it: the resident one looks for itself.
 *
 * Throws ToolchainError when IR goes in or comes out and the compiler is gcc, or when there are passes to run;
 * CompileError for IR of another machine, which clang would compile with a warning.
 */
export function checkIR(toolchain: Toolchain, request: CompileRequest): void {
  const { input, library, output = 'object', unsafeFlags } = request;
  if (input.kind !== 'ir' && output === 'object') return;
  if (toolchain.kind === 'gcc') {
    const message = `${library}: LLVM IR needs clang, and the compiler is gcc (${toolchain.path}); install clang, or name one with \`compiler\``;
    throw new ToolchainError(library, message, [toolchain.path]);
  }
  if (input.kind !== 'ir') return;
  if (hasPasses(request)) {
    throw passesError(
      library,
      unsafeFlags
        ? 'it takes no `unsafeFlags`'
        : `it is not built, or not for this compiler: run \`${SETUP_COMMAND}\`, and leave \`compiler\` out`,
    );
  }
  const triple = tripleOf(input.ir);
  if (triple === null || !isForeign(triple, toolchain.target)) return;
  const message = `the module is for ${triple}, not for ${toolchain.target}`;
  const nowhere = { file: '', line: 0, column: 0, endLine: 0, endColumn: 0 };
  throw new CompileError(library, `${library}: 1 error in ${fileOf(request)}\nerror: ${message}`, {
    diagnostics: [{ severity: 'error', message, ...nowhere, notes: [] }],
    command: [],
    exitCode: null,
    signal: null,
    stderr: '',
  });
}

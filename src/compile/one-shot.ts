/** Compiles once: one compiler process, source in by stdin, object bytes out, nothing left behind. */

import { createPrivateFolder } from '../private-folder.ts';
import { runProcess } from '../run-process.ts';
import type { Toolchain } from '../toolchain/discover.ts';
import { compilerArguments } from './command.ts';
import type { CompileRequest, CompileResult } from './compiler.ts';
import { parseDependencyRule, splitRuleAndObject } from './dependencies.ts';
import { compilerEnvironment } from './environment.ts';
import { folderFailure, limitError, startFailure } from './failure.ts';
import { checkFlags } from './flags.ts';
import { checkIR } from './ir.ts';
import { checkOutput, fileOf, readOutcome } from './outcome.ts';
import { createSeekableOutputs } from './seekable-outputs.ts';
import { needsLineDirective, withLineDirective } from './source-text.ts';
import { type CompilePlaces, isShadowed, nameOf } from './sources.ts';

/**
 * One compile in one process.
 *
 * Text is fed by stdin and never written to a file; its in-memory headers live in a private folder for as long as the
 * compiler runs. clang writes the object to stdout, gcc to a file without a name, as its assembler must seek.
 *
 * @throws CompileError when a flag is refused, the source is wrong, the compiler crashes, or the temporary folder can't
 * be written to;
 * CompileLimitError when a limit is exceeded; the signal's reason when that aborts;
 * TypeError for flags that no compiler could take.
 */
export async function compileOneShot(toolchain: Toolchain, request: CompileRequest): Promise<CompileResult> {
  request.signal?.throwIfAborted();
  checkFlags(request);
  checkIR(toolchain, request);
  const { input, library, limits } = request;
  const cwd = request.folder;
  const hasHeaders = input.kind === 'text' && Object.keys(input.headers).length > 0;
  const fail = (error: unknown) => {
    throw folderFailure(library, error);
  };
  await using headers = hasHeaders ? await createPrivateFolder(input.headers).catch(fail) : null;
  await using outputs = toolchain.kind === 'gcc' ? await createSeekableOutputs().catch(fail) : null;

  // The folder of the including file is searched before any other, and for stdin that is the working folder. Where
  // a file there would hide an in-memory header, the compiler runs in the folder of the headers instead.
  const isHidden = hasHeaders && isShadowed(input.headers, cwd);
  const places: CompilePlaces = {
    callerFolder: cwd,
    headerFolder: headers?.path ?? null,
    runFolder: isHidden && headers !== null ? headers.path : cwd,
  };
  const command = [toolchain.path, ...compilerArguments(toolchain, request, places, outputs?.names ?? STDOUT)];
  const outcome = await runProcess({
    command,
    cwd: places.runFolder,
    env: compilerEnvironment(),
    input: stdinFor(toolchain, request),
    descriptors: outputs?.descriptors ?? [],
    limits,
    signal: request.signal,
  }).catch((error: unknown) => {
    throw request.signal?.aborted ? error : startFailure(library, toolchain.path, error);
  });

  const { diagnostics, failure } = await readOutcome(toolchain.kind, request, command, places, outcome);
  if (outcome.exitCode !== 0) throw failure(null);

  const { rule, object } =
    outputs === null ? splitRuleAndObject(outcome.stdout) : await outputs.read(limits.maxOutputBytes);
  if (object.length > limits.maxOutputBytes) throw limitError(library, fileOf(request), 'maxOutputBytes', limits);
  const wrong = checkOutput(request, object);
  if (wrong !== null) throw failure(`what it made can't be used: ${wrong}`);
  const dependencies = parseDependencyRule(rule).map((name) => nameOf(name, places));
  return {
    object,
    diagnostics,
    dependencies: dependencies.filter(({ isInMemory }) => !isInMemory).map(({ path }) => path),
    record: null,
  };
}

const STDOUT = { object: '-', rule: '-' };

function stdinFor({ kind }: Toolchain, request: CompileRequest): string | Uint8Array | null {
  const { input } = request;
  if (input.kind === 'file') return null;
  if (input.kind === 'ir') return input.ir;
  return needsLineDirective(kind, request) ? withLineDirective(input) : input.text;
}

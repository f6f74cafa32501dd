/** Compiles once: one compiler process, source in by stdin, object bytes out, nothing left behind. */

import { checkRelocatable } from '../elf.ts';
import type { Toolchain } from '../toolchain/discover.ts';
import { formatDiagnostics } from './code-frame.ts';
import { compilerArguments } from './command.ts';
import type { CompileRequest, CompileResult } from './compiler.ts';
import { parseDependencyRule, splitRuleAndObject } from './dependencies.ts';
import { nameDiagnostics, parseDiagnostics } from './diagnostics.ts';
import { compilerEnvironment } from './environment.ts';
import { failureOf, limitError, signalOf, startFailure } from './failure.ts';
import { checkFlags } from './flags.ts';
import { createHeaderFolder, isShadowed } from './header-folder.ts';
import { runProcess } from './run-process.ts';
import { createSeekableOutputs } from './seekable-outputs.ts';
import { type CompilePlaces, nameOf, readSources } from './sources.ts';

const MAX_KEPT_STDERR = 64 * 1024;

/**
 * One compile in one process.
 *
 * Text is fed by stdin and never written to a file; its in-memory headers live in a private folder for as long as the
 * compiler runs. clang writes the object to stdout, gcc to a file without a name, as its assembler must seek.
 *
 * @throws CompileError when a flag is refused, the source is wrong, or the compiler crashes;
 * CompileLimitError when a limit is exceeded; the signal's reason when that aborts;
 * TypeError for flags, defines and header names that no compiler could take.
 */
export async function compileOneShot(toolchain: Toolchain, request: CompileRequest): Promise<CompileResult> {
  request.signal?.throwIfAborted();
  checkFlags(request);
  const { input, library, limits } = request;
  const cwd = process.cwd();
  const hasHeaders = input.kind === 'text' && Object.keys(input.headers).length > 0;
  await using headers = hasHeaders ? await createHeaderFolder(input.headers) : null;
  await using outputs = toolchain.kind === 'gcc' ? await createSeekableOutputs() : null;

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
    input: input.kind === 'text' ? textFor(toolchain, input) : null,
    descriptors: outputs?.descriptors ?? [],
    limits,
    signal: request.signal,
  }).catch((error: unknown) => {
    throw request.signal?.aborted ? error : startFailure(library, toolchain.path, error);
  });

  const file = input.kind === 'text' ? input.displayName : input.path;
  if (outcome.overLimit !== null) throw limitError(library, file, outcome.overLimit, limits);
  const { diagnostics: raw, rest } = parseDiagnostics(toolchain.kind, outcome.stderr);
  const sources = await readSources(raw, input, places);
  const diagnostics = nameDiagnostics(raw, sources);
  const fail = (reason: string | null) => {
    const signal = signalOf(outcome.exitCode, outcome.signal, outcome.stderr);
    const stderr = rest.slice(0, MAX_KEPT_STDERR);
    const errors = diagnostics.filter(({ severity }) => severity === 'error' || severity === 'fatal');
    const lines = new Map([...sources.values()].map((source) => [source.name, source.lines]));
    const frames = formatDiagnostics(errors, lines);
    const { exitCode } = outcome;
    return failureOf({ library, file, frames, limits, reason, diagnostics, command, exitCode, signal, stderr });
  };
  if (outcome.exitCode !== 0) throw fail(null);

  const { rule, object } =
    outputs === null ? splitRuleAndObject(outcome.stdout) : await outputs.read(limits.maxOutputBytes);
  if (object.length > limits.maxOutputBytes) throw limitError(library, file, 'maxOutputBytes', limits);
  const wrong = checkRelocatable(object);
  if (wrong !== null) throw fail(`what it made can't be used: ${wrong}`);
  const dependencies = parseDependencyRule(rule).map((name) => nameOf(name, places));
  return {
    object,
    diagnostics,
    dependencies: dependencies.filter(({ isInMemory }) => !isInMemory).map(({ path }) => path),
  };
}

const STDOUT = { object: '-', rule: '-' };

/**
 * gcc shows `<stdin>` wherever no line directive says otherwise. Its columns and lines stay right, because the
 * directive has a line of its own; a byte order mark would no longer be at the start.
 */
function textFor(toolchain: Toolchain, input: { readonly text: string; readonly displayName: string }): string {
  if (toolchain.kind === 'clang') return input.text;
  const escaped = input.displayName.replace(/[\\"]/g, '\\$&').replace(/[\x00-\x1f\x7f]/g, octal);
  return `#line 1 "${escaped}"\n${input.text.replace(/^\ufeff/, '')}`;
}

function octal(char: string): string {
  return `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`;
}

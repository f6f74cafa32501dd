/** Compiles in a driver that stays alive and holds clang in memory. */

import { createHash } from 'node:crypto';
import { SETUP_COMMAND } from '../setup-command.ts';
import type { Toolchain } from '../toolchain/discover.ts';
import { compilerArguments } from './command.ts';
import type { CompileRequest, CompileResult } from './compiler.ts';
import { DriverPool, DriverTimeout } from './driver-pool.ts';
import { DriverCrash, DriverFailure } from './driver-process.ts';
import { limitError } from './failure.ts';
import { checkFlags } from './flags.ts';
import { hasPasses, passesError } from './ir.ts';
import { checkOutput, fileOf, type Outcome, readOutcome } from './outcome.ts';
import type { Packet, ResultMessage } from './protocol.ts';
import { needsLineDirective, withLineDirective } from './source-text.ts';
import { type CompilePlaces, isShadowed } from './sources.ts';

/** Where in-memory headers are, for a driver: a folder that no file system has. */
const HEADER_FOLDER = '/fromsource-headers';
const STDOUT = { object: '-', rule: '-' };

const pools = new Map<string, DriverPool>();
/** Drivers that can't be started; each was warned of once. */
const unusable = new Set<string>();

function poolOf(driver: string, llvm: string): DriverPool {
  let pool = pools.get(driver);
  if (pool === undefined) {
    pool = new DriverPool(driver, llvm);
    pools.set(driver, pool);
  }
  return pool;
}

/** Starts a driver, so that it is ready by the time that the first request has been put together. */
export function startAhead(toolchain: Toolchain): void {
  const { resident } = toolchain;
  if (resident !== null && !unusable.has(resident)) poolOf(resident, toolchain.version).startAhead();
}

/** Ends every driver; the next compile starts one anew. */
export function endResidents(): void {
  for (const pool of pools.values()) pool.close();
}

/**
 * One compile in a resident driver; null when the one-shot compiler must do it: the command needs what would change
 * the driver for later requests, or the driver is of no use, which is warned of once.
 *
 * Throws as {@link compileOneShot} does.
 */
export async function compileResident(toolchain: Toolchain, request: CompileRequest): Promise<CompileResult | null> {
  const driver = toolchain.resident;
  if (driver === null || unusable.has(driver) || request.unsafeFlags) return null;
  request.signal?.throwIfAborted();
  checkFlags(request);
  const { input } = request;
  const cwd = request.folder;
  const headers = input.kind === 'text' ? Object.entries(input.headers) : [];
  // The one-shot compiler has a folder to run in that turns this order round.
  if (input.kind === 'text' && isShadowed(input.headers, cwd)) return null;

  const headerFolder = headers.length > 0 ? HEADER_FOLDER : null;
  const places: CompilePlaces = { callerFolder: cwd, headerFolder, runFolder: cwd };
  // The driver is told apart from the command what to make.
  const { output = 'object', ...rest } = request;
  const command = [toolchain.path, ...compilerArguments(toolchain, rest, places, STDOUT)];
  // Of a kept prefix the directive would not hold for what follows.
  const isNamed = needsLineDirective('clang', request);
  const text = input.kind === 'text' && isNamed ? withLineDirective(input) : null;
  const stdin = input.kind === 'text' ? [text ?? input.text] : input.kind === 'ir' ? [input.ir] : [];
  const contents = [...headers.map(([, text]) => text), ...stdin];
  const answer = await ask(driver, toolchain.version, request, {
    message: {
      command,
      folder: cwd,
      stdin: stdin.length > 0 ? headers.length : null,
      files: headers.map(([name], attachment) => ({ path: `${HEADER_FOLDER}/${name}`, attachment })),
      outputs: [output],
      passes: input.kind === 'ir' ? input.passes : null,
      preamble: input.kind !== 'ir' && !isNamed,
      maxMemoryBytes: request.limits.maxMemoryBytes,
    },
    attachments: contents.map((content) => (typeof content === 'string' ? Buffer.from(content) : content)),
    prefix: input.kind === 'text' && !isNamed ? prefixOf(request, input.text) : null,
    limits: request.limits,
    signal: request.signal,
  });
  return answer === null ? null : await conclude(request, command, places, answer);
}

/** The driver's answer, the signal that clang crashed with, or null when the driver is of no use. */
async function ask(
  driver: string,
  llvm: string,
  request: CompileRequest,
  sent: Parameters<DriverPool['run']>[0],
): Promise<Packet<ResultMessage> | NodeJS.Signals | null> {
  try {
    return await poolOf(driver, llvm).run(sent);
  } catch (error) {
    if (error instanceof DriverCrash) {
      if (!sent.message.preamble) return error.signal;
      // A fault of clang's that only a kept prefix brings out must not fail what a plain compile can do.
      return await ask(driver, llvm, request, { ...sent, message: { ...sent.message, preamble: false } });
    }
    if (error instanceof DriverTimeout) throw limitError(request.library, fileOf(request), 'timeout', request.limits);
    if (!(error instanceof DriverFailure)) throw error;
    // Two that were killed, by whoever is short of memory, say nothing of the next one.
    if (error.isStart && !unusable.has(driver)) {
      unusable.add(driver);
      process.emitWarning(
        `fromsource: the resident compiler ${driver} can't be used: ${error.message}. Each compile starts a process ` +
          `now, which takes 20 ms and more; \`${SETUP_COMMAND}\` builds it anew`,
        { code: 'FROMSOURCE_NO_RESIDENT_COMPILER' },
      );
    }
    return null;
  }
}

async function conclude(
  request: CompileRequest,
  command: readonly string[],
  places: CompilePlaces,
  answer: Packet<ResultMessage> | NodeJS.Signals,
): Promise<CompileResult | null> {
  if (typeof answer === 'string') {
    const crashed: Outcome = { exitCode: null, signal: answer, stderr: '', overLimit: null };
    throw (await readOutcome('clang', request, command, places, crashed)).failure(null);
  }
  const { message, attachments } = answer;
  if (message.status === 'unsupported') {
    if (hasPasses(request)) throw passesError(request.library, message.reason);
    return null;
  }
  const { limits, library } = request;
  if (message.status === 'memory') throw limitError(library, fileOf(request), 'maxMemoryBytes', limits);
  const exitCode = message.status === 'ok' ? 0 : 1;
  const stderr = Buffer.from(attachments[message.stderr] ?? []).toString('utf8');
  const outcome: Outcome = { exitCode, signal: null, stderr, overLimit: null };
  const { diagnostics, failure } = await readOutcome('clang', request, command, places, outcome);
  if (exitCode !== 0) throw failure(null);

  const object = attachments[message.outputs[request.output ?? 'object'] ?? -1] ?? new Uint8Array();
  if (object.byteLength > limits.maxOutputBytes) throw limitError(library, fileOf(request), 'maxOutputBytes', limits);
  const wrong = checkOutput(request, object);
  if (wrong !== null) throw failure(`what it made can't be used: ${wrong}`);
  const { read, absent, listed, volatile } = message;
  return {
    object,
    diagnostics,
    dependencies: read.map(({ path }) => path),
    record: { read, absent, listed, volatile },
  };
}

/**
 * What a driver keeps parsed ends with the last `#include` at the top. It is the same for every library that begins with
 * the same text and has the same options.
 */
function prefixOf({ folder, language, flags, includePaths, defines }: CompileRequest, text: string): string | null {
  const last = text.lastIndexOf('#include', 64 * 1024);
  if (last < 0) return null;
  const options = JSON.stringify([language, flags, includePaths, defines, folder]);
  return createHash('sha1').update(options).update('\0').update(text.slice(0, last)).digest('base64');
}

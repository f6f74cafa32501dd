/** Runs one compiler or linker to its end within bounds, and leaves nothing of it behind, not even when Node is killed. */

import { type ChildProcess, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { GUARD_NAME, trackChild } from './children.ts';
import type { CompileLimits } from './compile/compiler.ts';
import type { CompileLimit } from './errors.ts';

/** What to run, what to feed it, and its bounds. */
export interface ProcessRequest {
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Fed to stdin; null for an empty stdin. */
  readonly input: string | Uint8Array | null;
  /** Descriptors that the compiler gets as {@link FIRST_DESCRIPTOR} and those after it. */
  readonly descriptors: readonly number[];
  readonly limits: CompileLimits;
  readonly signal: AbortSignal | undefined;
  /** As `os.setPriority` takes it. Default 0. */
  readonly priority?: number;
}

/** How a compiler ended and what it wrote. */
export interface ProcessOutcome {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** The limit for which it was ended, or null when it ended by itself. */
  readonly overLimit: CompileLimit | null;
}

/** A million errors are 100 MB of text; nobody reads beyond the first thousands. */
const MAX_STDERR = 1024 * 1024;

/** Beside the object, stdout carries the list of the files read. */
const STDOUT_ALLOWANCE = 1024 * 1024;

/** How long a dead compiler's descendants may hold its pipes open, in ms. */
const PIPE_GRACE = 200;

/** How long to wait for a killed process that does not go away, which one in a broken network mount can do, in ms. */
const KILL_GRACE = 1500;

const MAX_TIMER = 2 ** 31 - 1;

/** The descriptor that closes when Node ends, and the first that the compiler gets. */
const LIFELINE = 3;
export const FIRST_DESCRIPTOR = 4;

/**
 * Sets limits that the kernel holds for every process of the compile, then runs the compiler beside a guard.
 *
 * No core file; the memory limit; a processor-time limit; and a bound on each file written. `ulimit` counts files in
 * 512-byte blocks, memory in KiB, time in seconds.
 *
 * The guard waits for the end of the lifeline, which comes when Node ends in whatever way, and then kills the group:
 * gcc's cc1 and as too, of which `setpriv --pdeathsig` knows nothing, as the kernel forgets that at a fork. It takes
 * 0.4 ms; starting setpriv took 0.7. The shell stays, because a guard without a parent would be a zombie for ever where
 * process 1 reaps none. Its own words, such as "Segmentation fault", go nowhere; the signal that ended the compiler ends
 * it too, save those that would only stop it. It has a name of its own, so that its zombie is known.
 */
const GUARDING_SHELL = `
{ printf %s ${GUARD_NAME} >/proc/$$/comm; } 2>/dev/null
{ ulimit -c 0; ulimit -v "$1"; ulimit -t "$2"; ulimit -f "$3"; } 2>/dev/null; shift 3
exec 9>&2 2>&-
{ read -r _; kill -KILL 0; } <&${LIFELINE} >&- 9>&- &
guard=$!
( exec "$@" ) 2>&9 9>&- ${LIFELINE}<&-
code=$?
kill -KILL $guard; wait $guard
case $code in 129 | 13? | 14[0-3] | 15[2-5] | 159) kill -$((code - 128)) $$ ;; esac
exit $code`;

function guardedCommand(request: ProcessRequest): string[] {
  const { timeout, maxOutputBytes, maxMemoryBytes } = request.limits;
  const whole = (value: number) => (Number.isSafeInteger(Math.ceil(value)) ? String(Math.ceil(value)) : 'unlimited');
  const limits = [whole(maxMemoryBytes / 1024), whole(timeout / 500 + 1), whole(maxOutputBytes / 512 + 1)];
  return ['/bin/sh', '-c', GUARDING_SHELL, 'sh', ...limits, ...request.command];
}

/**
 * Resolves when the compiler and its process group are gone: by themselves, or killed over a limit.
 *
 * Rejects with the signal's reason when that aborts, and with the system's error when nothing could be started.
 */
export function runProcess(request: ProcessRequest): Promise<ProcessOutcome> {
  return new Promise((resolve, reject) => {
    request.signal?.throwIfAborted();
    const [program, ...args] = guardedCommand(request) as [string, ...string[]];
    const child = spawn(program, args, {
      cwd: request.cwd,
      env: request.env,
      stdio: [request.input === null ? 'ignore' : 'pipe', 'pipe', 'pipe', 'pipe', ...request.descriptors],
      // A process group of its own, so that gcc's cc1 and as end with it.
      detached: true,
    });
    trackChild(child);
    if (request.priority && child.pid !== undefined) {
      try {
        setPriority(child.pid, request.priority);
      } catch {
        // It has ended.
      }
    }

    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let stdoutBytes = 0;
    let stderrBytes = 0;
    let overLimit: CompileLimit | null = null;
    const timers: NodeJS.Timeout[] = [];
    const later = (delay: number, action: () => void) => timers.push(setTimeout(action, Math.min(delay, MAX_TIMER)));

    const settle = (action: () => void) => {
      for (const timer of timers) clearTimeout(timer);
      request.signal?.removeEventListener('abort', onAbort);
      action();
    };
    const finish = (exitCode: number | null, signal: NodeJS.Signals | null) =>
      settle(() => {
        if (request.signal?.aborted) reject(request.signal.reason);
        else {
          const texts = { stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString('utf8') };
          resolve({ exitCode, signal, ...texts, overLimit });
        }
      });
    const end = () => {
      killGroup(child);
      later(KILL_GRACE, () => {
        abandon(child);
        finish(null, 'SIGKILL');
      });
    };
    const endOver = (limit: CompileLimit) => {
      overLimit ??= limit;
      end();
    };
    const onAbort = () => end();

    child.stdout?.on('data', (chunk: Buffer) => {
      stdoutBytes += chunk.length;
      if (stdoutBytes > request.limits.maxOutputBytes + STDOUT_ALLOWANCE) {
        stdout.length = 0;
        endOver('maxOutputBytes');
      } else if (overLimit === null) stdout.push(chunk);
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      if (stderrBytes < MAX_STDERR) stderr.push(chunk.subarray(0, MAX_STDERR - stderrBytes));
      stderrBytes += chunk.length;
    });
    // A compiler that dies before it has read everything closes the pipe: its exit says more than EPIPE does.
    child.stdin?.on('error', () => {});
    child.stdin?.end(request.input);
    lifelineOf(child)?.on('error', () => {});

    child.once('error', (error) => {
      if (child.pid === undefined) settle(() => reject(error));
    });
    child.once('exit', () => {
      killGroup(child);
      later(PIPE_GRACE, () => abandon(child));
    });
    child.once('close', finish);
    if (Number.isFinite(request.limits.timeout)) later(request.limits.timeout, () => endOver('timeout'));
    request.signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Kills every process of the compile that is still in its group. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // ESRCH: all are gone.
  }
}

/** Lets go of the pipes, which a descendant outside the group may hold open for ever. */
function abandon(child: ChildProcess): void {
  child.stdin?.destroy();
  child.stdout?.destroy();
  child.stderr?.destroy();
  lifelineOf(child)?.destroy();
  child.unref();
}

function lifelineOf(child: ChildProcess): Readable | Writable | null | undefined {
  return child.stdio[LIFELINE];
}

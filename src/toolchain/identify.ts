/** Asks a program which compiler it is. */

import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import type { Toolchain } from './discover.ts';

/** A driver answers in 1 to 30 ms; one that has not in 10 s hangs. */
const ANSWER_TIMEOUT = 10_000;
const MAX_ANSWER = 64 * 1024;

/**
 * Starts the program with `--version` and reads kind, version and target from what it prints, never from its name:
 * a `cc` may be either. clang's answer to `--version` has all three and takes half as long as its `-v` (15 against
 * 29 ms); gcc's lacks the target, which costs a second start of 1 ms.
 *
 * Rejects with an Error whose message completes "it can't be used: …".
 */
export async function identify(path: string): Promise<Toolchain> {
  const text = await ask(path, '--version');
  const clang = /\bclang version (\d+)((?:\.\d+)*)/.exec(text);
  if (clang !== null) {
    const target = /^Target: (\S+)/m.exec(text)?.[1];
    if (target === undefined) throw new Error('it answers as clang, but names no target');
    return { kind: 'clang', path, version: `${clang[1]}${clang[2]}`, major: Number(clang[1]), target, resident: null };
  }
  // `gcc (Debian 12.2.0-14) 12.2.0`: the parentheses hold the packager's words, which may look like a version.
  const gcc = /^\S+ \(.*\) (\d+)((?:\.\d+)+)/.exec(text);
  if (gcc !== null && text.includes('Free Software Foundation')) {
    const target = (await ask(path, '-dumpmachine')).trim();
    if (!/^[\w.]+(-[\w.]+)+$/.test(target)) throw new Error('it answers as gcc, but names no target');
    return { kind: 'gcc', path, version: `${gcc[1]}${gcc[2]}`, major: Number(gcc[1]), target, resident: null };
  }
  throw new Error(`it is neither clang nor gcc: ${path} --version printed ${JSON.stringify(text.slice(0, 120))}`);
}

/** What the program prints on stdout when it is started with one argument; bounded in time and size. */
function ask(path: string, argument: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, [argument], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      cwd: '/',
      env: { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: tmpdir(), LC_ALL: 'C', CCACHE_DISABLE: '1' },
    });
    let answer = '';
    let complaint = '';
    let failure: Error | undefined;

    // The whole group, because the program may be a script with children; streams too, because a child that left the
    // group would hold them open.
    const end = (error?: Error) => {
      failure ??= error;
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // Already gone.
      }
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const timer = setTimeout(() => end(new Error(`it did not answer ${argument} within 10 s`)), ANSWER_TIMEOUT);
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      answer += chunk;
      if (answer.length > MAX_ANSWER) end(new Error(`it answers ${argument} with more than 64 KiB`));
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      complaint = (complaint + chunk).slice(0, 400);
    });
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('exit', () => setTimeout(end, 200).unref());
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      end();
      if (failure !== undefined) reject(failure);
      else if (code !== 0) {
        const how = signal === null ? `exit code ${code}` : signal;
        reject(new Error(`${argument} failed with ${how}${complaint === '' ? '' : `: ${complaint.trim()}`}`));
      } else resolve(answer);
    });
  });
}

/**
 * Takes what is left of the compilers and linkers of workers that were terminated.
 *
 * Such a process ends with its worker, and is a zombie from then on: the event loop that would hear of it is gone, and no
 * JavaScript of the worker runs any more. The kernel would keep it until this process ends.
 */

import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers';
import { koffi } from './koffi.ts';

const WNOHANG = 1;

/** A driver ends some milliseconds after its worker, on a busy machine or with much memory later. */
const LOOKS_MS = [100, 1000, 10_000];

/** What the shell that guards a compiler or linker calls itself. */
export const GUARD_NAME = 'fromsource-run';

/** As the kernel calls what this package starts: it keeps 15 bytes of a name. */
const NAMES = ['fromsource-clan', GUARD_NAME];

/** The children of this thread, of which its own event loop hears. */
const ours = new Set<number>();

/** It is this thread's, as long as it lives. */
export function trackChild(child: {
  readonly pid?: number | undefined;
  once(event: 'exit', hear: () => void): unknown;
}) {
  const { pid } = child;
  if (pid === undefined) return;
  ours.add(pid);
  child.once('exit', () => ours.delete(pid));
}

const due = new Set<number>();

/** To be called when a worker has ended. */
export function reapSoon(): void {
  for (const delay of LOOKS_MS) {
    // Where workers come and go, a look is for all that have ended since.
    if (due.has(delay)) continue;
    due.add(delay);
    const look = (): void => {
      due.delete(delay);
      reapOrphans();
    };
    setTimeout(look, delay).unref();
  }
}

/**
 * When a thread ends the kernel makes its children those of the main thread. So those of them that the main thread does
 * not know are orphans; any other thread could not tell them from children that the main thread will hear of.
 */
function reapOrphans(): void {
  if (!process.getBuiltinModule('node:worker_threads').isMainThread) return;
  try {
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1').match(/\d+/g) ?? [];
    for (const pid of children.map(Number)) {
      if (!ours.has(pid) && isOurZombie(pid)) waitpid()(pid, null, WNOHANG);
    }
  } catch {
    // No /proc, or one that does not list children.
  }
}

function isOurZombie(pid: number): boolean {
  // `12 (name) Z …`, where the name may have brackets.
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const end = stat.lastIndexOf(')');
  return stat[end + 2] === 'Z' && NAMES.includes(stat.slice(stat.indexOf('(') + 1, end));
}

let declared: ((pid: number, status: null, options: number) => number) | undefined;

function waitpid(): NonNullable<typeof declared> {
  declared ??= koffi.load(null).func('waitpid', 'int', ['int', 'void *', 'int']) as NonNullable<typeof declared>;
  return declared;
}

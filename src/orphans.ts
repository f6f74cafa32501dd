/**
 * Takes what is left of the compilers and linkers of workers that were terminated.
 *
 * Such a process ends with its worker, and is a zombie from then on: the event loop that would hear of it is gone, and no
 * JavaScript of the worker runs any more. The kernel would keep it until this process ends.
 */

import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers';
import { GUARD_NAME, ownChildren } from './children.ts';
import { koffi } from './koffi.ts';

const WNOHANG = 1;

/** A driver ends some milliseconds after its worker, on a busy machine or with much memory later. */
const LOOKS_MS = [100, 1000, 10_000];

/** As the kernel calls what this package starts: it keeps 15 bytes of a name. */
const NAMES = ['fromsource-clan', GUARD_NAME];

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
      if (!ownChildren.has(pid) && isOurZombie(pid)) waitpid()(pid, null, WNOHANG);
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

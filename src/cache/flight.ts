/**
 * Lets one of many that want the same entry make it, in this process and among all that share the cache.
 *
 * Nothing depends on it but work that is spared: whoever can't have the lock, or waits in vain, compiles.
 */

import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, statSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isAlive, pidNamespace } from '../process-identity.ts';
import { lockName, TEMPORARY_FOLDER, temporaryName } from './names.ts';
import { atExitWhenNamed } from './naming.ts';
import type { Store } from './store.ts';

/** A holder says that it lives this often; it is taken for dead when it has been silent for so long. Milliseconds. */
const BEAT_MS = 400;
const SILENCE_MS = 1600;

/** Between two looks at somebody else's lock: short for a compile of 3 ms, long for one of 10 s. */
const FIRST_LOOK_MS = 2;
const LONGEST_LOOK_MS = 50;

/** Between putting a lock in the place of a dead holder's and the look whether it is still there. */
const REPLACED_MS = 10;

/** The right, or at least the freedom, to compile. */
export interface Flight {
  /** Somebody else has ended meanwhile: the entry may be there now. Who has waited holds nothing. */
  readonly hasWaited: boolean;
  /** Lets the others go on. */
  end(): void;
}

/** What this process makes now: lock path → when it is done. */
const ours = new Map<string, Promise<void>>();

/**
 * Waits while somebody makes the entry. A holder that was killed delays by no more than 2 s, in this PID namespace by
 * nothing. Throws the signal's reason.
 */
export async function enterFlight(store: Store, key: string, signal: AbortSignal | undefined): Promise<Flight> {
  if (!store.isWritable) return { hasWaited: false, end() {} };
  const path = store.path(lockName(key));
  const leader = ours.get(path);
  if (leader !== undefined) {
    await untilAborted(leader, signal);
    return { hasWaited: true, end() {} };
  }
  let land = (): void => {};
  ours.set(path, new Promise((resolve) => (land = resolve)));
  let release = (): void => {};
  const end = (): void => {
    release();
    ours.delete(path);
    land();
  };
  try {
    const taken = await takeLock(path, signal);
    // Those who wait in this process go on as well, each to its own look at the cache.
    if (taken === 'given back') {
      end();
      return { hasWaited: true, end() {} };
    }
    release = taken;
    return { hasWaited: false, end };
  } catch (error) {
    end();
    throw error;
  }
}

function untilAborted(done: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return done;
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    void done.then(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    });
  });
}

/** What gives the lock back, where it could be made; or that somebody else has given it back. */
async function takeLock(path: string, signal: AbortSignal | undefined): Promise<'given back' | (() => void)> {
  const content = `${pidNamespace()} ${process.pid} ${randomUUID()}`;
  try {
    writeFileSync(path, content, { flag: 'wx', mode: 0o600 });
    return keepLock(path, content);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return () => {};
  }
  let pause = FIRST_LOOK_MS;
  let [seen, seenAt] = ['', 0];
  for (;;) {
    const look = lookAt(path);
    // The entry is there, or can't be made or kept, and then all of those who wait go on at once.
    if (look === null) return 'given back';
    if (look.content === content) return keepLock(path, content);
    if (look.state !== seen) [seen, seenAt] = [look.state, performance.now()];
    if (look.isDead || performance.now() - seenAt > SILENCE_MS) {
      // A folder that can't be written to.
      if (!replaceLock(path, look.content, content)) return () => {};
      pause = REPLACED_MS;
    }
    try {
      await wait(pause, undefined, { signal });
    } catch (error) {
      removeIf(path, content);
      throw signal?.reason ?? error;
    }
    pause = Math.min(pause * 1.5, LONGEST_LOOK_MS);
  }
}

/** Locks that this process holds, with their content. */
const held = new Map<string, string>();
let isExitHeard = false;

/** Beats until it is released. */
function keepLock(path: string, content: string): () => void {
  held.set(path, content);
  if (!isExitHeard) {
    isExitHeard = true;
    // A lock that is gone means that the entry is there.
    atExitWhenNamed(() => {
      for (const [each, whose] of held) removeIf(each, whose);
    });
  }
  const beat = setInterval(() => {
    try {
      utimesSync(path, new Date(), new Date());
    } catch {
      // Broken by somebody who took us for dead, or removed with the cache.
    }
  }, BEAT_MS);
  beat.unref();
  return () => {
    clearInterval(beat);
    held.delete(path);
    removeIf(path, content);
  };
}

/** Somebody's lock: `state` changes with every beat. Null when it is gone. */
function lookAt(path: string): { readonly content: string; readonly state: string; readonly isDead: boolean } | null {
  try {
    const content = readFileSync(path, 'utf8');
    const [namespace, pid] = content.split(' ');
    // Another thread of this process lives, of course.
    const isDead = namespace === pidNamespace() && /^\d+$/.test(pid ?? '') && !isAlive(Number(pid));
    return { content, state: `${content} ${statSync(path).mtimeMs}`, isDead };
  } catch {
    return null;
  }
}

function removeIf(path: string, content: string): void {
  try {
    if (readFileSync(path, 'utf8') === content) unlinkSync(path);
  } catch {
    // It is gone.
  }
}

/**
 * Puts our lock in the place of a dead holder's, without a moment in which there is none: that would mean that the
 * entry is there. Of several that do so the last has it, and each finds that out by another look. Who finds that it
 * replaced a living one's, which came in between, has cost a second compile, and no more.
 *
 * @returns false when it can't be done
 */
function replaceLock(path: string, theirs: string, content: string): boolean {
  const ours = join(dirname(path), TEMPORARY_FOLDER, temporaryName());
  try {
    writeFileSync(ours, content, { flag: 'wx', mode: 0o600 });
    if (lookAt(path)?.content === theirs) renameSync(ours, path);
    else unlinkSync(ours);
    return true;
  } catch {
    removeIf(ours, content);
    return false;
  }
}

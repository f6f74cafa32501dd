/**
 * Lets `process.exit` end a process in which native code is at work on another thread.
 *
 * Node waits for each of its worker threads, without an end when the code waits for a callback: JavaScript does not run
 * any more. So when the process exits and asynchronous calls are in flight, a timer of the C library, which needs no
 * JavaScript, ends it a little later by `_exit`, with the code that it was to have.
 */

import { koffi } from '../koffi.ts';

/** What is about to return may do so, and the libraries' finalisers run then as ever. */
const GRACE_MS = 1000;

const CLOCK_MONOTONIC = 1;
const SIGEV_THREAD = 2;

let inFlight = 0;

/** An asynchronous call was started. */
export function callBegins(): void {
  inFlight += 1;
  if (inFlight > 1) return;
  // After handlers that may change the code.
  process.off('exit', onExit);
  process.on('exit', onExit);
}

/** It has returned, and its callbacks have. */
export function callEnds(): void {
  inFlight -= 1;
}

function onExit(code: number): void {
  if (inFlight === 0) return;
  try {
    const { isMainThread } = process.getBuiltinModule('node:worker_threads');
    // In a worker it is the worker that ends.
    if (isMainThread) endAfter(GRACE_MS, Number(process.exitCode ?? code));
  } catch {
    // Without the timer Node waits, as it does for the native code of any other addon.
  }
}

/** The timer's thread calls `_exit(code)`. */
function endAfter(milliseconds: number, code: number): void {
  const exit: bigint = koffi.load(null).func('dlsym', 'void *', ['void *', 'const char *'])(null, '_exit');
  const library = libraryOfTimers();
  const create = library.func('timer_create', 'int', ['int', 'void *', 'void *']);
  const start = library.func('timer_settime', 'int', ['void *', 'int', 'void *', 'void *']);
  // `struct sigevent`: the function's argument, a signal that is not used, how to notify, the function, its attributes.
  const event = Buffer.alloc(64);
  event.writeInt32LE(code, 0);
  event.writeInt32LE(SIGEV_THREAD, 12);
  event.writeBigUInt64LE(exit, 16);
  const timer = new BigUint64Array(1);
  if (create(CLOCK_MONOTONIC, event, timer) !== 0) return;
  // `struct itimerspec`: no interval, then seconds and nanoseconds.
  const at = BigInt64Array.of(
    0n,
    0n,
    BigInt(Math.floor(milliseconds / 1000)),
    BigInt(milliseconds % 1000) * 1_000_000n,
  );
  start(timer[0], 0, at, null);
}

/** They are in libc itself since glibc 2.34, and always in musl's. */
function libraryOfTimers(): ReturnType<typeof koffi.load> {
  const program = koffi.load(null);
  try {
    program.func('timer_create', 'int', ['int', 'void *', 'void *']);
    return program;
  } catch {
    return koffi.load('librt.so.1');
  }
}

/** The one queue that every compile goes through. */

import { availableParallelism } from 'node:os';
import PQueue from 'p-queue';
import type { Toolchain } from '../toolchain/discover.ts';
import type { CompileRequest, CompileResult } from './compiler.ts';
import { compileOneShot } from './one-shot.ts';
import { compileResident } from './resident.ts';

const compiles = new PQueue({ concurrency: availableParallelism() });

/**
 * Compiles as soon as a processor is free for it, in the resident driver where there is one; `timeout` counts from there.
 *
 * Rejects as {@link compileOneShot} does. A request whose signal aborts while it waits leaves the queue at once; one
 * that is being compiled rejects when its processes and files are gone.
 */
export async function compile(toolchain: Toolchain, request: CompileRequest): Promise<CompileResult> {
  const { signal } = request;
  signal?.throwIfAborted();
  // A signal of the queue's own, because p-queue gives a running task up as soon as its signal aborts.
  const waiting = new AbortController();
  const leave = () => waiting.abort(signal?.reason);
  const start = async () => {
    signal?.removeEventListener('abort', leave);
    return (await compileResident(toolchain, request)) ?? (await compileOneShot(toolchain, request));
  };
  signal?.addEventListener('abort', leave, { once: true });
  try {
    return await compiles.add(start, { signal: waiting.signal });
  } finally {
    signal?.removeEventListener('abort', leave);
  }
}

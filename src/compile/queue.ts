/** The one queue that every compile goes through. */

import { availableParallelism } from 'node:os';
import PQueue from 'p-queue';
import type { Toolchain } from '../toolchain/discover.ts';
import type { CompileRequest, CompileResult } from './compiler.ts';
import { compileOneShot } from './one-shot.ts';

const compiles = new PQueue({ concurrency: availableParallelism() });

/**
 * Compiles as soon as a processor is free for it; `timeout` counts from there.
 *
 * Rejects as {@link compileOneShot} does. A request whose signal aborts while it waits leaves the queue at once.
 */
export function compile(toolchain: Toolchain, request: CompileRequest): Promise<CompileResult> {
  const { signal } = request;
  return compiles.add(() => compileOneShot(toolchain, request), signal === undefined ? {} : { signal });
}

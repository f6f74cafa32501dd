/** The one queue that every compile goes through. */

import type { Toolchain } from '../toolchain/discover.ts';
import { Turns } from '../turns.ts';
import type { CompileRequest, CompileResult } from './compiler.ts';
import { compileOneShot } from './one-shot.ts';
import { compileResident } from './resident.ts';

/** Here too, so that one import brings all that a compile takes. */
export { startAhead } from './resident.ts';

const compiles = new Turns();

/**
 * Compiles as soon as a processor is free for it, in the resident driver where there is one; `timeout` counts from there.
 *
 * Rejects as {@link compileOneShot} does. A request whose signal aborts while it waits leaves the queue at once; one
 * that is being compiled rejects when its processes and files are gone.
 */
export function compile(toolchain: Toolchain, request: CompileRequest): Promise<CompileResult> {
  return compiles.take(
    request.signal,
    async () => (await compileResident(toolchain, request)) ?? (await compileOneShot(toolchain, request)),
  );
}

/** Composes the guards of a library: calls of its functions, and the shim that they go through. */

import { CallGuards } from './bindings/guard.ts';
import { guardShimIfAny } from './loader/guard-shim.ts';

/** The guarded functions of one generation of a library. Null without the shim: an exception ends the process then. */
export function guardCalls(library: string): CallGuards | null {
  const shim = guardShimIfAny();
  return shim === null ? null : new CallGuards(library, shim);
}

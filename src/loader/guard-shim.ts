/** The part of the shim that ends exceptions. */

import { openShim, POINTER, type Pointer, type ShimLibrary } from './shim.ts';

/** Functions of `orc_loader.h`. Guards and exceptions are addresses; who makes or takes one gives it back. */
export interface GuardShim extends Pick<ShimLibrary, 'check'> {
  create(address: bigint, stackWords: number, guard: BigUint64Array, thunk: BigUint64Array): Pointer;
  dispose(guard: bigint): void;
  exceptionType(exception: bigint): string;
  exceptionWhat(exception: bigint): string | null;
  exceptionDispose(exception: bigint): void;
}

const declared = new Map<ShimLibrary, GuardShim>();

function declare(shim: ShimLibrary): GuardShim {
  let known = declared.get(shim);
  if (known === undefined) {
    const { library, check } = shim;
    known = {
      check,
      create: library.func('fs_guard_create', POINTER, [POINTER, 'uint64_t', POINTER, POINTER]),
      dispose: library.func('fs_guard_dispose', 'void', [POINTER]),
      exceptionType: library.func('fs_exception_type', 'str', [POINTER]),
      exceptionWhat: library.func('fs_exception_what', 'str', [POINTER]),
      exceptionDispose: library.func('fs_exception_dispose', 'void', [POINTER]),
    };
    declared.set(shim, known);
  }
  return known;
}

/** Null where the shim can't be had: nothing ends an exception then. */
export function guardShimIfAny(): GuardShim | null {
  try {
    return declare(openShim());
  } catch {
    return null;
  }
}

/**
 * Calls of functions that may throw: what is called is a thunk of the native shim, which an exception does not leave. It
 * ends there, with its destructors run, and what it was becomes a {@link NativeError}.
 */

import { NativeError } from '../errors.ts';
import { koffi } from '../koffi.ts';
import type { GuardShim } from '../loader/guard-shim.ts';
import { type Call, koffiProto } from './bind.ts';
import type { CType, Prototype } from './prototype.ts';

/** `fs_guard`: the index of `thrown` among its 32-bit words, and of `exception` among its 64-bit words. */
const GUARD_BYTES = 32;
const THROWN = 3;
const EXCEPTION = 2;

/** Is told of the end of an asynchronous call. */
export type Done = (error: unknown, result?: unknown) => void;

/** Starts one asynchronous call of the function at an address. */
export type StartAsync = (address: bigint, args: readonly any[], done: Done) => void;

/** One thunk. Several calls may be in it, but the exception is of the one that ended last: one thread at a time. */
interface Guard {
  readonly thunk: bigint;
  readonly call: Call;
  /** `fs_guard` as 32-bit words. */
  readonly words: Uint32Array;
  /** The exception of the call that has just ended, as an error; null when there was none. */
  take(): NativeError | null;
}

/** The guarded functions of one generation of a library. */
export class CallGuards {
  readonly #library: string;
  readonly #shim: GuardShim;
  readonly #guards: bigint[] = [];

  constructor(library: string, shim: GuardShim) {
    this.#library = library;
    this.#shim = shim;
  }

  /**
   * The function at the address, which throws a NativeError for what leaves it, and rejects where it is asynchronous.
   *
   * @param start - in place of koffi, for asynchronous calls
   */
  bind(prototype: Prototype, address: bigint, start?: StartAsync): Call {
    const { call, words, take } = this.#make(prototype, address);
    const synchronous = guarded(call, words, take, prototype.parameters.length);
    // At the end of an asynchronous call other calls have ended since: each has a guard of its own.
    const idle: Guard[] = [];
    const async = (...args: any[]): void => {
      const callback: Done = args.pop();
      const guard = idle.pop() ?? this.#make(prototype, address);
      const done: Done = (error, result) => {
        const thrown = guard.take();
        idle.push(guard);
        callback(thrown ?? error, result);
      };
      if (start === undefined) guard.call.async?.(...args, done);
      else start(guard.thunk, args, done);
    };
    return Object.assign(synchronous, { async });
  }

  /** No call may be in a function that was bound, and none may follow. */
  dispose(): void {
    for (const guard of this.#guards.splice(0)) this.#shim.dispose(guard);
  }

  #make(prototype: Prototype, address: bigint): Guard {
    const shim = this.#shim;
    const [block, thunk] = [new BigUint64Array(1), new BigUint64Array(1)];
    shim.check(this.#library, shim.create(address, stackWords(prototype), block, thunk));
    const [at] = block as unknown as [bigint];
    this.#guards.push(at);
    const memory = koffi.view(at, GUARD_BYTES);
    const words = new Uint32Array(memory);
    const pointers = new BigUint64Array(memory);
    const take = (): NativeError | null => {
      if (words[THROWN] === 0) return null;
      words[THROWN] = 0;
      const exception = pointers[EXCEPTION] as bigint;
      pointers[EXCEPTION] = 0n;
      if (exception === 0n) return new NativeError(this.#library, prototype.name, 'an unknown exception', null);
      try {
        const [type, what] = [shim.exceptionType(exception), shim.exceptionWhat(exception)];
        return new NativeError(this.#library, prototype.name, type, what);
      } finally {
        shim.exceptionDispose(exception);
      }
    };
    const [entry] = thunk as unknown as [bigint];
    return { thunk: entry, call: koffi.decode(entry, koffiProto(prototype)) as Call, words, take };
  }
}

/** How many 8-byte words of the arguments are passed on the stack (System V ABI of x86-64). */
function stackWords({ parameters }: Prototype): number {
  const isFloating = (type: CType) => type.kind === 'scalar' && (type.name === 'float' || type.name === 'double');
  const floating = parameters.filter(({ type }) => isFloating(type)).length;
  return Math.max(0, floating - 8) + Math.max(0, parameters.length - floating - 6);
}

/**
 * The call, and a look at whether it threw. With as many parameters as it has, as `FunctionSlot` makes its functions:
 * rest parameters take 20 ns more.
 *
 * An error that a callback threw comes out of koffi's call, and is the one that is told, whatever the native code threw
 * when it had that callback's zero.
 */
function guarded(call: Call, words: Uint32Array, take: () => NativeError | null, count: number): Call {
  const raise = (): never => {
    throw take();
  };
  const names = Array.from({ length: count }, (_, index) => `a${index}`);
  try {
    const make = new Function(
      'call',
      'words',
      'take',
      'raise',
      `return function (${names}) {
        let result;
        try {
          result = call(${names});
        } catch (error) {
          take();
          throw error;
        }
        if (words[${THROWN}] !== 0) raise();
        return result;
      }`,
    );
    return make(call, words, take, raise);
  } catch (error) {
    if (!(error instanceof EvalError)) throw error;
    return (...args) => {
      try {
        const result = call(...args);
        return words[THROWN] === 0 ? result : raise();
      } catch (thrown) {
        take();
        throw thrown;
      }
    };
  }
}

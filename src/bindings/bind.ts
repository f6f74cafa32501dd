/** Address + type → callable. What is handed out stays valid over reloads: it calls through a slot that is retargeted. */

import { koffi } from '../koffi.ts';
import { Turns } from '../turns.ts';
import { describeMismatch, unusualTest, usualArgument } from './arguments.ts';
import { type Callback, guardCallback } from './callback.ts';
import { callBegins, callEnds } from './exit-guard.ts';
import type { CallGuards } from './guard.ts';
import type { CType, Prototype, ScalarName, Signature } from './prototype.ts';

type KoffiType = ReturnType<typeof koffi.pointer>;
/** A function of koffi's, or what stands in its place. `async` takes a callback as its last argument. */
export type Call = ((...args: any[]) => any) & { async?: (...args: any[]) => void };

/**
 * A function of a library. It checks the number of its arguments, and that no plain number is passed as a pointer.
 *
 * It throws TypeError for wrong arguments, NativeError for a C++ exception that leaves it, what a callback throws, and
 * DisposedError when its library was disposed.
 */
export type BoundFunction<F extends (...args: any) => any> = F & {
  /**
   * Calls on one of libuv's worker threads; the event loop goes on meanwhile. Memory that is passed must not be touched
   * until the promise settles. The library's code stays in place until then, also when it is disposed or reloaded.
   */
  readonly async: (...args: Parameters<F>) => Promise<ReturnType<F>>;
};

/** Keeps a generation's code in place while asynchronous calls run in it. */
export interface CallScope {
  /** Of code that may throw, where there is what catches it. */
  readonly guards: CallGuards | null;
  enter(): void;
  leave(): void;
}

/** koffi fails the 257th concurrent asynchronous call, of all that share it; libuv runs four at a time anyway. */
const asyncCalls = new Turns(128);

const scalarTypes: Partial<Record<ScalarName, string>> = { 'signed char': 'int8_t', char: 'int8_t' };

/** Each koffi type costs 6 µs and 0.8 KB for good, so one a shape. */
const types = new Map<string, KoffiType>();

function memoise(key: string, make: () => KoffiType): KoffiType {
  let type = types.get(key);
  if (type === undefined) {
    type = make();
    types.set(key, type);
  }
  return type;
}

/** Names where koffi has one: it finds a type by its name sooner than a program asks it for the type. */
function koffiType(type: CType): string | KoffiType {
  switch (type.kind) {
    case 'void':
      return 'void';
    case 'scalar':
      return scalarTypes[type.name] ?? type.name;
    case 'string':
      return 'const char *';
    case 'pointer': {
      // koffi reads `char *` as text; here it is memory, since only the caller knows who frees it.
      const target = type.to === null || type.to.endsWith('char') ? 'void' : (scalarTypes[type.to] ?? type.to);
      return memoise(`${target} *`, () => koffi.pointer(target));
    }
    case 'callback':
      return memoise(keyOf(type), () => koffi.pointer(koffiProto(type.signature)));
  }
}

/** Of a function of that signature. */
export function koffiProto(signature: Signature): KoffiType {
  const { result, parameters } = signature;
  const make = () =>
    koffi.proto(
      koffiType(result),
      parameters.map(({ type }) => koffiType(type)),
    );
  return memoise(shapeOf(signature), make);
}

/** Two signatures with one shape are the same but for names. */
function shapeOf({ result, parameters }: Signature): string {
  return `${keyOf(result)}(${parameters.map(({ type }) => keyOf(type))})`;
}

function keyOf(type: CType): string {
  switch (type.kind) {
    case 'scalar':
      return type.name;
    case 'pointer':
      return `${type.to} *`;
    case 'callback':
      return `${shapeOf(type.signature)} *`;
    default:
      return type.kind;
  }
}

/** One handed-out function: what JavaScript holds is `callable`, what it reaches is the slot's target. */
export class FunctionSlot {
  readonly prototype: Prototype;
  readonly callable: BoundFunction<(...args: any[]) => any>;
  /** @internal */
  target: Call = unbound;
  #scope: CallScope | undefined;

  constructor(prototype: Prototype) {
    this.prototype = prototype;
    const callable = this.#wrap();
    Object.defineProperty(callable, 'name', { value: prototype.name });
    this.callable = Object.assign(callable, { async: (...args: any[]) => this.#callAsync(args) });
  }

  /** All later calls go to `address`. `scope` is told of asynchronous ones. */
  retarget(address: bigint, scope: CallScope): void {
    const { guards } = scope;
    this.redirect(guards ? guards.bind(this.prototype, address) : this.at(address), scope);
  }

  /** What the slot is the type of, at an address. */
  at(address: bigint): Call {
    return koffi.decode(address, koffiProto(this.prototype)) as Call;
  }

  /** All later calls go to what stands in place of a function. */
  redirect(target: Call, scope: CallScope): void {
    this.target = target;
    this.#scope = scope;
  }

  /** All later calls throw what `makeError` gives. */
  disable(makeError: () => Error): void {
    this.target = () => {
      throw makeError();
    };
    this.#scope = undefined;
  }

  #callAsync(args: any[]): Promise<unknown> {
    try {
      this.check(args);
      const target = this.target;
      const scope = this.#scope;
      if (target.async === undefined || scope === undefined) return Promise.resolve(target(...args));
      // From here on the code stays, also while the call waits for its turn.
      scope.enter();
      return asyncCalls.take(undefined, () => this.#runAsync(target, args)).finally(() => scope.leave());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #runAsync(target: Call, args: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      let thrown: { readonly error: unknown } | undefined;
      // An error that leaves a callback on another stack than the caller's would end the process.
      const guarded = args.map((value, index) => {
        const type = this.prototype.parameters[index]?.type;
        if (typeof value !== 'function' || type?.kind !== 'callback') return value;
        return guardCallback(value as Callback, type.signature.result, (error) => {
          thrown ??= { error };
        });
      });
      target.async?.(...guarded, (error: Error | null, result: unknown) => {
        callEnds();
        if (thrown !== undefined) reject(thrown.error);
        else if (error !== null) reject(error);
        // `args` is named so that this closure holds the memory that the call uses until it has returned.
        else resolve(args && result);
      });
      // Not when the arguments were refused.
      callBegins();
    });
  }

  /** @internal Throws the TypeError for arguments that are not right; returns for those that are. */
  check(args: ArrayLike<unknown>): void {
    const { name, parameters } = this.prototype;
    if (args.length !== parameters.length) {
      const plural = parameters.length === 1 ? '' : 's';
      throw new TypeError(`${name} takes ${parameters.length} argument${plural}, got ${args.length}`);
    }
    for (const [index, parameter] of parameters.entries()) {
      const wrong = describeMismatch(parameter.type, args[index]);
      if (wrong !== null) throw new TypeError(`${name}, parameter ${parameter.name ?? index + 1}: ${wrong}`);
    }
  }

  /**
   * A function of this slot's own, with as many parameters as the prototype has: V8 then knows the one target and the
   * one kind of memory at its call sites. `int f(const int *, int)` takes 38 ns a call where functions that share
   * their code take 50, and koffi's own 31. Where code may not be made from strings (`--disallow-code-generation-
   * from-strings`), one that takes rest parameters does the same.
   */
  #wrap(): (...args: any[]) => any {
    try {
      return this.#generate();
    } catch (error) {
      if (!(error instanceof EvalError)) throw error;
      return (...args) => {
        this.check(args);
        return this.target(...args);
      };
    }
  }

  #generate(): (...args: any[]) => any {
    const usual = this.prototype.parameters.map(({ type }) => usualArgument(type));
    const names = usual.map((_, index) => `a${index}`);
    const unusual = usual.flatMap((each, index) =>
      each === null ? [] : [unusualTest(each, `a${index}`, `e${index}`)],
    );
    const elements = names.map((_, index) => `e${index}`);
    const make = new Function(
      'slot',
      ...elements,
      `return function (${names}) {
        if (${[`arguments.length !== ${names.length}`, ...unusual].join(' || ')}) slot.check(arguments);
        return slot.target(${names});
      }`,
    );
    return make(this, ...usual.map((each) => each?.element));
  }
}

function unbound(): never {
  throw new Error('a function slot was called before it had a target');
}

/** Reads the variable at `address` as `type`. */
export function readVariable(address: bigint, type: CType): unknown {
  return koffi.decode(address, koffiType(type));
}

/** Writes the variable at `address`. */
export function writeVariable(address: bigint, type: CType, value: unknown): void {
  koffi.encode(address, koffiType(type), value);
}

function checkRange(address: bigint, byteLength: number): void {
  if (typeof address !== 'bigint' || address <= 0n) {
    throw new TypeError(`Expected \`address\` to be a bigint above 0n, got \`${String(address)}\` (${typeof address})`);
  }
  if (!Number.isSafeInteger(byteLength) || byteLength < 0) {
    throw new TypeError(
      `Expected \`byteLength\` to be a whole number, got \`${String(byteLength)}\` (${typeof byteLength})`,
    );
  }
}

/**
 * Memory as it is, without a copy: writes go through. `byteLength` is in bytes.
 *
 * The view does not own the memory: it must not be used after the native side freed it or the library was disposed.
 * An address that isn't readable ends the process, as it would in C.
 *
 * @throws TypeError when the address isn't a positive bigint or the length isn't a whole number.
 */
export function viewBytes(address: bigint, byteLength: number): Uint8Array {
  checkRange(address, byteLength);
  return new Uint8Array(koffi.view(address, byteLength));
}

/**
 * A copy of `byteLength` bytes of native memory.
 *
 * @throws TypeError as {@link viewBytes}.
 */
export function readBytes(address: bigint, byteLength: number): Uint8Array {
  return viewBytes(address, byteLength).slice();
}

/**
 * A copy of the NUL-terminated UTF-8 text at `address`.
 *
 * @throws TypeError when the address isn't a positive bigint.
 */
export function readString(address: bigint): string {
  checkRange(address, 0);
  return koffi.decode.string(address);
}

// biome-ignore-all lint/complexity/noArguments: it costs nothing where rest parameters cost 10 ns a call

/** Address + type → callable. What is handed out stays valid over reloads: it calls through a slot that is retargeted. */

import koffi from 'koffi';
import PQueue from 'p-queue';
import type { CType, Prototype, ScalarName, Signature } from './prototype.ts';

type KoffiType = ReturnType<typeof koffi.pointer>;
type Call = ((...args: any[]) => any) & { async?: (...args: any[]) => void };

/** A function of a library. It checks the number of its arguments, and that no plain number is passed as a pointer. */
export type BoundFunction<F extends (...args: any) => any> = F & {
  /**
   * Calls on one of libuv's worker threads; the event loop goes on meanwhile. Memory that is passed must not be touched
   * until the promise settles. The library's code stays in place until then, also when it is disposed or reloaded.
   */
  readonly async: (...args: Parameters<F>) => Promise<ReturnType<F>>;
};

/** Keeps a generation's code in place while asynchronous calls run in it. */
export interface CallScope {
  enter(): void;
  leave(): void;
}

/** koffi fails the 257th concurrent asynchronous call, of all that share it; libuv runs four at a time anyway. */
const asyncCalls = new PQueue({ concurrency: 128 });

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

function koffiType(type: CType): KoffiType {
  switch (type.kind) {
    case 'void':
      return koffi.type('void');
    case 'scalar':
      return koffi.type(scalarTypes[type.name] ?? type.name);
    case 'string':
      return koffi.type('const char *');
    case 'pointer': {
      // koffi reads `char *` as text; here it is memory, since only the caller knows who frees it.
      const target = type.to === null || type.to.endsWith('char') ? 'void' : (scalarTypes[type.to] ?? type.to);
      return memoise(`${target} *`, () => koffi.pointer(target));
    }
    case 'callback': {
      const proto = koffiProto(type.signature);
      return memoise(`${JSON.stringify(type.signature)} *`, () => koffi.pointer(proto));
    }
  }
}

function koffiProto(signature: Signature): KoffiType {
  const shape = { result: signature.result, parameters: signature.parameters.map((parameter) => parameter.type) };
  return memoise(JSON.stringify(shape), () => koffi.proto(koffiType(shape.result), shape.parameters.map(koffiType)));
}

/** One handed-out function: what JavaScript holds is `callable`, what it reaches is the slot's target. */
export class FunctionSlot {
  readonly prototype: Prototype;
  readonly callable: BoundFunction<(...args: any[]) => any>;
  #target: Call = unbound;
  #scope: CallScope | undefined;

  constructor(prototype: Prototype) {
    this.prototype = prototype;
    const callable = this.#wrap();
    Object.defineProperty(callable, 'name', { value: prototype.name });
    this.callable = Object.assign(callable, { async: (...args: any[]) => this.#callAsync(args) });
  }

  /** All later calls go to `address`. `scope` is told of asynchronous ones. */
  retarget(address: bigint, scope: CallScope): void {
    this.#target = koffi.decode(address, koffiProto(this.prototype)) as Call;
    this.#scope = scope;
  }

  /** All later calls throw what `makeError` gives. */
  disable(makeError: () => Error): void {
    this.#target = () => {
      throw makeError();
    };
    this.#scope = undefined;
  }

  async #callAsync(args: any[]): Promise<unknown> {
    this.#check(args);
    return asyncCalls.add(
      () =>
        new Promise((resolve, reject) => {
          const target = this.#target;
          const scope = this.#scope;
          if (target.async === undefined || scope === undefined) {
            resolve(target(...args));
            return;
          }
          scope.enter();
          try {
            target.async(...args, (error: Error | null, result: unknown) => {
              scope.leave();
              // `args` is held by this closure, so that the memory it names outlives the call.
              if (error === null) resolve(args && result);
              else reject(error);
            });
          } catch (error) {
            scope.leave();
            reject(error);
          }
        }),
    );
  }

  #check(args: ArrayLike<unknown>): void {
    const { name, parameters } = this.prototype;
    if (args.length !== parameters.length) {
      const plural = parameters.length === 1 ? '' : 's';
      throw new TypeError(`${name} takes ${parameters.length} argument${plural}, got ${args.length}`);
    }
    for (let index = 0; index < parameters.length; index += 1) {
      const parameter = parameters[index];
      const isPointer = parameter?.type.kind !== 'scalar';
      if (isPointer && typeof args[index] === 'number') {
        const label = parameter?.name ?? index + 1;
        throw new TypeError(
          `${name}, parameter ${label}: expected memory, a bigint address or null for a pointer, got the number ${args[index]}`,
        );
      }
    }
  }

  /**
   * Fixed parameters instead of rest ones: 24 ns a call against 34, where koffi's own function takes 22 to 30. What
   * may be a number for a pointer is told apart here and looked at closely elsewhere: 1 ns a call instead of 9.
   */
  #wrap(): (...args: any[]) => any {
    const { parameters } = this.prototype;
    const count = parameters.length;
    const [p0, p1, p2, p3] = parameters.map(({ type }) => type.kind !== 'scalar');
    const isNumber = (value: unknown): boolean => typeof value === 'number';
    // A function with `arguments` has a `this` of its own.
    const slot = this;
    switch (count) {
      case 0:
        return function () {
          if (arguments.length !== 0) slot.#check(arguments);
          return slot.#target();
        };
      case 1:
        return function (a: any) {
          if (arguments.length !== 1 || (p0 && isNumber(a))) slot.#check(arguments);
          return slot.#target(a);
        };
      case 2:
        return function (a: any, b: any) {
          if (arguments.length !== 2 || (p0 && isNumber(a)) || (p1 && isNumber(b))) slot.#check(arguments);
          return slot.#target(a, b);
        };
      case 3:
        return function (a: any, b: any, c: any) {
          if (arguments.length !== 3 || (p0 && isNumber(a)) || (p1 && isNumber(b)) || (p2 && isNumber(c))) {
            slot.#check(arguments);
          }
          return slot.#target(a, b, c);
        };
      case 4:
        return function (a: any, b: any, c: any, d: any) {
          if (
            arguments.length !== 4 ||
            (p0 && isNumber(a)) ||
            (p1 && isNumber(b)) ||
            (p2 && isNumber(c)) ||
            (p3 && isNumber(d))
          ) {
            slot.#check(arguments);
          }
          return slot.#target(a, b, c, d);
        };
      default:
        return (...args: any[]) => {
          slot.#check(args);
          return slot.#target(...args);
        };
    }
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

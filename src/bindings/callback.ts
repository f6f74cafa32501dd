/** Pure: JavaScript functions that native code calls on another stack than the caller's. */

import type { CType } from './prototype.ts';

export type Callback = (...args: unknown[]) => unknown;

/**
 * The callback, with everything that it throws given to `onError`, once it has thrown or returned what is no value of
 * the result's type; native code then gets a zero. After the first error the callback is not called any more.
 */
export function guardCallback(callback: Callback, result: CType, onError: (error: unknown) => void): Callback {
  let hasFailed = false;
  return (...args) => {
    if (hasFailed) return zeroOf(result);
    try {
      const value = callback(...args);
      if (isValueOf(result, value)) return value;
      throw new TypeError(`a callback must return ${describe(result)}, got \`${String(value)}\` (${typeof value})`);
    } catch (error) {
      hasFailed = true;
      onError(error);
      return zeroOf(result);
    }
  };
}

function isValueOf(type: CType, value: unknown): boolean {
  switch (type.kind) {
    case 'void':
      return true;
    case 'scalar':
      return type.name === 'bool' ? typeof value === 'boolean' : typeof value === 'number' || typeof value === 'bigint';
    case 'string':
      return value === null || ['string', 'bigint'].includes(typeof value);
    default:
      return value === null || ['object', 'bigint'].includes(typeof value);
  }
}

function zeroOf(type: CType): unknown {
  if (type.kind === 'void') return undefined;
  if (type.kind !== 'scalar') return null;
  return type.name === 'bool' ? false : 0;
}

function describe(type: CType): string {
  if (type.kind === 'scalar') return type.name === 'bool' ? 'a boolean' : 'a number';
  return type.kind === 'string' ? 'a string or null' : 'an address or null';
}

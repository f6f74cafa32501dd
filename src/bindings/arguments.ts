/** Pure: which JavaScript values a pointer parameter takes. Numbers are koffi's to check. */

import type { CType, ScalarName } from './prototype.ts';

/** What a parameter usually gets, so that the usual call passes with one comparison: null means anything. */
export type Usual = { readonly element: unknown; readonly takesText: boolean } | null;

/** The typed array whose elements are laid out as the scalar is. */
const ELEMENTS: Readonly<Partial<Record<ScalarName, abstract new (...args: never[]) => ArrayBufferView>>> = {
  short: Int16Array,
  'unsigned short': Uint16Array,
  int: Int32Array,
  'unsigned int': Uint32Array,
  long: BigInt64Array,
  'unsigned long': BigUint64Array,
  'long long': BigInt64Array,
  'unsigned long long': BigUint64Array,
  float: Float32Array,
  double: Float64Array,
  int8_t: Int8Array,
  int16_t: Int16Array,
  uint16_t: Uint16Array,
  int32_t: Int32Array,
  uint32_t: Uint32Array,
  int64_t: BigInt64Array,
  uint64_t: BigUint64Array,
};

/** Arrays of bytes may stand for memory of any type. */
const BYTES = [Uint8Array, Uint8ClampedArray, Int8Array, DataView];

export function usualArgument(type: CType): Usual {
  if (type.kind === 'scalar' || type.kind === 'void') return null;
  if (type.kind !== 'pointer' || type.to === null) return { element: undefined, takesText: type.kind === 'string' };
  return { element: ELEMENTS[type.to], takesText: false };
}

/**
 * JavaScript that is true for what must be looked at closely, which may still be right.
 *
 * @param value - the name of the variable that holds the argument
 * @param element - the name of the variable that holds {@link Usual.element}
 */
export function unusualTest(usual: NonNullable<Usual>, value: string, element: string): string {
  const memory = usual.element === undefined ? 'true' : `${value}.constructor === ${element}`;
  const text = usual.takesText ? ` && typeof ${value} !== 'string'` : '';
  return `(${value} !== null && !(typeof ${value} === 'object' && ${memory}) && typeof ${value} !== 'bigint'${text})`;
}

/** What is wrong with an argument for a parameter of the type, or null when it is right or koffi will tell. */
export function describeMismatch(type: CType, value: unknown): string | null {
  if (type.kind === 'scalar' || type.kind === 'void' || value === null || typeof value === 'bigint') return null;
  const got = (what: string): string =>
    `${what}, got ${typeof value === 'string' ? 'a string' : `\`${String(value)}\` (${typeof value})`}`;
  if (type.kind === 'callback')
    return typeof value === 'function' ? null : got('expected a function, a bigint address or null');
  if (typeof value === 'string' && type.kind === 'string') return null;
  if (typeof value !== 'object') return got('expected memory, a bigint address or null for a pointer');
  if (type.kind !== 'pointer' || type.to === null || !ArrayBuffer.isView(value)) return null;
  const element = ELEMENTS[type.to];
  if (element === undefined || BYTES.some((bytes) => value instanceof bytes)) return null;
  // Signed and unsigned of one size are the same memory.
  const isSame = (one: string, other: string): boolean =>
    one.replace(/^(Big)?Ui/, '$1I') === other.replace(/^(Big)?Ui/, '$1I');
  if (isSame(value.constructor.name, element.name)) return null;
  return `expected ${element.name} or bytes for \`${type.to} *\`, got ${value.constructor.name}`;
}

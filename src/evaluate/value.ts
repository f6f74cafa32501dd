/** The value of a snippet: how its code tells of which type it is, and what that is in JavaScript. */

import { readVariable } from '../bindings/bind.ts';
import type { CType } from '../bindings/prototype.ts';
import type { Language } from '../compile/compiler.ts';
import type { Diagnostic } from '../errors.ts';
import { koffi } from '../koffi.ts';

/** What the value of a snippet may be. */
export type SnippetValue = boolean | number | bigint | string | null | undefined;

/** A type of C's, and as what it is read; the place in the list is what the code calls it. */
const TYPES: readonly (readonly [string, CType])[] = [
  ['_Bool', { kind: 'scalar', name: 'bool' }],
  ['char', { kind: 'scalar', name: 'char' }],
  ['signed char', { kind: 'scalar', name: 'signed char' }],
  ['unsigned char', { kind: 'scalar', name: 'unsigned char' }],
  ['short', { kind: 'scalar', name: 'short' }],
  ['unsigned short', { kind: 'scalar', name: 'unsigned short' }],
  ['int', { kind: 'scalar', name: 'int' }],
  ['unsigned int', { kind: 'scalar', name: 'unsigned int' }],
  ['long', { kind: 'scalar', name: 'long' }],
  ['unsigned long', { kind: 'scalar', name: 'unsigned long' }],
  ['long long', { kind: 'scalar', name: 'long long' }],
  ['unsigned long long', { kind: 'scalar', name: 'unsigned long long' }],
  ['float', { kind: 'scalar', name: 'float' }],
  ['double', { kind: 'scalar', name: 'double' }],
  ['const char *', { kind: 'string' }],
];
const POINTER: CType = { kind: 'pointer', to: null };
const POINTER_CODE = TYPES.length + 1;

/** By `__builtin_classify_type`: what can't be a value, and what to do about it. */
const REFUSED: readonly (readonly [number, string])[] = [
  [12, 'a structure or class; take a member of it, or its address'],
  [13, 'a union; take a member of it, or its address'],
  [9, 'a complex number; take `__real__` or `__imag__` of it'],
  [8, 'a floating-point number that is neither `float` nor `double`; cast it to `double`'],
  [1, 'an integer of more than 64 bits, or a character of C++; cast it to `long`'],
];
const REST = 'of a type that JavaScript has no value for; cast it to a number or a pointer';
const MARK = 'fromsource: it is ';

/** The code writes the value in the first 8 bytes, and its type's number in the 4 behind them. */
export const VALUE_BYTES = 12;

/** The type of `fromsource_value`; in C an enumeration is compatible with the integer that it is. */
const TYPE = {
  c: '__typeof__(fromsource_value)',
  'c++': 'fromsource_plain<__typeof__(fromsource_value)>::fromsource_type',
};

/** What {@link storeValue} needs before the function that it is in. */
export const VALUE_TEMPLATES: Readonly<Record<Language, string>> = {
  c: '',
  'c++':
    // The source may have macros of any short name.
    'template <class fromsource_T, bool = __is_enum(fromsource_T)> struct fromsource_plain { typedef fromsource_T fromsource_type; }; ' +
    'template <class fromsource_T> struct fromsource_plain<fromsource_T, true> { typedef __underlying_type(fromsource_T) fromsource_type; };\n' +
    '#if __cplusplus >= 201103L\n' +
    'template <> struct fromsource_plain<decltype(nullptr), false> { typedef void *fromsource_type; };\n' +
    '#endif',
};

/** Statements that write `fromsource_value` and its type to `fromsource_to`; for other types they do not compile. */
export function storeValue(language: Language): string {
  const sort = '__builtin_classify_type(fromsource_value)';
  const cases = TYPES.map(([name], index) => {
    const spelled = name === '_Bool' && language === 'c++' ? 'bool' : name;
    return `${spelled} *: ${index + 1}`;
  });
  if (language === 'c++') cases.push(`wchar_t *: ${TYPES.findIndex(([name]) => name === 'int') + 1}`);
  const number = `_Generic((${TYPE[language]} *)0, ${cases.join(', ')}, void **: ${POINTER_CODE}, default: ${sort} == 5 ? ${POINTER_CODE} : 0)`;
  const isKnown = REFUSED.map(([code]) => `${sort} == ${code}`).join(' || ');
  return [
    // What is constant in one language is not in the other.
    language === 'c' ? `enum { fromsource_type = ${number} };` : `const int fromsource_type = ${number};`,
    ...REFUSED.map(([code, what]) => `_Static_assert(fromsource_type || ${sort} != ${code}, "${MARK}${what}");`),
    `_Static_assert(fromsource_type || ${isKnown}, "${MARK}${REST}");`,
    '__builtin_memcpy(fromsource_to, &fromsource_value, sizeof fromsource_value <= 8 ? sizeof fromsource_value : 0);',
    '((int *)fromsource_to)[2] = fromsource_type;',
  ].join('\n');
}

/** Why the value can't be one of JavaScript's, where that is what did not compile; else null. */
export function refusalOf(errors: readonly Diagnostic[]): string | null {
  for (const { message } of errors) {
    const at = message.indexOf(MARK);
    if (at >= 0) return message.slice(at + MARK.length);
  }
  return null;
}

/** Reads what the code wrote; undefined when that is nothing. A text is copied. */
export function readValue(bytes: Buffer): SnippetValue {
  const code = bytes.readInt32LE(8);
  if (code === 0) return undefined;
  const type = code === POINTER_CODE ? POINTER : TYPES[code - 1]?.[1];
  return type === undefined ? undefined : (readVariable(koffi.address(bytes), type) as SnippetValue);
}

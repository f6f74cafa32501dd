/** Pure: checks of one option's value. Each throws a TypeError that says option, expectation, value and its type. */

/** Throws the TypeError that every wrong option gets. */
export function refuse(option: string, expected: string, value: unknown): never {
  const shown = typeof value === 'string' ? value.slice(0, 80) : String(value).slice(0, 80);
  const type = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  throw new TypeError(`Expected \`${option}\` to be ${expected}, got \`${shown}\` (${type})`);
}

export function checkString(option: string, value: unknown, expected = 'a string without NUL'): string {
  if (typeof value !== 'string' || value.includes('\0')) refuse(option, expected, value);
  return value;
}

export function checkNonEmpty(option: string, value: unknown): string {
  if (checkString(option, value, 'a non-empty string without NUL') === '') {
    refuse(option, 'a non-empty string without NUL', value);
  }
  return value as string;
}

/** An array, or nothing, which is the empty one. */
export function checkStrings(option: string, value: unknown, check = checkString): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) refuse(option, 'an array of strings', value);
  return value.map((item, index) => check(`${option}[${index}]`, item));
}

export function checkBoolean(option: string, value: unknown): boolean {
  if (value !== undefined && typeof value !== 'boolean') refuse(option, 'a boolean', value);
  return value ?? false;
}

export function checkAmount(option: string, value: unknown, fallback: number, most: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > most) {
    refuse(option, `an integer from 1 to ${most}`, value);
  }
  return value;
}

/** An object, or nothing, which is the empty one. */
export function checkRecord(option: string, value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(option, 'a plain object', value);
  return value as Readonly<Record<string, unknown>>;
}

/** Names in the way a sentence lists them: `a`, `b` and `c`. */
export function listNames(names: readonly string[], conjunction: 'and' | 'or'): string {
  const quoted = names.map((name) => `\`${name}\``);
  const last = quoted.pop() ?? '';
  return quoted.length === 0 ? last : `${quoted.join(', ')} ${conjunction} ${last}`;
}

/** Pure: reads a C function prototype or variable declaration into the type model. No koffi here. */

import { BindingError } from '../errors.ts';
import { nearNames } from '../near-names.ts';

/** A C type, as far as a call needs to know it. */
export type CType =
  | { readonly kind: 'void' }
  /** `name` is the canonical spelling, a key of {@link SCALARS}. */
  | { readonly kind: 'scalar'; readonly name: ScalarName }
  /** `const char *`: text, NUL-terminated, UTF-8. */
  | { readonly kind: 'string' }
  /** `to` is null for a pointer whose target stays opaque: `sqlite3 *`, `void *`, `char **`. */
  | { readonly kind: 'pointer'; readonly to: ScalarName | null }
  | { readonly kind: 'callback'; readonly signature: Signature };

export interface Signature {
  readonly result: CType;
  readonly parameters: readonly { readonly name: string | null; readonly type: CType }[];
}

export interface Prototype extends Signature {
  readonly name: string;
}

export interface Variable {
  readonly name: string;
  readonly type: CType;
  /** Declared `const`: it may lie in memory that can't be written. */
  readonly constant: boolean;
}

/** Every scalar that can be passed, in its canonical spelling: integer or floating, its bytes. */
export const SCALARS = {
  bool: 1,
  char: 1,
  'signed char': 1,
  'unsigned char': 1,
  short: 2,
  'unsigned short': 2,
  int: 4,
  'unsigned int': 4,
  long: 8,
  'unsigned long': 8,
  'long long': 8,
  'unsigned long long': 8,
  float: 4,
  double: 8,
  int8_t: 1,
  uint8_t: 1,
  int16_t: 2,
  uint16_t: 2,
  int32_t: 4,
  uint32_t: 4,
  int64_t: 8,
  uint64_t: 8,
} as const;

export type ScalarName = keyof typeof SCALARS;

/** Typedefs of the C library, by what they are on every 64-bit Linux. */
const TYPEDEFS: Readonly<Record<string, ScalarName>> = {
  _Bool: 'bool',
  size_t: 'uint64_t',
  ssize_t: 'int64_t',
  ptrdiff_t: 'int64_t',
  intptr_t: 'int64_t',
  uintptr_t: 'uint64_t',
  intmax_t: 'int64_t',
  uintmax_t: 'uint64_t',
  off_t: 'int64_t',
  time_t: 'int64_t',
  wchar_t: 'int32_t',
  char8_t: 'uint8_t',
  char16_t: 'uint16_t',
  char32_t: 'uint32_t',
  uchar: 'unsigned char',
  ushort: 'unsigned short',
  uint: 'unsigned int',
  ulong: 'unsigned long',
};

const BASE_WORDS = ['void', 'bool', 'char', 'short', 'int', 'long', 'float', 'double', 'signed', 'unsigned'];
const QUALIFIERS = ['const', 'volatile', 'restrict', '__restrict', '__restrict__', 'register'];
const STORAGE = ['extern', 'static', 'inline', '__inline', '__inline__', 'constexpr', 'noexcept', '_Noreturn'];
/** Types that C has and a call from JavaScript can't carry; the reason goes into the error. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  _Complex: 'complex numbers have no JavaScript value',
  __int128: '128-bit integers have no calling convention here',
  _Float16: 'half floats have no calling convention here',
  __float128: '128-bit floats have no calling convention here',
};

type BaseType = { readonly type: CType; readonly constant: boolean };

// No regular expressions below, where every first call of a program passes: V8 takes 10 to 60 µs to compile each.

const isDigit = (code: number): boolean => code >= 48 && code <= 57;
const isCapital = (code: number): boolean => code >= 65 && code <= 90;
const isLetter = (code: number): boolean => isCapital(code & ~32) || code === 95;
const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13) || code === 160;

const startsWord = (token: string): boolean => isLetter(token.charCodeAt(0));

/** `SQLITE_API`: letters in capitals, digits and underscores. */
function isCapitals(word: string): boolean {
  if (!isCapital(word.charCodeAt(0))) return false;
  for (let at = 1; at < word.length; at += 1) {
    const code = word.charCodeAt(at);
    if (!isCapital(code) && !isDigit(code) && code !== 95) return false;
  }
  return true;
}

/** Words, numbers, `...`, and whatever else there is character by character. */
function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  for (let at = 0; at < text.length; ) {
    const start = at;
    const code = text.charCodeAt(at);
    at += 1;
    if (isSpace(code)) continue;
    if (isLetter(code)) while (isLetter(text.charCodeAt(at)) || isDigit(text.charCodeAt(at))) at += 1;
    else if (isDigit(code)) while (isDigit(text.charCodeAt(at))) at += 1;
    else if (text.startsWith('...', start)) at += 2;
    tokens.push(text.slice(start, at));
  }
  return tokens;
}

/** A recursive-descent parser over C's declarator syntax, from the outside in. */
class PrototypeParser {
  readonly #text: string;
  readonly #library: string;
  readonly #tokens: readonly string[];
  #next = 0;
  #function = '';

  constructor(library: string, text: string) {
    this.#library = library;
    const trimmed = text.trim();
    this.#text = trimmed.endsWith(';') ? trimmed.slice(0, -1).trimEnd() : trimmed;
    this.#tokens = tokensOf(this.#text);
  }

  parseFunction(): Prototype {
    const base = this.#parseBase();
    const declared = this.#parseDeclarator(base);
    if (this.#peek() !== undefined) this.#fail(null, this.#text, `unexpected \`${this.#peek()}\``);
    if (declared.kind !== 'function')
      this.#fail(null, this.#text, 'no parameter list: a prototype is `int add(int, int)`');
    if (declared.name === null) this.#fail(null, this.#text, 'no function name before the parameter list');
    return { name: declared.name, ...declared.signature };
  }

  parseVariable(): Variable {
    if (this.#text.includes('[')) {
      this.#fail(null, this.#text, 'arrays are read through `viewBytes(library.address(name), bytes)`');
    }
    const declared = this.#parseDeclarator(this.#parseBase());
    if (this.#peek() !== undefined) this.#fail(null, this.#text, `unexpected \`${this.#peek()}\``);
    if (declared.kind === 'function') this.#fail(null, this.#text, 'this declares a function: use `func`');
    if (declared.name === null) this.#fail(null, this.#text, 'no variable name after the type');
    if (declared.type.kind === 'void') this.#fail(null, 'void', "a variable can't be `void`");
    if (declared.type.kind === 'callback') {
      this.#fail(null, this.#text, 'function pointers are not read; take the address with `library.address(name)`');
    }
    return { name: declared.name, type: declared.type, constant: declared.constant };
  }

  #peek(offset = 0): string | undefined {
    return this.#tokens[this.#next + offset];
  }

  #take(token: string): boolean {
    if (this.#peek() !== token) return false;
    this.#next += 1;
    return true;
  }

  #expect(token: string): void {
    if (!this.#take(token)) {
      const got = this.#peek();
      this.#fail(null, this.#text, `expected \`${token}\`${got === undefined ? ' at the end' : ` before \`${got}\``}`);
    }
  }

  #fail(parameter: string | null, type: string, reason: string): never {
    const where = `${this.#function || this.#text}${parameter === null ? '' : `, parameter ${parameter}`}`;
    throw new BindingError(this.#library, `${this.#library}: can't bind ${where}: ${reason}`, {
      function: this.#function,
      parameter,
      type,
    });
  }

  /** The words before the first `*`, `(`, `,`, `)` or `[`, less the declared name, which stays for the declarator. */
  #parseBase(): BaseType {
    const words: string[] = [];
    let constant = false;
    for (let word = this.#peek(); word !== undefined && startsWord(word); word = this.#peek()) {
      if (QUALIFIERS.includes(word)) constant ||= word === 'const';
      else if (!STORAGE.includes(word)) {
        // A word after a complete type is the name that is declared.
        const isTypeWord = BASE_WORDS.includes(word) || Object.hasOwn(UNSUPPORTED, word);
        if (this.#isComplete(words) && !isTypeWord && !this.#isMacro(words)) break;
        words.push(word);
      }
      this.#next += 1;
    }
    return { type: this.#resolveBase(words), constant };
  }

  #isComplete(words: readonly string[]): boolean {
    const tagged = ['struct', 'union', 'enum'].includes(words[0] ?? '');
    return tagged ? words.length === 2 : words.length > 0;
  }

  /** `SQLITE_API int f(…)`: a word in capitals before another type word is a macro of the header's. */
  #isMacro(words: readonly string[]): boolean {
    const following = this.#peek(1);
    const typeFollows = following !== undefined && (startsWord(following) || following === '*');
    return words.length === 1 && isCapitals(words[0] ?? '') && typeFollows;
  }

  #resolveBase(all: readonly string[]): CType {
    const words = all.length > 1 && isCapitals(all[0] ?? '') ? all.slice(1) : all;
    const spelled = words.join(' ');
    if (words.length === 0) this.#fail(null, this.#text, 'a type is missing');
    const unsupported = words.find((word) => Object.hasOwn(UNSUPPORTED, word));
    if (unsupported !== undefined) this.#fail(null, spelled, `\`${spelled}\`: ${UNSUPPORTED[unsupported]}`);
    if (words[0] === 'enum') return { kind: 'scalar', name: 'int' };
    if (words[0] === 'struct' || words[0] === 'union') return this.#opaque(spelled);
    if (words.length === 1 && spelled === 'void') return { kind: 'void' };
    if (words.length === 1 && Object.hasOwn(TYPEDEFS, spelled))
      return { kind: 'scalar', name: TYPEDEFS[spelled] as ScalarName };
    if (words.length === 1 && Object.hasOwn(SCALARS, spelled)) return { kind: 'scalar', name: spelled as ScalarName };
    if (words.every((word) => BASE_WORDS.includes(word))) return this.#resolveArithmetic(words, spelled);
    return this.#opaque(spelled);
  }

  #resolveArithmetic(words: readonly string[], spelled: string): CType {
    const count = (word: string): number => words.filter((each) => each === word).length;
    const rest = words.filter((word) => !['signed', 'unsigned', 'int'].includes(word)).join(' ');
    if (rest === 'long double' || rest === 'double long') {
      this.#fail(null, spelled, '`long double` has no JavaScript value; wrap the function in one that takes `double`');
    }
    const sign = count('unsigned') > 0 ? 'unsigned ' : rest === 'char' && count('signed') > 0 ? 'signed ' : '';
    const name = `${sign}${rest || 'int'}`;
    if (!Object.hasOwn(SCALARS, name) || count('signed') + count('unsigned') > 1 || count('int') > 1) {
      this.#fail(null, spelled, `\`${spelled}\` is not a type`);
    }
    return { kind: 'scalar', name: name as ScalarName };
  }

  /** A name that only a pointer may point to. The type stays unresolved until the declarator shows whether it does. */
  #opaque(spelled: string): CType {
    if (this.#pointerAhead()) return { kind: 'pointer', to: null };
    const [near] = nearNames(spelled, [...Object.keys(SCALARS), ...Object.keys(TYPEDEFS)]);
    const advice = /^(struct|union) /.test(spelled)
      ? 'records are not passed by value; pass a pointer to one'
      : `write the type that it stands for${near ? `, or did you mean \`${near}\`?` : ''}`;
    this.#fail(null, spelled, `\`${spelled}\` is not known here: ${advice}`);
  }

  #pointerAhead(): boolean {
    return this.#peek() === '*' || (this.#peek() === '(' && this.#peek(1) === '*');
  }

  #parseDeclarator(base: BaseType): Declared {
    let type = base.type;
    let constant = base.constant;
    for (let depth = 0; this.#take('*'); depth += 1) {
      type =
        depth === 0 && !(base.type.kind === 'pointer')
          ? this.#pointerTo(type, constant)
          : { kind: 'pointer', to: null };
      constant = this.#skipQualifiers();
    }
    if (this.#peek() === '(' && this.#peek(1) === '*') return this.#parseFunctionPointer(type);

    let name: string | null = null;
    if (startsWord(this.#peek() ?? '')) {
      name = this.#peek() as string;
      this.#next += 1;
    }
    if (this.#take('(')) {
      if (this.#function === '') this.#function = name ?? '';
      return { kind: 'function', name, signature: { result: type, parameters: this.#parseParameters() } };
    }
    if (this.#peek() === '[') return { kind: 'object', name, type: this.#parseArray(type, constant), constant };
    return { kind: 'object', name, type, constant };
  }

  /** Whether `const` was among them. */
  #skipQualifiers(): boolean {
    let constant = false;
    for (let word = this.#peek(); word !== undefined && QUALIFIERS.includes(word); word = this.#peek()) {
      constant ||= word === 'const';
      this.#next += 1;
    }
    return constant;
  }

  #pointerTo(type: CType, constant: boolean): CType {
    if (type.kind !== 'scalar') return { kind: 'pointer', to: null };
    return type.name === 'char' && constant ? { kind: 'string' } : { kind: 'pointer', to: type.name };
  }

  /** An array in a parameter list is a pointer. */
  #parseArray(type: CType, constant: boolean): CType {
    for (let depth = 0; this.#take('['); depth += 1) {
      while (this.#peek() !== ']' && this.#peek() !== undefined) this.#next += 1;
      this.#expect(']');
      if (depth > 0) return this.#parseArray({ kind: 'pointer', to: null }, false);
      type = this.#pointerTo(type, constant);
    }
    return type;
  }

  #parseFunctionPointer(result: CType): Declared {
    this.#expect('(');
    this.#expect('*');
    const constant = this.#skipQualifiers();
    let name: string | null = null;
    if (startsWord(this.#peek() ?? '')) {
      name = this.#peek() as string;
      this.#next += 1;
    }
    this.#expect(')');
    this.#expect('(');
    return {
      kind: 'object',
      name,
      type: { kind: 'callback', signature: { result, parameters: this.#parseParameters() } },
      constant,
    };
  }

  #parseParameters(): Signature['parameters'] {
    const parameters: { name: string | null; type: CType }[] = [];
    if (this.#take(')')) return parameters;
    if (this.#peek() === 'void' && this.#peek(1) === ')') {
      this.#next += 2;
      return parameters;
    }
    do {
      const position = String(parameters.length + 1);
      if (this.#peek() === '...') {
        this.#fail(
          position,
          '...',
          'variadic functions are not bound; wrap the call in a function with fixed parameters',
        );
      }
      const declared = this.#parseDeclarator(this.#parseBase());
      if (declared.kind === 'function') {
        parameters.push({ name: declared.name, type: { kind: 'callback', signature: declared.signature } });
      } else {
        if (declared.type.kind === 'void') this.#fail(declared.name ?? position, 'void', "a parameter can't be `void`");
        parameters.push({ name: declared.name, type: declared.type });
      }
    } while (this.#take(','));
    this.#expect(')');
    return parameters;
  }
}

type Declared =
  | { readonly kind: 'function'; readonly name: string | null; readonly signature: Signature }
  | { readonly kind: 'object'; readonly name: string | null; readonly type: CType; readonly constant: boolean };

/**
 * Reads `int add(int a, int b)`.
 *
 * Parameter names may be left out; storage words, `;` and a leading macro such as `SQLITE_API` are passed over. A
 * pointer to a name that isn't known here is an opaque pointer.
 *
 * @throws BindingError that names function, parameter and type.
 */
export function parsePrototype(library: string, text: string): Prototype {
  return new PrototypeParser(library, text).parseFunction();
}

/** Bytes that a value of the type takes in memory, on every 64-bit Linux. */
export function sizeOf(type: CType): number {
  return type.kind === 'scalar' ? SCALARS[type.name] : 8;
}

/**
 * Reads `int counter` or `double table[4]`.
 *
 * @throws BindingError that names the type.
 */
export function parseVariable(library: string, text: string): Variable {
  return new PrototypeParser(library, text).parseVariable();
}

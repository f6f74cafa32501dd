/** Types only: what TypeScript can tell of a C prototype that is written as a string literal. */

/** Memory that a pointer parameter may point to. A `bigint` is an address; it is not checked. */
export type PointerArgument = NodeJS.ArrayBufferView | ArrayBuffer | SharedArrayBuffer | bigint | null;

/** What a pointer to numbers takes besides: an array, which is copied in and not back. */
export type ArrayArgument = readonly number[] | readonly bigint[];

type Space = ' ' | '\n' | '\t';
type Trim<T extends string> = T extends `${Space}${infer R}` ? Trim<R> : T extends `${infer R}${Space}` ? Trim<R> : T;

/** 64-bit integers arrive as numbers where those are exact, else as bigint. */
type Wide = number | bigint;
type WideWords =
  | 'long'
  | 'int64_t'
  | 'uint64_t'
  | 'size_t'
  | 'ssize_t'
  | 'ptrdiff_t'
  | 'intptr_t'
  | 'uintptr_t'
  | 'intmax_t'
  | 'uintmax_t'
  | 'off_t'
  | 'time_t';
/** Pointers to these take arrays; a pointer to anything else is opaque, and `char` is memory. */
type NumberWords = WideWords | 'short' | 'int' | 'float' | 'double' | `${'' | 'u'}int${8 | 16 | 32}_t`;
type Words<T extends string> = T extends `${infer A}${Space}${infer B}` ? Words<A> | Words<B> : T;

type Scalar<T extends string> = [Extract<Words<T>, 'bool' | '_Bool'>] extends [never]
  ? [Extract<Words<T>, WideWords>] extends [never]
    ? number
    : Wide
  : boolean;

/** `const char s[]` is `const char *s` in a parameter list. */
type Pointed<T extends string> = T extends `${infer Before}[${string}` ? `${Before}*` : T;

/** Text is `const char *` and nothing else: no second star, no `unsigned`. */
type IsText<T extends string> = T extends `${infer Before}*${infer After}`
  ? After extends `${string}*${string}`
    ? false
    : [Extract<Words<Before>, 'const'>, Extract<Words<Before>, 'char'>] extends [never, unknown] | [unknown, never]
      ? false
      : [Extract<Words<Before>, 'unsigned' | 'signed'>] extends [never]
        ? true
        : false
  : false;

type Pointer<T extends string> =
  IsText<T> extends true
    ? string | PointerArgument
    : T extends `${infer Before}*${infer After}`
      ? After extends `${string}*${string}`
        ? PointerArgument
        : [Extract<Words<Before>, NumberWords>] extends [never]
          ? PointerArgument
          : PointerArgument | ArrayArgument
      : never;

type Argument<T extends string> = T extends `${string}*${string}` | `${string}[${string}`
  ? Pointer<Pointed<T>>
  : Scalar<T>;

type Result<T extends string> = T extends `${string}*${string}`
  ? IsText<T> extends true
    ? string | null
    : bigint | null
  : [Extract<Words<T>, 'void'>] extends [never]
    ? Scalar<T>
    : undefined;

type Arguments<T extends string> = T extends `${infer Head},${infer Tail}`
  ? [Argument<Trim<Head>>, ...Arguments<Trim<Tail>>]
  : [Argument<Trim<T>>];

/**
 * The call signature of a prototype literal: `'int add(int, int)'` gives `(a: number, b: number) => number`.
 *
 * A prototype that takes function pointers, or that is not a literal, gives `(...args: any[]) => any`.
 */
export type FunctionOf<P extends string> = string extends P
  ? (...args: any[]) => any
  : P extends `${string}(*${string}` | `${string}( *${string}`
    ? (...args: any[]) => any
    : P extends `${infer Head}(${infer Parameters})${string}`
      ? Trim<Parameters> extends '' | 'void'
        ? () => Result<Trim<Head>>
        : (...args: Arguments<Trim<Parameters>>) => Result<Trim<Head>>
      : never;

/** The value of a variable declaration literal: `'int counter'` gives `number`. */
export type VariableOf<D extends string> = string extends D
  ? any
  : D extends `${string}*${string}`
    ? IsText<D> extends true
      ? string | null
      : bigint | null
    : Scalar<D>;

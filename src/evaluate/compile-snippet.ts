/** Finds out what a snippet is by compiling it as what it may be, and gives the objects. Nothing of it runs here. */

import type { CompileRequest } from '../compile/compiler.ts';
import { compile } from '../compile/queue.ts';
import { BindingError, CompileError, type Diagnostic } from '../errors.ts';
import type { Toolchain } from '../toolchain/discover.ts';
import {
  asDeclarations,
  asExpression,
  asInitialised,
  asStatement,
  type NamedText,
  type SnippetScope,
  type SnippetText,
} from './snippet-text.ts';
import { findCuts, isBlank, isUnterminated, onlyPart } from './split.ts';
import { refusalOf } from './value.ts';

/** A snippet, or a part of one, ready to be linked and run. */
export interface SnippetPart {
  readonly object: Uint8Array;
  /** What later snippets see of it, or null. */
  readonly declared: NamedText | null;
}

/** What all compiles of a snippet have in common. */
export interface SnippetCompile {
  readonly toolchain: Toolchain;
  /** Of the library; the input is replaced. */
  readonly request: CompileRequest;
  /** In-memory files of the library, its source among them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly scope: SnippetScope;
  readonly snippet: Pick<NamedText, 'name' | 'text'>;
}

/** How clang says that C wants this initialiser in a function. */
const NOT_CONSTANT = 'initializer element is not a compile-time constant';

/**
 * As an expression; else as declarations; else cut into the fewest parts that are declarations or statements, of which
 * the last may be an expression.
 *
 * @throws CompileError of the attempt that came farthest, BindingError for a value that JavaScript does not have.
 */
export function compileSnippet(given: SnippetCompile): Promise<SnippetPart[]> {
  return new Attempts(given).run();
}

class Attempts {
  readonly #given: SnippetCompile;
  readonly #parts: SnippetPart[] = [];
  #best: { readonly error: CompileError; readonly place: number } | undefined;
  /** Why the last attempt failed, and why the whole failed as declarations. */
  #lastErrors: readonly string[] = [];
  #wholeErrors: readonly string[] = [];

  constructor(given: SnippetCompile) {
    this.#given = given;
  }

  async run(): Promise<SnippetPart[]> {
    const { snippet } = this.#given;
    if (isBlank(snippet.text)) return [];
    const { text, name } = snippet;
    const all = { ...snippet, isUnterminated: isUnterminated(text) };
    const whole = (await this.#expression(all)) ?? (await this.#declarations(all));
    if (whole !== null) return [whole];
    this.#wholeErrors = this.#lastErrors;
    const cuts = [...findCuts(text), text.length];
    for (let from = 0; from < text.length; ) {
      const found = await this.#shortest(from, cuts);
      if (found === null) throw this.#best?.error;
      if (found.part !== null) this.#parts.push(this.#named(found.part, name));
      from = found.to;
    }
    return this.#parts;
  }

  /** Several parts of one snippet stay under names of their own. */
  #named({ object, declared }: SnippetPart, name: string): SnippetPart {
    if (declared === null) return { object, declared };
    return { object, declared: { name: `${name}:${this.#parts.length + 1}`, text: declared.text } };
  }

  /** The shortest part that is something: an `if` without its `else` is, which is why no cut is there. */
  async #shortest(from: number, cuts: readonly number[]) {
    const { text, name } = this.#given.snippet;
    for (const to of cuts) {
      if (to <= from) continue;
      const isLast = to === text.length;
      if (isBlank(text.slice(from, to))) {
        if (isLast) return { to, part: null };
        continue;
      }
      const part = { name, text: onlyPart(text, from, to), isUnterminated: isLast && isUnterminated(text) };
      const isWhole = from === 0 && isLast;
      const made =
        (isLast && !isWhole ? await this.#expression(part) : null) ??
        (isWhole ? null : await this.#declarations(part)) ??
        (await this.#initialised(part, from, isWhole ? this.#wholeErrors : this.#lastErrors)) ??
        (await this.#statement(part));
      if (made !== null) return { to, part: made };
    }
    return null;
  }

  async #expression(snippet: NamedText): Promise<SnippetPart | null> {
    const object = await this.#try(snippet, asExpression(this.#scope(), snippet));
    if (object !== null) return { object, declared: null };
    // Nothing else, where it can be read as one: as a statement it would run, and its value be lost.
    const isExpression = snippet.isUnterminated && isReadable(this.#lastErrors);
    if (isExpression && !this.#lastErrors.some((message) => VOID.test(message))) throw this.#best?.error;
    return null;
  }

  async #declarations(snippet: NamedText): Promise<SnippetPart | null> {
    const object = await this.#try(snippet, asDeclarations(this.#scope(), snippet));
    return object === null ? null : { object, declared: closed(snippet) };
  }

  async #statement(snippet: NamedText): Promise<SnippetPart | null> {
    const object = await this.#try(snippet, asStatement(this.#scope(), snippet));
    return object === null ? null : { object, declared: null };
  }

  /** Only what failed as a declaration for that reason alone. */
  async #initialised(snippet: NamedText, from: number, failed: readonly string[]): Promise<SnippetPart | null> {
    if (this.#given.scope.language !== 'c' || !failed.every((message) => message.startsWith(NOT_CONSTANT))) return null;
    const text = asInitialised(this.#scope(), { ...snippet, text: snippet.text.slice(from) });
    const object = text === null ? null : await this.#try(snippet, text);
    return object === null || text === null ? null : { object, declared: { ...snippet, text: text.declaration } };
  }

  #scope(): SnippetScope {
    const { scope } = this.#given;
    return { ...scope, declared: [...scope.declared, ...this.#parts.flatMap(({ declared }) => declared ?? [])] };
  }

  /** The object, or null when it does not compile. */
  async #try(snippet: NamedText, { text, declaredBefore }: SnippetText): Promise<Uint8Array | null> {
    const { toolchain, request, headers } = this.#given;
    const parts = Object.fromEntries([...this.#scope().declared, snippet].map((each) => [each.name, each.text]));
    const input = { kind: 'text', text, displayName: snippet.name, headers, parts } as const;
    try {
      return (await compile(toolchain, { ...request, input, declaredBefore })).object;
    } catch (error) {
      if (!(error instanceof CompileError)) throw error;
      const errors = error.diagnostics.filter(({ severity }) => severity === 'error' || severity === 'fatal');
      const refusal = isReadable(errors.map(({ message }) => message)) ? refusalOf(errors) : null;
      if (refusal !== null) throw refused(request.library, snippet, refusal);
      this.#lastErrors = errors.map(({ message }) => message);
      const place = placeOf(errors, snippet.name);
      if (place > (this.#best?.place ?? Number.NEGATIVE_INFINITY)) this.#best = { error, place };
      return null;
    }
  }
}

function refused(library: string, { name, text }: NamedText, refusal: string): BindingError {
  const type = text.trim();
  const message = `${library}: the value of ${name} can't be given to JavaScript: it is ${refusal}, or end it with \`;\` to run it without its value`;
  return new BindingError(library, message, { function: '', parameter: null, type });
}

const closed = ({ name, text, isUnterminated: isOpen }: NamedText): NamedText => ({
  name,
  text: isOpen ? `${text}\n;` : text,
});

/** How clang begins to say that it can't even read something, or not there. */
const UNREADABLE =
  /^(?:expected|unexpected|extraneous|type specifier missing|a type specifier is required|unknown type name|C\+\+ requires a type specifier|function definition is not allowed)/;

const isReadable = (messages: readonly string[]): boolean =>
  messages.length > 0 && !messages.some((message) => UNREADABLE.test(message));

/** How clang says that an expression has no value. */
const VOID = /incomplete type '(?:const )?void'/;

/**
 * How likely it is that the snippet was meant as what was attempted: it is when all of it could be read, and else the
 * more so, the more of it could be.
 */
function placeOf(errors: readonly Diagnostic[], snippet: string): number {
  if (isReadable(errors.map(({ message }) => message))) return Number.MAX_SAFE_INTEGER;
  const [first] = errors;
  const within = first === undefined ? undefined : [first, ...first.notes].find(({ file }) => file === snippet);
  return within === undefined ? -1 : within.line * 65_536 + within.column;
}

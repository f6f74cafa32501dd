/** Pure: what a C or C++ source looks like defining for others, without preprocessing it. */

import { stripComments } from './compile/comments.ts';

/** What a name looks like being. */
export type DefinitionKind = 'function' | 'data';

/**
 * Literals, directives and numbers, which have nothing to say; words; and what tells what a word is. A quote that nothing
 * closes on its line is passed over.
 */
const TOKENS =
  /"(?:\\[\s\S]|[^"\\\n])*"|'(?:\\[\s\S]|[^'\\\n])*'|^[ \t]*#(?:[^\n\\]|\\[\s\S])*|\.?\d[\w.']*|[A-Za-z_$][\w$]*|::|[{}()[\];:,=]/gm;

/** A statement outside of any function, as far as it was read. */
interface Statement {
  /** Words that a `(` follows. */
  readonly called: Set<string>;
  /** Words that something follows which ends a declarator. */
  readonly declared: Set<string>;
  readonly words: Set<string>;
  hasValue: boolean;
  hasLiteral: boolean;
  hasBraces: boolean;
  /** Behind an `=`, until a comma. */
  isInValue: boolean;
  /** Behind the `:` of a constructor, where members are that may be called as a variable is. */
  isInMembers: boolean;
}

const newStatement = (): Statement => ({
  called: new Set(),
  declared: new Set(),
  words: new Set(),
  hasValue: false,
  hasLiteral: false,
  hasBraces: false,
  isInValue: false,
  isInMembers: false,
});

/**
 * Every name that looks like a definition which other files can use. It is a guess: of a name that macros make nothing is
 * seen, and of what conditions take out too much. Takes about 20 ms per MB.
 */
export function findDefinitions(source: string): Map<string, DefinitionKind> {
  const found = new Map<string, DefinitionKind>();
  let statement = newStatement();
  /** Braces whose content is not looked at; those of namespaces are not counted. */
  let depth = 0;
  let parentheses = 0;
  let last = '';
  let beforeLast = '';
  let before = '';
  /** Whether a function's body is what the braces enclose, with which its statement ends. */
  let isBody = false;
  const end = (kind: DefinitionKind | null): void => {
    if (kind !== null) {
      const names = kind === 'function' ? statement.called : statement.declared;
      // A stub can stand for a function only, so what may be data counts as that.
      for (const name of names) if (kind === 'data' || !found.has(name)) found.set(name, kind);
    }
    statement = newStatement();
    parentheses = 0;
  };
  const text = stripComments(source);
  for (const match of text.matchAll(TOKENS)) {
    const token = match[0];
    if (token === '}') {
      // One in the first column ends what is there, whatever conditions have done to the count.
      const isFirst = match.index === 0 || text[match.index - 1] === '\n';
      depth = isFirst ? 0 : Math.max(0, depth - 1);
      if (depth === 0 && isBody) end(null);
      last = '';
      continue;
    }
    if (depth > 0) {
      if (token === '{') depth += 1;
      continue;
    }
    if (parentheses === 0 && !statement.isInValue && last !== '' && /^[;,=[]$/.test(token))
      statement.declared.add(last);
    switch (token) {
      case '{':
        if (isTransparent(statement)) end(null);
        else {
          depth = 1;
          statement.hasBraces = true;
          isBody = !(statement.isInMembers && last !== '') && statement.called.size > 0 && !statement.hasValue;
          if (isBody) end(statement.words.has('static') ? null : 'function');
        }
        break;
      case ';':
        if (parentheses === 0) end(isData(statement) ? 'data' : null);
        break;
      case '(':
        // The second is `int (*f(int))(void)`, and not a parameter.
        if (last !== '' && !statement.isInMembers && (parentheses === 0 || (parentheses === 1 && beforeLast === '(')))
          statement.called.add(last);
        parentheses += 1;
        break;
      case ')':
        parentheses = Math.max(0, parentheses - 1);
        break;
      case '=':
        if (parentheses === 0) {
          statement.hasValue = true;
          statement.isInValue = true;
        }
        break;
      case ',':
        if (parentheses === 0) statement.isInValue = false;
        break;
      case ':':
        if (parentheses === 0 && statement.called.size > 0) statement.isInMembers = true;
    }
    const isWord = /^[A-Za-z_$]/.test(token);
    if (isWord) statement.words.add(token);
    else if (token[0] === '"') statement.hasLiteral = true;
    beforeLast = isWord ? before : '';
    last = isWord ? token : '';
    before = token;
  }
  return found;
}

/** `extern "C" {` and `namespace a {`. */
function isTransparent({ words, hasLiteral, called }: Statement): boolean {
  return called.size === 0 && (words.has('namespace') || (words.has('extern') && hasLiteral));
}

function isData({ words, called, hasValue, hasBraces }: Statement): boolean {
  if (words.has('typedef') || words.has('using') || words.has('static') || words.has('friend')) return false;
  if (words.has('extern') && !hasValue) return false;
  // `class C;` and `template <class T> class C;` say that there is one.
  if (!hasValue && words.has('template')) return false;
  const tags = ['struct', 'class', 'union', 'enum'].filter((tag) => words.has(tag)).length;
  if (tags > 0 && words.size === tags + 1 && !hasBraces) return false;
  return hasValue || called.size === 0;
}

/** The identifiers in a linker's name: itself in C; in C++ those of namespaces, class and function, and of types. */
export function identifiersOf(symbol: string): string[] {
  if (!symbol.startsWith('_Z')) return [symbol];
  const words: string[] = [];
  const number = /\d+/g;
  for (let match = number.exec(symbol), end = 0; match !== null; match = number.exec(symbol)) {
    // C1 is a constructor, D1 a destructor; but a word may end in such a letter.
    if (match.index !== end && /[CD]/.test(symbol[match.index - 1] as string)) continue;
    const start = match.index + match[0].length;
    const word = symbol.slice(start, start + Number(match[0]));
    if (!/^[A-Za-z_$]/.test(word)) continue;
    words.push(word);
    end = start + word.length;
    number.lastIndex = end;
  }
  return words;
}

/** Of those, the one that its definition has before the parenthesis, or null: `bar` of `_ZN3foo3barEi`. */
export function nameOf(symbol: string): string | null {
  if (!symbol.startsWith('_Z')) return symbol;
  // What is nested ends with an E; of what follows are the parameters.
  const nested = /^_ZNK?V?/.exec(symbol);
  const words = /^(?:\d|St)/.test(symbol.slice(2)) ? identifiersOf(symbol).slice(0, 1) : [];
  if (nested === null) return words[0] ?? null;
  let at = nested[0].length;
  let name: string | null = null;
  for (let length = /^\d+/.exec(symbol.slice(at)); length !== null; length = /^\d+/.exec(symbol.slice(at))) {
    at += length[0].length;
    name = symbol.slice(at, at + Number(length[0]));
    at += name.length;
  }
  return name;
}

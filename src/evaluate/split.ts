/** Pure: where a snippet may be cut. It knows brackets, texts and comments, and leaves the language to the compiler. */

/** What may stand between two tokens. */
const BLANK = /(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;

function skipBlank(text: string, from: number): number {
  BLANK.lastIndex = from;
  return BLANK.test(text) ? BLANK.lastIndex : from;
}

/** Whether there is nothing but blanks and comments. */
export const isBlank = (text: string): boolean => skipBlank(text, 0) === text.length;

/** Whether a declaration or statement at the end may lack its `;`: there is neither that nor a `}`, nor a directive. */
export function isUnterminated(text: string): boolean {
  const last = findCuts(text).at(-1) ?? 0;
  return !isBlank(text.slice(last));
}

/** The end of a text, a character or a comment that begins at a place, or the place itself. */
function skipToken(text: string, at: number): number {
  const raw = /^R"([^\s()\\]{0,16})\(/.exec(text.slice(at, at + 20));
  if (raw !== null) {
    const end = text.indexOf(`)${raw[1]}"`, at);
    return end < 0 ? text.length : end + (raw[1] as string).length + 2;
  }
  const quote = text[at];
  // C++ has quotes between digits.
  if (quote !== '"' && (quote !== "'" || /\w/.test(text[at - 1] ?? ''))) return at;
  for (let end = at + 1; end < text.length; end += 1) {
    if (text[end] === '\\') end += 1;
    else if (text[end] === quote || text[end] === '\n') return end + 1;
  }
  return text.length;
}

/** The end of the line that a directive ends with. */
function skipDirective(text: string, at: number): number {
  for (let end = at; ; end += 1) {
    end = text.indexOf('\n', end);
    if (end < 0) return text.length;
    if (text[end - 1] !== '\\') return end + 1;
  }
}

/**
 * The places at which a declaration or a statement may end: behind a `;`, a `}` or a directive that
 * is in no bracket. Where an `else` follows none does.
 */
export function findCuts(text: string): number[] {
  const cuts: number[] = [];
  const cut = (at: number): void => {
    if (!/^else\b/.test(text.slice(skipBlank(text, at), skipBlank(text, at) + 5))) cuts.push(at);
  };
  let depth = 0;
  for (let at = skipBlank(text, 0); at < text.length; at = skipBlank(text, at)) {
    const char = text[at] as string;
    const isFirst = /^[ \t]*$/.test(text.slice(text.lastIndexOf('\n', at - 1) + 1, at));
    if (char === '#' && depth === 0 && isFirst) {
      if (at > (cuts.at(-1) ?? 0)) cuts.push(at);
      at = skipDirective(text, at);
      cuts.push(at);
      continue;
    }
    const end = skipToken(text, at);
    if (end > at) {
      at = end;
      continue;
    }
    at += 1;
    if ('([{'.includes(char)) depth += 1;
    if (')]}'.includes(char)) depth -= 1;
    if (depth === 0 && (char === ';' || char === '}')) cut(at);
  }
  return cuts;
}

/** The text with blanks for all but a part, which keeps its lines and columns. */
export function onlyPart(text: string, from: number, to: number): string {
  const blank = (part: string): string => part.replace(/[^\n\t]/g, ' ');
  return blank(text.slice(0, from)) + text.slice(from, to);
}

/** One of the variables of a declaration. */
export interface Declarator {
  readonly name: string;
  /** From behind the `=` to the end; null without an initialiser. */
  readonly initialiser: string | null;
}

/**
 * Takes the initialisers out of `int x = f(), y = 2;`. What it makes of anything else need not be right: the compiler
 * has taken it for a declaration, and is given the result. Null when there is no name.
 */
export function splitDeclaration(text: string): { declaration: string; declarators: Declarator[] } | null {
  const declarators: Declarator[] = [];
  let declaration = '';
  let from = 0;
  let equals = -1;
  let depth = 0;
  const finish = (at: number): boolean => {
    const declarator = text.slice(from, equals < 0 ? at : equals);
    // In brackets where it is a pointer to a function or an array, else the last word before those.
    const name = (/\(\s*\*[\s*]*(?:const\s+)?(\w+)/.exec(declarator) ??
      /(\w+)\s*(?:\[[\s\S]*\])?\s*$/.exec(declarator))?.[1];
    if (name === undefined) return false;
    declarators.push({ name, initialiser: equals < 0 ? null : text.slice(equals + 1, at) });
    declaration += declarator + (text[at] ?? '');
    from = at + 1;
    equals = -1;
    return true;
  };
  for (let at = skipBlank(text, 0); at < text.length; at = skipBlank(text, at)) {
    const end = skipToken(text, at);
    if (end > at) {
      at = end;
      continue;
    }
    const char = text[at] as string;
    if ('([{'.includes(char)) depth += 1;
    if (')]}'.includes(char)) depth -= 1;
    if (depth === 0 && char === '=' && equals < 0) equals = at;
    if (depth === 0 && (char === ',' || char === ';') && !finish(at)) return null;
    at += 1;
  }
  return { declaration, declarators };
}

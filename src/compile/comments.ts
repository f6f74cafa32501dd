/** Pure: the text of a C or C++ source without its comments. */

const INTERESTING = /\/[/*]|["']/g;

/**
 * Each comment becomes a space; strings and character literals stay, so that a `/*` in one opens nothing. In doubt, as at
 * a quote that nothing closes on its line, text stays: who searches the rest may find too much, not too little.
 */
export function stripComments(text: string): string {
  const kept: string[] = [];
  let from = 0;
  INTERESTING.lastIndex = 0;
  for (let match = INTERESTING.exec(text); match !== null; match = INTERESTING.exec(text)) {
    const at = match.index;
    const opener = match[0];
    if (opener === '"' || opener === "'") {
      INTERESTING.lastIndex = literalEnd(text, at, from, opener);
      continue;
    }
    const end = opener === '/*' ? blockEnd(text, at) : lineEnd(text, at);
    kept.push(text.slice(from, at), ' ');
    from = end;
    INTERESTING.lastIndex = end;
  }
  kept.push(text.slice(from));
  return kept.join('');
}

function blockEnd(text: string, at: number): number {
  const end = text.indexOf('*/', at + 2);
  return end < 0 ? text.length : end + 2;
}

/** A line comment goes on where its line ends in a backslash. */
function lineEnd(text: string, at: number): number {
  let end = text.indexOf('\n', at);
  while (end >= 0 && /\\\r?$/.test(text.slice(end - 2, end))) end = text.indexOf('\n', end + 1);
  return end < 0 ? text.length : end;
}

/** Where to go on behind a quote: after the literal, or right after the quote when it opens none. */
function literalEnd(text: string, at: number, from: number, quote: string): number {
  const before = /[\w.']{0,40}$/.exec(text.slice(Math.max(from, at - 40), at))?.[0] ?? '';
  // In a number it separates digits.
  if (quote === "'" && /^\.?\d/.test(before)) return at + 1;
  if (quote === '"' && /^(?:u8|[uUL])?R$/.test(before)) {
    const delimiter = /^([^()\\\s]{0,16})\(/.exec(text.slice(at + 1, at + 18))?.[1];
    const end = delimiter === undefined ? -1 : text.indexOf(`)${delimiter}"`, at);
    if (end >= 0) return end + (delimiter as string).length + 2;
  }
  const stop = quote === '"' ? /["\\\n]/g : /['\\\n]/g;
  stop.lastIndex = at + 1;
  for (let match = stop.exec(text); match !== null; match = stop.exec(text)) {
    if (match[0] === quote) return match.index + 1;
    if (match[0] === '\n') break;
    stop.lastIndex = match.index + (text.startsWith('\r\n', match.index + 1) ? 3 : 2);
  }
  return at + 1;
}

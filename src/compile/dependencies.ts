/** Pure: the make rule that lists the files a compile read. */

/** A target and its prerequisites end at the first line that no backslash continues. */
const RULE_END = /(?<!\\)\n/;

/**
 * The prerequisites of the first rule, in order, without repetition.
 *
 * Both compilers write a space as `\ ` with the backslashes before it doubled, `#` as `\#`, and `$` as `$$`. Names
 * with a newline, or that end in a backslash, can't be told apart in this format.
 */
export function parseDependencyRule(text: string): string[] {
  const rule = text.split(RULE_END, 1)[0] ?? '';
  const colon = rule.indexOf(': ');
  if (colon < 0) return [];
  const words = rule.slice(colon + 1).replace(/\\\n/g, ' ');
  const names = new Set<string>();
  for (const [word] of words.matchAll(/(?:\\+[ #]|\$\$|[^\s])+/g)) {
    const name = word
      .replace(/(\\*)\\([ #])/g, (_, before: string, char: string) =>
        char === ' ' ? before.slice(before.length / 2) + char : before + char,
      )
      .replaceAll('$$', '$');
    names.add(name);
  }
  return [...names];
}

/** What the rule is said to make; no path is likely to hold it. */
export const RULE_TARGET = 'fromsource-object';

/**
 * Splits stdout of a clang that was told to write both there. clang 22 writes the rule before the object, 14 to 19
 * after it, never inside.
 */
export function splitRuleAndObject(stdout: Buffer): { rule: string; object: Buffer } {
  if (stdout.indexOf(`${RULE_TARGET}:`) === 0) {
    const objectStart = stdout.indexOf('\n\x7fELF', 0, 'latin1') + 1;
    const start = objectStart === 0 ? stdout.length : objectStart;
    return { rule: stdout.toString('utf8', 0, start), object: stdout.subarray(start) };
  }
  // The last one, because an object can record its own command line.
  const end = stdout.lastIndexOf(`${RULE_TARGET}:`);
  if (end < 0) return { rule: '', object: stdout };
  return { rule: stdout.toString('utf8', end), object: stdout.subarray(0, end) };
}

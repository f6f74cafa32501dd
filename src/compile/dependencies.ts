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

/** Splits stdout of a clang that was told to write both there: the rule comes first, then the object. */
export function splitRuleAndObject(stdout: Buffer): { rule: string; object: Buffer } {
  const hasRule = stdout.indexOf('\x7fELF', 0, 'latin1') !== 0;
  const start = hasRule ? stdout.indexOf('\n\x7fELF', 0, 'latin1') + 1 : 0;
  return { rule: stdout.toString('utf8', 0, start), object: stdout.subarray(start) };
}

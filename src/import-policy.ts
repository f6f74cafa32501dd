/** Pure: which names of other libraries a library may be linked to. */

/** Names, or patterns in which `*` stands for any text. */
export interface ImportPolicy {
  /** Undefined: every name. */
  readonly allow: readonly string[] | undefined;
  /** Wins over `allow`. */
  readonly deny: readonly string[];
}

/** What compilers put into any object, and each loader gives it. */
const ALWAYS = new Set(['_GLOBAL_OFFSET_TABLE_', '__dso_handle', '__tls_get_addr']);

/** The names that the policy does not allow, sorted. */
export function deniedImports({ allow, deny }: ImportPolicy, names: readonly string[]): string[] {
  const allows = allow === undefined ? () => true : matcher(allow);
  const denies = matcher(deny);
  return [...new Set(names)].filter((name) => !ALWAYS.has(name) && (denies(name) || !allows(name))).sort();
}

function matcher(patterns: readonly string[]): (name: string) => boolean {
  const escaped = patterns.map((pattern) => pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*'));
  const expression = new RegExp(`^(?:${escaped.join('|')})$`);
  return patterns.length === 0 ? () => false : (name) => expression.test(name);
}

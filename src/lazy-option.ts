/** The option `lazy`, and what does not go with it. */

import { checkBoolean } from './checks.ts';

/** What needs all of the code when it is loaded. */
const NOT_LAZY = ['libraries', 'libraryPaths', 'pkgConfig', 'imports', 'crashReport', 'perf'] as const;

/** Throws TypeError. */
export function checkLazy(spec: Readonly<Record<string, unknown>>): boolean {
  const isLazy = checkBoolean('lazy', spec.lazy);
  const other = isLazy ? NOT_LAZY.find((option) => spec[option] !== undefined && spec[option] !== false) : undefined;
  if (other !== undefined) throw new TypeError(`\`${other}\` does not go with \`lazy\`, whose code is not there yet`);
  return isLazy;
}

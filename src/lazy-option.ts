/** The option `lazy`, and what does not go with it. */

import { checkBoolean } from './checks.ts';
import { LINKING } from './linking.ts';

/** What needs all of the code when it is loaded. */
const NOT_LAZY = [...LINKING, 'crashReport', 'perf'] as const;

/** Throws TypeError. */
export function checkLazy(spec: Readonly<Record<string, unknown>>): boolean {
  const isLazy = checkBoolean('lazy', spec.lazy);
  const other = isLazy
    ? NOT_LAZY.find((option) => ![undefined, false, 'off'].includes(spec[option] as undefined))
    : undefined;
  if (other !== undefined) throw new TypeError(`\`${other}\` does not go with \`lazy\`, whose code is not there yet`);
  if (isLazy && spec.loader === 'shared-object') {
    throw new TypeError("`loader: 'shared-object'` does not go with `lazy`, which needs the ORC loader");
  }
  return isLazy;
}

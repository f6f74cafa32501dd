/** Pure: what tells two specs of one name apart. */

import { isDeepStrictEqual } from 'node:util';
import { plainLinking } from './linking.ts';
import type { ResolvedSpec } from './options.ts';

/**
 * In which options two specs of one name differ, each with a text that shows both values. `signal` says how a caller
 * waits, not what the library is; the display name follows from the name; what starts at the folder is absolute.
 */
export function specDifferences(
  a: ResolvedSpec,
  b: ResolvedSpec,
): { readonly option: string; readonly text: string }[] {
  const values = (spec: ResolvedSpec): Record<string, unknown> => {
    const { input, limits, signal, folder, linking, ...rest } = spec;
    const { kind, displayName, ...source } = { displayName: '', ...input };
    return { ...rest, ...limits, ...plainLinking(linking), ...source };
  };
  const before = values(a);
  const after = values(b);
  const options = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return options
    .filter((option) => !isDeepStrictEqual(before[option], after[option]))
    .map((key) => {
      const option = key === 'text' ? 'source' : key === 'path' ? 'file' : key;
      const [first, second] = [before[key], after[key]].map((value) => JSON.stringify(value, showBytes) ?? 'nothing');
      const short = (value = ''): string => (value.length > 60 ? `${value.slice(0, 60)}…` : value);
      return { option, text: `\`${option}\` was ${short(first)}, now ${short(second)}` };
    });
}

function showBytes(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? `${value.length} bytes` : value;
}

/** The error that both loaders throw for names that nothing defines. */

import { readFileSync } from 'node:fs';
import { readExports } from '../elf.ts';
import { LinkError } from '../errors.ts';
import { nearNames } from '../near-names.ts';

/** What a library may link to without being told: the C and C++ runtime. */
const RUNTIME = /\s(\/\S+\/(?:libc|libm|libstdc\+\+)[.-]\S*)$/;

/** The names of the runtime libraries that are open in this process. Read only when a link has failed. */
function runtimeNames(): string[] {
  const paths = new Set<string>();
  for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
    const match = RUNTIME.exec(line);
    if (match?.[1] !== undefined) paths.add(match[1]);
  }
  return [...paths].flatMap((path) => readExports(readFileSync(path), 'dynamic').map((symbol) => symbol.name));
}

/**
 * The names that an object, and the runtime, define. They are a courtesy: that they can't be had must not hide the
 * failure itself.
 */
export function knownNames(object: Uint8Array): string[] {
  try {
    return [...readExports(object, 'static').map((symbol) => symbol.name), ...runtimeNames()];
  } catch {
    return [];
  }
}

/**
 * @param known - names that might have been meant
 */
export function missingSymbolsError(library: string, missing: readonly string[], known: readonly string[]): LinkError {
  const shown = missing.slice(0, 10).map((name) => {
    const [near] = nearNames(name, known);
    return near === undefined ? `\`${name}\`` : `\`${name}\` (did you mean \`${near}\`?)`;
  });
  const more = missing.length > shown.length ? ` and ${missing.length - shown.length} more` : '';
  return new LinkError(
    library,
    `${library}: nothing defines ${shown.join(', ')}${more}. Define it in the source or mend its spelling; ` +
      'a library links only to itself, to its `libraries` and to the C and C++ runtime',
    missing,
  );
}

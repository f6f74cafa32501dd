/** What of a library's linking is part of a key: what its libraries are called. What is in their files is the manifest's. */

import type { KeyParts } from './cache/key.ts';
import { HOLD, type Linking } from './linking.ts';
import { sha256 } from './sha256.ts';

/**
 * The parts of a library that is linked to others. Of one that is loaded, the names that it exports decide what is taken
 * from it; where they are, a hit finds out.
 *
 * @throws DisposedError
 */
export function withLinking(parts: KeyParts, { libraries, libraryPaths, imports }: Linking): KeyParts {
  const words = libraries.map((reference) => {
    if (reference.kind === 'name') return `-l${reference.name}`;
    if (reference.kind === 'path') return reference.path;
    if (reference.kind === 'runtime') return `runtime:${reference.runtime.files.join(' ')}`;
    const { library } = reference;
    const hold = library[HOLD]('');
    const names = [...hold.symbols.keys()].sort().join('\n');
    hold.release();
    return `library:${library.name}:${sha256(names).slice(0, 16)}`;
  });
  // What does not keep to the policy is not kept.
  const policy = imports === null ? [] : [`imports:${JSON.stringify(imports)}`];
  return { ...parts, command: [...parts.command, ...libraryPaths.map((path) => `-L${path}`), ...words, ...policy] };
}

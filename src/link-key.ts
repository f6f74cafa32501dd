/** What of a library's linking is part of a key: what its libraries are called. What is in their files is the manifest's. */

import type { KeyParts } from './cache/key.ts';
import { HOLD, type Linking } from './linking.ts';
import { sha256 } from './sha256.ts';

/**
 * The parts of a library that is linked to others. Of one that is loaded, what it exports decides what is taken from
 * it; where that is, a hit finds out.
 *
 * @throws DisposedError
 */
export function withLinking(parts: KeyParts, { libraries, libraryPaths, imports, resolve }: Linking): KeyParts {
  const named = libraries.map((reference) => {
    if (reference.kind === 'name') return `-l${reference.name}`;
    if (reference.kind === 'path') return reference.path;
    if (reference.kind === 'runtime') return `runtime:${reference.runtime.files.join(' ')}`;
    const { library } = reference;
    const hold = library[HOLD]('');
    // What is as large as before, and of the same kind, is shared as before. The sizes of functions tell nothing.
    const sizes = [...hold.symbols].map(([name, { kind, size }]) => `${name} ${kind === 'data' ? size : kind}`);
    const names = sizes.sort().join('\n');
    hold.release();
    return `library:${library.name}:${sha256(names).slice(0, 16)}`;
  });
  // What does not keep to the policy is not kept.
  const policy = imports === null ? [] : [`imports:${JSON.stringify(imports)}`];
  // What is found then is the manifest's, as what is in the files.
  const search = resolve ? [`resolve:${JSON.stringify(process.env.LD_LIBRARY_PATH)}`] : [];
  const paths = libraryPaths.map((path) => `-L${path}`);
  // Without it are entries of libraries that shared other things with others, or nothing.
  return { ...parts, command: [...parts.command, ...paths, 'shares what fits', ...named, ...policy, ...search] };
}

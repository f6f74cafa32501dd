/** What `-stdlib=libc++` means for a link, where a compiler driver would link the library by itself. */

import type { LibraryReference } from './linking.ts';
import type { ResolvedSpec } from './options.ts';

/** Its C++ runtime is opened before what needs that. */
const LIBCXX = ['c++abi', 'c++'];

/** The spec with libc++ among its libraries, unless it is there or the source is in C. */
export function withLibcxx(spec: ResolvedSpec): ResolvedSpec {
  if (spec.language !== 'c++' && spec.input.kind !== 'files') return spec;
  const linking = spec.linking ?? { libraries: [], libraryPaths: [], pkgConfig: [], imports: null, resolve: false };
  const isThere = (name: string) => linking.libraries.some((each) => each.kind === 'name' && each.name === name);
  const added = LIBCXX.filter((name) => !isThere(name)).map((name): LibraryReference => ({ kind: 'name', name }));
  return { ...spec, linking: { ...linking, libraries: [...linking.libraries, ...added] } };
}

/** Replaces the option `pkgConfig` by what pkg-config says. */

import type { LibraryReference, Linking } from './linking.ts';
import type { ResolvedSpec } from './options.ts';
import { askPkgConfig } from './toolchain/pkg-config.ts';

/**
 * The spec with the flags and libraries of its packages, after its own.
 *
 * @throws ToolchainError when there is no pkg-config, LinkError when it does not know a package.
 */
export async function withPackages(spec: ResolvedSpec, linking: Linking): Promise<ResolvedSpec> {
  const needs = await askPkgConfig(spec.name, linking.pkgConfig, spec.folder);
  const named = needs.libraries.map(
    (each): LibraryReference => (each.includes('/') ? { kind: 'path', path: each } : { kind: 'name', name: each }),
  );
  const isThere = (one: LibraryReference) =>
    linking.libraries.some((other) => JSON.stringify(plain(other)) === JSON.stringify(plain(one)));
  return {
    ...spec,
    flags: [...spec.flags, ...needs.flags],
    linking: {
      ...linking,
      libraries: [...linking.libraries, ...named.filter((each) => !isThere(each))],
      libraryPaths: [...linking.libraryPaths, ...needs.libraryPaths],
    },
  };
}

const plain = (reference: LibraryReference) => (reference.kind === 'library' ? null : reference);

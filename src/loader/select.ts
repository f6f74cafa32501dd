/** Chooses the loader, once per load, and says why. */

import { LinkError } from '../errors.ts';
import type { Loader } from './loader.ts';
import { createOrcLoader } from './orc.ts';

/** Which loader a library lives in. */
export type LoaderReport =
  | { readonly kind: 'orc' }
  /** `reason` says why it is not `orc`. */
  | { readonly kind: 'shared-object'; readonly reason: string };

/** Loaded at its first link, so that the start of a program that has the other one doesn't pay for it. */
const sharedObjectLoader: Loader = {
  kind: 'shared-object',
  link: async (request) => (await import('./shared-object.ts')).sharedObjectLoader.link(request),
};

/** Made at the first use and kept: a session lives as long as the process. */
let orc: Loader | { readonly unavailable: Error } | undefined;

function openOrc(): Loader | { readonly unavailable: Error } {
  try {
    return createOrcLoader();
  } catch (error) {
    return { unavailable: error as Error };
  }
}

/**
 * The one branch between the two loaders.
 *
 * @throws LinkError when `orc` was asked for and can't be had.
 */
export function selectLoader(
  library: string,
  choice: 'auto' | 'orc' | 'shared-object',
  compilerKind: 'clang' | 'gcc',
): { loader: Loader; report: LoaderReport } {
  const otherwise = (reason: string) => ({
    loader: sharedObjectLoader,
    report: { kind: 'shared-object', reason } as const,
  });
  if (choice === 'shared-object') return otherwise('it was asked for');
  if (choice === 'auto' && compilerKind === 'gcc') return otherwise('the compiler is gcc');
  orc ??= openOrc();
  const found = orc;
  if (!('unavailable' in found)) return { loader: found, report: { kind: 'orc' } };
  if (choice === 'auto') return otherwise(found.unavailable.message);
  throw new LinkError(library, `${library}: the orc loader was asked for, but ${found.unavailable.message}`, [], {
    cause: found.unavailable,
  });
}

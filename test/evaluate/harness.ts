/** What the tests of `evaluate` share. */

import { describe } from 'vitest';
import { findResident } from '../../src/toolchain/resident.ts';

/** A suite that needs the resident compiler, or says that it is not there. */
export function describeSnippets(title: string, define: () => void): void {
  const isMissing = findResident() === null;
  if (isMissing) console.log(`skipped: ${title}: the resident compiler is not built`);
  describe.skipIf(isMissing)(title, define);
}

/** The error of what must fail. */
export async function failureOf<E extends Error>(
  kind: abstract new (...args: any[]) => E,
  failing: Promise<unknown>,
): Promise<E> {
  const error = await failing.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (error instanceof kind) return error;
  throw new Error(`expected ${kind.name}`, { cause: error });
}

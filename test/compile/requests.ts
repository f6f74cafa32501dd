/** Compile requests with every field filled in, for tests to vary. */

import type { CompileRequest } from '../../src/compile/compiler.ts';
import { discoverToolchain, type Toolchain } from '../../src/toolchain/discover.ts';

type Variation = Partial<Omit<CompileRequest, 'input' | 'limits'>> & {
  readonly headers?: Readonly<Record<string, string>>;
  readonly displayName?: string;
  readonly limits?: Partial<CompileRequest['limits']>;
};

/** A request for a text, as the path would make it from default options. */
export function textRequest(text: string, variation: Variation = {}): CompileRequest {
  const { headers = {}, displayName = 'vec.c', limits = {}, ...fields } = variation;
  return {
    library: 'vec',
    folder: process.cwd(),
    input: { kind: 'text', text, displayName, headers },
    language: 'c',
    flags: [],
    includePaths: [],
    defines: {},
    unsafeFlags: false,
    signal: undefined,
    ...fields,
    limits: { timeout: 60_000, maxOutputBytes: 2 ** 26, maxMemoryBytes: 2 ** 33, ...limits },
  };
}

/** Both compilers, where this machine has them; others by a list of names in FROMSOURCE_TEST_COMPILERS. */
export async function installedToolchains(): Promise<Toolchain[]> {
  const names = process.env.FROMSOURCE_TEST_COMPILERS?.split(',') ?? ['clang-22', 'gcc'];
  const searches = names.map((compiler) => discoverToolchain({ library: 'test', compiler }));
  const found = await Promise.allSettled(searches);
  return found.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}

/** What a promise rejects with; throws when it resolves. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const outcome = await promise.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(outcome instanceof Error)) throw new Error(`expected a rejection with an Error, got ${String(outcome)}`);
  return outcome as Error & Record<string, unknown>;
}

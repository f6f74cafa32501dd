/** What every file of the contract needs: libraries in each loader, and a memory that outlives them. */

import { spawnSync } from 'node:child_process';
import { afterEach, expect, type TestContext } from 'vitest';
import { loadSourceLibrary, readString, type SourceLibrary, type SourceLibrarySpec } from '../../src/index.ts';
import { openShim } from '../../src/loader/shim.ts';
import { loadFromImage } from './linked-image.ts';

export const LOADERS = ['orc', 'shared-object', 'linked-image'] as const;
export type ContractLoader = (typeof LOADERS)[number];

let serial = 0;
const live: SourceLibrary[] = [];

afterEach(async () => {
  // Last in, first out: destructors may write into an earlier library.
  for (const library of live.splice(0).reverse()) await library.dispose();
});

/** Without it an initialiser that throws ends the process. */
export function hasShim(): boolean {
  try {
    return openShim() !== undefined;
  } catch {
    return false;
  }
}

let isGccThere: boolean | undefined;

export function hasGcc(): boolean {
  isGccThere ??= spawnSync('gcc', ['--version'], { stdio: 'ignore' }).status === 0;
  return isGccThere;
}

/** Loads a library that is disposed after the test, the last one first. */
export async function loadIn(
  loader: ContractLoader,
  source: string,
  options: Partial<SourceLibrarySpec> = {},
): Promise<SourceLibrary> {
  const kind = loader === 'orc' ? 'orc' : 'shared-object';
  const spec = { name: `contract-${serial++}`, source, loader: kind, ...options } as SourceLibrarySpec;
  const library = await (loader === 'linked-image' ? loadFromImage(spec) : loadSourceLibrary(spec));
  live.push(library);
  expect(library.loader.kind).toBe(kind);
  return library;
}

declare module 'vitest' {
  interface TaskMeta {
    /** Why the loader refuses this line: `npm run parity` shows it instead of a pass. */
    refused?: string;
    /** Why the line was not tried here. */
    skipped?: string;
  }
}

/** Asserts that the loader refuses this line by design, with that reason in the error's message. */
export async function expectRefusal({ task }: TestContext, loading: Promise<unknown>, reason: RegExp): Promise<void> {
  const error: Error = await loading.then(
    () => expect.unreachable('it was not refused'),
    (refusal) => refusal,
  );
  expect(error.message).toMatch(reason);
  task.meta.refused = reason.exec(error.message)?.[0].trim() ?? '';
}

/** Skips the rest of the test; what the machine lacks is told to `npm run parity`. */
export function skipBecause({ task, skip }: TestContext, reason: string): never {
  task.meta.skipped = reason;
  return skip(reason);
}

/** Memory that outlives the library under test, to see what its destructors do. */
export async function makeLogIn(loader: ContractLoader): Promise<{ address: bigint; text: () => string }> {
  const log = await loadIn(loader, 'char text[4096];');
  const address = log.address('text');
  return { address, text: () => readString(address) };
}

/** A source that begins with it notes what happens in the log whose address it has put into `log_`. */
export const LOGGING = `
  #include <string.h>
  static char *log_;
  static void note(const char *what) { if (log_) { strcat(log_, what); strcat(log_, " "); } }
`;

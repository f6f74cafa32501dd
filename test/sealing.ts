/** Sealed libraries of one test file's own. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect } from 'vitest';
import {
  loadSealedLibrary,
  SealedLibraryError,
  type SealedLibraryOptions,
  type SourceLibrary,
  type SourceLibrarySpec,
  seal,
} from '../src/index.ts';
import { decodeSealed, encodeSealed, type Sealed, type SealedManifest } from '../src/sealed-file.ts';

export const add = { name: 'vec', source: 'int add(int a, int b) { return a + b; } int calls = 4;' };

/** What a test does with sealed libraries. */
export interface Sealing {
  /** Gone after the tests. */
  readonly folder: string;
  /** A path in it, by default one that nothing has. */
  fresh(name?: string): string;
  /** The path of a file. */
  sealed(spec: SourceLibrarySpec): Promise<string>;
  /** Disposed after the test, at the latest. */
  load(given: string | Uint8Array, options?: SealedLibraryOptions): Promise<SourceLibrary>;
  /** Disposes it after the test, too. */
  hold(library: SourceLibrary): SourceLibrary;
}

/** Registers what cleans up. */
export function holdSealed(): Sealing {
  const folder = mkdtempSync(join(tmpdir(), 'fromsource-seal-'));
  const live: SourceLibrary[] = [];
  let files = 0;
  afterEach(async () => {
    for (const library of live.splice(0)) await library.dispose();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const fresh: Sealing['fresh'] = (name) => join(folder, name ?? `${files++}.fsl`);
  const hold: Sealing['hold'] = (library) => {
    live.push(library);
    return library;
  };
  return {
    folder,
    fresh,
    async sealed(spec) {
      const path = fresh();
      await seal(spec, path);
      return path;
    },
    load: async (given, options) => hold(await loadSealedLibrary(given, options)),
    hold,
  };
}

/** What is in a file that is whole. */
export function opened(file: Buffer): Sealed {
  const found = decodeSealed(file);
  if ('fault' in found) throw new Error(found.why);
  return found;
}

/** A file with another manifest or other parts, as somebody makes it who has the format. */
export function changed(
  file: Buffer,
  change: (manifest: SealedManifest) => object,
  parts: Partial<Pick<Sealed, 'object' | 'image'>> = {},
): Buffer {
  const { manifest, object, image } = { ...opened(file), ...parts };
  return Buffer.concat(encodeSealed(change(manifest) as SealedManifest, object, image));
}

/** The error of a load that must not succeed. */
export async function refusal(given: string | Uint8Array, options?: SealedLibraryOptions): Promise<SealedLibraryError> {
  const error = await loadSealedLibrary(given, options).then(
    (library) => library.dispose().then(() => new Error('it was loaded')),
    (error: Error) => error,
  );
  expect(error).toBeInstanceOf(SealedLibraryError);
  return error as SealedLibraryError;
}

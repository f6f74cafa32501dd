/** Loads for the tests of one input on one loader: names that are free, and an end for all of them. */

import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { endResidents } from '../../src/compile/resident.ts';
import { libraries, loadSourceLibrary, type SourceLibrary, type SourceLibrarySpec } from '../../src/index.ts';
import { descriptors, enterSandbox, expectNothingLeft, type Sandbox } from '../compile/leftovers.ts';

export const LOADERS = ['orc', 'shared-object'] as const;
let serial = 0;

type Spec = Omit<SourceLibrarySpec, 'name'> & { readonly name?: string };

export interface Loads {
  /** Loads a spec; the library is disposed after the test. */
  load(spec: Record<string, unknown>): Promise<SourceLibrary>;
  /** What a load rejects with. */
  refusal(spec: Record<string, unknown>): Promise<Error & Record<string, unknown>>;
  readonly sandbox: Sandbox;
}

/** Registers hooks that hold each test to leave no file, process, descriptor or library behind. */
export function holdLoads(options: Partial<Spec>): Loads {
  const live: SourceLibrary[] = [];
  let sandbox: Sandbox | undefined;
  let before: string[] = [];
  const load = async (spec: Record<string, unknown>): Promise<SourceLibrary> => {
    const library = await loadSourceLibrary({ name: `input-${serial++}`, ...options, ...spec } as SourceLibrarySpec);
    live.push(library);
    return library;
  };
  beforeAll(async () => {
    sandbox = enterSandbox();
    // The first load opens what stays open: the shim, libuv's threads.
    await (await load({ source: 'int one(void) { return 1; }' })).dispose();
  });
  afterAll(() => sandbox?.remove());
  beforeEach(() => {
    endResidents();
    before = descriptors();
  });
  afterEach(async () => {
    for (const library of live.splice(0).reverse()) await library.dispose();
    expect(libraries.list()).toEqual([]);
    endResidents();
    await expectNothingLeft(sandbox as Sandbox, before);
  });
  return {
    load,
    refusal: async (spec) => {
      const outcome = await load(spec).catch((error: unknown) => error);
      if (outcome instanceof Error) return outcome as Error & Record<string, unknown>;
      throw new Error('it was loaded');
    },
    get sandbox() {
      return sandbox as Sandbox;
    },
  };
}

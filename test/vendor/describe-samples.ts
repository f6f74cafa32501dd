/** Runs a suite over sample libraries once per way to load them, or says why it can't. */

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect } from 'vitest';
import { loadSourceLibrary, type SourceLibrary } from '../../src/index.ts';
import { allKept } from '../../src/keep.ts';
import { root, type SampleName, sample } from '../../vendor-samples/samples.ts';

/** Loads a sample through the suite's loader. `copy` tells several of one sample apart that are live at once. */
export type LoadSample = (name: SampleName, copy?: string) => Promise<SourceLibrary>;

/** The first compiles; the others have its objects, from a cache that all of a file's suites share. */
const WAYS = {
  'the shared-object loader': 'shared-object',
  'the orc loader': 'orc',
  'a linked image of the cache': 'auto',
} as const;
type Way = keyof typeof WAYS;

const IMAGE_REASON = 'its linked image is in the cache';
const orcIsBuilt = existsSync(join(root, 'native-shims/build/libfromsource_orc.so'));

function reasonToSkip(names: readonly SampleName[], way: Way): string | undefined {
  if (WAYS[way] !== 'shared-object' && !orcIsBuilt) return 'the orc shim is not built';
  return names.map((name) => sample(name)).find((found) => 'reason' in found)?.reason;
}

async function loadBy(way: Way, name: SampleName, copy: string, dir: string): Promise<SourceLibrary> {
  const found = sample(name);
  if (found.spec === undefined) throw new Error(found.reason);
  const load = () =>
    loadSourceLibrary({ ...found.spec, name: `${name}${copy}`, loader: WAYS[way], cache: { dir }, timeout: 600_000 });
  const library = await load();
  await allKept();
  if (WAYS[way] !== 'auto') expect(library.loader.kind).toBe(WAYS[way]);
  // An image that is open serves one library; a copy is linked from the object.
  if (WAYS[way] !== 'auto' || copy !== '') return library;
  // It may have been made only now.
  await library.dispose();
  const again = await load();
  expect([again.cache.status, again.loader]).toEqual(['hit', { kind: 'shared-object', reason: IMAGE_REASON }]);
  return again;
}

/** One `describe` for each way. A suite whose samples are not on this machine is skipped, its title says why. */
export function describeSamples(names: readonly SampleName[], define: (load: LoadSample) => void): void {
  const dir = mkdtempSync(join(tmpdir(), 'fromsource-samples-'));
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  for (const way of Object.keys(WAYS) as Way[]) {
    const title = `${names.join(' and ')} through ${way}`;
    const reason = reasonToSkip(names, way);
    if (reason !== undefined) {
      console.log(`skipped: ${title}: ${reason}`);
      describe.skip(`${title} (${reason})`, () => define(() => Promise.reject(new Error(reason))));
      continue;
    }
    describe(title, () => {
      const loads = new Map<string, Promise<SourceLibrary>>();
      afterAll(async () => {
        for (const load of loads.values()) await (await load).dispose();
      });
      define((name, copy = '') => {
        const load = loads.get(name + copy) ?? loadBy(way, name, copy, dir);
        loads.set(name + copy, load);
        return load;
      });
    });
  }
}

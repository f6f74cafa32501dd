/** Runs a suite over sample libraries once per loader, or says why it can't. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { loadSourceLibrary, type SourceLibrary } from '../../src/index.ts';
import { root, type SampleName, sample } from '../../vendor-samples/samples.ts';

/** Loads a sample through the suite's loader; the same library for every test of the suite. */
export type LoadSample = (name: SampleName) => Promise<SourceLibrary>;

const orcIsBuilt = existsSync(join(root, 'native-shims/build/libfromsource_orc.so'));

function reasonToSkip(names: readonly SampleName[], loader: string): string | undefined {
  if (loader === 'orc' && !orcIsBuilt) return 'the orc shim is not built';
  return names.map((name) => sample(name)).find((found) => 'reason' in found)?.reason;
}

/** One `describe` for each loader. A suite whose samples are not on this machine is skipped, its title says why. */
export function describeSamples(names: readonly SampleName[], define: (load: LoadSample) => void): void {
  for (const loader of ['orc', 'shared-object'] as const) {
    const title = `${names.join(' and ')} through the ${loader} loader`;
    const reason = reasonToSkip(names, loader);
    if (reason !== undefined) {
      console.log(`skipped: ${title}: ${reason}`);
      describe.skip(`${title} (${reason})`, () => define(() => Promise.reject(new Error(reason))));
      continue;
    }
    describe(title, () => {
      const loaded = new Set<SourceLibrary>();
      afterAll(async () => {
        for (const library of loaded) await library.dispose();
      });
      define(async (name) => {
        const found = sample(name);
        if (found.spec === undefined) throw new Error(found.reason);
        const library = await loadSourceLibrary({ ...found.spec, name: `${name} (${loader})`, loader });
        loaded.add(library);
        return library;
      });
    });
  }
}

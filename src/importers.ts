/** The libraries that are linked to one library. */

import { LibraryInUseError } from './errors.ts';
import type { Generation } from './generation.ts';
import type { Hold } from './linking.ts';

export class Importers {
  readonly #holds = new Set<Hold>();

  /** Keeps a generation, as a call that is in it does. */
  hold(generation: Generation, importer: string): Hold {
    const holds = this.#holds;
    const hold: Hold = {
      importer,
      owner: undefined,
      symbols: generation.symbols,
      mayThrow: generation.build.image.mayThrow(),
      release: () => {
        if (holds.delete(hold)) generation.leave();
      },
    };
    generation.enter();
    holds.add(hold);
    return hold;
  }

  /** Why the library can't be disposed; null when it can. One that is still being loaded can't be taken along. */
  refusal(library: string, takesAlong: boolean): LibraryInUseError | null {
    const inUse = [...this.#holds].filter(({ owner }) => !takesAlong || owner === undefined);
    const names = new Set(inUse.map(({ importer }) => importer));
    return names.size === 0 ? null : new LibraryInUseError(library, [...names].sort());
  }

  async dispose(): Promise<void> {
    const owners = new Set([...this.#holds].map(({ owner }) => owner));
    await Promise.all([...owners].map((owner) => owner?.dispose({ importers: true })));
  }
}

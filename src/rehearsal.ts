/** Goes once through what every load goes through, when the package is imported. */

import { defaultFolder, prepareFolder } from './cache/folder.ts';
import { keyOf } from './cache/key.ts';
import { checkVariant } from './cache/manifest.ts';
import { openStore, type Store } from './cache/store.ts';
import { knownTools } from './cache/tool-digests.ts';
import type { CompileInput } from './compile/compiler.ts';
import { identityOf } from './file-identity.ts';
import { type Build, liveGenerations } from './generation.ts';
import { keyPartsOf } from './key-parts.ts';
import { SourceLibrary } from './library.ts';
import { addressIn } from './loader/dynamic-linker.ts';
import { DEFAULT_CACHE, requestOf, resolveSpec } from './options.ts';
import { Registry } from './registry.ts';
import type { Toolchain } from './toolchain/discover.ts';
import { findResident } from './toolchain/resident.ts';

const CLANG: Toolchain = { kind: 'clang', path: '/', version: '', major: 22, target: '', resident: null };

const NO_CODE = async () => ({ ranges: [], functions: [], lines: [] });

/**
 * V8 makes a function ready at its first call, and node some of its own: that is 1 ms, which a program spends anyhow, but
 * rather while it starts than in its first load. Nothing is changed, on the disk or for any load, but that the folder of
 * the cache, where there is one, has been looked at.
 */
export function rehearse(): void {
  const spec = resolveSpec({ name: 'rehearsal', source: '', flags: ['-O2'] });
  const toolchain = findResident() ?? CLANG;
  const store = existingStore();
  if (store !== null && toolchain.resident !== null) knownTools(store, toolchain.resident, 0);
  keyOf(keyPartsOf(toolchain, requestOf(spec, spec.input as CompileInput)));
  setImmediate(() => {});
  const absent = [{ folder: '/', identity: identityOf('/'), names: [] }];
  checkVariant(
    { id: '', read: [], tools: [], absent, listed: [], diagnostics: [], objectBytes: 0, language: 'c', image: null },
    0,
  );

  const abs = { address: addressIn(0n, 'abs') as bigint, kind: 'function', size: 0 } as const;
  const build: Build = {
    image: { find: () => abs, mayThrow: () => false, symbols: new Map(), readCode: NO_CODE, dispose: async () => {} },
    loader: { kind: 'orc' },
    cache: () => ({ status: 'off', reason: '' }),
    before: { takenAt: 0, identities: new Map() },
    started: 0,
    linked: 0,
    stages: { toolchain: 0, compile: 0, link: 0 },
    diagnostics: [],
    dependencies: [],
    guards: null,
  };
  const library = new SourceLibrary(spec, async () => build, build);
  library.func('int abs(int value)')(1);
  // Nobody disposes it.
  liveGenerations.clear();
  void new Registry(async () => library).load({ name: 'rehearsal', source: '', flags: ['-O2'] });
}

/** The cache that loads use by default, unless it is off or was never made. */
function existingStore(): Store | null {
  const folder = process.env.FROMSOURCE_CACHE === 'off' ? null : defaultFolder();
  // Read-only, so that nothing is made; and only where there is nothing that a load would have to warn of.
  if (folder === null || prepareFolder(folder, true) !== null) return null;
  return openStore({ ...DEFAULT_CACHE, folder });
}

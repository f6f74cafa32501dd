/** Caches of one test's own, and loads from them. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import {
  type CacheOptions,
  cacheStats,
  LibraryRegistry,
  type SourceLibrary,
  type SourceLibrarySpec,
} from '../../src/index.ts';

/** What a test does with a cache. */
export interface Caches {
  /** A folder that is gone after the test. */
  folder(): string;
  /**
   * Loads in a registry of its own, so that nothing is joined. Resolves when all is kept, the image too. Disposed after
   * the test, at the latest.
   */
  load(dir: string, spec: Record<string, unknown>): Promise<SourceLibrary>;
  /** Loads, and disposes. */
  once(dir: string, spec: Record<string, unknown>): Promise<SourceLibrary['cache']>;
}

/** Registers what cleans up after each test. */
export function holdCaches(options: Omit<CacheOptions, 'dir'> = {}): Caches {
  const folders: string[] = [];
  const live: SourceLibrary[] = [];
  const load: Caches['load'] = async (dir, spec) => {
    const whole = { name: 'cached', cache: { ...options, dir }, ...spec } as SourceLibrarySpec;
    const library = await new LibraryRegistry().load(whole);
    live.push(library);
    await cacheStats({ dir });
    return library;
  };
  afterEach(async () => {
    for (const library of live.splice(0).reverse()) await library.dispose();
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });
  return {
    folder() {
      const folder = mkdtempSync(join(tmpdir(), 'fromsource-cache-'));
      folders.push(folder);
      return folder;
    },
    load,
    async once(dir, spec) {
      const library = await load(dir, spec);
      await library.dispose();
      return library.cache;
    },
  };
}

/** The names of a cache's files, without their folder. */
export function filesIn(dir: string): string[] {
  return readdirSync(join(dir, 'v1'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name !== 'tmp')
    .sort();
}

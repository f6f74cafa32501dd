/** Eight processes that load, verify and dispose at once, from a cache that is too small for what they load. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cacheStats, verifyCache } from '../../src/index.ts';
import { filesIn } from './caches.ts';
import { Children } from './children.ts';

/** FROMSOURCE_SOAK_SECONDS=180 is the long run. */
const SECONDS = Number(process.env.FROMSOURCE_SOAK_SECONDS ?? 8);
const PROCESSES = 8;
const LIBRARIES = 60;
/** What the cache has room for. */
const ENTRIES = 20;

let children: Children;
beforeAll(() => {
  children = new Children();
});
afterAll(() => children.remove());

test(
  `${PROCESSES} processes share a cache of ${ENTRIES} entries for ${SECONDS} s`,
  async () => {
    const dir = children.freshPath();
    mkdirSync(dir, { mode: 0o700 });
    const measured = children.freshPath();
    const warmUp = 'await once(1); await cacheStats({ dir }); const before = (await cacheStats({ dir })).bytes;';
    const rest = 'await once(2); say((await cacheStats({ dir })).bytes - before);';
    const [entryBytes] = (await children.well(warmUp + rest, { dir: measured })) as [number];
    const maxBytes = entryBytes * ENTRIES;

    // A sequence of its own for each, which can be run again.
    const program = (seed: number): string => `
      let state = ${seed};
      const next = () => (state = (state * 1664525 + 1013904223) % 2 ** 32);
      const capped = { dir, maxBytes: ${maxBytes} };
      const counts = { loads: 0, hit: 0, miss: 0, off: 0 };
      const failures = [];
      const live = [];
      const end = Date.now() + ${SECONDS * 1000};
      while (Date.now() < end) {
        const value = (next() >>> 8) % ${LIBRARIES};
        try {
          const library = await load(value, { cache: capped });
          counts.loads += 1;
          counts[library.cache.status] += 1;
          // Images are made when nothing was loaded for a while, or now.
          if (counts.loads % 8 === 0) await cacheStats({ dir });
          live.push([library, value]);
          if (live.length > 4) {
            const [old, expected] = live.shift();
            if (old.func('int value()')() !== expected) failures.push('a wrong result later');
            await old.dispose();
          }
        } catch (error) {
          failures.push(String(error.stack));
        }
      }
      for (const [library] of live) await library.dispose();
      say({ counts, failures, every });`;
    const ends = await Promise.all(
      Array.from({ length: PROCESSES }, (_, seed) => children.run(program(seed * 7919 + 1), { dir })),
    );
    for (const { code, signal, stderr, said } of ends) {
      expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
      expect(said[0].failures).toEqual([]);
      expect(said[0].every).toEqual([]);
    }
    const total = (what: string): number => ends.reduce((sum, { said }) => sum + said[0].counts[what], 0);
    const { bytes, entries } = await cacheStats({ dir });
    const share = bytes / maxBytes;
    console.log(
      `${total('loads')} loads, ${total('hit')} hits, ${total('miss')} misses, ${entries} entries, ` +
        `${(share * 100).toFixed(0)} % of the bound`,
    );
    expect(total('hit')).toBeGreaterThan(0);
    expect(total('miss')).toBeGreaterThanOrEqual(LIBRARIES);
    expect(share).toBeLessThan(2);
    expect((await verifyCache({ dir })).damaged).toEqual([]);
    expect(filesIn(dir).filter((name) => name.startsWith(join('tmp', '')) || name.endsWith('.lock'))).toEqual([]);
  },
  (SECONDS + 60) * 1000,
);

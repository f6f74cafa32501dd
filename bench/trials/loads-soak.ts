/**
 * 10,000 loads and disposes while 500 libraries are live, in each loader: memory, maps and descriptors stay where they
 * were after the first 1,000, and no page is both writable and executable that was not before. It runs without V8's
 * compilers: their code is in such pages, and comes and goes.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheStats, loadSourceLibrary, type SourceLibrary, type SourceLibrarySpec } from 'fromsource';
import { makeObject, median, report, verify, withFolder } from '../trial.ts';

const LIVE = 500;
const ROUNDS = 10_000;
const SETTLED = 1000;
const SAMPLE_EVERY = 50;
/** Samples that a median is taken of: those of 1,000 rounds. */
const WINDOW = 1000 / SAMPLE_EVERY;

/** Data, zeroed data, a constructor, an `atexit` handler, and an import. */
const source = (n: number): string => `
  #include <stdlib.h>
  int shared = ${n}; static int state[1000]; int next(void) { return ++state[7] + shared; }
  static void end(void) { state[7] = 0; } __attribute__((constructor)) static void start(void) { atexit(end); }`;

const maps = (): string[] => readFileSync('/proc/self/maps', 'utf8').trimEnd().split('\n');

/** Bytes that are both writable and executable; V8 has some from the start. */
function writableCode(): number {
  return maps().reduce((sum, line) => {
    const [, from = '0', to = '0'] = /^([0-9a-f]+)-([0-9a-f]+) rwx/.exec(line) ?? [];
    return sum + Number.parseInt(to, 16) - Number.parseInt(from, 16);
  }, 0);
}

function measure() {
  global.gc?.();
  return {
    memory: process.memoryUsage.rss() / 1e6,
    maps: maps().length,
    descriptors: readdirSync('/proc/self/fd').length,
  };
}
type Sample = ReturnType<typeof measure>;

const middle = (samples: readonly Sample[], what: keyof Sample): number => median(samples.map((each) => each[what]));

/** `live` are n libraries that differ, `one` is the one that comes and goes. */
interface Ways {
  readonly live: (n: number) => SourceLibrarySpec;
  readonly one: SourceLibrarySpec;
  readonly reason?: string;
}

async function loadOf(spec: SourceLibrarySpec, expected: number, { reason }: Ways): Promise<SourceLibrary> {
  const library = await loadSourceLibrary(spec);
  verify(library.func('int next(void)')(), expected, spec.name);
  const { loader } = library;
  if (reason !== undefined) verify('reason' in loader && loader.reason, reason, 'the loader');
  return library;
}

async function soak(name: string, before: number, ways: Ways): Promise<void> {
  const live: SourceLibrary[] = [];
  for (let n = 0; n < LIVE; n += 1) live.push(await loadOf(ways.live(n), n + 1, ways));
  const samples: Sample[] = [];
  let code = writableCode();
  for (let round = 1; round <= ROUNDS; round += 1) {
    const library = await loadOf(ways.one, -41, ways);
    if (round % SAMPLE_EVERY === 0) {
      samples.push(measure());
      code = Math.max(code, writableCode());
    }
    await library.dispose();
  }
  // They still are what they were.
  for (const [n, library] of live.entries()) verify(library.func('int next(void)')(), n + 2, `live library ${n}`);
  for (const library of live) await library.dispose();

  const settled = samples.slice(SETTLED / SAMPLE_EVERY, SETTLED / SAMPLE_EVERY + WINDOW);
  const last = samples.slice(-WINDOW);
  const grown = (what: keyof Sample): number => middle(last, what) - middle(settled, what);
  const title = (what: string) => `${name}, 500 live: ${what}`;
  report({ name: title('memory after 1,000 rounds'), unit: 'MB', value: middle(settled, 'memory') });
  // A kilobyte for each round would be 8 MB.
  report({ name: title('its growth to 10,000'), unit: 'MB', value: grown('memory'), must: 4 });
  report({ name: title('maps after 1,000'), unit: '', value: middle(settled, 'maps') });
  report({ name: title('their growth to 10,000'), unit: '', value: grown('maps'), must: 10 });
  report({ name: title('growth of descriptors'), unit: '', value: grown('descriptors'), must: 0 });
  report({ name: title('bytes of rwx pages more than before'), unit: '', value: code - before, must: 0 });
}

await withFolder(async (folder) => {
  const before = writableCode();
  const one = makeObject(source(-42), ['-O2']);
  const objects = Array.from({ length: LIVE }, (_, n) => patched(one, n));
  const byLoader = (loader: 'orc' | 'shared-object'): Promise<void> =>
    soak(loader, before, {
      live: (n) => ({ name: `live-${n}`, object: objects[n] as Uint8Array, loader, cache: false }),
      one: { name: 'one', object: one, loader, cache: false },
    });
  await byLoader('orc');

  const cache = { dir: join(folder, 'cache') };
  const specOf = (n: number, name: string): SourceLibrarySpec => ({ name, source: source(n), cache });
  for (let n = -1; n < LIVE; n += 1) {
    await (await loadSourceLibrary(n < 0 ? specOf(-42, 'one') : specOf(n, `live-${n}`))).dispose();
  }
  // Until all is kept.
  verify((await cacheStats(cache)).images, LIVE + 1, 'images');
  await soak('linked images of the cache', before, {
    live: (n) => specOf(n, `live-${n}`),
    one: specOf(-42, 'one'),
    reason: 'its linked image is in the cache',
  });
  // A process of the linker for each round: by far the longest.
  await byLoader('shared-object');
});
process.exit();

/** The object with another value of `shared`, which spares 500 compiles. */
function patched(object: Uint8Array, value: number): Uint8Array {
  const copy = Buffer.from(object);
  const wanted = Buffer.alloc(4);
  wanted.writeInt32LE(-42);
  const at = copy.indexOf(wanted);
  verify(copy.indexOf(wanted, at + 1), -1, 'places where the value is');
  copy.writeInt32LE(value, at);
  return copy;
}

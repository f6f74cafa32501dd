/** Loads the demo's libraries, as many at a time as there are processors, and times the first call of each. */

import { availableParallelism } from 'node:os';
import type { LibraryRegistry, SourceLibrary } from 'fromsource';
import { type SampleName, sample } from '../samples.ts';
import { formatCount, formatMs, paint, print, showStatus } from './screen.ts';

/** A library, live, and the milliseconds from its symbol table to the result of its first call. */
export interface Loaded {
  readonly name: SampleName;
  readonly lines: number;
  readonly library: SourceLibrary;
  readonly firstCall: number;
}

/** A first call for each library: one that works before anything is set up. */
const firstCalls: Partial<Record<SampleName, (library: SourceLibrary) => unknown>> = {
  stb_perlin: (library) =>
    library.func('float stb_perlin_noise3(float x, float y, float z, int wx, int wy, int wz)')(0.1, 0.2, 0.3, 0, 0, 0),
  stb_image: (library) => library.func('const char *stbi_failure_reason(void)')(),
  stb_image_write: (library) => library.func('void stbi_flip_vertically_on_write(int flag)')(0),
  xxhash: (library) => library.func('unsigned XXH_versionNumber(void)')(),
  sqlite: (library) => library.func('const char *sqlite3_libversion(void)')(),
  ecs: (library) => library.func('ecs_world *ecs_world_create(void)')(),
  dots: (library) => library.func('dots_canvas *dots_create(int width, int height)')(2, 4),
};

/** What the demo loads, the longest compile first so that the processors end together. */
export const demoSamples = Object.keys(firstCalls).sort((a, b) => weight(b) - weight(a)) as readonly SampleName[];

function weight(name: string): number {
  const found = sample(name as SampleName);
  return found.spec === undefined ? 0 : found.lines;
}

/** The samples that are on this machine; prints a line with the reason for each that is not. */
export function availableSamples(): SampleName[] {
  return demoSamples.filter((name) => {
    const found = sample(name);
    if (found.spec === undefined) print(`${paint('yellow', '–')} ${name} is left out: ${found.reason}`);
    return found.spec !== undefined;
  });
}

type Live = Omit<Loaded, 'firstCall'>;

async function loadOne(name: SampleName, registry: LibraryRegistry, signal: AbortSignal): Promise<Live> {
  const found = sample(name);
  if (found.spec === undefined) throw new Error(found.reason);
  const library = await registry.load({ ...found.spec, name, signal });
  return { name, lines: found.lines, library };
}

export type LoadedSamples = ReadonlyMap<SampleName, Loaded>;

/** What {@link loadAll} gives. */
export interface Pass {
  readonly loaded: LoadedSamples;
  /** Milliseconds until all were live, first calls not included. */
  readonly took: number;
}

/** Loads them all; `announce` prints a line for each as it comes. */
export async function loadAll(
  names: readonly SampleName[],
  registry: LibraryRegistry,
  signal: AbortSignal,
  announce: boolean,
): Promise<Pass> {
  const waiting = [...names];
  const busy = new Set<SampleName>();
  const live = new Map<SampleName, Live>();
  const showBusy = () => showStatus(`  loading ${[...busy].join(', ')} …`);

  async function work(): Promise<void> {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      busy.add(name);
      if (announce) showBusy();
      const one = await loadOne(name, registry, signal);
      busy.delete(name);
      live.set(name, one);
      if (announce) print(describe(one));
      if (announce && busy.size > 0) showBusy();
    }
  }
  const started = performance.now();
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  const took = performance.now() - started;
  // Only now, when no compiler competes for the processors.
  const loaded = names.map((name): [SampleName, Loaded] => {
    const one = live.get(name) as Live;
    const called = performance.now();
    firstCalls[name]?.(one.library);
    return [name, { ...one, firstCall: performance.now() - called }];
  });
  return { loaded: new Map(loaded), took };
}

/** Whether it was compiled before, and not by this load. */
export function isCached({ library }: Live): boolean {
  return library.cache.status === 'hit';
}

function describe(live: Live): string {
  const { name, lines, library } = live;
  const { compile, link, total } = library.timings;
  const flags = paint('dim', sample(name).spec?.flags?.join(' ') ?? '');
  const size = `${formatCount(lines).padStart(9)} lines`;
  const took = isCached(live)
    ? `from the cache in ${formatMs(total)} ${flags}`
    : `compiled in ${formatMs(compile).padStart(8)} ${flags}  linked in ${formatMs(link)}`;
  return `${paint('green', '✓')} ${name.padEnd(16)}${size}   ${took}`;
}

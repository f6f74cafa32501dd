/** `npm run demo`: real C libraries, compiled from source into this process, put to use, and timed. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheStats, LibraryRegistry, libraries, SourceLibraryError } from 'fromsource';
import { tellHash } from './demo/hash.ts';
import { tellLand } from './demo/land.ts';
import { availableSamples, isCached, type LoadedSamples, loadAll, type Pass } from './demo/load.ts';
import { tellMovement } from './demo/movement.ts';
import { makeHills, tellPicture } from './demo/picture.ts';
import { formatCount, formatMs, formatTable, paint, print, showWhile } from './demo/screen.ts';
import { root, type SampleName } from './samples.ts';

function tellStories(loaded: LoadedSamples): void {
  const library = (name: SampleName) => loaded.get(name)?.library;
  const [perlin, writer, reader, dots] = (['stb_perlin', 'stb_image_write', 'stb_image', 'dots'] as const).map(library);
  const [sqlite, ecs, xxhash] = (['sqlite', 'ecs', 'xxhash'] as const).map(library);
  const landscape = perlin && writer && reader && dots ? tellPicture(perlin, writer, reader, dots) : makeHills();
  if (sqlite) tellLand(sqlite, landscape);
  if (ecs) tellMovement(ecs);
  if (xxhash) tellHash(xxhash);
}

/** On the left what the stories were told with; on the right what had to be compiled for that, once more. */
function printTable(first: LoadedSamples, again: LoadedSamples): void {
  const right = (cells: readonly string[]) => (again.size > 0 ? ['│', ...cells] : []);
  const rows = [...first.values()].map((one) => {
    const { compile, link } = one.library.timings;
    const other = again.get(one.name);
    return [
      one.name,
      formatCount(one.lines),
      `${isCached(one) ? 'cached, ' : ''}${formatMs(compile)}`,
      formatMs(link),
      formatMs(one.firstCall),
      ...right(other ? [formatMs(other.library.timings.total), formatMs(other.firstCall)] : ['', '']),
    ];
  });
  const head = ['library', 'lines', 'compile', 'link', 'first call', ...right(['load', 'first call'])];
  const [title = '', ...lines] = formatTable([head, ...rows]);
  if (again.size > 0) print(paint('dim', `${' '.repeat(title.indexOf('│'))}│ once more, from the cache`));
  print(paint('bold', title));
  for (const line of lines) print(line);
  // Else the columns would seem to compare two ways of calling.
  if (again.size > 0)
    print(paint('dim', 'First calls on the right come second: JavaScript and call types are warm by then.'));
  print();
}

/** The cache's folder, and the milliseconds until it had everything. */
interface Kept {
  readonly dir: string;
  readonly took: number;
}

function printSummary(first: Pass, again: Pass, kept: Kept | undefined): void {
  const all = [...first.loaded.values()];
  const compiled = all.filter((one) => !isCached(one));
  const lost = compiled.filter(({ name }) => !again.loaded.has(name));
  print(`${formatCount(all.reduce((sum, one) => sum + one.lines, 0))} lines of C are live in this process.`);

  if (compiled.length === 0) {
    print(`They were loaded in ${formatMs(first.took)}, from the cache: an earlier run compiled them.`);
  } else if (kept !== undefined && lost.length === 0) {
    const which = compiled.length === all.length ? 'them' : `the ${compiled.length} that were missing`;
    const times = `${formatCount(first.took / again.took)} times as fast`;
    print(
      `Compiling and linking ${which} took ${formatMs(first.took)}, from the cache ${formatMs(again.took)}: ${times}.`,
    );
    print(`Keeping them took ${formatMs(kept.took)} more, in the background. The next run compiles nothing.`);
  }
  if (kept !== undefined) print(`The cache is in ${kept.dir}; \`clearCache()\` empties it.`);

  const [unkept] = lost;
  if (unkept !== undefined) {
    const { status, reason } = unkept.library.cache;
    const names = lost.length === all.length ? 'them' : lost.map(({ name }) => name).join(', ');
    print(`The cache did not keep ${names}: ${status === 'off' ? reason : 'it could not be written'}.`);
  }
  const [report] = compiled.map(({ library }) => library.loader);
  if (report?.kind === 'shared-object') print(`What was compiled was linked by cc and dlopen: ${report.reason}.`);
}

/** Waits until the next load finds everything in the cache, which no program has to. */
async function waitForCache(): Promise<Kept> {
  const started = performance.now();
  const { dir } = await showWhile('  keeping what was compiled, and linked images of it, in the cache …', cacheStats());
  return { dir, took: performance.now() - started };
}

async function main(signal: AbortSignal): Promise<void> {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  print(
    `${paint('bold', `fromsource ${version}`)} on Node ${process.versions.node}: C source in, callable functions out`,
  );
  print();
  const first = await loadAll(availableSamples(), libraries, signal, true);
  print();
  tellStories(first.loaded);

  const statusOf = (name: SampleName) => first.loaded.get(name)?.library.cache.status;
  const names = [...first.loaded.keys()];
  // Only what is compiled and kept is worth a second look: an image that is open serves one library of a process.
  const kept = names.some((name) => statusOf(name) !== 'off') ? await waitForCache() : undefined;
  const compiled = names.filter((name) => statusOf(name) === 'miss');
  const registry = new LibraryRegistry();
  const { loaded, took } = await showWhile('  loading them once more …', loadAll(compiled, registry, signal, false));
  const again = { loaded: new Map([...loaded].filter(([, one]) => isCached(one))), took };

  printTable(first.loaded, again.loaded);
  printSummary(first, again, kept);
  await Promise.all([libraries.dispose(), registry.dispose()]);
}

const interruption = new AbortController();
for (const [name, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.on(name, () => {
    // Ends the compilers that run.
    interruption.abort();
    print();
    process.exit(code);
  });
}

try {
  await main(interruption.signal);
} catch (error) {
  interruption.abort();
  print();
  // These say what to do; a stack would only push that off the screen.
  console.error(error instanceof SourceLibraryError ? error.message : error);
  process.exitCode = 1;
}

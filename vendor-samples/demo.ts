/** `npm run demo`: real C libraries, compiled from source into this process, put to use, and timed. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { libraries, SourceLibraryError } from 'fromsource';
import { tellHash } from './demo/hash.ts';
import { tellLand } from './demo/land.ts';
import { availableSamples, type Loaded, loadAll } from './demo/load.ts';
import { tellMovement } from './demo/movement.ts';
import { makeHills, tellPicture } from './demo/picture.ts';
import { formatCount, formatMs, formatTable, paint, print } from './demo/screen.ts';
import { root, type SampleName } from './samples.ts';

type LoadedSamples = ReadonlyMap<SampleName, Loaded>;

function tellStories(loaded: LoadedSamples): void {
  const library = (name: SampleName) => loaded.get(name)?.library;
  const [perlin, writer, reader, dots] = (['stb_perlin', 'stb_image_write', 'stb_image', 'dots'] as const).map(library);
  const [sqlite, ecs, xxhash] = (['sqlite', 'ecs', 'xxhash'] as const).map(library);
  const landscape = perlin && writer && reader && dots ? tellPicture(perlin, writer, reader, dots) : makeHills();
  if (sqlite) tellLand(sqlite, landscape);
  if (ecs) tellMovement(ecs);
  if (xxhash) tellHash(xxhash);
}

function printTable(first: LoadedSamples, again: LoadedSamples | undefined): void {
  const cells = ({ library, firstCall }: Loaded) => [
    formatMs(library.timings.compile),
    formatMs(library.timings.link),
    formatMs(firstCall),
  ];
  const rows = [...first.values()].map((one) => {
    const other = again?.get(one.name);
    return [one.name, formatCount(one.lines), ...cells(one), ...(other ? ['│', ...cells(other)] : [])];
  });
  const names = ['compile', 'link', 'first call'];
  const head = ['library', 'lines', ...names, ...(again ? ['│', 'compile', 'cc + dlopen', 'first call'] : [])];
  const [title = '', ...lines] = formatTable([head, ...rows]);
  if (again) {
    const left = title.indexOf('│');
    print(
      paint('dim', `${' '.repeat(26)}in memory, by JITLink`.padEnd(left)) + paint('dim', '│ through a shared object'),
    );
  }
  print(paint('bold', title));
  for (const line of lines) print(line);
}

function printSummary(first: LoadedSamples, again: LoadedSamples | undefined): void {
  const linked = (loaded: LoadedSamples) =>
    [...loaded.values()].reduce((sum, { library }) => sum + library.timings.link, 0);
  const lines = [...first.values()].reduce((sum, one) => sum + one.lines, 0);
  // Else the columns would seem to compare two loaders.
  if (again) print(paint('dim', 'First calls on the right come second: JavaScript and call types are warm by then.'));
  print();
  print(`${formatCount(lines)} lines of C are live in this process.`);
  if (again)
    print(`Linking them took ${formatMs(linked(first))} in memory, ${formatMs(linked(again))} through cc and dlopen.`);
}

async function main(signal: AbortSignal): Promise<void> {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  print(
    `${paint('bold', `fromsource ${version}`)} on Node ${process.versions.node}: C source in, callable functions out`,
  );
  print();
  const names = availableSamples();
  const first = await loadAll(names, 'auto', signal, true);
  print();
  tellStories(first);

  const report = [...first.values()][0]?.library.loader;
  const inMemory = report?.kind === 'orc';
  const again = inMemory ? await loadAll(names, 'shared-object', signal, false) : undefined;
  printTable(first, again);
  printSummary(first, again);
  if (report?.kind === 'shared-object') print(`They were linked by cc and dlopen: ${report.reason}.`);
  await libraries.dispose();
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

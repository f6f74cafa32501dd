/** The sample libraries as `loadSourceLibrary` takes them: where their source is, and how each wants to be compiled. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SourceLibrarySpec } from 'fromsource';

// This module runs from vendor-samples/ and, compiled, from dist-tools/vendor-samples/.
const here = (['../', '../../'] as const)
  .map((up) => fileURLToPath(new URL(up, import.meta.url)))
  .find((folder) => existsSync(join(folder, 'vendor-samples', 'manifest.json')));

/** The repository's folder, with a slash at its end. */
export const root: string = here ?? fileURLToPath(new URL('../', import.meta.url));

const folder = join(root, 'vendor-samples');
const cache = join(folder, '.cache');
/** What of ours is compiled with a sample. */
const glue = join(folder, 'glue');

interface ManifestEntry {
  readonly name: string;
  readonly version: string;
  /** Its test compiles for minutes: it is fetched only when that is asked for. */
  readonly isLong?: boolean;
  readonly source: { readonly installed?: string };
  readonly files: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
  readonly samples: readonly ManifestEntry[];
};

/** The folder a sample of the manifest is in, or why it is not there. */
export type Place = { readonly folder: string } | { readonly reason: string };

/** Finds a sample that `fetch.mjs` has put in place, or that the system has. */
export function findSample(name: string): Place {
  const entry = manifest.samples.find((sample) => sample.name === name);
  if (entry === undefined) return { reason: `${name} is not in vendor-samples/manifest.json` };
  const candidates = [entry.source.installed, join(cache, name)].filter((path) => path !== undefined);
  const found = candidates.find((path) => Object.values(entry.files).every((file) => existsSync(join(path, file))));
  if (found !== undefined) return { folder: found };
  let reason = `not fetched; run \`node vendor-samples/fetch.mjs${entry.isLong ? ' --all' : ''}\``;
  try {
    reason = JSON.parse(readFileSync(join(cache, `.failed-${name}.json`), 'utf8')).reason;
  } catch {
    // It was never tried.
  }
  return { reason };
}

type Body = SourceLibrarySpec extends infer S ? (S extends unknown ? Omit<S, 'name' | 'loader'> : never) : never;

/** A library that can be loaded, or the reason why it can't. */
export type Sample =
  | { readonly spec: Body; readonly lines: number; readonly folder: string }
  | { readonly reason: string; readonly spec?: never };

const lineCounts = new Map<string, number>();

function countLines(path: string): number {
  let count = lineCounts.get(path);
  if (count === undefined) {
    count = 0;
    for (const byte of readFileSync(path)) if (byte === 10) count += 1;
    lineCounts.set(path, count);
  }
  return count;
}

/** Of the manifest: `from` names the entry, `files` are what its lines are counted in. */
function real(from: string, files: readonly string[], makeSpec: (folder: string) => Body): Sample {
  const place = findSample(from);
  if ('reason' in place) return place;
  const lines = files.reduce((sum, file) => sum + countLines(join(place.folder, file)), 0);
  return { spec: makeSpec(place.folder), lines, folder: place.folder };
}

/** A header that becomes a library when its implementation macro is defined. */
function stb(name: string): Sample {
  return real('stb', [`stb/${name}.h`], (at) => ({
    // stb_vorbis has no such macro: it is a .c file by another name.
    source: `${name === 'stb_vorbis' ? '' : `#define ${name.toUpperCase()}_IMPLEMENTATION\n`}#include <stb/${name}.h>\n`,
    ...(at === '/usr/include' ? {} : { includePaths: [at] }),
    flags: ['-O2'],
  }));
}

const treeSitterGlue = `
// A node goes by value in tree-sitter's API; these take what can be passed from JavaScript.
char *tree_to_string(const TSTree *tree) { return ts_node_string(ts_tree_root_node(tree)); }
bool tree_has_error(const TSTree *tree) { return ts_node_has_error(ts_tree_root_node(tree)); }
uint32_t tree_node_count(const TSTree *tree) { return ts_node_descendant_count(ts_tree_root_node(tree)); }
void tree_free(void *memory) { free(memory); }
`;

function sourceFilesOf(at: string): string[] {
  return readdirSync(join(at, 'src')).filter((file) => file.endsWith('.c'));
}

function treeSitter(): Sample {
  const place = findSample('tree-sitter');
  if ('reason' in place) return place;
  const files = sourceFilesOf(place.folder).map((file) => join('src', file));
  return real('tree-sitter', files, (at) => ({
    source: `#include "lib.c"\n${treeSitterGlue}`,
    includePaths: [join(at, 'src'), join(at, 'include')],
    flags: ['-O1'],
  }));
}

function jolt(): Sample {
  const place = findSample('jolt');
  if ('reason' in place) return place;
  const files = readdirSync(join(place.folder, 'Jolt'), { recursive: true, encoding: 'utf8' });
  return real(
    'jolt',
    files.filter((file) => file.endsWith('.cpp')).map((file) => join('Jolt', file)),
    (at) => ({
      files: [join(at, 'Jolt/**/*.cpp'), join(glue, 'jolt.cpp')],
      includePaths: [at],
      // The profiler keeps what it measures in thread-local variables.
      defines: { JPH_PROFILE_ENABLED: true },
      flags: ['-O1', '-std=c++17'],
    }),
  );
}

const makers = {
  stb_perlin: () => stb('stb_perlin'),
  stb_image: () => stb('stb_image'),
  stb_image_write: () => stb('stb_image_write'),
  stb_truetype: () => stb('stb_truetype'),
  stb_vorbis: () => stb('stb_vorbis'),
  xxhash: () =>
    real('xxhash', ['xxhash.h'], (at) => ({
      source: '#define XXH_STATIC_LINKING_ONLY\n#define XXH_IMPLEMENTATION\n#include <xxhash.h>\n',
      includePaths: [at],
      flags: ['-O2'],
    })),
  sqlite: () =>
    real('sqlite', ['sqlite3.c'], (at) => ({
      file: join(at, 'sqlite3.c'),
      defines: { SQLITE_THREADSAFE: 1, SQLITE_DQS: 0, SQLITE_OMIT_LOAD_EXTENSION: true },
      // 1 s to compile; -O2 takes 14 s.
      flags: ['-O0'],
    })),
  'tree-sitter': treeSitter,
  'tree-sitter-json': () =>
    real('tree-sitter-json', ['src/parser.c'], (at) => ({
      file: join(at, 'src/parser.c'),
      includePaths: [join(at, 'src')],
      flags: ['-O1'],
    })),
  flecs: () =>
    real('flecs', ['flecs.c'], (at) => ({
      files: [join(at, 'flecs.c'), join(glue, 'flecs.c')],
      includePaths: [at],
      flags: ['-O0'],
    })),
  cjson: () => real('cjson', ['cJSON.c'], (at) => ({ file: join(at, 'cJSON.c'), flags: ['-O1'] })),
  miniz: () =>
    real('miniz', ['miniz.c', 'miniz_tdef.c', 'miniz_tinfl.c', 'miniz_zip.c'], (at) => ({
      files: [join(at, 'miniz*.c')],
      includePaths: [glue],
      flags: ['-O1'],
    })),
  imgui: () =>
    real('imgui', ['imgui.cpp', 'imgui_draw.cpp', 'imgui_tables.cpp', 'imgui_widgets.cpp'], (at) => ({
      files: [join(at, '*.cpp'), join(glue, 'imgui.cpp')],
      includePaths: [at],
      // It clears objects with memset.
      flags: ['-O1', '-Wno-nontrivial-memcall', '-Wno-unknown-warning-option'],
    })),
  jolt,
  ecs: (): Sample => ({
    spec: { file: join(folder, 'ecs', 'ecs.c'), flags: ['-O2'] },
    lines: countLines(join(folder, 'ecs', 'ecs.c')),
    folder,
  }),
  dots: (): Sample => ({
    spec: {
      source: '#define DOTS_IMPLEMENTATION\n#include "dots.h"\n',
      includePaths: [join(folder, 'dots')],
      flags: ['-O2'],
    },
    lines: countLines(join(folder, 'dots', 'dots.h')),
    folder,
  }),
} as const;

/** A name that {@link sample} knows. */
export type SampleName = keyof typeof makers;

/** Every sample that can be loaded as a library. */
export const sampleNames = Object.keys(makers) as readonly SampleName[];

/** How to load a sample: `loadSourceLibrary({ ...sample('ecs').spec, name: 'ecs' })`. */
export function sample(name: SampleName): Sample {
  return makers[name]();
}

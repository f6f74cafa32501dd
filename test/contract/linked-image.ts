/** Libraries and links that live in linked images, made and opened as the cache does, but each in a file of its own. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { CompileInput } from '../../src/compile/compiler.ts';
import { compile } from '../../src/compile/queue.ts';
import { type Build, guardsOf } from '../../src/generation.ts';
import { allKept } from '../../src/keep.ts';
import { SourceLibrary } from '../../src/library.ts';
import { linkTo } from '../../src/link-to.ts';
import { loadSourceLibrary } from '../../src/load-source-library.ts';
import { type LinkedImage, makeLinkedImage } from '../../src/loader/linked-image.ts';
import type { LinkRequest, Loader } from '../../src/loader/loader.ts';
import { openLinkedImage } from '../../src/loader/open-image.ts';
import { type ResolvedSpec, requestOf, resolveSpec, type SourceLibrarySpec } from '../../src/options.ts';
import { takeSnapshot } from '../../src/reload/snapshot.ts';
import { withRuntimes } from '../../src/runtimes.ts';
import { discoverToolchain } from '../../src/toolchain/discover.ts';

let folder: string | undefined;
let serial = 0;

function freshFile(): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'fromsource-contract-'));
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  return join(folder, `${serial++}.so`);
}

/** So that the tests with many libraries measure opening, not making. */
const made = new WeakMap<Uint8Array, LinkedImage>();

async function make(request: LinkRequest): Promise<LinkedImage> {
  const known = request.signal === undefined ? made.get(request.object) : undefined;
  if (known !== undefined) return known;
  const image = await makeLinkedImage(request);
  made.set(request.object, image);
  return image;
}

export const linkedImageLoader: Loader = {
  kind: 'shared-object',

  async link(request) {
    const { bytes, layout } = await make(request);
    const path = freshFile();
    writeFileSync(path, bytes);
    try {
      const image = openLinkedImage(request.library, path, layout, request.imports);
      if (image === null) throw new Error(`${path} is open`);
      return image;
    } finally {
      // What is open needs its file no more.
      rmSync(path);
    }
  },
};

/** A compile without the cache, then the image instead of the loader's link. */
async function build(given: ResolvedSpec): Promise<Build> {
  const { name: library, language, signal } = given;
  const started = performance.now();
  const toolchain = await discoverToolchain({ library, compiler: given.compiler });
  const spec = withRuntimes(given, [given], toolchain);
  const { object, diagnostics } = await compile(toolchain, requestOf(spec, spec.input as CompileInput));
  const link = { library, object, language, compilerPath: toolchain.path, signal };
  const { image, holds } = await linkTo(spec.linking, linkedImageLoader, link);
  return {
    image,
    holds,
    loader: { kind: 'shared-object', reason: 'it is a linked image' },
    cache: () => ({ status: 'off', reason: 'this is a test' }),
    before: takeSnapshot([]),
    started,
    linked: performance.now(),
    stages: { toolchain: 0, compile: 0, link: 0 },
    diagnostics,
    dependencies: [],
    guards: await guardsOf(library, image),
  };
}

export async function loadFromImage(spec: SourceLibrarySpec): Promise<SourceLibrary> {
  if (spec.libraries !== undefined || spec.flags?.includes('-stdlib=libc++')) return loadFromCache(spec);
  const resolved = resolveSpec(spec);
  return new SourceLibrary(resolved, build, await build(resolved));
}

/** What a library takes from others is the cache's to remember: the first load makes the image, the second opens it. */
async function loadFromCache(spec: SourceLibrarySpec): Promise<SourceLibrary> {
  const dir = dirname(freshFile());
  const load = () => loadSourceLibrary({ ...spec, loader: 'auto', cache: { dir: join(dir, 'cache') } } as typeof spec);
  await (await load()).dispose();
  await allKept();
  const library = await load();
  const [{ reason }] = [library.loader as { readonly reason?: string }];
  if (reason !== 'its linked image is in the cache') throw new Error(`it was not opened from the cache: ${reason}`);
  return library;
}

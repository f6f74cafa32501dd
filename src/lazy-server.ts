/** The thread that compiles for the lazy libraries of another thread, which may wait for it with all of itself. */

import { Socket } from 'node:net';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { openCache } from './cache/open.ts';
import { startAhead } from './compile/queue.ts';
import { LinkError } from './errors.ts';
import { type PlannedFile, planFile } from './files-plan.ts';
import { allKept } from './keep.ts';
import { keyPartsOf } from './key-parts.ts';
import { koffi } from './koffi.ts';
import { failureText } from './lazy-failure.ts';
import { LazyLibrary, type LinkedFiles } from './lazy-library.ts';
import { mayNeedRuntime } from './linking.ts';
import { type DylibBuilder, dylibBuilder } from './loader/orc-lazy.ts';
import { type ResolvedSpec, requestOf } from './options.ts';
import { filesOfSpec } from './spec-files.ts';
import { discoverToolchain, type Toolchain } from './toolchain/discover.ts';

/** What the thread is asked. `dylib` says of which library, `keep` until all is in the cache. */
export type Question =
  | { readonly type: 'open'; readonly dylib: bigint; readonly spec: ResolvedSpec }
  | { readonly type: 'close'; readonly dylib: bigint }
  | { readonly type: 'keep' }
  | { readonly type: 'provide'; readonly dylib: bigint; readonly wanted: Wanted; readonly id: number };

/** A symbol, or a file that is linked for what another generation had of it. */
export type Wanted = { readonly name: string } | { readonly path: string };

/** What it says. A failure is a text of `failureText`, or null. */
export type Answer =
  | { readonly type: 'ready'; readonly requests: number }
  | { readonly type: 'opened'; readonly dylib: bigint; readonly failure: string | null; readonly files: string[] }
  | { readonly type: 'linked'; readonly dylib: bigint; readonly linked: LinkedFiles }
  | { readonly type: 'closed'; readonly dylib: bigint }
  | { readonly type: 'kept'; readonly links: number }
  /** A thread that the library has made has ended for it. */
  | { readonly type: 'failed'; readonly dylib: bigint; readonly failure: string }
  | { readonly type: 'provided'; readonly id: number; readonly failure: string | null };

interface Served {
  readonly library: LazyLibrary;
  readonly builder: DylibBuilder;
  /** What is under way. */
  readonly jobs: Set<Promise<unknown>>;
}

/** For the thread to import. In one piece, of which a bundler leaves out nothing. */
export const compileServer: { readonly url: string; readonly serve: () => void } = { url: import.meta.url, serve };

/** Answers until the thread ends. */
function serve(): void {
  const port = parentPort as MessagePort;
  const say = (answer: Answer): void => port.postMessage(answer);
  const libraries = new Map<bigint, Served>();
  let links = 0;

  const provide = (dylib: bigint, wanted: Wanted): Promise<void> => {
    const served = libraries.get(dylib);
    if (served === undefined) return Promise.reject(new Error('the library was disposed'));
    const { library } = served;
    const job = 'name' in wanted ? library.provide(wanted.name) : library.provideFile(wanted.path);
    const ended: Promise<unknown> = job.catch(() => {}).then(() => served.jobs.delete(ended));
    served.jobs.add(ended);
    return job;
  };

  /** Of native code, and of calls that wait: the answer goes where the request came from. */
  const answerRequest = (request: string): void => {
    const end = request.search(/[?!]/);
    const dylib = BigInt(`0x${request.slice(0, end)}`);
    const name = request.slice(end + 1);
    if (request[end] === '!') {
      say({ type: 'failed', dylib, failure: name });
      return;
    }
    const builder = libraries.get(dylib)?.builder;
    provide(dylib, { name }).then(
      () => builder?.answer(name, ''),
      (error: unknown) => builder?.answer(name, failureText(error)),
    );
  };

  const open = async ({ dylib, spec }: Question & { type: 'open' }): Promise<void> => {
    const { toolchain, files, watched } = await plan(spec);
    startAhead(toolchain);
    const builder = dylibBuilder(spec.name, dylib);
    const cache = openCache(spec.cache, spec.unsafeFlags);
    const library = new LazyLibrary({ spec, toolchain, cache, files }, builder, (linked) => {
      links += 1;
      say({ type: 'linked', dylib, linked });
    });
    libraries.set(dylib, { library, builder, jobs: new Set() });
    say({ type: 'opened', dylib, failure: null, files: watched });
  };

  port.on('message', (question: Question) => {
    switch (question.type) {
      case 'open': {
        const { dylib } = question;
        open(question).catch((error) => say({ type: 'opened', dylib, failure: failureText(error), files: [] }));
        break;
      }
      case 'keep':
        allKept().then(() => say({ type: 'kept', links }));
        break;
      case 'close': {
        const { dylib } = question;
        const { jobs } = libraries.get(dylib) ?? { jobs: [] };
        libraries.delete(dylib);
        Promise.all(jobs).then(() => say({ type: 'closed', dylib }));
        break;
      }
      case 'provide':
        provide(question.dylib, question.wanted).then(
          () => say({ type: 'provided', id: question.id, failure: null }),
          (error) => say({ type: 'provided', id: question.id, failure: failureText(error) }),
        );
    }
  });
  say({ type: 'ready', requests: readRequests(answerRequest) });
}

/** Gives the end of a pipe to write requests to, each with a zero behind it. */
function readRequests(onRequest: (request: string) => void): number {
  const ends = new Int32Array(2);
  const pipe2 = koffi.load(null).func('pipe2', 'int', ['void *', 'int']);
  if (pipe2(ends, O_CLOEXEC) !== 0) throw new Error('there is no file descriptor left for a pipe');
  const [reading, writing] = ends as unknown as [number, number];
  let rest = '';
  const socket = new Socket({ fd: reading, readable: true, writable: false });
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    const requests = (rest + chunk).split('\0');
    rest = requests.pop() as string;
    for (const request of requests) onRequest(Buffer.from(request, 'latin1').toString('utf8'));
  });
  // The port alone keeps the thread.
  socket.unref();
  return writing;
}

const O_CLOEXEC = 0o2000000;

/** Throws LinkError for a flag that needs a library. */
function refuseRuntimes({ name, flags }: ResolvedSpec): void {
  const flag = flags.find(mayNeedRuntime);
  if (flag === undefined) return;
  throw new LinkError(name, `${name}: \`lazy\` does not go with ${flag}, which needs a library to link to`, []);
}

async function plan(spec: ResolvedSpec): Promise<{ toolchain: Toolchain; files: PlannedFile[]; watched: string[] }> {
  const { name: library, compiler, input } = spec;
  const toolchain = await discoverToolchain({ library, compiler });
  if (input.kind === 'text') {
    refuseRuntimes(spec);
    const request = requestOf(spec, input);
    const path = input.displayName;
    return { toolchain, files: [{ path, request, parts: keyPartsOf(toolchain, request) }], watched: [] };
  }
  const { files, database } = filesOfSpec(spec);
  for (const file of files) refuseRuntimes(file.spec);
  const planned = files.map((file) => planFile(toolchain, file));
  const watched = [...files.map(({ path }) => path), ...(database === null ? [] : [database])];
  return { toolchain, files: planned, watched };
}

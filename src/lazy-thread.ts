/** The thread that compiles, from the side of the thread that it compiles for; one for all its lazy libraries. */

import { closeSync } from 'node:fs';
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { keepers } from './keep.ts';
import { errorOf } from './lazy-failure.ts';
import type { LinkedFiles } from './lazy-library.ts';
import type { Answer, Question, Wanted } from './lazy-server.ts';
import type { ResolvedSpec } from './options.ts';

interface Waiting<Result> {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

/** What a library is told between its questions. */
export interface Listener {
  onLinked(linked: LinkedFiles): void;
  /** A thread of the library's own has come to what can't be compiled, and has ended; the text is of `errorOf`. */
  onFailed(failure: string): void;
}

let thread: Promise<CompileThread> | undefined;

/** Started by the first lazy library. It does not keep the program alive but while it is waited for. */
export function compileThread(): Promise<CompileThread> {
  thread ??= CompileThread.start().catch((error) => {
    thread = undefined;
    throw error;
  });
  return thread;
}

export class CompileThread {
  /** The file descriptor that requests of native code go to. */
  readonly requests: number;
  readonly #worker: Worker;
  readonly #opening = new Map<bigint, Waiting<string[]>>();
  readonly #closing = new Map<bigint, () => void>();
  readonly #asked = new Map<number, Waiting<void>>();
  readonly #listeners = new Map<bigint, Listener>();
  readonly #keeping: ((links: number) => void)[] = [];
  #next = 0;
  /** Links that the thread has told of when it had kept all. */
  #kept = 0;
  #ended: Error | undefined;

  private constructor(worker: Worker, requests: number) {
    this.#worker = worker;
    this.requests = requests;
    worker.on('message', (answer: Answer) => this.#receive(answer));
    worker.on('error', (error) => {
      this.#end(error);
      // Who waits with all of the thread learns only that it ended: this says why.
      process.emitWarning(this.#ended as Error);
    });
    worker.on('exit', () => this.#end(new Error('it has ended')));
    worker.unref();
    // Its own end would come in the middle of that.
    process.on('beforeExit', this.#keepLast);
    keepers.add(this.keep);
    process.on('exit', this.#closeRequests);
  }

  static async start(): Promise<CompileThread> {
    const { compileServer } = await import('./lazy-server.ts');
    const code = `import(${JSON.stringify(compileServer.url)}).then(({ compileServer }) => compileServer.serve())`;
    const worker = new Worker(code, { eval: true, env: SHARE_ENV, name: 'fromsource: lazy' });
    const ready = await new Promise<Answer & { readonly type: 'ready' }>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new Error(`the thread that compiles ended with exit code ${code}`)));
    });
    for (const event of ['error', 'exit']) worker.removeAllListeners(event);
    return new CompileThread(worker, ready.requests);
  }

  /** The files that are to be watched. */
  async open(dylib: bigint, spec: ResolvedSpec, listener: Listener): Promise<string[]> {
    // A signal ends the load, and can't be sent.
    const question: Question = { type: 'open', dylib, spec: { ...spec, signal: undefined } };
    const files = await this.#wait<string[]>((waiting) => this.#opening.set(dylib, waiting), question);
    this.#listeners.set(dylib, listener);
    return files;
  }

  /** Resolves when nothing is under way for it. */
  async close(dylib: bigint): Promise<void> {
    if (this.#ended === undefined) {
      await this.#wait<void>(({ resolve }) => this.#closing.set(dylib, resolve), { type: 'close', dylib });
    }
    this.#listeners.delete(dylib);
  }

  /** Resolves when it is linked; nothing of it is initialised. Rejects as a first call would throw. */
  async provide(dylib: bigint, wanted: Wanted): Promise<void> {
    const id = this.#next++;
    await this.#wait<void>((waiting) => this.#asked.set(id, waiting), { type: 'provide', dylib, wanted, id });
  }

  /** Resolves when all that it has compiled so far is in the cache. */
  readonly keep = async (): Promise<void> => {
    if (this.#ended !== undefined) return;
    this.#kept = await this.#wait<number>(({ resolve }) => this.#keeping.push(resolve), { type: 'keep' });
  };

  /** At the end of a worker, which leaves its descriptors to the process; threads of live libraries still write to it. */
  readonly #closeRequests = (): void => {
    if (this.#listeners.size === 0) closeSync(this.requests);
  };

  readonly #keepLast = async (): Promise<void> => {
    const before = this.#kept;
    await this.keep();
    // Each time the event loop ends anew, until there was nothing new.
    if (this.#kept === before) process.off('beforeExit', this.#keepLast);
  };

  async #wait<Result>(note: (waiting: Waiting<Result>) => void, question: Question): Promise<Result> {
    if (this.#ended !== undefined) throw this.#ended;
    this.#worker.ref();
    try {
      return await new Promise<Result>((resolve, reject) => {
        note({ resolve, reject });
        this.#worker.postMessage(question);
      });
    } finally {
      if (this.#opening.size + this.#closing.size + this.#asked.size + this.#keeping.length === 0) this.#worker.unref();
    }
  }

  #receive(answer: Answer): void {
    switch (answer.type) {
      case 'opened':
        settle(take(this.#opening, answer.dylib), answer.failure, answer.files);
        break;
      case 'provided':
        settle(take(this.#asked, answer.id), answer.failure, undefined);
        break;
      case 'closed':
        take(this.#closing, answer.dylib)?.();
        break;
      case 'kept':
        for (const resolve of this.#keeping.splice(0)) resolve(answer.links);
        break;
      case 'linked':
        this.#listeners.get(answer.dylib)?.onLinked(answer.linked);
        break;
      case 'failed':
        this.#listeners.get(answer.dylib)?.onFailed(answer.failure);
    }
  }

  #end(reason: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = new Error(`the thread that compiles for lazy libraries is gone: ${reason.message}`, {
      cause: reason,
    });
    thread = undefined;
    for (const { reject } of [...this.#opening.values(), ...this.#asked.values()]) reject(this.#ended);
    for (const resolve of this.#closing.values()) resolve();
    for (const resolve of this.#keeping.splice(0)) resolve(this.#kept);
    keepers.delete(this.keep);
    process.off('exit', this.#closeRequests);
    process.off('beforeExit', this.#keepLast);
    for (const each of [this.#opening, this.#asked, this.#closing]) each.clear();
  }
}

function take<Key, Value>(map: Map<Key, Value>, key: Key): Value | undefined {
  const value = map.get(key);
  map.delete(key);
  return value;
}

function settle<Result>(waiting: Waiting<Result> | undefined, failure: string | null, result: Result): void {
  if (failure === null) waiting?.resolve(result);
  else waiting?.reject(errorOf(failure));
}

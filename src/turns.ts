/** A queue whose tasks may be called off: those that wait leave at once, those that run end in their own time. */

import { availableParallelism } from 'node:os';
import type PQueue from 'p-queue';

/** Runs as many tasks at a time as it is told, else as there are processors. */
export class Turns {
  readonly #places: number;
  #queue: Promise<PQueue> | undefined;

  constructor(places: number = availableParallelism()) {
    this.#places = places;
  }

  /** Loaded by the first task: it takes 6 ms, which a program that only calls what is in the cache need not spend. */
  async #open(): Promise<PQueue> {
    const { default: Queue } = await import('p-queue');
    return new Queue({ concurrency: this.#places });
  }

  /**
   * Runs the task when it is its turn. Rejects with the signal's reason when that aborts before; a task that runs must
   * heed the signal itself.
   */
  async take<Result>(signal: AbortSignal | undefined, task: () => Promise<Result>): Promise<Result> {
    this.#queue ??= this.#open();
    // Without a controller of its own, which is 1.5 KB that a task of every load would leave to be collected.
    if (signal === undefined) return await (await this.#queue).add(task);
    signal.throwIfAborted();
    // A signal of the queue's own, because p-queue gives a running task up as soon as its signal aborts.
    const waiting = new AbortController();
    const leave = () => waiting.abort(signal.reason);
    const start = () => {
      signal.removeEventListener('abort', leave);
      return task();
    };
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await (await this.#queue).add(start, { signal: waiting.signal });
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }
}

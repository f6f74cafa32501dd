/** A queue whose tasks may be called off: those that wait leave at once, those that run end in their own time. */

import { availableParallelism } from 'node:os';
import PQueue from 'p-queue';

/** Runs as many tasks at a time as it is told, else as there are processors. */
export class Turns {
  readonly #queue: PQueue;

  constructor(places: number = availableParallelism()) {
    this.#queue = new PQueue({ concurrency: places });
  }

  /**
   * Runs the task when it is its turn. Rejects with the signal's reason when that aborts before; a task that runs must
   * heed the signal itself.
   */
  async take<Result>(signal: AbortSignal | undefined, task: () => Promise<Result>): Promise<Result> {
    signal?.throwIfAborted();
    // A signal of the queue's own, because p-queue gives a running task up as soon as its signal aborts.
    const waiting = new AbortController();
    const leave = () => waiting.abort(signal?.reason);
    const start = () => {
      signal?.removeEventListener('abort', leave);
      return task();
    };
    signal?.addEventListener('abort', leave, { once: true });
    try {
      return await this.#queue.add(start, { signal: waiting.signal });
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }
}

/** A queue whose tasks may be called off: those that wait leave at once, those that run end in their own time. */

import { availableParallelism } from 'node:os';

/**
 * Runs as many tasks at a time as it is told, else as there are processors, in the order of their coming.
 *
 * p-queue takes 6 ms to load, which is more than all the rest of a start, and gives a running task up when its signal
 * aborts.
 */
export class Turns {
  readonly #places: number;
  #taken = 0;
  readonly #waiting = new Set<() => void>();

  constructor(places: number = availableParallelism()) {
    this.#places = places;
  }

  /**
   * Runs the task when it is its turn. Rejects with the signal's reason when that aborts before; a task that runs must
   * heed the signal itself.
   */
  async take<Result>(signal: AbortSignal | undefined, task: () => Promise<Result>): Promise<Result> {
    signal?.throwIfAborted();
    if (this.#taken < this.#places) this.#taken += 1;
    else await this.#wait(signal);
    try {
      return await task();
    } finally {
      // The place goes from hand to hand: were it given up, one that comes now could take it before one that waits.
      const [next] = this.#waiting;
      if (next === undefined) this.#taken -= 1;
      else next();
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const start = () => {
        this.#waiting.delete(start);
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const leave = () => {
        this.#waiting.delete(start);
        reject(signal?.reason);
      };
      this.#waiting.add(start);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }
}

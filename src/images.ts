/** Makes the linked images of what was compiled, when there is time. */

import { constants } from 'node:os';
import { publishImage } from './cache/publish.ts';
import type { Store } from './cache/store.ts';
import { LinkError } from './errors.ts';
import type { LinkRequest } from './loader/loader.ts';

interface Job {
  readonly store: Store;
  readonly key: string;
  readonly id: string;
  readonly link: LinkRequest;
}

/**
 * How long nothing was loaded before the first is made: each takes 50 ms of a processor, and a program that compiles
 * sixty libraries one after the other took twice as long for it when they were made at once.
 */
const QUIET_MS = 300;

/** How long a program that has come to its end is kept for them. The rest is made by the next that loads the object. */
const AT_END_MS = 1000;

const jobs: Job[] = [];
let making: Promise<void> | undefined;
let timer: NodeJS.Timeout | undefined;

/** Links the object into a shared object that the next load opens; soon. */
export function keepImage(store: Store, key: string, id: string, { signal, ...link }: LinkRequest): void {
  if (!store.isWritable) return;
  if (timer === undefined) process.on('beforeExit', makeLastImages);
  jobs.push({ store, key, id, link });
  clearTimeout(timer);
  timer = setTimeout(() => void makeImages(), QUIET_MS).unref();
}

/** Makes those that wait, one at a time. */
export function makeImages(until = Number.POSITIVE_INFINITY): Promise<void> {
  making ??= makeEach(until).finally(() => {
    making = undefined;
  });
  return making;
}

function makeLastImages(): void {
  if (jobs.length === 0) return;
  void makeImages(performance.now() + AT_END_MS).then(() => {
    jobs.length = 0;
  });
}

async function makeEach(until: number): Promise<void> {
  const { makeLinkedImage } = await import('./loader/linked-image.ts');
  for (let job = jobs.shift(); job !== undefined; job = performance.now() < until ? jobs.shift() : undefined) {
    const { store, key, id, link } = job;
    try {
      const priority = constants.priority.PRIORITY_LOW;
      const made = await makeLinkedImage({ ...link, priority }).catch((error: unknown) => {
        if (error instanceof LinkError) return { refused: error.message };
        throw error;
      });
      await publishImage(store, key, id, made);
    } catch (error) {
      process.emitWarning(error as Error);
    }
  }
}

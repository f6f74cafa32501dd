/** Makes the linked images of what was compiled, when there is time. */

import { constants } from 'node:os';
import { clearTimeout, setTimeout } from 'node:timers';
import { readManifest } from './cache/lookup.ts';
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

/** By the entry: fifty loads of one are one. */
const jobs = new Map<string, Job>();
let making: Promise<void> | undefined;
let timer: NodeJS.Timeout | undefined;

/** Links the object into a shared object that the next load opens; soon. */
export function keepImage(store: Store, key: string, id: string, { signal, ...link }: LinkRequest): void {
  if (!store.isWritable) return;
  if (timer === undefined) process.on('beforeExit', makeLastImages);
  jobs.set(`${store.folder} ${key} ${id}`, { store, key, id, link });
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
  if (jobs.size === 0) return;
  void makeImages(performance.now() + AT_END_MS).then(() => jobs.clear());
}

async function makeEach(until: number): Promise<void> {
  const { makeLinkedImage } = await import('./loader/linked-image.ts');
  for (const [name, { store, key, id, link }] of jobs) {
    if (performance.now() >= until) return;
    jobs.delete(name);
    // Another process may have made it meanwhile, or the entry may be gone.
    const variant = readManifest(store, key).variants.find((each) => each.id === id);
    if (variant === undefined || variant.image !== null || variant.unlinkable !== undefined) continue;
    try {
      const priority = constants.priority.PRIORITY_LOW;
      await publishImage(store, key, id, await makeLinkedImage({ ...link, priority }));
    } catch (error) {
      await noteFailure(store, key, id, error);
    }
  }
}

/**
 * What the linker says of an object, and what is wrong with its image, will be so again; that the linker can't be started
 * or has no room may be over tomorrow.
 */
async function noteFailure(store: Store, key: string, id: string, error: unknown): Promise<void> {
  if (!(error instanceof LinkError)) process.emitWarning(error as Error);
  else if (error.cause === undefined || error.cause instanceof RangeError)
    await publishImage(store, key, id, { refused: error.message });
}

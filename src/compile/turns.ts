/** The one queue of all compiles. */

import { Turns } from '../turns.ts';

export const compiles = new Turns();

/** Resolves when nothing is being compiled, or waits to be. */
export const noCompile = (): Promise<void> => compiles.idle();

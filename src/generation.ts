/** One compiled version of a library: its live image, and who still runs in it. */

import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import type { CallScope } from './bindings/bind.ts';
import type { CallGuards } from './bindings/guard.ts';
import type { CacheReport } from './cache/lookup.ts';
import type { Diagnostic } from './errors.ts';
import type { Lazy } from './lazy.ts';
import type { Hold } from './linking.ts';
import type { LoadedImage, SymbolInfo } from './loader/loader.ts';
import type { LoaderReport } from './loader/select.ts';
import type { ImportRecord } from './open-imports.ts';
import type { Snapshot } from './reload/snapshot.ts';

/** Milliseconds that each stage of a load took. */
export interface Timings {
  /** Finding the compiler; next to nothing from the second load on. */
  readonly toolchain: number;
  /** Source to object bytes, time in the queue included; or the time in which the cache found them. */
  readonly compile: number;
  /** Object bytes to live symbols, initialisers included. */
  readonly link: number;
  /** Symbols to a library that functions can be taken from. */
  readonly bind: number;
  /** The whole load, from the call on. */
  readonly total: number;
}

/** What the path makes of a spec. */
export interface Build {
  readonly image: LoadedImage;
  readonly loader: LoaderReport;
  /** What the cache did. A compile that turns out later to be one that can't be kept is told then. */
  readonly cache: () => CacheReport;
  /** Of the input's files, before they were read. */
  readonly before: Snapshot;
  /** `performance.now()` when the path was entered, and when it ended with a live image. */
  readonly started: number;
  readonly linked: number;
  readonly stages: Pick<Timings, 'toolchain' | 'compile' | 'link'>;
  /** Called once the image is disposed. */
  readonly onRetired?: () => void;
  /** What {@link guardsOf} gave. */
  readonly guards: CallGuards | null;
  /** Warnings and remarks of the compile. */
  readonly diagnostics: readonly Diagnostic[];
  /** Absolute paths of the files that the compile read. */
  readonly dependencies: readonly string[];
  /** The libraries that the image uses, until it is disposed. */
  readonly holds?: readonly Hold[];
  /** What it takes from other libraries. */
  readonly imports?: readonly ImportRecord[] | undefined;
  /** Of a library whose functions are compiled when they are called. */
  readonly lazy?: Lazy;
}

/** What catches the exceptions of an image's functions; null where none can be thrown, or there is no native shim. */
export async function guardsOf(library: string, image: LoadedImage): Promise<CallGuards | null> {
  return image.mayThrow() ? (await import('./guard-calls.ts')).guardCalls(library) : null;
}

type Made = 'image' | 'loader' | 'cache' | 'diagnostics' | 'dependencies' | 'holds' | 'imports' | 'lazy';

/** What an input comes to, and when it was there. */
export type Live = Pick<Build, Made> & {
  /** Of the files that the input has turned out to be, where that was not known before. */
  readonly before?: Snapshot;
  /** `performance.now()` when the tools were found, and when the object was there. */
  readonly found: number;
  readonly made: number;
};

/** All that can be called now, of every library of this thread. */
export const liveGenerations: Set<Generation> = new Set();

/** Code that may be called until it is retired, and is freed when the last call has left it. */
export class Generation implements CallScope {
  /** The name of its library. */
  readonly library: string;
  readonly build: Build;
  /** 1 for the first. */
  readonly number: number;
  /** What was evaluated against it, and goes before it. */
  snippets: { close(): Promise<void> } | undefined;
  #timings: Timings | undefined;
  #asyncCalls = 0;
  #left: (() => void) | undefined;

  constructor(library: string, build: Build, number: number) {
    this.library = library;
    this.build = build;
    this.number = number;
  }

  get guards(): CallGuards | null {
    return this.build.guards;
  }

  /** Every exported symbol; a linked image is read for it. */
  get symbols(): ReadonlyMap<string, SymbolInfo> {
    return this.build.image.symbols;
  }

  find(name: string): SymbolInfo | undefined {
    return this.build.image.find(name);
  }

  /** Ends the clock of {@link timings}: functions can be taken, and those that were taken reach this code. */
  goLive(): void {
    const { started, linked, stages } = this.build;
    const now = performance.now();
    liveGenerations.add(this);
    this.#timings = { ...stages, bind: now - linked, total: now - started };
  }

  get timings(): Timings {
    return this.#timings as Timings;
  }

  enter(): void {
    this.#asyncCalls += 1;
  }

  leave(): void {
    this.#asyncCalls -= 1;
    if (this.#asyncCalls === 0) this.#left?.();
  }

  /**
   * Runs the finalisers and frees the code, once no call is in it. Nothing may call it any more.
   *
   * Synchronous calls are counted by nobody: one can be in flight only below this very stack, in a callback, and the
   * event loop's next turn begins when that stack is gone.
   */
  async retire(): Promise<void> {
    await setImmediate();
    await this.snippets?.close();
    if (this.#asyncCalls > 0) {
      await new Promise<void>((resolve) => {
        this.#left = resolve;
      });
    }
    liveGenerations.delete(this);
    // After the finalisers, whose crashes are the library's too.
    await this.build.image.dispose().finally(() => {
      this.build.guards?.dispose();
      this.build.onRetired?.();
    });
  }
}

/** Keeps resident drivers: starts them on demand, gives each request one, replaces those that are used up. */

import { availableParallelism } from 'node:os';
import type { CompileLimits } from './compiler.ts';
import { DriverFailure, DriverProcess } from './driver-process.ts';
import type { CompileMessage, Packet, ResultMessage } from './protocol.ts';

/** A request and what bounds it. */
export interface DriverRequest {
  readonly message: Omit<CompileMessage, 'type' | 'id'>;
  readonly attachments: readonly Uint8Array[];
  /** Names the parsed prefix that a driver may have kept for it; null when there is none. */
  readonly prefix: string | null;
  readonly limits: CompileLimits;
  readonly signal: AbortSignal | undefined;
}

/** The request took longer than `limits.timeout`; its driver was killed. */
export class DriverTimeout extends Error {
  override readonly name = 'DriverTimeout';
}

/** An idle driver holds some 80 MB that other programs could use, and a fresh one is ready in 8 ms. */
const IDLE_MS = 60_000;
/** malloc keeps what the largest source needed; a driver above this is replaced after its answer. */
const HIGH_WATER_BYTES = 512 * 2 ** 20;

/**
 * At most as many drivers as processors. A driver that ends takes down only its own request.
 *
 * Requests prefer the driver that has their prefix parsed, then any that is idle, then a new one.
 */
export class DriverPool {
  readonly #path: string;
  readonly #llvm: string;
  readonly #size: number;
  readonly #drivers = new Set<DriverProcess>();
  readonly #idleTimers = new Map<DriverProcess, NodeJS.Timeout>();
  readonly #waiting: (() => void)[] = [];

  /** @param path - the driver's binary. @param llvm - the version of LLVM that it must hold. */
  constructor(path: string, llvm: string, size: number = availableParallelism()) {
    this.#path = path;
    this.#llvm = llvm;
    this.#size = size;
  }

  /** Starts a driver if there is none, so that it is ready when the first request comes. */
  startAhead(): void {
    if (this.#drivers.size === 0) this.#rest(this.#start());
  }

  /**
   * The driver's answer. A driver that ends without a word is replaced and asked once more.
   *
   * Rejects with DriverCrash when clang crashed, DriverTimeout, DriverFailure when it can't be started or the second
   * one failed too, and the signal's reason when that aborts.
   */
  async run(request: DriverRequest): Promise<Packet<ResultMessage>> {
    try {
      return await this.#runOnce(request);
    } catch (error) {
      if (!(error instanceof DriverFailure) || error.isStart) throw error;
      return await this.#runOnce(request);
    }
  }

  /** Ends every driver. */
  close(): void {
    for (const driver of this.#drivers) driver.kill(new DriverFailure('the pool was closed', false));
  }

  /** Those that live, idle or busy. */
  get drivers(): readonly DriverProcess[] {
    return [...this.#drivers];
  }

  async #runOnce(request: DriverRequest): Promise<Packet<ResultMessage>> {
    const { limits, signal, prefix } = request;
    signal?.throwIfAborted();
    const driver = await this.#take(prefix);
    const onAbort = (): void => driver.kill(signal?.reason);
    const timer = setTimeout(
      () => driver.kill(new DriverTimeout(`it took longer than ${limits.timeout} ms`)),
      limits.timeout,
    );
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      // An abort while this waited for a driver came before there was a listener.
      signal?.throwIfAborted();
      await driver.ready;
      const answer = await driver.send(request.message, request.attachments);
      if (prefix !== null && answer.message.preamble !== 'none') driver.prefixes.add(prefix);
      return answer;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      this.#giveBack(driver);
    }
  }

  async #take(prefix: string | null): Promise<DriverProcess> {
    for (;;) {
      const idle = [...this.#idleTimers.keys()];
      const best = idle.find((driver) => prefix !== null && driver.prefixes.has(prefix)) ?? idle.at(-1);
      if (best !== undefined) {
        clearTimeout(this.#idleTimers.get(best));
        this.#idleTimers.delete(best);
        return best;
      }
      if (this.#drivers.size < this.#size) return this.#start();
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #start(): DriverProcess {
    const driver = new DriverProcess(this.#path, this.#llvm, (ended) => {
      this.#drivers.delete(ended);
      clearTimeout(this.#idleTimers.get(ended));
      this.#idleTimers.delete(ended);
      this.#waiting.shift()?.();
    });
    if (!driver.hasEnded) this.#drivers.add(driver);
    return driver;
  }

  #giveBack(driver: DriverProcess): void {
    if (!this.#drivers.has(driver)) return;
    if (driver.residentBytes > HIGH_WATER_BYTES) {
      this.#drivers.delete(driver);
      driver.close();
      this.#waiting.shift()?.();
      return;
    }
    this.#rest(driver);
    this.#waiting.shift()?.();
  }

  #rest(driver: DriverProcess): void {
    const timer = setTimeout(() => {
      this.#idleTimers.delete(driver);
      this.#drivers.delete(driver);
      driver.close();
    }, IDLE_MS);
    timer.unref();
    this.#idleTimers.set(driver, timer);
  }
}

/** One process of the resident driver: starts it, sends it one request at a time, and ends it. */

import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { trackChild } from '../children.ts';
import { compilerEnvironment } from './environment.ts';
import {
  type Answer,
  type CompileMessage,
  encodeFrame,
  FrameDecoder,
  type Packet,
  PROTOCOL_VERSION,
  ProtocolError,
  type ResultMessage,
  readAnswer,
} from './protocol.ts';

/** Clang crashed on the request: the driver said so before it ended. */
export class DriverCrash extends Error {
  override readonly name = 'DriverCrash';
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`clang crashed with ${signal}`);
    this.signal = signal;
  }
}

/** The driver was of no use: it did not start, speaks another protocol, or ended without a word. */
export class DriverFailure extends Error {
  override readonly name = 'DriverFailure';
  /** It never said hello, or said the wrong one: another one of the same binary will do no better. */
  readonly isStart: boolean;

  constructor(message: string, isStart: boolean) {
    super(message);
    this.isStart = isStart;
  }
}

/** A request with its answer to come. */
interface Pending {
  readonly id: number;
  readonly resolve: (packet: Packet<ResultMessage>) => void;
  readonly reject: (error: Error) => void;
}

/** A start takes 8 ms; one that has not said hello in this time is stopped or stuck. */
const HELLO_TIMEOUT = 5000;
const MAX_KEPT_LOG = 4096;

/**
 * One driver process. It never keeps Node alive while it is idle, and ends when Node does: its stdin closes.
 *
 * When it ends, for whatever reason, the request that it has is rejected, and `onEnd` is called once.
 */
export class DriverProcess {
  /** What the driver says it is; resolves when it may be sent requests. Rejects with DriverFailure. */
  readonly ready: Promise<void>;
  /** Bytes resident after the last answer. */
  residentBytes = 0;
  /** What it has kept a parsed prefix for, in the terms of whoever sends the requests. */
  readonly prefixes = new Set<string>();
  readonly #child: ChildProcess;
  readonly #llvm: string;
  readonly #decoder = new FrameDecoder();
  readonly #onEnd: (driver: DriverProcess) => void;
  #greeting: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #pending: Pending | undefined;
  #log = '';
  #ended = false;
  #nextId = 1;

  /** @param llvm - the version that it must hold. */
  constructor(path: string, llvm: string, onEnd: (driver: DriverProcess) => void) {
    this.#llvm = llvm;
    this.#onEnd = onEnd;
    // A process group of its own: Ctrl-C is for the program, which may live on after it.
    this.#child = spawn(path, [], { cwd: '/', env: compilerEnvironment(), stdio: 'pipe', detached: true });
    trackChild(this.#child);
    this.ready = new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(this.#failure('it did not answer within 5 s')), HELLO_TIMEOUT);
      timer.unref();
      this.#greeting = {
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
    });
    // Whoever sends a request hears of it; a driver that was started ahead may fail before anyone does.
    this.ready.catch(() => {});
    this.#listen();
    this.#setRef(false);
    this.#write(encodeFrame({ message: { type: 'hello', protocol: PROTOCOL_VERSION, llvm: '' }, attachments: [] }));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** It can't be sent anything any more. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Sends a request. It must not be busy. Rejects with DriverCrash, DriverFailure, or the reason given to {@link kill}. */
  send(
    message: Omit<CompileMessage, 'type' | 'id'>,
    attachments: readonly Uint8Array[],
  ): Promise<Packet<ResultMessage>> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (this.#ended) {
        reject(this.#failure(`it has ended${this.#lastWords()}`));
        return;
      }
      // What is too long for a frame throws here, and leaves the driver idle.
      const frame = encodeFrame({ message: { type: 'compile', id, ...message }, attachments });
      this.#pending = { id, resolve, reject };
      this.#setRef(true);
      this.#write(frame);
    });
  }

  /** Ends it at once; the request that it has is rejected with `reason`. */
  kill(reason: Error): void {
    this.#fail(reason);
  }

  /** Lets it end by itself. It must not be busy. */
  close(): void {
    this.#child.stdin?.end();
  }

  #listen(): void {
    const child = this.#child;
    child.stdout?.on('data', (chunk: Buffer) => {
      try {
        for (const packet of this.#decoder.push(chunk)) this.#receive(readAnswer(packet));
      } catch (error) {
        this.#fail(error instanceof ProtocolError ? this.#failure(error.message) : (error as Error));
      }
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString('utf8')).slice(-MAX_KEPT_LOG);
    });
    // Its end says more than EPIPE does.
    child.stdin?.on('error', () => {});
    child.once('error', (error) => this.#fail(this.#failure(error.message)));
    child.once('close', (code, signal) => {
      const how = signal === null ? `exit code ${code}` : signal;
      // Who is killed from outside before it said hello is no broken binary.
      const isStart = signal === null && this.#greeting !== undefined;
      this.#fail(new DriverFailure(`it ended with ${how}${this.#lastWords()}`, isStart));
    });
  }

  #receive(packet: Packet<Answer>): void {
    const { message } = packet;
    if (message.type === 'hello') {
      if (message.protocol !== PROTOCOL_VERSION) {
        this.#fail(this.#failure(`it speaks protocol ${message.protocol}, this package ${PROTOCOL_VERSION}`));
      } else if (message.llvm !== this.#llvm) {
        this.#fail(this.#failure(`it holds clang ${message.llvm}, and is described as ${this.#llvm}`));
      } else {
        this.#greeting?.resolve();
        this.#greeting = undefined;
      }
      return;
    }
    const pending = this.#pending;
    if (pending === undefined || pending.id !== message.id) {
      this.#fail(this.#failure(`it answered request ${message.id}, which was not asked`));
    } else if (message.type === 'crash') {
      this.#fail(new DriverCrash(message.signal));
    } else {
      this.residentBytes = message.memory.resident;
      this.#pending = undefined;
      this.#setRef(false);
      pending.resolve({ message, attachments: packet.attachments });
    }
  }

  #fail(reason: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#child.kill('SIGKILL');
    this.#child.stdin?.destroy();
    this.#setRef(false);
    this.#greeting?.reject(reason);
    this.#pending?.reject(reason);
    this.#greeting = undefined;
    this.#pending = undefined;
    this.#onEnd(this);
  }

  /** Parts are handed over as they are: the stream keeps references and writes as fast as the driver reads. */
  #write(parts: readonly Uint8Array[]): void {
    const stdin = this.#child.stdin as Writable;
    stdin.cork();
    for (const part of parts) stdin.write(part);
    stdin.uncork();
  }

  /** A process and its pipes keep Node alive exactly while a request is under way. */
  #setRef(isNeeded: boolean): void {
    const streams = [this.#child.stdin, this.#child.stdout, this.#child.stderr] as (Readable & Writable)[];
    for (const handle of [this.#child, ...streams] as { ref?(): void; unref?(): void }[]) {
      if (isNeeded) handle.ref?.();
      else handle.unref?.();
    }
  }

  #failure(message: string): DriverFailure {
    return new DriverFailure(message, this.#greeting !== undefined);
  }

  #lastWords(): string {
    const words = this.#log.trim().split('\n').slice(-3).join(' ');
    return words === '' ? '' : `: ${words}`;
  }
}

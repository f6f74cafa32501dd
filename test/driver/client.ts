/** A client of the resident compiler for tests: one process, requests answered in order. */

import { type ChildProcess, execFileSync, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { compilerArguments } from '../../src/compile/command.ts';
import { parseDependencyRule, splitRuleAndObject } from '../../src/compile/dependencies.ts';
import {
  type Answer,
  type CompileMessage,
  encodeFrame,
  FrameDecoder,
  type Packet,
  PROTOCOL_VERSION,
  type ResultMessage,
  readAnswer,
} from '../../src/compile/protocol.ts';
import type { Toolchain } from '../../src/toolchain/discover.ts';
import { textRequest } from '../compile/requests.ts';

/** `FROMSOURCE_TEST_DRIVER` names one that was built elsewhere. */
export const DRIVER =
  process.env.FROMSOURCE_TEST_DRIVER ?? join(import.meta.dirname, '../../native-shims/build/fromsource-clang-driver');

/** Why the tests can't run here, or null. */
export function whyNoDriver(): string | null {
  if (!existsSync(DRIVER)) return `the resident compiler is not built: ${DRIVER} is not there`;
  try {
    execFileSync('clang-22', ['--version'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'clang-22 is not installed, and it is what objects are compared with';
  }
}

/** What a request may leave out. */
export interface CompileOptions {
  readonly text?: string | null;
  readonly flags?: readonly string[];
  readonly language?: 'c' | 'c++' | 'ir';
  readonly command?: readonly string[];
  readonly folder?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly outputs?: CompileMessage['outputs'];
  readonly passes?: string | null;
  readonly preamble?: boolean;
  readonly declaredBefore?: number | null;
  readonly maxMemoryBytes?: number;
  /** For the input in place of text. */
  readonly bytes?: Uint8Array;
}

export interface Compiled {
  readonly message: ResultMessage;
  readonly stderr: string;
  readonly object: Buffer;
  readonly outputs: Readonly<Record<string, Buffer>>;
}

export const CLANG: Toolchain = {
  kind: 'clang',
  path: '/usr/bin/clang-22',
  version: '22',
  major: 22,
  target: 'x86_64-pc-linux-gnu',
  resident: null,
};

/** The command for a text, as src/compile/command.ts makes it. */
export function commandFor(
  flags: readonly string[] = ['-O2'],
  language: string = 'c',
  folder = process.cwd(),
): string[] {
  const request = textRequest('', { flags, language: language as 'c' });
  const places = { callerFolder: folder, headerFolder: null, runFolder: folder };
  const args = compilerArguments(CLANG, request, places, { object: '-', rule: '-' });
  // IR has no dependencies, and the driver warns of options for them.
  const isRule = (word: string | undefined) => /^-M[DFT]?$/.test(word ?? '');
  const used = args.filter((word, at) => language !== 'ir' || (!isRule(word) && !/^-M[FT]$/.test(args[at - 1] ?? '')));
  return [CLANG.path, ...used];
}

/** What a process of clang's own makes of the command. */
export function compileOnce(command: readonly string[], input: string | Uint8Array, folder = process.cwd()) {
  const [program, ...args] = command as [string, ...string[]];
  const { status, stdout, stderr } = spawnSync(program, args, { input, cwd: folder, maxBuffer: 2 ** 30 });
  const { rule, object } = splitRuleAndObject(stdout);
  const absolute = (name: string) => resolve(folder, name);
  return { status, stderr: stderr.toString(), object, read: parseDependencyRule(rule).map(absolute) };
}

type Waiting = { resolve(packet: Packet<Answer>): void; reject(error: Error): void };

export class DriverClient implements AsyncDisposable {
  readonly child: ChildProcess;
  /** Exit code or signal, when it has ended. */
  readonly ended: Promise<number | NodeJS.Signals>;
  stderr = '';
  #waiting: Waiting[] = [];
  #id = 0;

  constructor(options: { driver?: string; cwd?: string; env?: NodeJS.ProcessEnv; stdio?: StdioOptions } = {}) {
    const { driver = DRIVER, cwd, env = process.env, stdio = 'pipe' } = options;
    this.child = spawn(driver, [], { stdio, env, ...(cwd === undefined ? {} : { cwd }) });
    const decoder = new FrameDecoder();
    this.child.stdout?.on('data', (chunk: Buffer) => {
      for (const packet of decoder.push(chunk)) this.#waiting.shift()?.resolve(readAnswer(packet));
    });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    this.child.stdin?.on('error', () => {});
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code, signal) => {
        for (const each of this.#waiting.splice(0)) each.reject(new Error(`the driver ended: ${code ?? signal}`));
        resolve(code ?? (signal as NodeJS.Signals));
      });
    });
    this.ended.catch(() => {});
  }

  /** A driver that has been greeted. */
  static async start(options: ConstructorParameters<typeof DriverClient>[0] = {}): Promise<DriverClient> {
    const client = new DriverClient(options);
    await client.greet();
    return client;
  }

  greet(protocol = PROTOCOL_VERSION): Promise<Packet<Answer>> {
    const answer = this.#answer();
    this.#write(encodeFrame({ message: { type: 'hello', protocol, llvm: '' }, attachments: [] }));
    return answer;
  }

  async compile(options: CompileOptions): Promise<Compiled> {
    const packet = await this.request(options);
    if (packet.message.type !== 'result') throw new Error(`expected a result, got ${JSON.stringify(packet.message)}`);
    const { message, attachments } = packet as Packet<ResultMessage>;
    const bytes = (index: number) => Buffer.from(attachments[index] ?? []);
    const outputs = Object.fromEntries(Object.entries(message.outputs).map(([kind, index]) => [kind, bytes(index)]));
    return { message, stderr: bytes(message.stderr).toString(), outputs, object: outputs.object ?? Buffer.alloc(0) };
  }

  /** The answer as it comes, also a crash. */
  request(options: CompileOptions): Promise<Packet<Answer>> {
    const answer = this.#answer();
    this.#write(this.frame(options));
    return answer;
  }

  frame(options: CompileOptions): Uint8Array[] {
    const { text = '', bytes, files = {}, flags, language, folder = process.cwd(), outputs = ['object'] } = options;
    const { passes = null, preamble = false, declaredBefore = null, maxMemoryBytes = 0 } = options;
    const input = bytes ?? (text === null ? null : Buffer.from(text));
    const attachments: Uint8Array[] = input === null ? [] : [input];
    const named = Object.entries(files).map(([path, content]) => {
      attachments.push(Buffer.from(content));
      return { path, attachment: attachments.length - 1 };
    });
    this.#id += 1;
    const message: CompileMessage = {
      type: 'compile',
      id: this.#id,
      command: options.command ?? commandFor(flags, language, folder),
      folder,
      stdin: input === null ? null : 0,
      files: named,
      outputs,
      passes,
      preamble,
      declaredBefore,
      maxMemoryBytes,
    };
    return encodeFrame({ message, attachments });
  }

  /** Raw bytes, for streams that are no protocol. */
  writeRaw(bytes: Uint8Array): void {
    this.child.stdin?.write(bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.stdin?.end();
    await this.ended;
  }

  #write(parts: readonly Uint8Array[]): void {
    for (const part of parts) this.child.stdin?.write(part);
  }

  #answer(): Promise<Packet<Answer>> {
    const answer = new Promise<Packet<Answer>>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    answer.catch(() => {});
    return answer;
  }
}

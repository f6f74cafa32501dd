/**
 * The protocol between this process and `native-shims/clang-driver`. Pure: frames ⇄ messages, no I/O.
 *
 * A frame is a 32-bit little-endian length and that many bytes of body; a body is a 32-bit little-endian length, that
 * many bytes of JSON (the message), and then the message's attachments, back to back. The message says how long each
 * attachment is in `attachments`; other fields name attachments by their index. The first frame in each direction is a
 * `hello` with the protocol's version, and nothing else is read from an end that speaks another one. Requests go to the
 * driver's stdin, answers come from its stdout, in the order of the requests. The driver ends when its stdin does.
 *
 * native-shims/clang-driver/protocol.h opens with the same paragraph.
 */

import type { CompileRecord } from './compiler.ts';

/** Raised with every change of a message; both ends refuse another one. */
export const PROTOCOL_VERSION = 4;

/** A frame longer than this is a broken stream, not a message. */
export const MAX_FRAME_BYTES = 2 ** 30;

/** What the driver is asked to give back. */
export type OutputKind = 'object' | 'bitcode' | 'ir';

/** The first message in each direction. */
export interface Hello {
  readonly type: 'hello';
  readonly protocol: number;
  /** The driver's LLVM, such as `22.1.8`; empty from this end. */
  readonly llvm: string;
}

/** One compile. */
export interface CompileMessage {
  readonly type: 'compile';
  readonly id: number;
  /** The compiler driver's whole command, program first, as the one-shot compiler would be started. */
  readonly command: readonly string[];
  /** The working folder: relative paths start there. */
  readonly folder: string;
  /** Attachment that is the text of stdin, the input `-`; null when the input is a file. */
  readonly stdin: number | null;
  /** Files that exist only for this request: absolute path and attachment. */
  readonly files: readonly { readonly path: string; readonly attachment: number }[];
  readonly outputs: readonly OutputKind[];
  /** A pass pipeline for IR inputs in place of that of the `-O` level, as `opt -passes=` takes it; null for none. */
  readonly passes: string | null;
  /** Whether the parsed prefix of the source may be kept and reused. */
  readonly preamble: boolean;
  /** Where in stdin, in bytes, the source begins that is to be made into code; what comes before lives already. */
  readonly declaredBefore: number | null;
  /** Address space that the driver may use for this request, in bytes; 0 for no limit. */
  readonly maxMemoryBytes: number;
}

/**
 * How a compile went, with the record of what it looked at, the preamble's included. A path of `absent` with a slash at
 * the end was a folder, and must not come to be a file.
 */
export interface ResultMessage extends CompileRecord {
  readonly type: 'result';
  readonly id: number;
  /** `failed`: the diagnostics say why. `unsupported`: the one-shot compiler must do it; `reason` says why. */
  readonly status: 'ok' | 'failed' | 'unsupported' | 'memory';
  readonly reason: string;
  /** What clang prints for this command, byte for byte, so that one decoder reads both compilers. */
  readonly stderr: number;
  /** Attachment of each output that was asked for; nothing of a compile that failed. */
  readonly outputs: Readonly<Partial<Record<OutputKind, number>>>;
  /** Reserved: the declarations of the source. */
  readonly declarations: null;
  readonly preamble: 'none' | 'built' | 'reused';
  /** Milliseconds. */
  readonly times: {
    readonly frontend: number;
    readonly optimise: number;
    readonly codegen: number;
    readonly total: number;
  };
  /** Bytes resident in the driver after the request, and at its highest so far. */
  readonly memory: { readonly resident: number; readonly peak: number };
}

/** The last message of a driver that clang crashed in. */
export interface CrashMessage {
  readonly type: 'crash';
  readonly id: number;
  /** Such as `SIGSEGV`. */
  readonly signal: NodeJS.Signals;
}

export type Request = Hello | CompileMessage;
export type Answer = Hello | ResultMessage | CrashMessage;

/** A message with the bytes that belong to it. */
export interface Packet<Message> {
  readonly message: Message;
  readonly attachments: readonly Uint8Array[];
}

/** The bytes of one frame, as parts that are to be written one after the other: a large source is not copied. */
export function encodeFrame(packet: Packet<Request | Answer>): Uint8Array[] {
  const { message, attachments } = packet;
  const json = Buffer.from(JSON.stringify({ ...message, attachments: attachments.map((each) => each.byteLength) }));
  const length = attachments.reduce((sum, each) => sum + each.byteLength, 4 + json.length);
  if (length > MAX_FRAME_BYTES) throw new RangeError(`a frame of ${length} bytes is longer than ${MAX_FRAME_BYTES}`);
  const head = Buffer.allocUnsafe(8);
  head.writeUInt32LE(length, 0);
  head.writeUInt32LE(json.length, 4);
  return [head, json, ...attachments];
}

/** The other end does not keep to the protocol: the connection is of no more use. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** Puts frames together from whatever pieces they arrive in. */
export class FrameDecoder {
  #chunks: Buffer[] = [];
  #length = 0;

  /** Takes the next bytes; gives every packet that is complete. Throws ProtocolError, and must not be used after. */
  push(chunk: Buffer): Packet<unknown>[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const packets: Packet<unknown>[] = [];
    for (let body = this.#takeBody(); body !== null; body = this.#takeBody()) packets.push(decodeBody(body));
    return packets;
  }

  /** Whether bytes of an unfinished frame are held. */
  get isInsideFrame(): boolean {
    return this.#length > 0;
  }

  #takeBody(): Buffer | null {
    if (this.#length < 4) return null;
    const length = this.#peek(4).readUInt32LE(0);
    if (length < 4 || length > MAX_FRAME_BYTES) throw new ProtocolError(`a frame claims ${length} bytes`);
    if (this.#length < 4 + length) return null;
    const whole = this.#peek(4 + length);
    const rest = whole.subarray(4 + length);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#length = rest.length;
    return whole.subarray(4, 4 + length);
  }

  /** One buffer that begins with at least `count` bytes. Joins only what is needed: a frame may come in 10,000 pieces. */
  #peek(count: number): Buffer {
    const first = this.#chunks[0] as Buffer;
    if (first.length >= count && this.#chunks.length === 1) return first;
    if (first.length >= count && count === 4) return first;
    const joined = Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }
}

function decodeBody(body: Buffer): Packet<unknown> {
  const jsonLength = body.readUInt32LE(0);
  if (jsonLength > body.length - 4) throw new ProtocolError(`a message claims ${jsonLength} of ${body.length} bytes`);
  let message: { attachments?: unknown };
  try {
    message = JSON.parse(body.toString('utf8', 4, 4 + jsonLength));
  } catch {
    throw new ProtocolError('a message is not JSON');
  }
  const lengths = message?.attachments;
  if (!Array.isArray(lengths) || !lengths.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw new ProtocolError('a message does not say how long its attachments are');
  }
  const attachments: Uint8Array[] = [];
  let at = 4 + jsonLength;
  for (const length of lengths as number[]) {
    if (length > body.length - at)
      throw new ProtocolError(`an attachment claims ${length} of ${body.length - at} bytes`);
    attachments.push(body.subarray(at, at + length));
    at += length;
  }
  if (at !== body.length) throw new ProtocolError(`${body.length - at} bytes follow the last attachment`);
  return { message, attachments };
}

/** Checks that a message is what a driver may say. Throws ProtocolError. */
export function readAnswer(packet: Packet<unknown>): Packet<Answer> {
  const message = packet.message as Partial<Record<string, unknown>> | null;
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
  const isIndex = (value: unknown): boolean => isCount(value) && (value as number) < packet.attachments.length;
  const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every((each) => typeof each === 'string');
  const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
  const well = (() => {
    switch (message?.type) {
      case 'hello':
        return isCount(message.protocol) && typeof message.llvm === 'string';
      case 'crash':
        return isCount(message.id) && typeof message.signal === 'string' && /^SIG[A-Z0-9]+$/.test(message.signal);
      case 'result':
        return (
          isCount(message.id) &&
          ['ok', 'failed', 'unsupported', 'memory'].includes(message.status as string) &&
          typeof message.reason === 'string' &&
          isIndex(message.stderr) &&
          isRecord(message.outputs) &&
          Object.values(message.outputs).every(isIndex) &&
          Array.isArray(message.read) &&
          message.read.every(
            (file) =>
              isRecord(file) && typeof file.path === 'string' && isCount(file.size) && typeof file.digest === 'string',
          ) &&
          isTexts(message.absent) &&
          Array.isArray(message.listed) &&
          message.listed.every(
            (folder) => isRecord(folder) && typeof folder.path === 'string' && typeof folder.digest === 'string',
          ) &&
          isTexts(message.volatile) &&
          ['none', 'built', 'reused'].includes(message.preamble as string) &&
          isRecord(message.times) &&
          Object.values(message.times).every((time) => typeof time === 'number') &&
          isRecord(message.memory) &&
          Object.values(message.memory).every(isCount)
        );
      default:
        return false;
    }
  })();
  if (!well) throw new ProtocolError(`an unknown or incomplete message: ${JSON.stringify(message)?.slice(0, 200)}`);
  return packet as Packet<Answer>;
}

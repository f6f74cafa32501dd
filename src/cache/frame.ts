/**
 * Pure: the one format of every file that the cache keeps and of sealed libraries: a header, JSON, and bytes.
 *
 *     0  magic "FROMSRC\0"          8 bytes
 *     8  version, kind              2 × 32-bit little-endian
 *    16  lengths of JSON, of bytes  2 × 64-bit little-endian
 *    32  key                        32 bytes: what the file answers to
 *    64  SHA-256                    32 bytes: of bytes 0 to 64, the JSON and the bytes
 *    96  JSON, then bytes           to the end of the file, exactly
 *
 * SHA-256 everywhere, though LLVM's XXH3-128 is faster: node's uses the processor's SHA instructions and takes 0.56 ms
 * for sqlite's 1.2 MB, of a JIT link of 5 ms, and XXH3 would first need a native library opened, 0.4 ms in itself.
 */

import { createHash, type Hash } from 'node:crypto';

/** Raised with every change of the format, or of what any file of it holds: other versions are no files of ours. */
export const FORMAT_VERSION = 1;

const MAGIC = Buffer.from('FROMSRC\0', 'latin1');
const HEADER_BYTES = 96;
/** JSON beyond this is damage: a C++ source that reads 1,000 headers has 300 KB. */
const MAX_JSON_BYTES = 2 ** 27;

const KINDS = { manifest: 1, object: 2, sealed: 3, memo: 4 } as const;

/** What a file holds. */
export type FrameKind = keyof typeof KINDS;

/** A file that is what it claims to be. */
export interface Frame {
  /** 64 hexadecimal digits. */
  readonly key: string;
  /** As it was encoded; its shape is the kind's. */
  readonly json: unknown;
  /** A view into what was decoded. */
  readonly bytes: Buffer;
}

/** The parts of a file, which are to be written one after the other. */
export function encodeFrame(kind: FrameKind, key: string, json: unknown, bytes: Uint8Array): Uint8Array[] {
  const text = Buffer.from(JSON.stringify(json), 'utf8');
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header, 0);
  header.writeUInt32LE(FORMAT_VERSION, 8);
  header.writeUInt32LE(KINDS[kind], 12);
  header.writeBigUInt64LE(BigInt(text.length), 16);
  header.writeBigUInt64LE(BigInt(bytes.byteLength), 24);
  if (header.write(key, 32, 'hex') !== 32) throw new RangeError(`a key has 64 hexadecimal digits, not ${key}`);
  digestOf(header, text, bytes).copy(header, 64);
  return [header, text, bytes];
}

/**
 * What the file holds, or why it is not what it should be. Never throws, whatever the bytes are.
 *
 * @param key - what it must answer to; null when that is not known beforehand
 */
export function decodeFrame(kind: FrameKind, key: string | null, file: Buffer): Frame | string {
  if (file.length < HEADER_BYTES) return file.length === 0 ? 'it is empty' : 'it is cut';
  if (!file.subarray(0, 8).equals(MAGIC)) return 'it is no file of fromsource';
  const version = file.readUInt32LE(8);
  if (version !== FORMAT_VERSION) return `it has format ${version}, not ${FORMAT_VERSION}`;
  if (file.readUInt32LE(12) !== KINDS[kind]) return 'it is of another kind';
  const [textLength, bytesLength] = [file.readBigUInt64LE(16), file.readBigUInt64LE(24)];
  if (textLength > MAX_JSON_BYTES || BigInt(HEADER_BYTES) + textLength + bytesLength !== BigInt(file.length)) {
    return 'its length is not what it says';
  }
  const found = file.toString('hex', 32, 64);
  if (key !== null && found !== key) return 'it answers to another key';
  const text = file.subarray(HEADER_BYTES, HEADER_BYTES + Number(textLength));
  const bytes = file.subarray(HEADER_BYTES + Number(textLength));
  if (!digestOf(file, text, bytes).equals(file.subarray(64, HEADER_BYTES))) return 'its digest is wrong';
  try {
    return { key: found, json: JSON.parse(text.toString('utf8')), bytes };
  } catch {
    return 'its JSON is wrong';
  }
}

function digestOf(header: Uint8Array, text: Uint8Array, bytes: Uint8Array): Buffer {
  const hash: Hash = createHash('sha256');
  return hash.update(header.subarray(0, 64)).update(text).update(bytes).digest();
}

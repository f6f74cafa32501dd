/**
 * Pure: the one format of every file that the cache keeps and of sealed libraries: a header, JSON, and bytes.
 *
 *     0  magic "FROMSRC\0"          8 bytes
 *     8  SHA-256                    32 bytes: of all that follows
 *    40  version, kind              2 × 32-bit little-endian
 *    48  lengths of JSON, of bytes  2 × 64-bit little-endian
 *    64  key                        32 bytes: what the file answers to
 *    96  JSON, then bytes           to the end of the file, exactly
 *
 * SHA-256 everywhere, though LLVM's XXH3-128 is faster: node's uses the processor's SHA instructions and takes 0.56 ms
 * for 1.2 MB, of a JIT link of 5 ms, and XXH3 would first need a native library opened, 0.4 ms in itself.
 */

import { sha256 } from '../sha256.ts';

/**
 * Raised with every change of the format of the cache, or of what its files hold: other versions are no files of ours.
 */
export const FORMAT_VERSION = 1;

/** The same for sealed libraries, which live longer. */
const SEALED_VERSION = 1;

const MAGIC = Buffer.from('FROMSRC\0', 'latin1');
const DIGEST_START = 8;
const DIGEST_END = 40;
const HEADER_BYTES = 96;
/** JSON beyond this is damage: a C++ source that reads 1,000 headers has 300 KB. */
const MAX_JSON_BYTES = 2 ** 27;

const KINDS = { manifest: 1, object: 2, sealed: 3, memo: 4 } as const;

/** What a file holds. */
export type FrameKind = keyof typeof KINDS;

const versionOf = (kind: FrameKind): number => (kind === 'sealed' ? SEALED_VERSION : FORMAT_VERSION);

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
  header.writeUInt32LE(versionOf(kind), 40);
  header.writeUInt32LE(KINDS[kind], 44);
  header.writeBigUInt64LE(BigInt(text.length), 48);
  header.writeBigUInt64LE(BigInt(bytes.byteLength), 56);
  if (header.write(key, 64, 'hex') !== 32) throw new RangeError(`a key has 64 hexadecimal digits, not ${key}`);
  header.write(sha256(Buffer.concat([header.subarray(DIGEST_END), text, bytes])), DIGEST_START, 'hex');
  return [header, text, bytes];
}

/**
 * What the file holds, or why it is not what it should be. Never throws, whatever the bytes are.
 *
 * @param key - what it must answer to; null when that is not known beforehand
 */
export function decodeFrame(kind: FrameKind, key: string | null, file: Buffer): Frame | string {
  if (file.length < HEADER_BYTES) return file.length === 0 ? 'it is empty' : 'it is cut';
  if (!file.subarray(0, DIGEST_START).equals(MAGIC)) return 'it is no file of fromsource';
  const version = file.readUInt32LE(40);
  if (file.readUInt32LE(44) !== KINDS[kind]) return 'it is of another kind';
  if (version !== versionOf(kind)) return `it has format ${version}, not ${versionOf(kind)}`;
  const [textLength, bytesLength] = [file.readBigUInt64LE(48), file.readBigUInt64LE(56)];
  if (textLength > MAX_JSON_BYTES || BigInt(HEADER_BYTES) + textLength + bytesLength !== BigInt(file.length)) {
    return 'its length is not what it says';
  }
  const found = file.toString('hex', 64, HEADER_BYTES);
  if (key !== null && found !== key) return 'it answers to another key';
  if (sha256(file.subarray(DIGEST_END)) !== file.toString('hex', DIGEST_START, DIGEST_END)) {
    return 'its digest is wrong';
  }
  const textEnd = HEADER_BYTES + Number(textLength);
  try {
    return {
      key: found,
      json: JSON.parse(file.toString('utf8', HEADER_BYTES, textEnd)),
      bytes: file.subarray(textEnd),
    };
  } catch {
    return 'its JSON is wrong';
  }
}

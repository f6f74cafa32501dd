/** Pure: sealed libraries as files: a frame whose JSON is the manifest, and whose bytes are object and linked image. */

import { createHash } from 'node:crypto';
import { decodeFrame, encodeFrame, FORMAT_VERSION } from './cache/frame.ts';
import type { ImageLayout } from './loader/image-layout.ts';
import type { VersionNeed } from './version-needs.ts';

/** Where code can run. */
export interface SealedTarget {
  /** The compiler's, such as `x86_64-pc-linux-gnu`. */
  readonly triple: string;
  /** As `process.arch` and `process.platform` have them. */
  readonly arch: string;
  readonly platform: string;
  /** Null for a library that needs none. */
  readonly libc: 'glibc' | 'musl' | null;
  /** The oldest glibc that has all the library needs; null where it needs none. */
  readonly glibc: string | null;
}

/** What code may use of a processor. */
export interface SealedCpu {
  /** The highest level of the x86-64 ABI that is needed whole; null for another architecture. */
  readonly level: string | null;
  /** Beyond what every processor of the architecture has: names of /proc/cpuinfo, sorted. */
  readonly features: readonly string[];
  /** The compiler's macros of features that /proc/cpuinfo has no name for. */
  readonly unnamed: readonly string[];
  /** Of `-march=native`, a digest of the processor's make: one of the same make has the unnamed features too. */
  readonly native: string | null;
}

/** All that is known of a sealed library but its code. Nothing in it names a folder of the machine that made it. */
export interface SealedManifest {
  readonly name: string;
  readonly target: SealedTarget;
  readonly cpu: SealedCpu;
  /** Decides whether the C++ runtime is needed. */
  readonly language: 'c' | 'c++';
  /** Null where nothing was compiled. */
  readonly compiler: { readonly kind: 'clang' | 'gcc'; readonly version: string } | null;
  readonly flags: readonly string[];
  /** What it exports. */
  readonly declarations: readonly {
    readonly name: string;
    readonly kind: 'function' | 'data';
    readonly size: number;
  }[];
  /** What it was made from: names for people, and SHA-256 of the contents. */
  readonly inputs: readonly { readonly name: string; readonly digest: string }[];
  /** Of the system's libraries. */
  readonly needs: readonly VersionNeed[];
  readonly object: { readonly length: number };
  readonly image: { readonly length: number; readonly layout: ImageLayout };
}

/** A file that is whole. */
export interface Sealed {
  readonly manifest: SealedManifest;
  /** Views into what was decoded. */
  readonly object: Buffer;
  readonly image: Buffer;
}

/** Why a file can't be used. */
export interface Unsealable {
  readonly fault: 'damaged' | 'format';
  /** Completes "the file can't be used: …". */
  readonly why: string;
}

/** SHA-256 in hexadecimal. */
export function digestOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** A digest of a processor's identity; null for one of which nothing is known. */
export function makeOf(identity: string): string | null {
  return identity === '' ? null : digestOf(identity);
}

const keyOf = (name: string, triple: string): string => digestOf(`${name}\0${triple}`);

/** The file's parts, which are to be written one after the other. */
export function encodeSealed(manifest: SealedManifest, object: Uint8Array, image: Uint8Array): Uint8Array[] {
  const key = keyOf(manifest.name, manifest.target.triple);
  return encodeFrame('sealed', key, manifest, Buffer.concat([object, image]));
}

const VERSION_AT = 40;

/** Never throws, whatever the bytes are. */
export function decodeSealed(file: Buffer): Sealed | Unsealable {
  const frame = decodeFrame('sealed', null, file);
  if (typeof frame === 'string') {
    const isForeign = file.length < VERSION_AT + 4 || !frame.startsWith('it has format');
    if (isForeign) return { fault: 'damaged', why: frame };
    const versions = `format ${file.readUInt32LE(VERSION_AT)}, and this one reads ${FORMAT_VERSION}`;
    return { fault: 'format', why: `it was made by another release of fromsource, which has ${versions}` };
  }
  const { json, bytes, key } = frame;
  if (!isManifest(json)) return { fault: 'damaged', why: 'its manifest is wrong' };
  const { object, image, name, target } = json;
  if (key !== keyOf(name, target.triple)) return { fault: 'damaged', why: 'it answers to another name' };
  if (object.length + image.length !== bytes.length) return { fault: 'damaged', why: 'its lengths are wrong' };
  return { manifest: json, object: bytes.subarray(0, object.length), image: bytes.subarray(object.length) };
}

type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === 'string';
const label: Check = (value) => typeof value === 'string' && value !== '' && !/[\0-\x1f\x7f]/.test(value);
const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const digest: Check = (value) => typeof value === 'string' && /^[\da-f]{64}$/.test(value);
const oneOf = (...values: unknown[]): Check => ((value) => values.includes(value)) as Check;
const orNull = (check: Check): Check => ((value) => value === null || check(value)) as Check;
const listOf = (check: Check): Check => ((value) => Array.isArray(value) && value.every(check)) as Check;
const record = (checks: Readonly<Record<string, Check>>): Check => {
  const entries = Object.entries(checks);
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    entries.every(([name, check]) => check((value as Readonly<Record<string, unknown>>)[name]));
};

/** Whoever can make a frame can make one of anything: what follows relies on the shape, so it is looked at. */
const MANIFEST = record({
  name: label,
  target: record({
    triple: label,
    arch: label,
    platform: label,
    libc: oneOf('glibc', 'musl', null),
    glibc: orNull((value) => typeof value === 'string' && /^\d+(\.\d+)*$/.test(value)),
  }),
  cpu: record({ level: orNull(label), features: listOf(label), unnamed: listOf(label), native: orNull(digest) }),
  language: oneOf('c', 'c++'),
  compiler: orNull(record({ kind: oneOf('clang', 'gcc'), version: text })),
  flags: listOf(text),
  declarations: listOf(record({ name: text, kind: oneOf('function', 'data'), size: count })),
  inputs: listOf(record({ name: text, digest })),
  needs: listOf(record({ library: text, versions: listOf(text) })),
  object: record({ length: count }),
  image: record({
    length: count,
    layout: record({
      initialisers: orNull(record({ offset: count, count })),
      claim: count,
      end: count,
      code: orNull(record({ from: count, to: count })),
      symbols: record({ offset: count, size: count, names: record({ offset: count, size: count }) }),
    }),
  }),
});

function isManifest(json: unknown): json is SealedManifest {
  return MANIFEST(json);
}

/** Pure: the names of a cache's files, and what each must answer to. */

import { pidNamespace } from '../process-identity.ts';
import { sha256 } from '../sha256.ts';
import { encodeFrame } from './frame.ts';
import { MAX_VARIANTS, type Variant } from './manifest.ts';
import type { NewFile } from './store.ts';

export const manifestName = (key: string): string => `${key}.manifest`;
export const objectName = (key: string, id: string): string => `${key}-${id}.object`;
export const imageName = (key: string, id: string): string => `${key}-${id}.so`;
export const memoName = (key: string): string => `${key}.memo`;
export const lockName = (key: string): string => `${key}.lock`;

/** Any file of a cache, and the key that it belongs to. */
export const ENTRY_NAME = /^([\da-f]{64})(?:-[\da-f]{16})?\.(manifest|object|so|memo|lock)$/;

/** Holds what is being written: `<pid namespace>-<pid>-<unique>`. */
export const TEMPORARY_FOLDER = 'tmp';
export const TEMPORARY_NAME = /^(\d+)-(\d+)-[\da-z]+$/;

/** A fresh name; it tells whose it is, so that what a dead process left can be swept. */
export function temporaryName(): string {
  const unique = process.hrtime.bigint().toString(36) + Math.random().toString(36).slice(2);
  return `${pidNamespace()}-${process.pid}-${unique}`;
}

export const memoKey = (what: string): string => sha256(`memo\0${what}`);

/** What an object's file answers to, so that another variant's object under this name is a foreign one. */
export function objectKey(key: string, id: string): string {
  return sha256(`object\0${key}\0${id}`);
}

export function manifestFile(key: string, variants: readonly Variant[]): NewFile {
  const kept = { variants: variants.slice(0, MAX_VARIANTS) };
  return { name: manifestName(key), parts: encodeFrame('manifest', key, kept, new Uint8Array()) };
}

export function memoFile(key: string, content: unknown): NewFile {
  return { name: memoName(key), parts: encodeFrame('memo', key, content, new Uint8Array()) };
}

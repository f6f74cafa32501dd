/** Pure: the names of a cache's files, and what each must answer to. */

import { createHash, randomUUID } from 'node:crypto';
import { pidNamespace } from '../process-identity.ts';
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

/** Holds what is being written: `<pid namespace>-<pid>-<uuid>`. */
export const TEMPORARY_FOLDER = 'tmp';
export const TEMPORARY_NAME = /^(\d+)-(\d+)-[\da-f-]{36}$/;

/** A fresh name; it tells whose it is, so that what a dead process left can be swept. */
export const temporaryName = (): string => `${pidNamespace()}-${process.pid}-${randomUUID()}`;

export const memoKey = (what: string): string => createHash('sha256').update(`memo\0${what}`).digest('hex');

/** What an object's file answers to, so that another variant's object under this name is a foreign one. */
export function objectKey(key: string, id: string): string {
  return createHash('sha256').update(`object\0${key}\0${id}`).digest('hex');
}

export function manifestFile(key: string, variants: readonly Variant[]): NewFile {
  const kept = { variants: variants.slice(0, MAX_VARIANTS) };
  return { name: manifestName(key), parts: encodeFrame('manifest', key, kept, new Uint8Array()) };
}

export function memoFile(key: string, content: unknown): NewFile {
  return { name: memoName(key), parts: encodeFrame('memo', key, content, new Uint8Array()) };
}

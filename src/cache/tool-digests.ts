/** The contents of compilers, which are too large to be read for every compile. */

import { createReadStream } from 'node:fs';
import { isSettled, stateOf } from '../file-identity.ts';
import { startSha256 } from '../sha256.ts';
import { digestOfFile, type InputFile } from './manifest.ts';
import { memoFile, memoKey, memoName } from './names.ts';
import type { Store } from './store.ts';

/** Of one toolchain: the files that it consists of, as they were when they were read. */
type Known = readonly InputFile[];

const memoOf = (toolchain: string): string => memoKey(`tools\0${toolchain}`);

/** In this process, also where nothing can be kept. */
const known = new Map<string, Known>();

/**
 * The files that a toolchain consists of, when they are known and none of them has changed since: clang, its libraries
 * and the driver are 300 MB, which take 150 ms to read, once per machine.
 *
 * @param toolchain - what tells toolchains apart
 * @param before - `Date.now()` before anything was compiled: a file that was changed later may not be what compiled
 */
export function knownTools(store: Store, toolchain: string, before: number): Known | null {
  let tools = known.get(toolchain);
  if (tools === undefined) {
    const key = memoOf(toolchain);
    const frame = store.readFrame('memo', memoName(key), key);
    if (frame === null) return null;
    tools = frame.json as Known;
    store.touch(memoName(key), Date.now());
  }
  if (!tools.every(({ path, identity }) => settledIdentity(path, before) === identity)) return null;
  known.set(toolchain, tools);
  return tools;
}

/** Whoever asks while the files are being read waits for that reading. */
const learning = new Map<string, Promise<Known | null>>();

/** Reads the files; null when one can't be, or was changed after `before`, or so lately that this can't be told. */
export function learnTools(
  store: Store,
  toolchain: string,
  before: number,
  paths: readonly string[],
): Promise<Known | null> {
  let reading = learning.get(toolchain);
  if (reading === undefined) {
    reading = learnSlowly(store, toolchain, before, paths).finally(() => learning.delete(toolchain));
    learning.set(toolchain, reading);
  }
  return reading;
}

async function learnSlowly(
  store: Store,
  toolchain: string,
  before: number,
  paths: readonly string[],
): Promise<Known | null> {
  const tools: (InputFile | null)[] = [];
  for (const path of paths) {
    const identity = settledIdentity(path, before);
    tools.push(fileOf(path, identity, identity === null ? null : await digestSlowly(path)));
  }
  return remember(store, toolchain, tools);
}

/** The same at once, for a process that ends. */
export function learnToolsNow(store: Store, toolchain: string, before: number, paths: readonly string[]): Known | null {
  const tools = paths.map((path) => fileOf(path, settledIdentity(path, before), digestOfFile(path)));
  return remember(store, toolchain, tools);
}

function settledIdentity(path: string, before: number): string | null {
  const found = stateOf(path);
  return found === null || !isSettled(found, before) ? null : found.identity;
}

function fileOf(path: string, identity: string | null, digest: string | null): InputFile | null {
  return identity === null || digest === null || identityNow(path) !== identity ? null : { path, digest, identity };
}

function remember(store: Store, toolchain: string, tools: readonly (InputFile | null)[]): Known | null {
  const all = tools.filter((tool) => tool !== null);
  if (all.length < tools.length) return null;
  known.set(toolchain, all);
  const key = memoOf(toolchain);
  void store.put([memoFile(key, all)]);
  return all;
}

function identityNow(path: string): string | null {
  return stateOf(path)?.identity ?? null;
}

/** In pieces, so that the program goes on meanwhile. */
async function digestSlowly(path: string): Promise<string | null> {
  const hash = startSha256();
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
    return hash.digest('hex');
  } catch {
    return null;
  }
}

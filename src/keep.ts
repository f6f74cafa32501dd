/** Keeps what was compiled, after the load, which never waits for it. */

// Not the global ones, which a test may have put clockwork in the place of.
import { setImmediate } from 'node:timers';
import { setImmediate as immediate } from 'node:timers/promises';
import type { KeyParts } from './cache/key.ts';
import { evict } from './cache/maintenance.ts';
import { type InputFile, pathIn, type Variant } from './cache/manifest.ts';
import { allWritten, finishAtExit } from './cache/naming.ts';
import { type Published, publish } from './cache/publish.ts';
import type { Store } from './cache/store.ts';
import { knownTools, learnTools, learnToolsNow } from './cache/tool-digests.ts';
import type { CompileRequest, CompileResult } from './compile/compiler.ts';
import type { Diagnostic } from './errors.ts';
import { keepImage, makeImages } from './images.ts';
import type { Linked } from './link-libraries.ts';
import type { LinkRequest } from './loader/loader.ts';
import type { Toolchain } from './toolchain/discover.ts';
import { residentFiles } from './toolchain/resident-files.ts';

/** A compile that was linked. */
export interface Made {
  readonly store: Store;
  readonly key: string;
  readonly parts: KeyParts;
  readonly toolchain: Toolchain;
  readonly request: CompileRequest;
  readonly result: CompileResult;
  /** With the object as it is linked. */
  readonly link: LinkRequest;
  /** What that was made from beside the compiler's object. */
  readonly linked: Linked | null;
  /** `Date.now()` before the compile. */
  readonly startedAt: number;
  readonly wantsImage: boolean;
}

/** What is to be begun in the event loop's next turn, or when the process exits before. */
const waiting = new Set<() => void>();
/** What is under way. */
const underWay = new Set<Promise<unknown>>();
let isExitHeard = false;
let isExiting = false;

function later(begin: () => Promise<unknown>): void {
  if (!isExitHeard) {
    isExitHeard = true;
    process.on('exit', () => {
      isExiting = true;
      for (const start of waiting) start();
    });
    // After ours: what we begin to write there is to be finished there.
    finishAtExit();
  }
  const start = (): void => {
    if (!waiting.delete(start)) return;
    const work = begin()
      .catch((error: Error) => process.emitWarning(error))
      .finally(() => underWay.delete(work));
    underWay.add(work);
  };
  waiting.add(start);
  setImmediate(start);
}

/** Other threads that compile for this one, each as what waits until it has kept all. */
export const keepers: Set<() => Promise<void>> = new Set();

/** Resolves when all that was compiled or linked so far is kept. */
export async function allKept(): Promise<void> {
  await Promise.all([...keepers].map((keep) => keep()));
  // The use of an entry is noted in the event loop's next turn, too.
  await immediate();
  do {
    for (const start of waiting) start();
    await Promise.all(underWay);
    await makeImages();
    await allWritten();
  } while (waiting.size + underWay.size > 0);
}

/**
 * Keeps the object, then its linked image.
 *
 * @param onKept - told when the object is there for others, or why it can't be kept
 */
export function keepCompiled(made: Made, onKept: (kept: Published) => void): void {
  keepLater(made, () => keepObject(made), onKept);
}

/** Objects that were joined to one. */
export interface Joined extends Pick<Made, 'store' | 'key' | 'parts' | 'link' | 'linked' | 'wantsImage'> {
  /** What the cache remembers it by. */
  readonly label: string;
  readonly diagnostics: readonly Diagnostic[];
  /** Of the objects; each is there when it is kept. */
  readonly entries: readonly Promise<KeptEntry>[];
}

/** What a kept object holds for, or why it is not kept. */
export type KeptEntry = Pick<Variant, 'read' | 'tools' | 'absent' | 'listed'> | { readonly refused: string };

/** Keeps what objects were joined to, when these are kept; then its linked image. */
export function keepJoined(joined: Joined, onKept: (kept: Published) => void): void {
  keepLater(joined, () => publishJoined(joined), onKept);
}

function keepLater(
  { store, key, link, wantsImage }: Pick<Made, 'store' | 'key' | 'link' | 'wantsImage'>,
  keep: () => Promise<Published>,
  onKept: (kept: Published) => void,
): void {
  later(async () => {
    const kept = await keep().catch((error: Error) => ({ refused: error.message }));
    onKept(kept);
    if ('refused' in kept) return;
    if (wantsImage) keepImage(store, key, kept.id, link);
    await evict(store, key);
  });
}

/** It holds for all that any of its objects holds for. */
async function publishJoined(joined: Joined): Promise<Published> {
  const { store, key, parts, label, diagnostics, entries, link, linked } = joined;
  const kept = await Promise.all(entries);
  const read = new Map<string, InputFile>();
  const tools = new Map<string, InputFile>();
  const listed = new Map<string, InputFile>();
  const absent = new Set<string>();
  for (const entry of kept) {
    if ('refused' in entry) return entry;
    const lists = [[entry.read, read] as const, [entry.tools, tools] as const, [entry.listed, listed] as const];
    for (const [files, into] of lists) {
      for (const file of files) {
        if ((into.get(file.path)?.digest ?? file.digest) !== file.digest)
          return { refused: `${file.path} changed meanwhile` };
        into.set(file.path, file);
      }
    }
    for (const { folder, names } of entry.absent) for (const name of names) absent.add(pathIn(folder, name));
  }
  for (const path of linked?.absent ?? []) absent.add(path);
  const folders = [...listed.values(), ...(linked?.listed ?? [])];
  const { object, language } = link;
  const files = [...read.values(), ...(linked?.read ?? [])];
  const inputs = { read: files, tools: [...tools.values()], absent: [...absent], listed: folders };
  const made = { object, diagnostics, language, ...inputs };
  return publish(store, key, parts, label, linked === null ? made : { ...made, imports: linked.imports });
}

/** Why a compile can't be kept that another time would make something else. */
export const notRepeatable = (volatile: readonly string[]): string => `not repeatable: ${volatile.join('; ')}`;

/** A program that starts later can tell which compiler it had. */
const COMPILER_UNSURE =
  'a file of the compiler was changed since this program began, or can not be read: what compiled it is not sure. ' +
  'A program that is started later keeps it';

/** What the resident driver made is kept without a wait, up to the writing: there is no later when the process exits. */
async function keepObject(compile: Made): Promise<Published> {
  const { store, key, parts, toolchain, request, result, link, linked, startedAt } = compile;
  const record = result.record ?? (await recordLater(toolchain, request, result, startedAt));
  if (record.volatile.length > 0) return { refused: notRepeatable(record.volatile) };
  const found = findTools(compile);
  const tools = found instanceof Promise ? await found : found;
  if (tools === null) return { refused: COMPILER_UNSURE };
  const { object, language } = link;
  const listed = [...record.listed, ...(linked?.listed ?? [])];
  const read = linked === null ? record.read : [...record.read, ...linked.read];
  const absent = linked === null ? record.absent : [...record.absent, ...linked.absent];
  const made = { object, diagnostics: result.diagnostics, language, read, absent, listed, tools };
  const compiled = linked === null ? made : { ...made, imports: linked.imports };
  return publish(store, key, parts, link.library, compiled);
}

/** Of what the driver made the driver, else all of the toolchain. */
function findTools({ store, toolchain, result, startedAt }: Made) {
  const { resident } = toolchain;
  if (result.record === null || resident === null) return findAllTools(store, toolchain, startedAt);
  // Before this process no driver was started that may have compiled it.
  const before = performance.timeOrigin;
  const known = knownTools(store, resident, before);
  if (known !== null) return known;
  const learn = isExiting ? learnToolsNow : learnTools;
  return learn(store, resident, before, residentFiles(resident));
}

async function findAllTools(store: Store, toolchain: Toolchain, startedAt: number) {
  const name = `${toolchain.path}\0${toolchain.resident}`;
  const known = knownTools(store, name, startedAt);
  if (known !== null) return known;
  const { toolFiles } = await import('./toolchain/tool-files.ts');
  return learnTools(store, name, startedAt, await toolFiles(toolchain));
}

async function recordLater(toolchain: Toolchain, request: CompileRequest, result: CompileResult, startedAt: number) {
  const { recordOneShot } = await import('./compile/one-shot-record.ts');
  return recordOneShot(toolchain, request, result.dependencies, startedAt);
}

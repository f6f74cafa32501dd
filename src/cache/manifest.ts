/** What a cached compile has read, and what it has looked for and not found; whether all of that still holds. */

import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Diagnostic } from '../errors.ts';
import { type FileState, isSettled, mayExist, stateOf } from '../file-identity.ts';
import { digestOfFolder } from '../folder-listing.ts';
import type { ImageLayout } from '../loader/image-layout.ts';
import type { ImportRecord } from '../open-imports.ts';
import { startSha256 } from '../sha256.ts';

/** A file whose content decides the bytes, or a folder whose entries do. */
export interface InputFile {
  /** Absolute. */
  readonly path: string;
  /** SHA-256 of the content, in hexadecimal; of a folder, what {@link digestOfFolder} says. */
  readonly digest: string;
  /** The identity of the file with that content; null when it was too young to be relied on. */
  readonly identity: string | null;
}

/** Paths that must not come to be; those with a slash at the end may be anything but a file. */
export interface AbsentPaths {
  /** An existing folder. */
  readonly folder: string;
  /** While the folder has this identity nothing was added to it; null where that does not tell. */
  readonly identity: string | null;
  /** Relative to the folder. */
  readonly names: readonly string[];
}

/** The shared object that is opened in place of linking the object. */
export interface ImageRecord {
  readonly digest: string;
  /** The identity of the file when its digest was last seen to be right; null when it must be looked at again. */
  readonly identity: string | null;
  /** What the loader needs to know of it. */
  readonly layout: ImageLayout;
}

/** One compile under a key: the inputs that it holds for, and what it came to. */
export interface Variant {
  /** 16 hexadecimal digits that name its files. */
  readonly id: string;
  /** What the compile read: the source file, headers. */
  readonly read: readonly InputFile[];
  /** The programs that compile, and the libraries that they consist of. */
  readonly tools: readonly InputFile[];
  readonly absent: readonly AbsentPaths[];
  /** Where clang looks for the gcc that it takes headers from. */
  readonly listed: readonly InputFile[];
  readonly diagnostics: readonly Diagnostic[];
  /** Bytes of the object. */
  readonly objectBytes: number;
  /** What it was compiled from, as far as it decides how it is linked. */
  readonly language: 'c' | 'c++';
  readonly image: ImageRecord | null;
  /** What it takes from other libraries; nothing where it is not said. */
  readonly imports?: readonly ImportRecord[];
  /** Why there can be no image of it. */
  readonly unlinkable?: string;
}

/** What the cache knows of one key, the newest compile first. */
export interface Manifest {
  readonly variants: readonly Variant[];
}

/** Switching to and fro between a few states of the headers shall hit; more is not worth the reading. */
export const MAX_VARIANTS = 8;

/** The name of a variant: a digest of all that it holds for. */
export function variantId(key: string, inputs: Pick<Variant, 'read' | 'tools' | 'absent' | 'listed'>): string {
  const hash = startSha256().update(key);
  for (const { path, digest } of [...inputs.read, ...inputs.tools, ...inputs.listed])
    hash.update(`\0${path}\0${digest}`);
  for (const { folder, names } of inputs.absent) hash.update(`\0\0${folder}\0${names.join('\0')}`);
  return hash.digest('hex').slice(0, 16);
}

/** Whether a variant holds now. */
export type Check =
  /** `renewed`: the same variant with identities that spare the next check its reading; null when nothing was read. */
  | { readonly holds: true; readonly renewed: Variant | null }
  /** Names the first input that differs. */
  | { readonly holds: false; readonly reason: string };

/** Compares a variant with the file system. Files whose identity is unchanged are not read. */
export function checkVariant(variant: Variant, now: number): Check {
  if (variant.listed === undefined) return { holds: false, reason: 'it was kept without a list of folders' };
  const tools = checkInputs(variant.tools, digestOnce, now);
  if (typeof tools === 'string') return { holds: false, reason: `the compiler changed: ${tools}` };
  const read = checkInputs(variant.read, digestOnce, now);
  if (typeof read === 'string') return { holds: false, reason: read };
  const absent = checkAbsent(variant.absent, now);
  if (typeof absent === 'string') return { holds: false, reason: absent };
  const listed = checkInputs(variant.listed, digestOfFolder, now);
  if (typeof listed === 'string') return { holds: false, reason: listed };
  const renewed = { ...variant, tools, read, absent, listed };
  const isSame = (['tools', 'read', 'absent', 'listed'] as const).every((each) => renewed[each] === variant[each]);
  return { holds: true, renewed: isSame ? null : renewed };
}

/** The same array when no identity is to be renewed, else a new one; or which input differs. */
function checkInputs(
  files: readonly InputFile[],
  digestOf: (path: string, found: FileState, now: number) => string | null,
  now: number,
): readonly InputFile[] | string {
  let renewed: InputFile[] | undefined;
  for (const [index, file] of files.entries()) {
    const found = stateOf(file.path);
    if (found === null) return `${file.path} is gone`;
    const { identity } = found;
    if (identity === file.identity) continue;
    if (digestOf(file.path, found, now) !== file.digest) return `${file.path} changed`;
    if (!isSettled(found, now)) continue;
    renewed ??= [...files];
    renewed[index] = { ...file, identity };
  }
  return renewed ?? files;
}

function checkAbsent(groups: readonly AbsentPaths[], now: number): readonly AbsentPaths[] | string {
  let renewed: AbsentPaths[][] | undefined;
  for (const [index, group] of groups.entries()) {
    const found = stateOf(group.folder);
    // What is not there has nothing in it.
    if (found === null || found.identity === group.identity) continue;
    const paths = group.names.map((name) => pathIn(group.folder, name));
    for (const path of paths) {
      const violation = whyViolated(path);
      if (violation !== null) return violation;
    }
    if (group.identity === null || !isSettled(found, now)) continue;
    // Folders in between may have come to be: what is added to them does not change this one.
    const regrouped = groupAbsent(paths, now);
    if (typeof regrouped === 'string') return regrouped;
    renewed ??= groups.map((each) => [each]);
    renewed[index] = [...regrouped];
  }
  return renewed?.flat() ?? groups;
}

/**
 * The paths by the nearest folder that exists: one look at the folder answers for all of them, where C++ has thousands.
 * A path that exists by now is named in place of the groups.
 */
export function groupAbsent(paths: readonly string[], now: number): readonly AbsentPaths[] | string {
  const groups = new Map<string, { readonly folder: string; readonly identity: string | null; names: string[] }>();
  for (const path of new Set(paths)) {
    const wasFolder = path.endsWith('/');
    const plain = wasFolder ? path.slice(0, -1) : path;
    let [folder, name] = [dirname(plain), wasFolder ? `${basename(plain)}/` : basename(plain)];
    // A link that leads nowhere, or to a folder, can come to lead elsewhere without its own folder changing.
    let hasLink = isLink(plain);
    while (folder !== '/' && !mayExist(folder)) {
      hasLink ||= isLink(folder);
      [folder, name] = [dirname(folder), `${basename(folder)}/${name}`];
    }
    const key = `${folder}\0${hasLink}`;
    let group = groups.get(key);
    if (group === undefined) {
      group = { folder, identity: hasLink ? null : folderIdentity(folder, now), names: [] };
      groups.set(key, group);
    }
    // After the folder's identity was taken: what is added from here on changes that.
    const violation = whyViolated(path);
    if (violation !== null) return violation;
    group.names.push(name);
  }
  return [...groups.values()].map((group) => ({ ...group, names: group.names.sort() }));
}

/** Null while the path is not there, or is no file where it ends in a slash. */
function whyViolated(path: string): string | null {
  if (!path.endsWith('/')) return mayExist(path) ? `${path} appeared` : null;
  const plain = path.slice(0, -1);
  return stateOf(plain)?.isFile ? `${plain} became a file` : null;
}

/** As it was spelled: `..` goes up from where a link leads to. */
export const pathIn = (folder: string, name: string): string => `${folder === '/' ? '' : folder}/${name}`;

/** An empty identity is no folder's: the next check looks, and may renew it. */
function folderIdentity(folder: string, now: number): string {
  const found = stateOf(folder);
  return found !== null && isSettled(found, now) ? found.identity : '';
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  } catch {
    return false;
  }
}

/** Path and identity → digest: a compiler that was copied has 80 MB to be read, and every entry of its asks. */
const digests = new Map<string, string | null>();

/** The digest of a file with this state, which is read once as long as the state tells that it is the same. */
function digestOnce(path: string, found: FileState, now: number): string | null {
  if (!isSettled(found, now)) return digestOfFile(path);
  const name = `${found.identity} ${path}`;
  let digest = digests.get(name);
  if (digest === undefined) {
    digest = digestOfFile(path);
    // What was read may be what came just now.
    if (stateOf(path)?.identity === found.identity) digests.set(name, digest);
  }
  return digest;
}

const CHUNK_BYTES = 2 ** 18;

/** SHA-256 of a file's content in hexadecimal; null when it can't be read. */
export function digestOfFile(path: string): string | null {
  let descriptor: number | undefined;
  try {
    // A pipe would be waited for, and a device may have no end.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!fstatSync(descriptor).isFile()) return null;
    const hash = startSha256();
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let count = readSync(descriptor, chunk); count > 0; count = readSync(descriptor, chunk)) {
      hash.update(chunk.subarray(0, count));
    }
    return hash.digest('hex');
  } catch {
    return null;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

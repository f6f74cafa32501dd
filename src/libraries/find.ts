/** Finds the files of libraries, as a linker does. */

import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { LinkError, ToolchainError } from '../errors.ts';
import { nearNames } from '../near-names.ts';
import type { Runtime } from '../runtimes.ts';
import { sha256 } from '../sha256.ts';
import { readLinkerScript } from './linker-script.ts';

/** One file to link to. */
export interface LibraryFile {
  readonly path: string;
  readonly kind: 'shared' | 'archive';
  readonly bytes: Uint8Array;
}

/** What a search came to. */
export interface Search {
  readonly library: string;
  readonly folders: readonly string[];
  /** All that was read, scripts too. */
  readonly read: Map<string, string>;
  /** All that was looked for and not there. */
  readonly absent: Set<string>;
}

/** Names of the C and C++ runtime, which every library is linked to. */
export const RUNTIME = new Set('c m dl pthread rt util gcc gcc_s stdc++'.split(' '));

/** The file that `-l` would find. Throws LinkError when there is none. */
export function findByName(search: Search, name: string): string {
  for (const folder of search.folders) {
    for (const file of [`lib${name}.so`, `lib${name}.a`]) {
      const path = join(folder, file);
      if (existsSync(path)) return path;
      search.absent.add(path);
    }
  }
  throw notFound(search, name);
}

/** The file of a compiler's runtime library, or null where it is not installed. */
export function findRuntime({ folders, absent }: Search, { files }: Runtime): string | null {
  for (const folder of folders) {
    for (const file of files) {
      const path = join(folder, file);
      if (existsSync(path)) return path;
      absent.add(path);
    }
  }
  return null;
}

/** The error for a name that only a runtime library defines which is not there. */
export function runtimeNotFound(search: Search, { flag, files, cure }: Runtime, name: string): ToolchainError {
  const { library, folders } = search;
  const message =
    `${library}: \`${flag}\` made the compiler call \`${name}\` of a runtime library that is not there ` +
    `(${basename(files.at(-1) ?? '')}): ${cure}`;
  return new ToolchainError(
    library,
    message,
    folders.flatMap((folder) => files.map((file) => join(folder, file))),
  );
}

function notFound({ library, folders }: Search, name: string): LinkError {
  const files = folders.flatMap(filesIn);
  const release = files.find(({ file }) => file.startsWith(`lib${name}.so.`));
  if (release !== undefined) {
    const path = join(release.folder, release.file);
    const message =
      `${library}: there is no library \`${name}\` to link to, but there is ${path}: ` +
      'install its development package, or give that path';
    return new LinkError(library, message, []);
  }
  const names = files.flatMap(({ file }) => /^lib(.+)\.(?:so|a)$/.exec(file)?.[1] ?? []);
  const [near] = nearNames(name, names);
  const hint = near === undefined ? 'install its development package' : `did you mean \`${near}\`?`;
  const message = `${library}: there is no library \`${name}\` (lib${name}.so or lib${name}.a) in ${folders.join(', ')}; ${hint}`;
  return new LinkError(library, message, []);
}

function filesIn(folder: string): { folder: string; file: string }[] {
  try {
    return readdirSync(folder).map((file) => ({ folder, file }));
  } catch {
    return [];
  }
}

/**
 * The file, or those that a linker script at its place names.
 *
 * @param from - the scripts that led here
 * @throws LinkError for a file that can't be read, or is no library; for a script that names itself.
 */
export async function openFile(search: Search, path: string, from: readonly string[] = []): Promise<LibraryFile[]> {
  const { library } = search;
  if (from.includes(path)) {
    const way = [...from.slice(from.indexOf(path)), path].join(' → ');
    throw new LinkError(library, `${library}: linker scripts name each other in a circle: ${way}`, []);
  }
  const bytes = await readFile(path).catch((error: Error) => {
    const message = `${library}: the library ${path} can't be read: ${error.message}`;
    throw new LinkError(library, message, [], { cause: error });
  });
  search.read.set(path, sha256(bytes));
  const magic = bytes.subarray(0, 8).toString('latin1');
  if (magic.startsWith('\x7fELF')) return [{ path, kind: 'shared', bytes }];
  if (/^!<(?:arch|thin)>\n/.test(magic)) return [{ path, kind: 'archive', bytes }];
  const items = bytes.length > 2 ** 16 ? null : readLinkerScript(bytes.toString('latin1'));
  if (items === null) {
    const message = `${library}: ${path} can't be linked to: it is no shared object, archive or linker script`;
    throw new LinkError(library, message, []);
  }
  const files: LibraryFile[] = [];
  for (const item of items) {
    if ('name' in item && RUNTIME.has(item.name)) continue;
    const found =
      'name' in item ? findByName(search, item.name) : 'path' in item ? item.path : inFolders(search, item.file);
    files.push(...(await openFile(search, found, [...from, path])));
  }
  return files;
}

function inFolders({ library, folders, absent }: Search, file: string): string {
  for (const folder of folders) {
    const path = join(folder, file);
    if (existsSync(path)) return path;
    absent.add(path);
  }
  throw new LinkError(library, `${library}: a linker script names ${file}, which is not in ${folders.join(', ')}`, []);
}

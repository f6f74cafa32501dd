/** Finds what can compile on this machine. */

import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { ToolchainError } from '../errors.ts';
import { installAdvice } from './advice.ts';
import { findResident } from './resident.ts';

export type ToolchainKind = 'clang' | 'gcc';

/** A compiler driver that was started once and said what it is. */
export interface Toolchain {
  readonly kind: ToolchainKind;
  /** Absolute path of the compiler driver. */
  readonly path: string;
  /** As the compiler prints it, such as `22.1.8`. */
  readonly version: string;
  readonly major: number;
  /** The target triple, such as `x86_64-pc-linux-gnu`. */
  readonly target: string;
  /** Path of the resident driver that compiles in this compiler's place, or null. */
  readonly resident: string | null;
}

/** Whom the search is for, and a compiler that is to be used instead of searching. */
export interface ToolchainQuery {
  /** The library's name, for errors only. */
  readonly library: string;
  /** An absolute path, a path relative to the working folder (with a slash), or a name on PATH. */
  readonly compiler?: string | undefined;
}

/** The release that the rest of this package is built and measured with. */
const PREFERRED = 'clang-22';

/** Toolchains by the identity of the file they were read from; a promise, so that concurrent calls share one start. */
const known = new Map<string, Promise<Toolchain>>();

/**
 * The compiler to use: the one asked for, else `$FROMSOURCE_COMPILER`, else the resident driver with its clang, else the
 * best on PATH.
 *
 * A compiler is started once per process and file identity (device, inode, size, modification time), so an upgraded
 * compiler is noticed and an unchanged one costs a `stat`. Failures are tried again on the next call.
 * On PATH the order is clang-22, clang, any other clang-NN from the highest down, gcc, cc; one that can't be used is
 * passed over. One that was named is used or refused, never replaced.
 *
 * @throws ToolchainError naming what was looked for, where, and the command that installs a compiler here.
 */
export async function discoverToolchain(query: ToolchainQuery): Promise<Toolchain> {
  const fromEnvironment = process.env.FROMSOURCE_COMPILER;
  if (query.compiler !== undefined) return await useNamed(query.library, query.compiler, 'the option `compiler`');
  if (fromEnvironment) return await useNamed(query.library, fromEnvironment, 'FROMSOURCE_COMPILER');
  const resident = findResident();
  if (resident !== null) return resident;
  return await searchPath(query.library);
}

function pathFolders(): string[] {
  return (process.env.PATH ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
}

async function useNamed(library: string, name: string, origin: string): Promise<Toolchain> {
  if (name === '' || name.includes('\0')) {
    throw new ToolchainError(library, `${origin} must name a compiler, got ${JSON.stringify(name)}`, []);
  }
  const candidates = name.includes('/') ? [resolve(name)] : pathFolders().map((folder) => join(folder, name));
  const failures: string[] = [];
  for (const path of candidates) {
    const found = await tryCompiler(path);
    if (typeof found === 'object') return found;
    if (found !== 'not found') failures.push(`${path}: ${found}`);
  }
  const why = failures.length > 0 ? failures.join('; ') : `${name} was not found in ${whereText(candidates)}`;
  throw new ToolchainError(
    library,
    `${library}: ${origin} asks for the compiler ${name}, which can't be used. ${why}. ${await installAdvice()}`,
    candidates,
  );
}

async function searchPath(library: string): Promise<Toolchain> {
  const folders = pathFolders();
  const searched: string[] = [];
  const failures: string[] = [];
  for await (const name of compilerNames(folders)) {
    for (const folder of folders) {
      const path = join(folder, name);
      searched.push(path);
      const found = await tryCompiler(path);
      if (typeof found === 'object') return found;
      if (found !== 'not found') failures.push(`${path}: ${found}`);
    }
  }
  const unusable = failures.length > 0 ? ` Found, but can't be used: ${failures.join('; ')}.` : '';
  const where = folders.length > 0 ? `PATH (${folders.join(', ')})` : 'PATH, which is empty';
  throw new ToolchainError(
    library,
    `${library}: no C compiler was found. Looked for ${PREFERRED}, clang, clang-NN, gcc and cc in ${where}.` +
      `${unusable} ${await installAdvice()}`,
    searched,
  );
}

function whereText(candidates: readonly string[]): string {
  return candidates.length > 0 ? candidates.join(', ') : 'PATH, which is empty';
}

/** In the order of preference. The folders are read only when the first names are not there: that takes 2 ms. */
async function* compilerNames(folders: readonly string[]): AsyncIterable<string> {
  yield* [PREFERRED, 'clang'];
  yield* await otherClangs(folders);
  yield* ['gcc', 'cc'];
}

/** Names such as `clang-19` in the folders, from the highest number down, without the preferred one. */
async function otherClangs(folders: readonly string[]): Promise<string[]> {
  const versions = new Set<number>();
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => []);
    for (const name of names) {
      const match = /^clang-(\d{1,4})$/.exec(name);
      if (match !== null && name !== PREFERRED) versions.add(Number(match[1]));
    }
  }
  return [...versions].sort((a, b) => b - a).map((version) => `clang-${version}`);
}

/** The toolchain at the path, or why there is none. */
async function tryCompiler(path: string): Promise<Toolchain | string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    const identity = [path, dev, ino, size, mtimeNs, ctimeNs].join('\n');
    return await identifyOnce(identity, path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'not found' : message;
  }
}

function identifyOnce(identity: string, path: string): Promise<Toolchain> {
  const already = known.get(identity);
  if (already !== undefined) return already;
  const attempt = access(path, constants.X_OK).then(
    // Loaded when a compiler has to be asked: node:child_process takes 2 ms, and the resident one says what it is.
    async () => (await import('./identify.ts')).identify(path),
    () => Promise.reject(new Error('it is not executable')),
  );
  known.set(identity, attempt);
  attempt.catch(() => known.delete(identity));
  return attempt;
}

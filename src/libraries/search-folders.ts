/** Where a linker looks for libraries. */

import { resolve } from 'node:path';
import { runProcess } from '../run-process.ts';

const LIMITS = { timeout: 10_000, maxOutputBytes: 2 ** 20, maxMemoryBytes: Number.POSITIVE_INFINITY };
const MULTIARCH: Readonly<Record<string, string>> = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

const known = new Map<string, Promise<string[]>>();

/**
 * The folders of a compiler driver, then those that GNU ld has of its own. The driver is started once per process.
 *
 * @param compilerPath - a driver that can't be asked has no folders of its own
 */
export async function searchFolders(compilerPath: string): Promise<string[]> {
  let asking = known.get(compilerPath);
  if (asking === undefined) {
    asking = ask(compilerPath).catch(() => []);
    known.set(compilerPath, asking);
  }
  const multiarch = MULTIARCH[process.arch];
  const parents = ['/usr/local/lib', '/lib', '/usr/lib'];
  const own = parents.flatMap((parent) => (multiarch === undefined ? [parent] : [`${parent}/${multiarch}`, parent]));
  return [...new Set([...own.slice(0, 2), ...(await asking), ...own, '/usr/local/lib64', '/lib64', '/usr/lib64'])];
}

/**
 * clang and gcc both print `libraries: =/one:/other`. clang looks in the folder of its own libraries too, such as libomp and
 * libc++, and of that prints only where its resources are.
 */
async function ask(compilerPath: string): Promise<string[]> {
  const { stdout } = await runProcess({
    command: [compilerPath, '-print-search-dirs'],
    cwd: '/',
    env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' },
    input: null,
    descriptors: [],
    limits: LIMITS,
    signal: undefined,
  });
  const list = /^libraries: =?(.*)$/m.exec(stdout.toString('utf8'))?.[1] ?? '';
  const folders = list.split(':').flatMap((folder) => (folder.startsWith('/') ? [resolve(folder)] : []));
  return [...folders, ...folders.flatMap((folder) => /^(.+\/lib)\/clang\/[^/]+$/.exec(folder)?.[1] ?? [])];
}

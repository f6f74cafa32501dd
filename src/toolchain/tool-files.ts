/** The files that a compiler consists of. */

import { open, realpath, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, delimiter, isAbsolute, join } from 'node:path';
import { runProcess } from '../run-process.ts';
import type { Toolchain } from './discover.ts';
import { parseLoadedLibraries, readInterpreter } from './loaded-libraries.ts';

const LIMITS = { timeout: 10_000, maxOutputBytes: 2 ** 20, maxMemoryBytes: Number.POSITIVE_INFINITY };

/**
 * Libraries that compilers load, and that don't decide what they make: the C and C++ run-time libraries, which do the
 * same whatever their version, compression, which is undone by whoever reads it, and what serves terminals, XML and the
 * static analyser. Of the rest, gcc computes constants with gmp, mpfr and mpc, and clang with libm, so they stay.
 */
const UNDECIDING =
  /^(?:ld-(?:linux|musl)|lib(?:c|dl|rt|pthread|util|resolv|nsl|gcc_s|stdc\+\+|c\+\+|c\+\+abi|unwind|atomic|z|zstd|lzma|bz2|xml2|icu\w+|edit|tinfo|ncurses\w*|bsd|md|ffi|z3|selinux|pcre\w*|jansson|debuginfod|curl)[-.\d])|^linux-vdso/;

const known = new Map<string, Promise<readonly string[]>>();

/**
 * The paths of the files whose content decides what the toolchain makes, sorted: the programs, and the shared
 * libraries that they load as far as they decide.
 *
 * Of clang, the program and the resident driver; of gcc, the driver, `cc1`, `cc1plus` and `as`. A compiler that is a
 * script, or a wrapper such as ccache, counts with its own file and with the compiler that it names when it is asked for
 * its programs; what else it starts is not known. Headers are not among the files, as each compile lists its own; nor
 * are plugins and specs.
 *
 * Found once per process and toolchain; a compiler that is replaced under the same path keeps its list, with the same
 * names. Takes 10 to 30 ms, in processes.
 *
 * @throws Error when a program can't be read, or its libraries not be found.
 */
export function toolFiles(toolchain: Toolchain): Promise<readonly string[]> {
  const key = `${toolchain.path}\0${toolchain.resident ?? ''}\0${process.env.PATH ?? ''}`;
  const already = known.get(key);
  if (already !== undefined) return already;
  const search = findFiles(toolchain);
  known.set(key, search);
  search.catch(() => known.delete(key));
  return search;
}

async function findFiles({ kind, path, resident }: Toolchain): Promise<readonly string[]> {
  const names = kind === 'clang' ? ['clang'] : ['cc1', 'cc1plus', 'as'];
  const parts = await Promise.all(names.map((name) => findProgram(path, name)));
  const programs = [path, resident, ...parts].filter((program) => program !== null);
  const files = new Set<string>();
  const real = await Promise.all(programs.map((program) => realpath(program)));
  const libraries = await Promise.all([...new Set(real)].map((program) => loadedLibraries(program)));
  // Also by the paths that lead to them: a link may come to lead elsewhere.
  for (const file of [...programs, ...real, ...libraries.flat()]) files.add(file);
  return [...files].sort();
}

/** The compiler's own program, or the one on PATH that it would start; null when there is none. */
async function findProgram(compiler: string, name: string): Promise<string | null> {
  const answer = (await run([compiler, `-print-prog-name=${name}`])).trim();
  if (isAbsolute(answer)) return (await isFile(answer)) ? answer : null;
  // clang would otherwise be whichever is first there.
  if (answer.includes('/') || name === 'clang') return null;
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
  for (const folder of folders) {
    const file = join(folder, answer);
    if (await isFile(file)) return file;
  }
  return null;
}

/** Paths of the libraries that the dynamic linker would load for a program, but for those that don't decide. */
async function loadedLibraries(program: string): Promise<string[]> {
  await using handle = await open(program, 'r');
  const start = Buffer.alloc(64 * 1024);
  const { bytesRead } = await handle.read(start, 0, start.length, 0);
  const interpreter = readInterpreter(start.subarray(0, bytesRead));
  if (interpreter === null) return [];
  // Not by running the program: the linker only maps it. It knows its own configuration best.
  const paths = parseLoadedLibraries(await run([interpreter, '--list', program]));
  const deciding = paths.filter((path) => !UNDECIDING.test(basename(path)));
  return deciding;
}

async function run(command: readonly string[]): Promise<string> {
  const env: Record<string, string> = { TMPDIR: tmpdir(), LC_ALL: 'C', CCACHE_DISABLE: '1' };
  for (const name of ['PATH', 'HOME']) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  const request = { command, cwd: '/', env, input: null, descriptors: [], limits: LIMITS, signal: undefined };
  const { exitCode, signal, stdout, stderr } = await runProcess(request);
  if (exitCode === 0) return stdout.toString('utf8');
  throw new Error(
    `${command.join(' ')} failed with ${signal ?? `exit code ${exitCode}`}: ${stderr.trim().slice(0, 400)}`,
  );
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

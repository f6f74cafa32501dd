/** Asks a compiler where it looks for headers. */

import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { runProcess } from '../run-process.ts';
import type { Toolchain } from '../toolchain/discover.ts';
import { compilerArguments } from './command.ts';
import type { CompileLimits, CompileRequest } from './compiler.ts';
import { compilerEnvironment } from './environment.ts';
import { type GccFolders, gccFolders } from './gcc-folders.ts';
import { parseSearchList, type SearchList, searchFlags } from './search-list.ts';

const LIMITS: CompileLimits = { timeout: 10_000, maxOutputBytes: 2 ** 20, maxMemoryBytes: Number.POSITIVE_INFINITY };
const NOWHERE = { object: '/dev/null', rule: '/dev/null' };

/** A compiler's answer. */
export interface AskedList extends SearchList {
  /** Nothing for a gcc, which has headers of its own. */
  readonly gcc: GccFolders;
}

const known = new Map<string, Promise<AskedList | null>>();
const MAX_KNOWN = 200;

/**
 * The search list of a compile, absolute, without the folder of in-memory headers; null when the compiler doesn't say.
 *
 * Takes the start of a compiler (3 to 15 ms), once per process for the flags that matter, and again when a folder of the
 * list, or an installation of gcc, has come or gone.
 */
export async function askSearchList(
  toolchain: Toolchain,
  request: CompileRequest,
  cwd: string,
): Promise<AskedList | null> {
  const asked: CompileRequest = {
    ...request,
    input: { kind: 'file', path: '/dev/null' },
    flags: searchFlags(request.flags),
    defines: {},
    output: 'object',
  };
  const places = { callerFolder: cwd, headerFolder: null, runFolder: cwd };
  const command = [toolchain.path, ...compilerArguments(toolchain, asked, places, NOWHERE), '-E', '-v'];
  const key = JSON.stringify([toolchain.version, cwd, compilerEnvironment(), command]);
  const already = await known.get(key);
  if (already && holds(already, toolchain)) return already;
  const asking = ask(toolchain, command, cwd).catch(() => null);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(key, asking);
  const list = await asking;
  if (list === null) known.delete(key);
  return list;
}

async function ask(toolchain: Toolchain, command: readonly string[], cwd: string): Promise<AskedList | null> {
  const env = compilerEnvironment();
  const request = { command, cwd, env, input: null, descriptors: [], limits: LIMITS, signal: undefined };
  const { exitCode, stderr } = await runProcess(request);
  const list = exitCode === 0 ? parseSearchList(stderr) : null;
  if (list === null) return null;
  const absolute = (folders: readonly string[]) => Promise.all(folders.map((folder) => plainPath(cwd, folder)));
  const installed = await absolute(list.installed);
  return {
    quoted: await absolute(list.quoted),
    angled: await absolute(list.angled),
    missing: await absolute(list.missing),
    installed,
    gcc: gccOf(toolchain, installed),
  };
}

/** Without `..`, which compilers' own folders are full of, unless a link on the way makes that another folder. */
async function plainPath(cwd: string, folder: string): Promise<string> {
  const spelled = folder.startsWith('/') ? folder : `${cwd}/${folder}`;
  const plain = resolve(spelled);
  const [one, other] = await Promise.all([spelled, plain].map((path) => realpath(path).catch(() => null)));
  return one === other ? plain : spelled;
}

function gccOf({ kind }: Toolchain, installed: readonly string[]): GccFolders {
  return kind === 'clang' ? gccFolders(installed) : { listed: [], absent: [] };
}

/** Some 40 looks at folders that any compile looks at: 0.3 ms. */
function holds({ quoted, angled, missing, installed, gcc }: AskedList, toolchain: Toolchain): boolean {
  if (![...quoted, ...angled].every((folder) => existsSync(folder))) return false;
  if (missing.some((folder) => existsSync(folder))) return false;
  return isDeepStrictEqual(gccOf(toolchain, installed), gcc);
}

/** What pkg-config says of packages. */

import { LinkError, ToolchainError } from '../errors.ts';
import { runProcess } from '../run-process.ts';

/** What a library needs in order to use packages. */
export interface PackageNeeds {
  /** For the compiler. */
  readonly flags: readonly string[];
  readonly libraryPaths: readonly string[];
  /** Names, and paths, which have a slash. */
  readonly libraries: readonly string[];
}

const LIMITS = { timeout: 10_000, maxOutputBytes: 2 ** 20, maxMemoryBytes: Number.POSITIVE_INFINITY };
/** What decides where it looks, and what it answers. */
const PASSED_ON = /^(?:PATH|HOME|PKG_CONFIG(?:_\w+)?)$/;

const known = new Map<string, Promise<PackageNeeds>>();

/**
 * Asks `$PKG_CONFIG`, else `pkg-config`, once per process for the same packages, environment and folder; failures are tried
 * again.
 *
 * @param folder - where it runs: a `PKG_CONFIG_PATH` may be relative
 * @throws ToolchainError when it is not there, LinkError with its words when it does not know a package.
 */
export function askPkgConfig(library: string, packages: readonly string[], folder: string): Promise<PackageNeeds> {
  const entries = Object.entries(process.env).filter(([name]) => PASSED_ON.test(name));
  const env = Object.fromEntries(entries) as Record<string, string>;
  const key = JSON.stringify([packages, entries, folder]);
  let asking = known.get(key);
  if (asking === undefined) {
    asking = ask(library, packages, folder, env);
    known.set(key, asking);
    asking.catch(() => known.delete(key));
  }
  return asking;
}

async function ask(
  library: string,
  packages: readonly string[],
  folder: string,
  env: Readonly<Record<string, string>>,
): Promise<PackageNeeds> {
  const program = env.PKG_CONFIG || 'pkg-config';
  const [compiling, linking] = await Promise.all(
    ['--cflags', '--libs'].map((what) => run(library, [program, what, '--', ...packages], folder, env)),
  );
  return readNeeds(splitWords(compiling ?? ''), splitWords(linking ?? ''));
}

async function run(
  library: string,
  command: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const request = { command, cwd, env: { ...env, LC_ALL: 'C' }, input: null, descriptors: [] };
  const { exitCode, stdout, stderr } = await runProcess({ ...request, limits: LIMITS, signal: undefined });
  if (exitCode === 0) return stdout.toString('utf8');
  const [program = ''] = command;
  // As the shell says that there is no such program, or that it may not be run.
  if (exitCode === 127 || exitCode === 126) {
    const message =
      `${library}: \`pkgConfig\` needs ${program}, which can't be started: install it ` +
      '(`apt-get install pkg-config`, `dnf install pkgconf`), or name it in PKG_CONFIG';
    throw new ToolchainError(library, message, [program]);
  }
  throw new LinkError(library, `${library}: ${program} refuses: ${stderr.trim().slice(0, 2000)}`, []);
}

/** As a shell splits them: it writes a backslash before what is special. */
export function splitWords(text: string): string[] {
  const words = text.match(/(?:\\[\s\S]|"(?:\\[\s\S]|[^"\\])*"|'[^']*'|[^\s\\"'])+/g) ?? [];
  return words.map((word) =>
    word.replace(
      /\\([\s\S])|"((?:\\[\s\S]|[^"\\])*)"|'([^']*)'/g,
      (_, one, double, single) => one ?? single ?? (double as string).replace(/\\([\s\S])/g, '$1'),
    ),
  );
}

/** Words for a linker that decide nothing here, where each name has one library that it comes from. */
const WITHOUT_MEANING = /^-Wl,|^-pthread$|^-rdynamic$|^-shared$/;

/** Words that a linker has no part in are flags, of which the compiler's policy judges. */
export function readNeeds(compiling: readonly string[], linking: readonly string[]): PackageNeeds {
  const flags = [...compiling];
  const libraryPaths: string[] = [];
  const libraries: string[] = [];
  for (const word of linking) {
    if (word.startsWith('-L') && word.length > 2) libraryPaths.push(word.slice(2));
    else if (word.startsWith('-l') && word.length > 2) libraries.push(word.slice(2));
    else if (/^\/.*\.(?:so|a)(?:\.|$)/.test(word)) libraries.push(word);
    else if (!WITHOUT_MEANING.test(word) && !flags.includes(word)) flags.push(word);
  }
  return { flags, libraryPaths: [...new Set(libraryPaths)], libraries: [...new Set(libraries)] };
}

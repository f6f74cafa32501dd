/** Processes that load from a cache, by the built package. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { type BuiltPackage, buildPackage } from '../built-package.ts';

/** What a process came to. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Whole. */
  readonly stderr: string;
  /** What the program gave to `say`. */
  readonly said: readonly any[];
  /** Milliseconds from start to end. */
  readonly took: number;
}

/** A process that runs. */
export interface Child {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Everything that the program has said by now. */
  said(): readonly any[];
}

/** How to start a process. */
export interface Start {
  /** What `dir` is in the program. */
  readonly dir?: string;
  /** On top of this process's; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** What comes before node on the command line, such as `['setpriv', '--bounding-set', '-all']`. */
  readonly by?: readonly string[];
}

/**
 * What every program begins with: `load` and `once` verify the result, which is `value`; `say` tells this process.
 * `warnings` has those of this package's cache, `every` all.
 */
const PRELUDE = `
import * as fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
const dir = process.env.TEST_DIR;
const every = [];
process.on('warning', ({ name, code }) => every.push(code === undefined ? name : name + ' ' + code));
const say = (what) => fs.writeSync(1, JSON.stringify(what) + '\\n');
const sourceOf = (value) => 'int value(void) { return ' + value + '; }';
const cache = dir === undefined ? true : { dir };
async function load(value, options = {}) {
  const library = await new LibraryRegistry().load({ name: 'number' + value, source: sourceOf(value), cache, ...options });
  const got = library.func('int value()')();
  if (got !== value) throw new Error('got ' + got + ' for ' + value);
  return library;
}
async function once(value, options) {
  const library = await load(value, options);
  await library.dispose();
  return library.cache.status;
}
`;

/** Makes processes of the built package, and a folder for what they need. */
export class Children {
  readonly #built: BuiltPackage = buildPackage();
  readonly #running = new Set<ChildProcess>();
  /** For files of the test; removed with all the rest. */
  readonly folder: string = realpathSync(mkdtempSync(join(tmpdir(), 'fromsource-test-')));
  #serial = 0;

  /** What a program imports, for one that begins otherwise. */
  get index(): string {
    return this.#built.index;
  }

  /** A path for a cache that is not there yet. */
  freshPath(name = 'cache'): string {
    const parent = join(this.folder, String(this.#serial++));
    mkdirSync(parent);
    return join(parent, name);
  }

  start(program: string, { dir, env = {}, cwd = this.folder, by = [] }: Start = {}): Child {
    const file = join(this.folder, `program-${this.#serial++}.mjs`);
    const imports = 'cacheStats, clearCache, LibraryRegistry, loadSourceLibrary, verifyCache';
    writeFileSync(file, `import { ${imports} } from ${JSON.stringify(this.#built.index)};\n${PRELUDE}\n${program}\n`);
    const [command = process.execPath, ...rest] = [...by, process.execPath, file];
    const startedAt = performance.now();
    const { FROMSOURCE_CACHE: _, ...inherited } = process.env;
    const all: NodeJS.ProcessEnv = { ...inherited, TEST_DIR: dir, ...env };
    for (const [name, value] of Object.entries(all)) if (value === undefined) delete all[name];
    const child = spawn(command, rest, { cwd, env: all, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#running.add(child);
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
    const said = () =>
      stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line));
    const ended = new Promise<Ended>((resolve, reject) => {
      child.on('error', reject);
      // Not 'close': a compiler that is being ended may still hold the pipe.
      child.on('exit', (code, signal) => {
        this.#running.delete(child);
        const took = performance.now() - startedAt;
        setImmediate(() => setImmediate(() => resolve({ code, signal, stderr, said: said(), took })));
      });
    });
    return { process: child, ended, said };
  }

  run(program: string, options?: Start): Promise<Ended> {
    return this.start(program, options).ended;
  }

  /** Runs a program that must end well and say nothing on stderr; gives what it said. */
  async well(program: string, options?: Start): Promise<readonly any[]> {
    const { code, signal, stderr, said } = await this.run(program, options);
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    return said;
  }

  remove(): void {
    for (const child of this.#running) child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
    this.#built.remove();
  }
}

/** Waits for a condition, and fails when it doesn't come to hold. */
export async function until(what: string, condition: () => boolean, milliseconds = 20_000): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await delay(5);
  }
}

/** Whether a process was stopped by a signal. */
export function isStopped({ process: { pid } }: Child): boolean {
  const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return status.slice(status.lastIndexOf(')') + 2).startsWith('T');
}

/** Projects of files for tests that change them between two loads from a cache. */

import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Caches } from './caches.ts';

/** Paths and what is done to them, inside the project of one test. */
export class Project {
  readonly cache: string;
  readonly folder: string;
  readonly #caches: Caches;

  constructor(caches: Caches, files: Change['files']) {
    this.#caches = caches;
    this.cache = caches.folder();
    this.folder = caches.folder();
    for (const [name, content] of Object.entries(files)) {
      this.write(name, typeof content === 'number' ? `#define VALUE ${content}\n` : content);
    }
  }

  path = (name: string) => join(this.folder, name);
  /** Written long ago, as far as its time says. */
  write = (name: string, text: string) => {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), text);
    utimesSync(this.path(name), 1e9, 1e9);
  };
  header = (name: string, value: number) => this.write(name, `#define VALUE ${value}\n`);
  remove = (name: string) => rmSync(this.path(name), { recursive: true });
  rename = (from: string, to: string) => renameSync(this.path(from), this.path(to));
  /** `to` is as it is written, relative to the link. */
  link = (name: string, to: string) => symlinkSync(to, this.path(name));

  /** What `value()` gives now, which must have been taken from the cache, or compiled anew. */
  async value(how: 'hit' | 'compiled', spec: Change['spec'], compiler?: string): Promise<unknown> {
    // A one-shot compiler's files must be older than the compile by a tick of the kernel's clock.
    if (compiler !== undefined) await delay(30);
    const whole = { ...spec(this), ...(compiler === undefined ? {} : { compiler }) };
    const library = await this.#caches.load(this.cache, whole);
    expect(library.cache.status === 'hit' ? 'hit' : 'compiled', library.cache.reason).toBe(how);
    return library.func('int value()')();
  }
}

export interface Change {
  /** The project's files; a number stands for a header that defines VALUE as it. */
  readonly files: Readonly<Record<string, string | number>>;
  readonly spec: (project: Project) => Record<string, unknown>;
  readonly prepare?: (project: Project) => void;
  readonly change: (project: Project) => void | Promise<void>;
  /** What `value()` gives afterwards, where it was 1 before; null when it can't be compiled any more. */
  readonly after: number | null;
}

export const ANGLED = '#include <value.h>\nint value(void) { return VALUE; }\n';
export const QUOTED = ANGLED.replace(/<(.*)>/, '"$1"');
/** A text that finds its header in `include`, after the folders before it. */
export const through = (...before: string[]) => ({
  files: { 'include/value.h': 1 },
  spec: ({ path }: Project) => ({ source: ANGLED, includePaths: [...before, 'include', 'later'].map(path) }),
});
export const direct = through();
export const file = { files: { 'src/main.c': QUOTED }, spec: ({ path }: Project) => ({ file: path('src/main.c') }) };

/** The resident driver takes all changes, and of the compilers that are slow each takes half. */
export const BY_COMPILER = [
  [undefined, () => true],
  ['clang-22', (_: unknown, index: number) => index % 2 === 0],
  ['gcc', (_: unknown, index: number) => index % 2 === 1],
] as const;

/** A folder of this process alone for the headers that exist only in memory. */

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** In-memory headers written where the compiler can read them; disposing removes them. */
export interface HeaderFolder extends AsyncDisposable {
  readonly path: string;
}

/** What file systems take in one name and, with room for the folder before it, in a path. */
const MAX_SEGMENT = 255;
const MAX_NAME = 2048;

/** Throws TypeError for header names that are not plain relative paths, or that can't be in one folder together. */
export function checkHeaderNames(names: readonly string[]): void {
  const folders = new Set(names.flatMap((name) => parentsOf(name)));
  for (const name of names) {
    const segments = name.split('/');
    const isPlain = segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..');
    const isShort =
      Buffer.byteLength(name) <= MAX_NAME && segments.every((segment) => Buffer.byteLength(segment) <= MAX_SEGMENT);
    const shown = JSON.stringify(name.slice(0, 80));
    if (!isPlain || !isShort || /[\0\r\n]/.test(name)) {
      throw new TypeError(
        `Expected a key of \`headers\` to be a relative path without empty, . or .. segments, got ${shown} (string)`,
      );
    }
    if (folders.has(name)) throw new TypeError(`\`headers\` has ${shown} both as a header and as a folder of headers`);
  }
}

function parentsOf(name: string): string[] {
  const segments = name.split('/');
  return segments.slice(1).map((_, index) => segments.slice(0, index + 1).join('/'));
}

/** Writes the headers into a fresh folder with mode 0700. */
export async function createHeaderFolder(headers: Readonly<Record<string, string>>): Promise<HeaderFolder> {
  checkHeaderNames(Object.keys(headers));
  const path = await mkdtemp(join(tmpdir(), 'fromsource-'));
  const dispose = () => rm(path, { recursive: true, force: true });
  try {
    for (const [name, text] of Object.entries(headers)) {
      const file = join(path, name);
      if (name.includes('/')) await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text, { flag: 'wx', mode: 0o600 });
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  return { path, [Symbol.asyncDispose]: dispose };
}

/** Whether a file of the working folder would be found before an in-memory header of the same name. */
export function isShadowed(headers: Readonly<Record<string, string>>, cwd: string): boolean {
  return Object.keys(headers).some((name) => existsSync(join(cwd, name)));
}

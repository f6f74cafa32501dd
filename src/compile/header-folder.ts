/** A folder of this process alone for the headers that exist only in memory. */

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** In-memory headers written where the compiler can read them; disposing removes them. */
export interface HeaderFolder extends AsyncDisposable {
  readonly path: string;
}

/** Throws TypeError for a header name that is not a plain relative path. */
export function checkHeaderName(name: string): void {
  const segments = name.split('/');
  const isPlain = segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..');
  if (!isPlain || /[\0\r\n]/.test(name)) {
    throw new TypeError(
      `Expected a key of \`headers\` to be a relative path without empty, . or .. segments, got ${JSON.stringify(name)}`,
    );
  }
}

/** Writes the headers into a fresh folder with mode 0700. */
export async function createHeaderFolder(headers: Readonly<Record<string, string>>): Promise<HeaderFolder> {
  for (const name of Object.keys(headers)) checkHeaderName(name);
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

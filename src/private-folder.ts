/** Folders of this process alone, for what a compiler or linker must find in a file; none outlives the process for long. */

import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { isAlive, pidNamespace } from './process-identity.ts';

/** A folder with mode 0700; disposing removes it with all that is in it. */
export interface PrivateFolder extends AsyncDisposable {
  readonly path: string;
}

/** Nothing can be written to the temporary folder; the message says which one it is and what to do. */
export class PrivateFolderError extends Error {
  override readonly name = 'PrivateFolderError';

  constructor(cause: unknown) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const folder = temporaryFolder();
    super(`the temporary folder ${folder} can't be used (${code ?? message}): set TMPDIR to a folder with room`, {
      cause,
    });
  }
}

const live = new Set<string>();
let isFirst = true;

/** Makes a folder that holds the files: relative path → content. Throws PrivateFolderError. */
export async function createPrivateFolder(
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<PrivateFolder> {
  if (isFirst) keepTidy();
  const path = freshPath();
  const dispose = async () => {
    await rm(path, { recursive: true, force: true });
    live.delete(path);
  };
  live.add(path);
  try {
    await mkdir(path, { mode: 0o700 });
    for (const [name, content] of Object.entries(files)) {
      const file = join(path, name);
      if (name.includes('/')) await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content, { flag: 'wx', mode: 0o600 });
    }
  } catch (error) {
    await dispose();
    throw new PrivateFolderError(error);
  }
  return { path, [Symbol.asyncDispose]: dispose };
}

/** Opens an empty file that has no name any more: closing it is its end. Throws PrivateFolderError. */
export async function openUnnamedFile(): Promise<FileHandle> {
  if (isFirst) keepTidy();
  const path = freshPath();
  try {
    const handle = await open(path, 'wx+', 0o600);
    await unlink(path);
    return handle;
  } catch (error) {
    throw new PrivateFolderError(error);
  }
}

function temporaryFolder(): string {
  return resolve(tmpdir());
}

/** Names carry the process: `fromsource-<pid namespace>-<pid>-<uuid>`. */
function freshPath(): string {
  return join(temporaryFolder(), `fromsource-${pidNamespace()}-${process.pid}-${randomUUID()}`);
}

const NAME = /^fromsource-(\d+)-(\d+)-[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** From the first use on: what is live is removed when the process exits, and what dead processes left is removed now. */
function keepTidy(): void {
  isFirst = false;
  process.once('exit', () => {
    for (const path of live) {
      try {
        rmSync(path, { recursive: true, force: true });
      } catch {
        // A linker that is being ended still writes there: the next process sweeps it.
      }
    }
  });
  sweep().catch(() => {});
}

/**
 * A signal without a handler ends Node without 'exit'. What bears the number of a process that lives is kept, so that a
 * number used anew only delays this.
 */
async function sweep(): Promise<void> {
  const folder = temporaryFolder();
  const namespace = pidNamespace();
  for (const name of await readdir(folder)) {
    const [, from, pid] = NAME.exec(name) ?? [];
    if (pid === undefined || from !== namespace || isAlive(Number(pid))) continue;
    const path = join(folder, name);
    const found = await lstat(path).catch(() => null);
    if (found === null || found.uid !== process.getuid?.()) continue;
    const mode = found.mode & 0o777;
    const isOurs = (found.isDirectory() && mode === 0o700) || (found.isFile() && mode === 0o600);
    if (isOurs) await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

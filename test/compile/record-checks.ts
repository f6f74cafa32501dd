/** What tests of a compile's record write and ask. */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, normalize } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CompileRecord } from '../../src/compile/compiler.ts';

/** Files below the working folder that have been there for a while. */
export async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(name), { recursive: true });
    writeFileSync(name, text);
  }
  await delay(25);
}

/** Whether the record says so of the path, or of a folder above it, or lists the folder that is to hold it. */
export function isCovered({ absent, listed }: CompileRecord, path: string): boolean {
  const known = new Set(absent);
  const folders = new Set(listed.map((folder) => folder.path));
  for (let at = normalize(path); at !== '/'; at = dirname(at)) {
    if (known.has(at) || (folders.has(dirname(at)) && !existsSync(at))) return true;
  }
  return false;
}

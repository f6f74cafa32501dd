/** The caller's names and texts of the files that a compiler mentions. */

import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve } from 'node:path';
import type { CompileInput } from './compiler.ts';
import { filesOf, type NamedSource, type RawDiagnostic } from './diagnostics.ts';

/** The folders of one compile. */
export interface CompilePlaces {
  /** The caller's working folder: relative paths of the request start there. */
  readonly callerFolder: string;
  /** The private folder that holds the in-memory headers, or null when there are none. */
  readonly headerFolder: string | null;
  /** The folder that the compiler runs in. */
  readonly runFolder: string;
}

/** Whether a file of the working folder would be found before an in-memory header of the same name. */
export function isShadowed(headers: Readonly<Record<string, string>>, cwd: string): boolean {
  return Object.keys(headers).some((name) => existsSync(join(cwd, name)));
}

/** A file that diagnostics point into is read up to this size, and so many of them. */
const MAX_SOURCE = 32 * 1024 * 1024;
const MAX_SOURCES = 20;

/** The absolute path of a file that the compiler named, and the header's own name when it exists only in memory. */
export function nameOf(file: string, places: CompilePlaces): { path: string; name: string; isInMemory: boolean } {
  const path = resolve(places.runFolder, file);
  const inFolder = places.headerFolder === null ? '' : relative(places.headerFolder, path);
  const isInMemory = inFolder !== '' && !inFolder.startsWith('..') && !isAbsolute(inFolder);
  return { path, name: isInMemory ? inFolder : path, isInMemory };
}

/** Name and lines of every file in the diagnostics, by the compiler's name for it. */
export async function readSources(
  diagnostics: readonly RawDiagnostic[],
  input: CompileInput,
  places: CompilePlaces,
): Promise<Map<string, NamedSource>> {
  const sources = new Map<string, NamedSource>();
  for (const file of [...filesOf(diagnostics)].slice(0, MAX_SOURCES)) {
    sources.set(file, await readSource(file, input, places));
  }
  return sources;
}

async function readSource(file: string, input: CompileInput, places: CompilePlaces): Promise<NamedSource> {
  const part = input.kind === 'text' ? input.parts?.[file] : undefined;
  if (part !== undefined) return { name: file, lines: splitLines(part) };
  if (input.kind === 'text' && (file === '<stdin>' || file === input.displayName)) {
    return { name: input.displayName, lines: splitLines(input.text) };
  }
  if (input.kind === 'ir' && file === '<stdin>') {
    return { name: input.displayName, lines: typeof input.ir === 'string' ? splitLines(input.ir) : [] };
  }
  const { path, name, isInMemory } = nameOf(file, places);
  if (isInMemory && input.kind === 'text') return { name, lines: splitLines(input.headers[name] ?? '') };
  // `<built-in>`, `<inline asm>`, and names that a line directive made up, are shown as they are.
  const text = await readRegularFile(path);
  return text === null ? { name: file, lines: [] } : { name, lines: splitLines(text) };
}

function splitLines(text: string): string[] {
  return text.replace(/^\ufeff/, '').split(/\r\n|\n/);
}

async function readRegularFile(path: string): Promise<string | null> {
  try {
    const found = await stat(path);
    return found.isFile() && found.size <= MAX_SOURCE ? await readFile(path, 'utf8') : null;
  } catch {
    return null;
  }
}

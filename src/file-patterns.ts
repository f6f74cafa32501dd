/** Which files a list of paths and patterns stands for: `*` and `?` stand for characters of one name, `**` for folders, however many. */

import { type Dirent, readdirSync, statSync } from 'node:fs';
import { isAbsolute, join, normalize, resolve } from 'node:path';
import { refuse } from './checks.ts';
import type { Language } from './compile/compiler.ts';
import { type FilesInput, isPattern, languageByExtension, refuseExtension } from './input-files.ts';

/** One file of several. */
export interface FileOfSeveral {
  /** Absolute. */
  readonly path: string;
  readonly language: Language;
}

/**
 * The files, each once, in the order of the list and of each pattern.
 *
 * @param looked - told the folders whose entries decide
 * @throws TypeError for a pattern that matches no file, or one of no known language.
 */
export function listFiles({ files, folder, language }: FilesInput, looked?: Set<string>): FileOfSeveral[] {
  const languages = new Map<string, Language>();
  for (const [index, each] of files.entries()) {
    const option = `files[${index}]`;
    const found = isPattern(each) ? matchFiles(folder, each, looked) : [resolve(folder, each)];
    if (found.length === 0) refuse(option, `a pattern that matches a file, in ${folder}`, each);
    for (const path of found) {
      languages.set(path, language ?? languageByExtension(path) ?? refuseExtension(option, path));
    }
  }
  return [...languages].map(([path, own]) => ({ path, language: own }));
}

/**
 * The files that a pattern matches, absolute and sorted. What begins with a dot is matched only by what does so too, and
 * `**` follows no links, so that none leads it round in a circle. Folders that can't be read hold nothing.
 *
 * A file whose very name is the pattern is that file.
 *
 * @param looked - told the folders whose entries decide
 */
export function matchFiles(folder: string, pattern: string, looked: Set<string> = new Set()): string[] {
  const itself = resolve(folder, pattern);
  if (isFile(itself)) return [itself];
  const segments = normalize(pattern)
    .split('/')
    .filter((segment, index, all) => segment !== '' && (segment !== '**' || all[index - 1] !== '**'));
  // `src/**` is every file below src.
  if (segments.at(-1) === '**') segments.push('*');
  return [...new Set(walk(isAbsolute(pattern) ? '/' : folder, segments, looked))].sort();
}

function walk(at: string, [segment, ...rest]: readonly string[], looked: Set<string>): string[] {
  if (segment === undefined) return isFile(at) ? [at] : [];
  if (!isPattern(segment)) return walk(join(at, segment), rest, looked);
  looked.add(at);
  const entries = list(at).filter(({ name }) => !name.startsWith('.') || segment.startsWith('.'));
  if (segment === '**') {
    const folders = entries.filter((entry) => entry.isDirectory());
    return [
      ...walk(at, rest, looked),
      ...folders.flatMap(({ name }) => walk(join(at, name), [segment, ...rest], looked)),
    ];
  }
  const matcher = matcherOf(segment);
  return entries.filter(({ name }) => matcher.test(name)).flatMap(({ name }) => walk(join(at, name), rest, looked));
}

/** Of one name: runs of `*` are one, so that no pattern takes long. */
function matcherOf(segment: string): RegExp {
  const escaped = segment.replace(/[\\^$+.()|[\]{}]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/\*+/g, '.*').replace(/\?/g, '.')}$`, 'su');
}

function list(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  } catch {
    return false;
  }
}

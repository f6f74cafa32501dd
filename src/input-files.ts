/** Several source files as one input: its type and its validation. */

import { extname } from 'node:path';
import { checkNonEmpty, refuse } from './checks.ts';
import type { Language } from './compile/compiler.ts';

/** Source files that become one library. */
export interface SourceFiles {
  /**
   * Paths, and patterns such as `'imgui/*.cpp'`, absolute or relative to the working folder; `**` stands for folders,
   * however many. Static initialisers run in the order of the list, and of a pattern's files in that of their paths. A
   * file that is there twice counts once.
   */
  readonly files: readonly string[];
  /** Of all of them. Default: by each file's extension. */
  readonly language?: Language;
  readonly source?: never;
  readonly file?: never;
  readonly headers?: never;
}

/** The input as it was given: a pattern is looked up by each load and reload. */
export interface FilesInput {
  readonly kind: 'files';
  readonly files: readonly string[];
  /** Where relative ones start. */
  readonly folder: string;
  /** Null for each file's own. */
  readonly language: Language | null;
}

const LANGUAGE_BY_EXTENSION: Readonly<Record<string, Language>> = {
  '.c': 'c',
  '.cc': 'c++',
  '.cpp': 'c++',
  '.cxx': 'c++',
  '.c++': 'c++',
  '.C': 'c++',
};

/** The language that a file's extension says. */
export function languageByExtension(path: string): Language | undefined {
  return LANGUAGE_BY_EXTENSION[extname(path)];
}

/** Throws the TypeError for a file of which the language is not known. */
export function refuseExtension(option: string, path: string): never {
  const known = Object.keys(LANGUAGE_BY_EXTENSION).join(' ');
  return refuse(option, `a path with one of the extensions ${known}, or to come with a \`language\``, path);
}

/** Whether it stands for files that are to be looked for. */
export const isPattern = (path: string): boolean => /[*?]/.test(path);

export function resolveFiles(value: unknown, language: Language | undefined): FilesInput {
  if (!Array.isArray(value)) refuse('files', 'an array of paths and patterns', value);
  if (value.length === 0) refuse('files', 'one file or more', value);
  const files = value.map((each, index) => {
    const option = `files[${index}]`;
    const path = checkNonEmpty(option, each);
    const isKnown = language !== undefined || isPattern(path) || languageByExtension(path) !== undefined;
    return isKnown ? path : refuseExtension(option, path);
  });
  return { kind: 'files', files, folder: process.cwd(), language: language ?? null };
}

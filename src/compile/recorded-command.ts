/** Pure: a command of a compile_commands.json → the flags that say how its file is compiled. */

import { basename, isAbsolute, resolve } from 'node:path';
import type { Language } from './compiler.ts';
import { readFlags } from './flags.ts';

/** How a file is compiled, without what is read and written. */
export interface RecordedCompile {
  /** Not yet judged. */
  readonly flags: readonly string[];
  /** What the command says besides the file's extension, or null. */
  readonly language: Language | null;
}

/** Programs that run the compiler that follows. */
const LAUNCHERS = new Set(['ccache', 'sccache', 'distcc', 'icecc', 'gomacc', 'buildcache']);

/** What is decided here: outputs, lists of dependencies, and that an object is made. */
const OWN = /^(-o|--output|-M[FTQJ]|-M|-MM|-MD|-MMD|-MP|-MG|-MV|-c|--)$|^(-o.|--output=|-M[FTQJ].)/;

const FOLDERS = ['-I', '-isystem', '-iquote', '-idirafter', '-isysroot', '--sysroot', '--include-directory'];
/** Searched for where the compiler runs, and then like any header. */
const HEADERS = ['-include', '-imacros', '--include', '--imacros'];

const LANGUAGES: Readonly<Record<string, Language>> = { c: 'c', 'c++': 'c++' };

/**
 * The words of a command, as a shell splits them; nothing is expanded.
 *
 * @throws RangeError when a quote is left open.
 */
export function splitCommand(command: string): string[] {
  const words: string[] = [];
  const parts = /\s+|'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|\\([\s\S])|([^\s'"\\]+)|([\s\S])/g;
  let word: string | null = null;
  for (const [all, single, double, escaped, plain, left] of command.matchAll(parts)) {
    if (left !== undefined) throw new RangeError(left === '\\' ? 'it ends with a backslash' : `a ${left} is left open`);
    if (/^\s/.test(all) && escaped === undefined) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      // Between double quotes a backslash is one before anything but these.
      const quoted = double?.replace(/\\(["\\$`])/g, '$1').replace(/\\\n/g, '');
      word = (word ?? '') + (single ?? quoted ?? (escaped === '\n' ? '' : escaped) ?? plain ?? '');
    }
  }
  if (word !== null) words.push(word);
  return words;
}

/**
 * What the arguments of an entry say of its file. Relative folders start at the entry's.
 *
 * @param path - of the file, absolute
 * @param exists - whether a path is that of a file
 */
export function readRecorded(
  words: readonly string[],
  directory: string,
  path: string,
  exists: (path: string) => boolean,
): RecordedCompile {
  const first = LAUNCHERS.has(basename(words[0] ?? '')) ? 1 : 0;
  const compiler = basename(words[first] ?? '').replace(/(-\d+(\.\d+)*)?(\.exe)?$/, '');
  let language: Language | null = compiler.endsWith('++') ? 'c++' : null;
  const flags: string[] = [];
  for (const { words: own, option, value } of readFlags(words.slice(first + 1))) {
    const [word = ''] = own;
    const named = word === '-x' ? value : /^(?:-x|--language=)(.+)/.exec(word)?.[1];
    if (named !== undefined && LANGUAGES[named] !== undefined) language = LANGUAGES[named];
    else if (OWN.test(word) || resolve(directory, word) === path) continue;
    else if (value !== undefined && isPath(option, value, directory, exists)) flags.push(...withValue(option, value));
    else flags.push(...own);
  }
  return { flags, language };

  function withValue(option: string, value: string): string[] {
    const absolute = resolve(directory, value);
    return option.startsWith('--') ? [`${option}=${absolute}`] : [option, absolute];
  }
}

/** Whether it is relative to the folder. `=dir` and `$SYSROOT/dir` start at the system root. */
function isPath(option: string, value: string, directory: string, exists: (path: string) => boolean): boolean {
  if (isAbsolute(value) || value === '' || /^(=|\$SYSROOT|@)/.test(value)) return false;
  return FOLDERS.includes(option) || (HEADERS.includes(option) && exists(resolve(directory, value)));
}

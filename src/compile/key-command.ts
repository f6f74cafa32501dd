/** Pure: the compiler's arguments in one form for all requests that mean the same, for the cache's key. */

import type { Toolchain } from '../toolchain/discover.ts';
import { compilerArguments } from './command.ts';
import type { CompileRequest } from './compiler.ts';
import { readFlags } from './flags.ts';
import type { CompilePlaces } from './sources.ts';

/** In-memory headers lie in a folder of another name at every compile. */
const HEADER_FOLDER = '/headers';

/**
 * The command of a compile as it would be run, but for what makes no difference: the name of the folder that holds the
 * in-memory headers, the order of `defines`, `-Ifoo` against `-I foo`, and all `-O` flags but the last.
 */
export function keyCommand(toolchain: Toolchain, request: CompileRequest, cwd: string): string[] {
  const { input, defines } = request;
  const hasHeaders = input.kind === 'text' && Object.keys(input.headers).length > 0;
  const places: CompilePlaces = {
    callerFolder: cwd,
    headerFolder: hasHeaders ? HEADER_FOLDER : null,
    runFolder: cwd,
  };
  const sorted = Object.entries(defines).sort(([a], [b]) => (a < b ? -1 : 1));
  const normal = { ...request, flags: normalFlags(request.flags), defines: Object.fromEntries(sorted) };
  return compilerArguments(toolchain, normal, places, { object: '-', rule: '-' });
}

const isLevel = (word: string): boolean => /^-O/.test(word);

/** `-O2` is the default, so that to say it is no difference. */
function normalFlags(words: readonly string[]): string[] {
  const flags = readFlags(words);
  const level = flags.findLast(({ words: [word = ''] }) => isLevel(word))?.words[0] ?? '-O2';
  const others = flags.filter(({ words: [word = ''] }) => !isLevel(word));
  const split = others.flatMap(({ option, value, words }) => (value === undefined ? words : [option, value]));
  return level === '-O2' ? split : [level, ...split];
}

/** Whether a flag stands for what this very processor can do. */
export function asksForNative(flags: readonly string[]): boolean {
  return flags.some((flag) => /^-m(arch|cpu|tune)=native$/.test(flag));
}

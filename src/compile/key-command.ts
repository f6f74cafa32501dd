/** Pure: the compiler's arguments in one form for all requests that mean the same, for the cache's key. */

import type { Toolchain } from '../toolchain/discover.ts';
import { compilerArguments } from './command.ts';
import type { CompileRequest } from './compiler.ts';
import { type Flag, readFlags } from './flags.ts';
import type { CompilePlaces } from './sources.ts';

/** In-memory headers lie in a folder of another name at every compile. */
const HEADER_FOLDER = '/headers';

/**
 * The command of a compile as it would be run, but for what makes no difference: the name of the folder that holds the
 * in-memory headers, the order of `defines`, `-Ifoo` against `-I foo`, and `-O` flags before the last.
 */
export function keyCommand(toolchain: Toolchain, request: CompileRequest): string[] {
  const { input, defines, folder } = request;
  const hasHeaders = input.kind === 'text' && Object.keys(input.headers).length > 0;
  const places: CompilePlaces = {
    callerFolder: folder,
    headerFolder: hasHeaders ? HEADER_FOLDER : null,
    runFolder: folder,
  };
  // Stably, so that two forms of one macro, `F(x)` and `F(...)`, keep their order.
  const macro = ([name]: [string, unknown]): string => name.split('(')[0] as string;
  const sorted = Object.entries(defines).sort((a, b) => (macro(a) < macro(b) ? -1 : macro(a) > macro(b) ? 1 : 0));
  const normal = { ...request, flags: normalFlags(request.flags), defines: Object.fromEntries(sorted) };
  return compilerArguments(toolchain, normal, places, { object: '-', rule: '-' });
}

const isLevel = ({ words: [word = ''] }: Flag): boolean => /^-O([0-9]|s|z|g|fast)?$/.test(word);

/**
 * Without the levels that a later one takes back, and without an `-O2` that comes first and alone, which is the default.
 * The last level stays where it is: `-Ofast` brings options that others after it take back.
 */
function normalFlags(words: readonly string[]): string[] {
  const flags = readFlags(words);
  const last = flags.findLastIndex(isLevel);
  return flags.flatMap((flag, index) => {
    const { option, value, words } = flag;
    if (isLevel(flag) && (index !== last || (index === 0 && words[0] === '-O2'))) return [];
    return value === undefined ? words : [option, value];
  });
}

/** Whether a flag stands for what this very processor can do. */
export function asksForNative(flags: readonly string[]): boolean {
  return flags.some((flag) => /^-m(arch|cpu|tune)=native(\+|$)/.test(flag));
}

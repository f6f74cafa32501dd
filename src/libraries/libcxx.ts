/** libc++: the standard library of LLVM, which is another one than the process has, with a C++ runtime of its own. */

import { basename } from 'node:path';

/**
 * Whether a file is of libc++ or its runtime. They take names from each other before node's libstdc++, which is in every
 * process and has the same names for another runtime.
 */
export const isLibcxx = (path: string): boolean => /^libc\+\+(?:abi)?\.so/.test(basename(path));

/**
 * What its runtime takes from an unwinder, which may be another one than that of the process: who throws by the one must
 * go on by the same.
 */
export const UNWINDER_NAMES: readonly string[] = [
  'Backtrace',
  'DeleteException',
  'FindEnclosingFunction',
  'ForcedUnwind',
  'GetCFA',
  'GetDataRelBase',
  'GetGR',
  'GetIP',
  'GetIPInfo',
  'GetLanguageSpecificData',
  'GetRegionStart',
  'GetTextRelBase',
  'RaiseException',
  'Resume',
  'Resume_or_Rethrow',
  'SetGR',
  'SetIP',
].map((name) => `_Unwind_${name}`);

/** Of one LLVM there may be headers and library, of another one the library alone: the compiler's own comes first. */
export function libcxxFirst(name: string, folders: readonly string[]): readonly string[] {
  if (name !== 'c++' && name !== 'c++abi') return folders;
  const isOfLlvm = (folder: string) => /\/llvm[^/]*\/lib$/.test(folder);
  return [...folders.filter(isOfLlvm), ...folders.filter((folder) => !isOfLlvm(folder))];
}

/** Pure: toolchain and request → the compiler's arguments. */

import { isAbsolute, resolve } from 'node:path';
import type { Toolchain } from '../toolchain/discover.ts';
import type { CompileRequest } from './compiler.ts';
import { RULE_TARGET } from './dependencies.ts';
import { readFlags } from './flags.ts';
import type { CompilePlaces } from './sources.ts';

/** What the compiler is told to write to. */
export interface OutputNames {
  readonly object: string;
  /** For the make rule that lists the files read. */
  readonly rule: string;
}

const FOLDER_OPTIONS = new Set(['-I', '-isystem', '-iquote', '-idirafter', '-isysroot']);
const LONG_FOLDER_OPTIONS = new Set(['--sysroot', '--include-directory']);

/**
 * The arguments for one compile.
 *
 * The order is the policy: defaults, the caller's flags, the caller's `defines`, and last what must hold whatever the
 * caller asked for, because with both compilers the last of two contradicting flags wins.
 */
export function compilerArguments(
  toolchain: Toolchain,
  request: CompileRequest,
  places: CompilePlaces,
  outputs: OutputNames,
): string[] {
  const { input } = request;
  const cwd = places.callerFolder;
  const quoted = places.runFolder === cwd ? [] : ['-iquote', cwd];
  // Quoted includes search the folders of -iquote before those of -I.
  const { headerFolder } = places;
  const headers = headerFolder === null ? [] : ['-iquote', headerFolder, '-I', headerFolder];
  return [
    ...callerArguments(request, cwd, [...headers, ...quoted]),
    ...(toolchain.kind === 'clang' ? clangArguments(toolchain) : gccArguments(toolchain)),
    '-fPIC',
    '-fno-lto',
    ...threadLocalArguments(request.flags),
    ...nameArguments(toolchain, request, places),
    ...(input.kind === 'ir' ? ['-Wno-override-module'] : []),
    ...outputArguments(request, outputs),
    ...['-x', input.kind === 'ir' ? 'ir' : request.language, input.kind === 'file' ? resolve(cwd, input.path) : '-'],
  ];
}

/**
 * What the caller asks for, and the defaults of what it does not.
 *
 * @param folders - arguments that come before its own folders
 */
export function callerArguments(
  { flags, includePaths, defines }: Pick<CompileRequest, 'flags' | 'includePaths' | 'defines'>,
  cwd: string,
  folders: readonly string[] = [],
): string[] {
  const optimise = readFlags(flags).some(({ option }) => /^-O/.test(option)) ? [] : ['-O2'];
  return [
    ...optimise,
    ...folders,
    ...includePaths.flatMap((folder) => ['-I', resolve(cwd, folder)]),
    ...absoluteFolders(flags, cwd),
    // Swallowed without harm by a last flag that takes the next word for its argument.
    '-fPIC',
    ...defineArguments(defines),
  ];
}

/** IR includes no files, and where IR comes out the list of those that were read would be among it. */
function outputArguments({ input, output = 'object' }: CompileRequest, outputs: OutputNames): string[] {
  const makes = { object: ['-c'], bitcode: ['-c', '-emit-llvm'], ir: ['-S', '-emit-llvm'] }[output];
  const hasRule = input.kind !== 'ir' && output === 'object';
  const rule = hasRule ? ['-MD', '-MF', outputs.rule, '-MT', RULE_TARGET] : [];
  return [...rule, ...makes, '-o', outputs.object];
}

/**
 * clang's text form, made readable by machine, instead of its SARIF: SARIF in clang 22 crashes the compiler at any
 * diagnostic outside a file (`-include` of a missing header, an error inside `-D` text or inline assembly), drops
 * those without a location, and has no flags, no fix-its and wrong places under `#line`.
 */
function clangArguments(toolchain: Toolchain): string[] {
  const { major } = toolchain;
  // Without the snippets there are no fix-its; without line numbers a snippet could be taken for a message.
  const snippets =
    major >= 17 ? ['-fcaret-diagnostics', '-fdiagnostics-show-line-numbers'] : ['-fno-caret-diagnostics'];
  return [
    ...(major >= 16 ? ['--no-default-config'] : []),
    '-fintegrated-cc1',
    '-fintegrated-as',
    '-fno-crash-diagnostics',
    '-fdiagnostics-format=clang',
    '-fdiagnostics-print-source-range-info',
    '-fdiagnostics-parseable-fixits',
    '-fdiagnostics-show-option',
    '-fshow-column',
    '-fshow-source-location',
    ...snippets,
    '-fno-diagnostics-color',
    '-fmessage-length=0',
  ];
}

/** The JSON form came with gcc 9 and went with gcc 15. */
function gccArguments(toolchain: Toolchain): string[] {
  const hasJson = toolchain.major >= 9 && toolchain.major < 15;
  return [
    '-pipe',
    '-fno-gnu-unique',
    // In the JSON form the option has a field of its own.
    ...(hasJson
      ? ['-fdiagnostics-format=json', '-fno-diagnostics-show-option']
      : ['-fdiagnostics-parseable-fixits', '-fdiagnostics-show-option']),
    '-fshow-column',
    '-fno-diagnostics-show-caret',
    '-fno-diagnostics-color',
    '-fmessage-length=0',
  ];
}

/**
 * Only a program's own code, which is there from the start, knows the place of a thread-local variable without asking; and
 * the ORC loader knows no descriptors. So what asks for those gets the model of shared objects.
 */
function threadLocalArguments(flags: readonly string[]): string[] {
  const model = flags.some((flag) => flag.startsWith('-ftls-model=')) ? ['-ftls-model=global-dynamic'] : [];
  const dialect = flags.some((flag) => flag.startsWith('-mtls-dialect=')) ? ['-mtls-dialect=gnu'] : [];
  return [...model, ...dialect];
}

/** Puts the caller's names where the compiler would show `<stdin>` or our private folder. */
function nameArguments(toolchain: Toolchain, request: CompileRequest, places: CompilePlaces): string[] {
  const { input } = request;
  const { headerFolder } = places;
  // Of two maps that fit, both compilers take the later one.
  const names =
    headerFolder === null
      ? []
      : [`-ffile-prefix-map=${headerFolder}=${places.callerFolder}`, `-ffile-prefix-map=${headerFolder}/=`];
  if (input.kind === 'text' && toolchain.kind === 'clang') {
    // cc1 takes any word here, but a word that begins with @ is expanded as a response file before that.
    const mainFile = input.displayName.startsWith('@') ? `./${input.displayName}` : input.displayName;
    names.push(`-ffile-prefix-map=<stdin>=${input.displayName}`);
    names.push('-Xclang', '-main-file-name', '-Xclang', mainFile);
  }
  return names;
}

/** The caller's flags with relative folders made absolute: the compiler does not always run in the working folder. */
function absoluteFolders(words: readonly string[], cwd: string): string[] {
  return readFlags(words).flatMap((flag) => {
    const { option, value } = flag;
    const isFolder = FOLDER_OPTIONS.has(option) || LONG_FOLDER_OPTIONS.has(option);
    // `=dir` and `$SYSROOT/dir` start at the system root.
    if (!isFolder || value === undefined || isAbsolute(value) || /^(=|\$SYSROOT)/.test(value)) return flag.words;
    return FOLDER_OPTIONS.has(option) ? [option, resolve(cwd, value)] : [`${option}=${resolve(cwd, value)}`];
  });
}

function defineArguments(defines: CompileRequest['defines']): string[] {
  return Object.entries(defines).map(([name, value]) => {
    if (value === false) return `-U${name}`;
    return `-D${name}=${value === true ? '1' : value}`;
  });
}

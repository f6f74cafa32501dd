/** What a one-shot compile has read and looked for, found out afterwards. */

import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Toolchain } from '../toolchain/discover.ts';
import { findAbsent } from './absent.ts';
import { askSearchList } from './ask-search-list.ts';
import { assemblerFilesOfIR } from './assembler-text.ts';
import { bitcodeHolds } from './bitcode-text.ts';
import type { CompileRecord, CompileRequest, FileRead } from './compiler.ts';
import { judgeFlags, readFlags } from './flags.ts';
import { fileOf } from './outcome.ts';
import { readFiles, type SeenFile } from './read-files.ts';
import { scanText, type TextScan } from './scan-text.ts';
import { dataFlags, forcedHeaders, searchedFolders } from './search-list.ts';
import { type Lookups, precompiledPaths, type ScannedText, wantedNames } from './shadowing.ts';

/** Kernels stamp files with a clock that is up to 10 ms late. */
const CLOCK_SLACK = 10;

/**
 * What decides the result of a compile that `clang` or `gcc` has done in a process of its own.
 *
 * The resident driver sees each lookup; these compilers only list what they read. The paths that must stay absent are
 * worked out from their search list and the texts: more than were looked for, so that an entry of the cache may be
 * missed for nothing, but is not found in error. What can't be worked out is named in `volatile`, and such a compile is
 * not to be kept.
 *
 * Runs the compiler once for its search list, and reads every dependency; both are remembered by the process. The first
 * time takes 20 to 60 ms, later ones some ms, and none of it holds up the event loop for long. Never rejects.
 *
 * Not seen: names that a macro pastes together from pieces with `..`, and assembly
 * of which no piece tells what it is.
 *
 * To be called in the working folder of the compile.
 *
 * @param dependencies - what the compile listed: absolute paths, in its order
 * @param startedAt - `Date.now()` from before the compile
 */
export async function recordOneShot(
  toolchain: Toolchain,
  request: CompileRequest,
  dependencies: readonly string[],
  startedAt: number,
): Promise<CompileRecord> {
  const { input, output = 'object', flags } = request;
  const cwd = request.folder;
  const since = startedAt - CLOCK_SLACK;
  const volatile = new Set(unlistedBy(request));
  const seen = await readFiles([...new Set(dependencies)], since);
  for (const each of seen) if ('lost' in each) volatile.add(each.lost);
  const read = seen.flatMap((each) => ('file' in each ? [each.file] : []));
  if (input.kind === 'ir') {
    for (const word of scanIR(input.ir)) volatile.add(`${fileOf(request)} has ${word}`);
    return sorted(read, [], volatile);
  }
  if (output !== 'object') volatile.add(`what a compile to ${output} reads is not listed`);

  if (toolchain.kind === 'clang') for (const reason of systemRoots(request)) volatile.add(reason);
  const texts = scannedTexts(request, seen, cwd);
  for (const { name, scan } of texts) for (const word of scan.volatile) volatile.add(`${name} has ${word}`);
  if (texts.some(({ scan }) => scan.hasMacroInclude) && texts.some(({ scan }) => scan.climbs)) {
    volatile.add('#include of a macro that may have `..` in it');
  }
  const list = await askSearchList(toolchain, request, cwd);
  if (list === null) {
    volatile.add(`${toolchain.path} does not say where it looks for headers`);
    return sorted(read, [], volatile);
  }

  const inMemory = input.kind === 'text' ? Object.keys(input.headers) : [];
  // One that is a file, or not there, is not on the compiler's list.
  const asked = [...request.includePaths, ...searchedFolders(flags)].map((folder) => resolve(cwd, folder));
  // With in-memory headers the working folder can come to be one of -iquote.
  const quoted = inMemory.length > 0 ? [...list.quoted, cwd] : list.quoted;
  const lookups: Lookups = {
    folders: [...new Set([...quoted, ...asked, ...list.angled])],
    texts,
    read: read.map(({ path }) => path),
    forced: forcedHeaders(flags),
    cwd,
    inMemory,
  };
  const wanted = wantedNames(lookups);
  const others = [...list.missing, ...lookups.folders, ...precompiledPaths(toolchain.kind, lookups, wanted)];
  const { absent, recent, closed } = await findAbsent(wanted, others, since);
  // Those that were read have been looked at.
  const news = recent.filter((path) => !dependencies.includes(path));
  for (const path of news) volatile.add(`${path} appeared during the compile`);
  for (const path of closed) volatile.add(`${path} can't be looked at`);
  const { gcc } = list;
  for (const { path } of gcc.listed) if (isYoung(path, since)) volatile.add(`${path} changed during the compile`);
  return sorted(read, [...absent, ...gcc.absent], volatile, gcc.listed);
}

function isYoung(folder: string, since: number): boolean {
  const found = statSync(folder, { throwIfNoEntry: false });
  return found === undefined || found.ctimeMs >= since;
}

function sorted(
  read: readonly FileRead[],
  absent: readonly string[],
  volatile: ReadonlySet<string>,
  listed: CompileRecord['listed'] = [],
): CompileRecord {
  const byPath = [...read].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { read: byPath, absent: [...absent].sort(), listed, volatile: [...volatile].sort() };
}

interface NamedText extends ScannedText {
  /** For the reasons. */
  readonly name: string;
}

function scannedTexts({ input, flags, defines }: CompileRequest, seen: readonly SeenFile[], cwd: string): NamedText[] {
  const files = seen.flatMap((each) =>
    'scan' in each ? [{ name: each.path, folder: dirname(each.path), scan: each.scan }] : [],
  );
  const command = { name: 'the command', folder: null, scan: scanMacros(flags, defines) };
  if (input.kind !== 'text') return [...files, command];
  const headers = Object.entries(input.headers).map(([name, text]) => ({ name, folder: null, scan: scanString(text) }));
  return [{ name: input.displayName, folder: cwd, scan: scanString(input.text) }, ...headers, ...files, command];
}

const scanString = (text: string): TextScan => scanText(Buffer.from(text));

/** A macro of the command may be used in any text, and so its names be looked for beside any. */
function scanMacros(flags: CompileRequest['flags'], defines: CompileRequest['defines']): TextScan {
  const given = readFlags(flags).filter(({ option }) => /^(?:-D|--define-macro|-Wp,.*)$/.test(option));
  const macros = [...given.map(({ words }) => words.join(' ')), ...Object.values(defines).map(String)];
  const scan = scanString(macros.map((macro) => `#define ${macro.replace(/\s/g, ' ')}\n`).join(''));
  const isProbing = scan.names.some(({ isProbe }) => isProbe);
  return { ...scan, names: [], volatile: [...scan.volatile, ...(isProbing ? ['__has_include'] : [])] };
}

function scanIR(ir: string | Uint8Array): string[] {
  const bytes = typeof ir === 'string' ? Buffer.from(ir) : Buffer.from(ir.buffer, ir.byteOffset, ir.byteLength);
  const words = assemblerFilesOfIR(bytes.toString('latin1'));
  if (typeof ir !== 'string') words.push(...ASSEMBLER_FILES.filter((word) => bitcodeHolds(bytes, word)));
  return [...new Set(words)];
}

/** With those of the assembler's macros, which can make the others. */
const ASSEMBLER_FILES = ['.incbin', '.include', '.INCBIN', '.INCLUDE', '.macro', '.irp'];

/** Below another root than the system's, clang takes its headers from a gcc that is not looked for here. */
function systemRoots({ flags }: CompileRequest): string[] {
  const roots = readFlags(flags).filter(({ option }) => /^(?:--sysroot|-isysroot)$/.test(option));
  return roots.map(({ words }) => `${words.join(' ')} can have clang take the headers of another gcc`);
}

/** Flags that have the compiler read what it doesn't list. */
function unlistedBy({ flags }: CompileRequest): string[] {
  const refused = judgeFlags(flags).map(({ flag }) => flag);
  return [...refused, ...dataFlags(flags)].map(
    (flag) => `${flag} can have the compiler read files that it does not list`,
  );
}

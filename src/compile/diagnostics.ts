/** Pure: what a compiler printed → diagnostics in the caller's names and columns. */

import type { Diagnostic, Severity, SourceLocation } from '../errors.ts';
import type { ToolchainKind } from '../toolchain/discover.ts';
import { parseClangText } from './clang-text.ts';
import { parseGccJson } from './gcc-json.ts';

/** A change that the compiler proposes: replace the range with the text. */
export interface FixIt extends SourceLocation {
  readonly text: string;
}

/** A {@link Diagnostic} with the changes that would cure it. */
export interface CompilerDiagnostic extends Diagnostic {
  readonly notes: readonly CompilerDiagnostic[];
  readonly fixits: readonly FixIt[];
}

/** A place in the compiler's names, with columns in bytes. */
interface RawLocation {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

export interface RawFixIt extends RawLocation {
  readonly text: string;
}

/** A diagnostic as the compiler gave it: its own file names, columns in bytes. */
export interface RawDiagnostic extends RawLocation {
  readonly severity: Severity;
  readonly message: string;
  readonly flag?: string;
  readonly fixits: RawFixIt[];
  readonly notes: RawDiagnostic[];
}

/** A file of the compiler's: the caller's name for it, and its lines where they are at hand. */
export interface NamedSource {
  readonly name: string;
  readonly lines: readonly string[];
}

/**
 * The diagnostics in the compiler's output, and what is left of the output beside them.
 *
 * @param named - the file that begins with a line directive of ours, or null
 *
 * Never throws: output that is neither JSON nor in the text form is all `rest`.
 */
export function parseDiagnostics(
  kind: ToolchainKind,
  stderr: string,
  named: string | null = null,
): { diagnostics: RawDiagnostic[]; rest: string } {
  return kind === 'gcc' ? parseGccJson(stderr) : parseClangText(stderr, named);
}

/** Every file that the diagnostics name, in the compiler's names. */
export function filesOf(diagnostics: readonly RawDiagnostic[]): Set<string> {
  const files = new Set<string>();
  for (const diagnostic of diagnostics) {
    if (diagnostic.file !== '') files.add(diagnostic.file);
    for (const file of filesOf(diagnostic.notes)) files.add(file);
  }
  return files;
}

/** Puts the caller's names for the compiler's, and columns in UTF-16 code units for columns in bytes. */
export function nameDiagnostics(
  diagnostics: readonly RawDiagnostic[],
  sources: ReadonlyMap<string, NamedSource>,
): CompilerDiagnostic[] {
  return diagnostics.map((diagnostic) => ({
    ...diagnostic,
    ...markWord(nameLocation(diagnostic, sources), sources.get(diagnostic.file)),
    fixits: diagnostic.fixits.map((fixit) => ({ ...fixit, ...nameLocation(fixit, sources) })),
    notes: nameDiagnostics(diagnostic.notes, sources),
  }));
}

function nameLocation(location: RawLocation, sources: ReadonlyMap<string, NamedSource>): RawLocation {
  const { file, line, endLine } = location;
  const source = sources.get(file);
  const lines = source?.lines ?? [];
  const column = utf16Column(lines[line - 1] ?? '', location.column);
  const endColumn = utf16Column(lines[endLine - 1] ?? '', location.endColumn);
  return { file: source?.name ?? file, line, column, endLine, endColumn };
}

/** Where the compiler gives a place but no range, the mark is the word at that place, or one character. */
function markWord(location: RawLocation, source: NamedSource | undefined): RawLocation {
  const { line, column, endLine, endColumn } = location;
  if (column === 0 || endLine > line || endColumn > column) return location;
  const rest = source?.lines[line - 1]?.slice(column - 1, column + 255) ?? '';
  const length = /^[\p{ID_Continue}$]+/u.exec(rest)?.[0].length ?? 1;
  return { ...location, endColumn: column + length };
}

/** Pure ASCII, or a line that is not at hand, keeps its column. */
function utf16Column(line: string, byteColumn: number): number {
  if (byteColumn <= 1 || /^[\x00-\x7f]*$/.test(line)) return byteColumn;
  return Buffer.from(line).toString('utf8', 0, byteColumn - 1).length + 1;
}

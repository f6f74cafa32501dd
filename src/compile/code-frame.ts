/** Pure: diagnostics and sources → text for people. */

import type { CompilerDiagnostic } from './diagnostics.ts';

/** How many diagnostics a text shows before it only counts them. */
const MAX_SHOWN = 10;
const MAX_NOTES = 4;
/** Generated code has lines of megabytes: only the part around the mark is shown. */
const MAX_WIDTH = 160;

/** Lines of the files, by the caller's names. */
export type SourceLines = ReadonlyMap<string, readonly string[]>;

/** `file:line:column: error: message [-Wflag]` with the line and a mark below it, for up to ten diagnostics. */
export function formatDiagnostics(diagnostics: readonly CompilerDiagnostic[], sources: SourceLines): string {
  const shown = diagnostics
    .slice(0, MAX_SHOWN)
    .flatMap((diagnostic) => [
      formatOne(diagnostic, sources),
      ...diagnostic.notes.slice(0, MAX_NOTES).map((note) => formatOne(note, sources)),
    ]);
  const more = diagnostics.length - MAX_SHOWN;
  return [...shown, ...(more > 0 ? [`… and ${more} more`] : [])].join('\n');
}

function formatOne(diagnostic: CompilerDiagnostic, sources: SourceLines): string {
  const { file, line, column, severity, message, flag } = diagnostic;
  const place = [file, ...(line > 0 ? [line] : []), ...(column > 0 ? [column] : [])].join(':');
  const word = severity === 'fatal' ? 'fatal error' : severity;
  const head = `${file === '' ? '' : `${place}: `}${word}: ${message}${flag === undefined ? '' : ` [${flag}]`}`;
  const text = sources.get(file)?.[line - 1];
  return text === undefined ? head : `${head}\n${frame(diagnostic, text)}`;
}

/** The source line and a mark under the range, both cut to the part around it. */
function frame(diagnostic: CompilerDiagnostic, text: string): string {
  const gutter = String(diagnostic.line).padStart(5);
  const blank = ' '.repeat(gutter.length);
  const start = Math.max(diagnostic.column - 1, 0);
  const from = start < MAX_WIDTH - 20 ? 0 : start - 60;
  const shown = text.slice(from, from + MAX_WIDTH).replace(/[\r\n\0]/g, ' ');
  const lines = [`${gutter} | ${from > 0 ? '…' : ''}${shown}${from + MAX_WIDTH < text.length ? '…' : ''}`];
  if (diagnostic.column > 0) {
    const indent = (from > 0 ? ' ' : '') + blankAs(shown.slice(0, start - from));
    const end = diagnostic.endLine === diagnostic.line ? diagnostic.endColumn - 1 : text.length;
    const width = Math.max(displayWidth(shown.slice(start - from, Math.max(end - from, 0))), 1);
    lines.push(`${blank} | ${indent}^${'~'.repeat(width - 1)}`);
    const fixit = diagnostic.fixits.find((one) => one.file === diagnostic.file && one.line === diagnostic.line);
    if (fixit !== undefined && fixit.text !== '' && !fixit.text.includes('\n') && fixit.column > from) {
      const before = (from > 0 ? ' ' : '') + blankAs(shown.slice(0, fixit.column - 1 - from));
      lines.push(`${blank} | ${before}${fixit.text}`);
    }
  }
  return lines.join('\n');
}

/** Blanks of the same width: a tab stays a tab, a wide character becomes two. */
function blankAs(text: string): string {
  return [...text].map((char) => (char === '\t' ? '\t' : ' '.repeat(displayWidth(char)))).join('');
}

/** Columns in a terminal: two for East Asian wide characters and emoji, none for combining marks. */
function displayWidth(text: string): number {
  let width = 0;
  for (const char of text) {
    if (/\p{Mn}|\p{Me}|\p{Cf}/u.test(char)) continue;
    width +=
      /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u.test(
        char,
      )
        ? 2
        : 1;
  }
  return width;
}

/** Pure: the text that clang (and a gcc without JSON) prints on stderr → diagnostics in the compiler's own terms. */

import type { Severity } from '../errors.ts';
import type { RawDiagnostic } from './diagnostics.ts';

// `name:line:column:{l:c-l:c}{…}: error: message [-Wflag]`; ranges and column may be missing. A name may hold colons.
const LOCATED =
  /^(.+?):(\d+)(?::(\d+))?:(?:((?:\{\d+:\d+-\d+:\d+\})+):)? (note|remark|warning|error|fatal error|sorry, unimplemented|internal compiler error|Error|Warning): (.*)$/;
// `clang: error: …`, `cc1: fatal error: …`, `error: …`; never a line that begins with a place.
const UNLOCATED = /^(?:[\w.+/-]+: )?(note|remark|warning|error|fatal error|internal compiler error|LLVM ERROR): (.*)$/;
const INCLUDED = /^(?:In file included from|\s+from) (.+?):(\d+)(?::(\d+))?[:,]$/;
const FIX_IT = /^fix-it:"((?:[^"\\]|\\.)*)":\{(\d+):(\d+)-(\d+):(\d+)\}:"((?:[^"\\]|\\.)*)"$/;
const FLAG = /^(.*) \[(?:-Werror,)?(-[WRf][^\]\s]*)\]$/s;
const SUMMARY = /^\d+ (?:warning|error)s?(?: and \d+ errors?)? generated\.$|^compilation terminated\.$/;
// Of the source line and the marks below it; both compilers begin such lines so, whatever the source holds.
const SNIPPET = /^ *\d* \| ?/;
// Both drivers say so when a process of theirs was ended by a signal: that is no diagnostic of the source.
const CRASH =
  /^[\w.+/-]+: (?:internal compiler error: .+ signal terminated program|error: clang frontend command failed|note: diagnostic msg:)/;
// What an assembler, or gcc, says before a message; the message itself names the place.
const CONTEXT = /^(?:.+: Assembler messages:|.+?: (?:In|At) .+:)$/;

/** What the text held: the diagnostics, and everything else as it was. */
export interface ClangText {
  readonly diagnostics: RawDiagnostic[];
  readonly rest: string;
}

/**
 * Reads what it can; text that has no such form ends up in `rest`. Never throws.
 *
 * @param named - the file that has a line directive before its first line, or null: clang's ranges and fix-its count
 * that line, its places don't
 */
export function parseClangText(text: string, named: string | null = null): ClangText {
  const diagnostics: RawDiagnostic[] = [];
  const rest: string[] = [];
  let includes: RawDiagnostic[] = [];
  let last: RawDiagnostic | undefined;
  /** Lines since the last message that may be its continuation: they are when a snippet follows. */
  let pending: string[] = [];

  for (const line of text.split('\n')) {
    if (SNIPPET.test(line)) {
      if (last !== undefined && pending.length > 0) {
        Object.assign(last, withFlag([last.message, ...pending].join('\n')));
        pending = [];
      }
      continue;
    }
    const fixIt = FIX_IT.exec(line);
    const included = INCLUDED.exec(line);
    const found = CRASH.test(line) ? null : (readLocated(line, named) ?? readUnlocated(line));
    if (fixIt !== null) last?.fixits.push(readFixIt(fixIt, named));
    else if (included !== null) {
      includes.push(place('note', { message: 'included from here' }, included[1], included[2], included[3]));
    } else if (found !== null) {
      const parent = found.severity === 'note' ? diagnostics.at(-1) : undefined;
      (parent?.notes ?? diagnostics).push(found);
      found.notes.push(...includes);
      includes = [];
      last = found;
    } else {
      if (!SUMMARY.test(line) && !CONTEXT.test(line) && line !== '') pending.push(line);
      continue;
    }
    rest.push(...pending);
    pending = [];
  }
  return { diagnostics, rest: [...rest, ...pending].join('\n') };
}

function readLocated(line: string, named: string | null): RawDiagnostic | null {
  const match = LOCATED.exec(line);
  if (match === null) return null;
  const [, file, lineNumber, column, ranges, severity, message] = match;
  const found = place(severityOf(severity), withFlag(message), file, lineNumber, column);
  const before = found.file === named ? 1 : 0;
  for (const [, startLine, start, last, end] of (ranges ?? '').matchAll(/\{(\d+):(\d+)-(\d+):(\d+)\}/g)) {
    const endLine = Number(last) - before;
    const startsBefore = Number(startLine) - before === found.line && Number(start) <= found.column;
    const endsBehind = endLine > found.line || Number(end) > found.column;
    // A diagnostic marks one range: the one that holds its place. Others mark operands.
    if (startsBefore && endsBehind) Object.assign(found, { endLine, endColumn: Number(end) });
  }
  return found;
}

function readUnlocated(line: string): RawDiagnostic | null {
  const match = UNLOCATED.exec(line);
  return match === null ? null : place(severityOf(match[1]), withFlag(match[2]), '', '0', '0');
}

function severityOf(word: string | undefined): Severity {
  if (word === 'note' || word === 'remark' || word === 'warning' || word === 'error') return word;
  return word === 'Warning' ? 'warning' : word === 'Error' ? 'error' : 'fatal';
}

function place(
  severity: Severity,
  message: { message: string; flag?: string },
  file = '',
  line = '0',
  column = '0',
): RawDiagnostic {
  const at = { file, line: Number(line), column: Number(column) };
  return { severity, ...message, ...at, endLine: at.line, endColumn: at.column, fixits: [], notes: [] };
}

/** The flag that controls the message, also where `-Werror=` made it an error. */
export function flagOf(option: string): string {
  return option.replace(/^-Werror=/, '-W');
}

function withFlag(text = ''): { message: string; flag?: string } {
  const match = FLAG.exec(text);
  return match === null ? { message: text } : { message: match[1] ?? '', flag: flagOf(match[2] ?? '') };
}

/** Undoes LLVM's escapes, which write every byte of a non-ASCII character in octal. */
function unquote(text = ''): string {
  const bytes = Buffer.from(text)
    .toString('latin1')
    .replace(/\\(?:([0-7]{3})|(.))/g, (_, octal: string | undefined, char: string) =>
      octal === undefined ? ({ n: '\n', t: '\t' }[char] ?? char) : String.fromCharCode(Number.parseInt(octal, 8)),
    );
  return Buffer.from(bytes, 'latin1').toString();
}

function readFixIt(match: RegExpExecArray, named: string | null) {
  const file = unquote(match[1]);
  const before = file === named ? 1 : 0;
  return {
    file,
    line: Number(match[2]) - before,
    column: Number(match[3]),
    endLine: Number(match[4]) - before,
    endColumn: Number(match[5]),
    text: unquote(match[6]),
  };
}

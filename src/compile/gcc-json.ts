/** Pure: gcc's `-fdiagnostics-format=json` (gcc 9 to 14) → diagnostics in the compiler's own terms. */

import type { Severity } from '../errors.ts';
import { flagOf, parseClangText } from './clang-text.ts';
import type { RawDiagnostic, RawFixIt } from './diagnostics.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Notes nest as deep as macros expand; nobody reads deeper. */
const MAX_DEPTH = 16;

/** Each line is an array of diagnostics, or text of the driver or the assembler. Never throws. */
export function parseGccJson(stderr: string): { diagnostics: RawDiagnostic[]; rest: string } {
  const diagnostics: RawDiagnostic[] = [];
  const text: string[] = [];
  for (const line of stderr.split('\n')) {
    const parsed = line.startsWith('[') ? parseArray(line) : null;
    if (parsed === null) text.push(line);
    else diagnostics.push(...parsed);
  }
  const others = parseClangText(text.join('\n'));
  return { diagnostics: [...diagnostics, ...others.diagnostics], rest: others.rest };
}

/** Between two diagnostics, in gcc's own spacing. */
const BOUNDARY = '}, {"kind": ';
const MAX_CUTS = 20;

function parseArray(line: string): RawDiagnostic[] | null {
  const whole = parseJson(line);
  if (Array.isArray(whole)) return readDiagnostics(whole, 0);
  // Thousands of errors are one array, of which only the first megabyte is kept: what is whole in it still counts.
  let end = line.length;
  for (let cut = 0; cut < MAX_CUTS && end > 0; cut += 1) {
    end = line.lastIndexOf(BOUNDARY, end - 1);
    const start = end > 0 ? parseJson(`${line.slice(0, end)}}]`) : null;
    if (Array.isArray(start)) return readDiagnostics(start, 0);
  }
  return null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readDiagnostics(values: readonly unknown[], depth: number): RawDiagnostic[] {
  return depth > MAX_DEPTH ? [] : values.filter(isFields).map((value) => readDiagnostic(value, depth));
}

function readDiagnostic(value: Fields, depth: number): RawDiagnostic {
  const location = firstFields(value.locations);
  const caret = readPoint(location.caret);
  const finish = readPoint(location.finish);
  const isRange = finish.line > 0 && finish.file === caret.file;
  const option = typeof value.option === 'string' ? { flag: flagOf(value.option) } : {};
  return {
    severity: severityOf(value.kind),
    message: typeof value.message === 'string' ? value.message : '',
    ...option,
    ...caret,
    endLine: isRange ? finish.line : caret.line,
    // gcc's finish is the last byte of the range, ours lies past it.
    endColumn: isRange ? finish.column + 1 : caret.column,
    fixits: fieldsIn(value.fixits).map(readFixIt),
    notes: readDiagnostics(Array.isArray(value.children) ? value.children : [], depth + 1),
  };
}

function readPoint(value: unknown): { file: string; line: number; column: number } {
  const point = isFields(value) ? value : {};
  return {
    file: typeof point.file === 'string' ? point.file : '',
    line: whole(point.line),
    column: whole(point['byte-column'] ?? point.column),
  };
}

function readFixIt(value: Fields): RawFixIt {
  const start = readPoint(value.start);
  const next = readPoint(value.next);
  const text = typeof value.string === 'string' ? value.string : '';
  return { ...start, endLine: next.line, endColumn: next.column, text };
}

function severityOf(kind: unknown): Severity {
  if (kind === 'note' || kind === 'remark' || kind === 'warning' || kind === 'error') return kind;
  return 'fatal';
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fieldsIn(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : [];
}

function firstFields(value: unknown): Fields {
  return fieldsIn(value)[0] ?? {};
}

function whole(value: unknown): number {
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : 0;
}

import { describe, expect, it } from 'vitest';
import { formatDiagnostics } from '../../src/compile/code-frame.ts';
import type { CompilerDiagnostic } from '../../src/compile/diagnostics.ts';

function diagnostic(fields: Partial<CompilerDiagnostic>): CompilerDiagnostic {
  const at = { file: 'vec.c', line: 1, column: 1, endLine: 1, endColumn: 1 };
  return { severity: 'error', message: 'no', notes: [], fixits: [], ...at, ...fields };
}

const sources = new Map([
  ['vec.c', ['\tint x = naïve + 1;', 'char *s = "漢字" + y;', `${'a'.repeat(500)} b ${'c'.repeat(500)}`, '', 'x\0y\r']],
]);
const format = (fields: Partial<CompilerDiagnostic>) => formatDiagnostics([diagnostic(fields)], sources);

describe('formatDiagnostics', () => {
  it('underlines the range, below a tab as below a tab', () => {
    expect(format({ column: 10, endColumn: 15, flag: '-Wx' })).toBe(
      'vec.c:1:10: error: no [-Wx]\n    1 | \tint x = naïve + 1;\n      | \t        ^~~~~',
    );
  });

  it('counts a wide character as two', () => {
    expect(format({ line: 2, column: 18, endLine: 2, endColumn: 19 })).toBe(
      'vec.c:2:18: error: no\n    2 | char *s = "漢字" + y;\n      |                    ^',
    );
  });

  it('shows the fix below the mark', () => {
    const fixits = [{ file: 'vec.c', line: 1, column: 19, endLine: 1, endColumn: 19, text: ';' }];
    expect(format({ column: 19, fixits })).toBe(
      `vec.c:1:19: error: no\n    1 | \tint x = naïve + 1;\n      | \t${' '.repeat(17)}^\n      | \t${' '.repeat(17)};`,
    );
  });

  it('shows only the part of a long line around the mark', () => {
    const [, source = '', mark = ''] = format({ line: 3, column: 502, endLine: 3, endColumn: 503 }).split('\n');
    expect(source).toMatch(/^ {4}3 \| …a{59} b c{98}…$/);
    expect(source[mark.indexOf('^')]).toBe('b');
  });

  it('has no frame for a place outside every source, and none for no place', () => {
    expect(format({ file: '<built-in>', line: 1, column: 10 })).toBe('<built-in>:1:10: error: no');
    expect(format({ line: 99 })).toBe('vec.c:99:1: error: no');
    expect(format({ line: 1, column: 0 })).toBe('vec.c:1: error: no\n    1 | \tint x = naïve + 1;');
    expect(format({ file: '', line: 0, column: 0, severity: 'fatal' })).toBe('fatal error: no');
  });

  it('survives columns beyond the line and characters that would move the cursor', () => {
    expect(format({ line: 4, column: 9, endLine: 4, endColumn: 12 })).toBe('vec.c:4:9: error: no\n    4 | \n      | ^');
    expect(format({ line: 5, column: 3, endLine: 5 })).toBe('vec.c:5:3: error: no\n    5 | x y \n      |   ^');
  });

  it('shows notes, four of them, and ten diagnostics, then only counts', () => {
    const note = diagnostic({ severity: 'note', file: 'a.h', message: 'because' });
    const all = Array.from({ length: 12 }, () => diagnostic({ file: 'b.h', notes: Array(6).fill(note) }));
    const lines = formatDiagnostics(all, sources).split('\n');
    expect(lines.slice(0, 5)).toEqual(['b.h:1:1: error: no', ...Array(4).fill('a.h:1:1: note: because')]);
    expect(lines.length).toBe(51);
    expect(lines.at(-1)).toBe('… and 2 more');
  });
});

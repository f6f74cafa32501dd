/** What the demo prints with: colour where a terminal wants it, a line that is overwritten, a table. */

import { styleText } from 'node:util';

const terminal = process.stdout.isTTY === true;
const coloured = terminal && !process.env.NO_COLOR && process.env.TERM !== 'dumb';

type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'cyan';

/** Styles text for a terminal; gives it as it is for a pipe, a file, or with `NO_COLOR` set. */
export function paint(style: Style, text: string): string {
  return coloured ? styleText(style, text) : text;
}

/** Says what is going on. On a terminal the next output overwrites it; elsewhere nothing is printed. */
export function showStatus(text: string): void {
  // Cut, since a line that wraps is not overwritten whole. A terminal that does not know its width says 0.
  const width = (process.stdout.columns || 80) - 1;
  if (terminal) process.stdout.write(`\r\x1b[2K${paint('dim', text.slice(0, width))}`);
}

/** Prints a line, over the status when there is one. */
export function print(text = ''): void {
  if (terminal) process.stdout.write('\r\x1b[2K');
  console.log(text);
}

/** A paragraph of the demo: a word in the margin, then lines beside it. */
export function printStory(title: string, lines: readonly string[]): void {
  lines.forEach((line, index) => {
    print(`${paint('bold', (index === 0 ? title : '').padEnd(9))}${line}`.trimEnd());
  });
  print();
}

/** `1,234`, with commas whatever the locale is. */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Milliseconds to about three digits. */
export function formatMs(ms: number): string {
  const digits = ms < 1 ? 2 : ms < 20 ? 1 : 0;
  return `${ms.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })} ms`;
}

/** Columns padded to their widest cell: the first to the left, the others to the right. */
export function formatTable(rows: readonly (readonly string[])[], gap = '  '): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join(gap)
      .trimEnd(),
  );
}

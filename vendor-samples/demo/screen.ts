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

/** As {@link showStatus}, with the seconds that it takes, until `work` has ended; gives what it comes to. */
export async function showWhile<T>(text: string, work: Promise<T>): Promise<T> {
  const started = performance.now();
  const show = () => showStatus(`${text} ${((performance.now() - started) / 1000).toFixed(1)} s`);
  show();
  const timer = setInterval(show, 100);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

function clearStatus(): void {
  if (terminal) process.stdout.write('\r\x1b[2K');
}

// Before node's own listener, which prints the warning where the cursor is.
process.prependListener('warning', clearStatus);

/** Prints a line, over the status when there is one. */
export function print(text = ''): void {
  clearStatus();
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
  return formatNumber(value, 0);
}

/** Milliseconds to about three digits. */
export function formatMs(ms: number): string {
  return `${formatNumber(ms, ms < 1 ? 2 : ms < 20 ? 1 : 0)} ms`;
}

/** Not by `toLocaleString`: its first use takes longer than the demo's libraries do from the cache. */
function formatNumber(value: number, digits: number): string {
  const [whole = '', ...fraction] = value.toFixed(digits).split('.');
  return [whole.replace(/\B(?=(\d{3})+$)/g, ','), ...fraction].join('.');
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

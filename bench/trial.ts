/** What a trial hands to the runner, and what trials share. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One comparison of a trial: the same work done by the subject and by the baseline, alternating in one process. */
export interface Row {
  readonly name: string;
  readonly unit: 'ms' | 'µs' | 'ns' | 'MB';
  readonly subject: number;
  readonly baseline: number;
  readonly baselineName: string;
  /** The most that subject / baseline may be, where the project has set itself one. */
  readonly must?: number;
}

/** One figure that stands alone. */
export interface Figure {
  readonly name: string;
  /** Empty for a plain number. */
  readonly unit: 'ms' | 'µs' | 'MB' | '';
  readonly value: number;
  readonly must?: number;
}

/** Prints one line for the runner to read. Call it only after the result of the work was verified. */
export function report(line: Row | Figure): void {
  console.log(JSON.stringify(line));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** A benchmark of wrong results is worth nothing. */
export function verify(actual: unknown, expected: unknown, what: string): void {
  if (!Object.is(actual, expected)) throw new Error(`${what}: got ${String(actual)}, expected ${String(expected)}`);
}

export const CLANG = process.env.FROMSOURCE_COMPILER ?? 'clang-22';

/** Runs `work` with a folder that is gone afterwards. */
export async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'fromsource-bench-'));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What one would do by hand: compile and link a shared object. Returns its path. */
export function makeSharedObject(folder: string, name: string, source: string, flags: readonly string[]): string {
  const path = join(folder, `${name}.so`);
  execFileSync(CLANG, ['-shared', '-fPIC', ...flags, '-xc', '-', '-lm', '-o', path], { input: source });
  return path;
}

/** The object that the same source gives. Returns its bytes. */
export function makeObject(source: string, flags: readonly string[]): Buffer {
  return execFileSync(CLANG, ['-c', '-fPIC', ...flags, '-xc', '-', '-o', '-'], { input: source, maxBuffer: 2 ** 30 });
}

/** A file with these bytes in the folder. Returns its path. */
export function makeFile(folder: string, name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/**
 * A file of C of the size that is usual: eight functions over the common headers, called from `work<file>`.
 *
 * @param round - makes another text of it
 */
export function usualSource(file: number, round: number): string {
  const functions = Array.from(
    { length: 8 },
    (_, n) => `static int step${n}(const char *text, int x) {
  char copy[64];
  snprintf(copy, sizeof copy, "%s-%d", text, x + ${n});
  int sum = ${round};
  for (size_t at = 0; at < strlen(copy); ++at) sum = sum * 31 + copy[at] % (${n} + 2);
  return sum;
}`,
  );
  const calls = functions.map((_, n) => `step${n}("f${file}", x)`).join(' + ');
  return (
    `#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <math.h>\n${functions.join('\n')}\n` +
    `int work${file}(int x) { return ${calls}; }\n`
  );
}

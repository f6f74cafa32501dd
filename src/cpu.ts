/** What this machine's processor can do, by the names that Linux gives it in /proc/cpuinfo. */

import { closeSync, openSync, readSync } from 'node:fs';

/** The levels of the x86-64 ABI, each with all of the one before. */
export type CpuLevel = 'x86-64' | 'x86-64-v2' | 'x86-64-v3' | 'x86-64-v4';

/** A processor. */
export interface Cpu {
  /** `x86-64` also for what is known as nothing better, and for another architecture. */
  readonly level: CpuLevel;
  /** The words of `flags` (x86) or `Features` (arm64). */
  readonly features: ReadonlySet<string>;
  /**
   * All that `-march=native` can be resolved from, as text; the same at every start, and on every machine of the same
   * make. Empty when nothing is known.
   */
  readonly identity: string;
}

const LEVELS: readonly (readonly [CpuLevel, readonly string[]])[] = [
  ['x86-64-v2', ['cx16', 'lahf_lm', 'popcnt', 'pni', 'sse4_1', 'sse4_2', 'ssse3']],
  ['x86-64-v3', ['avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'abm', 'movbe', 'xsave']],
  ['x86-64-v4', ['avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl']],
];

/** The lines that make an identity: not those that change by themselves, as `cpu MHz`, or with the number of cores. */
const IDENTIFYING = new Set([
  ...['vendor_id', 'cpu family', 'model', 'model name', 'stepping', 'cache size', 'flags'],
  ...['CPU implementer', 'CPU architecture', 'CPU variant', 'CPU part', 'CPU revision', 'Features'],
]);

/** Pure: the first processor of a /proc/cpuinfo. Never throws. */
export function parseCpu(text: string): Cpu {
  const block = text.split(/\n[ \t]*\n/, 1)[0] ?? '';
  const lines: string[] = [];
  let features: string[] = [];
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^([^\t:]+?)\s*:\s*(.*?)\s*$/.exec(line) ?? [];
    if (IDENTIFYING.has(name)) lines.push(`${name}: ${value}`);
    if (name === 'flags' || name === 'Features') features = value.split(/\s+/).filter((word) => word !== '');
  }
  const known = new Set(features);
  return { level: levelOf(known), features: known, identity: lines.join('\n') };
}

/** Pure: the highest level whose features are all there. */
export function levelOf(features: ReadonlySet<string>): CpuLevel {
  let level: CpuLevel = 'x86-64';
  for (const [name, needed] of LEVELS) {
    if (!needed.every((feature) => features.has(feature))) break;
    level = name;
  }
  return level;
}

/** Pure: which of the required features the processor lacks, sorted. */
export function missingFeatures(required: Iterable<string>, cpu: Pick<Cpu, 'features'>): string[] {
  return [...new Set(required)].filter((feature) => !cpu.features.has(feature)).sort();
}

/**
 * Pure: missing features for an error, such as `x86-64-v4 (avx512bw, avx512f)`: with the level that first has them, or
 * without one where it takes more than a level.
 */
export function describeFeatures(missing: readonly string[]): string {
  const names = missing.join(', ');
  const highest = LEVELS.findLast(([, features]) => missing.some((feature) => features.includes(feature)));
  return highest === undefined ? names : `${highest[0]} (${names})`;
}

let host: Cpu | undefined;

/** The processor of this machine, read once. One of which nothing can be read has no features. */
export function hostCpu(): Cpu {
  host ??= parseCpu(readStart('/proc/cpuinfo'));
  return host;
}

/** The first processor alone: the kernel takes 0.1 ms and more for each that is read. */
function readStart(path: string): string {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    const chunk = Buffer.allocUnsafe(4096);
    let text = '';
    for (let count = readSync(descriptor, chunk); count > 0; count = readSync(descriptor, chunk)) {
      text += chunk.toString('latin1', 0, count);
      if (/\n[ \t]*\n/.test(text)) break;
    }
    return text;
  } catch {
    return '';
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

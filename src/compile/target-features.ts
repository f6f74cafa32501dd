/** Which features of a processor compiled code may use. */

import { runProcess } from '../run-process.ts';
import type { Toolchain } from '../toolchain/discover.ts';
import type { CompileLimits } from './compiler.ts';
import { compilerEnvironment } from './environment.ts';
import { featuresOf, type NamedFeatures } from './feature-macros.ts';
import { readFlags } from './flags.ts';

/** The machine that code is for. */
export interface TargetFeatures extends NamedFeatures {
  /** The toolchain's target triple. */
  readonly target: string;
}

const LIMITS: CompileLimits = { timeout: 10_000, maxOutputBytes: 2 ** 20, maxMemoryBytes: Number.POSITIVE_INFINITY };
const known = new Map<string, Promise<TargetFeatures>>();
const MAX_KNOWN = 200;

/**
 * Asks the compiler for its predefined macros under the flags that choose a processor: `-m…`, and with `unsafeFlags`
 * `--target` and `-Xclang`. Takes the start of a compiler, once per process for the same flags.
 *
 * A function that says `__attribute__((target("avx2")))` is not counted: to call it only where that is there is the
 * source's affair.
 *
 * @throws Error when the compiler doesn't answer, or refuses a flag.
 */
export async function targetFeatures(toolchain: Toolchain, flags: readonly string[]): Promise<TargetFeatures> {
  const chosen = machineFlags(flags);
  const key = JSON.stringify([toolchain.path, toolchain.version, toolchain.target, chosen]);
  const already = known.get(key);
  if (already !== undefined) return await already;
  const asking = ask(toolchain, chosen);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(key, asking);
  asking.catch(() => known.delete(key));
  return await asking;
}

/** Pure: the flags that choose a processor, as they were given. */
export function machineFlags(flags: readonly string[]): string[] {
  const chooses = /^(?:-m(?!llvm|mlir)|--?target|-arch$|-Xclang$)/;
  return readFlags(flags)
    .filter(({ option }) => chooses.test(option))
    .flatMap(({ words }) => words);
}

async function ask(toolchain: Toolchain, flags: readonly string[]): Promise<TargetFeatures> {
  const { path, kind, major, target } = toolchain;
  const own = kind === 'clang' && major >= 16 ? ['--no-default-config'] : [];
  const { exitCode, stdout, stderr } = await runProcess({
    command: [path, ...own, ...flags, '-dM', '-E', '-x', 'c', '/dev/null'],
    cwd: process.cwd(),
    env: compilerEnvironment(),
    input: null,
    descriptors: [],
    limits: LIMITS,
    signal: undefined,
  });
  if (exitCode !== 0) {
    throw new Error(`${path} does not say what ${flags.join(' ') || 'its default'} stands for: ${stderr.trim()}`);
  }
  return { target, ...featuresOf(stdout.toString('utf8')) };
}

/** The first half of the path, for its intermediate: source → toolchain → LLVM IR. */

import { refuse } from './checks.ts';
import { isCompiled, type SourceFile, type SourceIR, type SourceText } from './inputs.ts';
import { LINKING, type LinkingOptions } from './linking.ts';
import {
  type ResolvedSpec,
  requestOf,
  resolveSpec,
  type SourceLibraryOptions,
  type SourceLibrarySpec,
} from './options.ts';
import { discoverToolchain } from './toolchain/discover.ts';

/** What {@link compileToIR} takes: a spec as for a load, without what says how code lives in this process. */
export type IRSpec = Omit<
  SourceLibraryOptions,
  'loader' | 'watch' | 'lazy' | 'crashReport' | 'perf' | keyof LinkingOptions
> &
  (SourceText | SourceFile | SourceIR);

/** The form of LLVM IR: text, or bitcode. */
export type IRFormat = 'text' | 'bitcode';

/** Options that a load takes and this does not. */
const LIVING = ['loader', 'watch', 'lazy', 'crashReport', 'perf'] as const;
const REFUSED = [...LIVING, ...LINKING, 'files', 'object', 'archive', 'sharedLibrary'] as const;

/**
 * Compiles a C or C++ source, or LLVM IR, to LLVM IR of clang's version, after the passes of its `-O` level.
 *
 * Nothing is linked or loaded. What comes out can be given to `loadSourceLibrary` as `ir`. clang is needed; gcc can't.
 *
 * @param options.format - `'text'`, which is the default, gives a string; `'bitcode'` gives bytes.
 * @throws as `loadSourceLibrary` does while it compiles: TypeError, ToolchainError, CompileError, CompileLimitError, and
 * the signal's reason.
 *
 * @example
 * const ir = await compileToIR({ name: 'vec', source: 'int add(int a, int b) { return a + b; }' });
 * const vec = await loadSourceLibrary({ name: 'vec', ir });
 */
export function compileToIR(spec: IRSpec, options?: { readonly format?: 'text' }): Promise<string>;
export function compileToIR(spec: IRSpec, options: { readonly format: 'bitcode' }): Promise<Uint8Array>;
export function compileToIR(spec: IRSpec, options: { readonly format?: IRFormat }): Promise<string | Uint8Array>;
export async function compileToIR(
  spec: IRSpec,
  { format = 'text' }: { readonly format?: IRFormat } = {},
): Promise<string | Uint8Array> {
  if (format !== 'text' && format !== 'bitcode') refuse('format', "'text' or 'bitcode'", format);
  const given = resolveSpec(spec as SourceLibrarySpec);
  const { input, name: library, compiler } = given;
  const refused = REFUSED.find((option) => (spec as unknown as Record<string, unknown>)[option] !== undefined);
  if (refused !== undefined || !isCompiled(input)) {
    throw new TypeError(`\`${refused}\` goes with a load, not with compileToIR`);
  }
  const toolchain = await discoverToolchain({ library, compiler });
  const resolved = given.compileCommands === null ? given : await withCommands(given);
  // Loaded when asked for: a load whose object is in the cache needs no compiler.
  const { compile, startAhead } = await import('./compile/queue.ts');
  startAhead(toolchain);
  const output = format === 'text' ? 'ir' : 'bitcode';
  const { object } = await compile(toolchain, { ...requestOf(resolved, input), output });
  return format === 'text' ? Buffer.from(object).toString('utf8') : object;
}

async function withCommands(spec: ResolvedSpec): Promise<ResolvedSpec> {
  const { filesOfSpec } = await import('./files-plan.ts');
  return filesOfSpec(spec).files[0]?.spec ?? spec;
}

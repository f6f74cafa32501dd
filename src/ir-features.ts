/** What LLVM IR says of the processors that its functions are for. */

import type { CompileInput, CompileRequest } from './compile/compiler.ts';
import { type TargetFeatures, targetFeatures } from './compile/target-features.ts';
import type { Toolchain } from './toolchain/discover.ts';

/** Of each processor that some function is for. One that is only called where it can run is not told apart. */
export async function featuresOfIR(
  toolchain: Toolchain,
  request: CompileRequest,
  input: CompileInput & { readonly kind: 'ir' },
): Promise<TargetFeatures[]> {
  const text = typeof input.ir === 'string' ? input.ir : await textOf(toolchain, request, input);
  return Promise.all(processorsOf(text).map((flags) => targetFeatures(toolchain, flags)));
}

/** Bitcode as text; unoptimised, since nothing is to be made of it. */
async function textOf(toolchain: Toolchain, request: CompileRequest, input: CompileInput & { readonly kind: 'ir' }) {
  const { compile } = await import('./compile/queue.ts');
  const plain = { ...request, input: { ...input, passes: null }, flags: ['-O0'], output: 'ir' as const };
  return Buffer.from((await compile(toolchain, plain)).object).toString('utf8');
}

/** Pure: the attributes of functions, as the arguments that give a compile the same; each once. */
export function processorsOf(text: string): string[][] {
  const found = new Map<string, string[]>();
  // A group of attributes, and those that stand at a function itself, are one line each.
  for (const line of text.split('\n')) {
    const [, cpu] = /"target-cpu"="([\w.+-]+)"/.exec(line) ?? [];
    const [, list = ''] = /"target-features"="([\w.,+-]*)"/.exec(line) ?? [];
    const features = list.split(',').filter((each) => each.startsWith('+'));
    const words = [
      ...(cpu === undefined ? [] : ['-target-cpu', cpu]),
      ...features.flatMap((each) => ['-target-feature', each]),
    ];
    if (words.length > 0)
      found.set(
        words.join(' '),
        words.flatMap((word) => ['-Xclang', word]),
      );
  }
  return [...found.values()];
}

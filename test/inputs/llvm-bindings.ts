/** llvm-bindings, which set-up builds in a folder of its own: it is no dependency of the package. */

import { createRequire } from 'node:module';

/** The package, or why it is not there. In CI it must be there. */
export function findLlvmBindings(): { llvm: any } | { missing: string } {
  const require = createRequire(new URL('../llvm-bindings/index.js', import.meta.url));
  try {
    return { llvm: require('llvm-bindings') };
  } catch (error) {
    if (process.env.CI) throw error;
    const [reason] = (error as Error).message.split('\n');
    return { missing: `llvm-bindings is not built (${reason}): bash native-shims/setup.sh --llvm-bindings` };
  }
}

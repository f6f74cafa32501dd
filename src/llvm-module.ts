/** Modules of the package llvm-bindings, which is an optional peer dependency: whoever has a module has the package. */

import { closeSync, fstatSync, openSync, readSync, unlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What is used of `llvm.Module`; its types are not needed to compile against this package. */
export interface LlvmModule {
  /** Its label, which diagnostics show. */
  getModuleIdentifier(): string;
  /** The machine it is for; empty for this one. */
  getTargetTriple(): string;
}

/** What is used of llvm-bindings. */
interface LlvmBindings {
  readonly Module: abstract new (...args: never[]) => LlvmModule;
  WriteBitcodeToFile(module: LlvmModule, path: string): void;
}

const PACKAGE = 'llvm-bindings';

export function isModule(value: unknown): value is LlvmModule {
  const candidate = value as Partial<LlvmModule> | null;
  return (
    typeof candidate === 'object' &&
    candidate !== null &&
    typeof candidate.getModuleIdentifier === 'function' &&
    typeof candidate.getTargetTriple === 'function'
  );
}

function isBindings(value: unknown): value is LlvmBindings {
  const candidate = value as Partial<LlvmBindings> | null;
  return typeof candidate?.WriteBitcodeToFile === 'function' && typeof candidate.Module === 'function';
}

/**
 * The package that made the module: another copy of it would not know the module.
 *
 * It is loaded already, so Node's module cache has it, wherever it is installed. Resolving it from here and from the
 * working folder is for loaders that keep a cache of their own.
 */
function bindingsOf(module: LlvmModule): LlvmBindings {
  for (const bindings of candidates()) {
    if (isBindings(bindings) && module instanceof bindings.Module) return bindings;
  }
  throw new TypeError(
    `\`ir\` is a module, but the package ${PACKAGE} that made it was found neither among the loaded modules nor from ` +
      `here nor from ${process.cwd()}; write the module as bitcode and give the bytes`,
  );
}

function* candidates(): Iterable<unknown> {
  const require = createRequire(import.meta.url);
  for (const [path, loaded] of Object.entries(require.cache)) {
    if (path.includes(PACKAGE)) yield loaded?.exports;
  }
  for (const each of [require, createRequire(join(process.cwd(), 'index.js'))]) {
    try {
      yield each(PACKAGE);
    } catch {
      // Not to be found from there.
    }
  }
}

/**
 * The module as bitcode.
 *
 * llvm-bindings writes to paths only: it gets that of an open file which has no name any more, and so can't be left
 * behind.
 *
 * @throws TypeError when the package that made the module can't be found, the system's error when no file can be made.
 */
export function writeModule(module: LlvmModule): Uint8Array {
  const bindings = bindingsOf(module);
  const name = join(tmpdir(), `fromsource-${crypto.randomUUID()}`);
  const file = openSync(name, 'wx+', 0o600);
  try {
    unlinkSync(name);
    bindings.WriteBitcodeToFile(module, `/proc/self/fd/${file}`);
    const bytes = new Uint8Array(fstatSync(file).size);
    for (let length = 0; length < bytes.length; ) {
      const count = readSync(file, bytes, length, bytes.length - length, length);
      if (count === 0) throw new Error(`${PACKAGE} wrote ${bytes.length} bytes, of which ${length} can be read`);
      length += count;
    }
    return bytes;
  } finally {
    closeSync(file);
  }
}

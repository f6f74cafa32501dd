/** Opens runtime libraries of compilers, which stay open. */

import { constants } from 'node:os';
import { basename } from 'node:path';
import { koffi } from '../koffi.ts';
import { openObject, RTLD_NODELETE } from './dynamic-linker.ts';

/** Those of OpenMP, and of sanitizers. */
const RUNTIME_FILE = /^lib(?:i?omp5?|gomp|ubsan|clang_rt\.[\w-]+)\.so/;
/** At least the size of `struct sigaction`. */
const ACTION_BYTES = 256;

const { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP } = constants.signals;

/** Whether a file is such a library, whoever named it. */
export const isRuntime = (path: string): boolean => RUNTIME_FILE.test(basename(path));

/**
 * Opens a runtime library that stays when it is closed: threads of OpenMP wait in its code for the next parallel region.
 *
 * clang's for `-fsanitize=undefined` takes SIGSEGV, SIGBUS and SIGFPE over as it is opened. Those are left to who had
 * them: node's handler of SIGSEGV is how WebAssembly finds an access out of bounds.
 *
 * @returns a handle for `closeObject`
 * @throws LinkError when the dynamic linker refuses it.
 */
export function openRuntime(library: string, file: string): bigint {
  const sigaction = koffi.load(null).func('sigaction', 'int', ['int', 'void *', 'void *']);
  const kept = [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP].map((signal) => {
    const action = Buffer.alloc(ACTION_BYTES);
    sigaction(signal, null, action);
    return { signal, action };
  });
  const handle = openObject(library, file, RTLD_NODELETE);
  for (const { signal, action } of kept) sigaction(signal, action, null);
  return handle;
}

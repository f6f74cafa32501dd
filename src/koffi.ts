/**
 * koffi, with stacks that compiled code can live on.
 *
 * Import it from here, never from 'koffi': the sizes hold only when they are set before the first library is loaded.
 */

import { createRequire } from 'node:module';
import type Koffi from 'koffi';

/** Native code overflows koffi's own stacks (2 MiB, but 128 KiB for asynchronous calls) with a plain SIGSEGV. */
const STACK_BYTES = 8 * 1024 * 1024;

// Its CommonJS form, because that is there 4 ms sooner than its modules. The native part is the same for both.
export const koffi: typeof Koffi = createRequire(import.meta.url)('koffi');

try {
  koffi.config({ sync_stack_size: STACK_BYTES, async_stack_size: STACK_BYTES });
} catch {
  // The program loaded a library through koffi before it imported us: its sizes stay.
}

/** The environment that a compiler is started with. */

import { tmpdir } from 'node:os';

/** What a driver needs to find its own programs and a home. */
const PASSED_ON = ['PATH', 'HOME'];

/**
 * An allow-list, because many variables change the bytes without leaving a trace in the command: `CPATH`,
 * `C_INCLUDE_PATH`, `CPLUS_INCLUDE_PATH`, `CCC_OVERRIDE_OPTIONS`, `SOURCE_DATE_EPOCH`, `GCC_EXEC_PREFIX`; and
 * `CC_PRINT_PROC_STAT` appends text to stdout. Messages are in English and UTF-8; a compiler that is really ccache
 * keeps nothing.
 */
export function compilerEnvironment(): Record<string, string> {
  const env: Record<string, string> = { TMPDIR: tmpdir(), LC_ALL: 'C.UTF-8', CCACHE_DISABLE: '1' };
  for (const name of PASSED_ON) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}

/** The files that the resident driver consists of. */

import { readFileSync } from 'node:fs';

/** The C library's mathematics, by which clang computes constants; node has it open too. */
const LIBM = /\s(\/\S+\/libm[.-]\S*)$/m;

/**
 * Paths of the driver, which has clang in it, and of the one library it loads that decides what it makes. Finding
 * them takes no process, so that they can be found when this one ends.
 */
export function residentFiles(resident: string): string[] {
  const libm = LIBM.exec(readFileSync('/proc/self/maps', 'utf8'))?.[1];
  return [resident, ...(libm === undefined ? [] : [libm])];
}

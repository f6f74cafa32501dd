/** Which C library this process runs on. */

import { koffi } from '../koffi.ts';

/** The release of glibc, such as `2.36`; null on another C library. */
export function glibcRelease(): string | null {
  try {
    return koffi.load(null).func('gnu_get_libc_version', 'const char *', [])();
  } catch {
    return null;
  }
}

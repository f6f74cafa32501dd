/** Finds the resident compiler that set-up has built. */

import { accessSync, constants, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { identityOf } from '../file-identity.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import type { Toolchain } from './discover.ts';

const BUILT = 'native-shims/build/fromsource-clang-driver';

/**
 * The driver, and the clang that it was built from, as its build wrote them down beside it: reading that takes 0.1 ms,
 * where asking a clang for its version takes 15. Null when it is not built, or its clang is gone.
 *
 * `FROMSOURCE_CLANG_DRIVER` names another binary, with its description beside it.
 */
export function findResident(): Toolchain | null {
  const resident = process.env.FROMSOURCE_CLANG_DRIVER ?? fileURLToPath(new URL(BUILT, PACKAGE_ROOT));
  try {
    const description = `${resident}.json`;
    const identity = identityOf(description);
    if (last?.identity !== identity || last.toolchain.resident !== resident) {
      const described = JSON.parse(readFileSync(description, 'utf8'));
      const { clang: path, version, target } = described as Record<string, string>;
      if (path === undefined || version === undefined || target === undefined) return null;
      const major = Number.parseInt(version, 10);
      last = { identity, toolchain: { kind: 'clang', path, version, major, target, resident } };
    }
    accessSync(last.toolchain.path, constants.X_OK);
    return last.toolchain;
  } catch {
    return null;
  }
}

/** What was read last, and of which file. */
let last: { readonly identity: string; readonly toolchain: Toolchain } | undefined;

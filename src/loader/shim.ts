/** Opens the native shim, whose C ABI is `native-shims/orc-loader/orc_loader.h`, and reads its errors. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { LinkError } from '../errors.ts';
import { koffi } from '../koffi.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import { SETUP_COMMAND } from '../setup-command.ts';
import { missingSymbolsError } from './missing-symbols.ts';

/** FS_ABI_VERSION: a shim with another number is refused. */
const ABI_VERSION = 7;

const BUILT_SHIM = 'native-shims/build/libfromsource_orc.so';

/** FS_ERROR_MISSING_SYMBOLS: the one kind that is told apart here. */
const MISSING_SYMBOLS = 5;

/** A native pointer, as koffi gives it; null for NULL. */
export type Pointer = bigint | null;

/** The C type of every handle: NULL arrives as null, any other pointer as a bigint. */
export const POINTER = 'void *';

/** The shim, open, whether or not this process can have JIT memory. */
export interface ShimLibrary {
  readonly library: ReturnType<typeof koffi.load>;
  errorKind(error: Pointer): number;
  errorMessage(error: Pointer): string;
  errorDispose(error: Pointer): void;
  /**
   * Throws what the error handle says about the library of that name, and gives it back; null is no error.
   *
   * @param known - more names of which a missing one may be a misspelling
   */
  check(library: string, error: Pointer, known?: readonly string[]): void;
  /** Calls the initialisers of a shared object; an error when one throws. */
  runInitialisers(entries: bigint, count: number): Pointer;
}

const opened = new Map<string, ShimLibrary>();

/**
 * Opens the shim at `FROMSOURCE_ORC_SHIM`, else the one that set-up builds; once, and it stays open.
 *
 * Throws an Error whose message says why it can't be used.
 */
export function openShim(shimPath: string | undefined = process.env.FROMSOURCE_ORC_SHIM): ShimLibrary {
  const path = shimPath ?? fileURLToPath(new URL(BUILT_SHIM, PACKAGE_ROOT));
  let shim = opened.get(path);
  if (shim === undefined) {
    if (!existsSync(path)) {
      const name = shimPath ?? BUILT_SHIM;
      throw new Error(`the loader shim is not built (${name}): run \`${SETUP_COMMAND}\``);
    }
    shim = declare(path);
    opened.set(path, shim);
  }
  return shim;
}

function declare(path: string): ShimLibrary {
  let library: ReturnType<typeof koffi.load>;
  let found: number;
  try {
    library = koffi.load(path);
    found = library.func('fs_abi_version', 'uint32_t', [])();
  } catch (error) {
    throw new Error(`the loader shim could not be opened: ${(error as Error).message}`, { cause: error });
  }
  if (found !== ABI_VERSION) {
    throw new Error(`the loader shim has ABI ${found}, this package needs ${ABI_VERSION}: run \`${SETUP_COMMAND}\``);
  }

  const errorKind = library.func('fs_error_get_kind', 'int', [POINTER]);
  const errorMessage = library.func('fs_error_message', 'str', [POINTER]);
  const errorDispose = library.func('fs_error_dispose', 'void', [POINTER]);
  const errorSymbols = library.func('fs_error_symbols', 'str', [POINTER]);
  const errorCandidates = library.func('fs_error_candidates', 'str', [POINTER]);
  return {
    library,
    errorKind,
    errorMessage,
    errorDispose,
    check(name, error, known = []) {
      if (error === null) return;
      try {
        if (errorKind(error) !== MISSING_SYMBOLS) {
          throw new LinkError(name, `${name} could not be linked: ${errorMessage(error)}`, []);
        }
        const [missing, candidates]: [string, string] = [errorSymbols(error), errorCandidates(error)];
        throw missingSymbolsError(name, missing.split('\n'), [...candidates.split('\n'), ...known]);
      } finally {
        errorDispose(error);
      }
    },
    runInitialisers: library.func('fs_run_initialisers', POINTER, [POINTER, 'size_t']),
  };
}

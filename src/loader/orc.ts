/** The loader over the ORC shim: koffi declarations of `native-shims/orc-loader/orc_loader.h`, and a Loader. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import PQueue from 'p-queue';
import { LinkError } from '../errors.ts';
import { koffi } from './koffi.ts';
import type { LinkRequest, LoadedImage, Loader, SymbolInfo } from './loader.ts';
import { missingSymbolsError } from './missing-symbols.ts';

/** FS_ABI_VERSION: a shim with another number is refused. */
const ABI_VERSION = 2;

const BUILT_SHIM = '../../native-shims/build/libfromsource_orc.so';

/** A native pointer, as koffi gives it; null for NULL. */
type Pointer = bigint | null;

/** FS_ERROR_…: the kinds that are told apart here. */
const MEMORY_DENIED = 2;
const MISSING_SYMBOLS = 5;

interface Shim {
  errorKind(error: Pointer): number;
  errorMessage(error: Pointer): string;
  errorSymbols(error: Pointer): string;
  errorCandidates(error: Pointer): string;
  errorDispose(error: Pointer): void;
  dylibCreate(session: Pointer, name: string, out: BigUint64Array): Pointer;
  dylibAddObject(dylib: Pointer, bytes: Uint8Array, size: number): Promise<Pointer>;
  dylibInitialize(dylib: Pointer): Pointer;
  dylibSymbols(dylib: Pointer, out: BigUint64Array): Pointer;
  dylibFinalize(dylib: Pointer): Pointer;
  dylibRemove(dylib: Pointer): Pointer;
  bytesInUse(session: Pointer): number | bigint;
  readonly session: Pointer;
}

/**
 * Opens the shim and the process's ORC session.
 *
 * Throws an Error whose message says why this process can't use it, fit to be shown as the reason for falling back on
 * another loader. `shimPath` defaults to `FROMSOURCE_ORC_SHIM`, else to the one that `npm run setup` builds.
 */
export function createOrcLoader(shimPath?: string): OrcLoader {
  return new OrcLoader(openShim(shimPath ?? process.env.FROMSOURCE_ORC_SHIM));
}

/** Links object bytes into this process in memory; the link itself runs on a worker thread. */
export class OrcLoader implements Loader {
  readonly kind = 'orc';
  readonly #shim: Shim;

  constructor(shim: Shim) {
    this.#shim = shim;
  }

  async link(request: LinkRequest): Promise<LoadedImage> {
    const shim = this.#shim;
    const { library, object, signal } = request;
    signal?.throwIfAborted();
    const out = new BigUint64Array(1);
    check(shim, library, shim.dylibCreate(shim.session, library, out));
    const dylib = out[0] ?? null;
    try {
      check(shim, library, await shim.dylibAddObject(dylib, object, object.byteLength));
      signal?.throwIfAborted();
      check(shim, library, shim.dylibInitialize(dylib));
      check(shim, library, shim.dylibSymbols(dylib, out));
      return new OrcImage(shim, library, dylib, parseSymbols(koffi.decode.string(out[0])));
    } catch (error) {
      shim.errorDispose(shim.dylibRemove(dylib));
      throw error;
    }
  }

  /** Bytes of JIT memory that all libraries of this process hold now. */
  get bytesInUse(): number {
    return Number(this.#shim.bytesInUse(this.#shim.session));
  }
}

class OrcImage implements LoadedImage {
  readonly symbols: ReadonlyMap<string, SymbolInfo>;
  readonly #shim: Shim;
  readonly #library: string;
  #dylib: Pointer;

  constructor(shim: Shim, library: string, dylib: Pointer, symbols: ReadonlyMap<string, SymbolInfo>) {
    this.#shim = shim;
    this.#library = library;
    this.#dylib = dylib;
    this.symbols = symbols;
  }

  async dispose(): Promise<void> {
    const dylib = this.#dylib;
    if (dylib === null) return;
    this.#dylib = null;
    const shim = this.#shim;
    const finalised = shim.dylibFinalize(dylib);
    const removed = shim.dylibRemove(dylib);
    try {
      check(shim, this.#library, finalised);
    } finally {
      check(shim, this.#library, removed);
    }
  }
}

/** "<address, hex> <size> <f|d> <name>\n" for each symbol. */
function parseSymbols(text: string): Map<string, SymbolInfo> {
  const symbols = new Map<string, SymbolInfo>();
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start);
    const afterAddress = text.indexOf(' ', start);
    const afterSize = text.indexOf(' ', afterAddress + 1);
    symbols.set(text.slice(afterSize + 3, end), {
      address: BigInt(`0x${text.slice(start, afterAddress)}`),
      kind: text[afterSize + 1] === 'f' ? 'function' : 'data',
      size: Number(text.slice(afterAddress + 1, afterSize)),
    });
    start = end + 1;
  }
  return symbols;
}

/** Throws what the error handle says, and gives it back. */
function check(shim: Shim, library: string, error: Pointer): void {
  if (error === null) return;
  try {
    if (shim.errorKind(error) !== MISSING_SYMBOLS) {
      throw new LinkError(library, `${library} could not be linked: ${shim.errorMessage(error)}`, []);
    }
    const missing = shim.errorSymbols(error).split('\n');
    const candidates = shim.errorCandidates(error).split('\n');
    throw missingSymbolsError(library, missing, candidates);
  } finally {
    shim.errorDispose(error);
  }
}

/** koffi throws at the 257th asynchronous call in flight, and libuv runs 4 of them at a time. */
const links = new PQueue({ concurrency: 16 });

const opened = new Map<string, Shim>();

function openShim(shimPath: string | undefined): Shim {
  const path = shimPath ?? fileURLToPath(new URL(BUILT_SHIM, import.meta.url));
  let shim = opened.get(path);
  if (!shim) {
    if (!existsSync(path)) {
      const name = shimPath ?? BUILT_SHIM.replace('../../', '');
      throw new Error(`the loader shim is not built (${name}): run \`npm run setup\``);
    }
    shim = declareShim(path);
    opened.set(path, shim);
  }
  return shim;
}

function declareShim(path: string): Shim {
  let library: ReturnType<typeof koffi.load>;
  let found: number;
  try {
    library = koffi.load(path);
    found = library.func('fs_abi_version', 'uint32_t', [])();
  } catch (error) {
    throw new Error(`the loader shim could not be opened: ${(error as Error).message}`, { cause: error });
  }
  if (found !== ABI_VERSION) {
    throw new Error(`the loader shim has ABI ${found}, this package needs ${ABI_VERSION}: run \`npm run setup\``);
  }

  // NULL arrives as null, any other pointer as a bigint.
  const pointer = 'void *';
  const addObject = library.func('fs_dylib_add_object', pointer, [pointer, pointer, 'size_t']);
  const createSession = library.func('fs_session_create', pointer, ['uint64_t', pointer]);
  const errorKind = library.func('fs_error_get_kind', 'int', [pointer]);
  const errorMessage = library.func('fs_error_message', 'str', [pointer]);
  const errorDispose = library.func('fs_error_dispose', 'void', [pointer]);

  const out = new BigUint64Array(1);
  const error: Pointer = createSession(0, out);
  if (error !== null) {
    const message: string = errorMessage(error);
    const denied = errorKind(error) === MEMORY_DENIED;
    errorDispose(error);
    throw new Error(denied ? message : `the loader shim could not start: ${message}`);
  }

  return {
    errorKind,
    errorMessage,
    errorDispose,
    errorSymbols: library.func('fs_error_symbols', 'str', [pointer]),
    errorCandidates: library.func('fs_error_candidates', 'str', [pointer]),
    dylibCreate: library.func('fs_dylib_create', pointer, [pointer, 'str', pointer]),
    dylibAddObject: (dylib, bytes, size) =>
      links.add(
        () =>
          new Promise((resolve, reject) => {
            addObject.async(dylib, bytes, size, (failure: unknown, result: Pointer) => {
              if (failure) reject(failure);
              else resolve(result);
            });
          }),
      ),
    dylibInitialize: library.func('fs_dylib_initialize', pointer, [pointer]),
    dylibSymbols: library.func('fs_dylib_symbols', pointer, [pointer, pointer]),
    dylibFinalize: library.func('fs_dylib_finalize', pointer, [pointer]),
    dylibRemove: library.func('fs_dylib_remove', pointer, [pointer]),
    bytesInUse: library.func('fs_session_bytes_in_use', 'uint64_t', [pointer]),
    session: out[0] ?? null,
  };
}

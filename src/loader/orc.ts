/** The loader over the ORC shim: koffi declarations of `native-shims/orc-loader/orc_loader.h`, and a Loader. */

import { koffi } from '../koffi.ts';
import { Turns } from '../turns.ts';
import type { ImageCode, LinkRequest, LoadedImage, Loader, SymbolInfo } from './loader.ts';
import { openShim, POINTER, type Pointer, type ShimLibrary } from './shim.ts';

/** FS_ERROR_MEMORY_DENIED: the one kind that is told apart here. */
const MEMORY_DENIED = 2;

/** What the loader calls of the shim, and the process's session. */
export interface Shim extends Pick<ShimLibrary, 'check' | 'errorDispose'> {
  dylibCreate(session: Pointer, name: string, out: BigUint64Array): Pointer;
  dylibDefine(dylib: Pointer, names: string, addresses: BigUint64Array, count: number): Pointer;
  dylibAddObject(dylib: Pointer, bytes: Uint8Array, size: number): Promise<Pointer>;
  dylibInitialize(dylib: Pointer): Pointer;
  dylibSymbols(dylib: Pointer, out: BigUint64Array): Pointer;
  dylibMayThrow(dylib: Pointer): number;
  dylibCode(dylib: Pointer, out: BigUint64Array): Pointer;
  dylibFinalize(dylib: Pointer): Pointer;
  dylibRemove(dylib: Pointer): Pointer;
  bytesInUse(session: Pointer): number | bigint;
  readonly session: Pointer;
}

/**
 * Opens the shim and the process's ORC session.
 *
 * Throws an Error whose message says why this process can't use it, fit to be shown as the reason for falling back on
 * another loader. `shimPath` defaults to `FROMSOURCE_ORC_SHIM`, else to the one that set-up builds.
 */
export function createOrcLoader(shimPath?: string): OrcLoader {
  return new OrcLoader(sessionOf(openShim(shimPath)));
}

/** The session, opened once; throws as {@link createOrcLoader}. */
export function sessionOf(library: ShimLibrary): Shim {
  let shim = sessions.get(library);
  if (shim === undefined) {
    shim = openSession(library);
    sessions.set(library, shim);
  }
  return shim;
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
    const { library, object, imports, signal } = request;
    signal?.throwIfAborted();
    const out = new BigUint64Array(1);
    shim.check(library, shim.dylibCreate(shim.session, library, out));
    const dylib = out[0] ?? null;
    try {
      if (imports !== undefined && imports.size > 0) {
        const addresses = BigUint64Array.from(imports.values());
        shim.check(library, shim.dylibDefine(dylib, [...imports.keys()].join('\n'), addresses, imports.size));
      }
      shim.check(library, await shim.dylibAddObject(dylib, object, object.byteLength), request.known);
      signal?.throwIfAborted();
      shim.check(library, shim.dylibInitialize(dylib));
      shim.check(library, shim.dylibSymbols(dylib, out));
      return new OrcImage(shim, library, dylib, koffi.decode.string(out[0]));
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

export class OrcImage implements LoadedImage {
  readonly #shim: Shim;
  readonly #library: string;
  /** As the shim gave it; empty from when it is in {@link #symbols}. */
  #text: string;
  #symbols: ReadonlyMap<string, SymbolInfo> | undefined;
  #dylib: Pointer;

  constructor(shim: Shim, library: string, dylib: Pointer, text: string) {
    this.#shim = shim;
    this.#library = library;
    this.#dylib = dylib;
    this.#text = text;
  }

  get symbols(): ReadonlyMap<string, SymbolInfo> {
    if (this.#symbols === undefined) {
      this.#symbols = parseSymbols(this.#text);
      this.#text = '';
    }
    return this.#symbols;
  }

  find(name: string): SymbolInfo | undefined {
    return this.symbols.get(name);
  }

  mayThrow(): boolean {
    return this.#dylib !== null && this.#shim.dylibMayThrow(this.#dylib) !== 0;
  }

  async readCode(): Promise<ImageCode> {
    const { parseCode } = await import('./orc-code.ts');
    if (this.#dylib === null) return { ranges: [], functions: [], lines: [] };
    const out = new BigUint64Array(1);
    this.#shim.check(this.#library, this.#shim.dylibCode(this.#dylib, out));
    return parseCode(koffi.decode.string(out[0]));
  }

  async dispose(): Promise<void> {
    const dylib = this.#dylib;
    if (dylib === null) return;
    this.#dylib = null;
    const shim = this.#shim;
    const finalised = shim.dylibFinalize(dylib);
    const removed = shim.dylibRemove(dylib);
    try {
      shim.check(this.#library, finalised);
    } finally {
      shim.check(this.#library, removed);
    }
  }
}

/** "<address, hex> <size> <f|d> <name>\n" for each symbol. */
export function parseSymbols(text: string): Map<string, SymbolInfo> {
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

/** koffi throws at the 257th asynchronous call in flight, and libuv runs 4 of them at a time. */
const links = new Turns(16);

const sessions = new Map<ShimLibrary, Shim>();

function openSession({ library, check, errorKind, errorMessage, errorDispose }: ShimLibrary): Shim {
  const addObject = library.func('fs_dylib_add_object', POINTER, [POINTER, POINTER, 'size_t']);
  const createSession = library.func('fs_session_create', POINTER, ['uint64_t', POINTER]);

  const out = new BigUint64Array(1);
  const error: Pointer = createSession(0, out);
  if (error !== null) {
    const message: string = errorMessage(error);
    const denied = errorKind(error) === MEMORY_DENIED;
    errorDispose(error);
    throw new Error(denied ? message : `the loader shim could not start: ${message}`);
  }

  return {
    check,
    errorDispose,
    dylibCreate: library.func('fs_dylib_create', POINTER, [POINTER, 'str', POINTER]),
    dylibDefine: library.func('fs_dylib_define', POINTER, [POINTER, 'str', POINTER, 'size_t']),
    dylibAddObject: (dylib, bytes, size) =>
      links.take(
        undefined,
        () =>
          new Promise((resolve, reject) => {
            addObject.async(dylib, bytes, size, (failure: unknown, result: Pointer) => {
              if (failure) reject(failure);
              else resolve(result);
            });
          }),
      ),
    dylibInitialize: library.func('fs_dylib_initialize', POINTER, [POINTER]),
    dylibSymbols: library.func('fs_dylib_symbols', POINTER, [POINTER, POINTER]),
    dylibMayThrow: library.func('fs_dylib_may_throw', 'int', [POINTER]),
    // Declared when it is asked for, which in most programs nobody does.
    dylibCode: (dylib, out) => library.func('fs_dylib_code', POINTER, [POINTER, POINTER])(dylib, out),
    dylibFinalize: library.func('fs_dylib_finalize', POINTER, [POINTER]),
    dylibRemove: library.func('fs_dylib_remove', POINTER, [POINTER]),
    bytesInUse: library.func('fs_session_bytes_in_use', 'uint64_t', [POINTER]),
    session: out[0] ?? null,
  };
}

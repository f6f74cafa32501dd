/** What a lazy library calls of the ORC shim: on the thread that calls it, and on the one that compiles. */

import { koffi } from '../koffi.ts';
import type { SymbolInfo } from './loader.ts';
import { OrcImage, parseSymbols, type Shim, sessionOf } from './orc.ts';
import { openShim, POINTER, type Pointer } from './shim.ts';

/** FS_ERROR_NOT_BUILT: its message is the answer to a request. */
const NOT_BUILT = 8;

interface LazyShim extends Shim {
  makeLazy(dylib: Pointer, requests: number): Pointer;
  addStubs(dylib: Pointer, names: string): Pointer;
  resolve(dylib: Pointer, name: string, out: BigUint64Array): Pointer;
  answer(dylib: Pointer, name: string, failure: string): Pointer;
  /** On the calling thread, at once. */
  addObject(dylib: Pointer, bytes: Uint8Array, size: number): Pointer;
  takeEscape(): string;
  callBegin(session: Pointer, target: bigint, most: number, out: BigUint64Array): Pointer;
  callEnd(entry: bigint): string;
  errorKind(error: Pointer): number;
  errorMessage(error: Pointer): string;
  /** How many calls of this thread ended in an unwinding. */
  readonly escapes: Uint32Array;
}

let opened: LazyShim | undefined;

function lazyShim(): LazyShim {
  if (opened !== undefined) return opened;
  const shim = openShim();
  const { library, errorKind, errorMessage } = shim;
  const escapes: bigint = library.func('fs_escape_count', POINTER, [])();
  opened = {
    ...sessionOf(shim),
    errorKind,
    errorMessage,
    makeLazy: library.func('fs_dylib_make_lazy', POINTER, [POINTER, 'int']),
    addStubs: library.func('fs_dylib_add_stubs', POINTER, [POINTER, 'str']),
    resolve: library.func('fs_dylib_resolve', POINTER, [POINTER, 'str', POINTER]),
    answer: library.func('fs_dylib_answer', POINTER, [POINTER, 'str', 'str']),
    addObject: library.func('fs_dylib_add_object', POINTER, [POINTER, POINTER, 'size_t']),
    takeEscape: library.func('fs_take_escape', 'str', []),
    callBegin: library.func('fs_call_begin', POINTER, [POINTER, 'uint64_t', 'uint64_t', POINTER]),
    callEnd: library.func('fs_call_end', 'str', ['uint64_t']),
    escapes: new Uint32Array(koffi.view(escapes, 4)),
  };
  return opened;
}

/**
 * A dylib without objects, whose requests go to the file descriptor.
 *
 * @throws LinkError
 */
export function createLazyDylib(library: string, requests: number): LazyDylib {
  const shim = lazyShim();
  const out = new BigUint64Array(1);
  shim.check(library, shim.dylibCreate(shim.session, library, out));
  const dylib = out[0] as bigint;
  const refused = shim.makeLazy(dylib, requests);
  if (refused !== null) shim.errorDispose(shim.dylibRemove(dylib));
  shim.check(library, refused);
  return new LazyDylib(shim, library, dylib);
}

/** The dylib, as its library's thread has it. */
export class LazyDylib extends OrcImage {
  readonly address: bigint;
  readonly #shim: LazyShim;
  readonly #library: string;
  #known: ReadonlyMap<string, SymbolInfo> = new Map();
  #length = -1;

  constructor(shim: LazyShim, library: string, address: bigint) {
    super(shim, library, address, '');
    this.#shim = shim;
    this.#library = library;
    this.address = address;
  }

  /** Of what is linked. */
  override get symbols(): ReadonlyMap<string, SymbolInfo> {
    const out = new BigUint64Array(1);
    this.#shim.check(this.#library, this.#shim.dylibSymbols(this.address, out));
    const text = koffi.decode.string(out[0] as bigint);
    // Nothing of it is ever taken back.
    if (text.length !== this.#length) {
      this.#known = parseSymbols(text);
      this.#length = text.length;
    }
    return this.#known;
  }

  /**
   * Waits, with all of the thread, until the name is defined and its initialisers have run. The text of the failure, or
   * null.
   *
   * @throws LinkError when an initialiser throws.
   */
  resolve(name: string): string | null {
    const shim = this.#shim;
    const error = shim.resolve(this.address, name, new BigUint64Array(1));
    if (error === null || shim.errorKind(error) !== NOT_BUILT) {
      shim.check(this.#library, error);
      return null;
    }
    const failure = shim.errorMessage(error);
    shim.errorDispose(error);
    return failure;
  }
}

/** Calls that were left because a function that they call could not be compiled. A failure of '' is none. */
export interface Escapes {
  /** Of this thread, how many. */
  readonly count: Uint32Array;
  /** Why the last one was, once. */
  take(): string;
  /**
   * Gives the address to call for one call on another thread, and what to ask when that has returned; null while there
   * are that many in the process.
   */
  begin(library: string, target: bigint, most: number): { readonly entry: bigint; end(): string } | null;
}

export function escapesOfThread(): Escapes {
  const shim = lazyShim();
  return {
    count: shim.escapes,
    take: shim.takeEscape,
    begin(library, target, most) {
      const out = new BigUint64Array(1);
      shim.check(library, shim.callBegin(shim.session, target, most, out));
      const entry = out[0] as bigint;
      return entry === 0n ? null : { entry, end: () => shim.callEnd(entry) };
    },
  };
}

/** The same dylib on the thread that compiles. Its methods throw LinkError. */
export interface DylibBuilder {
  addStubs(names: readonly string[]): void;
  /** Links on this thread. Runs nothing of the object. */
  add(object: Uint8Array): void;
  answer(name: string, failure: string): void;
}

export function dylibBuilder(library: string, dylib: bigint): DylibBuilder {
  const shim = lazyShim();
  return {
    addStubs: (names) => shim.check(library, shim.addStubs(dylib, names.join('\n'))),
    add: (object) => shim.check(library, shim.addObject(dylib, object, object.byteLength)),
    answer: (name, failure) => shim.check(library, shim.answer(dylib, name, failure)),
  };
}

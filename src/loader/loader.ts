/** The interface of the loader stage: object bytes in, live symbols out. Two implementations: `orc` and `shared-object`. */

import type { LineSections } from '../dwarf-lines.ts';

/** One exported symbol of a library. */
export interface SymbolInfo {
  /** Valid until the library is reloaded or disposed. */
  readonly address: bigint;
  /** `func` takes the one, `variable` the other. */
  readonly kind: 'function' | 'data';
  /** Bytes, as the object's symbol table says; 0 when it does not say. */
  readonly size: number;
}

/** A function of a library, exported or not. */
export interface CodeFunction {
  readonly address: number;
  /** 0 when it is not known. */
  readonly size: number;
  readonly name: string;
}

/** What can be said about the addresses of an image's code. */
export interface ImageCode {
  readonly ranges: readonly { readonly from: number; readonly to: number }[];
  readonly functions: readonly CodeFunction[];
  /** Empty without debug information. */
  readonly lines: readonly LineSections[];
}

export interface LinkRequest {
  /** The library's name, for errors and debuggers only. */
  readonly library: string;
  readonly object: Uint8Array;
  /** Decides whether the C++ runtime is linked in. */
  readonly language: 'c' | 'c++';
  /** The compiler driver that links for the shared-object loader. */
  readonly compilerPath: string;
  /**
   * The address of each name that another library defines. Names that the object does not use are ignored; those
   * libraries must stay open as long as what is linked.
   */
  readonly imports?: ReadonlyMap<string, bigint> | undefined;
  /** The shared objects that some of them are in, which are open: at the end of the process they go after what is linked. */
  readonly needs?: readonly string[] | undefined;
  /** Names of other libraries, of which a missing one may be a misspelling. */
  readonly known?: readonly string[] | undefined;
  /** Of the linker's process, if one is needed, as `os.setPriority` takes it. Default 0. */
  readonly priority?: number;
  /** Called off before the initialisers run, none of them does. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Code and data of one generation, live in this process.
 *
 * The initialisers (`.init_array`) have run when `link` resolves, on the calling thread.
 */
export interface LoadedImage {
  /** One exported symbol, without reading the table of all where that can be helped; a function's size may be 0 then. */
  find(name: string): SymbolInfo | undefined;
  /** Whether C++ exceptions may leave its functions: it, or what it is linked to, needs what throws or unwinds. */
  mayThrow(): boolean;
  /** All exported symbols; made at its first use. */
  readonly symbols: ReadonlyMap<string, SymbolInfo>;
  /** Another object whenever there is more code; by default there never is. */
  readonly codeKey?: object;
  /**
   * Read when it is asked for, and kept by nobody. Of an image whose file is gone only what it exports.
   *
   * @throws RangeError when debug information is damaged.
   */
  readCode(): Promise<ImageCode>;
  /**
   * Runs the finalisers (`.fini_array`, `atexit` and `__cxa_atexit` handlers) once, on the calling thread, and gives
   * the memory back. No call into the image may be in flight, and none may follow.
   */
  dispose(): Promise<void>;
}

export interface Loader {
  readonly kind: 'orc' | 'shared-object';
  /** Throws LinkError, or the signal's reason. On failure nothing of the object stays behind. */
  link(request: LinkRequest): Promise<LoadedImage>;
}

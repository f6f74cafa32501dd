/** The path of a lazy library: nothing is compiled; functions are when they are called. */

import { performance } from 'node:perf_hooks';
import type { Call, FunctionSlot } from './bindings/bind.ts';
import type { CacheReport } from './cache/lookup.ts';
import { BindingError, type Diagnostic, LinkError } from './errors.ts';
import type { Generation, Live } from './generation.ts';
import { errorOf } from './lazy-failure.ts';
import { compileThread } from './lazy-thread.ts';
import type { LoadedImage, SymbolInfo } from './loader/loader.ts';
import { createLazyDylib, escapesOfThread, type LazyDylib } from './loader/orc-lazy.ts';
import { selectLoader } from './loader/select.ts';
import type { ResolvedSpec } from './options.ts';
import { discoverToolchain } from './toolchain/discover.ts';

/** What a library whose code comes later is beside its image. */
export interface Lazy {
  /** Points the slot at what compiles when it is called, and then at the function. */
  bind(slot: FunctionSlot, generation: Generation): void;
  /** Functions that were called: what a new generation must have before it takes the place of this one. */
  readonly called: ReadonlySet<string>;
  /**
   * Compiles and links; initialisers run at the call.
   *
   * @throws CompileError, CompileLimitError, LinkError, SymbolNotFoundError
   */
  prepare(names: Iterable<string>): Promise<void>;
  /** Is told of files that turned out to be read. */
  onRead: (files: readonly string[]) => void;
}

const NOTHING: CacheReport = { status: 'hit', reason: 'nothing was compiled yet' };

/**
 * @throws LinkError when the ORC loader can't be had, which calls of functions that are not there need; as a load does
 * for what is wrong with the spec.
 */
export async function openLazy(spec: ResolvedSpec): Promise<Live & { readonly lazy: Lazy }> {
  const { name: library, compiler } = spec;
  const toolchain = await discoverToolchain({ library, compiler });
  const { report } = selectLoader(library, spec.loader, toolchain.kind);
  if (report.kind !== 'orc') {
    throw new LinkError(library, `${library}: \`lazy\` needs the orc loader, and ${report.reason}`, []);
  }
  const thread = await compileThread();
  const found = performance.now();
  const dylib = createLazyDylib(library, thread.requests);
  const diagnostics: Diagnostic[] = [];
  let cached: CacheReport = spec.cache === null ? { status: 'off', reason: 'it is turned off' } : NOTHING;
  let dependencies: readonly string[] = [];
  const lazy = new LazyFunctions(library, dylib, (names) => thread.provide(dylib.address, names));
  try {
    dependencies = await thread.open(dylib.address, spec, (linked) => {
      diagnostics.push(...linked.diagnostics);
      cached = linked.cache;
      lazy.onRead(linked.dependencies);
    });
  } catch (error) {
    await dylib.dispose();
    throw error;
  }
  const image: LoadedImage = {
    find: (name) => lazy.find(name),
    get symbols() {
      return dylib.symbols;
    },
    readCode: () => dylib.readCode(),
    async dispose() {
      await thread.close(dylib.address);
      await dylib.dispose();
    },
  };
  return { image, loader: report, diagnostics, dependencies, found, made: found, cache: () => cached, lazy };
}

class LazyFunctions implements Lazy {
  readonly called = new Set<string>();
  onRead: (files: readonly string[]) => void = () => {};
  readonly #library: string;
  readonly #dylib: LazyDylib;
  readonly #provide: (names: readonly string[]) => Promise<void>;
  readonly #escapes = escapesOfThread();

  constructor(library: string, dylib: LazyDylib, provide: (names: readonly string[]) => Promise<void>) {
    this.#library = library;
    this.#dylib = dylib;
    this.#provide = provide;
  }

  /** Waits for it with all of the thread; undefined for a name that is for the library itself. */
  find(name: string): SymbolInfo | undefined {
    const failure = this.#dylib.resolve(name);
    if (failure !== null) throw errorOf(failure);
    return this.#dylib.symbols.get(name);
  }

  prepare(names: Iterable<string>): Promise<void> {
    return this.#provide([...names]);
  }

  bind(slot: FunctionSlot, generation: Generation): void {
    const { name } = slot.prototype;
    const arrive = (): Call => {
      const symbol = this.find(name);
      if (symbol?.kind !== 'function') {
        const where = { function: name, parameter: null, type: '' };
        const what = symbol === undefined ? 'is hidden' : 'is data, not a function; use `variable`';
        throw new BindingError(this.#library, `${this.#library}: \`${name}\` ${what}`, where);
      }
      this.called.add(name);
      slot.retarget(symbol.address, generation, (call) => this.#guard(call) as Call);
      return slot.target;
    };
    const first: Call = (...args) => arrive()(...args);
    first.async = (...args) => {
      const done = args.pop();
      this.#provide([name]).then(
        () => {
          try {
            (arrive().async as (...args: any[]) => void)(...args, done);
          } catch (error) {
            done(error);
          }
        },
        (error) => done(error),
      );
    };
    slot.defer(first, generation);
  }

  /** A function that calls one which can't be compiled is left at once, and gives 0: here that becomes the error. */
  #guard(call: Call) {
    const { count, take } = this.#escapes;
    const guarded: Call = (...args) => {
      const before = count[0];
      const result = call(...args);
      if (count[0] !== before) {
        // Empty where the one that was left is further in, and has said so.
        const failure = take();
        if (failure !== '') throw errorOf(failure);
      }
      return result;
    };
    return Object.assign(guarded, { async: call.async });
  }
}

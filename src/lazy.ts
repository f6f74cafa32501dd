/** The path of a lazy library: nothing is compiled; functions are when they are called. */

import { performance } from 'node:perf_hooks';
import type { Call, FunctionSlot } from './bindings/bind.ts';
import type { CallGuards, Done, StartAsync } from './bindings/guard.ts';
import type { CacheReport } from './cache/lookup.ts';
import { openCache } from './cache/open.ts';
import { BindingError, type Diagnostic, LinkError, SymbolNotFoundError } from './errors.ts';
import type { Generation, Live } from './generation.ts';
import { errorOf } from './lazy-failure.ts';
import type { Wanted } from './lazy-server.ts';
import { compileThread } from './lazy-thread.ts';
import type { LoadedImage, SymbolInfo } from './loader/loader.ts';
import { createLazyDylib, escapesOfThread, type LazyDylib } from './loader/orc-lazy.ts';
import { selectLoader } from './loader/select.ts';
import type { ResolvedSpec } from './options.ts';
import { discoverToolchain } from './toolchain/discover.ts';
import { Turns } from './turns.ts';

/** What a library whose code comes later is beside its image. */
export interface Lazy {
  /** Points the slot at what compiles when it is called, and then at the function. */
  bind(slot: FunctionSlot, generation: Generation): void;
  /** Functions that JavaScript has called: a new generation must have them before it takes the place of this one. */
  readonly called: ReadonlySet<string>;
  /** Paths of files that were compiled, also for calls of native code. */
  readonly linked: ReadonlySet<string>;
  /**
   * Compiles and links what the generation before has, as far as it is still there; initialisers run at the call.
   *
   * @throws CompileError, CompileLimitError, LinkError
   */
  prepare(previous: Pick<Lazy, 'called' | 'linked'> | undefined): Promise<void>;
  /** Is told of files that turned out to be read. */
  onRead: (files: readonly string[]) => void;
  /** Is told what no call can throw: a thread of the library's own has ended for it. */
  onFailed: (error: Error) => void;
}

/**
 * A call that waits for a compile keeps one of libuv's threads, which all threads of the process share, and the compile
 * may need one. As libuv reads the variable: what is no number is 1.
 */
const { UV_THREADPOOL_SIZE = '4' } = process.env;
const MOST_CALLS = Math.max(1, Number.parseInt(UV_THREADPOOL_SIZE, 10) || 1) - 1;
const calls = new Turns(Math.max(1, MOST_CALLS));
/** Until it is looked again whether calls of other threads have ended. */
const RETRY_MS = 5;

const ONE_THREAD =
  "an asynchronous call needs one of libuv's threads and its compile another, and UV_THREADPOOL_SIZE allows one; set it to 2 or more";

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
  const cache = openCache(spec.cache, spec.unsafeFlags);
  let cached = cache.store === null ? cache.off : NOTHING;
  let dependencies: readonly string[] = [];
  const lazy = new LazyFunctions(library, dylib, (wanted) => thread.provide(dylib.address, wanted));
  try {
    dependencies = await thread.open(dylib.address, spec, {
      onLinked(linked) {
        diagnostics.push(...linked.diagnostics);
        cached = linked.cache;
        for (const path of linked.paths) lazy.linked.add(path);
        lazy.onRead(linked.dependencies);
      },
      onFailed: (failure) => lazy.onFailed(errorOf(failure, library)),
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
    get codeKey() {
      return dylib.symbols;
    },
    // What is compiled later may.
    mayThrow: () => true,
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
  readonly linked = new Set<string>();
  onRead: (files: readonly string[]) => void = () => {};
  onFailed: (error: Error) => void = (error) => process.emitWarning(error);
  readonly #library: string;
  readonly #dylib: LazyDylib;
  readonly #provide: (wanted: Wanted) => Promise<void>;
  readonly #escapes = escapesOfThread();

  constructor(library: string, dylib: LazyDylib, provide: (wanted: Wanted) => Promise<void>) {
    this.#library = library;
    this.#dylib = dylib;
    this.#provide = provide;
  }

  /** Waits for it with all of the thread; undefined for a name that is for the library itself. */
  find(name: string): SymbolInfo | undefined {
    const failure = this.#dylib.resolve(name);
    if (failure !== null) throw errorOf(failure, this.#library);
    return this.#dylib.symbols.get(name);
  }

  async prepare(previous: Pick<Lazy, 'called' | 'linked'> | undefined): Promise<void> {
    const prepareOne = async (name: string): Promise<void> => {
      try {
        await this.#provide({ name });
      } catch (error) {
        // Whether that is wrong, whoever has the functions knows.
        if (!(error instanceof SymbolNotFoundError)) throw error;
      }
      this.called.add(name);
    };
    const { called = [], linked = [] } = previous ?? {};
    await Promise.all([...[...linked].map((path) => this.#provide({ path })), ...[...called].map(prepareOne)]);
  }

  bind(slot: FunctionSlot, generation: Generation): void {
    const { name } = slot.prototype;
    const arrive = (): Call => {
      const symbol = this.find(name);
      const library = this.#library;
      if (symbol === undefined) {
        throw new SymbolNotFoundError(library, `${library} exports no \`${name}\`: it is hidden`, name, []);
      }
      if (symbol.kind !== 'function') {
        const where = { function: name, parameter: null, type: slot.prototype.name };
        throw new BindingError(library, `${library}: \`${name}\` is data, not a function; use \`variable\``, where);
      }
      this.called.add(name);
      const call = this.#guard(slot, symbol.address, generation.guards);
      // Else it was reloaded or disposed while this waited, and goes elsewhere by now.
      if (slot.target === first) slot.redirect(call, generation);
      return call;
    };
    const first: Call = (...args) => arrive()(...args);
    first.async = (...args) => {
      const done = args.pop();
      this.#provide({ name }).then(
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
    slot.redirect(first, generation);
  }

  /** A function that calls one which can't be compiled is left at once, and gives 0: here that becomes the error. */
  #guard(slot: FunctionSlot, address: bigint, guards: CallGuards | null): Call {
    const { count, take, begin } = this.#escapes;
    const library = this.#library;
    const entries = new Map<bigint, Call>();
    const start: StartAsync = (target, args, done) => {
      let begun: ReturnType<typeof begin>;
      try {
        if (MOST_CALLS === 0) throw new LinkError(library, `${library}: ${ONE_THREAD}`, []);
        begun = begin(library, target, MOST_CALLS);
      } catch (error) {
        done(error);
        return;
      }
      if (begun === null) {
        setTimeout(start, RETRY_MS, target, args, done);
        return;
      }
      const { entry, end } = begun;
      const through = entries.get(entry) ?? slot.at(entry);
      entries.set(entry, through);
      through.async?.(...args, (error: Error | null, result: unknown) => {
        const failure = end();
        done(failure === '' ? error : errorOf(failure, library), result);
      });
    };
    const call = guards === null ? slot.at(address) : guards.bind(slot.prototype, address, start);
    const startOne = (args: any[], done: Done) =>
      guards === null ? start(address, args, done) : call.async?.(...args, done);
    const guarded = (...args: any[]): unknown => {
      const before = count[0];
      const result = call(...args);
      if (count[0] !== before) {
        // Empty where the one that was left is further in, and has said so.
        const failure = take();
        if (failure !== '') throw errorOf(failure, library);
      }
      return result;
    };
    return Object.assign(guarded, {
      async: (...args: any[]) => {
        const done: Done = args.pop();
        const run = () =>
          new Promise<void>((leave) => {
            startOne(args, (error, result) => {
              leave();
              done(error, result);
            });
          });
        calls.take(undefined, run).catch(done);
      },
    });
  }
}

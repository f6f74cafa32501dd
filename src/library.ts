/** A loaded library: what callers hold. */

import { EventEmitter } from 'node:events';
import { type BoundFunction, FunctionSlot, readVariable, writeVariable } from './bindings/bind.ts';
import { parsePrototype, parseVariable, sizeOf, type Variable } from './bindings/prototype.ts';
import type { FunctionOf, VariableOf } from './bindings/prototype-types.ts';
import type { CacheReport } from './cache/lookup.ts';
import {
  BindingError,
  CompileError,
  type Diagnostic,
  DisposedError,
  LinkError,
  ReloadError,
  SymbolNotFoundError,
} from './errors.ts';
import type { EvaluateOptions } from './evaluate/evaluate.ts';
import type { SnippetValue } from './evaluate/value.ts';
import { type Build, Generation, type Timings } from './generation.ts';
import { Importers } from './importers.ts';
import { HOLD, type Hold, type Linkable } from './linking.ts';
import type { LlvmModule } from './llvm-module.ts';
import type { SymbolInfo } from './loader/loader.ts';
import type { LoaderReport } from './loader/select.ts';
import { nearNames } from './near-names.ts';
import { type ResolvedSpec, withChanges } from './options.ts';
import type { Watcher } from './reload/watch.ts';
import { type ResolvedSymbol, resolvedSymbols } from './resolved-symbols.ts';

/** What {@link SourceLibrary.reload} may change; what is left out stays as it is. Files are read again. */
export interface ReloadChanges {
  /** New text; only for a library that was loaded from `source`. */
  readonly source?: string;
  /** New LLVM IR; only for a library that was loaded from `ir`. */
  readonly ir?: string | Uint8Array | LlvmModule;
  /** Flags in place of all those before. */
  readonly flags?: readonly string[];
}

/** A variable of a library. It stays valid over reloads; the value is the current generation's. */
export interface LibraryVariable<T> {
  /** Reads or writes the memory, now. */
  value: T;
  /** Where the current generation keeps it. */
  readonly address: bigint;
}

/** How {@link SourceLibrary.dispose} treats libraries that are linked to it. */
export interface DisposeOptions {
  /** Dispose them too, first. Default false: they are a reason to refuse. */
  readonly importers?: boolean;
}

/** The events of a {@link SourceLibrary}. */
export interface LibraryEvents {
  /** All functions reach the new code. */
  reload: [{ readonly generation: number; readonly timings: Timings }];
  /**
   * A reload failed; the old code stays callable. Or, in a lazy library, a thread of its own has ended, because it called
   * what can't be compiled. Without a listener there is a warning on stderr instead.
   */
  error: [Error];
}

function assertString(what: string, value: unknown): void {
  if (typeof value !== 'string') {
    throw new TypeError(`Expected \`${what}\` to be a string, got \`${String(value)}\` (${typeof value})`);
  }
}

/** Runs the path for a spec; given by whoever makes the library. */
export type BuildSpec = (spec: ResolvedSpec) => Promise<Build>;

/**
 * A library made from source, live in this process.
 *
 * Its code is owned by this object: {@link dispose} frees it, and every function that was taken from it throws
 * {@link DisposedError} from then on.
 */
export class SourceLibrary extends EventEmitter<LibraryEvents> implements AsyncDisposable, Linkable {
  /** The label it was loaded under. */
  readonly name: string;
  readonly #build: BuildSpec;
  readonly #functions = new Map<string, FunctionSlot>();
  /** Made with the first reload: node takes 60 µs for it, the first time. */
  #abort: AbortController | undefined;
  #spec: ResolvedSpec;
  #generation: Generation;
  #watcher: Watcher | undefined;
  /** Generations that calls may still be in. */
  readonly #retiring = new Set<Promise<void>>();
  #reloading: Promise<unknown> = Promise.resolve();
  #disposing: Promise<void> | undefined;
  #onDispose: (() => void) | undefined;
  readonly #importers = new Importers();

  /** @internal Libraries come from `loadSourceLibrary`. */
  constructor(spec: ResolvedSpec, build: BuildSpec, first: Build, onDispose?: () => void) {
    super();
    this.name = spec.name;
    this.#spec = spec;
    this.#build = build;
    this.#onDispose = onDispose;
    this.#generation = new Generation(spec.name, first, 1);
    this.#own(first);
    this.#generation.goLive();
  }

  /** Tells the libraries that the build is linked to whose it is. */
  #own({ holds, lazy }: Build): void {
    for (const hold of holds ?? []) hold.owner = this;
    if (lazy === undefined) return;
    lazy.onRead = (files) => this.#watcher?.add(files);
    lazy.onFailed = (error) => this.#report(error);
  }

  /** @internal Resolves when every later change of a file that the compile read will be seen. */
  async watch(): Promise<void> {
    // Loaded when asked for: chokidar would add 10 ms to the start of every program that doesn't watch.
    const { watchFiles } = await import('./reload/watch.ts');
    const { dependencies, before } = this.#generation.build;
    const { input } = this.#spec;
    const watchMore = input.kind === 'files' ? (await import('./watch-files-input.ts')).patternsOf(input) : undefined;
    this.#watcher = await watchFiles(dependencies, before, () => this.#reloadWatched(), watchMore);
  }

  /**
   * A function, typed by a C prototype: `library.func('int add(int a, int b)')`.
   *
   * The same prototype gives the same function. It stays valid over reloads. `const char *` is text; any other pointer
   * takes a Buffer, a typed array, a bigint address or null, one to numbers also an array, which is copied in and not
   * back; it comes back as a bigint, or null for NULL.
   *
   * Of a lazy library nothing is looked up: its first call compiles, and throws what is wrong.
   *
   * @throws BindingError for a prototype that can't be read or a type that can't be passed.
   * @throws SymbolNotFoundError when the library exports no such symbol.
   * @throws DisposedError
   */
  func<const P extends string>(prototype: P): BoundFunction<FunctionOf<P>>;
  func(prototype: string): BoundFunction<(...args: any[]) => any> {
    this.#assertLive();
    assertString('prototype', prototype);
    const known = this.#functions.get(prototype);
    if (known !== undefined) return known.callable;
    const parsed = parsePrototype(this.name, prototype);
    const slot = new FunctionSlot(parsed);
    const { lazy } = this.#generation.build;
    if (lazy === undefined) {
      const symbol = this.#symbol(parsed.name);
      if (symbol.kind !== 'function') {
        throw this.#bindingError(parsed.name, prototype, 'is data, not a function; use `variable`');
      }
      slot.retarget(symbol.address, this.#generation);
    } else lazy.bind(slot, this.#generation);
    this.#functions.set(prototype, slot);
    return slot.callable;
  }

  /**
   * A variable, typed by its C declaration: `library.variable('int counter').value += 1`.
   *
   * @throws BindingError, SymbolNotFoundError, DisposedError as {@link func}; reading and writing throw the last two.
   */
  variable<const D extends string>(declaration: D): LibraryVariable<VariableOf<D>>;
  variable(declaration: string): LibraryVariable<unknown> {
    this.#assertLive();
    assertString('declaration', declaration);
    const variable = parseVariable(this.name, declaration);
    const address = (): bigint => {
      this.#assertLive();
      return this.#variable(variable, declaration).address;
    };
    const assertWritable = (): void => {
      if (!variable.constant) return;
      throw this.#bindingError(
        variable.name,
        declaration,
        'is declared `const` and may lie in memory that is read-only',
      );
    };
    address();
    return {
      get address() {
        return address();
      },
      get value() {
        return readVariable(address(), variable.type);
      },
      set value(value) {
        assertWritable();
        writeVariable(address(), variable.type, value);
      },
    };
  }

  /**
   * Compiles a snippet of C or C++ that sees all that the library's source declares, runs it on the calling thread, and
   * gives its value: that of an expression, as {@link func} would return it, and undefined after statements and
   * declarations. Functions, types, macros and variables that a snippet defines are there for later ones, until the
   * library is reloaded. Snippets of one library run one after the other; one that fails to compile leaves nothing.
   *
   * @throws CompileError with places in the snippet, BindingError for a value that JavaScript does not have, LinkError,
   * CompileLimitError, ToolchainError without the resident compiler, NativeError for a C++ exception that leaves it,
   * SourceLibraryError with code `ERR_SOURCE_CHANGED`
   * when a file of the source is not what the code was made from, TypeError, DisposedError, the signal's reason.
   *
   * @example
   * await library.evaluate('int twice = add(2, 3) * 2;');
   * await library.evaluate('twice + 1'); // 11
   */
  async evaluate(snippet: string, options: EvaluateOptions = {}): Promise<SnippetValue> {
    this.#assertLive();
    const { evaluate } = await import('./evaluate/evaluate.ts');
    const current = () => {
      this.#assertLive();
      return { generation: this.#generation, spec: this.#spec };
    };
    return evaluate(this, current, snippet, options);
  }

  /**
   * Where an exported symbol lives. Valid until the next reload or dispose.
   *
   * @throws SymbolNotFoundError with the near names, DisposedError
   */
  address(symbol: string): bigint {
    this.#assertLive();
    assertString('symbol', symbol);
    return this.#symbol(symbol).address;
  }

  /** The exported symbols of the current generation, by name; of a lazy library as far as it is compiled. Throws DisposedError. */
  get symbols(): ReadonlyMap<string, SymbolInfo> {
    this.#assertLive();
    return this.#generation.symbols;
  }

  /** Which loader the library lives in and, when it isn't `orc`, why. */
  get loader(): LoaderReport {
    return this.#generation.build.loader;
  }

  /**
   * What the cache did for the current generation. Right after a load a miss may turn into `off`, when it was found that
   * the compile can't be kept, such as one with `__TIME__`.
   */
  get cache(): CacheReport {
    return this.#generation.build.cache();
  }

  /** What the option `resolve` found for the current generation, by name; empty where it had nothing to look for. */
  get resolved(): readonly ResolvedSymbol[] {
    return resolvedSymbols(this.#generation.build.imports);
  }

  /** Milliseconds per stage of the current generation's load. */
  get timings(): Timings {
    return this.#generation.timings;
  }

  /** What the compiler warned of in the current generation's source. `-Wall` in `flags` asks for more, `-w` for nothing. */
  get diagnostics(): readonly Diagnostic[] {
    return this.#generation.build.diagnostics;
  }

  /** 1 after the load; each reload adds one. */
  get generation(): number {
    return this.#generation.number;
  }

  /** Whether {@link dispose} was called. */
  get disposed(): boolean {
    return this.#disposing !== undefined;
  }

  /**
   * Compiles and links the library anew and swaps all its functions at once. Static data starts afresh.
   *
   * The promise resolves when the new code is live. The old code is freed when no call is in it; its destructors run
   * then. When anything fails the old code stays callable, and an `error` event tells listeners too. Reloads of one
   * library run one after the other.
   *
   * @throws CompileError, CompileLimitError, LinkError as a load does.
   * @throws ReloadError when a function that was handed out is not in the new code.
   * @throws TypeError for a change that does not go with the input, and for any reload of a `sharedLibrary`; DisposedError
   */
  async reload(changes: ReloadChanges = {}): Promise<void> {
    this.#assertLive();
    // A wrong change is the caller's mistake, not an event of the library.
    withChanges(this.#spec, changes);
    try {
      await this.#enqueue(changes);
    } catch (error) {
      if (!this.disposed && this.listenerCount('error') > 0) this.emit('error', error as Error);
      throw error;
    }
  }

  /**
   * Ends the library: its functions throw {@link DisposedError} from now on. Resolves when asynchronous calls that are
   * in flight have returned, the finalisers have run, and the memory is freed. Further calls give the same promise.
   *
   * @throws LibraryInUseError when other libraries are linked to this one, unless it is told to take them along; the
   * library stays as it is then.
   */
  dispose({ importers = false }: DisposeOptions = {}): Promise<void> {
    if (this.#disposing !== undefined) return this.#disposing;
    const refusal = this.#importers.refusal(this.name, importers);
    if (refusal !== null) return Promise.reject(refusal);
    this.#disposing = this.#end();
    return this.#disposing;
  }

  /** @internal Keeps the current code for a library that is linked to it. */
  [HOLD](importer: string): Hold {
    this.#assertLive();
    if (this.#spec.lazy) {
      throw new LinkError(importer, `${this.name} can't be linked to: it is lazy, and its symbols are not known`, []);
    }
    return this.#importers.hold(this.#generation, importer);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #end(): Promise<void> {
    this.#abort?.abort(new DisposedError(this.name));
    for (const slot of this.#functions.values()) slot.disable(() => new DisposedError(this.name));
    this.#onDispose?.();
    await this.#watcher?.close();
    await this.#reloading;
    // Their finalisers may call into this one.
    await this.#importers.dispose();
    this.#retire(this.#generation);
    await Promise.all(this.#retiring);
  }

  #retire(generation: Generation): void {
    const retiring = generation.retire().finally(() => this.#retiring.delete(retiring));
    this.#retiring.add(retiring);
    // `dispose` hears of a finaliser that failed; after a reload nobody else would.
    retiring.catch((error: Error) => {
      if (!this.disposed) process.emitWarning(error);
    });
  }

  async #enqueue(changes: ReloadChanges): Promise<void> {
    const reload = this.#reloading.then(() => this.#replace(changes));
    this.#reloading = reload.catch(() => {});
    await reload;
  }

  async #replace(changes: ReloadChanges): Promise<void> {
    this.#assertLive();
    const spec = withChanges(this.#spec, changes);
    this.#abort ??= new AbortController();
    const build = await this.#build({ ...spec, signal: this.#abort.signal });
    this.#own(build);
    const next = new Generation(this.name, build, this.#generation.number + 1);
    try {
      // What runs now must run afterwards, so that a failure leaves the old code.
      await build.lazy?.prepare(this.#generation.build.lazy);
      this.#assertLive();
      this.#assertReplaces(next);
    } catch (error) {
      await next.retire();
      throw error;
    }

    const previous = this.#generation;
    for (const slot of this.#functions.values()) {
      if (build.lazy !== undefined) build.lazy.bind(slot, next);
      else slot.retarget((next.find(slot.prototype.name) as SymbolInfo).address, next);
    }
    this.#generation = next;
    next.goLive();
    this.#spec = spec;
    this.#watcher?.replace(build.dependencies);
    // Waiting for calls that are in flight would hold the next reload up.
    this.#retire(previous);
    this.#announce({ generation: next.number, timings: next.timings });
  }

  /** What a listener throws is an uncaught exception, as with any emitter, and no failure of the reload. */
  #announce(event: LibraryEvents['reload'][0]): void {
    try {
      this.emit('reload', event);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }

  /** A function in the program's hands must not lose its code. */
  #assertReplaces(next: Generation): void {
    const reasons: string[] = [];
    const { lazy } = this.#generation.build;
    for (const { prototype } of this.#functions.values()) {
      // What was not called yet fails at its call.
      if (lazy !== undefined && !lazy.called.has(prototype.name)) continue;
      const symbol = lazy === undefined ? next.find(prototype.name) : next.symbols.get(prototype.name);
      if (symbol === undefined) reasons.push(`\`${prototype.name}\` is in use and the new code has no such symbol`);
      else if (symbol.kind !== 'function')
        reasons.push(`\`${prototype.name}\` is in use and the new code makes it data`);
    }
    if (reasons.length > 0) {
      const message = `${this.name}: not reloaded, the old code stays: ${reasons.join('; ')}`;
      throw new ReloadError(this.name, message, reasons);
    }
  }

  async #reloadWatched(): Promise<void> {
    if (this.disposed) return;
    try {
      await this.#enqueue({});
    } catch (error) {
      if (this.disposed) return;
      // The cure may be in a file that no earlier compile read.
      if (error instanceof CompileError) this.#watcher?.add(error.diagnostics.map((diagnostic) => diagnostic.file));
      this.#report(error as Error);
    }
  }

  #report(error: Error): void {
    if (this.listenerCount('error') > 0) this.emit('error', error);
    else process.emitWarning(error);
  }

  #symbol(name: string): SymbolInfo {
    const symbol = this.#generation.find(name);
    if (symbol !== undefined) return symbol;
    throw this.#notFound(name);
  }

  #variable(variable: Variable, declaration: string): SymbolInfo {
    const symbol = this.#symbol(variable.name);
    if (symbol.kind !== 'data') {
      throw this.#bindingError(variable.name, declaration, 'is a function, not data; use `func`');
    }
    const size = sizeOf(variable.type);
    if (symbol.size > 0 && symbol.size < size) {
      const sizes = `has ${symbol.size} bytes, and what \`${declaration}\` declares has ${size}`;
      throw this.#bindingError(variable.name, declaration, sizes);
    }
    return symbol;
  }

  #bindingError(name: string, type: string, reason: string): BindingError {
    const where = { function: name, parameter: null, type };
    return new BindingError(this.name, `${this.name}: \`${name}\` ${reason}`, where);
  }

  #notFound(name: string): SymbolNotFoundError {
    const names = [...this.#generation.symbols.keys()];
    // `_Z3addii` is how C++ spells `add(int, int)`.
    const mangled = names.find((each) => each.startsWith('_Z') && each.includes(`${name.length}${name}`));
    const near = mangled === undefined ? nearNames(name, names) : [mangled];
    const hint =
      mangled !== undefined
        ? `; C++ exports it as \`${mangled}\`: declare it \`extern "C"\``
        : near.length > 0
          ? `; did you mean \`${near.join('`, `')}\`?`
          : names.length === 0
            ? '; it exports nothing: is everything `static`, or an implementation macro not defined?'
            : '';
    return new SymbolNotFoundError(this.name, `${this.name} exports no \`${name}\`${hint}`, name, near);
  }

  #assertLive(): void {
    if (this.disposed) throw new DisposedError(this.name);
  }
}

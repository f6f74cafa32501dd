/**
 * The files of one lazy library, on the thread that compiles: finds the file that defines a name, compiles and links it.
 *
 * Which file that is only a compile can tell. So the files are compiled in the order in which their texts make it likely,
 * until one defines the name: those that look like defining it, those that have the word, all others.
 */

import { readFileSync } from 'node:fs';
import type { CacheReport } from './cache/lookup.ts';
import type { OpenedCache } from './cache/open.ts';
import { type FileObject, objectOf, reportOf } from './compile-files.ts';
import { type DefinitionKind, findDefinitions, identifiersOf, nameOf } from './definitions.ts';
import { readLinkSymbols } from './elf.ts';
import { type Diagnostic, LinkError, SymbolNotFoundError } from './errors.ts';
import { identityOf } from './file-identity.ts';
import { allOrFailure } from './files-failure.ts';
import type { PlannedFile } from './files-plan.ts';
import { mergeObjects } from './loader/merge-objects.ts';
import type { DylibBuilder } from './loader/orc-lazy.ts';
import { nearNames } from './near-names.ts';
import type { ResolvedSpec } from './options.ts';
import { hasChangedSince, type Snapshot, takeSnapshot } from './reload/snapshot.ts';
import type { Toolchain } from './toolchain/discover.ts';

/** A compile's result, until it is linked. */
interface Made {
  readonly compiled: FileObject;
  readonly before: Snapshot;
  readonly defined: ReadonlySet<string>;
  /** Of C, where each is a default that another file may replace; in C++ most are alike in all files. */
  readonly weak: ReadonlySet<string>;
  /** Weak references too: a definition satisfies them. */
  readonly needed: readonly string[];
}

interface LazyFile extends PlannedFile {
  /** Of the text that {@link definitions} were found in. */
  identity: string;
  definitions: ReadonlyMap<string, DefinitionKind>;
  compiling: Promise<Made> | undefined;
  /** Until it is linked. */
  made: Made | undefined;
  isLinked: boolean;
}

/** What the library's own thread is told of each link. */
export interface LinkedFiles {
  readonly paths: readonly string[];
  readonly dependencies: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
  /** Of all files that were compiled so far. */
  readonly cache: CacheReport;
}

export interface LazyPlan {
  readonly spec: ResolvedSpec;
  readonly toolchain: Toolchain;
  readonly cache: OpenedCache;
  readonly files: readonly PlannedFile[];
}

const UNTOUCHED = { compiling: undefined, made: undefined, isLinked: false };

export class LazyLibrary {
  readonly #plan: LazyPlan;
  readonly #dylib: DylibBuilder;
  readonly #files: readonly LazyFile[];
  readonly #onLinked: (linked: LinkedFiles) => void;
  readonly #linked = new Set<string>();
  readonly #compiled: { readonly path: string; readonly reason: string | null }[] = [];
  /** One file is linked after the other. */
  #linking: Promise<unknown> = Promise.resolve();

  constructor(plan: LazyPlan, dylib: DylibBuilder, onLinked: (linked: LinkedFiles) => void) {
    this.#plan = plan;
    this.#dylib = dylib;
    this.#onLinked = onLinked;
    this.#files = plan.files.map((file) => ({ ...file, ...readText(file), ...UNTOUCHED }));
  }

  /**
   * Resolves when the name is linked.
   *
   * @throws SymbolNotFoundError when no file defines it; CompileError, CompileLimitError, LinkError.
   */
  async provide(name: string): Promise<void> {
    if (this.#linked.has(name)) return;
    const file = await this.#definer(name);
    // Its file may have been linked for another name meanwhile.
    if (this.#linked.has(name)) return;
    if (file === null) throw await this.#notFound(name);
    await this.#linkNext(file);
  }

  /** Resolves when the file is linked, or is none of the library's. Throws CompileError, CompileLimitError, LinkError. */
  async provideFile(path: string): Promise<void> {
    const file = this.#files.find((each) => each.path === path);
    if (file === undefined || file.isLinked) return;
    // Side by side with others.
    await this.#make(file);
    await this.#linkNext(file);
  }

  #linkNext(file: LazyFile): Promise<void> {
    const link = this.#linking.then(() => this.#link(file));
    this.#linking = link.catch(() => {});
    return link;
  }

  /** The file that defines it, compiled. Null when none does. */
  async #definer(name: string): Promise<LazyFile | null> {
    const failures: unknown[] = [];
    const defines = async (file: LazyFile): Promise<boolean> => {
      try {
        return (await this.#make(file)).defined.has(name);
      } catch (error) {
        failures.push(error);
        return false;
      }
    };
    const seen = new Set<LazyFile>();
    const first = async (files: readonly LazyFile[]): Promise<LazyFile | null> => {
      for (const file of files) {
        if (this.#linked.has(name)) return null;
        if (file.isLinked || seen.has(file)) continue;
        seen.add(file);
        if (await defines(file)) return file;
        // It is the one that was asked for, as far as anybody can tell.
        if (failures.length > 0 && this.#kindIn(file, name) !== null) throw failures[0];
      }
      return null;
    };
    const likely = await first(this.#likely(name));
    if (likely !== null) return likely;
    this.#readChanged();
    const mentioning = (await first(this.#likely(name))) ?? (await first(this.#mentioning(name)));
    if (mentioning !== null) return mentioning;
    const rest = this.#files.filter((file) => !file.isLinked && !seen.has(file));
    // A macro makes the name. All at once, as they would be if the library were not lazy.
    const found = (await Promise.all(rest.map(async (file) => ((await defines(file)) ? file : null)))).find(Boolean);
    if (found) return found;
    if (failures.length > 0) throw failures[0];
    return null;
  }

  #likely(name: string): LazyFile[] {
    return this.#files.filter((file) => !file.isLinked && this.#kindIn(file, name) !== null);
  }

  #kindIn({ definitions }: LazyFile, name: string): DefinitionKind | null {
    const word = nameOf(name);
    return (word === null ? undefined : definitions.get(word)) ?? null;
  }

  #mentioning(name: string): LazyFile[] {
    const words = identifiersOf(name);
    return this.#files.filter((file) => {
      if (file.isLinked) return false;
      const text = textOf(file);
      return words.every((word) => text.includes(word));
    });
  }

  #readChanged(): void {
    for (const file of this.#files) {
      if (!file.isLinked && identityOf(file.path) !== file.identity) Object.assign(file, readText(file));
    }
  }

  /** Compiled once, also for several that ask; anew when a file of it has changed, or after a failure. */
  async #make(file: LazyFile): Promise<Made> {
    const { made } = file;
    if (made !== undefined && !made.compiled.dependencies.some((path) => hasChangedSince(path, made.before))) {
      return made;
    }
    file.compiling ??= this.#compile(file)
      .then((fresh) => {
        file.made = fresh;
        return fresh;
      })
      .finally(() => {
        file.compiling = undefined;
      });
    return file.compiling;
  }

  async #compile(file: LazyFile): Promise<Made> {
    const before = takeSnapshot([file.path]);
    const compiled = await objectOf(this.#plan, file);
    const { defined, weak, needed, wished } = readLinkSymbols(compiled.object);
    const replaced = new Set(weak.filter((name) => !name.startsWith('_Z')));
    return { compiled, before, defined: new Set(defined), weak: replaced, needed: [...needed, ...wished] };
  }

  /** With the files whose data it uses: a stub can stand for a function only. */
  async #link(file: LazyFile): Promise<void> {
    if (file.isLinked) return;
    const { spec, toolchain } = this.#plan;
    const { name: library } = spec;
    const joined = new Map<LazyFile, Made>();
    await this.#join(joined, file);
    for (;;) {
      const objects = [...joined.values()].map(({ compiled }) => ({ name: compiled.path, bytes: compiled.object }));
      const object = await mergeObjects({ library, compilerPath: toolchain.path, signal: undefined }, objects);
      try {
        this.#dylib.add(object);
        break;
      } catch (error) {
        if (!(error instanceof LinkError) || error.missingSymbols.length === 0) throw error;
        if (!(await this.#joinDefiners(joined, error.missingSymbols))) throw error;
      }
    }
    for (const [each, { compiled, defined }] of joined) {
      each.isLinked = true;
      each.made = undefined;
      for (const name of defined) this.#linked.add(name);
      this.#compiled.push({ path: compiled.path, reason: compiled.reason });
    }
    this.#onLinked({
      paths: [...joined.keys()].map(({ path }) => path),
      dependencies: [...joined.values()].flatMap(({ compiled }) => compiled.dependencies),
      diagnostics: [...joined.values()].flatMap(({ compiled }) => compiled.diagnostics),
      cache: reportOf(this.#plan, this.#compiled),
    });
  }

  /**
   * Adds a file, those whose data it seems to use, and those that replace its weak definitions; what others seem to
   * define as a function, and none as data, gets a stub: as data its code would be read.
   */
  async #join(joined: Map<LazyFile, Made>, file: LazyFile): Promise<void> {
    if (joined.has(file)) return;
    const made = await this.#make(file);
    joined.set(file, made);
    const stubs: string[] = [];
    for (const name of made.needed) {
      if (this.#linked.has(name)) continue;
      const definers = this.#likely(name);
      if (definers.length === 0) continue;
      if (definers.every((other) => this.#kindIn(other, name) === 'function')) stubs.push(name);
      else await this.#joinDefiners(joined, [name]);
    }
    this.#dylib.addStubs(stubs);
    for (const name of made.weak) {
      for (const other of this.#likely(name)) {
        if (other === file) continue;
        const { defined, weak } = await this.#make(other);
        if (defined.has(name) && !weak.has(name)) await this.#join(joined, other);
      }
    }
  }

  /** Whether each has a definer. */
  async #joinDefiners(joined: Map<LazyFile, Made>, names: readonly string[]): Promise<boolean> {
    for (const name of names) {
      if ([...joined.values()].some(({ defined }) => defined.has(name))) continue;
      const definer = await this.#definer(name);
      if (definer === null) return false;
      await this.#join(joined, definer);
    }
    return true;
  }

  /** All files were compiled by then. */
  async #notFound(name: string): Promise<SymbolNotFoundError> {
    const { name: library } = this.#plan.spec;
    const waiting = this.#files.filter(({ isLinked }) => !isLinked);
    const made = await allOrFailure(this.#plan.spec, waiting, (file) => this.#make(file));
    const near = nearNames(name, [...this.#linked, ...made.flatMap(({ defined }) => [...defined])]);
    const hint = near.length > 0 ? `; did you mean \`${near.join('`, `')}\`?` : '';
    return new SymbolNotFoundError(library, `no file of ${library} defines \`${name}\`${hint}`, name, near);
  }
}

function textOf({ path, request: { input } }: PlannedFile): string {
  if (input.kind === 'text') return input.text;
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // Its compile says so.
    return '';
  }
}

function readText(file: PlannedFile): Pick<LazyFile, 'identity' | 'definitions'> {
  const identity = file.request.input.kind === 'text' ? '' : identityOf(file.path);
  return { identity, definitions: findDefinitions(textOf(file)) };
}

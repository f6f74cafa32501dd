/** Name → library: joins loads of one name, and tells two specs of one name apart. */

import { setMaxListeners } from 'node:events';
import { LibraryInUseError, NameConflictError, SourceLibraryError } from './errors.ts';
import { type ResolvedSpec, resolveSpec, type SourceLibrarySpec } from './options.ts';
import { specDifferences } from './spec-differences.ts';

/** What a registry knows of a name. */
export interface RegistryEntry<Library> {
  /** The label of the spec. */
  readonly name: string;
  /** `registered`: declared, and nothing of it loaded. */
  readonly state: 'registered' | 'loading' | 'loaded';
  /** Set when the state is `loaded`. */
  readonly library: Library | undefined;
}

/** A load that one or more callers wait for. It is aborted when the last of them has given up. */
interface Load<Library> {
  readonly promise: Promise<Library>;
  readonly abort: AbortController;
  waiting: number;
}

interface Entry<Library> {
  readonly spec: ResolvedSpec;
  /** Stays when its library is disposed. */
  registered: boolean;
  load: Load<Library> | undefined;
  library: Library | undefined;
}

interface Ending {
  dispose(options?: { readonly importers?: boolean }): Promise<void>;
}

/** Makes a library; `onDispose` must be called when it begins to end. */
export type Open<Library> = (spec: ResolvedSpec, onDispose: () => void) => Promise<Library>;

/** A registry of whatever is opened by a spec. */
export class Registry<Library extends Ending> {
  readonly #entries = new Map<string, Entry<Library>>();
  readonly #open: Open<Library>;

  constructor(open: Open<Library>) {
    this.#open = open;
  }

  /**
   * Declares a library without loading it, so that `load(name)` will do.
   *
   * @throws TypeError for a wrong option, NameConflictError when the name has another spec.
   */
  register(spec: SourceLibrarySpec): void {
    this.#enter(resolveSpec(spec)).registered = true;
  }

  /**
   * Loads a library, or gives the one of this name that is loaded or being loaded.
   *
   * `signal` ends this caller's wait; the load itself is aborted when every caller that waits for it has aborted.
   *
   * @throws as `loadSourceLibrary`; SourceLibraryError with code `ERR_NOT_REGISTERED` for an unknown name.
   */
  async load(nameOrSpec: string | SourceLibrarySpec): Promise<Library> {
    const entry = typeof nameOrSpec === 'string' ? this.#known(nameOrSpec) : undefined;
    const spec = typeof nameOrSpec === 'string' ? undefined : resolveSpec(nameOrSpec);
    spec?.signal?.throwIfAborted();
    const found = entry ?? this.#enter(spec as ResolvedSpec);
    if (found.library !== undefined) return found.library;
    found.load ??= this.#start(found);
    return this.#join(found, found.load, spec?.signal);
  }

  /** The loaded library of this name, or undefined. */
  get(name: string): Library | undefined {
    return this.#entries.get(name)?.library;
  }

  /** Whether a library of this name is loaded; false while it is being loaded. */
  isLoaded(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /**
   * Disposes the library of this name, or without a name all of them, and forgets the registration. A load that is
   * under way is aborted: who waits for it gets an AbortError.
   *
   * @throws LibraryInUseError when another library is linked to the one of this name, which stays then.
   */
  async dispose(name?: string): Promise<void> {
    const names = name === undefined ? [...this.#entries.keys()] : [name];
    await Promise.all(
      names.map(async (each) => {
        const entry = this.#entries.get(each);
        this.#entries.delete(each);
        entry?.load?.abort.abort();
        // Its own waiters hear why it ended; here it only has to have ended.
        await entry?.load?.promise.catch(() => {});
        try {
          await entry?.library?.dispose({ importers: name === undefined });
        } catch (error) {
          if (error instanceof LibraryInUseError && entry !== undefined && !this.#entries.has(each)) {
            this.#entries.set(each, entry);
          }
          throw error;
        }
      }),
    );
  }

  /** Every name that is registered, loading or loaded, in the order of their first mention. */
  list(): RegistryEntry<Library>[] {
    return [...this.#entries].map(([name, { library, load }]) => ({
      name,
      state: library !== undefined ? 'loaded' : load !== undefined ? 'loading' : 'registered',
      library,
    }));
  }

  #known(name: string): Entry<Library> {
    const entry = this.#entries.get(name);
    if (entry !== undefined) return entry;
    throw new SourceLibraryError(
      'ERR_NOT_REGISTERED',
      name,
      `${name} is not registered; register its spec, or load that`,
    );
  }

  #enter(spec: ResolvedSpec): Entry<Library> {
    const entry = this.#entries.get(spec.name);
    if (entry === undefined) {
      const fresh = { spec, registered: false, load: undefined, library: undefined };
      this.#entries.set(spec.name, fresh);
      return fresh;
    }
    const differences = specDifferences(entry.spec, spec);
    if (differences.length === 0) return entry;
    throw new NameConflictError(
      spec.name,
      `${spec.name} is there with another spec: ${differences.map(({ text }) => text).join('; ')}. ` +
        'Take another name, dispose the first, or reload it',
      differences.map(({ option }) => option),
    );
  }

  #start(entry: Entry<Library>): Load<Library> {
    const { name } = entry.spec;
    const abort = new AbortController();
    // A load that was given up and one that was started since may end in any order: each forgets only itself.
    const forget = (): void => {
      if (entry.load?.abort !== abort) return;
      entry.load = undefined;
      entry.library = undefined;
      if (!entry.registered && this.#entries.get(name) === entry) this.#entries.delete(name);
    };
    const promise = this.#open({ ...entry.spec, signal: abort.signal }, forget).then(
      async (library) => {
        if (abort.signal.aborted) {
          await library.dispose();
          throw abort.signal.reason;
        }
        entry.library = library;
        return library;
      },
      (error) => {
        forget();
        throw error;
      },
    );
    return { promise, abort, waiting: 0 };
  }

  async #join(entry: Entry<Library>, load: Load<Library>, signal: AbortSignal | undefined): Promise<Library> {
    load.waiting += 1;
    if (signal === undefined) return load.promise;
    // Many loads may share one signal, which is no leak: each listener goes when its load has ended.
    setMaxListeners(0, signal);
    return new Promise<Library>((resolve, reject) => {
      const giveUp = (): void => {
        load.waiting -= 1;
        if (load.waiting === 0) {
          // A caller that comes now must start anew, not join what is being aborted.
          if (entry.load === load) entry.load = undefined;
          if (!entry.registered && this.#entries.get(entry.spec.name) === entry) this.#entries.delete(entry.spec.name);
          load.abort.abort(signal.reason);
        }
        reject(signal.reason);
      };
      signal.addEventListener('abort', giveUp, { once: true });
      load.promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
    });
  }
}

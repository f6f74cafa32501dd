/** Snippets of C and C++ that are compiled against a live library, run, and remembered. */

import { dirname } from 'node:path';
import { FunctionSlot } from '../bindings/bind.ts';
import type { CallGuards } from '../bindings/guard.ts';
import { parsePrototype } from '../bindings/prototype.ts';
import { checkRecord, checkString, refuse } from '../checks.ts';
import type { CompileRequest, Language } from '../compile/compiler.ts';
import { hasInitialisers, readLinkSymbols } from '../elf.ts';
import { LinkError, SourceLibraryError, ToolchainError } from '../errors.ts';
import { type Generation, guardsOf } from '../generation.ts';
import { linkTo } from '../link-to.ts';
import { HOLD, type Hold, type Linkable, type Linking, mayNeedRuntime } from '../linking.ts';
import type { LoadedImage, SymbolInfo } from '../loader/loader.ts';
import { selectLoader } from '../loader/select.ts';
import { type ResolvedSpec, requestOf } from '../options.ts';
import { hasChangedSince } from '../reload/snapshot.ts';
import { SETUP_COMMAND } from '../setup-command.ts';
import type { Toolchain } from '../toolchain/discover.ts';
import { findResident } from '../toolchain/resident.ts';
import { Turns } from '../turns.ts';
import { compileSnippet, type SnippetPart } from './compile-snippet.ts';
import { bindToLibrary, takesOwnAddresses } from './snippet-object.ts';
import { ENTRY, type NamedText } from './snippet-text.ts';
import { readValue, type SnippetValue, VALUE_BYTES } from './value.ts';

/** How a snippet is evaluated. */
export interface EvaluateOptions {
  /** Aborts the compile, and what has not begun to run: the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** The library as it is when a snippet's turn comes. */
export interface Evaluated {
  readonly generation: Generation;
  readonly spec: ResolvedSpec;
}

const queues = new WeakMap<object, Turns>();

/**
 * Evaluates a snippet when all that came before it, for this library, have ended.
 *
 * @param current - throws DisposedError when there is no library any more
 */
export async function evaluate(
  library: NonNullable<Hold['owner']>,
  current: () => Evaluated,
  snippet: string,
  options: EvaluateOptions,
): Promise<SnippetValue> {
  checkString('snippet', snippet);
  const { signal, ...unknown } = checkRecord('options', options) as EvaluateOptions;
  const [option] = Object.keys(unknown);
  if (option !== undefined) throw new TypeError(`Unknown option \`${option}\`; \`evaluate\` takes \`signal\``);
  if (signal !== undefined && !(signal instanceof AbortSignal)) refuse('signal', 'an AbortSignal', signal);
  let queue = queues.get(library);
  if (queue === undefined) {
    queue = new Turns(1);
    queues.set(library, queue);
  }
  return queue.take(signal, async () => {
    for (;;) {
      const { generation, spec } = current();
      if (spec.lazy) {
        const { name } = spec;
        throw new LinkError(name, `${name} takes no snippets: it is lazy, and its symbols are not known`, []);
      }
      const session = sessionOf(generation, spec, library);
      const evaluated = await session.evaluate(snippet, signal);
      if (evaluated !== null) return evaluated.value;
      // The library was reloaded, or disposed, before the snippet ran.
    }
  });
}

function sessionOf(generation: Generation, spec: ResolvedSpec, library: NonNullable<Hold['owner']>): Session {
  const known = generation.snippets;
  if (known instanceof Session) return known;
  const session = new Session(generation, spec, library);
  generation.snippets = session;
  return session;
}

/** What was evaluated against one generation of a library, and stays as long as that does. */
class Session {
  readonly #generation: Generation;
  readonly #spec: ResolvedSpec;
  readonly #library: NonNullable<Hold['owner']>;
  readonly #kept: LoadedImage[] = [];
  readonly #declared: NamedText[] = [];
  readonly #ending = new AbortController();
  #symbols: Map<string, SymbolInfo> | undefined;
  #source: Promise<SnippetSource> | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #count = 0;

  constructor(generation: Generation, spec: ResolvedSpec, library: NonNullable<Hold['owner']>) {
    this.#generation = generation;
    this.#spec = spec;
    this.#library = library;
  }

  /** Null when the session was closed before the snippet ran. */
  async evaluate(text: string, signal: AbortSignal | undefined): Promise<{ readonly value: SnippetValue } | null> {
    const ending = this.#ending.signal;
    const running = this.#evaluate(text, signal === undefined ? ending : AbortSignal.any([signal, ending]));
    this.#running = running.catch(() => {});
    try {
      return { value: await running };
    } catch (error) {
      if (ending.aborted && error === ending.reason) return null;
      throw error;
    }
  }

  /** Ends what is being compiled, and frees what snippets defined, the last one first. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#running;
    for (const image of this.#kept.splice(0).reverse()) await image.dispose();
  }

  async #evaluate(text: string, signal: AbortSignal): Promise<SnippetValue> {
    signal.throwIfAborted();
    const { library } = this.#generation;
    this.#assertUnchanged();
    const toolchain = findResident();
    if (toolchain === null) {
      const message = `${library}: \`evaluate\` needs the resident compiler, which is not built; \`${SETUP_COMMAND}\` builds it`;
      throw new ToolchainError(library, message, []);
    }
    this.#source ??= sourceOf(this.#spec, toolchain);
    const source = await this.#source;
    this.#count += 1;
    const { language, include, headers, request } = source;
    const name = `${labelOf(library)}:evaluate-${this.#count}.${language === 'c' ? 'c' : 'cpp'}`;
    const parts = await compileSnippet({
      toolchain,
      request: { ...request, signal },
      headers,
      scope: { language, wrapper: `${name}:before`, source: include, declared: this.#declared },
      snippet: { name, text },
    });
    let value: SnippetValue;
    for (const part of parts) value = await this.#run(part, source, toolchain.path, signal);
    return value;
  }

  /** The declarations must be those that the code was made from. */
  #assertUnchanged(): void {
    const { library, build } = this.#generation;
    const changed = build.dependencies.find((file) => hasChangedSince(file, build.before));
    if (changed === undefined) return;
    const message = `${library}: ${changed} has changed since it was compiled, and a snippet would see what the running code does not have; \`reload\` the library first`;
    throw new SourceLibraryError('ERR_SOURCE_CHANGED', library, message);
  }

  async #run(part: SnippetPart, source: SnippetSource, compilerPath: string, signal: AbortSignal) {
    const { library } = this.#generation;
    const { language, linking } = source;
    this.#symbols ??= new Map(this.#generation.symbols);
    const object = bindToLibrary(library, part.object, this.#symbols);
    const defined = readLinkSymbols(object).defined;
    // Types, macros and prototypes leave nothing to link.
    if (defined.length === 0 && !hasInitialisers(object)) {
      if (part.declared !== null) this.#declared.push(part.declared);
      return undefined;
    }
    signal.throwIfAborted();
    const { loader } = selectLoader(library, this.#spec.loader, 'clang');
    const own = { kind: 'library', library: this.#linkable() } as const;
    const all = { ...linking, libraries: [own, ...linking.libraries] };
    const { image, holds } = await linkTo(all, loader, { library, object, language, compilerPath, signal });
    for (const hold of holds) hold.owner = this.#library;
    let isKept = false;
    const guards = await guardsOf(library, image);
    try {
      const entry = image.find(ENTRY);
      const value = entry === undefined ? undefined : call(entry.address, guards);
      isKept = part.declared !== null || takesOwnAddresses(object);
      if (part.declared !== null) {
        this.#declared.push(part.declared);
        for (const [name, symbol] of image.symbols) if (name !== ENTRY) this.#symbols.set(name, symbol);
      }
      return value;
    } finally {
      guards?.dispose();
      if (isKept) this.#kept.push(image);
      else await image.dispose();
    }
  }

  /** The library and what snippets defined, as a library that a snippet is linked to. */
  #linkable(): Linkable {
    const symbols = this.#symbols as ReadonlyMap<string, SymbolInfo>;
    const { image } = this.#generation.build;
    return {
      name: this.#generation.library,
      // The session is closed before the generation goes.
      [HOLD]: (importer) => ({ importer, owner: undefined, symbols, mayThrow: image.mayThrow(), release: () => {} }),
    };
  }
}

const slot = new FunctionSlot(parsePrototype('', `void ${ENTRY}(void *)`));

function call(address: bigint, guards: CallGuards | null): SnippetValue {
  const bytes = Buffer.alloc(VALUE_BYTES);
  slot.retarget(address, { guards, enter() {}, leave() {} });
  slot.callable(bytes);
  return readValue(bytes);
}

/** How snippets of a library are compiled. */
interface SnippetSource {
  readonly language: Language;
  /** What `#include` finds the library's source by; null when there is none. */
  readonly include: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly request: CompileRequest;
  readonly linking: Linking;
}

async function sourceOf(given: ResolvedSpec, toolchain: Toolchain): Promise<SnippetSource> {
  const { linking: asked } = given;
  const spelled = asked?.pkgConfig.length
    ? await (await import('../with-packages.ts')).withPackages(given, asked)
    : given;
  const { input } = spelled;
  const isFiles = input.kind === 'files' || (input.kind === 'file' && spelled.compileCommands !== null);
  const files = isFiles ? (await import('../spec-files.ts')).filesOfSpec(spelled).files : [];
  // Of several files, whose declarations may contradict each other, none is seen.
  const spec = (input.kind === 'file' ? files[0]?.spec : undefined) ?? spelled;
  const language = files.some((file) => file.spec.language === 'c++') ? 'c++' : spec.language;
  const folders = [...(input.kind === 'file' ? [dirname(input.path)] : []), spec.folder];
  const headers: Record<string, string> = input.kind === 'text' ? { ...input.headers } : {};
  let include: string | null = input.kind === 'file' ? input.path : null;
  if (input.kind === 'text') {
    include = labelOf(input.displayName);
    while (Object.hasOwn(headers, include)) include = `_${include}`;
    headers[include] = input.text;
  }
  const text = { kind: 'text', text: '', displayName: '', headers } as const;
  const flags = [...spec.flags, ...folders.flatMap((folder) => ['-iquote', folder]), '-w'];
  const request = { ...requestOf({ ...spec, language, flags }, text), declaredBefore: 0 };
  const { libraries = [], libraryPaths = [] } = (await withRuntimesOf({ ...spec, language }, toolchain)).linking ?? {};
  // What a caller evaluates is no part of what the option `imports` watches.
  return {
    language,
    include,
    headers,
    request,
    linking: { libraries, libraryPaths, pkgConfig: [], imports: null, resolve: false },
  };
}

/** What the library's flags bring to its own link, a snippet's code may call too. */
async function withRuntimesOf(given: ResolvedSpec, toolchain: Toolchain): Promise<ResolvedSpec> {
  const { flags } = given;
  const spec = flags.includes('-stdlib=libc++') ? (await import('../with-libcxx.ts')).withLibcxx(given) : given;
  if (!flags.some(mayNeedRuntime)) return spec;
  return (await import('../runtimes.ts')).withRuntimes(spec, [flags], toolchain);
}

/** A name that can stand in a directive. */
const labelOf = (name: string): string => name.replace(/[^\w.+-]/g, '_');

/** The path of a library that is linked to others, where it was not linked before: finds out what it takes from which. */

import {
  checkRelocatable,
  checkSharedObject,
  readExports,
  readLinkSymbols,
  readSharedDefinitions,
  type SharedDefinition,
  undefine,
} from './elf.ts';
import { LinkError } from './errors.ts';
import { deniedImports, type ImportPolicy } from './import-policy.ts';
import {
  findByName,
  findRuntime,
  type LibraryFile,
  openFile,
  RUNTIME,
  runtimeNotFound,
  type Search,
} from './libraries/find.ts';
import { isLibcxx, UNWINDER_NAMES } from './libraries/libcxx.ts';
import { searchFolders } from './libraries/search-folders.ts';
import { HOLD, type LibraryReference, type Linking, showReference } from './linking.ts';
import { mergeObjects } from './loader/merge-objects.ts';
import { ArchiveError, type Member, readArchive } from './objects/ar.ts';
import type { ImportRecord } from './open-imports.ts';
import type { Runtime } from './runtimes.ts';

/** What is to be linked, and what that was found out from. */
export interface Linked {
  /** With the members of archives that it needs, and without what it shares with other libraries. */
  readonly object: Uint8Array;
  readonly imports: readonly ImportRecord[];
  /** Every file that was read. */
  readonly read: readonly { readonly path: string; readonly digest: string }[];
  readonly absent: readonly string[];
  /** Every folder whose entries were made use of. */
  readonly listed?: readonly { readonly path: string; readonly digest: string }[];
  /** All that the libraries define. */
  readonly known: readonly string[];
}

/** Whom it is for, and what merges objects. */
export interface LinkingRequest {
  readonly library: string;
  readonly compilerPath: string;
  readonly signal?: AbortSignal | undefined;
}

/** Something that is open already, or will be, and has the names. */
interface Import {
  readonly kind: 'import';
  readonly from: number;
  readonly path: string | null;
  readonly names: ReadonlyMap<string, Exported>;
}

type Exported = Omit<SharedDefinition, 'name'>;

/** Something that defines names, and how it gives them. */
type Provider =
  | Import
  | { readonly kind: 'archive'; readonly path: string; readonly definers: ReadonlyMap<string, Member> };

/**
 * Finds for every name that the object does not define the first library that does, as a linker does; archives are
 * searched again for what their own members need. Names that none defines are left for the loader, which knows those of
 * the runtime.
 *
 * @throws LinkError for a library that can't be found, read or used, one that comes twice, and names that two objects
 * define; ToolchainError when a runtime library that a flag needs is not there; DisposedError.
 */
export async function linkLibraries(request: LinkingRequest, linking: Linking, object: Uint8Array): Promise<Linked> {
  const { library } = request;
  const folders = [...linking.libraryPaths, ...(await foldersFor(request, linking))];
  const search: Search = { library, folders, read: new Map(), absent: new Set() };
  const providers: Provider[] = [];
  const seen = new Map<string, LibraryReference>();
  const notThere: Runtime[] = [];
  for (const [from, reference] of linking.libraries.entries()) {
    const files = await filesOf(search, reference);
    if (reference.kind === 'runtime' && files.length === 0) notThere.push(reference.runtime);
    for (const file of files) {
      const other = seen.get(file.path);
      // The caller may name it, too.
      if (reference.kind === 'runtime' && other !== undefined) continue;
      if (other !== undefined && other !== reference) {
        const both = `${showReference(other)} and ${showReference(reference)}`;
        throw new LinkError(library, `${library}: ${both} are the same library, ${file.path}; name it once`, []);
      }
      seen.set(file.path, reference);
      const provider = file.kind === 'archive' ? archiveOf(library, file) : sharedOf(library, file, from);
      providers.push(reference.kind === 'runtime' ? onlyOwn(provider, reference.runtime) : provider);
    }
    if (reference.kind === 'library') providers.push({ kind: 'import', from, path: null, names: namesOf(reference) });
  }
  const { members, imported, unresolved } = resolveNames(object, providers);
  for (const runtime of notThere) {
    const name = unresolved.find((each) => runtime.names.test(each));
    if (name !== undefined) throw runtimeNotFound(search, runtime, name);
  }
  const merged =
    members.length === 0 ? object : await mergeObjects(request, [{ name: 'library.o', bytes: object }, ...members]);
  if (linking.imports !== null) assertAllowed(library, linking.imports, merged);
  assertNoneThreadLocal(library, merged, imported);
  const shared = findShared(merged, providers, linking.imports);
  const imports = recordsOf(imported, shared);
  const read = [...search.read].map(([path, digest]) => ({ path, digest }));
  const known = providers.flatMap((each) => [...(each.kind === 'archive' ? each.definers : each.names).keys()]);
  const linked = shared.size === 0 ? merged : undefine(merged, new Set([...shared.keys()].map(({ name }) => name)));
  return { object: linked, imports, read, absent: [...search.absent], known };
}

function assertAllowed(library: string, policy: ImportPolicy, object: Uint8Array): void {
  const { needed, wished } = readLinkSymbols(object);
  const denied = deniedImports(policy, [...needed, ...wished]);
  if (denied.length === 0) return;
  const shown = denied.slice(0, 20).map((name) => `\`${name}\``);
  const more = denied.length > shown.length ? ` and ${denied.length - shown.length} more` : '';
  const message = `${library}: \`imports\` does not allow it to be linked to ${shown.join(', ')}${more}`;
  throw new LinkError(library, message, [], { deniedSymbols: denied });
}

/** The code would take the address of whatever has the name for a description of a variable. */
function assertNoneThreadLocal(library: string, object: Uint8Array, imported: ReadonlyMap<string, Import>): void {
  const name = readLinkSymbols(object).threadLocal.find((each) => imported.has(each));
  if (name === undefined) return;
  const cure = 'thread-local variables of other libraries can not be used; take its address from a function there';
  throw new LinkError(
    library,
    `${library}: \`${name}\` is declared thread-local and is another library's: ${cure}`,
    [],
  );
}

async function foldersFor({ compilerPath }: LinkingRequest, { libraries }: Linking): Promise<readonly string[]> {
  return libraries.some(({ kind }) => kind !== 'library') ? searchFolders(compilerPath) : [];
}

async function filesOf(search: Search, reference: LibraryReference): Promise<LibraryFile[]> {
  if (reference.kind === 'library') return [];
  if (reference.kind === 'path') return openFile(search, reference.path);
  if (reference.kind === 'runtime') {
    const path = findRuntime(search, reference.runtime);
    return path === null ? [] : openFile(search, path);
  }
  return RUNTIME.has(reference.name) ? [] : openFile(search, findByName(search, reference.name));
}

function namesOf({ library }: LibraryReference & { readonly kind: 'library' }): ReadonlyMap<string, Exported> {
  const hold = library[HOLD]('');
  const names = new Map(hold.symbols);
  hold.release();
  return names;
}

function sharedOf(library: string, { path, bytes }: LibraryFile, from: number): Provider {
  const wrong = checkSharedObject(bytes);
  if (wrong === null) {
    try {
      const names = new Map<string, Exported>(readExports(bytes, 'dynamic').map((symbol) => [symbol.name, symbol]));
      if (isLibcxx(path)) for (const name of UNWINDER_NAMES) names.set(name, { kind: 'function', size: 0 });
      return { kind: 'import', from, path, names };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  const isObject = checkRelocatable(bytes) === null;
  const reason = isObject ? 'it is an object; make an archive of it' : (wrong ?? 'its symbol table is damaged');
  throw new LinkError(library, `${library}: ${path} can't be linked to: ${reason}`, []);
}

/** A sanitizer's has functions of libc too, such as `sigaction`, for programs that begin with it. */
function onlyOwn(provider: Provider, { names }: Runtime): Provider {
  if (provider.kind === 'archive') return provider;
  return { ...provider, names: new Map([...provider.names].filter(([name]) => names.test(name))) };
}

function archiveOf(library: string, { path, bytes }: LibraryFile): Provider {
  const definers = new Map<string, Member>();
  try {
    for (const member of readArchive(bytes)) {
      if (checkRelocatable(member.bytes) !== null) continue;
      for (const name of readLinkSymbols(member.bytes).defined) if (!definers.has(name)) definers.set(name, member);
    }
  } catch (error) {
    if (!(error instanceof ArchiveError || error instanceof RangeError)) throw error;
    const reason = error instanceof ArchiveError ? error.message : 'the symbol table of a member is damaged';
    throw new LinkError(library, `${library}: the archive ${path} can't be used: ${reason}`, [], { cause: error });
  }
  return { kind: 'archive', path, definers };
}

function resolveNames(object: Uint8Array, providers: readonly Provider[]) {
  const defined = new Set<string>();
  const members = new Set<Member>();
  const imported = new Map<string, Import>();
  /** Weak references are satisfied by what is there, and bring no member in. */
  const wanted: { readonly name: string; readonly isWeak: boolean }[] = [];
  const needed: string[] = [];
  const add = (bytes: Uint8Array): void => {
    const symbols = readLinkSymbols(bytes);
    for (const name of symbols.defined) defined.add(name);
    needed.push(...symbols.needed);
    wanted.push(...symbols.needed.map((name) => ({ name, isWeak: false })));
    wanted.push(...symbols.wished.map((name) => ({ name, isWeak: true })));
  };
  add(object);
  for (let next = wanted.shift(); next !== undefined; next = wanted.shift()) {
    const { name, isWeak } = next;
    if (defined.has(name) || imported.has(name)) continue;
    for (const provider of providers) {
      if (provider.kind === 'import') {
        if (!provider.names.has(name)) continue;
        imported.set(name, provider);
        break;
      }
      const member = provider.definers.get(name);
      if (member === undefined || isWeak) continue;
      members.add(member);
      add(member.bytes);
      break;
    }
  }
  // A member that came later defines it, too: a linker takes the library's own.
  for (const name of imported.keys()) if (defined.has(name)) imported.delete(name);
  const unresolved = needed.filter((name) => !defined.has(name) && !imported.has(name));
  return { members: [...members], imported, unresolved };
}

/**
 * What the object defines as a library does that was there before it, such as the one instance of an inline variable:
 * both use that library's. Two shared objects do the same, but there it may be the one that is loaded later. What is
 * something else there, or too small, such as a function that a common variable happens to be called like, is not shared:
 * the object was compiled for its own.
 */
function findShared(object: Uint8Array, providers: readonly Provider[], policy: ImportPolicy | null) {
  const shared = new Map<SharedDefinition, Import>();
  if (!providers.some(({ kind }) => kind === 'import')) return shared;
  const definitions = readSharedDefinitions(object);
  const names = definitions.map(({ name }) => name);
  const denied = new Set(policy === null ? [] : deniedImports(policy, names));
  for (const definition of definitions) {
    const { name, kind, size } = definition;
    if (denied.has(name)) continue;
    const provider = providers.find((each): each is Import => each.kind === 'import' && each.names.has(name));
    const other = provider?.names.get(name);
    const fits = other?.kind === kind && (kind === 'function' || other.size >= size);
    if (provider !== undefined && fits) shared.set(definition, provider);
  }
  return shared;
}

function recordsOf(
  imported: ReadonlyMap<string, Import>,
  shared: ReadonlyMap<SharedDefinition, Import>,
): ImportRecord[] {
  const taken = new Map<Import, { names: string[]; definitions: SharedDefinition[] }>();
  const of = (provider: Import) => {
    const known = taken.get(provider) ?? { names: [], definitions: [] };
    taken.set(provider, known);
    return known;
  };
  for (const [name, provider] of imported) of(provider).names.push(name);
  for (const [definition, provider] of shared) of(provider).definitions.push(definition);
  return [...taken].map(([{ from, path }, { names, definitions }]) => {
    names.push(...definitions.map(({ name }) => name));
    const record = { from, path, names: names.sort() };
    return definitions.length === 0 ? record : { ...record, shared: definitions };
  });
}

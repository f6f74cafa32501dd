/** The system's dynamic linker, as C sees it. */

import type { ExportedSymbol } from '../elf.ts';
import { LinkError } from '../errors.ts';
import { koffi } from '../koffi.ts';
import type { ImportSlots } from './imports.ts';
import type { ImageCode, LoadedImage, SymbolInfo } from './loader.ts';

const RTLD_NOW = 2;
/** It, and what it needs, take names from each other before what the process has of them. */
export const RTLD_DEEPBIND = 8;
/** It stays when nobody uses it any more. */
export const RTLD_NODELETE = 0x1000;
const RTLD_DI_LINKMAP = 2;

// koffi takes 65 µs for its first library, 40 for its first function, 8 for each more: what every open needs is declared
// at start, where no load waits for it, and the rest when it is needed.
const program = koffi.load(null);
const dlopen: (file: string, mode: number) => bigint | null = program.func('dlopen', 'void *', ['const char *', 'int']);

/** The address of a name in an open object, or in what that needs; null when there is none. */
export const addressIn: (handle: bigint, name: string) => bigint | null = program.func('dlsym', 'void *', [
  'void *',
  'const char *',
]);

/** Whether an open object, or what it needs, brings a C++ runtime or an unwinder, without which nothing is thrown. */
export function bringsExceptions(handle: bigint): boolean {
  return (addressIn(handle, '__cxa_throw') ?? addressIn(handle, '_Unwind_RaiseException')) !== null;
}

/** Locks the mutex at an address, for which zeroes will do. 0, or an errno when it was locked, by whatever thread. */
export const tryLock: (mutex: bigint) => number = program.func('pthread_mutex_trylock', 'int', ['void *']);

/**
 * Opens for good what `koffi.load` is to open, which is then done in no time: a worker that is terminated while it is in
 * there ends the process, because koffi can't make the handle any more and has no way to say so. It says what is wrong.
 */
export const openBefore = (file: string): void => void dlopen(file, RTLD_NOW);

function once<Result>(make: () => Result): () => Result {
  let made: { readonly result: Result } | undefined;
  return () => {
    made ??= { result: make() };
    return made.result;
  };
}

const dlclose = once(() => program.func('dlclose', 'int', ['void *']));
const dlerror = once(() => program.func('dlerror', 'const char *', []));
const dlinfo = once(() => program.func('dlinfo', 'int', ['void *', 'int', 'void *']));

/**
 * Opens a shared object for this library alone (`RTLD_LOCAL`).
 *
 * @param file - a path, or a name without a slash, which the system searches for
 * @param flags - for `dlopen`, beside `RTLD_NOW`
 * @returns a handle for {@link closeObject}
 * @throws LinkError when the dynamic linker refuses it.
 */
export function openObject(library: string, file: string, flags = 0): bigint {
  const mode = RTLD_NOW | flags;
  return dlopen(file, mode) ?? openAgain(library, file, mode);
}

/** For the reason, which the dynamic linker forgets when koffi, by `dlsym`, declares the first `dlerror`. */
function openAgain(library: string, file: string, mode: number): bigint {
  const reason = dlerror();
  const handle = dlopen(file, mode);
  if (handle === null)
    throw new LinkError(library, `${library}: the dynamic linker refused the library: ${reason()}`, []);
  return handle;
}

/** Ends one use of what was opened. With the last its finalisers run, in here, and it is unmapped. */
export function closeObject(handle: bigint): void {
  dlclose()(handle);
}

/**
 * Opens a shared object for this library alone. Its initialisers run in here, on this thread, as they do under the ORC
 * loader.
 *
 * @param readExported - what it exports, given the path at which the system found it; what this throws is thrown on.
 * @param initialise - runs those that the dynamic linker was kept from, given the address at which it is mapped; what
 * this throws is thrown on, when the library is closed again.
 * @param readCode - gives what {@link LoadedImage.readCode} does, where the file will be gone
 * @throws LinkError when the dynamic linker refuses it.
 */
export function openSharedObject(
  library: string,
  file: string,
  readExported: (path: string) => readonly ExportedSymbol[],
  initialise?: (base: bigint) => void,
  readCode?: (base: bigint) => ImageCode,
): LoadedImage {
  const handle = openObject(library, file);
  try {
    const { base, path } = placeOf(handle, file);
    initialise?.(base);
    const symbols = addressesOf(handle, base, readExported(path));
    let isOpen = true;
    return {
      symbols,
      find: (name) => symbols.get(name),
      mayThrow: () => isOpen && bringsExceptions(handle),
      async readCode() {
        if (readCode !== undefined) return readCode(base);
        const { NO_CODE, readMappedCode } = await import('./image-code.ts');
        return isOpen ? readMappedCode(path, base, symbols) : NO_CODE;
      },
      async dispose() {
        isOpen = false;
        closeObject(handle);
      },
    };
  } catch (error) {
    closeObject(handle);
    throw error;
  }
}

/** Where it is mapped, and the file that it was found in: the first two fields of `struct link_map`. */
function placeOf(handle: bigint, file: string): { base: bigint; path: string } {
  const out = new BigUint64Array(1);
  if (dlinfo()(handle, RTLD_DI_LINKMAP, out) !== 0) throw new Error(`dlinfo failed for ${file}`);
  const [base, name] = koffi.decode(out[0] as bigint, 'uint64_t', 2) as [number | bigint, number | bigint];
  return { base: BigInt(base), path: koffi.decode.string(BigInt(name)) };
}

/** Writes addresses of other libraries' names into an object that is mapped, and of which nothing ran yet. */
export function fillImports(
  base: bigint,
  places: readonly ImportSlots[],
  imports: ReadonlyMap<string, bigint> | undefined,
): void {
  for (const { name, slots } of places) {
    const address = imports?.get(name);
    if (address === undefined) throw new Error(`no address for \`${name}\` was given`);
    for (const { offset, addend } of slots) {
      koffi.encode(base + BigInt(offset), 'uint64_t', address + BigInt(addend));
    }
  }
}

/** Where an open object has what it exports. */
export function addressesOf(
  handle: bigint,
  base: bigint,
  exported: readonly ExportedSymbol[],
): ReadonlyMap<string, SymbolInfo> {
  const symbols = new Map<string, SymbolInfo>();
  for (const { name, value, size, kind, indirect } of exported) {
    // A name that comes twice has several versions, of which the dynamic linker knows the default.
    const isAmbiguous = indirect || symbols.has(name);
    const address = isAmbiguous ? addressIn(handle, name) : base + BigInt(value);
    // Only an old version of a name, which no one can ask for; or not in what is mapped, which is an older file.
    if (address === null) continue;
    symbols.set(name, { address, kind, size });
  }
  return symbols;
}

/** The loader that works wherever a compiler does: `cc -shared`, then the system's own dynamic linker. */

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type ExportedSymbol, readExports } from '../elf.ts';
import { LinkError } from '../errors.ts';
import { koffi } from './koffi.ts';
import type { LinkRequest, LoadedImage, Loader, SymbolInfo } from './loader.ts';
import { knownNames, missingSymbolsError } from './missing-symbols.ts';

const RTLD_NOW = 2;
/** A linker that takes longer than this has hung; 100 MB objects take 2 s. */
const LINK_TIMEOUT_MS = 120_000;

/**
 * `-Bsymbolic`: without it a library that defines `deflate` would call the one that the node binary exports.
 * `-z defs`: a missing symbol is found now, not at its first call. `--no-demangle`: names as `dlsym` takes them.
 */
const LINK_FLAGS = ['-Wl,-Bsymbolic', '-Wl,-z,defs', '-Wl,-z,noexecstack', '-Wl,--no-demangle', '-Wl,--build-id=none'];

let dynamicLinker: ReturnType<typeof declareDynamicLinker> | undefined;

function declareDynamicLinker() {
  const process = koffi.load(null);
  return {
    dlopen: process.func('dlopen', 'void *', ['const char *', 'int']),
    dlsym: process.func('dlsym', 'void *', ['void *', 'const char *']),
    dlclose: process.func('dlclose', 'int', ['void *']),
    dlerror: process.func('dlerror', 'const char *', []),
  };
}

export const sharedObjectLoader: Loader = {
  kind: 'shared-object',

  async link(request: LinkRequest): Promise<LoadedImage> {
    dynamicLinker ??= declareDynamicLinker();
    // The name is fresh: the dynamic linker gives an open library's handle again for a path that it knows.
    const folder = await mkdtemp(join(tmpdir(), 'fromsource-link-'));
    try {
      const path = join(folder, 'library.so');
      await runLinker(request, folder, path);
      const exported = readExports(await readFile(path), 'dynamic');
      return open(request.library, path, exported);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function runLinker(request: LinkRequest, folder: string, output: string): Promise<void> {
  const object = join(folder, 'library.o');
  await writeFile(object, request.object, { mode: 0o600 });
  const runtime = request.language === 'c++' ? ['-lstdc++', '-lm'] : ['-lm'];
  const args = ['-shared', '-fPIC', '-o', output, object, ...LINK_FLAGS, '-Wl,--as-needed', ...runtime];
  const env = { PATH: process.env.PATH, TMPDIR: folder, LC_ALL: 'C' };
  try {
    await promisify(execFile)(request.compilerPath, args, {
      env,
      timeout: LINK_TIMEOUT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: 16 * 1024 * 1024,
    });
  } catch (error) {
    throw explainLinkerFailure(request, error as Error & { stderr?: string });
  }
}

/** GNU ld says "undefined reference to `f'", lld says "undefined symbol: f". */
const MISSING_SYMBOL = /undefined (?:reference to [`']([^'`]+)'|symbol: (\S+))/g;

function explainLinkerFailure({ library, object }: LinkRequest, error: Error & { stderr?: string }): LinkError {
  const stderr = error.stderr ?? '';
  const missing = new Set<string>();
  for (const match of stderr.matchAll(MISSING_SYMBOL)) missing.add(match[1] ?? match[2] ?? '');
  if (missing.size === 0) {
    const reason = stderr.trim().slice(0, 2000) || error.message;
    return new LinkError(library, `${library}: the linker failed: ${reason}`, [], { cause: error });
  }
  return missingSymbolsError(library, [...missing].sort(), knownNames(object));
}

function open(library: string, path: string, exported: readonly ExportedSymbol[]): LoadedImage {
  const { dlopen, dlsym, dlclose, dlerror } = dynamicLinker as NonNullable<typeof dynamicLinker>;
  // Initialisers run in here, on this thread, as they do under the ORC loader.
  const handle = dlopen(path, RTLD_NOW) as bigint | null;
  if (handle === null) {
    throw new LinkError(library, `${library}: the dynamic linker refused the library: ${dlerror()}`, []);
  }
  const anchor = exported.find((symbol) => !symbol.indirect);
  const base = anchor === undefined ? 0n : (dlsym(handle, anchor.name) as bigint) - BigInt(anchor.value);
  const symbols = new Map<string, SymbolInfo>();
  for (const { name, value, size, kind, indirect } of exported) {
    const address = indirect ? (dlsym(handle, name) as bigint) : base + BigInt(value);
    symbols.set(name, { address, kind, size });
  }
  return {
    symbols,
    async dispose() {
      dlclose(handle);
    },
  };
}

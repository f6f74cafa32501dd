/** The entries of a compile_commands.json for the files of specs. */

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { callerArguments } from './compile/command.ts';
import { databaseAt, type Entry, folderOf, readEntries } from './compile-commands.ts';
import { SourceLibraryError } from './errors.ts';
import type { Linking } from './linking.ts';
import type { ResolvedSpec } from './options.ts';
import { filesOfSpec, type SpecFile } from './spec-files.ts';
import { discoverToolchain } from './toolchain/discover.ts';
import { writeWhole } from './write-whole.ts';

/** @param path - of the file or of its folder, absolute */
export async function writeCommands(specs: readonly ResolvedSpec[], path: string): Promise<string> {
  const entries: (Entry & { readonly file: string })[] = [];
  for (const given of specs) {
    const { linking } = given;
    const spec = linking?.pkgConfig.length ? await spelledOut(given, linking) : given;
    const { path: compiler } = await discoverToolchain({ library: spec.name, compiler: spec.compiler });
    for (const file of filesOfSpec(spec).files) entries.push(entryOf(compiler, file));
  }
  const database = databaseAt(path);
  const library = specs.map(({ name }) => name).join(', ');
  const others = existsSync(database) ? readEntries(library, database) : [];
  const ours = new Map(entries.map((entry) => [entry.file, entry]));
  const kept = others.filter((entry) => !ours.has(resolve(folderOf(database, entry), entry.file)));
  const text = `${JSON.stringify([...kept, ...ours.values()], null, 2)}\n`;
  await writeWhole(database, [Buffer.from(text, 'utf8')]).catch((cause: Error) => {
    const message = `${library}: ${database} can't be written: ${cause.message}`;
    throw new SourceLibraryError('ERR_COMPILE_COMMANDS', library, message, { cause });
  });
  return database;
}

async function spelledOut(spec: ResolvedSpec, linking: Linking): Promise<ResolvedSpec> {
  const { withPackages } = await import('./with-packages.ts');
  return withPackages(spec, linking);
}

/** How it is compiled here, without how diagnostics are printed and what is written where. */
function entryOf(compiler: string, { path, spec }: SpecFile): Entry & { readonly file: string } {
  const directory = spec.folder;
  const words = [compiler, ...callerArguments(spec, directory), '-x', spec.language, '-c', path];
  return { directory, arguments: words, file: path };
}

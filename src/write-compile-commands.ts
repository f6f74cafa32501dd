/** Tells editors how the files of libraries are compiled. What does it is loaded when it is asked for. */

import { resolve } from 'node:path';
import { checkNonEmpty } from './checks.ts';
import { resolveSpec, type SourceLibrarySpec } from './options.ts';

/**
 * Writes a compile_commands.json, from which clangd and other tools learn how the files of libraries are compiled. Nothing
 * is compiled: it is of use for sources that don't compile, too.
 *
 * Entries of other files stay as they are, those of these files are replaced. Readers see the old file or the new one,
 * never half of it.
 *
 * @param specs - as for {@link loadSourceLibrary}, with `file` or `files`
 * @param path - of the file, or the folder that it is to be in. Default: `compile_commands.json` in the working folder,
 * where clangd looks for it, as it does in every folder above a source.
 * @returns the absolute path of the file.
 * @throws TypeError for a wrong option, and for a spec without files: a text has none that an editor could open.
 * @throws ToolchainError when there is no compiler, or no pkg-config where `pkgConfig` asks for one; LinkError when that does
 * not know a package; SourceLibraryError with code `ERR_COMPILE_COMMANDS` when the file
 * can't be written, or what is there is no compile_commands.json.
 *
 * @example
 * await writeCompileCommands({ name: 'ui', files: ['ui.cpp', 'imgui/*.cpp'], includePaths: ['imgui'] });
 */
export async function writeCompileCommands(
  specs: SourceLibrarySpec | readonly SourceLibrarySpec[],
  path = 'compile_commands.json',
): Promise<string> {
  const several = Array.isArray(specs) ? (specs as readonly SourceLibrarySpec[]) : [specs as SourceLibrarySpec];
  const resolved = several.map((spec) => resolveSpec(spec));
  const absolute = resolve(checkNonEmpty('path', path));
  for (const { name, input } of resolved) {
    if (input.kind === 'file' || input.kind === 'files') continue;
    const given = input.kind === 'text' ? 'source' : input.kind;
    throw new TypeError(`\`${given}\` of ${name} is no file that an editor opens; give \`file\` or \`files\``);
  }
  const { writeCommands } = await import('./commands-of-specs.ts');
  return writeCommands(resolved, absolute);
}

/** The source files of a spec, and the spec that each is compiled by. */

import { type Applied, applyCommands } from './compile-commands.ts';
import { listFiles } from './file-patterns.ts';
import { languageByExtension } from './input-files.ts';
import type { ResolvedSpec } from './options.ts';

/** A file, and its spec: with its language, and with the flags that a compile_commands.json has for it. */
export interface SpecFile {
  /** Absolute. */
  readonly path: string;
  readonly spec: ResolvedSpec;
}

/** Files of a spec, and where their flags are from. */
export interface SpecFiles {
  readonly files: readonly SpecFile[];
  /** The compile_commands.json, or null. */
  readonly database: Applied['database'] | null;
}

/**
 * The files of a `file` or `files` input; none of another.
 *
 * @throws TypeError for a pattern that matches nothing; as {@link applyCommands}.
 */
export function filesOfSpec(spec: ResolvedSpec): SpecFiles {
  const asked = askedOf(spec);
  const applied = spec.compileCommands === null ? null : applyCommands(spec, asked);
  const files = asked.map(({ path, language }, index) => ({
    path,
    spec: applied?.specs[index] ?? { ...spec, language },
  }));
  return { files, database: applied?.database ?? null };
}

function askedOf({ input, language }: ResolvedSpec) {
  if (input.kind === 'files') {
    return listFiles(input).map((file) => ({ ...file, isTold: input.language !== null }));
  }
  if (input.kind !== 'file') return [];
  return [{ path: input.path, language, isTold: languageByExtension(input.path) !== language }];
}

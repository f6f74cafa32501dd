/** Pure: the text that a compiler is given of a source, which may say what its file is called. */

import type { ToolchainKind } from '../toolchain/discover.ts';
import type { CompileRequest } from './compiler.ts';

/**
 * Whether the compiler must be told the name of a text by a line directive. gcc shows `<stdin>` wherever none says
 * otherwise. clang can be told by an argument, but for what sanitizers report.
 */
export function needsLineDirective(
  kind: ToolchainKind,
  { input, flags }: Pick<CompileRequest, 'input' | 'flags'>,
): boolean {
  return input.kind === 'text' && (kind === 'gcc' || flags.some((flag) => flag.startsWith('-fsanitize=')));
}

/**
 * Columns and lines stay right, because the directive has a line of its own; a byte order mark would no longer be at the
 * start.
 */
export function withLineDirective({
  text,
  displayName,
}: {
  readonly text: string;
  readonly displayName: string;
}): string {
  const escaped = displayName.replace(/[\\"]/g, '\\$&').replace(/[\x00-\x1f\x7f]/g, octal);
  return `#line 1 "${escaped}"\n${text.replace(/^\ufeff/, '')}`;
}

function octal(char: string): string {
  return `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`;
}

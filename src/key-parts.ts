/** What a request's key is made of. */

import type { KeyParts } from './cache/key.ts';
import type { CompileRequest } from './compile/compiler.ts';
import { asksForNative, keyCommand } from './compile/key-command.ts';
import { hostCpu } from './cpu.ts';
import type { Toolchain } from './toolchain/discover.ts';

/** Everything that decides the bytes, but for what is in files. */
export function keyPartsOf(toolchain: Toolchain, request: CompileRequest): KeyParts {
  const { input, flags, folder } = request;
  const { kind, version, target, path, resident } = toolchain;
  const isText = input.kind === 'text';
  return {
    compiler: [kind, version, target, path, resident ?? ''],
    cpu: asksForNative(flags) ? hostCpu().identity : '',
    command: [...keyCommand(toolchain, request), ...passesOf(input)],
    folder,
    environment: environmentOf(toolchain),
    displayName: input.kind === 'file' ? '' : input.displayName,
    source: isText ? input.text : input.kind === 'ir' ? input.ir : input.path,
    headers: isText ? Object.entries(input.headers).sort(([a], [b]) => (a < b ? -1 : 1)) : [],
  };
}

/** The pipeline is told to the driver apart from its arguments. */
function passesOf(input: CompileRequest['input']): string[] {
  return input.kind === 'ir' && input.passes !== null ? [`-passes=${input.passes}`] : [];
}

/** Of what a compiler is given of the environment, what can change the bytes. */
function environmentOf({ kind, major }: Toolchain): string[] {
  // gcc may find its assembler there; clang has its own.
  if (kind === 'gcc') return [`PATH=${process.env.PATH}`];
  // Where an older clang finds a configuration file.
  return major < 16 ? [`HOME=${process.env.HOME}`] : [];
}

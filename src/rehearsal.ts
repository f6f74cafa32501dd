/** Goes once through what every load goes through, when the package is imported. */

import { statSync } from 'node:fs';
import { FunctionSlot } from './bindings/bind.ts';
import { parsePrototype } from './bindings/prototype.ts';
import { decodeFrame, encodeFrame } from './cache/frame.ts';
import { keyOf } from './cache/key.ts';
import { checkVariant } from './cache/manifest.ts';
import type { CompileInput } from './compile/compiler.ts';
import { identityOf } from './file-identity.ts';
import { keyPartsOf } from './key-parts.ts';
import { requestOf, resolveSpec } from './options.ts';
import type { Toolchain } from './toolchain/discover.ts';
import { findResident } from './toolchain/resident.ts';

const CLANG: Toolchain = { kind: 'clang', path: '/', version: '', major: 22, target: '', resident: null };

/**
 * V8 makes a function ready at its first call, and node its AbortController and much of node:fs: a millisecond in all,
 * which a program spends in any case, but rather while it starts than in its first load.
 */
export function rehearse(): void {
  const spec = resolveSpec({ name: 'rehearsal', source: '', flags: ['-O2'] });
  const controller = new AbortController();
  controller.signal.throwIfAborted();
  const toolchain = findResident() ?? CLANG;
  const key = keyOf(keyPartsOf(toolchain, requestOf(spec, spec.input as CompileInput)));
  const absent = [{ folder: '/', identity: identityOf('/'), names: [] }];
  checkVariant({ id: '', read: [], tools: [], absent, diagnostics: [], objectBytes: 0, language: 'c', image: null }, 0);
  decodeFrame('manifest', key, Buffer.concat(encodeFrame('manifest', key, {}, new Uint8Array())));
  statSync('/', { bigint: true });
  const slot = new FunctionSlot(parsePrototype('', 'int abs(int value)'));
  void slot;
}

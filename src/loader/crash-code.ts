/** The part of the shim that reports fatal signals. */

import { LinkError } from '../errors.ts';
import { koffi } from '../koffi.ts';
import { openShim, POINTER, type Pointer, type ShimLibrary } from './shim.ts';

/** `fs_code_tables`: entries of 16 bytes, but for the text. */
export interface CrashTables {
  readonly ranges: Buffer;
  readonly functions: Buffer;
  readonly lines: Buffer;
  readonly text: Buffer;
}

interface CrashShim {
  add(library: string, tables: object, out: BigUint64Array): Pointer;
  remove(id: bigint): void;
}

const declared = new Map<ShimLibrary, CrashShim>();

function declare(shim: ShimLibrary): CrashShim {
  let known = declared.get(shim);
  if (known === undefined) {
    const { library } = shim;
    const table = koffi.struct({
      ranges: POINTER,
      rangeCount: 'uint64_t',
      functions: POINTER,
      functionCount: 'uint64_t',
      lines: POINTER,
      lineCount: 'uint64_t',
      text: POINTER,
      textSize: 'uint64_t',
    });
    known = {
      add: library.func('fs_crash_add_code', POINTER, ['str', koffi.pointer(table), POINTER]),
      remove: library.func('fs_crash_remove_code', 'void', ['uint64_t']),
    };
    declared.set(shim, known);
  }
  return known;
}

/**
 * Fatal signals in that code are reported from now on, until the result is called.
 *
 * @throws LinkError when there is no shim.
 */
export function addCrashCode(library: string, tables: CrashTables): () => void {
  let shim: ShimLibrary;
  try {
    shim = openShim();
  } catch (error) {
    const message = `${library}: crashes can't be reported: ${(error as Error).message}`;
    throw new LinkError(library, message, [], { cause: error });
  }
  const { add, remove } = declare(shim);
  const { ranges, functions, lines, text } = tables;
  const out = new BigUint64Array(1);
  const given = {
    ranges,
    rangeCount: ranges.length / 16,
    functions,
    functionCount: functions.length / 16,
    lines,
    lineCount: lines.length / 16,
    text,
    textSize: text.length,
  };
  shim.check(library, add(library, given, out));
  return () => remove(out[0] as bigint);
}

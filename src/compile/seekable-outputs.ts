/** Where gcc writes: files without a name, because its assembler must seek in the object that it writes. */

import type { FileHandle } from 'node:fs/promises';
import { openUnnamedFile } from '../private-folder.ts';
import { FIRST_DESCRIPTOR } from '../run-process.ts';
import type { OutputNames } from './command.ts';

/** Two open files that the compiler gets as descriptors; disposing closes them, and so they are gone. */
export interface SeekableOutputs extends AsyncDisposable {
  readonly names: OutputNames;
  readonly descriptors: readonly number[];
  /** What the compiler wrote; of the object at most one byte more than `limit`. */
  read(limit: number): Promise<{ object: Buffer; rule: string }>;
}

/**
 * gcc 12 with `-o /dev/stdout` ends with exit code 0 and nothing but a complaint of `as` ("Illegal seek") when stdout
 * is a pipe or socket, and opening `/dev/fd/N` of a Node pipe fails, as that is a socket. A file that was unlinked
 * right after it was opened can be opened again under `/dev/fd/N`, and can't be left behind.
 */
export async function createSeekableOutputs(): Promise<SeekableOutputs> {
  const object = await openUnnamedFile();
  const rule = await openUnnamedFile().catch(async (error) => {
    await object.close();
    throw error;
  });
  return {
    names: { object: `/dev/fd/${FIRST_DESCRIPTOR}`, rule: `/dev/fd/${FIRST_DESCRIPTOR + 1}` },
    descriptors: [object.fd, rule.fd],
    async read(limit) {
      const bytes = await readStart(object, limit + 1);
      return { object: bytes, rule: (await readStart(rule, 16 * 1024 * 1024)).toString('utf8') };
    },
    async [Symbol.asyncDispose]() {
      await object.close();
      await rule.close();
    },
  };
}

/** From position 0, wherever the compiler's descriptor, which shares nothing with this one, has got to. */
async function readStart(handle: FileHandle, limit: number): Promise<Buffer> {
  const { size } = await handle.stat();
  const bytes = Buffer.allocUnsafe(Math.min(size, limit));
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await handle.read(bytes, length, bytes.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

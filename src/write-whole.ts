/** Writes a file that others see whole or not at all. */

import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';

/**
 * Under a name of its own first, in the same folder. Its mode is what the process gives to new files.
 *
 * @throws the system's error; nothing is left then, and what was there stays.
 */
export async function writeWhole(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const temporary = `${path}.${randomUUID()}.new`;
  try {
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(Buffer.concat(parts));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
}

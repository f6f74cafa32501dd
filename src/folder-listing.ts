/** What a folder holds, as far as the names of its entries tell. */

import { readdirSync } from 'node:fs';
import { sha256 } from './sha256.ts';

/**
 * SHA-256 of the names in hexadecimal: sorted by their bytes, with a NUL behind each; empty where they can't be listed.
 *
 * The resident driver makes the same of a folder.
 */
export function digestOfFolder(folder: string): string {
  try {
    const names = readdirSync(folder, { encoding: 'buffer' }).sort(Buffer.compare);
    return sha256(Buffer.concat(names.flatMap((name) => [name, Buffer.alloc(1)])));
  } catch {
    return '';
  }
}

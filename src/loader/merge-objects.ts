/** Makes one object of several, so that a loader has to know one only. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LinkError } from '../errors.ts';
import { createPrivateFolder, type PrivateFolderError } from '../private-folder.ts';
import { Turns } from '../turns.ts';
import { type LinkerRequest, runLinker } from './run-linker.ts';

/** GNU ld says "multiple definition of `f'; a.o:…: first defined here", lld says "duplicate symbol: f". */
const TWIN = /multiple definition of [`']([^'`]+)'|duplicate symbol: (\S+)/g;

const merges = new Turns();

/**
 * The objects as one relocatable object, by `ld -r`.
 *
 * The linker settles here what it would settle in a `.so`: references to and fro, one copy of each inline function,
 * common symbols, thread-local variables, the order of initialisers. So both loaders link the same.
 *
 * @param objects - names for messages, and bytes
 * @throws LinkError when two of them define the same symbol, or the linker fails; the signal's reason.
 */
export async function mergeObjects(
  request: LinkerRequest,
  objects: readonly { readonly name: string; readonly bytes: Uint8Array }[],
): Promise<Uint8Array> {
  const [only] = objects;
  if (only !== undefined && objects.length === 1) return only.bytes;
  return merges.take(request.signal, async () => {
    const { library } = request;
    // Two members of an archive may have one name.
    // By another extension the compiler driver would take them for sources.
    const names = objects.map(({ name }, index) => `${index}-${name.replace(/[^\w.+-]/g, '_').slice(-100)}.o`);
    const files = Object.fromEntries(objects.map(({ bytes }, index) => [names[index], bytes]));
    const callersName = (word: string, index: string): string => {
      const ours = names[Number(index)];
      return ours !== undefined && word.startsWith(ours)
        ? `${objects[Number(index)]?.name}${word.slice(ours.length)}`
        : word;
    };
    await using folder = await createPrivateFolder(files).catch((error: PrivateFolderError) => {
      throw new LinkError(library, `${library}: ${error.message}`, [], { cause: error });
    });
    const merged = join(folder.path, 'merged');
    const args = ['-r', '-nostdlib', '-Wl,--no-demangle', '-o', merged, ...Object.keys(files)];
    await runLinker(request, folder.path, args, (complaint) => {
      const twins = new Set([...complaint.matchAll(TWIN)].map((match) => match[1] ?? match[2] ?? ''));
      if (twins.size === 0) return null;
      const named = complaint.replace(/(?<![\w.+-])(\d+)-[\w.+-]+/g, callersName);
      const shown = [...twins].slice(0, 10).map((name) => `\`${name}\``);
      const message = `${library}: more than one object defines ${shown.join(', ')}:\n${named.slice(0, 2000)}`;
      return new LinkError(library, message, []);
    });
    // Awaited, or the folder goes before it is read.
    return await readFile(merged);
  });
}

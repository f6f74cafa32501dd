/** Tells perf of the functions of a library. */

import { codeMapOf, demangle } from './code-map.ts';
import { writeToDump } from './loader/jitdump.ts';
import type { LoadedImage } from './loader/loader.ts';

/** The image is disposed when that fails, such as where the file can't be written. */
export async function tellPerf(image: LoadedImage): Promise<void> {
  try {
    const { functions } = await codeMapOf(image);
    writeToDump(functions.map((each) => ({ ...each, name: demangle(each.name) })));
  } catch (error) {
    await image.dispose();
    throw error;
  }
}

/** xxHash agrees with a published value, and is quick. */

import type { SourceLibrary } from 'fromsource';
import { formatMs, printStory } from './screen.ts';

const TEXT = 'Nobody inspects the spammish repetition';
const PUBLISHED = 0xfbcea83c8a378bf1n;

/** Tells the story. Throws when the hash is another one. */
export function tellHash(xxhash: SourceLibrary): void {
  const xxh64 = xxhash.func('uint64_t XXH64(const void *input, size_t length, uint64_t seed)');
  const hash = BigInt(xxh64(Buffer.from(TEXT), TEXT.length, 0));
  if (hash !== PUBLISHED) throw new Error(`XXH64 gives ${hash.toString(16)} for "${TEXT}"`);

  const xxh3 = xxhash.func('uint64_t XXH3_64bits(const void *input, size_t length)');
  const bytes = Buffer.alloc(64 * 2 ** 20, TEXT);
  const started = performance.now();
  xxh3(bytes, bytes.length);
  const took = performance.now() - started;
  const speed = (bytes.length / 1e6 / took).toFixed(1);
  printStory('hash', [
    `XXH64("${TEXT}") is ${hash.toString(16)}, as published`,
    `XXH3 of 64 MiB in ${formatMs(took)}: ${speed} GB/s`,
  ]);
}

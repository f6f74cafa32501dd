import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readBytes, type SourceLibrary } from '../../src/index.ts';
import { findSample } from '../../vendor-samples/samples.ts';
import { describeSamples } from './describe-samples.ts';

const bell = findSample('bell');
const digests = new Set<string>();

/** What the Ogg container itself says: the header packet's fields, and the last page's granule position. */
function describeOgg(ogg: Buffer): { channels: number; rate: number; frames: number } {
  const header = ogg.indexOf('\x01vorbis', 0, 'latin1');
  const lastPage = ogg.lastIndexOf('OggS', undefined, 'latin1');
  return {
    channels: ogg.readUInt8(header + 11),
    rate: ogg.readUInt32LE(header + 12),
    frames: Number(ogg.readBigInt64LE(lastPage + 6)),
  };
}

const reason = 'reason' in bell ? bell.reason : undefined;
if (reason !== undefined) console.log(`skipped: stb_vorbis: no Ogg Vorbis file: ${reason}`);

describe.skipIf(reason !== undefined)('a bell, decoded', () => {
  describeSamples(['stb_vorbis'], (load) => {
    let vorbis: SourceLibrary;
    const ogg = 'folder' in bell ? readFileSync(join(bell.folder, 'bell.oga')) : Buffer.alloc(0);

    beforeAll(async () => {
      vorbis = await load('stb_vorbis');
    });

    async function decode(data: Buffer) {
      const decodeMemory = vorbis.func(
        'int stb_vorbis_decode_memory(const uint8_t *data, int length, int *channels, int *rate, short **output)',
      );
      const [channels, rate, output] = [new Int32Array(1), new Int32Array(1), new BigUint64Array(1)];
      const frames = await decodeMemory.async(data, data.length, channels, rate, output);
      if (frames < 0) return { frames, channels: 0, rate: 0, samples: new Int16Array() };
      // Freed with the process: the library has no function that frees it.
      const bytes = readBytes(output[0] ?? 0n, frames * (channels[0] ?? 0) * 2);
      const samples = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
      return { frames, channels: channels[0] ?? 0, rate: rate[0] ?? 0, samples };
    }

    test('has the length, rate and channels that its container says', async () => {
      const { frames, channels, rate } = await decode(ogg);
      expect({ frames, channels, rate }).toEqual(describeOgg(ogg));
      expect(rate).toBe(44_100);
    });

    test('sounds like a bell: struck at once, without clipping, fading away', async () => {
      const { samples } = await decode(ogg);
      const loudness = (from: number, to: number) => {
        const part = samples.subarray(Math.floor(samples.length * from), Math.floor(samples.length * to));
        return Math.sqrt(part.reduce((sum, value) => sum + value * value, 0) / part.length);
      };
      expect(loudness(0, 0.25)).toBeGreaterThan(500);
      expect(loudness(0.75, 1)).toBeLessThan(loudness(0, 0.25) / 4);
      expect(samples.filter((value) => Math.abs(value) === 32767).length).toBeLessThan(samples.length / 1000);
    });

    test('gives the same samples through both loaders', async () => {
      const { samples } = await decode(ogg);
      digests.add(createHash('sha256').update(samples).digest('hex'));
      expect(digests.size).toBe(1);
    });

    test('refuses what is no Vorbis', async () => {
      expect((await decode(Buffer.from('no sound in here'))).frames).toBe(-1);
      expect((await decode(ogg.subarray(0, 100))).frames).toBe(-1);
    });
  });
});

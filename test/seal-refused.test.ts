import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeFrame } from '../src/cache/frame.ts';
import { hostCpu } from '../src/cpu.ts';
import { compileToIR, LinkError, loadSealedLibrary, seal } from '../src/index.ts';
import type { SealedManifest } from '../src/sealed-file.ts';
import { compile, shimIsBuilt } from './loader/fixtures/objects.ts';
import { add, changed, holdSealed, opened, refusal } from './sealing.ts';

const { folder, fresh, sealed } = holdSealed();
const fileOf = async (spec: Parameters<typeof sealed>[0] = add): Promise<Buffer> => readFileSync(await sealed(spec));
const same = (manifest: SealedManifest) => manifest;

describe('a damaged file is refused, and nothing of it is loaded:', () => {
  const mark = join(folder, 'ran');
  const source = `#include <stdio.h>
    __attribute__((constructor)) static void ran(void) { fclose(fopen(${JSON.stringify(mark)}, "w")); }
    int add(int a, int b) { return a + b; }`;

  test('200 bits, those of the header among them, each of them turned', async () => {
    const file = await fileOf({ name: 'mark', source });
    let state = 20_261_121;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let trial = 0; trial < 200; trial += 1) {
      const bad = Buffer.from(file);
      const at = trial < 96 ? trial : random(file.length);
      bad.writeUInt8(bad.readUInt8(at) ^ (1 << random(8)), at);
      expect((await refusal(bad)).reason, `byte ${at}`).toBe(at >= 40 && at < 44 ? 'format' : 'damaged');
    }
    expect(existsSync(mark)).toBe(false);
  });

  test('a cut at every 64 bytes, and one byte too many or too few', async () => {
    const file = await fileOf({ name: 'mark', source });
    for (let length = 0; length < file.length; length += 64) {
      expect((await refusal(file.subarray(0, length))).reason, `${length} bytes`).toBe('damaged');
    }
    expect((await refusal(file.subarray(0, -1))).reason).toBe('damaged');
    expect((await refusal(Buffer.concat([file, Buffer.from('x')]))).reason).toBe('damaged');
    expect(existsSync(mark)).toBe(false);
  });

  test('huge lengths, and files of another kind', async () => {
    const file = await fileOf();
    for (const [at, length] of [
      [48, 2n ** 63n],
      [56, 2n ** 63n],
      [56, 2n ** 64n - 1n],
    ] as const) {
      const huge = Buffer.from(file);
      huge.writeBigUInt64LE(length, at);
      expect((await refusal(huge)).reason).toBe('damaged');
    }
    const { manifest, object, image } = opened(file);
    const cached = Buffer.concat(encodeFrame('object', '0'.repeat(64), null, object));
    const renamed = encodeFrame('sealed', '0'.repeat(64), manifest, Buffer.concat([object, image]));
    const others = [Buffer.from('int add;'), compile('clang-22', 'int x;'), cached, Buffer.concat(renamed)];
    for (const bad of others) expect((await refusal(bad)).reason).toBe('damaged');
    const path = fresh('empty.fsl');
    writeFileSync(path, '');
    expect((await refusal(path)).message).toBe("empty.fsl can't be loaded: it is empty; seal the library again");
  });

  test('parts that are swapped, or not what the manifest says, also where the digest is right', async () => {
    const file = await fileOf();
    const { object, image } = opened(file);
    const other = opened(await fileOf({ name: 'o', source: 'int o;' }));
    const lengths = (manifest: SealedManifest) => ({
      ...manifest,
      object: { length: image.length },
      image: { ...manifest.image, length: object.length },
    });
    const layout = (change: object) => (manifest: SealedManifest) => ({
      ...manifest,
      image: { ...manifest.image, layout: { ...manifest.image.layout, ...change } },
    });
    const bad = [
      changed(file, same, { object: image, image: object }),
      changed(file, lengths, { object: image, image: object }),
      changed(file, same, { image: other.image.subarray(1) }),
      changed(file, layout({ claim: 2 ** 40 })),
      changed(file, layout({ initialisers: { offset: 0, count: 2 ** 40 } })),
      changed(file, layout({ symbols: null })),
      changed(file, ({ name, target }) => ({ name, target })),
      changed(file, (manifest) => ({ ...manifest, name: '\n' })),
      changed(file, (manifest) => ({ ...manifest, cpu: { ...manifest.cpu, features: 'avx' } })),
    ];
    for (const [index, each] of bad.entries()) expect((await refusal(each)).reason, `${index}`).toBe('damaged');
  });
});

describe('a file that does not fit is refused by name:', () => {
  test('the format, when another release made it', async () => {
    const file = await fileOf();
    file.writeUInt32LE(99, 40);
    const path = fresh('old.fsl');
    writeFileSync(path, file);
    const { reason, message, code } = await refusal(path);
    expect([reason, code]).toEqual(['format', 'ERR_SEALED']);
    const versions = message.replace(/reads \d+/, 'reads N');
    expect(versions).toBe(
      "old.fsl can't be loaded: it was made by another release of fromsource, which has format 99, and this one " +
        'reads N; seal the library again',
    );
  });

  test.each([
    [{ arch: 'arm64', triple: 'aarch64-linux-gnu' }, 'was sealed for aarch64-linux-gnu, and this is x86-64 linux'],
    [{ platform: 'darwin', triple: 'x86_64-apple' }, 'was sealed for x86_64-apple, and this is x86-64 linux'],
    [
      { libc: 'musl', triple: 'x86_64-linux-musl' },
      'was sealed for x86_64-linux-musl, with musl, and this system has glibc',
    ],
    [{ libc: 'glibc', glibc: '9.1' }, 'needs glibc 9.1, and this system has 2.N'],
  ])('the target %j', async (change, expected) => {
    const path = fresh('vec.fsl');
    const foreign = (manifest: SealedManifest) => ({ ...manifest, target: { ...manifest.target, ...change } });
    writeFileSync(path, changed(await fileOf(), foreign));
    const { reason, library, message } = await refusal(path);
    expect([reason, library]).toEqual(['target', 'vec']);
    expect(message.replace(/has 2\.\d+/, 'has 2.N')).toBe(
      `vec.fsl ${expected}; seal the library on such a system, or load its source`,
    );
  });

  test('the features that the processor lacks, those without a name too', async () => {
    const file = await fileOf();
    const needing = (cpu: object) => changed(file, (manifest) => ({ ...manifest, cpu: { ...manifest.cpu, ...cpu } }));
    const { reason, missingFeatures, message } = await refusal(needing({ features: ['avx9000'] }));
    expect([reason, missingFeatures]).toEqual(['cpu', ['avx9000']]);
    const cure = 'which this processor lacks; seal the library for less, or load its source';
    expect(message).toBe(`the sealed library needs avx9000, ${cure}`);
    expect(await refusal(needing({ unnamed: ['__APX_F__'] }))).toMatchObject({ missingFeatures: ['__APX_F__'] });
    expect(await refusal(needing({ unnamed: ['__X__'], native: '0'.repeat(64) }))).toMatchObject({ reason: 'cpu' });
  });

  test('what its flags, or its IR, ask of a processor', async () => {
    const candidates = [
      ['sse4a', '-msse4a'],
      ['fma4', '-mfma4'],
      ['amx_tile', '-mamx-tile'],
    ] as const;
    const [feature, flag] = candidates.find(([name]) => !hostCpu().features.has(name)) ?? ['__AVX10_2__', '-mavx10.2'];
    const flags = ['-O2', flag];
    const text = await compileToIR({ ...add, flags });
    const bitcode = await compileToIR({ ...add, flags }, { format: 'bitcode' });
    for (const spec of [
      { ...add, flags },
      { name: 'vec', ir: text },
      { name: 'vec', ir: bitcode },
    ]) {
      expect((await refusal(await sealed(spec))).missingFeatures).toContain(feature);
    }
  });

  test('the level of x86-64 is told', async () => {
    const { cpu } = await seal({ ...add, flags: ['-march=x86-64-v4'] }, fresh());
    expect(cpu).toMatchObject({
      level: 'x86-64-v4',
      features: expect.arrayContaining(['avx512f', 'avx512bw', 'avx2']),
    });
  });

  test.each(['orc', 'shared-object'] as const)('a name that the system lacks: %s', async (loader) => {
    if (loader === 'orc' && !shimIsBuilt) return;
    const file = await fileOf({ name: 'p', source: '#include <stdlib.h>\nint p(int v) { return v + rand(); }' });
    const { object, image } = opened(file);
    // As on a system whose libc has no `rand`.
    const without = (bytes: Buffer) => Buffer.from(bytes.toString('latin1').replace('\0rand\0', '\0rnad\0'), 'latin1');
    const bad = changed(file, same, { object: without(object), image: without(image) });
    const error = await refusal(bad, { loader });
    expect(error).toMatchObject({ reason: 'target', cause: expect.any(LinkError) });
    expect(error.message).toMatch(/^the sealed library needs what this system does not have: p: .*rnad/s);
  });

  test('a path that is not there, or no file', async () => {
    const missing = join(folder, 'missing.fsl');
    const error = await refusal(missing);
    expect([error.reason, error.library]).toEqual(['unreadable', 'missing.fsl']);
    expect(error.message).toBe(`${missing} can't be read: ENOENT: no such file or directory, open '${missing}'`);
    expect((await refusal(folder)).reason).toBe('unreadable');
  });
});

test('wrong arguments are TypeErrors, and an aborted load is its reason', async () => {
  for (const wrong of [undefined, null, 1, '', {}, 'a\0b', [1]]) {
    await expect(loadSealedLibrary(wrong as never), String(wrong)).rejects.toThrow(TypeError);
  }
  const path = await sealed(add);
  for (const wrong of [{ name: '' }, { name: 1 }, { loader: 'jit' }, { signal: 1 }, { loder: 'orc' }, null, []]) {
    await expect(loadSealedLibrary(path, wrong as never), JSON.stringify(wrong)).rejects.toThrow(TypeError);
  }
  await expect(loadSealedLibrary(path, { loder: 'orc' } as never)).rejects.toThrow('did you mean `loader`?');
  await expect(loadSealedLibrary(path, { signal: AbortSignal.abort('enough') })).rejects.toBe('enough');
});

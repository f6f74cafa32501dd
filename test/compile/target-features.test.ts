import { describe, expect, it, test } from 'vitest';
import { featuresOf } from '../../src/compile/feature-macros.ts';
import { machineFlags, targetFeatures } from '../../src/compile/target-features.ts';
import { hostCpu, levelOf, missingFeatures } from '../../src/cpu.ts';
import { installedToolchains } from './requests.ts';

const toolchains = await installedToolchains();

describe.skipIf(process.arch !== 'x64').each(toolchains)('targetFeatures of $kind', (toolchain) => {
  it('needs nothing beyond the baseline without flags', async () => {
    const plain = await targetFeatures(toolchain, ['-O3', '-g', '-DX=-mavx2']);
    expect(plain).toEqual({ target: toolchain.target, features: [], onRequest: [], unnamed: [] });
  });

  test.each(['x86-64-v2', 'x86-64-v3', 'x86-64-v4'] as const)('names all that makes %s', async (level) => {
    const { features, onRequest } = await targetFeatures(toolchain, [`-march=${level}`]);
    // No compiler says of xsave by itself that it is there.
    expect(levelOf(new Set([...features, ...onRequest, 'xsave']))).toBe(level);
  });

  it('knows single flags, and that the last one counts', async () => {
    expect((await targetFeatures(toolchain, ['-mavx512f', '-mno-avx512f', '-mbmi2'])).features).toContain('bmi2');
    expect((await targetFeatures(toolchain, ['-mavx512f', '-mno-avx512f'])).features).not.toContain('avx512f');
    expect((await targetFeatures(toolchain, ['-mavxvnni'])).features).toContain('avx_vnni');
  });

  it('names nothing that this machine lacks when asked for this machine', async () => {
    const { features } = await targetFeatures(toolchain, ['-march=native']);
    expect(missingFeatures(features, hostCpu())).toEqual([]);
  });

  it('has a name or a word for every feature of newer processors', async () => {
    const { features, onRequest } = await targetFeatures(toolchain, ['-march=sapphirerapids']);
    for (const name of ['amx_tile', 'avx512_fp16', 'avx512_vnni', 'gfni', 'sha_ni']) expect(features).toContain(name);
    for (const name of ['clwb', 'movdir64b', 'waitpkg']) expect(onRequest).toContain(name);
  });

  it('asks once for the same flags, and says which flag the compiler refuses', async () => {
    expect(await targetFeatures(toolchain, ['-mavx2'])).toBe(await targetFeatures(toolchain, ['-O1', '-mavx2']));
    await expect(targetFeatures(toolchain, ['-march=abacus'])).rejects.toThrow(
      /does not say what -march=abacus stands for/,
    );
  });
});

test.each([
  [
    ['-O2', '-march=native', '-DX', '-mavx2', '-I', '-mno', '-include', 'a.h'],
    ['-march=native', '-mavx2'],
  ],
  [['-mllvm', '-x', '-mtune=native'], ['-mtune=native']],
  [
    ['--target=x', '-Xclang', '-target-feature'],
    ['--target=x', '-Xclang', '-target-feature'],
  ],
])('machineFlags(%j)', (flags, expected) => expect(machineFlags(flags)).toEqual(expected));

test('featuresOf reads arm64, and tells what has no name', () => {
  const arm =
    '#define __ARM_FEATURE_SVE 1\n#define __ARM_FEATURE_SHA2 1\n#define __GCC_HAVE_SYNC_COMPARE_AND_SWAP_16 1\n';
  expect(featuresOf(arm)).toEqual({ features: ['sha1', 'sha2', 'sve'], onRequest: [], unnamed: [] });
  expect(featuresOf('#define __APX_F__ 1\n#define __AVX10_1__ 1\n#define __MINE__ 1\n')).toEqual({
    features: [],
    onRequest: [],
    unnamed: ['__APX_F__', '__AVX10_1__'],
  });
});

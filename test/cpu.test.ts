import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { describeFeatures, hostCpu, levelOf, missingFeatures, parseCpu } from '../src/cpu.ts';

const V2 = 'cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3';
const V3 = `${V2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave`;
const V4 = `${V3} avx512f avx512bw avx512cd avx512dq avx512vl`;
const set = (words: string) => new Set(words.split(' '));

const X86 = `processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 85
model name\t: Intel(R) Xeon(R) CPU @ 2.00GHz
stepping\t: 3
microcode\t: 0xffffffff
cpu MHz\t\t: 2000.146
cache size\t: 39424 KB
flags\t\t: fpu sse2 ${V3}
bugs\t\t: spectre_v1
power management:

processor\t: 1
vendor_id\t: GenuineIntel
flags\t\t: fpu sse2 ${V4}
`;

const ARM = `processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd aes pmull sha1 sha2 crc32 atomics
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1

processor\t: 1
Features\t: fp
`;

describe('parseCpu', () => {
  it('reads the first processor, and identifies it by what does not change by itself', () => {
    const { level, features, identity } = parseCpu(X86);
    expect(level).toBe('x86-64-v3');
    expect(features.has('avx2')).toBe(true);
    expect(features.has('avx512f')).toBe(false);
    expect(identity.split('\n')).toEqual([
      'vendor_id: GenuineIntel',
      'cpu family: 6',
      'model: 85',
      'model name: Intel(R) Xeon(R) CPU @ 2.00GHz',
      'stepping: 3',
      'cache size: 39424 KB',
      `flags: fpu sse2 ${V3}`,
    ]);
    expect(parseCpu(X86.replace('2000.146', '3100.000')).identity).toBe(identity);
  });

  it('reads the lines of arm64', () => {
    const { features, identity } = parseCpu(ARM);
    expect([...features]).toEqual(['fp', 'asimd', 'aes', 'pmull', 'sha1', 'sha2', 'crc32', 'atomics']);
    expect(identity).toMatch(/^Features: fp .*\nCPU implementer: 0x41\nCPU architecture: 8\nCPU variant: 0x3\n/);
  });

  test.each(['', 'nothing of the kind', ':\n:\n'])('knows nothing of %j', (text) =>
    expect(parseCpu(text)).toEqual({ level: 'x86-64', features: new Set(), identity: '' }),
  );
});

test.each([
  ['fpu sse2', 'x86-64'],
  [V2, 'x86-64-v2'],
  [V3.replace('movbe ', ''), 'x86-64-v2'],
  [V3, 'x86-64-v3'],
  [V4, 'x86-64-v4'],
  [V4.replace('ssse3 ', ''), 'x86-64'],
] as const)('%s is %s', (words, level) => expect(levelOf(set(words))).toBe(level));

test('missing features are sorted, each once', () => {
  expect(missingFeatures(['fma', 'avx512f', 'avx512bw', 'avx512f'], { features: set(V3) })).toEqual([
    'avx512bw',
    'avx512f',
  ]);
  expect(missingFeatures(set(V3), { features: set(V4) })).toEqual([]);
});

test.each([
  [['avx512bw', 'avx512f'], 'x86-64-v4 (avx512bw, avx512f)'],
  [['avx2', 'popcnt'], 'x86-64-v3 (avx2, popcnt)'],
  [['amx_tile'], 'amx_tile'],
])('%j is described as %s', (missing, text) => expect(describeFeatures(missing)).toBe(text));

test('the processor of this machine is in the first lines of /proc/cpuinfo', () => {
  expect(hostCpu()).toEqual(parseCpu(readFileSync('/proc/cpuinfo', 'latin1')));
  expect(hostCpu().features.size).toBeGreaterThan(3);
  expect(hostCpu()).toBe(hostCpu());
});

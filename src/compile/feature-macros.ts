/** Pure: the macros by which compilers say what code may use of a processor → the names of /proc/cpuinfo. */

/** x86: macro without its underscores → flag; only where the flag isn't the macro in lower case. */
const X86_RENAMED: Readonly<Record<string, string>> = {
  SSE3: 'pni',
  CRC32: 'sse4_2',
  LZCNT: 'abm',
  BMI: 'bmi1',
  PCLMUL: 'pclmulqdq',
  SHA: 'sha_ni',
  RDRND: 'rdrand',
  PKU: 'ospke',
  LAHF_SAHF: 'lahf_lm',
  AVX512VBMI2: 'avx512_vbmi2',
  AVX512VNNI: 'avx512_vnni',
  AVX512BITALG: 'avx512_bitalg',
  AVX512VPOPCNTDQ: 'avx512_vpopcntdq',
  AVX512BF16: 'avx512_bf16',
  AVX512FP16: 'avx512_fp16',
  AVX512VP2INTERSECT: 'avx512_vp2intersect',
  AVX5124VNNIW: 'avx512_4vnniw',
  AVX5124FMAPS: 'avx512_4fmaps',
  AVXVNNI: 'avx_vnni',
  AVXIFMA: 'avx_ifma',
};

const X86_SAME = new Set(
  (
    'SSSE3 SSE4_1 SSE4_2 SSE4A POPCNT AVX AVX2 FMA FMA4 XOP F16C BMI2 TBM LWP MOVBE ADX AES GFNI VAES VPCLMULQDQ RDSEED ' +
    'RDPID RDPRU FSGSBASE XSAVE XSAVEOPT XSAVEC CLFLUSHOPT CLWB CLZERO MWAITX MOVDIRI MOVDIR64B WAITPKG SERIALIZE RTM ' +
    'TSXLDTRK AVX512F AVX512CD AVX512BW AVX512DQ AVX512VL AVX512IFMA AVX512VBMI AVX512ER AVX512PF AMX_TILE AMX_INT8 ' +
    'AMX_BF16 AMX_FP16 CMPCCXADD'
  ).split(' '),
);

/** Features that have macros, but no word in /proc/cpuinfo. */
const X86_UNNAMED = new Set(
  (
    'AVXVNNIINT8 AVXVNNIINT16 AVXNECONVERT AVX10_1 AVX10_2 AVX10_1_256 AVX10_1_512 AVX10_2_256 AVX10_2_512 APX_F ' +
    'SHA512 SM3 SM4 AMX_COMPLEX AMX_FP8 AMX_TF32 AMX_AVX512 AMX_MOVRS AMX_TRANSPOSE MOVRS RAOINT USERMSR UINTR PTWRITE KL ' +
    'WIDEKL'
  ).split(' '),
);

/** arm64: `__ARM_FEATURE_…` → hardware capabilities. */
const ARM: Readonly<Record<string, readonly string[]>> = {
  AES: ['aes', 'pmull'],
  ATOMICS: ['atomics'],
  BF16: ['bf16'],
  COMPLEX: ['fcma'],
  CRC32: ['crc32'],
  DOTPROD: ['asimddp'],
  FP16_FML: ['asimdfhm'],
  FP16_SCALAR_ARITHMETIC: ['fphp'],
  FP16_VECTOR_ARITHMETIC: ['asimdhp'],
  FRINT: ['frint'],
  JCVT: ['jscvt'],
  LS64: ['ls64'],
  MATMUL_INT8: ['i8mm'],
  MEMORY_TAGGING: ['mte'],
  MOPS: ['mops'],
  QRDMX: ['asimdrdm'],
  RCPC: ['lrcpc'],
  RNG: ['rng'],
  SHA2: ['sha1', 'sha2'],
  SHA3: ['sha3'],
  SHA512: ['sha512'],
  SM3: ['sm3'],
  SM4: ['sm4'],
  SME: ['sme'],
  SME2: ['sme2'],
  SVE: ['sve'],
  SVE2: ['sve2'],
  SVE2_AES: ['sveaes'],
  SVE2_BITPERM: ['svebitperm'],
  SVE2_SHA3: ['svesha3'],
  SVE2_SM4: ['svesm4'],
};

/**
 * Used only where the source calls the intrinsic. Compilers derive some of them from the model of the processor, so that
 * `-march=native` has what a virtual machine or the kernel has switched off (`rdseed` of a Zen 5).
 */
const ON_REQUEST = new Set(
  (
    'rdseed rdrand fsgsbase rdpid rdpru clflushopt clwb clzero mwaitx ospke serialize rtm tsxldtrk waitpkg movdiri ' +
    'movdir64b xsave xsaveopt xsavec lwp rng mte ls64'
  ).split(' '),
);

/** What code compiled with these macros may use. */
export interface NamedFeatures {
  /** That the compiler may use by itself, or for arithmetic that the source asks for; names of /proc/cpuinfo, sorted. */
  readonly features: readonly string[];
  /** That only a source which asks for the very instruction uses; names of /proc/cpuinfo, sorted. */
  readonly onRequest: readonly string[];
  /** Macros of features that /proc/cpuinfo has no name for, sorted. */
  readonly unnamed: readonly string[];
}

/**
 * Reads the output of `-dM -E`. What every x86-64 or ARMv8 processor has is left out, and so is what only the kernel may
 * use (`INVPCID`, `XSAVES`, `SGX`) or does nothing where it is not known (`PRFCHW`, `CLDEMOTE`, `SHSTK`).
 */
export function featuresOf(macros: string): NamedFeatures {
  const all = new Set<string>();
  const unnamed = new Set<string>();
  for (const [, macro = ''] of macros.matchAll(/^#define (__\w+) /gm)) {
    const name = macro.replace(/^__|__$/g, '');
    const renamed = Object.hasOwn(X86_RENAMED, name) ? X86_RENAMED[name] : undefined;
    const arm = name.startsWith('ARM_FEATURE_') ? name.slice('ARM_FEATURE_'.length) : '';
    if (macro === '__GCC_HAVE_SYNC_COMPARE_AND_SWAP_16' && /^#define __x86_64__ /m.test(macros)) all.add('cx16');
    else if (renamed !== undefined) all.add(renamed);
    else if (X86_SAME.has(name)) all.add(name.toLowerCase());
    else if (X86_UNNAMED.has(name)) unnamed.add(macro);
    else if (Object.hasOwn(ARM, arm)) for (const feature of ARM[arm] ?? []) all.add(feature);
  }
  const [features, onRequest] = [
    [...all].filter((name) => !ON_REQUEST.has(name)),
    [...all].filter((name) => ON_REQUEST.has(name)),
  ];
  return { features: features.sort(), onRequest: onRequest.sort(), unnamed: [...unnamed].sort() };
}

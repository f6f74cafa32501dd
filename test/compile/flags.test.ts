import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkFlags, judgeFlags, readFlags } from '../../src/compile/flags.ts';

/** One line per refusal: the flags of one caller, and what the reason must say. */
const REFUSED: Record<string, readonly (readonly string[])[]> = {
  'write files of its own': [
    ['-MD'],
    ['-MMD'],
    ['-MMD', '-MF', 'x.d'],
    ['-MFx.d'],
    ['-MJ', 'x.json'],
    ['-MT', 'x'],
    ['-MQ', 'x'],
    ['-MG'],
    ['-MP'],
    ['-M'],
    ['-MM'],
    ['--dependencies'],
    ['--write-dependencies'],
    ['--write-user-dependencies'],
    ['--user-dependencies'],
    ['-save-temps'],
    ['-save-temps=obj'],
    ['--save-temps'],
    ['--save-temps=cwd'],
    ['-ftime-trace'],
    ['-ftime-trace=x.json'],
    ['--serialize-diagnostics', 'x.dia'],
    ['-serialize-diagnostics', 'x.dia'],
    ['-fsave-optimization-record'],
    ['-fsave-optimization-record=yaml'],
    ['-foptimization-record-file=x'],
    ['-fstack-usage'],
    ['-fcallgraph-info'],
    ['-fdump-tree-all'],
    ['-fdump-rtl-expand=x'],
    ['-fopt-info-vec=x'],
    ['-fdeps-file=x'],
    ['-fdeps-format=p1689r5'],
    ['-fdeps-target=x'],
    ['-freport-bug'],
    ['-fcompare-debug'],
    ['-fmodules'],
    ['-fmodules-ts'],
    ['-fmodules-cache-path=x'],
    ['-fimplicit-modules'],
    ['-fcxx-modules'],
    ['-fproc-stat-report=x'],
    ['-fthin-link-bitcode=x'],
    ['-gen-reproducer'],
    ['-gen-cdb-fragment-path', 'x'],
    ['-aux-info', 'x'],
    ['-dumpbase', 'x'],
    ['-dumpdir', 'x'],
  ],
  'a file of its own': [['-gsplit-dwarf'], ['-gsplit-dwarf=single']],
  'writes files, at compile time or when the code runs': [
    ['--coverage'],
    ['-coverage'],
    ['-ftest-coverage'],
    ['-fprofile-arcs'],
    ['-fprofile-generate'],
    ['-fprofile-generate=dir'],
    ['-fprofile-instr-generate'],
    ['-fcs-profile-generate'],
    ['-fcoverage-mapping'],
  ],
  'loads code into the compiler': [
    ['-fplugin=x.so'],
    ['-fplugin', 'x.so'],
    ['-fplugin-arg-x-y=1'],
    ['-fpass-plugin=x.so'],
    ['-iplugindir=x'],
    ['-fmodule-mapper=|x'],
  ],
  'read arguments from a file': [
    ['@args'],
    ['@'],
    ['--config=x.cfg'],
    ['--config', 'x.cfg'],
    ['--config-user-dir=x'],
    ['-specs=x'],
    ['--specs=x'],
    ['-I', '@args'],
    ['-D', '@args'],
    ['-include', '@args'],
    ['--param', '@args'],
  ],
  'which programs and files the compiler is made of': [
    ['-wrapper', 'gdb,--args'],
    ['-B', 'dir'],
    ['-Bdir'],
    ['--prefix=dir'],
    ['-fno-integrated-as'],
    ['-no-integrated-as'],
    ['-ccc-print-phases'],
    ['--gcc-toolchain=x'],
    ['--gcc-install-dir=x'],
    ['-fuse-ld=/bin/true'],
    ['-ivfsoverlay', 'x.yaml'],
    ['-working-directory', 'x'],
    ['-I-'],
    ['-I', '-'],
  ],
  'a part of the compiler that checks nothing': [
    ['-Xclang', '-emit-pch'],
    ['-Xclang', '-load', '-Xclang', 'x.so'],
    ['-Xclang=-load'],
    ['-Xpreprocessor', '-MD'],
    ['-Xassembler', '-a=x'],
    ['-Xlinker', 'x'],
    ['-Xarch_host', '-O0'],
    ['-Xanalyzer', 'x'],
    ['-mllvm', '-debug'],
    ['-mllvm=-debug'],
    ['-mmlir', 'x'],
    ['-Wa,-a=x'],
    ['-Wa,--MD,x'],
    ['-Wp,-MD,x'],
    ['-Wp,-DX,-MD,x'],
    ['-Wp,-o,x'],
    ['-Wp,'],
  ],
  'something else than an object': [
    ['-E'],
    ['-S'],
    ['-fsyntax-only'],
    ['-fdriver-only'],
    ['-###'],
    ['--version'],
    ['--help'],
    ['--help=target'],
    ['-dumpmachine'],
    ['-dumpversion'],
    ['-dM'],
    ['-print-file-name=x'],
    ['--print-file-name=x'],
    ['-print-search-dirs'],
    ['--analyze'],
    ['-emit-llvm'],
    ['-emit-ast'],
    ['--preprocess'],
    ['--assemble'],
    ['--precompile'],
    ['-march=help'],
    ['-mcpu=?'],
    ['-fhelp'],
    ['-fversion'],
  ],
  'hold no machine code': [['-flto'], ['-flto=thin'], ['-fopenmp-targets=x'], ['-foffload=x']],
  'both are decided here': [
    ['-o', 'x'],
    ['-ox'],
    ['--output=x'],
    ['--output', 'x'],
    ['-x', 'ir'],
    ['-xir'],
    ['--language=ir'],
    ['-'],
    ['--'],
    ['foo.c'],
    ['foo.o'],
    [''],
    ['-ObjC'],
  ],
  'machine and ABI': [
    ['-m32'],
    ['-mx32'],
    ['-m16'],
    ['--target=aarch64'],
    ['-target', 'aarch64'],
    ['-arch', 'arm64'],
    ['-EB'],
    ['-mbig-endian'],
    ['-mabi=ilp32'],
  ],
  'only a linker reads it': [
    ['-lm'],
    ['-l', 'm'],
    ['-Ldir'],
    ['-Wl,-z,now'],
    ['-shared'],
    ['-static'],
    ['-static-libgcc'],
    ['-rdynamic'],
    ['-nostdlib'],
    ['-pie'],
    ['-no-pie'],
    ['-s'],
    ['-r'],
    ['-T', 'x'],
    ['-framework', 'x'],
  ],
  'runtime library must be in the process': [
    ['-fsanitize=address'],
    ['-fsanitize=undefined,thread'],
    ['-fsanitize=memory'],
    ['-fsanitize=fuzzer-no-link'],
  ],
  'how diagnostics are printed is decided here': [
    ['-fdiagnostics-format=sarif-file'],
    ['-fdiagnostics-add-output=sarif:file=x'],
    ['-fdiagnostics-set-output=x'],
  ],
  'its argument is missing': [['-I'], ['-D'], ['-O2', '-isystem'], ['--sysroot='], ['-I', '']],
  'not known to be harmless': [
    ['-v'],
    ['-H'],
    ['-Q'],
    ['-include-pch', 'x'],
    ['-isystem-after', 'x'],
    ['-O9x'],
    ['--verbose'],
    ['--embed-nothing'],
    ['-A', 'x'],
    ['-traditional'],
    ['-iprefix', 'x'],
  ],
};

const ALLOWED: readonly (readonly string[])[] = [
  [],
  ['-O'],
  ['-O0'],
  ['-O3'],
  ['-Ofast'],
  ['-Os'],
  ['-Og'],
  ['-g'],
  ['-g3'],
  ['-ggdb'],
  ['-gdwarf-4'],
  ['-gline-tables-only'],
  ['-w'],
  ['-W'],
  ['-Wall', '-Wextra', '-Wno-unused', '-Werror=return-type'],
  ['-Wp,-D_FORTIFY_SOURCE=2'],
  ['-Wp,-DX,-UY'],
  ['-std=c17'],
  ['-std=gnu++20'],
  ['--std=c11'],
  ['-ansi'],
  ['-pedantic'],
  ['-pedantic-errors'],
  ['-march=native'],
  ['-mavx2', '-mfma'],
  ['-m64'],
  ['-ffast-math'],
  ['-fno-exceptions', '-fno-rtti'],
  ['-fvisibility=hidden'],
  ['-fno-pic'],
  ['-fcrash-diagnostics'],
  ['-fno-lto'],
  ['-fsanitize=undefined', '-fno-sanitize-recover=all'],
  ['-fsanitize=signed-integer-overflow'],
  ['-fopenmp'],
  ['-fprofile-use=x', '-fprofile-instr-use=x', '-fprofile-sample-use=x'],
  ['-fprefetch-loop-arrays'],
  ['-D', 'X=1'],
  ['-DX=1'],
  ['-U', 'X'],
  ['-I', 'dir'],
  ['-Idir'],
  ['-I', '-o'],
  ['-I', '-MD'],
  ['-isystem', 'dir'],
  ['-isystemdir'],
  ['-iquote', 'dir'],
  ['-idirafter', 'dir'],
  ['-include', 'x.h'],
  ['-imacros', 'x.h'],
  ['-isysroot', 'dir'],
  ['--sysroot=dir'],
  ['--sysroot', 'dir'],
  ['--param', 'x=1'],
  ['--param=x=1'],
  ['--include-directory=dir'],
  ['--define-macro', 'X'],
  ['-nostdinc'],
  ['-nostdinc++'],
  ['-stdlib=libc++'],
  ['-pthread'],
  ['-pipe'],
  ['-c'],
  ['-trigraphs'],
  ['-Rpass=loop-vectorize'],
  ['-Qunused-arguments'],
];

describe('judgeFlags', () => {
  for (const [reason, cases] of Object.entries(REFUSED)) {
    it.each(cases.map((flags) => [flags.join(' '), flags] as const))(`refuses %j: ${reason}`, (joined, flags) => {
      const refused = judgeFlags(flags);
      expect(refused.map((one) => one.reason).join('\n')).toContain(reason);
      expect(joined).toContain(refused[0]?.flag);
    });
  }

  it.each(ALLOWED.map((flags) => [flags.join(' '), flags] as const))('lets %j pass', (_, flags) => {
    expect(judgeFlags(flags)).toEqual([]);
  });

  it('gives every refused flag its own reason, and consumes arguments with their option', () => {
    expect(judgeFlags(['-O2', '-I', '-o', '-MF', '-O3', '-o', 'x', '-g', '@f'])).toEqual([
      { flag: '-MF -O3', reason: 'it makes the compiler write files of its own' },
      { flag: '-o x', reason: 'it names an input or an output, and both are decided here' },
      { flag: '@f', reason: 'it makes the compiler read arguments from a file' },
    ]);
  });

  const word = fc.oneof(
    fc.constantFrom(...ALLOWED.flat()),
    fc.string({ unit: 'binary' }),
    fc.string().map((s) => `-${s}`),
  );
  const core = fc.constantFrom(
    '-MD',
    '-E',
    '-fplugin=x.so',
    '@args',
    '-save-temps',
    '-Wp,-MD,x',
    '-flto',
    '-S',
    'foo.c',
  );

  it('never throws, and every word belongs to exactly one flag', () => {
    fc.assert(
      fc.property(fc.array(word), (words) => {
        judgeFlags(words);
        expect(readFlags(words).flatMap((flag) => flag.words)).toEqual(words);
      }),
    );
  });

  it('refuses a core flag wherever it stands, unless it is the argument of an option that takes one', () => {
    fc.assert(
      fc.property(fc.array(word), core, fc.array(word), (before, bad, after) => {
        const words = [...before, bad, ...after];
        const owner = readFlags(words).find((flag) => flag.words.includes(bad));
        const isRefused = judgeFlags(words).some(({ flag }) => flag.split(' ').includes(bad));
        const isArgument = owner?.words.length === 2 && owner.words[1] === bad && !bad.startsWith('@');
        expect(isRefused || isArgument).toBe(true);
      }),
    );
  });
});

describe('checkFlags', () => {
  it('names every refused flag, why, and the escape', () => {
    const check = () => checkFlags({ library: 'vec', flags: ['-MD', '-O2', '-o', 'x'], unsafeFlags: false });
    expect(check).toThrowError(
      expect.objectContaining({
        name: 'CompileError',
        message:
          'vec: 2 compiler flags are refused\n' +
          '  -MD: it makes the compiler write files of its own\n' +
          '  -o x: it names an input or an output, and both are decided here\n' +
          '`unsafeFlags: true` lets every flag pass.',
        diagnostics: [],
        exitCode: null,
        signal: null,
      }),
    );
  });

  it('lets every flag pass with unsafeFlags, but never one with NUL', () => {
    checkFlags({ library: 'vec', flags: ['-MD', '@x'], unsafeFlags: true });
    expect(() => checkFlags({ library: 'vec', flags: ['-D\0'], unsafeFlags: true })).toThrowError(
      new TypeError('Expected `flags` to be strings without NUL, got "-D\\u0000"'),
    );
  });
});

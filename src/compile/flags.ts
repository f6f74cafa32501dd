/**
 * Pure: which of the caller's flags are harmless, and why the others are refused.
 *
 * The policy is an allowlist of families with explicit denials inside them, the same for clang and gcc. Of 40 flags
 * tried with clang 22, 11 wrote files of their own and 9 ended with exit code 0 and something else than an object.
 */

import { CompileError } from '../errors.ts';
import type { CompileRequest } from './compiler.ts';

/** A flag that is not passed on. */
export interface RefusedFlag {
  /** The flag with its argument, as it was given. */
  readonly flag: string;
  /** Completes "`flag`: …". */
  readonly reason: string;
}

/** One option and the argument that belongs to it; together they are one or two of the caller's words. */
export interface Flag {
  readonly words: readonly string[];
  /** The option's name where it is one that takes an argument, else the whole word. */
  readonly option: string;
  /** Undefined for a flag without argument, and where the argument is missing. */
  readonly value: string | undefined;
  readonly takesValue: boolean;
}

/** Allowed, with an argument that follows directly or as the next word. */
const JOINED_OR_SEPARATE = ['-isystem', '-iquote', '-idirafter', '-include', '-imacros', '-isysroot', '-I', '-D', '-U'];

/** Allowed, with an argument after `=` or as the next word. */
const EQUALS_OR_SEPARATE = [
  '--sysroot',
  '--param',
  '--include-directory',
  '--define-macro',
  '--undefine-macro',
  '--include',
  '--imacros',
];

/** Refused, and the next word belongs to them: so that it is reported with them. */
const REFUSED_WITH_VALUE = new Set(
  (
    '-o -x -T -u -z -e -L -l -B -G -V -b -F -MF -MT -MQ -MJ -Xclang -Xpreprocessor -Xassembler -Xlinker -Xanalyzer ' +
    '-Xopenmp-target -mllvm -mmlir -wrapper -specs -iplugindir -dumpbase -dumpdir -dumpbase-ext -aux-info -target ' +
    '-arch -ivfsoverlay -include-pch -iprefix -iwithprefix -iwithprefixbefore -iwithsysroot -cxx-isystem ' +
    '-isystem-after -serialize-diagnostics --serialize-diagnostics -working-directory -framework -filelist -rpath ' +
    '-fdebug-compilation-dir -gcc-toolchain --config --output --language --target --specs --prefix --for-linker ' +
    '--for-assembler --library-directory --entry --force-link --assert --embed-dir -fplugin -fmodule-file'
  ).split(' '),
);

const WRITES = 'it makes the compiler write files of its own';
const LOADS = 'it loads code into the compiler';
const ARGUMENTS = 'it makes the compiler read arguments from a file';
const NO_OBJECT = 'it makes the compiler produce something else than an object';
const NAMES = 'it names an input or an output, and both are decided here';
const TARGET = 'its object would not be for the machine and ABI of this process';
const LINKER =
  'only a linker reads it; the object is linked in this process, against the symbols that are loaded in it';
const UNSEEN = 'it hands an argument to a part of the compiler that checks nothing';
const PROGRAMS = 'it changes which programs and files the compiler is made of';
const PROFILE = 'it writes files, at compile time or when the code runs, or needs a runtime library that does';
const LTO = 'its object would hold no machine code';
const RUNTIME =
  'its runtime library must be in the process before anything else, so node itself would have to be built with it. ' +
  'Compile the source into a program of its own for that; -fsanitize=undefined works here';
const FORMAT = 'how diagnostics are printed is decided here, because they are read back';
const UNKNOWN = 'it is not known to be harmless';

/** The first match decides; what matches none is for the allowed families. */
const DENIED: readonly (readonly [RegExp, string])[] = [
  [/^@/, ARGUMENTS],
  [/^--?config/, ARGUMENTS],
  [/^--?specs/, ARGUMENTS],
  [/^($|[^-]|-$|--$)/, NAMES],
  [/^-o|^--output|^-x|^--language/, NAMES],
  [/^-ObjC/, NAMES],
  [/^-f(plugin|pass-plugin|module-mapper)|^-iplugindir|^-load/, LOADS],
  [/^-wrapper|^-B|^--prefix|^--?gcc-|^-fuse-ld|^-ccc-|^-f?no-integrated-(as|cpp|objemitter)|^-via-file-asm/, PROGRAMS],
  [/^-ivfsoverlay|^-ivfsstatcache|^-working-directory|^--?embed-dir|^-I-$/, PROGRAMS],
  [/^-X|^-mllvm|^-mmlir|^-Wa,|^--for-(assembler|linker)/, UNSEEN],
  [/^-M|^--(write-|print-missing-file-)?(user-)?dependencies|^--print-missing/, WRITES],
  [/^--?save-temps|^--?serialize-diagnostics|^-aux-info|^--?gen-|^-module/, WRITES],
  [/^-ftime-trace|^-f(save-)?optimization-record|^-fstack-usage|^-fcallgraph-info|^-fthin-link-bitcode/, WRITES],
  [/^-fdeps-|^-freport-bug/, WRITES],
  [/^-fdump|^-fopt-info|^-fcompare-debug|^-frepo$|^-fpch|^-fproc-stat-report|^-dumpbase|^-dumpdir/, WRITES],
  [
    /^-f(cxx-|implicit-|prebuilt-|builtin-|build-session|apinotes)?modules?\b|^-f(cxx-|implicit-|prebuilt-|builtin-)module/,
    WRITES,
  ],
  [/^-fmodule|^-fbuild-session|^-gmodules/, WRITES],
  [/^-gsplit-dwarf/, 'it writes the debug information to a file of its own'],
  [
    /^--?coverage|^-f(cs-)?profile(?!-(instr-|sample-)?use)|^-ftest-coverage|^-fcoverage|^-fcreate-profile|^-fmemory-profile/,
    PROFILE,
  ],
  [/^-f(lto|thin|fat-lto|offload|sycl|openmp-targets|embed-offload)|^--offload/, LTO],
  [/^-(E|S)$|^--(preprocess|assemble|precompile|help|version|analyze|print-|migrate)/, NO_OBJECT],
  [
    /^-fsyntax-only|^-fdriver-only|^-f(help|version|target-help|self-test)|^-###|^-version|^-help|^-dump|^-print-|^-analyze|^-emit-|^-d/,
    NO_OBJECT,
  ],
  [/^-m[a-z-]+=(help|list|\?)$/, NO_OBJECT],
  [/^-m(16|32|x32|iphone|macos|big-endian|abi=ilp32)|^--?target|^-arch$|^-E[BL]$/, TARGET],
  [/^-fdiagnostics-(format|add-output|set-output|generate-patch)/, FORMAT],
  [/^-Wl,|^-l|^-L|^-T|^-shared|^-static|^-rdynamic|^-pie$|^-no-pie$|^-nopie$|^-rpath|^-symbolic/, LINKER],
  [
    /^-nostdlib($|\+)|^-nodefaultlibs|^-nostartfiles|^-nolibc|^-[uzesr]$|^--(library-directory|entry|force-link)/,
    LINKER,
  ],
  [/^-f(ramework|ilelist|orce_|lat_namespace)/, LINKER],
];

const ALLOWED: readonly RegExp[] = [
  /^-O([0-9]|s|z|g|fast)?$/,
  /^-f[a-zA-Z]/,
  /^-m([a-z]|64$)/,
  /^-W([a-zA-Z]|$)/,
  /^-w$/,
  /^-g([0-9a-z]|$)/,
  /^-R[a-z]/,
  /^--?std=/,
  /^-stdlib=/,
  /^-(c|pipe|pthread|ansi|undef|trigraphs|Qunused-arguments)$/,
  /^--?pedantic(-errors)?$/,
  /^-nostdinc(\+\+)?$/,
  /^-(nostdlibinc|nobuiltininc)$/,
];

/** The others only add code, and at most call functions of a library that is loaded with the code. */
const SANITIZERS_WITH_RUNTIME =
  /^(address|kernel-address|hwaddress|thread|memory|kernel-memory|leak|memtag.*|dataflow|fuzzer.*|safe-stack|cfi.*|scudo|realtime|type|numerical|pointer-compare|pointer-subtract|shadow-call-stack)$/;

/** Groups the caller's words into flags, so that in `-I -o` the `-o` is a folder. */
export function readFlags(words: readonly string[]): Flag[] {
  const flags: Flag[] = [];
  for (let index = 0; index < words.length; index += 1) {
    const flag = readFlag(words[index] ?? '', words[index + 1]);
    index += flag.words.length - 1;
    flags.push(flag);
  }
  return flags;
}

function readFlag(word: string, next: string | undefined): Flag {
  if (EQUALS_OR_SEPARATE.includes(word) || JOINED_OR_SEPARATE.includes(word) || REFUSED_WITH_VALUE.has(word)) {
    const words = next === undefined ? [word] : [word, next];
    return { words, option: word, value: next, takesValue: true };
  }
  const joined =
    EQUALS_OR_SEPARATE.find((option) => word.startsWith(`${option}=`)) ??
    JOINED_OR_SEPARATE.find((option) => word.startsWith(option));
  if (joined === undefined || deniedBecause(word) !== undefined) {
    return { words: [word], option: word, value: undefined, takesValue: false };
  }
  const value = word.slice(joined.startsWith('--') ? joined.length + 1 : joined.length);
  return { words: [word], option: joined, value, takesValue: true };
}

function deniedBecause(word: string): string | undefined {
  return DENIED.find(([pattern]) => pattern.test(word))?.[1];
}

/** The refused ones among the flags, each with its reason; empty when all may be passed on. Never throws. */
export function judgeFlags(words: readonly string[]): RefusedFlag[] {
  const refused: RefusedFlag[] = [];
  for (const flag of readFlags(words)) {
    const reason = judgeFlag(flag);
    if (reason !== null) refused.push({ flag: flag.words.join(' '), reason });
  }
  return refused;
}

function judgeFlag(flag: Flag): string | null {
  const { option, value } = flag;
  const denied = deniedBecause(option);
  if (denied !== undefined) return denied;
  if (flag.takesValue) {
    if (REFUSED_WITH_VALUE.has(option)) return UNKNOWN;
    if (value === undefined || value === '') return 'its argument is missing';
    // Response files are expanded before options are read, so an `@file` is one even as the argument of `-I`.
    if (flag.words.length === 2 && value.startsWith('@')) return ARGUMENTS;
    // `-isystem-after` and its like are options of their own.
    if (flag.words.length === 1 && value.startsWith('-')) return UNKNOWN;
    return option === '-I' && value === '-' ? PROGRAMS : null;
  }
  if (option.startsWith('-Wp,')) return judgePreprocessorWords(option.slice('-Wp,'.length));
  if (option.startsWith('-fsanitize=')) return judgeSanitizers(option.slice('-fsanitize='.length));
  return ALLOWED.some((pattern) => pattern.test(option)) ? null : UNKNOWN;
}

/** `-Wp,-D_FORTIFY_SOURCE=2` is common; but clang hands the words to cc1, where `-o` and `-load` are options too. */
function judgePreprocessorWords(list: string): string | null {
  const isMacro = (word: string) => /^-[DU]\w/.test(word);
  return list.split(',').every(isMacro) ? null : `of -Wp, only -D and -U are let through; ${UNSEEN}`;
}

function judgeSanitizers(list: string): string | null {
  const needing = list.split(',').filter((name) => SANITIZERS_WITH_RUNTIME.test(name));
  return needing.length === 0 ? null : `${needing.join(', ')}: ${RUNTIME}`;
}

/**
 * Throws TypeError for a flag that no process can be given, CompileError for refused ones, unless `unsafeFlags` is set.
 */
export function checkFlags(request: Pick<CompileRequest, 'library' | 'flags' | 'unsafeFlags'>): void {
  for (const flag of request.flags) {
    if (typeof flag !== 'string' || flag.includes('\0')) {
      throw new TypeError(`Expected \`flags\` to be strings without NUL, got ${JSON.stringify(flag)}`);
    }
  }
  const refused = request.unsafeFlags ? [] : judgeFlags(request.flags);
  if (refused.length === 0) return;
  const count = refused.length === 1 ? 'a compiler flag is refused' : `${refused.length} compiler flags are refused`;
  const lines = refused.map(({ flag, reason }) => `  ${flag}: ${reason}`);
  const message = `${request.library}: ${count}\n${lines.join('\n')}\n\`unsafeFlags: true\` lets every flag pass.`;
  throw new CompileError(request.library, message, {
    diagnostics: [],
    command: [],
    exitCode: null,
    signal: null,
    stderr: '',
  });
}

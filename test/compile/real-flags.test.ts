import { readdirSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileOneShot } from '../../src/compile/one-shot.ts';
import { enterSandbox, type Sandbox } from './leftovers.ts';
import { installedToolchains, rejectionOf, textRequest } from './requests.ts';

const toolchains = await installedToolchains();
const TEXT =
  '#include <stdlib.h>\nint g;\nint add(int a, int b) { for (int i = 0; i < b; i++) a += rand(); return a + b + g; }\n';

/** The 40 that were tried by hand with `-c -x c - -o -`: they wrote, loaded, read or printed. */
const HARMFUL = [
  '-MD',
  '-MMD -MF x',
  '-Wp,-MD,x',
  '-save-temps',
  '-save-temps=obj',
  '-ftime-trace',
  '-ftime-trace=x',
  '--serialize-diagnostics x',
  '-fsave-optimization-record',
  '-gsplit-dwarf',
  '--coverage',
  '-fprofile-arcs -ftest-coverage',
  '-fstack-usage',
  '-MJ x',
  '-fdump-tree-all',
  '-fcallgraph-info',
  '-aux-info x',
  '-fmodules -fmodules-cache-path=x',
  '-E',
  '-S',
  '-fsyntax-only',
  '-###',
  '--version',
  '-dumpmachine',
  '-print-file-name=x',
  '-ccc-print-phases',
  '--analyze',
  '-Xclang -emit-pch',
  '-emit-llvm',
  '-flto',
  '-fplugin=x',
  '-Xclang -load -Xclang x',
  '-fpass-plugin=x',
  '@x',
  '--config=x',
  '-specs=x',
  '-wrapper x',
  '-B x',
  '-o x',
  '-x ir',
  '-fproc-stat-report=x',
  '-Wa,-a=x',
  '-gen-cdb-fragment-path x',
];

/** Flags as people use them: each must give an object and nothing else. */
const HARMLESS = [
  '-O0',
  '-O3 -march=native -ffast-math',
  '-Os -g3',
  '-g -gz',
  '-Wall -Wextra -Wpedantic -Wno-unused',
  '-std=c11 -pedantic',
  '-std=gnu17',
  '-D NDEBUG -DX=1 -U Y',
  '-Wp,-D_FORTIFY_SOURCE=2',
  '-I . -isystem . -iquote . -idirafter .',
  '-I -o',
  '-include stdlib.h -imacros limits.h',
  '-fvisibility=hidden -ffunction-sections -fdata-sections',
  '-fno-pic -fpie -fcommon',
  '-fstack-protector-strong -fcf-protection=none',
  '-fsanitize=undefined',
  '-fopenmp -pthread',
  '-finstrument-functions',
  '-fno-omit-frame-pointer -fno-strict-aliasing -fwrapv',
  '-ftls-model=global-dynamic',
  '-mavx2 -mfma',
  '-m64',
  '-masm=intel',
  '-fdiagnostics-color=always -fno-diagnostics-show-option',
  '-ftime-report',
  '-frandom-seed=x',
  '-fexec-charset=UTF-8',
  '--param ssp-buffer-size=4',
  '-pipe -c -w',
];

describe.each(toolchains)('flags in a real compile with $kind', (toolchain) => {
  let sandbox: Sandbox;
  beforeAll(() => {
    sandbox = enterSandbox();
  });
  afterAll(() => sandbox.remove());
  const files = () => [...readdirSync(sandbox.cwd), ...readdirSync(sandbox.temporary)];

  it.each(HARMFUL)('%s is refused before a compiler starts', async (flags) => {
    const { mtimeMs } = statSync(sandbox.temporary);
    const error = await rejectionOf(compileOneShot(toolchain, textRequest(TEXT, { flags: flags.split(' ') })));
    expect(error).toMatchObject({ name: 'CompileError', diagnostics: [], command: [], exitCode: null, signal: null });
    expect(error.message).toMatch(/^vec: .* refused\n {2}[^\n]+: .*\n`unsafeFlags: true` lets every flag pass\.$/s);
    expect(files()).toEqual([]);
    expect(statSync(sandbox.temporary).mtimeMs).toBe(mtimeMs);
  });

  it.each(HARMLESS)('%s gives an object and writes nothing', async (flags) => {
    const { object } = await compileOneShot(toolchain, textRequest(TEXT, { flags: flags.split(' ') }));
    expect(object.length).toBeGreaterThan(0);
    expect(files()).toEqual([]);
  });
});

/** What changes a key and what doesn't: every pair of requests that could give other bytes has two keys. */

import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { type KeyParts, keyOf, outlineOf } from '../../src/cache/key.ts';
import type { CompileInput, CompileRequest } from '../../src/compile/compiler.ts';
import { asksForNative } from '../../src/compile/key-command.ts';
import { hostCpu, parseCpu } from '../../src/cpu.ts';
import { keyPartsOf } from '../../src/key-parts.ts';
import { requestOf, resolveSpec, type SourceLibrarySpec } from '../../src/options.ts';
import type { Toolchain } from '../../src/toolchain/discover.ts';
import { textRequest } from '../compile/requests.ts';

const clang: Toolchain = {
  kind: 'clang',
  path: '/opt/llvm/bin/clang',
  version: '22.1.8',
  major: 22,
  target: 'x86_64-pc-linux-gnu',
  resident: null,
};
const gcc: Toolchain = { ...clang, kind: 'gcc', path: '/usr/bin/gcc', version: '14.2.0', major: 14 };

const SOURCE = '#include "a.h"\nint f(void) { return A; }\n';
const headers = { 'a.h': '#define A 1\n', 'b.h': '#define B 2\n' };
const base = textRequest(SOURCE, {
  headers,
  flags: ['-Wall', '-g'],
  includePaths: ['/usr/one', '/usr/two'],
  defines: { ONE: 1, TWO: 'two' },
});
const bare = textRequest('int f(void);\n');
const IR = 'define i32 @one() {\n  ret i32 1\n}\n';
const ir: CompileInput = { kind: 'ir', ir: IR, displayName: 'vec.ll', passes: null };

const key = (request: CompileRequest, toolchain: Toolchain = clang) => keyOf(keyPartsOf(toolchain, request));
const flags = (...words: string[]) => key({ ...base, flags: words });
const text = (change: Partial<CompileInput & { kind: 'text' }>) =>
  key({ ...base, input: { ...base.input, ...change } as CompileInput });
const input = (change: CompileInput) => key({ ...bare, input: change });

function withEnvironment(name: string, value: string | undefined, make: () => string): string {
  vi.stubEnv(name, value);
  try {
    return make();
  } finally {
    vi.unstubAllEnvs();
  }
}

/** Each is another compile than every other in the list. */
const DIFFERENT: Readonly<Record<string, () => string>> = {
  'the request itself': () => key(base),
  'a byte of the source': () => text({ text: SOURCE.replace('A;', 'B;') }),
  'white space in the source': () => text({ text: `${SOURCE}\n` }),
  'an empty source': () => text({ text: '' }),
  'a header that changed': () => text({ headers: { ...headers, 'a.h': '#define A 2\n' } }),
  'a header that came': () => text({ headers: { ...headers, 'c.h': '' } }),
  'a header that went': () => text({ headers: { 'a.h': headers['a.h'] } }),
  'a header by another name': () => text({ headers: { 'a.h': headers['a.h'], 'B.h': headers['b.h'] } }),
  'two headers that changed places': () => text({ headers: { 'a.h': headers['b.h'], 'b.h': headers['a.h'] } }),
  'a header whose end has moved into the next': () =>
    text({ headers: { 'a.h': '#define A 1\n#', 'b.h': headers['b.h'].slice(1) } }),
  'a header whose start has moved into the source': () =>
    text({ text: `${SOURCE}#`, headers: { ...headers, 'a.h': headers['a.h'].slice(1) } }),
  'a header whose start has moved into its name': () =>
    text({ headers: { 'a.h#': headers['a.h'].slice(1), 'b.h': headers['b.h'] } }),
  'headers that are the end of the source instead': () =>
    text({ text: `${SOURCE}${headers['a.h']}${headers['b.h']}`, headers: {} }),
  'another name of the library': () => text({ displayName: 'other.c' }),
  'a name that has taken the source in': () => text({ displayName: `vec.c${SOURCE}`, text: '' }),
  'another language': () => key({ ...base, language: 'c++' }),
  'no flags': () => flags(),
  'one flag less': () => flags('-Wall'),
  'the flags in another order': () => flags('-g', '-Wall'),
  'another level': () => flags('-O3', '-Wall', '-g'),
  'the level of size': () => flags('-Os', '-Wall', '-g'),
  'no optimisation': () => flags('-O0', '-Wall', '-g'),
  'a language standard': () => flags('-Wall', '-g', '-std=c99'),
  'a semantic flag': () => flags('-Wall', '-g', '-fwrapv'),
  'its contrary': () => flags('-Wall', '-g', '-fno-wrapv'),
  'both, so that the later holds': () => flags('-Wall', '-g', '-fwrapv', '-fno-wrapv'),
  'both the other way round': () => flags('-Wall', '-g', '-fno-wrapv', '-fwrapv'),
  'a target feature': () => flags('-Wall', '-g', '-mavx2'),
  'an architecture': () => flags('-Wall', '-g', '-march=x86-64-v3'),
  'what this processor is': () => flags('-Wall', '-g', '-march=native'),
  'what this processor is, for speed only': () => flags('-Wall', '-g', '-mtune=native'),
  'a macro among the flags': () => flags('-Wall', '-g', '-DX=1'),
  'a macro of another value among the flags': () => flags('-Wall', '-g', '-DX=2'),
  'a macro that flags undefine': () => flags('-Wall', '-g', '-UX'),
  'a macro defined and undefined': () => flags('-Wall', '-g', '-DX=1', '-UX'),
  'a macro undefined and defined': () => flags('-Wall', '-g', '-UX', '-DX=1'),
  'a folder among the flags': () => flags('-Wall', '-g', '-I/usr/three'),
  'a folder of system headers': () => flags('-Wall', '-g', '-isystem', '/usr/three'),
  'a folder for quoted includes': () => flags('-Wall', '-g', '-iquote', '/usr/three'),
  'two folders': () => flags('-Wall', '-g', '-I/usr/three', '-I/usr/four'),
  'two folders in another order': () => flags('-Wall', '-g', '-I/usr/four', '-I/usr/three'),
  'a file that is included first': () => flags('-Wall', '-g', '-include', 'a.h'),
  'a macro whose value is another flag': () => flags('-Wall', '-D', '-g'),
  'a macro of `defines` that came': () => key({ ...base, defines: { ...base.defines, THREE: 3 } }),
  'one that went': () => key({ ...base, defines: { ONE: 1 } }),
  'one of another value': () => key({ ...base, defines: { ...base.defines, ONE: 2 } }),
  'one of no value': () => key({ ...base, defines: { ...base.defines, ONE: '' } }),
  'one that is undefined': () => key({ ...base, defines: { ...base.defines, ONE: false } }),
  'one by another name': () => key({ ...base, defines: { UNO: 1, TWO: 'two' } }),
  'a value that has moved into the name': () => key({ ...base, defines: { 'ONE(x)': 1, TWO: 'two' } }),
  'values that changed places': () => key({ ...base, defines: { ONE: 'two', TWO: 1 } }),
  'a folder of `includePaths` that came': () => key({ ...base, includePaths: [...base.includePaths, '/usr/three'] }),
  'one folder less': () => key({ ...base, includePaths: ['/usr/one'] }),
  'the folders in another order': () => key({ ...base, includePaths: ['/usr/two', '/usr/one'] }),
  'two folders that ran into one': () => key({ ...base, includePaths: ['/usr/one/usr/two'] }),
  'another version of the compiler': () => key(base, { ...clang, version: '22.1.9' }),
  'another path of the compiler': () => key(base, { ...clang, path: '/usr/bin/clang' }),
  'another target': () => key(base, { ...clang, target: 'x86_64-unknown-linux-musl' }),
  'a resident driver': () => key(base, { ...clang, resident: '/opt/driver' }),
  'another resident driver': () => key(base, { ...clang, resident: '/opt/driver2' }),
  'another compiler': () => key(base, gcc),
  'another PATH, with gcc': () => withEnvironment('PATH', '/other/bin', () => key(base, gcc)),
  'an old clang': () => key(base, { ...clang, major: 15, version: '15.0.7' }),
  'another HOME, with an old clang': () =>
    withEnvironment('HOME', '/other', () => key(base, { ...clang, major: 15, version: '15.0.7' })),
  'another working folder': () => key({ ...base, folder: '/elsewhere' }),
  'a file': () => input({ kind: 'file', path: '/src/vec.c' }),
  'another file': () => input({ kind: 'file', path: '/src/vec2.c' }),
  'a text that is the name of the file': () => input({ ...bare.input, text: '/src/vec.c' } as CompileInput),
  'a text': () => key(bare),
  IR: () => input(ir),
  'the same IR as bytes': () => input({ ...ir, ir: Buffer.from(IR) }),
  'other IR': () => input({ ...ir, ir: IR.replace('1', '2') }),
  'a byte of bitcode': () => input({ ...ir, ir: Buffer.from(IR.replace('1', '2')) }),
  'the IR as a text of C': () => input({ ...bare.input, text: IR } as CompileInput),
  'a pipeline': () => input({ ...ir, passes: 'default<O1>' }),
  'another pipeline': () => input({ ...ir, passes: 'default<O3>' }),
  'an empty pipeline': () => input({ ...ir, passes: '' }),
};

test('different requests have as many keys', () => {
  const titles = new Map<string, string>();
  for (const [title, make] of Object.entries(DIFFERENT)) {
    const found = make();
    expect(found).toMatch(/^[\da-f]{64}$/);
    expect(titles.get(found), `${title} has the key of ${titles.get(found)}`).toBeUndefined();
    titles.set(found, title);
  }
  expect(titles.size).toBeGreaterThanOrEqual(70);
});

const fromSpec = (change: Record<string, unknown>) => {
  const spec = { name: 'vec', source: SOURCE, includePaths: ['/usr/one'], ...change } as unknown as SourceLibrarySpec;
  const resolved = resolveSpec(spec);
  return key(requestOf(resolved, resolved.input as CompileInput));
};

/** Each is two ways to ask for the same. */
const SAME: Readonly<Record<string, readonly [() => string, () => string]>> = {
  'the same again': [() => key(base), () => key(structuredClone({ ...base, signal: undefined }))],
  'macros in another order': [() => key(base), () => key({ ...base, defines: { TWO: 'two', ONE: 1 } })],
  'headers in another order': [
    () => key(base),
    () => text({ headers: { 'b.h': headers['b.h'], 'a.h': headers['a.h'] } }),
  ],
  '1 as a number, a text and true': [
    () => key({ ...base, defines: { ONE: 1, TWO: true } }),
    () => key({ ...base, defines: { ONE: true, TWO: '1' } }),
  ],
  'a folder behind its flag, or after it': [() => flags('-Ifoo', '-g'), () => flags('-I', 'foo', '-g')],
  'a system folder behind its flag, or after it': [() => flags('-isystemfoo'), () => flags('-isystem', 'foo')],
  'a macro behind its flag, or after it': [() => flags('-DX=1', '-UY'), () => flags('-D', 'X=1', '-U', 'Y')],
  'a folder by its relative name': [() => flags('-Ifoo'), () => flags(`-I${process.cwd()}/foo`)],
  'a folder of `includePaths` by its relative name': [
    () => key({ ...base, includePaths: ['foo', 'a/../bar'] }),
    () => key({ ...base, includePaths: [join(process.cwd(), 'foo'), join(process.cwd(), 'bar')] }),
  ],
  'the level that is the default': [() => flags('-O2', '-Wall', '-g'), () => flags('-Wall', '-g')],
  'a level that a later one replaces': [() => flags('-O3', '-O0', '-O1', '-Wall'), () => flags('-O1', '-Wall')],
  'the level twice': [() => flags('-O1', '-O1'), () => flags('-O1')],
  'other limits': [
    () => key(base),
    () => key({ ...base, limits: { timeout: 1, maxOutputBytes: 1, maxMemoryBytes: Number.POSITIVE_INFINITY } }),
  ],
  'a signal': [() => key(base), () => key({ ...base, signal: new AbortController().signal })],
  'an unrelated variable of the environment': [
    () => key(base),
    () => withEnvironment('CPATH', '/usr/three', () => key(base)),
  ],
  'an unrelated variable of the environment, with gcc': [
    () => key(base, gcc),
    () => withEnvironment('HOME', '/other', () => key(base, gcc)),
  ],
  'another PATH, with clang': [() => key(base), () => withEnvironment('PATH', '/other/bin', () => key(base))],
  'another HOME, with a clang that is told to read nothing there': [
    () => key(base),
    () => withEnvironment('HOME', '/other', () => key(base)),
  ],
  'another loader': [() => fromSpec({}), () => fromSpec({ loader: 'orc' })],
  'a watch': [() => fromSpec({}), () => fromSpec({ watch: true })],
  'another bound of time and memory': [() => fromSpec({}), () => fromSpec({ timeout: 5, maxMemoryBytes: 2 ** 30 })],
  'another cache': [() => fromSpec({}), () => fromSpec({ cache: { dir: '/elsewhere', maxBytes: 1 } })],
  'the language that is the default': [() => fromSpec({}), () => fromSpec({ language: 'c' })],
  'no macros, or none given': [() => fromSpec({}), () => fromSpec({ defines: {}, flags: [] })],
  'a file by its relative name': [
    () => fromSpec({ source: undefined, file: 'vec.c' }),
    () => fromSpec({ source: undefined, file: join(process.cwd(), 'vec.c') }),
  ],
};

describe('one key have', () => {
  test.each(Object.entries(SAME))('%s', (_, [one, other]) => expect(other()).toBe(one()));
});

test('what native stands for is in the key of who asks for it only', () => {
  const words = ['-march=native', '-mtune=native', '-mcpu=native', '-march=x86-64', '-DX=-march=native'];
  expect(words.filter((word) => asksForNative(['-g', word]))).toEqual(words.slice(0, 3));
  const parts = keyPartsOf(clang, { ...base, flags: ['-march=native'] });
  expect(parts.cpu).toBe(hostCpu().identity);
  expect(keyPartsOf(clang, base).cpu).toBe('');
  const cpu = (model: number, features: string) =>
    parseCpu(`vendor_id\t: GenuineIntel\nmodel\t\t: ${model}\ncpu MHz\t: ${Math.random()}\nflags\t\t: ${features}\n\n`)
      .identity;
  const keyOn = (identity: string) => keyOf({ ...parts, cpu: identity });
  expect(keyOn(cpu(85, 'fpu avx2'))).toBe(keyOn(cpu(85, 'fpu avx2')));
  expect(new Set([cpu(85, 'fpu avx2'), cpu(85, 'fpu'), cpu(86, 'fpu avx2'), ''].map(keyOn)).size).toBe(4);
});

test('parts never run into each other, whatever is in them', () => {
  const word = fc.string({ unit: fc.constantFrom('a', '"', '\\', ',', '\0', 'ä', '\u{1f600}'), maxLength: 3 });
  const words = fc.array(word, { maxLength: 3 });
  const anyParts: fc.Arbitrary<KeyParts> = fc.record({
    compiler: words,
    cpu: word,
    command: words,
    folder: word,
    environment: words,
    displayName: word,
    source: fc.oneof(
      word,
      word.map((each) => Buffer.from(each)),
    ),
    headers: fc.array(fc.tuple(word, word), { maxLength: 2 }),
  });
  const found = new Map<string, string>();
  fc.assert(
    fc.property(anyParts, (parts) => {
      const shown = JSON.stringify(parts);
      const digest = keyOf(parts);
      expect(found.get(digest) ?? shown).toBe(shown);
      found.set(digest, shown);
    }),
    { numRuns: 3000 },
  );
  expect(found.size).toBe(new Set(found.values()).size);
  expect(found.size).toBeGreaterThan(2000);
});

test('an outline tells the same requests apart', () => {
  const outlines = [base, bare, { ...base, input: ir }].map((each) =>
    JSON.stringify(outlineOf(keyPartsOf(clang, each))),
  );
  expect(new Set(outlines).size).toBe(3);
});

describe('the order decides, and is in the key,', () => {
  test('of a level that brings options of its own, and what takes one of them back', () => {
    expect(flags('-fno-fast-math', '-Ofast')).not.toBe(flags('-Ofast', '-fno-fast-math'));
  });

  test('of what only looks like a level', () => {
    expect(flags('-O2', '-I', '-Ox')).toBe(flags('-I', '-Ox'));
    expect(flags('-I', '-Ox')).not.toBe(flags('-I', '-Oy'));
  });

  test('of two definitions of one macro', () => {
    const defined = (defines: CompileRequest['defines']) => key({ ...base, defines });
    expect(defined({ 'F(x)': 1, 'F(...)': 2 })).not.toBe(defined({ 'F(...)': 2, 'F(x)': 1 }));
  });
});

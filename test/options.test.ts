import { describe, expect, test } from 'vitest';
import { resolveSpec, type SourceLibrarySpec, withChanges } from '../src/options.ts';

const spec = { name: 'vec', source: 'int x;' };
const resolve = (extra: object): unknown => resolveSpec({ ...spec, ...extra } as SourceLibrarySpec);

describe('what is wrong with a spec is said by name, expectation, value and type', () => {
  test.each([
    [
      { name: '' },
      'Expected `name` to be a non-empty string of at most 4,096 characters without control characters, got `` (string)',
    ],
    [{ name: 7 }, 'got `7` (number)'],
    [{ name: 'a\nb' }, 'Expected `name`'],
    [{ name: 'a\0b' }, 'Expected `name`'],
    [{ name: 'x'.repeat(4097) }, 'Expected `name`'],
    [{ flgas: [] }, 'Unknown option `flgas`; did you mean `flags`?'],
    [{ includepaths: [] }, 'Unknown option `includepaths`; did you mean `includePaths`?'],
    [{ zzz: 1 }, 'Unknown option `zzz`'],
    [
      { source: undefined },
      'Expected one of `source`, `file`, `files`, `ir`, `object`, `archive` and `sharedLibrary`, got none',
    ],
    [
      { file: 'a.c' },
      'Expected one of `source`, `file`, `files`, `ir`, `object`, `archive` and `sharedLibrary`, got `source` and `file`',
    ],
    [{ source: 5 }, 'Expected `source` to be a string without NUL, got `5` (number)'],
    [{ source: 'a\0' }, 'Expected `source`'],
    [{ language: 'rust' }, "Expected `language` to be 'c' or 'c++', got `rust` (string)"],
    [{ flags: '-O2' }, 'Expected `flags` to be an array of strings, got `-O2` (string)'],
    [{ flags: ['-O2', 3] }, 'Expected `flags[1]` to be a string without NUL, got `3` (number)'],
    [{ flags: ['-DX\0'] }, 'Expected `flags[0]`'],
    [{ includePaths: [null] }, 'Expected `includePaths[0]` to be a string without NUL, got `null` (null)'],
    [{ defines: { 'A B': 1 } }, 'Expected `defines` to be keyed by macro names, got `A B` (string)'],
    [{ defines: { A: 'x\ny' } }, 'Expected `defines.A` to be a boolean, a finite number, or a string of one line'],
    [{ defines: { A: Number.NaN } }, 'got `NaN` (number)'],
    [{ defines: { A: Number.NEGATIVE_INFINITY } }, 'got `-Infinity` (number)'],
    [{ defines: { A: 'x\0' } }, 'Expected `defines.A`'],
    [{ defines: { A$: 1 } }, 'Expected `defines` to be keyed by macro names'],
    [{ defines: { A: null } }, 'got `null` (null)'],
    [{ defines: ['A'] }, 'Expected `defines` to be a plain object, got `A` (array)'],
    [{ headers: { '../x.h': '' } }, 'Expected `headers` to be keyed by relative paths'],
    [{ headers: { '/etc/x.h': '' } }, 'Expected `headers`'],
    [{ headers: { 'a//b.h': '' } }, 'Expected `headers`'],
    [{ headers: { 'a/./b.h': '' } }, 'Expected `headers`'],
    [{ headers: { '': '' } }, 'Expected `headers`'],
    [{ headers: { 'a/': '' } }, 'Expected `headers`'],
    [{ headers: { 'a/../../x.h': '' } }, 'Expected `headers`'],
    [{ headers: { 'nul\0.h': '' } }, 'Expected `headers`'],
    [{ headers: { 'new\nline.h': '' } }, 'Expected `headers`'],
    [{ headers: { ['é'.repeat(128)]: '' } }, 'Expected `headers`'],
    [{ headers: { ['long/'.repeat(103)]: '' } }, 'Expected `headers`'],
    [
      { headers: { 'a/b': '', a: '' } },
      'Expected `headers` to be free of names that are also folders of others, got `a` (string)',
    ],
    [{ headers: { 'x.h': 3 } }, "Expected `headers['x.h']` to be a string without NUL"],
    [{ loader: 'llvm' }, "Expected `loader` to be 'auto', 'orc' or 'shared-object', got `llvm` (string)"],
    [{ compiler: '' }, 'Expected `compiler` to be a non-empty string'],
    [{ timeout: 0 }, 'Expected `timeout` to be an integer from 1 to 2147483647, got `0` (number)'],
    [{ timeout: 1.5 }, 'got `1.5` (number)'],
    [{ timeout: Number.POSITIVE_INFINITY }, 'got `Infinity` (number)'],
    [{ maxOutputBytes: -1 }, 'Expected `maxOutputBytes`'],
    [{ maxMemoryBytes: '1G' }, 'Expected `maxMemoryBytes`'],
    [{ signal: {} }, 'Expected `signal` to be an AbortSignal'],
    [{ unsafeFlags: 1 }, 'Expected `unsafeFlags` to be a boolean, got `1` (number)'],
    [{ watch: 'yes' }, 'Expected `watch` to be a boolean'],
  ])('%j', (extra, message) => {
    expect(() => resolve(extra)).toThrow(TypeError);
    expect(() => resolve(extra)).toThrow(message);
  });

  test.each([
    [{ ir: 7 }, 'Expected `ir` to be a string, a Uint8Array or a module of llvm-bindings, got `7` (number)'],
    [{ ir: '\0' }, 'Expected `ir` to be a string without NUL'],
    [{ ir: '', passes: '' }, 'Expected `passes` to be a non-empty string'],
    [{ ir: '', watch: true }, '`watch` goes with `source`, `file`, `files`, `object` or `archive`, not with `ir`'],
    [{ ir: '', defines: {} }, '`defines` goes with `source`, `file` or `files`, not with `ir`'],
    [{ source: '', passes: 'dce' }, '`passes` goes with `ir`, not with `source`'],
    [{ object: 7 }, 'Expected `object` to be a Uint8Array or a path, got `7` (number)'],
    [{ object: '' }, 'Expected `object` to be a non-empty string'],
    [{ object: [] }, 'Expected `object` to be one object or more'],
    [{ object: ['a.o', null] }, 'Expected `object[1]` to be a Uint8Array or a path, got `null` (null)'],
    [{ object: new Uint8Array(), watch: true }, '`watch` needs an `object` that is a path'],
    [{ object: 'a.o', flags: [] }, '`flags` goes with `source`, `file`, `files` or `ir`, not with `object`'],
    [{ object: 'a.o', language: 'c' }, '`language` goes with `source`, `file` or `files`, not with `object`'],
    [{ object: 'a.o', timeout: 1 }, '`timeout` goes with `source`, `file`, `files` or `ir`, not with `object`'],
    [{ archive: 7 }, 'Expected `archive` to be a non-empty string'],
    [{ archive: 'a.a', exports: [] }, 'Expected `exports` to be at least one symbol'],
    [{ archive: 'a.a', exports: 'f' }, 'Expected `exports` to be an array of strings, got `f` (string)'],
    [{ archive: 'a.a', exports: [''] }, 'Expected `exports[0]` to be a non-empty string'],
    [{ object: 'a.o', exports: ['f'] }, '`exports` goes with `archive`, not with `object`'],
    [{ files: 'a.c' }, 'Expected `files` to be an array of paths and patterns, got `a.c` (string)'],
    [{ files: [] }, 'Expected `files` to be one file or more'],
    [{ files: ['a.c', 7] }, 'Expected `files[1]` to be a non-empty string'],
    [{ files: ['a.c'], headers: {} }, '`headers` goes with `source`, not with `files`'],
    [{ files: ['a.c'], file: 'a.c' }, 'got `file` and `files`'],
    [{ files: ['a.c'], language: 'rust' }, "Expected `language` to be 'c' or 'c++'"],
    [{ files: ['a.c'], compileCommands: '' }, 'Expected `compileCommands` to be a non-empty string'],
    [{ object: 'a.o', compileCommands: 'x' }, '`compileCommands` goes with `file` or `files`, not with `object`'],
    [{ sharedLibrary: '' }, 'Expected `sharedLibrary` to be a non-empty string'],
    [{ sharedLibrary: 'a.so', loader: 'orc' }, "`loader: 'orc'` does not go with `sharedLibrary`"],
    [
      { sharedLibrary: 'a.so', compiler: 'gcc' },
      '`compiler` goes with `source`, `file`, `files`, `ir`, `object` or `archive`',
    ],
    [
      { sharedLibrary: 'a.so', libraries: ['z'] },
      '`libraries` goes with `source`, `file`, `files`, `ir`, `object` or `archive`',
    ],
    [
      { source: '', libraries: 'z' },
      'Expected `libraries` to be an array of names, paths and libraries, got `z` (string)',
    ],
    [{ source: '', libraryPaths: [''] }, 'Expected `libraryPaths[0]` to be a non-empty string'],
    [{ source: '', pkgConfig: ['--version'] }, "Expected `pkgConfig[0]` to be a package's name, such as 'zlib'"],
    [{ source: '', imports: ['f'] }, 'Expected `imports` to be a plain object'],
    [{ source: '', imports: { alow: [] } }, 'Unknown option `imports.alow`; it has `allow` and `deny`'],
    [{ source: '', imports: { deny: [1] } }, 'Expected `imports.deny[0]` to be a non-empty string'],
    [{ sharedLibrary: 'a.so', archive: 'a.a', ir: '' }, 'got `ir`, `archive` and `sharedLibrary`'],
  ])('another input: %j', (extra, message) => {
    expect(() => resolveSpec({ name: 'vec', ...extra } as never)).toThrow(TypeError);
    expect(() => resolveSpec({ name: 'vec', ...extra } as never)).toThrow(message);
  });

  test('an option that is false is as if it were left out', () => {
    expect(resolveSpec({ name: 'a', object: 'a.o', watch: false, unsafeFlags: false } as never)).toMatchObject({
      watch: false,
      unsafeFlags: false,
    });
  });

  test('a spec that is no object', () => {
    expect(() => resolveSpec(null as never)).toThrow('Expected `spec` to be an object, got `null` (null)');
    expect(() => resolveSpec('vec' as never)).toThrow('Expected `spec` to be an object');
  });

  test('types refuse two inputs, and headers of files', () => {
    // @ts-expect-error: one input only
    const both: SourceLibrarySpec = { name: 'a', source: '', files: ['a.c'] };
    // @ts-expect-error: headers go with a source
    const headers: SourceLibrarySpec = { name: 'a', files: ['a.c'], headers: {} };
    for (const each of [both, headers]) expect(() => resolveSpec(each)).toThrow(TypeError);
  });

  test('a file gives its language by its extension, and headers go with a source only', () => {
    expect(resolveSpec({ name: 'a', file: 'x/y.cpp' })).toMatchObject({ language: 'c++' });
    expect(resolveSpec({ name: 'a', file: 'y.C' })).toMatchObject({ language: 'c++' });
    expect(resolveSpec({ name: 'a', file: 'y.inc', language: 'c' })).toMatchObject({ language: 'c' });
    expect(() => resolveSpec({ name: 'a', file: 'y.inc' })).toThrow('with one of the extensions .c .cc .cpp');
    expect(() => resolveSpec({ name: 'a', file: 'y.c', headers: {} } as never)).toThrow('`headers` goes with `source`');
  });

  test.each(['../x', '-o', '@f', 'a b', 'ünï', '$(touch x)', 'x'.repeat(4096)])(
    'the name %j is a mere label',
    (name) => {
      expect(resolveSpec({ name, source: '' }).name).toBe(name);
    },
  );
});

describe('a reload changes source and flags', () => {
  const resolved = resolveSpec(spec);

  test('and nothing else', () => {
    expect(withChanges(resolved, { source: 'int y;' }).input).toMatchObject({ text: 'int y;' });
    expect(withChanges(resolved, { flags: ['-O3'] })).toEqual({ ...resolved, flags: ['-O3'] });
    expect(() => withChanges(resolved, { name: 'other' } as never)).toThrow(
      'a reload takes `source`, `ir` and `flags`',
    );
    expect(() => withChanges(resolved, { source: 3 } as never)).toThrow(TypeError);
    const file = resolveSpec({ name: 'a', file: 'y.c' });
    expect(() => withChanges(file, { source: '' })).toThrow("`source` can't replace the file");
  });
});

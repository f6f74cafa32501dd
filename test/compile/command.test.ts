import { describe, expect, it } from 'vitest';
import { compilerArguments } from '../../src/compile/command.ts';
import type { CompilePlaces } from '../../src/compile/sources.ts';
import type { Toolchain } from '../../src/toolchain/discover.ts';
import { textRequest } from './requests.ts';

const clang: Toolchain = {
  kind: 'clang',
  path: '/c/clang',
  version: '22.1.8',
  major: 22,
  target: 'x86_64-linux-gnu',
  resident: null,
};
const gcc: Toolchain = {
  kind: 'gcc',
  path: '/c/gcc',
  version: '12.2.0',
  major: 12,
  target: 'x86_64-linux-gnu',
  resident: null,
};
const places: CompilePlaces = { callerFolder: '/home/me', runFolder: '/home/me', headerFolder: null };
const stdout = { object: '-', rule: '-' };
const make = (toolchain: Toolchain, variation: Parameters<typeof textRequest>[1] = {}, where = places) =>
  compilerArguments(toolchain, textRequest('', variation), where, stdout);

describe('compilerArguments', () => {
  it('is, for clang and a request without wishes, exactly this', () => {
    expect(make(clang)).toEqual([
      '-O2',
      '-fPIC',
      '--no-default-config',
      '-fintegrated-cc1',
      '-fintegrated-as',
      '-fno-crash-diagnostics',
      '-fdiagnostics-format=clang',
      '-fdiagnostics-print-source-range-info',
      '-fdiagnostics-parseable-fixits',
      '-fdiagnostics-show-option',
      '-fshow-column',
      '-fshow-source-location',
      '-fcaret-diagnostics',
      '-fdiagnostics-show-line-numbers',
      '-fno-diagnostics-color',
      '-fmessage-length=0',
      '-fPIC',
      '-fno-lto',
      '-ffile-prefix-map=<stdin>=vec.c',
      ...['-Xclang', '-main-file-name', '-Xclang', 'vec.c'],
      ...['-MD', '-MF', '-', '-MT', 'fromsource-object'],
      ...['-c', '-o', '-', '-x', 'c', '-'],
    ]);
  });

  it('is, for gcc and a request without wishes, exactly this', () => {
    expect(make(gcc)).toEqual([
      '-O2',
      '-fPIC',
      '-pipe',
      '-fno-gnu-unique',
      '-fdiagnostics-format=json',
      '-fno-diagnostics-show-option',
      '-fshow-column',
      '-fno-diagnostics-show-caret',
      '-fno-diagnostics-color',
      '-fmessage-length=0',
      '-fPIC',
      '-fno-lto',
      ...['-MD', '-MF', '-', '-MT', 'fromsource-object'],
      ...['-c', '-o', '-', '-x', 'c', '-'],
    ]);
  });

  it('asks a gcc without the JSON form for text with fix-its', () => {
    expect(make({ ...gcc, major: 15 })).toContain('-fdiagnostics-parseable-fixits');
    expect(make({ ...gcc, major: 15 })).not.toContain('-fdiagnostics-format=json');
  });

  it('asks an older clang only for what it knows', () => {
    const older = make({ ...clang, major: 15 });
    for (const flag of ['--no-default-config', '-fdiagnostics-show-line-numbers']) expect(older).not.toContain(flag);
    expect(older).toContain('-fno-caret-diagnostics');
  });

  it('optimises only where the caller says nothing about it', () => {
    expect(make(clang, { flags: ['-O0'] })).not.toContain('-O2');
    expect(make(clang, { flags: ['-g'] })).toContain('-O2');
  });

  it('puts headers first, then include paths, flags, defines, and last what must hold', () => {
    const args = make(
      clang,
      { includePaths: ['inc', '/abs'], flags: ['-Iflag', '-DX=1', '-fno-pic'], defines: { X: 2, Y: true, Z: false } },
      { ...places, headerFolder: '/private' },
    );
    expect(args.slice(0, args.indexOf('--no-default-config'))).toEqual([
      '-O2',
      ...['-iquote', '/private', '-I', '/private', '-I', '/home/me/inc', '-I', '/abs'],
      ...['-I', '/home/me/flag', '-DX=1', '-fno-pic', '-fPIC', '-DX=2', '-DY=1', '-UZ'],
    ]);
    expect(args.lastIndexOf('-fPIC')).toBeGreaterThan(args.lastIndexOf('-fno-pic'));
  });

  it('finds quoted includes in the working folder also when it runs elsewhere', () => {
    const args = make(clang, {}, { callerFolder: '/home/me', runFolder: '/private', headerFolder: '/private' });
    expect(args.slice(1, 7)).toEqual(['-iquote', '/private', '-I', '/private', '-iquote', '/home/me']);
  });

  it('makes relative folders in flags absolute, joined or separate, but not those below the system root', () => {
    const flags = ['-Ia', '-I', '-o', '-isystem', 'b', '--sysroot=c', '-I=d', '-I/e', '-include', 'f.h'];
    const args = make(clang, { flags });
    expect(args.slice(1, args.indexOf('-fPIC'))).toEqual([
      ...['-I', '/home/me/a', '-I', '/home/me/-o', '-isystem', '/home/me/b', '--sysroot=/home/me/c', '-I=d', '-I/e'],
      ...['-include', 'f.h'],
    ]);
  });

  it('keeps a name that begins with @ from being read as a file of arguments', () => {
    const args = make(clang, { displayName: '@f' });
    expect(args).toContain('-ffile-prefix-map=<stdin>=@f');
    expect(args[args.indexOf('-main-file-name') + 2]).toBe('./@f');
    expect(args.filter((arg) => arg.startsWith('@'))).toEqual([]);
  });

  it('names a file by its absolute path', () => {
    const request = { ...textRequest(''), input: { kind: 'file', path: 'src/-x.c' } } as const;
    const args = compilerArguments(clang, { ...request, language: 'c++' }, places, stdout);
    expect(args.slice(-3)).toEqual(['-x', 'c++', '/home/me/src/-x.c']);
  });

  it('takes macros with parameters, empty text and any spelling of text', () => {
    const defines = { 'F(x, ...)': 'x', EMPTY: '', S: '"a b"', N: -1.5 };
    expect(make(clang, { defines })).toEqual(
      expect.arrayContaining(['-DF(x, ...)=x', '-DEMPTY=', '-DS="a b"', '-DN=-1.5']),
    );
  });
});

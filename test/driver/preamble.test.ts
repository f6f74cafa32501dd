import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CompileOptions, commandFor, compileOnce, DriverClient, whyNoDriver } from './client.ts';
import { corpus } from './corpus.ts';

const missing = whyNoDriver();
if (missing !== null) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== null)('a preamble', () => {
  let client: DriverClient;
  let folder: string;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fromsource-driver-'));
    client = await DriverClient.start();
  });
  afterEach(async () => {
    await client[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  /** With a preamble; and checked against a process: the same object, the same words, everything read recorded. */
  async function check(options: CompileOptions, mayBeReordered = false): Promise<'none' | 'built' | 'reused'> {
    const at = options.folder ?? folder;
    const request = { ...options, folder: at, preamble: true };
    const { message, object, stderr } = await client.compile(request);
    const command = commandFor(request.flags, request.language, at);
    const once = compileOnce(command, request.text ?? '', at);
    expect(stderr).toBe(once.stderr);
    expect(message.status).toBe(once.status === 0 ? 'ok' : 'failed');
    if (once.status === 0) {
      const isSame = Buffer.compare(object, once.object) === 0;
      // What is defined in the prefix itself may come in another order.
      if (mayBeReordered && !isSame) expect(symbols(object)).toEqual(symbols(once.object));
      else expect(isSame, `${message.preamble}: the same object`).toBe(true);
      const listed = once.read.filter((path) => !path.endsWith('<stdin>')).sort();
      const recorded = message.read.map(({ path }) => normalize(path));
      expect(listed.filter((path) => !recorded.includes(path))).toEqual([]);
    }
    return message.preamble;
  }
  /** Name, kind and size of everything but the string literals. */
  const symbols = (object: Buffer): string[] => {
    writeFileSync(join(folder, 'x.o'), object);
    const list = execFileSync('/usr/lib/llvm-22/bin/llvm-nm', ['-S', 'x.o'], { cwd: folder }).toString().split('\n');
    const named = list.map((line) => line.replace(/^[0-9a-f]{16}/, ''));
    return named.filter((line) => !line.includes(' .L')).sort();
  };
  const file = (name: string, text: string) => writeFileSync(join(folder, name), text);
  /** Long ago, so that clang's own check of the time sees nothing either. */
  const age = (name: string, seconds = 1_000_000_000) => utimesSync(join(folder, name), seconds, seconds);

  it('is built by the first compile and reused by others with another body', async () => {
    file('a.h', '#pragma once\n#define A 1\nint a(void);\n');
    const text = (body: string) => `#include "a.h"\n#include <stdio.h>\n${body}\n`;
    expect(await check({ text: text('int f(void) { return A; }') })).toBe('built');
    expect(await check({ text: text('int f(void) { return A + a(); }') })).toBe('reused');
    expect(await check({ text: text('int f(void) { return puts("x"); }') })).toBe('reused');
    expect((await client.compile({ folder, text: text('int x;') })).message.preamble).toBe('none');
  });

  it('is one for other arguments, another folder, another prefix', async () => {
    file('a.h', '#ifdef B\n#define A 2\n#else\n#define A 1\n#endif\n');
    const text = '#include "a.h"\nint f(void) { return A; }\n';
    expect(await check({ text })).toBe('built');
    expect(await check({ text, flags: ['-O2', '-DB'] })).toBe('built');
    expect(await check({ text, flags: ['-O2', '-DB=3'] })).toBe('built');
    expect(await check({ text: `#define B\n${text}` })).toBe('built');
    expect(await check({ text, language: 'c++' })).toBe('built');
    const other = join(folder, 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'a.h'), '#define A 7\n');
    expect(await check({ text, folder: other })).toBe('built');
    expect(await check({ text })).toBe('reused');
  });

  it('is built again when a header has changed', async () => {
    file('a.h', '#define A 1\n');
    const text = '#include "a.h"\nint f(void) { return A; }\n';
    expect(await check({ text })).toBe('built');
    file('a.h', '#define A 100\n');
    expect(await check({ text })).toBe('built');
    expect(await check({ text })).toBe('reused');
  });

  it('sees an edit of the same size in the same second, also when the time is put back', async () => {
    const text = '#include "a.h"\nint f(void) { return A; }\n';
    for (let round = 0; round < 8; round += 1) {
      file('a.h', `#define A ${round}\n`);
      expect(await check({ text })).toBe('built');
    }
    age('a.h');
    const before = statSync(join(folder, 'a.h'));
    expect(await check({ text })).not.toBe('none');
    file('a.h', '#define A 9\n');
    age('a.h');
    expect(statSync(join(folder, 'a.h')).mtimeMs).toBe(before.mtimeMs);
    expect(await check({ text })).toBe('built');
  });

  it('sees a header that hides another one', async () => {
    for (const name of ['first', 'second']) mkdirSync(join(folder, name));
    file('second/a.h', '#define A 1\n');
    const flags = ['-O2', `-I${folder}/first`, `-I${folder}/second`];
    const text = '#include <a.h>\nint f(void) { return A; }\n';
    expect(await check({ text, flags })).toBe('built');
    expect(await check({ text, flags })).toBe('reused');
    file('first/a.h', '#define A 2\n');
    expect(await check({ text, flags })).toBe('built');
    unlinkSync(join(folder, 'first/a.h'));
    expect(await check({ text, flags })).toBe('built');
  });

  it('sees a header in the place of a folder', async () => {
    mkdirSync(join(folder, 'first/a.h'), { recursive: true });
    mkdirSync(join(folder, 'second'));
    file('second/a.h', '#define A 1\n');
    const flags = ['-O2', `-I${folder}/first`, `-I${folder}/second`];
    const text = '#include <a.h>\nint f(void) { return A; }\n';
    expect(await check({ text, flags })).toBe('built');
    expect(await check({ text, flags })).toBe('reused');
    rmdirSync(join(folder, 'first/a.h'));
    file('first/a.h', '#define A 2\n');
    expect(await check({ text, flags })).toBe('built');
  });

  it('sees a target of __has_include appear and go', async () => {
    const text =
      '#include <stddef.h>\n#if __has_include("b.h")\n#define A 1\n#else\n#define A 2\n#endif\nint f(void) { return A; }\n';
    expect(await check({ text })).toBe('built');
    file('b.h', '');
    expect(await check({ text })).toBe('built');
    expect(await check({ text })).toBe('reused');
    unlinkSync(join(folder, 'b.h'));
    expect(await check({ text })).toBe('built');
  });

  it('sees another folder in the place of an absent or replaced one', async () => {
    mkdirSync(join(folder, 'one'));
    mkdirSync(join(folder, 'two'));
    file('one/a.h', '#define A 1\n');
    file('two/a.h', '#define A 2\n');
    const flags = ['-O2', `-I${folder}/zero`, `-I${folder}/one`];
    const text = '#include <a.h>\nint f(void) { return A; }\n';
    expect(await check({ text, flags })).toBe('built');
    renameSync(join(folder, 'one'), join(folder, 'was'));
    renameSync(join(folder, 'two'), join(folder, 'one'));
    expect(await check({ text, flags })).toBe('built');
    renameSync(join(folder, 'was'), join(folder, 'zero'));
    expect(await check({ text, flags })).toBe('built');
  });

  it('knows files in memory by their content', async () => {
    const path = join(folder, 'a.h');
    const text = '#include "a.h"\nint f(void) { return A; }\n';
    const compile = async (content: string) => {
      const { message, object } = await client.compile({ text, folder, files: { [path]: content }, preamble: true });
      writeFileSync(path, content);
      const once = compileOnce(commandFor(undefined, 'c', folder), text, folder);
      unlinkSync(path);
      expect(Buffer.compare(object, once.object)).toBe(0);
      return message.preamble;
    };
    expect(await compile('#define A 1\n')).toBe('built');
    expect(await compile('#define A 1\n')).toBe('reused');
    expect(await compile('#define A 2\n')).toBe('built');
  });

  it('gives back what was printed about the source, in the same words', async () => {
    file(
      'a.h',
      '#define A(x) (x) + zero\nstruct s { int x; };\nint declared(int);\nstatic inline int zero_of(void) { return 0; }\n',
    );
    const prefix = '#include "a.h"\n#include <stdio.h>\n#define TWICE 2\n';
    const bodies = [
      'int f(int x) { int unused; return x; }',
      'int f(int x) { return A(x); }',
      'int f(struct s *p) { return p->y; }',
      'int f(void) { return declard(1); }',
      'int f(void) { return declared("x"); }',
      'int declared(int *);',
      '#define TWICE 3\nint x = TWICE;',
      '#define A 3\nint x = A;',
      'int f(void) { printf("%s", 1); return 0; }',
      'int f(int x) { if (x = TWICE) return 1; return 0; }',
      '#include "a.h"\n',
      '#error stop',
      '#endif\nint x;',
      'int f(void) { return 1; } int f(void) { return 2; }',
      'void f(void) { __asm__("no such instruction"); }',
    ];
    for (const flags of [['-O2', '-Wall', '-Wextra'], ['-O2', '-Wall', '-Werror'], ['-w'], ['-O2', '-Weverything']]) {
      for (const body of bodies) await check({ text: `${prefix}${body}\n`, flags });
      expect(await check({ text: `${prefix}int fine;\n`, flags })).not.toBe('built');
    }
  });

  it('gives back what was printed about the prefix each time', async () => {
    file('a.h', '#warning "careful"\n#define A 1\n');
    const text = '#include "a.h"\nint f(void) { return A; }\n';
    for (let time = 0; time < 3; time += 1) expect(await check({ text })).toBe('none');
    file('broken.h', 'int f( {\n');
    for (let time = 0; time < 2; time += 1) expect(await check({ text: '#include "broken.h"\nint x;\n' })).toBe('none');
    expect(await check({ text: '#pragma once\n#include <stddef.h>\nint x;\n' })).toBe('none');
    for (const flags of [['-Wunused-macros'], ['-Wunused-macros', '-Werror']]) {
      for (let time = 0; time < 2; time += 1) {
        expect(await check({ text: '#include <stddef.h>\n#define UNUSED 1\nint x;\n', flags })).toBe('none');
      }
    }
  });

  it('is not used where it could be told from the result', async () => {
    file('a.h', 'static inline int a(int x) { return x; }\n');
    const text = '#include "a.h"\nint f(void) { return a(1); }\n';
    for (const flags of [['-g'], ['-O2', '-g1'], ['-fsanitize=undefined', '-fsanitize-trap=undefined']]) {
      for (let time = 0; time < 2; time += 1) expect(await check({ text, flags })).toBe('none');
    }
    file('date.h', 'static const char *date(void) { return __DATE__ __TIME__; }\n');
    const dated = { text: '#include "date.h"\nconst char *f(void) { return date(); }\n', folder, preamble: true };
    for (let time = 0; time < 2; time += 1) expect((await client.compile(dated)).message.preamble).toBe('none');
  });

  it.each([
    '#pragma pack(1)',
    '#pragma pack(push, 1)',
    '#pragma GCC visibility push(hidden)',
    '#pragma weak f',
    '#pragma clang optimize off',
    '#pragma redefine_extname f g',
    '#pragma STDC FP_CONTRACT OFF',
    '#pragma clang fp contract(fast)',
    '#pragma float_control(precise, off)',
    '#pragma GCC diagnostic ignored "-Wunused-variable"',
    '#pragma GCC diagnostic error "-Wunused-variable"',
    '#pragma clang section bss = "own"',
    '#pragma GCC poison poisoned',
    '#define M 1\n#pragma push_macro("M")\n#undef M\n#define M 2',
    '_Pragma("pack(1)")',
    '#pragma clang attribute push(__attribute__((noinline)), apply_to = function)',
  ])('does not lose %s of a header', async (pragma) => {
    file('a.h', `${pragma}\n`);
    const text =
      '#include "a.h"\nstruct s { char c; int i; };\nint g; double d(double a, double b, double c) { return a * b + c; }\n' +
      'int f(void) { int unused; return sizeof(struct s); }\n#pragma pop_macro("M")\n#ifdef M\nint m = M;\n#endif\n';
    for (let time = 0; time < 3; time += 1) await check({ text, flags: ['-O2', '-Wall'] });
  });

  it('has the level and the names of a whole compile', async () => {
    file(
      'a.h',
      'static const char *name(void) { return __FILE__; }\n#define HERE __FILE__\n#define COUNT __COUNTER__\n' +
        'static int level(void) { return __INCLUDE_LEVEL__; }\n',
    );
    file('b.h', 'static inline const char *base(void) { return __BASE_FILE__; }\n');
    const text =
      '#include "./a.h"\n#define MINE __FILE__\nint f(void) { return COUNT + level() + __LINE__; }\n' +
      'const char *n[] = {MINE, HERE};\nconst char *g(int x) { return x == 0 ? name() : __BASE_FILE__; }\n';
    for (const language of ['c', 'c++'] as const) {
      expect(await check({ text, language })).toBe('built');
      expect(await check({ text, language })).toBe('reused');
      // What is kept is shared by sources of other names.
      expect(await check({ text: `#include "./b.h"\n${text}`, language })).toBe('none');
      const flags = ['-O2', '-include', 'stdint.h', '-imacros', 'limits.h'];
      expect(await check({ text, language, flags })).toBe('built');
    }
  });

  it.each([
    ['counts', 'static const int first = __COUNTER__;\n'],
    ['names its file when it is called', 'static const char *who(void) { return __builtin_FILE(); }\n'],
    ['renames its lines', '#line 77 "z.h"\nstatic const int line = __LINE__;\n'],
  ])('is not made of a header that %s', async (_, header) => {
    file('a.h', header);
    const text =
      '#include "a.h"\nint f(void) { return __COUNTER__; }\nconst char *n(void) { return __FILE__; }\n' +
      '#ifdef WHO\nconst char *w(void) { return who(); }\n#endif\n';
    const flags = header.includes('who') ? ['-O2', '-DWHO'] : ['-O2'];
    for (let time = 0; time < 2; time += 1) expect(await check({ text, flags })).toBe('none');
  });

  it('ends at the right place of a source with guards, comments and a mark', async () => {
    file('a.h', '#define A 1\n');
    for (const text of [
      '#ifndef G\n#define G\n#include "a.h"\nint f(void) { return A; }\n#endif\n',
      '#if 1\n#include "a.h"\n#else\nint no;\n#endif\nint x = A;\n',
      '/* long\ncomment */ #include "a.h"\n// more\n#include <stddef.h> /* and\n more */\nsize_t x = A + __LINE__;\n',
      '#include "a.h"',
      '\ufeff#include "a.h"\nint x = A;\n',
      '#include "a.h"\\\n\nint x = A;\n',
      '#include "a.h"\r\nint x = A;\r\n',
      '#include "a.h"\nint x[] = {\n#embed "a.h"\n};\n',
      '%:include "a.h"\n%:line 100 "other.c"\nint x = __LINE__;\n',
      '#include "a.h"\n#line 100 "other.c"\nint x = __LINE__;\nconst char *n = __FILE__;\n',
    ]) {
      for (let time = 0; time < 2; time += 1) await check({ text });
    }
  });

  it('gives the symbols of a compile without one, and mostly its bytes, over all sources', async () => {
    for (const { text, flags, language } of corpus()) {
      if (text.length > 100_000) continue;
      for (let time = 0; time < 2; time += 1) await check({ text, flags, language }, true);
    }
  });

  it('runs: C++ with initialisers, templates and exceptions behaves as compiled at once', async () => {
    const text =
      '#include <iostream>\n#include <map>\n#include <stdexcept>\n#include <sstream>\n' +
      'static std::map<int, std::string> names{{1, "one"}, {2, "two"}};\n' +
      'int main() { std::ostringstream out; for (auto &[k, v] : names) out << k << v << ",";\n' +
      'try { names.at(9); } catch (const std::out_of_range &) { out << "caught"; } std::cout << out.str(); }\n';
    for (const wanted of ['built', 'reused']) {
      const { message, object } = await client.compile({ text, folder, language: 'c++', preamble: true });
      expect(message.preamble).toBe(wanted);
      file('main.o', '');
      writeFileSync(join(folder, 'main.o'), object);
      execFileSync('clang++-22', ['main.o', '-o', 'main'], { cwd: folder });
      expect(execFileSync(join(folder, 'main')).toString()).toBe('1one,2two,caught');
    }
  });

  it('gives way to others, and memory stays bounded', async () => {
    const resident: number[] = [];
    for (let index = 0; index < 60; index += 1) {
      const text = `#define N${index % 12}\n#include <vector>\n#include <string>\nint f${index}() { return ${index}; }\n`;
      const { message } = await client.compile({ text, language: 'c++', preamble: true });
      expect(message.status).toBe('ok');
      resident.push(message.memory.resident);
    }
    expect(resident.at(-1)).toBeLessThan((resident[20] ?? 0) * 1.2);
  });
});

/** What stands before the snippet is declared, and defined only where a program may have several copies. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSymbols } from '../../src/elf.ts';
import { DriverClient, whyNoDriver } from './client.ts';

const missing = whyNoDriver();
if (missing !== null) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== null)('what is only declared', () => {
  let client: DriverClient;
  beforeAll(async () => {
    client = await DriverClient.start();
  });
  afterAll(async () => await client[Symbol.asyncDispose]());

  /** The symbols of what a snippet after a library comes to. With a preamble the library is read from that. */
  async function symbolsOf(library: string, snippet: string, language: 'c' | 'c++', preamble: boolean) {
    const before = '#include "library.h"\n_Static_assert(1, "");\n';
    const { message, object, stderr } = await client.compile({
      text: before + snippet,
      language,
      flags: ['-O0', '-I/in-memory', '-w'],
      files: { '/in-memory/library.h': library },
      preamble,
      declaredBefore: before.length,
    });
    expect(stderr).toBe('');
    expect(message.status).toBe('ok');
    if (preamble) expect(message.preamble).not.toBe('none');
    const named = [...readSymbols(object, 'static')].filter(({ name, type }) => name !== '' && type !== 4);
    return {
      defined: named.flatMap(({ name, section }) => (section === 0 ? [] : name)).sort(),
      needed: named.flatMap(({ name, section }) => (section === 0 ? name : [])).sort(),
    };
  }

  describe.each([false, true])('kept parsed: %s', (preamble) => {
    it.each([
      ['functions', 'int f(void) { return 1; } int g(void) { return 2; }', 'int use(void) { return f(); }', ['f'], []],
      [
        'variables',
        'int a = 1; int b; extern int c; int *p = &a;',
        'int use(void) { return a + b + c + *p; }',
        ['a', 'b', 'c', 'p'],
        [],
      ],
      ['again', 'int a;', 'int a; extern int a; int use(void) { return a; }', ['a'], []],
      [
        'static functions and constants',
        'static const int t[2] = {1, 2}; static int f(int at) { return t[at]; }',
        'int use(int at) { return f(at); }',
        [],
        ['f', 't'],
      ],
      [
        'nothing unused',
        'static int a = 1; static int f(void) { return a; } int g(void) { return f(); }',
        'int use(void) { return 1; }',
        [],
        [],
      ],
      [
        'state that is static',
        'static int a = 1; static int f(void) { return ++a; }',
        'int use(void) { return f(); }',
        ['fromsource.static:a'],
        ['f'],
      ],
      [
        'functions with state',
        'static int f(void) { static int n; return ++n; }',
        'int use(void) { return f(); }',
        ['fromsource.static:f'],
        [],
      ],
      [
        'functions declared before',
        'static int f(void); int g(void) { return f(); } static int f(void) { static int n; return ++n; }',
        'int use(void) { return f(); }',
        ['fromsource.static:f'],
        [],
      ],
      [
        'constructors',
        '__attribute__((constructor)) static void f(void) {} __attribute__((used)) static void g(void) {}',
        'int use(void) { return 1; }',
        [],
        [],
      ],
      [
        'aliases and assembly',
        'int f(void) { return 1; } int g(void) __attribute__((alias("f"))); __asm__(".globl h\\nh: nop");',
        'int use(void) { return g(); }',
        ['g'],
        [],
      ],
    ])('C: %s', async (_, library, snippet, needed, copied) => {
      const symbols = await symbolsOf(library, snippet, 'c', preamble);
      expect(symbols).toEqual({ defined: [...copied, 'use'].sort(), needed });
    });

    it.each([
      [
        'namespaces and methods',
        'namespace n { int a = 1; struct s { int f(); int g() { return f(); } }; int s::f() { return a; } }',
        'extern "C" int use() { return n::s().g() + n::a; }',
        ['_ZN1n1aE', '_ZN1n1s1fEv'],
        ['_ZN1n1s1gEv'],
      ],
      [
        'dynamic initialisers',
        'extern "C" int g(); int a = g(); static int b = g(); const int c = g(); struct d { d(); ~d(); }; d e; static d f;',
        'extern "C" int use() { return a; }',
        ['a'],
        [],
      ],
      [
        'constants',
        'const int a = 4; constexpr int b[2] = {1, 2}; extern "C" int g(); const int c = g();',
        'extern "C" int use(int at) { return *&a + b[at] + c; }',
        ['fromsource.static:c'],
        ['_ZL1a', '_ZL1b'],
      ],
      [
        'anonymous namespaces',
        'namespace { int a = 1; int f() { return 1; } }',
        'extern "C" int use() { return a + f(); }',
        ['fromsource.static:a'],
        ['_ZN12_GLOBAL__N_11fEv'],
      ],
      [
        'templates and inline',
        'template <class T> T f(T a) { return a; } inline int b = 3; inline int g() { return b; } template int f<int>(int);',
        'extern "C" int use() { return f(1L) + g() + f(1); }',
        ['_Z1fIiET_S0_'],
        ['_Z1fIlET_S0_', '_Z1gv', 'b'],
      ],
    ])('C++: %s', async (_, library, snippet, needed, copied) => {
      const symbols = await symbolsOf(library, snippet, 'c++', preamble);
      expect(symbols).toEqual({ defined: [...copied, 'use'].sort(), needed });
    });
  });

  it('is nothing where no place is given', async () => {
    const { object } = await client.compile({ text: 'int f(void) { return 1; }\nint g(void) { return f(); }\n' });
    expect(
      [...readSymbols(object, 'static')].filter(({ section, name }) => section !== 0 && name.length === 1),
    ).toHaveLength(2);
  });
});

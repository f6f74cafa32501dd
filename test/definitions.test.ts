import { describe, expect, test } from 'vitest';
import { findDefinitions, identifiersOf, nameOf } from '../src/definitions.ts';

describe('what a text seems to define', () => {
  test.each<[string, Record<string, 'function' | 'data'>]>([
    ['int f(int x) { return g(x); }', { f: 'function' }],
    ['static int f(int x) { return 1; }', {}],
    ['int f(int x);\nextern int v;\ntypedef int t;', {}],
    ['int a, b = 2, *c;', { a: 'data', b: 'data', c: 'data' }],
    ['int t[] = { 1, f(2) };\nextern int e = 3;', { t: 'data', e: 'data' }],
    ['static int a = 1;\nstatic const int b[3];', {}],
    ['struct s { int inner; };\nstruct s value;\nstruct { int x; } other;', { value: 'data', other: 'data' }],
    ['/* int f(void) { */ // int g(void) {\nconst char *h = "int i(void) {";', { h: 'data' }],
    ['#define F(x) int x(void) { return 1; } \\\n  int y;\nF(z)', {}],
    ['extern "C" {\nint f(void)\n{\n  if (a) {\n  }\n}\nint v;\n}', { f: 'function', v: 'data' }],
    ['namespace a::b { double C::area() const { return 1; } }', { area: 'function' }],
    [
      'void f(void)\n{\n#if A\n  if (x) {\n#else\n  if (y) {\n#endif\n  }\n}\nint g(void) { return 1; }',
      { f: 'function', g: 'function' },
    ],
    ['EXPORT(int) f(int x)\n{\n}', { EXPORT: 'function', f: 'function' }],
    ['int (*pick(int n))(void) { return 0; }', { int: 'function', pick: 'function' }],
    ['C::C(int n) : total(n), Base<T>{n}, size{0}, next(0) { }\nint after;', { C: 'function', after: 'data' }],
    ['void set(int call(int)) { }', { set: 'function' }],
    ['int total;\nint T::total() { return 1; }', { total: 'data' }],
    ['int (*call)(int) = add, *other = &x;', { other: 'data' }],
    ['int a = b, c = d;\nstruct s;\nenum class e;\ntemplate <class T> class t;', { a: 'data', c: 'data' }],
    ["int big = 1'000'000; int after = '{';", { big: 'data', after: 'data' }],
  ])('%s', (source, expected) => {
    expect(Object.fromEntries(findDefinitions(source))).toEqual(expected);
  });
});

test.each([
  ['add', ['add'], 'add'],
  ['_Z3addii', ['add'], 'add'],
  ['_ZN6shapes6CircleC1Ed', ['shapes', 'Circle'], 'Circle'],
  ['_ZNK6shapes6Circle4areaEv', ['shapes', 'Circle', 'area'], 'area'],
  ['_ZN6shapes4unitE', ['shapes', 'unit'], 'unit'],
  ['_Z1fRK6Circle', ['f', 'Circle'], 'f'],
])('%s is searched for by its words', (symbol, words, name) => {
  expect(identifiersOf(symbol)).toEqual(words);
  expect(nameOf(symbol)).toBe(name);
});

/** Where snippets are cut. */

import { describe, expect, test } from 'vitest';
import { findCuts, isBlank, isUnterminated, onlyPart, splitDeclaration } from '../../src/evaluate/split.ts';

/** The parts that the cuts make, without the blanks around them. */
const parts = (text: string): string[] => {
  const cuts = [0, ...findCuts(text), text.length];
  return cuts.slice(1).flatMap((to, index) => text.slice(cuts[index], to).trim() || []);
};

describe('a snippet is cut', () => {
  test.each([
    ['int x = 5; x + 1', ['int x = 5;', 'x + 1']],
    ['for (int i = 0; i < 3; i++) f(i);', ['for (int i = 0; i < 3; i++) f(i);']],
    ['if (a) { b; } else c; d', ['if (a) { b; } else c;', 'd']],
    ['if (a) b; /* or */ else c;', ['if (a) b; /* or */ else c;']],
    ['elsewhere(); x; elsewhere()', ['elsewhere();', 'x;', 'elsewhere()']],
    ['struct s { int a; } b;', ['struct s { int a; }', 'b;']],
    ["f(';', \"};\", '\\''); g", ["f(';', \"};\", '\\'');", 'g']],
    ['x; // a; b\ny /* ; */;', ['x;', '// a; b\ny /* ; */;']],
    ['1\'000; R"x(;)";)x"; y', ["1'000;", 'R"x(;)";)x";', 'y']],
    ['x; y\n#define A 1; \\\n  2;\nz', ['x;', 'y', '#define A 1; \\\n  2;', 'z']],
    ['f([](int a) { return a; }); y', ['f([](int a) { return a; });', 'y']],
    ['"unfinished; x', ['"unfinished; x']],
    ['/* unfinished; x', ['/* unfinished;', 'x']],
  ])('%j', (text, expected) => {
    expect(parts(text)).toEqual(expected);
  });
});

test.each([
  ['x + 1', true],
  ['int x = 5', true],
  ['x; y', true],
  ['x;', false],
  ['x; // done', false],
  ['void f() {}\n', false],
  ['#define A 1', false],
])('whether %j lacks its `;` is %s', (text, expected) => {
  expect(isUnterminated(text)).toBe(expected);
});

test.each([
  ['', true],
  [' \n// x\n/* y */ ', true],
  ['x', false],
  ['/* unfinished', false],
])('whether %j is blank is %s', (text, expected) => {
  expect(isBlank(text)).toBe(expected);
});

test('a part keeps its place', () => {
  expect(onlyPart('int x;\n\ty z;', 7, 12)).toBe('      \n\ty z;');
});

test.each([
  [
    'int x = f(1, 2), y = 2;',
    'int x , y ;',
    [
      ['x', ' f(1, 2)'],
      ['y', ' 2'],
    ],
  ],
  [
    'int x, y = g();',
    'int x, y ;',
    [
      ['x', null],
      ['y', ' g()'],
    ],
  ],
  ['struct p at = { f(), 2 };', 'struct p at ;', [['at', ' { f(), 2 }']]],
  [
    'int a[2][3] = {{f()}}, *b = a[0];',
    'int a[2][3] , *b ;',
    [
      ['a', ' {{f()}}'],
      ['b', ' a[0]'],
    ],
  ],
  [
    'int (*op)(int, int) = pick(), (*ops[2])(void) = {p(), q()};',
    'int (*op)(int, int) , (*ops[2])(void) ;',
    [
      ['op', ' pick()'],
      ['ops', ' {p(), q()}'],
    ],
  ],
  ['const char *s = f("=,;");', 'const char *s ;', [['s', ' f("=,;")']]],
] as const)('the initialisers are taken out of %j', (text, declaration, declarators) => {
  const split = splitDeclaration(text);
  expect(split?.declaration).toBe(declaration);
  expect(split?.declarators.map(({ name, initialiser }) => [name, initialiser])).toEqual(declarators);
});

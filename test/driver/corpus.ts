/** Sources that objects are compared over: small ones, the samples, stb, sqlite. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Source {
  readonly name: string;
  readonly language: 'c' | 'c++';
  readonly text: string;
  readonly flags: readonly string[];
}

const root = join(import.meta.dirname, '../..');
const samples = join(root, 'vendor-samples');

const SMALL: readonly (readonly [string, 'c' | 'c++', string])[] = [
  ['one line', 'c', 'int add(int a, int b) { return a + b; }\n'],
  ['empty', 'c', ''],
  ['no newline', 'c', 'int x = 1;'],
  ['names', 'c', 'const char *file = __FILE__; int line = __LINE__; int count[2] = {__COUNTER__, __COUNTER__};\n'],
  [
    'C headers',
    'c',
    '#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <math.h>\n' +
      'double f(const char *s) { printf("%s", s); return sqrt(atoi(s)) + strlen(s); }\n',
  ],
  [
    'switches, loops, globals',
    'c',
    'static int table[64]; struct p { int x, y; };\n' +
      'int run(struct p *p, int n) { int s = 0; for (int i = 0; i < n; i++) { switch (p[i].x) {\n' +
      'case 1: s += table[i & 63]; break; case 2: s ^= p[i].y; break; case 3: s *= 3; break;\n' +
      'case 4: table[i & 63] = s; break; default: s--; } } return s; }\n',
  ],
  ['vectors', 'c', 'void f(float *a, const float *b, int n) { for (int i = 0; i < n; i++) a[i] += b[i] * 2.5f; }\n'],
  ['assembly', 'c', 'int f(int x) { __asm__("addl $1, %0" : "+r"(x)); return x; }\n__asm__(".globl g\\ng: ret\\n");\n'],
  ['warnings', 'c', 'int f(int x) { int unused; if (x = 1) return x; }\n#warning "careful"\n'],
  ['statics', 'c++', 'struct S { S(); ~S(); int v; }; static S s; int f() { static S t; return s.v + t.v; }\n'],
  [
    'templates',
    'c++',
    'template <int N> int f(int x) { return N > 0 ? f<(N > 0 ? N - 1 : 0)>(x) + N : x; }\nint g(int x) { return f<40>(x); }\n',
  ],
  [
    'lambdas and exceptions',
    'c++',
    'int may(int); int f(int x) { auto g = [=](int y) { return may(x + y); }; try { return g(2); } catch (int e) { return e; } }\n',
  ],
  [
    'C++ headers',
    'c++',
    '#include <vector>\n#include <string>\n#include <algorithm>\n' +
      'std::string f(std::vector<int> v) { std::sort(v.begin(), v.end()); return std::to_string(v.at(0)); }\n',
  ],
];

const FLAGS: readonly (readonly string[])[] = [
  ['-O2'],
  ['-O0'],
  ['-g'],
  ['-O3', '-march=native'],
  ['-Os', '-g3', '-ffast-math'],
  ['-O1', '-fno-rtti', '-fstack-protector-all', '-ffunction-sections'],
];

/** Every small source with every set of flags, and the large ones with one. */
export function corpus(): Source[] {
  const small = SMALL.flatMap(([name, language, text]) =>
    FLAGS.map((flags) => ({ name: `${name} ${flags.join(' ')}`, language, text, flags })),
  );
  const large: Source[] = [];
  const add = (name: string, text: string, flags: readonly string[], needs: string) => {
    if (existsSync(needs)) large.push({ name, language: 'c', text, flags });
  };
  const stb: readonly (readonly [string, string])[] = [
    ['stb_image.h', '#define STB_IMAGE_IMPLEMENTATION\n#define STBI_NO_STDIO\n#include <stb/stb_image.h>\n'],
    ['stb_perlin.h', '#define STB_PERLIN_IMPLEMENTATION\n#include <stb/stb_perlin.h>\n'],
    ['stb_truetype.h', '#define STB_TRUETYPE_IMPLEMENTATION\n#include <stb/stb_truetype.h>\n'],
    ['stb_sprintf.h', '#define STB_SPRINTF_IMPLEMENTATION\n#include <stb/stb_sprintf.h>\n'],
    ['stb_rect_pack.h', '#define STB_RECT_PACK_IMPLEMENTATION\n#include <stb/stb_rect_pack.h>\n'],
  ];
  for (const [name, text] of stb) {
    for (const flags of [['-O2'], ['-O0', '-g']]) add(`${name} ${flags}`, text, flags, `/usr/include/stb/${name}`);
  }
  const own = join(samples, 'ecs/ecs.c');
  if (existsSync(own)) add('ecs.c', readFileSync(own, 'utf8'), ['-O2', '-I', join(samples, 'ecs')], own);
  const dots = join(samples, 'dots/dots.h');
  add('dots.h', `#define DOTS_IMPLEMENTATION\n#include "${dots}"\n`, ['-O2'], dots);
  const xxhash = join(samples, '.cache/xxhash/xxhash.h');
  add(
    'xxhash.h',
    `#define XXH_STATIC_LINKING_ONLY\n#define XXH_IMPLEMENTATION\n#include "${xxhash}"\n`,
    ['-O2'],
    xxhash,
  );
  const sqlite = join(samples, '.cache/sqlite/sqlite3.c');
  if (existsSync(sqlite)) add('sqlite3.c', readFileSync(sqlite, 'utf8'), ['-O0'], sqlite);
  return [...small, ...large];
}

/** The same order in every run. */
export function shuffled<T>(items: readonly T[], seed = 1): T[] {
  const result = [...items];
  let state = seed;
  for (let index = result.length - 1; index > 0; index -= 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const other = state % (index + 1);
    [result[index], result[other]] = [result[other] as T, result[index] as T];
  }
  return result;
}

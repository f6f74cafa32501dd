/** The resident compiler against a process for each compile, source to first call, in one process and in turn. */

import { performance } from 'node:perf_hooks';
import { loadSourceLibrary } from 'fromsource';
import koffi from 'koffi';
import { CLANG, makeSharedObject, median, report, verify, withFolder } from '../trial.ts';

const C_HEADERS = '#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <math.h>\n';
const CXX_HEADERS = '#include <vector>\n#include <string>\n#include <algorithm>\n';

interface Case {
  readonly name: string;
  readonly language: 'c' | 'c++';
  /** A source that differs with `n`, after a prefix that does not, and whose `int f(int)` adds `n`. */
  readonly source: (n: number) => string;
  readonly rounds: number;
  readonly must: number;
}

const cases: Case[] = [
  {
    name: 'one-line C function, warm',
    language: 'c',
    source: (n) => `int f(int x) { return x + ${n}; }`,
    rounds: 15,
    must: 0.12,
  },
  {
    name: 'the same after stdio, stdlib, string, math',
    language: 'c',
    source: (n) => `${C_HEADERS}int f(int x) { return abs(x) + ${n}; }`,
    rounds: 10,
    must: 0.12,
  },
  {
    name: 'C++ after vector, string, algorithm: trivial body',
    language: 'c++',
    source: (n) => `${CXX_HEADERS}extern "C" int f(int x) { return x + ${n}; }`,
    rounds: 4,
    must: 0.05,
  },
  {
    name: 'C++ after the same: push_back',
    language: 'c++',
    source: (n) =>
      `${CXX_HEADERS}extern "C" int f(int x) { std::vector<int> v; v.push_back(x); v.push_back(${n}); return v[0] + v[1]; }`,
    rounds: 4,
    must: 0.2,
  },
  {
    name: 'C++ after the same: sort and to_string',
    language: 'c++',
    source: (n) =>
      `${CXX_HEADERS}extern "C" int f(int x) { std::vector<int> v{x, ${n}, 0}; std::sort(v.begin(), v.end());` +
      ` return std::stoi(std::to_string(v[0] + v[1] + v[2])); }`,
    rounds: 3,
    must: 0.4,
  },
];

const BLOCKS = 3;
let serial = 0;

/** Milliseconds from the call of `loadSourceLibrary` to the first result. */
async function load(trial: Case, n: number, compiler?: string): Promise<number> {
  const start = performance.now();
  const library = await loadSourceLibrary({
    name: `resident-${serial++}`,
    language: trial.language,
    source: trial.source(n),
    flags: ['-O2'],
    loader: 'orc',
    ...(compiler === undefined ? {} : { compiler }),
  });
  const result = library.func('int f(int x)')(1);
  const time = performance.now() - start;
  verify(result, 1 + n, trial.name);
  await library.dispose();
  return time;
}

for (const trial of cases) {
  // The first compile keeps the headers: what is measured is every later one.
  await load(trial, 7);
  await load(trial, 7, CLANG);
  const times = { resident: [] as number[], oneShot: [] as number[] };
  // In blocks, not in turn: after each start of clang the processor's caches hold clang, and a resident compile takes
  // 5 ms instead of 3. Within a block both are as warm as they are in use.
  for (let block = 0; block < BLOCKS; block += 1) {
    const rounds = Array.from({ length: trial.rounds }, (_, index) => block * trial.rounds + index);
    for (const round of rounds) times.resident.push(await load(trial, round));
    for (const round of rounds) times.oneShot.push(await load(trial, round, CLANG));
  }
  report({
    name: trial.name,
    unit: 'ms',
    subject: median(times.resident),
    baseline: median(times.oneShot),
    baselineName: 'one-shot clang + ORC',
    must: trial.must,
  });
}

await withFolder(async (folder) => {
  const [trial] = cases as [Case];
  const times = { resident: [] as number[], byHand: [] as number[] };
  for (let block = 0; block < BLOCKS; block += 1) {
    const rounds = Array.from({ length: 10 }, (_, index) => block * 10 + index);
    for (const round of rounds) times.resident.push(await load(trial, round));
    for (const round of rounds) {
      const start = performance.now();
      const library = koffi.load(makeSharedObject(folder, `hand-${round}`, trial.source(round), ['-O2']));
      verify(library.func('int f(int x)')(1), 1 + round, 'by hand');
      times.byHand.push(performance.now() - start);
    }
  }
  report({
    name: trial.name,
    unit: 'ms',
    subject: median(times.resident),
    baseline: median(times.byHand),
    baselineName: 'clang -shared + koffi.load',
    must: 0.06,
  });
});

const many = Array.from({ length: 200 }, (_, n) => n);
const start = performance.now();
const libraries = await Promise.all(
  many.map((n) =>
    loadSourceLibrary({
      name: `many-${n}`,
      source: `static int twice(int x) { return 2 * x; }\nint f(int x) { return twice(x) + ${n}; }`,
      flags: ['-O2'],
    }),
  ),
);
const each = (performance.now() - start) / many.length;
libraries.forEach((library, n) => {
  verify(library.func('int f(int x)')(1), 2 + n, `many-${n}`);
});
report({ name: '200 small sources at once, each', unit: 'ms', value: each, must: 3.5 });
process.exit();

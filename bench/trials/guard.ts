/** The cost of a call that a C++ exception may leave, against the same call without the guard. */

import { loadSourceLibrary, NativeError } from 'fromsource';
import { measure } from 'mitata';
import { median, report, verify } from '../trial.ts';

const functions = `extern "C" {
int add(int a, int b) { return a + b; }
int first(const int *values, int n) { return n > 0 ? values[0] : -1; }
long ten(long a, long b, long c, long d, long e, long f, long g, long h, long i, long j) { return a + b + c + d + e + f + g + h + i + j; }
int sum(int n) { volatile int s = 0; for (int i = 0; i < n; i++) s = s + i; return s; }`;

const load = (name: string, more: string) =>
  loadSourceLibrary({ name, source: `${functions}\n${more}\n}`, language: 'c++', flags: ['-O2'], loader: 'orc' });

const guarded = await load('guarded', 'void fail() { throw 42; }');
const plain = await load('plain', '');
const memory = new Int32Array([42, 1, 2, 3]);

const cases = [
  { name: 'int add(int, int)', prototype: 'int add(int, int)', args: [2, 3], expected: 5 },
  { name: 'int first(const int *, int)', prototype: 'int first(const int *, int)', args: [memory, 4], expected: 42 },
  {
    name: 'ten arguments, four of them on the stack',
    prototype: 'long ten(long, long, long, long, long, long, long, long, long, long)',
    args: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    expected: 55,
  },
] as const;

for (const { name, prototype, args, expected } of cases) {
  const [subject, baseline] = [guarded, plain].map((library) => library.func(prototype) as (...a: any[]) => unknown);
  if (subject === undefined || baseline === undefined) throw new Error('there are two');
  const call = {
    2: (f: typeof subject) => () => f(args[0], args[1]),
    10: (f: typeof subject) => () => f(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
  }[args.length as 2 | 10];
  const times: Record<'subject' | 'baseline', number[]> = { subject: [], baseline: [] };
  // In turns, as both are close to each other.
  for (let round = 0; round < 5; round += 1) {
    for (const [which, f] of Object.entries({ subject, baseline }) as ['subject' | 'baseline', typeof subject][]) {
      verify(f(...args), expected, name);
      times[which].push((await measure(call(f), { min_cpu_time: 2e8 })).p50);
    }
  }
  report({
    name: `a call that may throw, ${name}`,
    unit: 'ns',
    subject: median(times.subject),
    baseline: median(times.baseline),
    baselineName: 'the same in a library that can not throw',
  });
}

const fail = guarded.func('void fail()');
const throwing = await measure(() => {
  try {
    fail();
  } catch (error) {
    if (error instanceof NativeError && error.type === 'int') return;
  }
  throw new Error('fail did not throw an int');
});
report({ name: 'an exception that becomes a NativeError', unit: 'ms', value: throwing.p50 / 1e6 });

/** The cost of one call, against a function of a shared object that koffi loaded itself. */

import { loadSourceLibrary } from 'fromsource';
import koffi from 'koffi';
import { measure } from 'mitata';
import { makeSharedObject, report, verify, withFolder } from '../trial.ts';

const source = `
int add(int a, int b) { return a + b; }
int first(const int *values, int n) { return n > 0 ? values[0] : -1; }`;

await withFolder(async (folder) => {
  const library = await loadSourceLibrary({ name: 'call', source, flags: ['-O2'], loader: 'orc' });
  const plain = koffi.load(makeSharedObject(folder, 'call', source, ['-O2']));
  const memory = new Int32Array([42, 1, 2, 3]);

  const cases = [
    {
      name: 'a call, int add(int, int)',
      ours: library.func('int add(int, int)') as (...args: any[]) => unknown,
      plain: plain.func('int add(int, int)'),
      args: [2, 3],
      expected: 5,
    },
    {
      name: 'a call with a pointer, int first(const int *, int)',
      ours: library.func('int first(const int *values, int n)') as (...args: any[]) => unknown,
      plain: plain.func('int first(const int *values, int n)'),
      args: [memory, 4],
      expected: 42,
    },
  ];
  for (const { name, ours, plain, args, expected } of cases) {
    verify(ours(...args), expected, name);
    verify(plain(...args), expected, name);
    const [a, b] = args;
    const baseline = await measure(() => plain(a, b));
    const subject = await measure(() => ours(a, b));
    report({ name, unit: 'ns', subject: subject.p50, baseline: baseline.p50, baselineName: 'koffi.load of the .so' });
  }
});

/** Object bytes to a callable address by the ORC shim, against dlopen of the same code as a shared object. */

import { copyFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';
import { makeObject, makeSharedObject, median, report, verify, withFolder } from '../trial.ts';

const ROUNDS = 200;
const SMALL = 'int add(int a, int b) { return a + b; }';
/** As many functions as a big single-file library, calling one another and a few of the C library. */
const LARGE = `#include <string.h>
${Array.from({ length: 2000 }, (_, n) => `int f${n}(int x, char *t) { memset(t, x, ${n % 64}); return x * ${n} + (x > 0 ? f${Math.max(0, n - 1)}(x - 1, t) : ${n}); }`).join('\n')}
int add(int a, int b) { char t[64]; return a + b + 0 * f1999(0, t); }`;

// This file runs from dist-tools/bench/trials.
const shimPath = fileURLToPath(new URL('../../../native-shims/build/libfromsource_orc.so', import.meta.url));
const opening = performance.now();
const shim = koffi.load(shimPath);
report({
  name: 'opening the shim, first koffi.load in the process',
  unit: 'ms',
  value: performance.now() - opening,
  must: 1.5,
});
report({ name: 'size of the shim', unit: 'MB', value: statSync(shimPath).size / 1e6, must: 8 });

const abi = {
  session: shim.func('void *fs_session_create(uint64_t, _Out_ void **)'),
  create: shim.func('void *fs_dylib_create(void *, const char *, _Out_ void **)'),
  add: shim.func('void *fs_dylib_add_object(void *, const uint8_t *, size_t)'),
  initialize: shim.func('void *fs_dylib_initialize(void *)'),
  lookup: shim.func('void *fs_dylib_lookup(void *, const char *, _Out_ uint64_t *)'),
};
const libc = koffi.load(null);
const dlopen = libc.func('void *dlopen(const char *, int)');
const dlsym = libc.func('void *dlsym(void *, const char *)');
const addType = koffi.proto('int', ['int', 'int']);
const call = (address: bigint): unknown => koffi.call(address, addType, 2, 3);

function expectSuccess(error: unknown): void {
  if (error !== null) throw new Error('the shim reported an error');
}

const session: [unknown] = [null];
expectSuccess(abi.session(0, session));

function linkByShim(object: Buffer): number {
  const dylib: [unknown] = [null];
  const address: [bigint | number] = [0n];
  const start = performance.now();
  expectSuccess(abi.create(session[0], 'bench', dylib));
  expectSuccess(abi.add(dylib[0], object, object.length));
  expectSuccess(abi.initialize(dylib[0]));
  expectSuccess(abi.lookup(dylib[0], 'add', address));
  const time = performance.now() - start;
  verify(call(BigInt(address[0])), 5, 'add, linked by the shim');
  return time;
}

function openByDlopen(path: string): number {
  const start = performance.now();
  const address = dlsym(dlopen(path, 2), 'add') as bigint;
  const time = performance.now() - start;
  verify(call(address), 5, 'add, opened by dlopen');
  return time;
}

await withFolder(async (folder) => {
  for (const [name, source, rounds, must] of [
    ['one function', SMALL, ROUNDS, 2],
    ['2,000 functions', LARGE, 20, undefined],
  ] as const) {
    const object = makeObject(source, ['-O2', '-w']);
    const made = makeSharedObject(folder, `made-${rounds}`, source, ['-O2', '-w']);
    const times = { shim: [] as number[], dlopen: [] as number[] };
    for (let round = -3; round < rounds; round += 1) {
      // A fresh name each time: dlopen gives an open library's handle again.
      const copy = join(folder, `${rounds}-${round}.so`);
      copyFileSync(made, copy);
      const pair = { shim: linkByShim(object), dlopen: openByDlopen(copy) };
      if (round < 0) continue;
      times.shim.push(pair.shim);
      times.dlopen.push(pair.dlopen);
    }
    report({
      name: `linking ${name}`,
      unit: 'µs',
      subject: median(times.shim) * 1000,
      baseline: median(times.dlopen) * 1000,
      baselineName: 'dlopen of the .so',
      ...(must === undefined ? {} : { must }),
    });
  }
});

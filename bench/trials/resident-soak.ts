/** 5,000 compiles in a row on one pool: none fails, and the drivers' memory stays where it was after the first 500. */

import { readdirSync, readFileSync } from 'node:fs';
import { loadSourceLibrary } from 'fromsource';
import { report, verify } from '../trial.ts';

const COMPILES = 5000;

/** Bytes resident in the drivers of this process. */
function driverBytes(): number {
  let bytes = 0;
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const parent = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      if (Number(parent) !== process.pid) continue;
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('fromsource-clang-driver')) continue;
      bytes += Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096;
    } catch {
      // It has ended since it was listed.
    }
  }
  return bytes;
}

/** A mixture: plain functions, C and C++ headers, and a source that fails every tenth time. */
function source(n: number): { source: string; language: 'c' | 'c++' } {
  if (n % 50 === 25) {
    return {
      language: 'c++',
      source: `#include <vector>\nextern "C" int f(int x) { return x + (int)std::vector<int>(${n}).size(); }`,
    };
  }
  const headers = n % 5 === 0 ? '#include <stdio.h>\n#include <string.h>\n' : '';
  const mistake = n % 10 === 9 ? 'undeclared + ' : '';
  return { language: 'c', source: `${headers}int f(int x) { return ${mistake}x + ${n}; }` };
}

let early = 0;
for (let n = 0; n < COMPILES; n += 1) {
  if (n === 500) early = driverBytes();
  const spec = { name: `soak-${n}`, ...source(n), flags: ['-O2'] };
  const library = await loadSourceLibrary(spec).catch((error) => {
    verify(error.code, 'ERR_COMPILE', `compile ${n}`);
    return undefined;
  });
  verify(library === undefined, n % 10 === 9, `compile ${n} fails`);
  if (library !== undefined) verify(library.func('int f(int x)')(1), 1 + n, `compile ${n}`);
  await library?.dispose();
}
report({
  name: '5,000 compiles, driver memory at the end',
  unit: 'MB',
  subject: driverBytes() / 1e6,
  baseline: early / 1e6,
  baselineName: 'after the first 500',
  must: 1.2,
});
process.exit();

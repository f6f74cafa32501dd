/** Sources whose own body takes all the time: the resident compiler must not be slower than a process for each. */

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadSourceLibrary } from 'fromsource';
import { CLANG, median, report, verify } from '../trial.ts';

const ROUNDS = 5;
/** This file runs from dist-tools/bench/trials. */
const sqlite = fileURLToPath(new URL('../../../vendor-samples/.cache/sqlite/sqlite3.c', import.meta.url));

/** As many lines and functions as flecs.c has. */
const generated = `#include <stdlib.h>\n#include <string.h>\n${Array.from(
  { length: 2000 },
  (_, n) => `struct item${n} {\n${Array.from({ length: 10 }, (_, k) => `  int field${k};\n`).join('')}};
static int step${n}(struct item${n} *item, int x) {
${Array.from({ length: 34 }, (_, k) => `  if (x > ${k * 3 + n}) item->field${k % 10} += x * ${k} + ${n};\n`).join('')}  return item->field0 + item->field9;
}
int f${n}(int x) {
  struct item${n} item;
  memset(&item, 0, sizeof item);
  return step${n}(&item, x);
}`,
).join('\n')}\nint answer(void) { return f1999(0) + 42; }\n`;

let serial = 0;

async function compile(source: string, flags: string[], check: string, expected: unknown, compiler?: string) {
  const library = await loadSourceLibrary({
    name: `large-${serial++}`,
    source,
    flags,
    loader: 'orc',
    ...(compiler === undefined ? {} : { compiler }),
  });
  verify((library.func(check) as () => unknown)(), expected, check);
  const { compile } = library.timings;
  await library.dispose();
  return compile;
}

const lines = generated.split('\n').length;
const trials = [
  { name: `${lines} generated lines, -O0`, source: generated, flags: ['-O0'], check: 'int answer(void)', expected: 42 },
];
if (existsSync(sqlite)) {
  const source = readFileSync(sqlite, 'utf8');
  const version = /#define SQLITE_VERSION_NUMBER (\d+)/.exec(source)?.[1];
  const check = 'int sqlite3_libversion_number(void)';
  trials.unshift({ name: 'sqlite, -O0', source, flags: ['-O0'], check, expected: Number(version) });
} else console.error('sqlite is not in vendor-samples/.cache: left out');

for (const { name, source, flags, check, expected } of trials) {
  const times = { resident: [] as number[], oneShot: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    times.resident.push(await compile(source, flags, check, expected));
    times.oneShot.push(await compile(source, flags, check, expected, CLANG));
  }
  report({
    name,
    unit: 'ms',
    subject: median(times.resident),
    baseline: median(times.oneShot),
    baselineName: 'one-shot clang, compile only',
    must: 1.02,
  });
}
process.exit();

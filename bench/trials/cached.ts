/**
 * A second load, which the cache answers, against what one would do by hand: koffi.load of a shared object that a build
 * step made. Whole processes, and from the call to the first result within them.
 *
 * What is loaded is compiled once and kept in bench/results/cached, so that only the first run takes its minute.
 */

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { CLANG, median, report, verify } from '../trial.ts';

const ROUNDS = 15;

// This file runs from dist-tools/bench/trials.
const folder = fileURLToPath(new URL('../../../bench/results/cached/', import.meta.url));
const sqlite = fileURLToPath(new URL('../../../vendor-samples/.cache/sqlite/sqlite3.c', import.meta.url));
mkdirSync(folder, { recursive: true });

/** 100,000 lines, 2,000 functions: what flecs has. */
function generate(): string {
  const lines = ['#include <stdint.h>'];
  for (let n = 0; n < 2000; n += 1) {
    lines.push(`static int32_t table_${n}[16] = { ${n} };`, `int32_t f${n}(int32_t a, int32_t b) {`);
    for (let k = 0; k < 45; k += 1) {
      lines.push(`  if ((a ^ ${k * n + 7}) > b) a += table_${n}[${k % 16}] + b * ${k + 3}; else b -= a >> ${k % 7};`);
    }
    lines.push(`  table_${n}[a & 15] += b;`, '  return a + b;', '}');
  }
  return `${lines.join('\n')}\nint32_t answer(void) { return 42; }\n`;
}

interface Library {
  readonly name: string;
  readonly file: string;
  readonly flags: readonly string[];
  readonly prototype: string;
  readonly call: string;
  readonly expected: string;
  /** The most that the times within the process may be, as a multiple of koffi.load. */
  readonly must: number;
}

function sourceFile(name: string, text: () => string): string {
  const path = `${folder}${name}.c`;
  if (!existsSync(path)) {
    writeFileSync(`${path}.new`, text());
    renameSync(`${path}.new`, path);
  }
  return path;
}

const libraries: Library[] = [
  {
    name: 'one function',
    file: sourceFile('add', () => 'int add(int a, int b) { return a + b; }\n'),
    flags: ['-O2'],
    prototype: 'int add(int, int)',
    call: '(2, 3)',
    expected: '5',
    must: 3,
  },
  {
    name: '100,000 lines, 2,000 functions',
    file: sourceFile('generated', generate),
    flags: ['-O1'],
    prototype: 'int answer()',
    call: '()',
    expected: '42',
    must: 2,
  },
];
if (existsSync(sqlite)) {
  libraries.push({
    name: 'sqlite -O2',
    file: sqlite,
    flags: ['-O2', '-w'],
    prototype: 'const char *sqlite3_libversion()',
    call: '()',
    expected: /#define SQLITE_VERSION\s+"([\d.]+)"/.exec(readFileSync(sqlite, 'utf8'))?.[1] ?? '',
    must: 2,
  });
}

/** The shared object that a build step would have made. */
function sharedObject({ file, flags }: Library): string {
  const path = `${folder}${file.replace(/^.*\/(.*)\.c$/, '$1')}.so`;
  if (!existsSync(path)) {
    execFileSync(CLANG, ['-shared', '-fPIC', ...flags, file, '-lm', '-o', `${path}.new`]);
    renameSync(`${path}.new`, path);
  }
  return path;
}

/** Prints the first result and the milliseconds from the call to it. */
const programs = {
  cached: ({ file, flags, prototype, call }: Library) => `
    import { loadSourceLibrary } from 'fromsource';
    const start = performance.now();
    const library = await loadSourceLibrary(${JSON.stringify({ name: 'cached', file, flags })});
    const result = library.func('${prototype}')${call};
    const time = performance.now() - start;
    console.log(JSON.stringify({ result: String(result), time, cache: library.cache, compile: library.timings.compile }));`,
  koffi: (library: Library) => `
    import koffi from 'koffi';
    const start = performance.now();
    const result = koffi.load('${sharedObject(library)}').func('${library.prototype}')${library.call};
    const time = performance.now() - start;
    console.log(JSON.stringify({ result: String(result), time }));`,
};

interface Run {
  readonly process: number;
  readonly within: number;
  readonly status: string;
  readonly compile: number;
}

const env = { ...process.env, FROMSOURCE_CACHE: 'on', FROMSOURCE_CACHE_DIR: `${folder}cache` };

/** From the start of node to the moment at which the result arrives here. */
async function run(program: string, library: Library): Promise<Run> {
  const start = performance.now();
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let [stdout, time] = ['', 0];
  child.stdout.on('data', (data: Buffer) => {
    time ||= performance.now() - start;
    stdout += data;
  });
  await new Promise((resolve) => child.once('close', resolve));
  const answer = JSON.parse(stdout);
  verify(answer.result, library.expected, library.name);
  return { process: time, within: answer.time, status: answer.cache?.status, compile: answer.compile };
}

for (const library of libraries) {
  const [cached, byHand] = [programs.cached(library), programs.koffi(library)];
  // A hit whose files are older than 2 s reads nothing: that is what every later run is.
  let miss = await run(cached, library);
  if (miss.status === 'miss') {
    writeFileSync(`${folder}${library.name.replace(/\W+/g, '-')}.miss`, String(miss.within));
    await new Promise((resolve) => setTimeout(resolve, 2500));
  }
  for (let round = 0; round < 2; round += 1) miss = await run(cached, library);
  verify(miss.status, 'hit', `the cache, for ${library.name}`);

  const runs = { cached: [] as Run[], koffi: [] as Run[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    runs.cached.push(await run(cached, library));
    runs.koffi.push(await run(byHand, library));
  }
  for (const { status } of runs.cached) verify(status, 'hit', `the cache, for ${library.name}`);
  const pick = (which: keyof typeof runs, key: 'process' | 'within') => median(runs[which].map((each) => each[key]));
  const baselineName = 'koffi.load of its .so';
  report({
    name: `${library.name}: cached, whole process`,
    unit: 'ms',
    subject: pick('cached', 'process'),
    baseline: pick('koffi', 'process'),
    baselineName,
    must: 1.1,
  });
  report({
    name: `${library.name}: cached, call to first result`,
    unit: 'ms',
    subject: pick('cached', 'within'),
    baseline: pick('koffi', 'within'),
    baselineName,
    must: library.must,
  });
  const missTime = `${folder}${library.name.replace(/\W+/g, '-')}.miss`;
  if (library.name.startsWith('sqlite') && existsSync(missTime)) {
    report({
      name: `${library.name}: hit`,
      unit: 'ms',
      subject: pick('cached', 'within'),
      baseline: Number(readFileSync(missTime, 'utf8')),
      baselineName: 'miss',
      must: 0.002,
    });
  }
}

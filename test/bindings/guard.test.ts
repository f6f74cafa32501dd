/** Guarded calls where they need a process of their own: without the shim, in workers, by the hundred. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BuiltPackage, buildPackage } from '../built-package.ts';
import { hasShim } from '../contract/harness.ts';

let built: BuiltPackage;
const folder = mkdtempSync(join(tmpdir(), 'fromsource-guard-'));
beforeAll(() => {
  built = buildPackage();
});
afterAll(() => {
  built.remove();
  rmSync(folder, { recursive: true, force: true });
});

let serial = 0;

/** Runs a program that has the package's exports; its last line is JSON. */
function run(program: string, { flags = [] as string[], env = {} } = {}) {
  const file = join(built.folder, `program-${serial++}.mjs`);
  writeFileSync(file, `import { loadSourceLibrary, NativeError } from ${JSON.stringify(built.index)};\n${program}`);
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...flags, file], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
  const last = stdout.trim().split('\n').at(-1) ?? '';
  return { status, signal, stderr, result: last === '' ? undefined : JSON.parse(last) };
}

const THROWING = `extern "C" int f(int n) { if (n < 0) throw n; return n; }`;
const SHIM_MAPPED = `(await import('node:fs')).readFileSync('/proc/self/maps', 'utf8').includes('libfromsource_orc')`;

if (!hasShim()) console.warn('tests of guarded calls are skipped: the native shim is not built');

describe('without the native shim', () => {
  const env = { FROMSOURCE_ORC_SHIM: '/nonexistent.so' };

  test('functions that may throw are called as ever, and an exception ends the process', () => {
    const ends = (argument: number) =>
      run(
        `const library = await loadSourceLibrary({ name: 'a', source: ${JSON.stringify(THROWING)}, language: 'c++' });
         console.log(JSON.stringify(library.func('int f(int)')(${argument})));`,
        { env },
      );
    expect(ends(3)).toMatchObject({ status: 0, result: 3 });
    expect(ends(-3)).toMatchObject({ signal: 'SIGABRT', result: undefined });
  });
});

describe.skipIf(!hasShim())('with the native shim', () => {
  test('a library in C that the cache answers does not open it, one in C++ that may throw does', () => {
    const program = (source: string, language: string) =>
      `const library = await loadSourceLibrary({ name: 'a', source: ${JSON.stringify(source)}, language: '${language}', cache: { dir: ${JSON.stringify(join(folder, 'cache'))} } });
       const result = library.func('int f(int)')(3);
       console.log(JSON.stringify([library.cache.status, result, ${SHIM_MAPPED}]));`;
    const env = { FROMSOURCE_CACHE: '' };
    const c = program('int f(int n) { return n; }', 'c');
    const plain = program('#include <cmath>\nextern "C" int f(int n) { return (int)std::sqrt(n * n); }', 'c++');
    const throwing = program(THROWING, 'c++');
    for (const each of [c, plain, throwing]) expect(run(each, { env }).result?.[0]).toBe('miss');
    expect(run(c, { env }).result).toEqual(['hit', 3, false]);
    expect(run(plain, { env }).result).toEqual(['hit', 3, false]);
    expect(run(throwing, { env }).result).toEqual(['hit', 3, true]);
  });

  test('an exception that meets noexcept ends the process, as it does in C++', () => {
    const ended = run(
      `const library = await loadSourceLibrary({ name: 'a', source: 'extern "C" void f() noexcept { throw 1; }', language: 'c++', flags: ['-w'] });
       library.func('void f()')();`,
    );
    expect(ended).toMatchObject({ signal: 'SIGABRT', result: undefined });
    expect(ended.stderr).toContain('terminate called');
  });

  test('calls are guarded also where no code may be made from strings', () => {
    const { result } = run(
      `const library = await loadSourceLibrary({ name: 'a', source: ${JSON.stringify(THROWING)}, language: 'c++' });
       const f = library.func('int f(int)');
       const all = [f(2)];
       try { f(-2); } catch (error) { all.push(error.code); }
       all.push(f(4), await f.async(-1).catch((error) => error.type));
       console.log(JSON.stringify(all));`,
      { flags: ['--disallow-code-generation-from-strings'] },
    );
    expect(result).toEqual([2, 'ERR_NATIVE', 4, 'int']);
  });

  test('each worker has its own exceptions, and one that is ended in the middle leaves the others as they are', () => {
    const { status, result, stderr } = run(
      `const { Worker, isMainThread, parentPort, workerData } = await import('node:worker_threads');
       const source = '#include <stdexcept>\\n#include <string>\\n#include <unistd.h>\\nextern "C" int f(int n) { usleep(20); if (n % 2) throw std::runtime_error(std::to_string(n)); return n; }';
       const library = await loadSourceLibrary({ name: 'w', source, language: 'c++' });
       const f = library.func('int f(int)');
       async function check(from) {
         let wrong = 0;
         for (let n = from; n < from + 200; n++) {
           try { if (f(n) !== n || n % 2) wrong++; } catch (error) { if (error.what !== String(n)) wrong++; }
         }
         const settled = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => f.async(from + n)));
         settled.forEach((each, n) => { if ((each.reason?.what ?? String(each.value)) !== String(from + n)) wrong++; });
         return wrong;
       }
       if (isMainThread) {
         const start = (data) => new Worker(new URL(import.meta.url), { workerData: data });
         const ended = [start(-1), start(-1)];
         const results = [1000, 2000, 3000].map((from) => new Promise((resolve, reject) => start(from).on('message', resolve).on('error', reject)));
         await Promise.all(ended.map((each) => new Promise((resolve) => each.once('message', resolve))));
         await Promise.all(ended.map((each) => each.terminate()));
         const wrong = [await check(0), ...(await Promise.all(results))];
         console.log(JSON.stringify(wrong));
       } else if (workerData < 0) {
         parentPort.postMessage('ready');
         for (;;) { try { f(1); } catch {} void f.async(1).catch(() => {}); await new Promise(setImmediate); }
       } else {
         parentPort.postMessage(await check(workerData));
       }`,
    );
    expect({ status, result, stderr }).toMatchObject({ status: 0, result: [0, 0, 0, 0] });
  });

  test('thunks are used again when their library is gone', () => {
    const { result } = run(
      `const { readFileSync } = await import('node:fs');
       const count = 700;
       const source = Array.from({ length: count }, (_, n) => 'extern "C" int f' + n + '(int n) { if (n < 0) throw ' + n + '.5; return n + ' + n + '; }').join('\\n');
       let wrong = 0;
       const maps = [];
       for (let round = 0; round < 6; round++) {
         const library = await loadSourceLibrary({ name: 'many', source, language: 'c++', flags: ['-O0'] });
         const functions = Array.from({ length: count }, (_, n) => library.func('int f' + n + '(int)'));
         functions.forEach((f, n) => {
           if (f(round) !== round + n) wrong++;
           try { f(-1); wrong++; } catch (error) { if (error.type !== 'double' || error.function !== 'f' + n) wrong++; }
         });
         await library.dispose();
         maps.push(readFileSync('/proc/self/maps', 'utf8').split('\\n').filter((line) => line.includes('libfromsource_orc') && line.includes('r-xp')).length);
       }
       console.log(JSON.stringify([wrong, maps]));`,
    );
    // The shim's own code, and three pages of 256 thunks.
    expect(result).toEqual([0, [4, 4, 4, 4, 4, 4]]);
  });
});

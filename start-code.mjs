/**
 * Keeps the code that V8 makes of the start of the package, for this release of node: `node start-code.mjs [folder]`, by
 * default `dist`. Set-up runs it. See build.mjs for the reason.
 *
 * It loads a library twice, so that what the cache's answer runs through is compiled, and then asks V8 for all of it.
 * What a compiler made that was built just before this began is not kept, so there is another try, by a new process.
 * Where nothing can be compiled, or the folder can't be written to, it keeps less or nothing, and is no failure.
 */

import { spawnSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdtempSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** By which the times of files tell that a file was there before. */
const SETTLED_MS = 2500;

const folder = pathToFileURL(`${resolve(process.argv[2] ?? join(import.meta.dirname, 'dist'))}/`);
const { codeFile, script } = await import(new URL('start.js', folder));
const { cacheStats, loadSourceLibrary } = await import(new URL('index.js', folder));

let isHit = false;
const dir = mkdtempSync(join(tmpdir(), 'fromsource-start-'));
try {
  for (let round = 0; round < 2; round += 1) {
    const library = await loadSourceLibrary({
      name: 'start',
      source: '#include "a.h"\nint twice(int a) { return a * TWO; }\nint seen;\n',
      headers: { 'a.h': '#define TWO 2\n' },
      includePaths: [dir],
      defines: { A: true },
      cache: { dir },
    });
    isHit = library.cache.status === 'hit';
    if (library.func('int twice(int a)')(2) !== 4) throw new Error('a wrong result');
    library.variable('int seen').value += 1;
    await cacheStats({ dir });
    await library.dispose();
  }
} catch (error) {
  console.log(`start-code: no library could be loaded: ${error.message}`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
if (!isHit && process.argv[3] !== 'last') {
  await sleep(SETTLED_MS);
  const again = [fileURLToPath(import.meta.url), fileURLToPath(folder), 'last'];
  process.exit(spawnSync(process.execPath, again, { stdio: 'inherit' }).status ?? 1);
}

try {
  const code = script.createCachedData();
  const descriptor = openSync(`${codeFile}.new`, 'w');
  // Twice, because V8 takes damaged code and dies of it: what reads it compares the halves, which takes no time.
  writeFileSync(descriptor, Buffer.concat([code, code]));
  fsyncSync(descriptor);
  closeSync(descriptor);
  renameSync(`${codeFile}.new`, codeFile);
} catch (error) {
  console.log(`start-code: not kept: ${error.message}`);
}
process.exit();

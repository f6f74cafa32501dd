/** gdb in the code of libraries: breakpoints that wait for it, the stack, the lines, the variables. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BuiltPackage, buildPackage } from '../built-package.ts';
import { shimIsBuilt } from './fixtures/objects.ts';

const whyNot = ((): string | null => {
  const { error, stdout } = spawnSync('gdb', ['--version'], { encoding: 'utf8' });
  if (error !== undefined) return 'gdb is not installed (apt-get install gdb)';
  // In a container the kernel may refuse to let one process look into another.
  const run = spawnSync('gdb', ['-nx', '-batch', '-ex', 'run', '--args', '/bin/true'], { encoding: 'utf8' });
  return run.stdout.includes('exited normally') ? null : `${stdout.split('\n')[0]} can't run a program: ${run.stderr}`;
})();
if (whyNot !== null) console.warn(`the tests of gdb are skipped: ${whyNot}`);

const SOURCE = `static int inner(int value) {
  int doubled = value * 2;
  return doubled + 1;
}
int total = 5;
int outer(int value) {
  int more = value + total;
  return inner(more);
}
`;

describe.skipIf(whyNot !== null)('gdb', () => {
  let built: BuiltPackage;
  beforeAll(() => {
    built = buildPackage();
  });
  afterAll(() => built.remove());

  /** What gdb prints of a program that is made of these lines. */
  function debug(program: string, commands: readonly string[], cache = 'off'): string {
    const file = join(built.folder, 'program.mjs');
    writeFileSync(file, `import { loadSourceLibrary } from ${JSON.stringify(built.index)};\n${program}`);
    const each = ['set breakpoint pending on', 'set debuginfod enabled off', ...commands];
    const args = ['-nx', '-batch', ...each.flatMap((command) => ['-ex', command]), '--args', process.execPath, file];
    const env = { ...process.env, FROMSOURCE_CACHE: cache };
    const { stdout, stderr } = spawnSync('gdb', args, { cwd: built.folder, encoding: 'utf8', timeout: 60_000, env });
    return `${stdout}\n${stderr}`;
  }
  const load = (options: object) =>
    `const library = await loadSourceLibrary(${JSON.stringify({ name: 'stepped', source: SOURCE, ...options })});\n`;
  const call = `console.log('result', library.func('int outer(int)')(3));\n`;
  const look = ['run', 'backtrace 3', 'info locals', 'print total', 'delete', 'continue'];

  /** All that one stop in `inner` shows. */
  function expectStop(shown: string): void {
    expect(shown).toMatch(/#0 +inner \(value=8\) at \S*stepped\S*:2\b/);
    expect(shown).toMatch(/#1 +0x\w+ in outer \(value=3\) at \S*stepped\S*:8\b/);
    expect(shown).toMatch(/^doubled = /m);
    expect(shown).toMatch(/\$1 = 5\b/);
    expect(shown).toContain('result 17');
    expect(shown).toContain('exited normally');
  }

  describe.each(['orc', 'shared-object'] as const)('on the %s loader', (loader) => {
    test.skipIf(loader === 'orc' && !shimIsBuilt)('stops at a function that is loaded later', () => {
      expectStop(debug(load({ loader, flags: ['-g', '-O0'] }) + call, ['break inner', ...look]));
    });
  });

  test('stops in a linked image that the cache had', () => {
    const cache = join(built.folder, 'cache');
    mkdirSync(cache);
    const program = `${load({ flags: ['-g', '-O0'] })}console.log(library.cache.status, library.loader.reason);\n${call}`;
    // The first makes the image as it ends.
    expect(debug(program, ['run'], cache)).toContain('miss');
    const shown = debug(program, ['break inner', ...look], cache);
    expect(shown).toContain('hit its linked image is in the cache');
    expectStop(shown);
  });

  test.skipIf(!shimIsBuilt)('forgets code that is gone, and stops in what replaced it', () => {
    const options = { loader: 'orc', flags: ['-g', '-O0'] };
    const changed = `await library.reload({ source: ${JSON.stringify(`\n\n${SOURCE}`)} });\n`;
    const wait = 'await new Promise((resolve) => setTimeout(resolve, 50));\n';
    const stops = ['run', 'backtrace 1', 'continue', 'backtrace 1', 'info breakpoints', 'delete', 'continue'];
    const shown = debug(`${load(options)}${call}${changed}${wait}${call}`, ['break inner', ...stops]);
    expect(shown).toMatch(/#0 +inner \(value=8\) at stepped\.c:2\b/);
    expect(shown).toMatch(/#0 +inner \(value=8\) at stepped\.c:4\b/);
    // gdb itself keeps the place of the old code, but no longer knows what was there.
    expect(shown).toMatch(/in inner at stepped\.c:4$/m);
    expect(shown).not.toMatch(/in inner at stepped\.c:2$/m);
    expect(shown).toContain('exited normally');
  });

  test.skipIf(!shimIsBuilt)('stops at a line, in code that gcc compiled too', () => {
    for (const compiler of ['clang-22', 'gcc']) {
      const options = { loader: 'orc', compiler, flags: ['-g', '-O0', '-ffunction-sections'] };
      const place = compiler === 'gcc' ? 'inner' : 'stepped.c:2';
      expectStop(debug(load(options) + call, [`break ${place}`, ...look]));
    }
  });
});

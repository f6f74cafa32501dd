/** perf names the functions of libraries. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BuiltPackage, buildPackage } from './built-package.ts';
import { shimIsBuilt } from './loader/fixtures/objects.ts';

/** perf keeps what it saw by hard links, which makes the driver's file one that has just changed. */
const KEEPS_NOTHING = ['--buildid-dir', '/dev/null'];

const whyNot = ((): string | null => {
  const args = [...KEEPS_NOTHING, 'record', '-k', 'mono', '-o', '/dev/null', '--', 'true'];
  const { error, status, stderr } = spawnSync('perf', args, { encoding: 'utf8' });
  if (error !== undefined) return 'perf is not installed (apt-get install linux-perf)';
  return status === 0 ? null : `perf may not record here: ${stderr.trim().split('\n')[0]}`;
})();
if (whyNot !== null) console.warn(`the tests of perf are skipped: ${whyNot}`);

const SOURCE = `static unsigned __attribute__((noinline)) spin_inside(unsigned count) {
  volatile unsigned sum = 0;
  for (unsigned i = 0; i < count; i++) sum += i * i;
  return sum;
}
unsigned spin(unsigned count) { return spin_inside(count) + 1; }
`;

describe.skipIf(whyNot !== null)('perf', () => {
  let built: BuiltPackage;
  beforeAll(() => {
    built = buildPackage();
  });
  afterAll(() => built.remove());

  test.each(['orc', 'shared-object'] as const)('names functions of the %s loader', (loader) => {
    if (loader === 'orc' && !shimIsBuilt) return;
    const folder = join(built.folder, loader);
    mkdirSync(folder);
    const program = join(built.folder, `${loader}.mjs`);
    writeFileSync(
      program,
      `import { loadSourceLibrary } from ${JSON.stringify(built.index)};
      const spec = { name: 'spinning', source: ${JSON.stringify(SOURCE)}, loader: '${loader}', perf: true };
      const library = await loadSourceLibrary(spec);
      library.func('unsigned int spin(unsigned int)')(300000000);`,
    );
    const env = { ...process.env, JITDUMPDIR: folder };
    const perf = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync('perf', [...KEEPS_NOTHING, ...args], {
        cwd: folder,
        env,
        encoding: 'utf8',
      });
      expect([status, status === 0 ? '' : stderr]).toEqual([0, '']);
      return stdout;
    };
    perf('record', '-k', 'mono', '-o', 'perf.data', '--', process.execPath, program);
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    expect(files.filter((name) => /jit-\d+\.dump$/.test(name))).toHaveLength(1);
    perf('inject', '--jit', '-i', 'perf.data', '-o', 'named.data');
    expect(perf('report', '-i', 'named.data', '--stdio')).toMatch(/^ +\d+\.\d+% .*jitted-\S+ .*\bspin_inside/m);
  });
});

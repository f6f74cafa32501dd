/** What npm would publish, packed and installed as a dependency of a TypeScript program. */

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildPackage } from './built-package.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const tsc = join(root, 'node_modules/.bin/tsc');
let consumer: string;
let installed: string;
let files: string[];

beforeAll(() => {
  consumer = realpathSync(mkdtempSync(join(tmpdir(), 'fromsource-package-')));
  const source = join(consumer, 'source');
  installed = join(consumer, 'node_modules/fromsource');
  const built = buildPackage();
  for (const name of ['package.json', 'README.md', 'LICENSE']) cpSync(join(root, name), join(source, name));
  cpSync(join(root, 'native-shims'), join(source, 'native-shims'), {
    recursive: true,
    filter: (path) => !['build', '.setup'].includes(basename(path)),
  });
  // What set-up leaves there, without its size.
  for (const name of ['build', '.setup']) {
    mkdirSync(join(source, 'native-shims', name));
    writeFileSync(join(source, 'native-shims', name, 'left'), '');
  }
  cpSync(join(built.folder, 'dist'), join(source, 'dist'), { recursive: true });
  built.remove();
  // The result is checked below, by one who uses it.
  spawnSync(tsc, ['-p', join(root, 'tsconfig.build.json'), '--outDir', join(source, 'dist')]);

  mkdirSync(installed, { recursive: true });
  const pack = ['pack', '--ignore-scripts', '--silent', '--pack-destination', consumer];
  const archive = execFileSync('npm', pack, { cwd: source, encoding: 'utf8' }).trim();
  execFileSync('tar', ['-xf', join(consumer, archive), '-C', installed, '--strip-components=1']);
  rmSync(source, { recursive: true });
  files = readdirSync(installed, { recursive: true, encoding: 'utf8' });

  for (const name of ['koffi', '@koromix', 'chokidar', 'readdirp', 'p-queue', 'p-timeout', 'eventemitter3', '@types']) {
    symlinkSync(join(root, 'node_modules', name), join(consumer, 'node_modules', name));
  }
  writeFileSync(join(consumer, 'package.json'), '{ "type": "module" }');
});
afterAll(() => rmSync(consumer, { recursive: true, force: true }));

describe('the package', () => {
  test('has its code in one folder, flat, with maps', () => {
    const code = files.filter((file) => file.startsWith('dist/') && file.endsWith('.js'));
    expect(code.filter((file) => file.split('/').length !== 2)).toEqual([]);
    // index.js only exports; start.js.map is that of the script, too; the last is of the compiler.
    const unmapped = code.filter((file) => !files.includes(`${file}.map`));
    expect(unmapped).toEqual(['dist/index.js', 'dist/rolldown-runtime.js', 'dist/start.script.js', 'dist/usingCtx.js']);
  });

  test('has declarations, the sources of the native parts, and what it needs to say of itself', () => {
    const wanted = ['dist/index.d.ts', 'native-shims/setup.sh', 'native-shims/CMakeLists.txt', 'README.md', 'LICENSE'];
    expect(files).toEqual(expect.arrayContaining(wanted));
  });

  test('has nothing that was built for this machine, no source of TypeScript and no tests', () => {
    expect(files.filter((file) => /(^|\/)(build|\.setup|src|test|bench)(\/|$)/.test(file))).toEqual([]);
  });

  test('type-checks in a program that resolves modules as Node does', () => {
    writeFileSync(
      join(consumer, 'program.ts'),
      `import { compileToIR, loadSourceLibrary, type SourceLibrary } from 'fromsource';
      await using library: SourceLibrary = await loadSourceLibrary({ name: 'a', source: 'int one(void) { return 1; }' });
      const one: number = library.func('int one(void)')();
      // @ts-expect-error: it takes no arguments
      library.func('int one(void)')(one);
      const ir: string = await compileToIR({ name: 'b', source: '' });
      console.log(ir);`,
    );
    const args = '--ignoreConfig --noEmit --strict --target es2023 --lib es2023,esnext.disposable --module nodenext';
    const { stdout, status } = spawnSync(tsc, [...args.split(' '), '--types', 'node', 'program.ts'], {
      cwd: consumer,
      encoding: 'utf8',
    });
    expect({ stdout, status }).toEqual({ stdout: '', status: 0 });
  });

  test('runs, and finds its native parts where set-up builds them', () => {
    const program = `
      const { loadSourceLibrary } = await import('fromsource');
      const library = await loadSourceLibrary({ name: 'a', source: 'int one(void) { return 1; }' });
      console.log(JSON.stringify([library.func('int one(void)')(), library.loader]));
      process.exit();`;
    const { FROMSOURCE_ORC_SHIM: _, ...env } = process.env;
    const run = () => {
      const args = ['--input-type=module', '-e', program];
      return JSON.parse(execFileSync(process.execPath, args, { cwd: consumer, env, encoding: 'utf8' }));
    };
    const reason = 'the loader shim is not built (native-shims/build/libfromsource_orc.so): run `npx fromsource-setup`';
    expect(run()).toEqual([1, { kind: 'shared-object', reason }]);
    symlinkSync(join(root, 'native-shims/build'), join(installed, 'native-shims/build'));
    expect(run()).toEqual([1, { kind: 'orc' }]);
  });
});

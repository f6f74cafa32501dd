/** The package as Node runs it, for tests that need a process of their own: Node 20 runs no TypeScript. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** A folder with the package in it, built from the source of now. */
export interface BuiltPackage {
  /** What a program in `folder` imports. */
  readonly index: string;
  readonly folder: string;
  remove(): void;
}

/** Without declarations. Takes 0.4 s. Type errors are not its concern: `npm run typecheck` finds them. */
export function buildPackage(): BuiltPackage {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'fromsource-built-')));
  const build = join(folder, 'dist');
  const { status, stderr } = spawnSync(process.execPath, ['build.mjs', build], { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`the package could not be built: ${stderr}`);
  for (const name of ['node_modules', 'native-shims']) symlinkSync(join(root, name), join(folder, name));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  return { folder, index: join(build, 'index.js'), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

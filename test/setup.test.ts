/** What set-up makes of a system's package sources: with programs that only pretend, so that nothing is installed. */

import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

const script = fileURLToPath(new URL('../native-shims/setup.sh', import.meta.url));
const REAL = [
  'bash',
  'dirname',
  'readlink',
  'mkdir',
  'sed',
  'grep',
  'cat',
  'tail',
  'tr',
  'cut',
  'sleep',
  'kill',
  'env',
];
let root: string;
let programs: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'fromsource-test-'));
  programs = join(root, 'programs');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => {
  for (const folder of ['package/native-shims', 'programs']) {
    rmSync(join(root, folder), { recursive: true, force: true });
    mkdirSync(join(root, folder), { recursive: true });
  }
  copyFileSync(script, join(root, 'package/native-shims/setup.sh'));
  for (const name of REAL) {
    const path = ['/usr/bin', '/bin'].map((folder) => join(folder, name)).find(existsSync);
    if (path !== undefined) symlinkSync(path, join(programs, name));
  }
  symlinkSync(process.execPath, join(programs, 'node'));
  pretend('id', 'echo 0');
  pretend('dpkg-query', ':');
});

const pretend = (name: string, body: string): void =>
  writeFileSync(join(programs, name), `#!/bin/bash\n${body}\n`, { mode: 0o755 });
const STAMP = () => existsSync(join(root, 'package/native-shims/.setup/no-llvm-22'));

/** In a package as npm installs it: with no source, and reached through a link. */
function setUp(): string {
  const link = join(programs, 'fromsource-setup');
  symlinkSync(join(root, 'package/native-shims/setup.sh'), link);
  const env = { PATH: programs, LLVM_DIR: join(root, 'nowhere') };
  return spawnSync('/bin/bash', [link], { env, encoding: 'utf8' }).stdout;
}

/** An apt whose lists name these packages. */
function pretendApt(update: string, ...known: string[]): void {
  pretend('apt-get', `case "$*" in *update) ${update} ;; *install*) echo "$*" >${root}/installed ;; esac`);
  pretend('apt-cache', `case " ${known.join(' ')} " in *" $2 "*) exit 0 ;; *) exit 100 ;; esac`);
}

describe('set-up', () => {
  test('remembers that the package sources have no LLVM 22, when they were asked', () => {
    pretendApt('exit 0', 'g++', 'clang');
    expect(setUp()).toContain("this system's package sources have no LLVM 22");
    expect(STAMP()).toBe(true);
  });

  test.each([
    ['the update failed', 'exit 100', ['g++', 'clang']],
    ['there are no lists', 'exit 0', []],
    ['the update failed and there are no lists', 'exit 100', []],
  ])('remembers nothing when %s', (_, update, known) => {
    pretendApt(update, ...known);
    expect(setUp()).toContain('the package lists could not be updated, and have no LLVM 22. Run this again when');
    expect(STAMP()).toBe(false);
  });

  test('installs nothing for the demo, and runs no npm, where the package is a dependency', () => {
    pretendApt('exit 0', 'g++', 'llvm-22-dev');
    pretend('npm', `echo npm >${root}/npm`);
    const output = setUp();
    expect(output).toContain('setup:   packages: done');
    const installed = readFileSync(join(root, 'installed'), 'utf8');
    expect(installed).toContain('llvm-22-dev');
    expect(installed).not.toContain('libstb-dev');
    expect(output).toContain('LLVM 22, cmake or ninja is not there');
    expect(existsSync(join(root, 'npm'))).toBe(false);
  });

  test('refuses an option that it does not know before it does anything', () => {
    const { stdout, status } = spawnSync('/bin/bash', [script, '--sampels'], { encoding: 'utf8' });
    expect(stdout).toMatch(/^setup: unknown option --sampels; there are --samples.* and --native-only\n$/);
    expect(status).toBe(1);
  });
});

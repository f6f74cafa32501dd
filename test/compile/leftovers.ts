/** Counts what a compile may leave behind: files, descriptors and processes. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';

/** A working folder and a temporary folder that belong to one test file alone. */
export interface Sandbox {
  readonly cwd: string;
  readonly temporary: string;
  remove(): void;
}

/** Makes both folders current, so that whatever a compiler leaves, it leaves where it is counted. */
export function enterSandbox(): Sandbox {
  const before = { cwd: process.cwd(), TMPDIR: process.env.TMPDIR };
  const root = mkdtempSync(join(tmpdir(), 'fromsource-test-'));
  const cwd = join(root, 'cwd');
  const temporary = join(root, 'tmp');
  mkdirSync(cwd);
  mkdirSync(temporary);
  process.chdir(cwd);
  process.env.TMPDIR = temporary;
  const remove = () => {
    process.chdir(before.cwd);
    if (before.TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before.TMPDIR;
    rmSync(root, { recursive: true, force: true });
  };
  return { cwd, temporary, remove };
}

/** Descriptors of this process, without the one that reads the list. */
export function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      return [`${name} ${readlinkSync(`/proc/self/fd/${name}`)}`];
    } catch {
      return [];
    }
  });
}

/** Children of this process, zombies too, and every process that was given our temporary folder, or one in it. */
export function processes(sandbox: Sandbox): string[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
    try {
      const status = readFileSync(`/proc/${name}/stat`, 'utf8');
      const parent = status.slice(status.lastIndexOf(')') + 2).split(' ')[1];
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
      const isOurs = readFileSync(`/proc/${name}/environ`, 'utf8').includes(`TMPDIR=${sandbox.temporary}`);
      return Number(parent) === process.pid || isOurs ? [`${name} ${command}`] : [];
    } catch {
      return [];
    }
  });
}

/** Expects that nothing is left: at once for files, and for what the kernel still has to reap within two seconds. */
export async function expectNothingLeft(sandbox: Sandbox, before: readonly string[]): Promise<void> {
  expect(readdirSync(sandbox.temporary)).toEqual([]);
  for (let attempt = 0; attempt < 20; attempt += 1) {
    if (processes(sandbox).length === 0 && descriptors().length <= before.length) break;
    await delay(100);
  }
  expect(processes(sandbox)).toEqual([]);
  const isNew = (descriptor: string) => !before.includes(descriptor);
  expect(descriptors().filter(isNew).length, descriptors().filter(isNew).join(', ')).toBeLessThanOrEqual(
    before.filter((descriptor) => !descriptors().includes(descriptor)).length,
  );
}

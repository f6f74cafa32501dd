import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { discoverToolchain } from '../../src/toolchain/discover.ts';

vi.mock('node:fs/promises', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:fs/promises')>();
  return { ...original, readdir: vi.fn(original.readdir), stat: vi.fn(original.stat) };
});

const root = mkdtempSync(join(tmpdir(), 'fromsource-test-'));
const { PATH } = process.env;
afterEach(() => {
  process.env.PATH = PATH;
  rmSync(root, { recursive: true, force: true });
});

test('a known compiler at the front of PATH costs one stat, and no folder is read', async () => {
  process.env.FROMSOURCE_CLANG_DRIVER = join(root, 'no-driver');
  for (const name of ['a', 'b']) mkdirSync(join(root, name));
  const clang = join(root, 'a', 'clang-22');
  writeFileSync(clang, '#!/bin/sh\necho "clang version 22.1.8\nTarget: x86_64-linux-gnu"\n', { mode: 0o755 });
  process.env.PATH = ['a', 'b'].map((name) => join(root, name)).join(delimiter);
  await discoverToolchain({ library: 'vec' });
  vi.mocked(stat).mockClear();
  expect((await discoverToolchain({ library: 'vec' })).path).toBe(clang);
  expect(vi.mocked(stat)).toHaveBeenCalledTimes(1);
  expect(vi.mocked(readdir)).not.toHaveBeenCalled();
});

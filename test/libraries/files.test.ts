/** Several sources that are linked to other libraries, in both loaders and from the cache. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadSourceLibrary } from '../../src/index.ts';
import { allKept } from '../../src/keep.ts';

const folder = mkdtempSync(join(tmpdir(), 'fromsource-linked-files-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

function makeArchive(value: number): string {
  const source = write('member.c', `int of_archive(void) { return ${value}; }`);
  execFileSync('cc', ['-c', '-fPIC', '-o', `${source}.o`, source]);
  execFileSync('ar', ['rc', join(folder, 'libmember.a'), `${source}.o`]);
  return join(folder, 'libmember.a');
}

describe.each(['orc', 'auto', 'shared-object'] as const)('loader %s: files', (loader) => {
  test('are linked to a loaded library and an archive, and from the cache again', async () => {
    const cache = { dir: join(folder, `cache-${loader}`) };
    await using base = await loadSourceLibrary({ name: `base-${loader}`, source: 'int of_base(void) { return 30; }' });
    const first = write(
      'first.c',
      'int of_base(void); int second(void); int sum(void) { return of_base() + second(); }',
    );
    const second = write('second.c', 'int of_archive(void); int second(void) { return of_archive(); }');
    const load = (archive: string) => {
      const libraries = [base, archive];
      return loadSourceLibrary({ name: `sum-${loader}`, files: [first, second], libraries, loader, cache });
    };
    const archive = makeArchive(12);
    for (const [status, value] of [
      ['miss', 12],
      ['hit', 12],
      ['hit', 12],
      // Linked anew, and nothing is compiled for it.
      ['miss', 13],
    ] as const) {
      if (value === 13) makeArchive(value);
      const library = await load(archive);
      expect(library.cache.status).toBe(status);
      if (value === 13) expect(library.cache.reason).toBe(`${archive} changed`);
      expect(library.func('int sum(void)')()).toBe(30 + value);
      await expect(base.dispose()).rejects.toThrow(`sum-${loader}`);
      await allKept();
      await library.dispose();
    }
  });
});

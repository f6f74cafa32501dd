/** Several files as one sealed library. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CompileError, type SourceLibrarySpec, seal } from '../src/index.ts';
import { shimIsBuilt } from './loader/fixtures/objects.ts';
import { holdSealed, opened } from './sealing.ts';

const { folder, fresh, load } = holdSealed();

function files(): SourceLibrarySpec {
  writeFileSync(join(folder, 'value.h'), '#define VALUE 40\n');
  writeFileSync(join(folder, 'a.c'), '#include "value.h"\nint a(void) { return VALUE; }');
  writeFileSync(
    join(folder, 'b.cpp'),
    '#include "value.h"\n#include <string>\nextern "C" int a(void); extern "C" int b(void) { return a() + (int)std::string("xy").size(); }',
  );
  return { name: 'two', files: [join(folder, '*.c'), join(folder, 'b.cpp')], flags: ['-O1', '-mavx2'] };
}

test.each(shimIsBuilt ? (['orc', 'shared-object'] as const) : (['shared-object'] as const))(
  'are sealed as one library: loader %s',
  async (loader) => {
    const path = fresh();
    const report = await seal(files(), path);
    expect(report.declarations.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(report.cpu.features).toContain('avx2');
    const { manifest } = opened(readFileSync(path));
    expect(manifest).toMatchObject({ language: 'c++', flags: ['-O1', '-mavx2'] });
    const names = manifest.inputs.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['a.c', 'b.cpp', 'value.h']));
    expect(names.filter((name) => name === 'value.h')).toHaveLength(1);
    const library = await load(path, { loader });
    expect(library.func('int b(void)')()).toBe(42);
  },
);

test('are not sealed when one does not compile', async () => {
  const spec = files();
  writeFileSync(join(folder, 'a.c'), 'int a(void) { return 1 }');
  await expect(seal(spec, fresh())).rejects.toThrow(CompileError);
});

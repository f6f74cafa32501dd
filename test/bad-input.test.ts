/** What bad input gets, through the front door; after each, the same process loads the next library. */

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { endResidents } from '../src/compile/resident.ts';
import {
  CompileError,
  CompileLimitError,
  LinkError,
  libraries,
  loadSourceLibrary,
  type SourceLibrarySpec,
  ToolchainError,
} from '../src/index.ts';
import { descriptors, enterSandbox, expectNothingLeft, type Sandbox } from './compile/leftovers.ts';

/** With the resident compiler, and without. */
const COMPILERS = ['resident', 'one-shot'] as const;
let sandbox: Sandbox;
let before: string[];
let serial = 0;

describe.each(COMPILERS)('with the %s compiler', (compiler) => {
  const driver = process.env.FROMSOURCE_CLANG_DRIVER;
  beforeAll(async () => {
    sandbox = enterSandbox();
    if (compiler === 'one-shot') process.env.FROMSOURCE_CLANG_DRIVER = join(sandbox.cwd, 'no-driver');
    // The first load opens what stays open: the shim, libuv's threads.
    await (await loadSourceLibrary({ name: 'first', source: 'int one(void) { return 1; }' })).dispose();
  });
  afterAll(() => {
    sandbox.remove();
    if (driver === undefined) delete process.env.FROMSOURCE_CLANG_DRIVER;
    else process.env.FROMSOURCE_CLANG_DRIVER = driver;
  });

  beforeEach(() => {
    endResidents();
    before = descriptors();
  });

  afterEach(async () => {
    await using next = await loadSourceLibrary({ name: `next-${serial++}`, source: 'int one(void) { return 1; }' });
    expect(next.func('int one(void)')()).toBe(1);
    await next.dispose();
    expect(libraries.list()).toEqual([]);
    endResidents();
    await expectNothingLeft(sandbox, before);
  });

  const load = (spec: Partial<SourceLibrarySpec>) => loadSourceLibrary({ name: 'bad', ...spec } as SourceLibrarySpec);

  /** One macro line names the next eight times; ten lines are 8^10 tokens. */
  const bomb = `${Array.from({ length: 10 }, (_, n) => `#define M${n} ${`M${n + 1} `.repeat(8)}`).join('\n')}\n#define M10 1 +\nint x = M0 1;`;

  describe('a compile that can not end well ends in bounded time, with a typed error', () => {
    test('a syntax error carries its diagnostics and a frame', async () => {
      const error = await load({ source: 'int add(int a, int b) {\n  return a + c;\n}\n' }).catch((reason) => reason);
      expect(error).toBeInstanceOf(CompileError);
      expect(error.message).toBe(
        "bad: 1 error in bad.c\nbad.c:2:14: error: use of undeclared identifier 'c'\n    2 |   return a + c;\n      |              ^",
      );
      expect(error).toMatchObject({
        code: 'ERR_COMPILE',
        library: 'bad',
        exitCode: 1,
        signal: null,
        diagnostics: [
          { severity: 'error', message: "use of undeclared identifier 'c'", file: 'bad.c', line: 2, column: 14 },
        ],
      });
    });

    test('an undefined symbol', async () => {
      await expect(load({ source: 'int x(void); int f(void) { return x(); }' })).rejects.toThrow(LinkError);
    });

    test('a compiler that is not there', async () => {
      const error = await load({ source: '', compiler: 'clang-nonesuch' }).catch((reason) => reason);
      expect(error).toBeInstanceOf(ToolchainError);
      expect(error.message).toContain('sudo apt-get install -y clang');
      expect(error.searched.length).toBeGreaterThan(0);
    });

    test('nested parentheses crash clang: the signal is named', async () => {
      const nested = (depth: number) => ({
        source: `int x = ${'('.repeat(depth)}1${')'.repeat(depth)};`,
        flags: ['-fbracket-depth=1000000'],
      });
      await expect(load(nested(200_000))).rejects.toMatchObject({ code: 'ERR_COMPILE', signal: 'SIGSEGV' });
      // The resident compiler's stack is deep enough for these.
      const modest = load(nested(2000));
      if (compiler === 'one-shot')
        await expect(modest).rejects.toMatchObject({ code: 'ERR_COMPILE', signal: 'SIGSEGV' });
      else await (await modest).dispose();
    });

    test('an array of 400 MB goes over the output limit', async () => {
      const error = load({ source: 'int x[100000000] = { 1 };', maxOutputBytes: 50_000_000 });
      await expect(error).rejects.toMatchObject({
        code: 'ERR_COMPILE_LIMIT',
        limit: 'maxOutputBytes',
        value: 50_000_000,
      });
    });

    test('a macro bomb goes over the time limit, or over that on memory', async () => {
      await expect(load({ source: bomb, timeout: 1000 })).rejects.toMatchObject({ limit: 'timeout', value: 1000 });
      await expect(load({ source: bomb, maxMemoryBytes: 400_000_000 })).rejects.toThrow(CompileLimitError);
    });

    test('an #include of a FIFO waits for the time limit only', async () => {
      execFileSync('mkfifo', [join(sandbox.cwd, 'pipe.h')]);
      await expect(load({ source: '#include "pipe.h"', timeout: 500 })).rejects.toMatchObject({ limit: 'timeout' });
    });

    test('an aborted signal ends the compiler', async () => {
      const abort = new AbortController();
      const loading = load({ source: bomb, signal: abort.signal });
      setTimeout(() => abort.abort(new Error('enough')), 100);
      await expect(loading).rejects.toThrow('enough');
    });

    test('a file that is not there, or that is a folder', async () => {
      await expect(load({ file: 'nope.c' })).rejects.toThrow(/nope\.c/);
      await expect(load({ file: sandbox.cwd, language: 'c' })).rejects.toThrow(CompileError);
    });

    test('a refused flag names itself and the way out', async () => {
      const error = await load({ source: 'int x;', flags: ['-save-temps', '@args'] }).catch((reason) => reason);
      expect(error).toBeInstanceOf(CompileError);
      expect(error.message).toContain('-save-temps: it makes the compiler write files of its own');
      expect(error.message).toContain('@args: it makes the compiler read arguments from a file');
      expect(error.message).toContain('`unsafeFlags: true` lets every flag pass');
    });
  });

  describe('a name is a label', () => {
    test.each([
      '../x',
      '-o',
      '@f',
      'a b',
      '/etc/passwd',
      '$(touch x)',
      '"',
      "'",
      '\\',
      '%s%n',
      'ünï ✓',
      'a=b',
      'x'.repeat(4096),
    ])('%j', async (name) => {
      for (const loader of ['orc', 'shared-object'] as const) {
        await using library = await loadSourceLibrary({
          name,
          loader,
          source: '#include "part.h"\nconst char *file(void) { return __FILE__; }\nint one(void) { return PART; }',
          headers: { 'part.h': '#define PART 1' },
        });
        expect(library.func('int one(void)')()).toBe(1);
        expect(library.func('const char *file(void)')()).toContain(name.slice(0, 10));
      }
      const error = await loadSourceLibrary({ name, source: '\nint x = y;' }).catch((reason) => reason);
      expect(error.diagnostics).toMatchObject([{ file: `${name}.c`, line: 2, column: 9 }]);
    });

    test.each(['', 'a\0b', 'a\nb', 'x'.repeat(4097)])('%j is refused', async (name) => {
      await expect(loadSourceLibrary({ name, source: 'int x;' })).rejects.toThrow(TypeError);
    });
  });

  test('64 loads of the same spec at once make one library', async () => {
    writeFileSync(join(sandbox.cwd, 'count.c'), 'int one(void) { return 1; }');
    const loads = await Promise.all(Array.from({ length: 64 }, () => load({ file: 'count.c' })));
    expect(new Set(loads).size).toBe(1);
    await loads[0]?.dispose();
  });
});

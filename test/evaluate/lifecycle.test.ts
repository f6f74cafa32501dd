/** What becomes of snippets when the library changes, ends, or was not made from a source. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import {
  CompileError,
  compileToIR,
  DisposedError,
  LinkError,
  loadSealedLibrary,
  loadSourceLibrary,
  SourceLibraryError,
  seal,
  ToolchainError,
} from '../../src/index.ts';
import { createOrcLoader } from '../../src/loader/orc.ts';
import { sample } from '../../vendor-samples/samples.ts';
import { hasShim, loadIn } from '../contract/harness.ts';
import { describeSnippets, failureOf } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'fromsource-evaluate-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

/** Any input. */
type Spec = Readonly<Record<string, unknown>>;

let serial = 0;
function fresh(name: string, text = ''): string {
  const path = join(folder, `${serial++}-${name}`);
  if (text !== '') writeFileSync(path, text);
  return path;
}

const ADD = 'int counter = 1;\nint add(int a, int b) { counter++; return a + b; }\n';

async function withLibrary<T>(
  spec: Spec,
  use: (library: Awaited<ReturnType<typeof loadSourceLibrary>>) => Promise<T>,
): Promise<T> {
  await using library = await loadSourceLibrary({ name: `evaluated-${serial++}`, ...spec } as never);
  return await use(library);
}

describeSnippets('a reload', () => {
  test('drops what snippets defined, and later ones see the new code', async () => {
    const library = await loadIn('orc', 'int version = 1; int get(void) { return version; }');
    const get = library.func('int get(void)');
    await library.evaluate('int mine = get() + 10;');
    expect(await library.evaluate('version = 5; get() + mine')).toBe(16);
    await library.reload({
      source: 'long version = 2; int get(void) { return version; } int added(void) { return 3; }',
    });
    expect(await library.evaluate('sizeof version * 100 + added() * 10 + get()')).toBe(832);
    expect(get()).toBe(2);
    await failureOf(CompileError, library.evaluate('mine'));
  });

  test('lets snippets that wait be evaluated against the new code', async () => {
    const library = await loadIn('orc', 'int version(void) { return 1; }');
    const reloaded = library.reload({ source: 'int version(void) { return 2; }' });
    const values: unknown[] = [];
    for (let at = 0; at < 20; at += 1) values.push(library.evaluate('version()'));
    await reloaded;
    const seen = (await Promise.all(values)) as number[];
    expect(seen).toEqual([...seen].sort());
    expect(seen.at(-1)).toBe(2);
  });
});

describeSnippets('a library', () => {
  test('evaluates in the order in which it is asked', async () => {
    const library = await loadIn('orc', 'int digits;');
    const answers = [1, 2, 3, 4].map((digit) => library.evaluate(`digits = digits * 10 + ${digit}`));
    const broken = library.evaluate('digits = ');
    const last = library.evaluate('digits');
    expect(await Promise.all(answers)).toEqual([1, 12, 123, 1234]);
    await failureOf(CompileError, broken);
    expect(await last).toBe(1234);
  });

  test('that is disposed evaluates nothing more', async () => {
    const library = await loadIn('orc', ADD);
    await library.evaluate('int mine = 1;');
    const pending = [library.evaluate('add(1, 2)'), library.evaluate('add(3, 4)')].map((each) =>
      failureOf(DisposedError, each),
    );
    await library.dispose();
    await Promise.all(pending);
    await expect(library.evaluate('1')).rejects.toThrow(DisposedError);
  });

  test('gives up a snippet whose signal aborts, and goes on', async () => {
    const library = await loadIn('orc', ADD);
    const reason = new Error('enough');
    await expect(library.evaluate('counter = 50', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const pending = library.evaluate('counter = 60', { signal: controller.signal });
    controller.abort(reason);
    await expect(pending).rejects.toBe(reason);
    expect(await library.evaluate('counter')).toBe(1);
  });

  test('holds nothing for snippets that leave nothing, and frees what they left', async () => {
    if (!hasShim()) return console.log('skipped: there is no ORC shim whose memory could be read');
    const bytes = (): number => createOrcLoader().bytesInUse;
    const library = await loadIn('orc', ADD);
    for (let at = 0; at < 20; at += 1) await library.evaluate('add(2, 3) * 2');
    const before = bytes();
    for (let at = 0; at < 1000; at += 1) await library.evaluate(at % 2 ? 'add(2, 3) * 2.5' : 'counter += 1;');
    expect(bytes()).toBe(before);
    // Texts may be pointed to from then on.
    await library.evaluate('const char *kept;');
    await library.evaluate('kept = "a text";');
    await library.evaluate('int pad[1000] = {1};');
    expect(bytes()).toBeGreaterThan(before);
    expect(await library.evaluate('kept')).toBe('a text');
    await library.reload();
    // When the reload is done, the old code is on its way out.
    await vi.waitFor(() => expect(bytes()).toBe(before));
  }, 120_000);

  test('whose file has changed says so', async () => {
    const header = fresh('shape.h', 'struct shape { int a; };\n');
    const file = fresh('shape.c', `#include "${header}"\nstruct shape one = {5};\n`);
    await withLibrary({ file }, async (library) => {
      expect(await library.evaluate('one.a')).toBe(5);
      await setTimeout(20);
      writeFileSync(header, 'struct shape { long b; int a; };\n');
      const error = await failureOf(SourceLibraryError, library.evaluate('one.a'));
      expect(error.code).toBe('ERR_SOURCE_CHANGED');
      expect(error.message).toBe(
        `${library.name}: ${header} has changed since it was compiled, and a snippet would see what the running code does ` +
          'not have; `reload` the library first',
      );
      await library.reload();
      expect(await library.evaluate('one.b')).toBe(5);
    });
  });

  test('has its flags, macros, headers and folders in snippets', async () => {
    const file = fresh('near.h', '#define NEAR 4\n');
    const spec = {
      source: '#include "own.h"\nint own(void) { return OWN; }\n',
      headers: { 'own.h': '#define OWN 3\n' },
      defines: { GIVEN: 20 },
      flags: ['-std=gnu11', '-fvisibility=default', '-g'],
      includePaths: [folder],
    };
    await withLibrary(spec, async (library) => {
      await library.evaluate(`#include "${file.slice(folder.length + 1)}"`);
      expect(await library.evaluate('own() + GIVEN + NEAR + (__STDC_VERSION__ == 201112L)')).toBe(28);
    });
  });

  test('has the runtime library that its flags need in snippets', async () => {
    const spec = { source: 'int add(int a, int b) { return a + b; }', flags: ['-fsanitize=undefined'] };
    await withLibrary(spec, async (library) => {
      expect(await library.evaluate('int sum = add(1, 2); sum + 1')).toBe(4);
    });
  });

  test('that hides its symbols by default shares those that it exports', async () => {
    const source = 'int inner(void) { return 1; } __attribute__((visibility("default"))) int outer(void) { return 2; }';
    await withLibrary({ source, flags: ['-fvisibility=hidden'] }, async (library) => {
      expect(await library.evaluate('int mine(void) { return outer() * 10; } mine()')).toBe(20);
      const error = await failureOf(LinkError, library.evaluate('inner()'));
      expect(error.missingSymbols).toEqual(['inner']);
    });
  });

  test('lends what it is linked to', async () => {
    const other = await loadIn('orc', 'int base = 40; int lent(void) { return base; }');
    const source = 'int lent(void); double cos(double); int mine(void) { return lent() + 2; }';
    await withLibrary({ source, libraries: [other, 'm'] }, async (library) => {
      expect(await library.evaluate('mine() + lent() + (int)cos(0)')).toBe(83);
    });
  });
});

describeSnippets('a library that is made of', () => {
  const DECLARED = ['int add(int, int); extern int counter;', 'add(2, 3) * 10 + counter'] as const;

  async function expectDeclaredOnly(spec: Spec): Promise<void> {
    await withLibrary(spec, async (library) => {
      await failureOf(CompileError, library.evaluate(DECLARED[1]));
      await library.evaluate(DECLARED[0]);
      expect(await library.evaluate(DECLARED[1])).toBe(52);
      expect(library.variable('int counter').value).toBe(2);
      const error = await failureOf(LinkError, library.evaluate('int add(int a, int b) { return 0; }'));
      expect(error.message).toContain('`add` is defined already');
    });
  }

  test('an object, an archive or a shared library is used by what a snippet declares', async () => {
    const file = fresh('add.c', ADD);
    const [object, archive, sharedLibrary] = [fresh('add.o'), fresh('add.a'), fresh('add.so')];
    execFileSync('cc', ['-c', '-fPIC', '-o', object, file]);
    execFileSync('ar', ['rc', archive, object]);
    execFileSync('cc', ['-shared', '-fPIC', '-o', sharedLibrary, file]);
    await expectDeclaredOnly({ object });
    await expectDeclaredOnly({ archive });
    await expectDeclaredOnly({ sharedLibrary });
  });

  test('LLVM IR, and so is one that was sealed', async () => {
    const ir = await compileToIR({ name: 'add', source: ADD });
    await expectDeclaredOnly({ ir: ir as string });
    const path = fresh('add.fsl');
    await seal({ name: 'add', source: ADD }, path);
    const sealed = await loadSealedLibrary(path);
    await sealed.evaluate(DECLARED[0]);
    expect(await sealed.evaluate(DECLARED[1])).toBe(52);
    await sealed.dispose();
  });

  test('several files is used by what a snippet declares, or includes', async () => {
    const files = [fresh('a.c', ADD), fresh('b.c', 'static int counter; int other(void) { return ++counter; }')];
    await expectDeclaredOnly({ files });
  });

  test('a file with a compile_commands.json has the flags of that', async () => {
    const file = fresh('flagged.c', 'int flagged = FLAG;\n');
    const compileCommands = fresh(
      'commands.json',
      JSON.stringify([{ directory: folder, file, arguments: ['cc', '-DFLAG=6', '-c', file] }]),
    );
    await withLibrary({ file, compileCommands }, async (library) => {
      expect(await library.evaluate('flagged * 10 + FLAG')).toBe(66);
    });
  });

  test('what gcc compiled is evaluated by the resident compiler', async () => {
    try {
      execFileSync('gcc', ['--version']);
    } catch {
      return console.log('skipped: there is no gcc');
    }
    await withLibrary({ source: ADD, compiler: 'gcc' }, async (library) => {
      expect(library.loader.kind).toBe('shared-object');
      expect(await library.evaluate('add(2, 3) * 10 + counter')).toBe(52);
    });
  });
});

describe('without the resident compiler', () => {
  test('nothing is evaluated, and the error says how to have it', async () => {
    const library = await loadIn('shared-object', ADD);
    vi.stubEnv('FROMSOURCE_CLANG_DRIVER', '/nowhere');
    const error = await failureOf(ToolchainError, library.evaluate('1'));
    expect(error.message).toBe(
      `${library.name}: \`evaluate\` needs the resident compiler, which is not built; \`npm run setup\` builds it`,
    );
  });
});

describeSnippets('a library with `unsafeFlags`', () => {
  test('is refused', async () => {
    await withLibrary({ source: ADD, unsafeFlags: true }, async (library) => {
      const error = await failureOf(ToolchainError, library.evaluate('1'));
      expect(error.message).toBe(
        `${library.name}: only the resident compiler compiles snippets, and it does not take \`unsafeFlags\``,
      );
    });
  });
});

describeSnippets('sqlite', () => {
  const found = sample('sqlite');
  test.skipIf(found.spec === undefined)(
    `answers a query${found.spec === undefined ? ` (${found.reason})` : ''}`,
    async () => {
      await withLibrary({ ...found.spec, cache: false, flags: ['-O0'] }, async (library) => {
        expect(await library.evaluate('sqlite3_libversion()')).toBe('3.53.2');
        expect(await library.evaluate('sqlite3 *db; sqlite3_open(":memory:", &db)')).toBe(0);
        await library.evaluate(
          'int answer;\nint row(void *to, int columns, char **values, char **names) { answer = atoi(values[0]); return 0; }',
        );
        expect(await library.evaluate('sqlite3_exec(db, "select 6 * 7", row, 0, 0)')).toBe(0);
        expect(await library.evaluate('answer')).toBe(42);
        expect(await library.evaluate('sqlite3_close(db)')).toBe(0);
      });
    },
  );
});

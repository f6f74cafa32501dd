/** Loads through the cache: what hits, what misses, and what each says. */

import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CompileError, cacheStats, LibraryRegistry } from '../../src/index.ts';
import { filesIn, holdCaches } from './caches.ts';

const { folder, load, once } = holdCaches();
const hit = { status: 'hit', reason: 'every input is what it was' };
const add = { source: 'int add(int a, int b) { return a + b; }' };

describe('a second load', () => {
  test('compiles nothing and gives the same functions', async () => {
    const dir = folder();
    const first = await load(dir, add);
    expect(first.cache).toEqual({ status: 'miss', reason: 'never compiled' });
    expect(first.func('int add(int, int)')(2, 3)).toBe(5);
    await first.dispose();
    const second = await load(dir, add);
    expect(second.cache).toEqual(hit);
    expect(second.func('int add(int, int)')(2, 3)).toBe(5);
    expect([...second.symbols.keys()]).toEqual(['add']);
    expect(second.loader).toEqual({ kind: 'shared-object', reason: 'its linked image is in the cache' });
  });

  test.each(['orc', 'shared-object'])('lives in the %s loader where that was asked for', async (loader) => {
    const dir = folder();
    await once(dir, { ...add, loader });
    const second = await load(dir, { ...add, loader });
    expect(second.cache).toEqual(hit);
    expect(second.loader.kind).toBe(loader);
    expect(second.func('int add(int, int)')(2, 3)).toBe(5);
  });

  test('beside the first has static data of its own', async () => {
    const dir = folder();
    const counter = { source: 'static int n; int next(void) { return ++n; }' };
    await once(dir, counter);
    const [first, second, third] = [await load(dir, counter), await load(dir, counter), await load(dir, counter)];
    expect([first, second, third].map((library) => library.cache.status)).toEqual(['hit', 'hit', 'hit']);
    expect(first.func('int next()')()).toBe(1);
    expect(first.func('int next()')()).toBe(2);
    expect(second.func('int next()')()).toBe(1);
    expect(third.func('int next()')()).toBe(1);
  });

  test('has the warnings of the first', async () => {
    const dir = folder();
    const spec = { source: 'int f(void) { int x; return x; }', flags: ['-Wall'] };
    const first = await load(dir, spec);
    expect(first.diagnostics.length).toBeGreaterThan(0);
    const second = await load(dir, spec);
    expect(second.cache).toEqual(hit);
    expect(second.diagnostics).toEqual(first.diagnostics);
  });

  test('of C++ runs initialisers, finalisers and what throws', async () => {
    const dir = folder();
    const spec = {
      language: 'c++',
      source: `#include <stdexcept>
#include <vector>
static std::vector<int> primes{2, 3, 5};
extern "C" int at(int i) { try { return primes.at(i); } catch (const std::out_of_range &) { return -1; } }`,
    };
    await once(dir, spec);
    const second = await load(dir, spec);
    expect(second.cache).toEqual(hit);
    const at = second.func('int at(int)');
    expect([at(0), at(2), at(3)]).toEqual([2, 5, -1]);
  });

  test('of IR hits, and with other passes misses', async () => {
    const dir = folder();
    const ir = 'define i32 @one() {\n  ret i32 1\n}\n';
    await once(dir, { ir });
    expect(await once(dir, { ir })).toEqual(hit);
    expect((await once(dir, { ir, passes: 'default<O1>' })).status).toBe('miss');
    expect(await once(dir, { ir, passes: 'default<O1>' })).toEqual(hit);
    expect((await once(dir, { ir: `${ir}; more`, passes: 'default<O1>' })).reason).toBe('the source changed');
  });

  test.each([
    ['gcc', 'gcc'],
    ['clang', 'clang-22'],
  ])('by a one-shot %s hits', async (_, compiler) => {
    const dir = folder();
    const spec = { ...add, compiler };
    expect(await once(dir, spec)).toEqual({ status: 'miss', reason: 'never compiled' });
    expect(await once(dir, spec)).toEqual(hit);
  });
});

describe('an input that changes', () => {
  test.each([undefined, 'clang-22', 'gcc'])('is named (compiler: %s)', async (compiler) => {
    const dir = folder();
    const project = folder();
    const file = join(project, 'main.c');
    const header = join(project, 'value.h');
    writeFileSync(file, '#include "value.h"\nint value(void) { return VALUE; }\n');
    writeFileSync(header, '#define VALUE 1\n');
    old(file, header);
    await aTick();
    const spec = { file, ...(compiler === undefined ? {} : { compiler }) };
    await once(dir, spec);
    expect(await once(dir, spec)).toEqual(hit);

    writeFileSync(header, '#define VALUE 2\n');
    old(header);
    await aTick();
    const changed = await load(dir, spec);
    expect(changed.cache).toEqual({ status: 'miss', reason: `${header} changed` });
    expect(changed.func('int value()')()).toBe(2);

    writeFileSync(header, '#define VALUE 1\n');
    const back = await load(dir, spec);
    expect(back.cache).toEqual(hit);
    expect(back.func('int value()')()).toBe(1);
  });

  test.each([undefined, 'clang-22', 'gcc'])(
    'may be a header that comes to hide another (compiler: %s)',
    async (compiler) => {
      const dir = folder();
      const [near, far] = [folder(), folder()];
      writeFileSync(join(far, 'value.h'), '#define VALUE 1\n');
      old(join(far, 'value.h'));
      await aTick();
      const spec = {
        source: '#include <value.h>\nint value(void) { return VALUE; }\n',
        includePaths: [join(near, 'not-yet'), near, far],
        ...(compiler === undefined ? {} : { compiler }),
      };
      await once(dir, spec);
      expect(await once(dir, spec)).toEqual(hit);

      writeFileSync(join(near, 'value.h'), '#define VALUE 2\n');
      old(join(near, 'value.h'));
      await aTick();
      const hidden = await load(dir, spec);
      expect(hidden.cache).toEqual({ status: 'miss', reason: `${join(near, 'value.h')} appeared` });
      expect(hidden.func('int value()')()).toBe(2);

      mkdirSync(join(near, 'not-yet'));
      writeFileSync(join(near, 'not-yet', 'value.h'), '#define VALUE 3\n');
      await aTick();
      const hiddenAgain = await load(dir, spec);
      expect(hiddenAgain.cache.status).toBe('miss');
      expect(hiddenAgain.func('int value()')()).toBe(3);
    },
  );

  test('is found although its size and time are the same', async () => {
    const dir = folder();
    const project = folder();
    const file = join(project, 'main.c');
    writeFileSync(file, 'int value(void) { return 1; }\n');
    old(file);
    await once(dir, { file });
    writeFileSync(file, 'int value(void) { return 2; }\n');
    old(file);
    expect((await load(dir, { file })).func('int value()')()).toBe(2);
  });

  test('only in its time is none', async () => {
    const dir = folder();
    const project = folder();
    const file = join(project, 'main.c');
    writeFileSync(file, 'int value(void) { return 1; }\n');
    await once(dir, { file });
    utimesSync(file, new Date(), new Date());
    expect(await once(dir, { file })).toEqual(hit);
  });

  test('is named when the request differs', async () => {
    const dir = folder();
    const spec = { source: '#include "a.h"\nint a(void) { return A; }', headers: { 'a.h': '#define A 1' } };
    await once(dir, spec);
    const reason = async (change: Record<string, unknown>) => (await once(dir, { ...spec, ...change })).reason;
    expect(await reason({ source: `${spec.source}\n` })).toBe('the source changed');
    expect(await reason({ headers: { 'a.h': '#define A 2' } })).toBe('the source changed; header a.h changed');
    expect(await reason({ headers: { 'a.h': '#define A 3' }, flags: ['-O1'] })).toBe(
      'the flags changed: -O1 came, -O2 went; header a.h changed',
    );
    expect(await reason({ name: 'other' })).toBe('never compiled');
  });

  test('is found by a reload', async () => {
    const dir = folder();
    const library = await load(dir, { source: 'int f(void) { return 1; }' });
    const f = library.func('int f()');
    await library.reload({ source: 'int f(void) { return 2; }' });
    expect([f(), library.cache.reason]).toEqual([2, 'the source changed']);
    await library.reload({ source: 'int f(void) { return 1; }' });
    expect([f(), library.cache]).toEqual([1, hit]);
    await cacheStats({ dir });
  });
});

describe('the working folder', () => {
  test.each([undefined, 'gcc'])(
    'is that of the call, wherever the program goes then (compiler: %s)',
    async (compiler) => {
      const dir = folder();
      const [one, other] = [folder(), folder()];
      writeFileSync(join(one, 'value.h'), '#define VALUE 1\n');
      writeFileSync(join(other, 'value.h'), '#define VALUE 2\n');
      await aTick();
      const spec = {
        source: '#include "value.h"\nint value(void) { return VALUE; }',
        ...(compiler === undefined ? {} : { compiler }),
      };
      const before = process.cwd();
      const valueIn = async (start: string, next: string): Promise<unknown> => {
        process.chdir(start);
        const loading = load(dir, spec);
        process.chdir(next);
        return (await loading).func('int value()')();
      };
      try {
        expect(await valueIn(one, other)).toBe(1);
        expect(await valueIn(other, one)).toBe(2);
        expect(await valueIn(one, one)).toBe(1);
      } finally {
        process.chdir(before);
      }
    },
  );
});

test('a flag is refused whether or not something that means the same is kept', async () => {
  const dir = folder();
  await once(dir, { ...add, flags: ['-O2'] });
  await expect(load(dir, { ...add, flags: ['-ObjC', '-O2'] })).rejects.toThrow(CompileError);
});

describe('what can not be kept', () => {
  test.each([undefined, 'clang-22', 'gcc'])(
    'is said to be so: the time of the compile (compiler: %s)',
    async (compiler) => {
      const dir = folder();
      const spec = {
        source: 'const char *when(void) { return __TIME__; }',
        ...(compiler === undefined ? {} : { compiler }),
      };
      for (let round = 0; round < 2; round += 1) {
        const report = await once(dir, spec);
        expect(report.status).toBe('off');
        expect(report.reason).toContain('__TIME__');
      }
      expect(filesIn(dir).filter((name) => !name.endsWith('.memo'))).toEqual([]);
    },
  );

  test('is a compile with flags that were let pass unseen', async () => {
    const dir = folder();
    const report = await once(dir, { ...add, unsafeFlags: true });
    expect(report).toEqual({ status: 'off', reason: 'with `unsafeFlags` it is not known what the compiler reads' });
  });

  test('is a compile that failed', async () => {
    const dir = folder();
    await expect(load(dir, { source: 'int f(' })).rejects.toThrow(CompileError);
    expect(filesIn(dir)).toEqual([]);
  });
});

describe('the option', () => {
  test('false asks for nothing and keeps nothing', async () => {
    const dir = folder();
    expect(await once(dir, { ...add, cache: false })).toEqual({ status: 'off', reason: 'it was not asked for' });
  });

  test('readOnly takes, and changes nothing', async () => {
    const dir = folder();
    await once(dir, add);
    const before = filesIn(dir);
    expect(await once(dir, { ...add, cache: { dir, readOnly: true } })).toEqual(hit);
    const other = { source: 'int other(void) { return 1; }' };
    expect((await once(dir, { ...other, cache: { dir, readOnly: true } })).reason).toBe('the source changed');
    expect((await once(dir, { ...other, cache: { dir, readOnly: true } })).status).toBe('miss');
    expect(filesIn(dir)).toEqual(before);
  });

  test.each([
    [1, 'Expected `cache` to be a boolean'],
    [{ dir: '' }, 'Expected `cache.dir`'],
    [{ maxBytes: -1 }, 'Expected `cache.maxBytes`'],
    [{ readonly: true }, 'Unknown option `cache.readonly`'],
  ])('refuses %j', async (cache, message) => {
    await expect(load(folder(), { ...add, cache })).rejects.toThrow(message as string);
  });

  test('does not go with what is not compiled', async () => {
    await expect(load(folder(), { object: new Uint8Array() })).rejects.toThrow('`cache` goes with');
  });
});

/** A one-shot compiler's files must be older than the compile by a tick of the kernel's clock. */
const aTick = () => delay(30);

/** No more than a time that could be told by. */
function old(...files: string[]): void {
  for (const file of files) utimesSync(file, new Date('2020-01-01'), new Date('2020-01-01'));
}

describe('an image', () => {
  test('is made once, however often its object was loaded meanwhile', async () => {
    const dir = folder();
    const spec = { ...add, name: 'often', cache: { dir } };
    const loads = await Promise.all(Array.from({ length: 20 }, () => new LibraryRegistry().load(spec)));
    const { images, entries } = await cacheStats({ dir });
    expect([images, entries]).toEqual([1, 1]);
    for (const library of loads) await library.dispose();
    expect((await load(dir, spec)).loader).toEqual({
      kind: 'shared-object',
      reason: 'its linked image is in the cache',
    });
  });

  test('that could not be made for want of room is made another time', async () => {
    const dir = folder();
    const temporary = process.env.TMPDIR;
    process.env.TMPDIR = join(dir, 'not there');
    try {
      await once(dir, add);
    } finally {
      if (temporary === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = temporary;
    }
    expect((await cacheStats({ dir })).images).toBe(0);
    await once(dir, add);
    expect((await cacheStats({ dir })).images).toBe(1);
  });
});

test('nothing temporary stays', async () => {
  const dir = folder();
  await once(dir, add);
  expect(filesIn(dir).filter((name) => name.startsWith('tmp') || name.endsWith('.lock'))).toEqual([]);
  rmSync(dir, { recursive: true });
});

import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  CompileError,
  DisposedError,
  LinkError,
  loadSourceLibrary,
  ReloadError,
  readString,
  type SourceLibrary,
  type SourceLibrarySpec,
} from '../../src/index.ts';

const live: SourceLibrary[] = [];
let folder: string;
let serial = 0;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fromsource-test-'));
});

afterEach(async () => {
  // Last in, first out: destructors may write into an earlier library.
  for (const library of live.splice(0).reverse()) await library.dispose();
  rmSync(folder, { recursive: true, force: true });
});

async function load(spec: Partial<SourceLibrarySpec>): Promise<SourceLibrary> {
  const library = await loadSourceLibrary({ name: `reload-${serial++}`, ...spec } as SourceLibrarySpec);
  live.push(library);
  return library;
}

describe.each(['orc', 'shared-object'] as const)('a reload on the %s loader', (loader) => {
  test('swaps all functions at once, also those that were handed out', async () => {
    const library = await load({ source: 'int a(void) { return 1; } int b(void) { return 1; }', loader });
    const [a, b] = [library.func('int a(void)'), library.func('int b(void)')];
    const pair = vi.fn();
    library.on('reload', pair);
    expect([a(), b(), library.generation]).toEqual([1, 1, 1]);
    const before = library.address('a');
    await library.reload({ source: 'int a(void) { return 2; } int b(void) { return 2; } int c(void) { return 3; }' });
    expect([a(), b(), library.func('int c(void)')(), library.generation]).toEqual([2, 2, 3, 2]);
    expect(library.address('a')).not.toBe(before);
    expect(library.func('int a(void)')).toBe(a);
    expect(pair).toHaveBeenCalledExactlyOnceWith({ generation: 2, timings: library.timings });
    await library.reload({ flags: ['-O0'] });
    expect([a(), library.generation]).toEqual([2, 3]);
  });

  test('a failed compile, link or lookup keeps the old code, and says why', async () => {
    const library = await load({ source: 'int a(void) { return 1; } int b(void) { return 1; }', loader });
    const [a, b] = [library.func('int a(void)'), library.func('int b(void)')];
    const errors: Error[] = [];
    library.on('error', (error) => errors.push(error));
    await expect(library.reload({ source: 'int a(void) { return 2 }' })).rejects.toThrow(CompileError);
    await expect(library.reload({ source: 'int x(void); int a(void) { return x(); }' })).rejects.toThrow(LinkError);
    const lost = library.reload({ source: 'int a(void) { return 2; } int b;' });
    await expect(lost).rejects.toThrow(ReloadError);
    await expect(lost).rejects.toMatchObject({ reasons: ['`b` is in use and the new code makes it data'] });
    await expect(library.reload({ source: 'int a;' })).rejects.toThrow(
      '`b` is in use and the new code has no such symbol',
    );
    await expect(library.reload({ name: 'x' } as never)).rejects.toThrow(TypeError);
    expect(errors.map((error) => error.name)).toEqual(['CompileError', 'LinkError', 'ReloadError', 'ReloadError']);
    expect([a(), b(), library.generation]).toEqual([1, 1, 1]);
    await library.reload({ source: 'int a(void) { return 5; } int b(void) { return 6; }' });
    expect([a(), b(), library.generation]).toEqual([5, 6, 2]);
  });

  test('reloads run one after the other, and the last one stays', async () => {
    const library = await load({ source: 'int a(void) { return 0; }', loader });
    const a = library.func('int a(void)');
    const seen: number[] = [];
    library.on('reload', () => seen.push(a()));
    const wanted = [1, 2, 3, 4, 5];
    await Promise.all(wanted.map((n) => library.reload({ source: `int a(void) { return ${n}; }` })));
    expect(seen).toEqual(wanted);
    expect(library.generation).toBe(6);
  });

  test('an asynchronous call keeps its code until it returns; then its destructors run', async () => {
    const log = await load({ source: 'char text[256]; int go;', loader });
    const text = (): string => readString(log.address('text'));
    // It returns when it is told to, so that no compile is too slow for it.
    const source = (n: number) => `
      #include <string.h>
      #include <unistd.h>
      static char *log_;
      int slow(char *log, volatile int *go) {
        log_ = log;
        strcat(log_, "entered ");
        while (!*go) usleep(1000);
        strcat(log_, "returned ");
        return ${n};
      }
      __attribute__((destructor)) static void end(void) { if (log_) strcat(log_, "freed "); }
    `;
    const library = await load({ source: source(1), loader });
    const slow = library.func('int slow(char *log, volatile int *go)');
    const result = slow.async(log.address('text'), log.address('go'));
    const wait = { timeout: 20_000 };
    try {
      await vi.waitFor(() => expect(text()).toBe('entered '), wait);
      await library.reload({ source: source(2) });
      expect(text()).toBe('entered ');
    } finally {
      log.variable('int go').value = 1;
    }
    expect(await result).toBe(1);
    await vi.waitFor(() => expect(text()).toBe('entered returned freed '), wait);
    expect(slow(log.address('text'), log.address('go'))).toBe(2);
  });

  test('dispose waits for calls into code that a reload has replaced', async () => {
    const source = (n: number) => `
      #include <time.h>
      int slow(void) { struct timespec t = { 0, 150000000L }; nanosleep(&t, 0); return ${n}; }
    `;
    const library = await load({ source: source(1), loader });
    let returned = false;
    const result = library
      .func('int slow(void)')
      .async()
      .finally(() => {
        returned = true;
      });
    await library.reload({ source: source(2) });
    await library.dispose();
    expect(returned).toBe(true);
    expect(await result).toBe(1);
  });

  test('a reload from a callback of the library itself lets the running call finish', async () => {
    const source = (n: number) => `int call(int (*f)(void)) { return f() + ${n}; }`;
    const library = await load({ source: source(1), loader });
    const call = library.func('int call(int (*f)(void))');
    let reloaded: Promise<void> | undefined;
    const result = call(() => {
      reloaded = library.reload({ source: source(100) });
      return 1;
    });
    expect(result).toBe(2);
    await reloaded;
    expect(call(() => 1)).toBe(101);
  });

  test('dispose during a reload ends both', async () => {
    const library = await load({ source: 'int a(void) { return 1; }', loader });
    const reload = library.reload({ source: 'int a(void) { return 2; }' });
    const disposed = library.dispose();
    await expect(reload).rejects.toThrow(DisposedError);
    await disposed;
  });

  test('two hundred reloads leave no mappings behind', async () => {
    const library = await load({ source: 'int a(void) { return 0; }', loader, flags: ['-O0'] });
    const a = library.func('int a(void)');
    const maps = (): number => readFileSync('/proc/self/maps', 'utf8').split('\n').length;
    for (let n = 1; n <= 20; n += 1) await library.reload({ source: `int a(void) { return ${n}; }` });
    const before = maps();
    for (let n = 21; n <= 200; n += 1) await library.reload({ source: `int a(void) { return ${n}; }` });
    expect(a()).toBe(200);
    // One that stays costs at least two lines; V8's own heap adds some.
    expect(maps() - before).toBeLessThan(180);
  });
});

describe('watching', () => {
  const reloaded = (library: SourceLibrary): Promise<void> =>
    new Promise((resolve) => library.once('reload', () => resolve()));

  test('a change of the file, and of a header that it read, is seen', async () => {
    const [file, header] = [join(folder, 'a.c'), join(folder, 'value.h')];
    writeFileSync(header, '#define VALUE 1\n');
    writeFileSync(file, '#include "value.h"\nint a(void) { return VALUE; }\n');
    const library = await load({ file, watch: true });
    const a = library.func('int a(void)');
    expect(a()).toBe(1);
    let next = reloaded(library);
    writeFileSync(header, '#define VALUE 2\n');
    await next;
    expect(a()).toBe(2);
    next = reloaded(library);
    writeFileSync(file, '#include "value.h"\nint a(void) { return VALUE * 10; }\n');
    await next;
    expect(a()).toBe(20);
  });

  test('a file that is replaced by a rename, or deleted and written again, goes on being watched', async () => {
    const file = join(folder, 'a.c');
    writeFileSync(file, 'int a(void) { return 1; }');
    const library = await load({ file, watch: true });
    const a = library.func('int a(void)');
    for (const value of [2, 3]) {
      const next = reloaded(library);
      writeFileSync(join(folder, 'a.c.tmp'), `int a(void) { return ${value}; }`);
      renameSync(join(folder, 'a.c.tmp'), file);
      await next;
      expect(a()).toBe(value);
    }
    library.on('error', () => {});
    rmSync(file);
    await sleep(300);
    const next = reloaded(library);
    writeFileSync(file, 'int a(void) { return 4; }');
    await next;
    expect(a()).toBe(4);
  });

  test('an error is reported, the old code stays, and the cure is seen, also in a header that is new', async () => {
    const [file, header] = [join(folder, 'a.c'), join(folder, 'new.h')];
    writeFileSync(file, 'int a(void) { return 1; }');
    const library = await load({ file, watch: true });
    const a = library.func('int a(void)');
    const failed = new Promise<Error>((resolve) => library.once('error', resolve));
    writeFileSync(header, 'static int helper(void) { return 7 }\n');
    writeFileSync(file, '#include "new.h"\nint a(void) { return helper(); }');
    expect(await failed).toBeInstanceOf(CompileError);
    expect(a()).toBe(1);
    await sleep(200);
    const next = reloaded(library);
    writeFileSync(header, 'static int helper(void) { return 7; }\n');
    await next;
    expect(a()).toBe(7);
  });

  test('without a listener an error is a warning, never the end of the process', async () => {
    const file = join(folder, 'a.c');
    writeFileSync(file, 'int a(void) { return 1; }');
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const library = await load({ file, watch: true });
    writeFileSync(file, 'int a(void) { return 1 }');
    await vi.waitFor(() => expect(warning).toHaveBeenCalledOnce(), { timeout: 5000 });
    expect(warning.mock.calls[0]?.[0]).toBeInstanceOf(CompileError);
    warning.mockRestore();
    expect(library.func('int a(void)')()).toBe(1);
  });

  test('a change while the library is being loaded is not lost', async () => {
    const file = join(folder, 'a.c');
    writeFileSync(file, 'int a(void) { return 0; }');
    let written = 0;
    // By a rename: a compile must not find the file cut to nothing.
    const writer = setInterval(() => {
      writeFileSync(`${file}.tmp`, `int a(void) { return ${++written}; }`);
      renameSync(`${file}.tmp`, file);
    }, 2);
    const library = await load({ file, watch: true });
    clearInterval(writer);
    const a = library.func('int a(void)');
    await vi.waitFor(() => expect(a()).toBe(written), { timeout: 5000 });
  });

  test('after dispose nothing is watched', async () => {
    const file = join(folder, 'a.c');
    writeFileSync(file, 'int a(void) { return 1; }');
    const library = await load({ file, watch: true });
    const reload = vi.fn();
    library.on('reload', reload);
    await library.dispose();
    writeFileSync(file, 'int a(void) { return 2; }');
    await sleep(200);
    expect(reload).not.toHaveBeenCalled();
  });
});

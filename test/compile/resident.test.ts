import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { CompileRequest } from '../../src/compile/compiler.ts';
import { DriverPool } from '../../src/compile/driver-pool.ts';
import { DriverFailure } from '../../src/compile/driver-process.ts';
import { endResidents } from '../../src/compile/resident.ts';
import { CompileError, CompileLimitError, loadSourceLibrary, type SourceLibrarySpec } from '../../src/index.ts';
import { findResident } from '../../src/toolchain/resident.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const toolchain = findResident();
const driver = toolchain?.resident ?? '';
const version = toolchain?.version ?? '';
if (toolchain === null) console.log('resident.test: the resident driver is not built; nothing here was tested');

let folder: string;
let serial = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fromsource-test-'));
});
afterAll(() => {
  endResidents();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  delete process.env.FROMSOURCE_CLANG_DRIVER;
  vi.restoreAllMocks();
});

const limits = { timeout: 60_000, maxOutputBytes: 2 ** 28, maxMemoryBytes: 2 ** 33 };

/** A request as the pool takes it. */
function request(text: string, options: Partial<CompileRequest['limits']> = {}, signal?: AbortSignal) {
  const flags = ['-O2', '-fPIC', '-fbracket-depth=1000000', '-c', '-o', '-', '-x', 'c', '-'];
  return {
    message: {
      command: [toolchain?.path ?? '', ...flags],
      folder: '/',
      stdin: 0,
      files: [],
      outputs: ['object'] as const,
      passes: null,
      preamble: true,
      declaredBefore: null,
      maxMemoryBytes: 0,
    },
    attachments: [Buffer.from(text)],
    prefix: null,
    limits: { ...limits, ...options },
    signal,
  };
}

const NESTED = `int x = ${'('.repeat(300_000)}1${')'.repeat(300_000)};`;
const ENDLESS = `${Array.from({ length: 10 }, (_, n) => `#define M${n} ${`M${n + 1} `.repeat(8)}`).join('\n')}\n#define M10 1 +\nint x = M0 1;`;

/** The states of a process's threads, each once. */
function threadStates(pid: number): string[] {
  const stats = readdirSync(`/proc/${pid}/task`).map((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'),
  );
  return [...new Set(stats.map((stat) => stat.slice(stat.lastIndexOf(')') + 2)[0] as string))];
}

describe.skipIf(toolchain === null)('a pool of drivers', () => {
  test('keeps at most as many as it may, and reuses them', async () => {
    const pool = new DriverPool(driver, version, 2);
    pool.startAhead();
    expect(pool.drivers.length).toBe(1);
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, n) => pool.run(request(`int f(void) { return ${n}; }`))),
    );
    expect(answers.every(({ message }) => message.status === 'ok')).toBe(true);
    expect(pool.drivers.length).toBe(2);
    pool.close();
    expect(pool.drivers.length).toBe(0);
  });

  test('loses only the driver that clang crashed in', async () => {
    const pool = new DriverPool(driver, version, 2);
    const results = await Promise.allSettled(
      Array.from({ length: 9 }, (_, n) => pool.run(request(n % 3 === 1 ? NESTED : `int f(void) { return ${n}; }`))),
    );
    results.forEach((result, n) => {
      if (n % 3 === 1)
        expect(result).toMatchObject({ status: 'rejected', reason: { name: 'DriverCrash', signal: 'SIGSEGV' } });
      else expect(result).toMatchObject({ status: 'fulfilled', value: { message: { status: 'ok' } } });
    });
    pool.close();
  });

  test('asks again when a driver is killed from outside, idle or busy', async () => {
    const pool = new DriverPool(driver, version, 1);
    await pool.run(request('int x;'));
    process.kill(pool.drivers[0]?.pid ?? 0, 'SIGKILL');
    expect((await pool.run(request('int y;'))).message.status).toBe('ok');
    const busy = pool.run(request(`#include <stdio.h>\n${'int f(void);'.repeat(50_000)}`));
    await sleep(5);
    process.kill(pool.drivers[0]?.pid ?? 0, 'SIGKILL');
    expect((await busy).message.status).toBe('ok');
    pool.close();
  });

  test('ends a driver that is stopped, or that compiles without end, at the time limit', async () => {
    const pool = new DriverPool(driver, version, 1);
    await pool.run(request('int x;'));
    const stopped = pool.drivers[0]?.pid ?? 0;
    process.kill(stopped, 'SIGSTOP');
    // The signal reaches one thread after the other: the others could still answer.
    await vi.waitFor(() => expect(threadStates(stopped)).toEqual(['T']));
    await expect(pool.run(request('int y;', { timeout: 300 }))).rejects.toMatchObject({ name: 'DriverTimeout' });
    await expect(pool.run(request(ENDLESS, { timeout: 300 }))).rejects.toMatchObject({ name: 'DriverTimeout' });
    await vi.waitFor(() => expect(() => process.kill(stopped, 0)).toThrow('ESRCH'), { timeout: 2000 });
    expect((await pool.run(request('int z;'))).message.status).toBe('ok');
    pool.close();
  });

  test('gives a request up when its signal aborts, at any moment', async () => {
    const pool = new DriverPool(driver, version, 2);
    for (const delay of [0, 1, 3, 10, 40]) {
      const abort = new AbortController();
      const running = pool.run(request(ENDLESS, {}, abort.signal));
      setTimeout(() => abort.abort(new Error('enough')), delay);
      await expect(running).rejects.toThrow('enough');
    }
    expect((await pool.run(request('int z;'))).message.status).toBe('ok');
    pool.close();
  });

  test('takes a source of 17 MB', async () => {
    const pool = new DriverPool(driver, version, 1);
    const text = `static const char *lines[] = {\n${`"${'x'.repeat(98)}",\n`.repeat(170_000)}};\nconst char *f(int n) { return lines[n]; }`;
    expect(text.length).toBeGreaterThan(17_000_000);
    expect((await pool.run(request(text))).message.status).toBe('ok');
    pool.close();
  });

  test('fails typed when what it starts is no driver', async () => {
    const fakes = {
      'not-executable': { text: '', mode: 0o600 },
      'no-program': { text: 'x', mode: 0o700 },
      'ends-at-once': { text: '#!/bin/sh\necho "wrong library" >&2; exit 1\n', mode: 0o700 },
      'talks-nonsense': { text: '#!/bin/sh\necho hello; sleep 60\n', mode: 0o700 },
      'another-version': {
        text: `#!${process.execPath}\nconst j = Buffer.from('{"type":"hello","protocol":99,"llvm":"30.0.0","attachments":[]}'); const h = Buffer.alloc(8); h.writeUInt32LE(j.length + 4, 0); h.writeUInt32LE(j.length, 4); process.stdout.write(Buffer.concat([h, j])); setTimeout(() => {}, 60000);\n`,
        mode: 0o700,
      },
    };
    for (const [name, { text, mode }] of Object.entries(fakes)) {
      const path = join(folder, name);
      writeFileSync(path, text);
      chmodSync(path, mode);
      const pool = new DriverPool(path, version, 1);
      await expect(pool.run(request('int x;')), name).rejects.toThrow(DriverFailure);
      expect(pool.drivers.length).toBe(0);
    }
    await expect(new DriverPool(join(folder, 'absent'), version, 1).run(request('int x;'))).rejects.toThrow('ENOENT');
  });
});

const load = (spec: object) => loadSourceLibrary({ name: `resident-${serial++}`, ...spec } as SourceLibrarySpec);

describe.skipIf(toolchain === null)('loading through the resident compiler', () => {
  test('a driver that can not be used is warned of once, with the cure, and one-shot clang compiles', async () => {
    const path = join(folder, 'broken-driver');
    writeFileSync(path, '#!/bin/sh\nexit 1\n', { mode: 0o700 });
    copyFileSync(`${driver}.json`, `${path}.json`);
    process.env.FROMSOURCE_CLANG_DRIVER = path;
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    for (const value of [1, 2, 3]) {
      await using library = await load({ source: `int f(void) { return ${value}; }` });
      expect(library.func('int f(void)')()).toBe(value);
    }
    expect(warning).toHaveBeenCalledOnce();
    expect(warning.mock.calls[0]?.[0]).toContain(`the resident compiler ${path} can't be used`);
    expect(warning.mock.calls[0]?.[0]).toContain('setup');
  });

  test('errors are the same as those of the one-shot compiler', async () => {
    const specs = [
      { source: 'int f(void) {\n\treturn x;\n}\n' },
      { source: '#include "nope.h"\n' },
      { source: '#include "h.h"\nint x = WRONG;', headers: { 'h.h': '#define WRONG (1 +)\n' } },
      { source: 'int f(int a) { int b; }', flags: ['-Wall', '-Werror'] },
      { source: 'struct s { int a };\nint f(struct s *p) { return p.a; }', language: 'c++' },
      { source: 'int x;', flags: ['-fno-such-flag'] },
      { source: '__asm__("nonsense");' },
      { file: join(folder, 'absent.c') },
    ];
    for (const spec of specs) {
      const errors = [];
      for (const compiler of [undefined, toolchain?.path]) {
        errors.push(
          await loadSourceLibrary({ name: 'same', ...spec, ...(compiler && { compiler }) } as SourceLibrarySpec).catch(
            (reason) => reason,
          ),
        );
      }
      const [resident, oneShot] = errors;
      expect(resident).toBeInstanceOf(CompileError);
      expect(resident.message).toBe(oneShot.message);
      expect(resident.diagnostics).toEqual(oneShot.diagnostics);
    }
  });

  test('a crash is a CompileError that names the signal, and limits hold', async () => {
    await expect(load({ source: NESTED, flags: ['-fbracket-depth=1000000'] })).rejects.toMatchObject({
      signal: 'SIGSEGV',
    });
    await expect(load({ source: '#pragma clang __debug crash\n' })).rejects.toThrow(CompileError);
    await expect(load({ source: ENDLESS, timeout: 300 })).rejects.toMatchObject({ limit: 'timeout' });
    await expect(load({ source: 'int x[50000000] = { 1 };', maxOutputBytes: 1e6 })).rejects.toMatchObject({
      limit: 'maxOutputBytes',
    });
    await expect(load({ source: ENDLESS, maxMemoryBytes: 500e6 })).rejects.toThrow(CompileLimitError);
    await using library = await load({ source: 'int f(void) { return 3; }' });
    expect(library.func('int f(void)')()).toBe(3);
  });

  test('a header that changes, appears before another, or is looked for is seen by the next compile', async () => {
    const first = join(folder, 'first');
    const second = join(folder, 'second');
    mkdirSync(first);
    mkdirSync(second);
    writeFileSync(join(second, 'value.h'), '#define VALUE 1\n');
    const spec = {
      source:
        '#include <stdio.h>\n#include <value.h>\n#if __has_include(<extra.h>)\n#define EXTRA 100\n#else\n#define EXTRA 0\n#endif\nint f(void) { return VALUE + EXTRA; }',
      includePaths: [first, second],
    };
    await using library = await load(spec);
    const f = library.func('int f(void)');
    const reload = async (): Promise<number> => {
      await library.reload();
      return f();
    };
    expect([f(), await reload()]).toEqual([1, 1]);
    writeFileSync(join(second, 'value.h'), '#define VALUE 2\n');
    expect(await reload()).toBe(2);
    writeFileSync(join(second, 'value.h'), '#define VALUE 3\n');
    expect(await reload()).toBe(3);
    writeFileSync(join(first, 'value.h'), '#define VALUE 4\n');
    expect(await reload()).toBe(4);
    writeFileSync(join(first, 'extra.h'), '');
    expect(await reload()).toBe(104);
    rmSync(join(first, 'value.h'));
    expect(await reload()).toBe(103);
  });

  test('a kept prefix changes neither what names it sees nor what templates of the caller find', async () => {
    const headers = join(folder, 'kept');
    mkdirSync(headers);
    writeFileSync(join(headers, 'base.h'), 'static const char *base(void) { return __BASE_FILE__; }\n');
    writeFileSync(
      join(headers, 'show.h'),
      '#include <vector>\nstruct Any { template <class T> Any(const T &) {} };\ninline int show(Any) { return 2; }\n' +
        'template <class T> int all(const std::vector<T> &v) { int s = 0; for (const T &e : v) s += show(e); return s; }\n',
    );
    for (const name of ['base-one', 'base-two']) {
      await using library = await loadSourceLibrary({
        name,
        source: '#include <base.h>\nconst char *f(void) { return base(); }',
        includePaths: [headers],
      });
      expect(library.func('const char *f(void)')()).toContain(name);
    }
    for (const value of [20, 30]) {
      await using library = await load({
        language: 'c++',
        source: `#include <show.h>\nstruct P {};\nint show(const P &) { return ${value}; }\nextern "C" int f(void) { return all(std::vector<P>(1)); }`,
        includePaths: [headers],
      });
      expect(library.func('int f(void)')()).toBe(value);
    }
  });

  test('drivers that are killed again and again cost their request a process, and the next one has a driver', async () => {
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const mine = (): number[] =>
      allDrivers().filter((pid) => {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        return status.includes(`PPid:\t${process.pid}\n`) && !status.includes('State:\tZ');
      });
    const killer = setInterval(() => {
      for (const pid of mine()) process.kill(pid, 'SIGKILL');
    }, 2);
    await using library = await load({
      source: `#include <stdio.h>\n${'int g(void);\n'.repeat(30_000)}int f(void) { return 1; }`,
    });
    clearInterval(killer);
    expect(library.func('int f(void)')()).toBe(1);
    await using next = await load({ source: 'int f(void) { return 2; }' });
    expect(next.func('int f(void)')()).toBe(2);
    expect(mine().length).toBeGreaterThan(0);
    expect(warning).not.toHaveBeenCalled();
  });

  test('a header that exists only in memory is found, and a file does not hide it', async () => {
    await using library = await load({
      source: '#include "in/memory.h"\nint f(void) { return VALUE; }',
      headers: { 'in/memory.h': '#include "other.h"\n', 'in/other.h': '#define VALUE 9\n' },
    });
    expect(library.func('int f(void)')()).toBe(9);
  });

  const program = (after: string): string => `
    const { loadSourceLibrary } = await import('fromsource');
    const library = await loadSourceLibrary({ name: 'a', source: 'int f(void) { return 1; }' });
    if (library.func('int f(void)')() !== 1) throw new Error('wrong');
    console.log('loaded'); ${after}`;

  test('an idle driver does not keep Node alive', () => {
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program('')], {
      cwd: root,
      encoding: 'utf8',
      timeout: 10_000,
    });
    expect([status, stdout]).toEqual([0, 'loaded\n']);
  });

  test('a driver does not outlive Node, however that ends', async () => {
    for (const after of [
      'process.exit(0)',
      "process.kill(process.pid, 'SIGKILL')",
      "process.kill(process.pid, 'SIGINT'); setInterval(() => {}, 1000)",
    ]) {
      const before = new Set(allDrivers());
      const child = spawn(process.execPath, ['--input-type=module', '-e', program(after)], {
        cwd: root,
        stdio: 'ignore',
      });
      await new Promise((resolve) => child.once('exit', resolve));
      await vi.waitFor(() => expect(allDrivers().filter((pid) => !before.has(pid))).toEqual([]), { timeout: 3000 });
    }
  });

  const allDrivers = (): number[] =>
    readdirSync('/proc').flatMap((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(driver) ? [Number(pid)] : [];
      } catch {
        return [];
      }
    });

  test('with few descriptors left a load fails typed or succeeds, and never hangs', () => {
    const script = `ulimit -n 64; exec "$0" --input-type=module -e '${program('').replaceAll("'", '"')}'`;
    const { status, stderr, signal } = spawnSync('/bin/sh', ['-c', script, process.execPath], {
      cwd: root,
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(signal).toBeNull();
    expect([0, 1], stderr).toContain(status);
  });
});

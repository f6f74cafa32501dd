import { execFileSync } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compileOneShot } from '../../src/compile/one-shot.ts';
import type { Toolchain } from '../../src/toolchain/discover.ts';
import { descriptors, enterSandbox, expectNothingLeft, processes, type Sandbox } from './leftovers.ts';
import { installedToolchains, rejectionOf, textRequest } from './requests.ts';

const ADD = 'int add(int a, int b) { return a + b; }\n';
const toolchains = await installedToolchains();
const nested = (depth: number) => `int x = ${'('.repeat(depth)}1${')'.repeat(depth)};\n`;

/** Doubles at every level: 2^60 tokens. */
const BOMB = `#define M0 1 +\n${Array.from({ length: 60 }, (_, i) => `#define M${i + 1} M${i} M${i}\n`).join('')}int x = M60 1;\n`;

let sandbox: Sandbox;
let before: readonly string[];
beforeAll(async () => {
  sandbox = enterSandbox();
  for (const toolchain of toolchains) await compileOneShot(toolchain, textRequest(ADD));
});
afterAll(() => sandbox.remove());
beforeEach(() => {
  before = descriptors();
});
afterEach(async () => {
  await expectNothingLeft(sandbox, before);
  for (const toolchain of toolchains) await compileOneShot(toolchain, textRequest(ADD));
});

describe.each(toolchains)('bad source and $kind', (toolchain) => {
  const isClang = toolchain.kind === 'clang';
  const failure = (text: string, variation: Parameters<typeof textRequest>[1] = {}) =>
    rejectionOf(compileOneShot(toolchain, textRequest(text, variation)));

  it('ends a compile whose object is larger than maxOutputBytes', async () => {
    const error = await failure('int x[100000000] = {1};\n');
    expect(error).toMatchObject({
      name: 'CompileLimitError',
      code: 'ERR_COMPILE_LIMIT',
      limit: 'maxOutputBytes',
      value: 2 ** 26,
      message: 'vec: compiling vec.c made more than 67108864 bytes and was ended; raise `maxOutputBytes` to allow it',
    });
  });

  it('takes an object of exactly maxOutputBytes and refuses one of a byte more', async () => {
    const { object } = await compileOneShot(toolchain, textRequest(ADD));
    const at = (maxOutputBytes: number) => textRequest(ADD, { limits: { maxOutputBytes } });
    expect((await compileOneShot(toolchain, at(object.length))).object.length).toBe(object.length);
    const error = await rejectionOf(compileOneShot(toolchain, at(object.length - 1)));
    expect(error.limit).toBe('maxOutputBytes');
  });

  it('ends a macro bomb over time', async () => {
    const error = await failure(BOMB, { limits: { timeout: 1000 } });
    expect(error).toMatchObject({ limit: 'timeout', value: 1000 });
    expect(error.message).toBe(
      'vec: compiling vec.c took longer than 1000 ms and was ended; raise `timeout` to allow it',
    );
  });

  it('ends a macro bomb over memory', async () => {
    const value = isClang ? 700 * 2 ** 20 : 200 * 2 ** 20;
    const text = BOMB.replace('int x = M60 1;', 'int x[] = {\n#define S() M60\nS() 1};').replaceAll(
      '1 +',
      '"aaaaaaaa"',
    );
    const error = await failure(text, { limits: { maxMemoryBytes: value } });
    expect(error).toMatchObject({ name: 'CompileLimitError', limit: 'maxMemoryBytes', value });
  });

  it('says that memory is short when not even the compiler fits', async () => {
    const error = await failure(ADD, { limits: { maxMemoryBytes: 20 * 2 ** 20 } });
    expect(isClang ? error.limit : 'maxMemoryBytes').toBe('maxMemoryBytes');
  });

  it('ends a compile that waits for a FIFO', async () => {
    const name = `${toolchain.major}.fifo`;
    execFileSync('mkfifo', [join(sandbox.cwd, name)]);
    const error = await failure(`#include "${name}"\n`, { limits: { timeout: 500 } });
    expect(error.limit).toBe('timeout');
  });

  it('names the signal when deep nesting crashes the compiler', async () => {
    const error = await failure(nested(isClang ? 2000 : 100_000));
    expect(error).toMatchObject({ name: 'CompileError', signal: 'SIGSEGV' });
    expect(error.message).toMatch(
      /^vec: the compiler crashed with SIGSEGV on vec\.c\. Source that is nested very deeply/,
    );
  });

  it.runIf(isClang)('leaves no file of a crash, not even a core', async () => {
    const error = await failure('int x;\n#pragma clang __debug crash\n');
    expect(error.name).toBe('CompileError');
    expect(['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGSEGV']).toContain(error.signal);
    expect(error.stderr).toContain('PLEASE submit a bug report');
    expect(readdirSync(sandbox.cwd).filter((name) => !name.endsWith('.fifo'))).toEqual([]);
  });

  it('stays bounded under a million errors', async () => {
    const flags = [isClang ? '-ferror-limit=0' : '-fmax-errors=0'];
    const text = Array.from({ length: 100_000 }, (_, i) => `int x${i} = ;\n`).join('');
    const error = await failure(text, { flags });
    expect(error.name).toBe('CompileError');
    expect((error.stderr as string).length).toBeLessThanOrEqual(2 ** 16);
    expect(error.message).toMatch(/^vec: \d{4,} errors in vec\.c\nvec\.c:1:\d+: error: /);
    expect(error.message.split('\n').length).toBeLessThan(70);
  });

  it('shows ten of many errors', async () => {
    const error = await failure(Array.from({ length: 15 }, (_, i) => `int x${i} = zz${i};\n`).join(''));
    expect(error.message.split('\n').slice(0, 2).join('\n')).toMatch(/^vec: 15 errors in vec\.c\nvec\.c:1:10: error: /);
    expect(error.message).toMatch(/\n… and 5 more$/);
  });

  it('survives a compiler that dies before it has read everything', async () => {
    const text = 'int x;\n'.repeat(1_000_000);
    expect((await failure(text, { flags: ['-fno-such-thing'] })).name).toBe('CompileError');
  });

  it.each(['', '\0', '\ufeffint x;\n', '\ud800', '\\', '#', '/*', '"', '#include', '#include "', 'int x = 1\\'])(
    'survives the text %j',
    async (text) => {
      const outcome = await compileOneShot(toolchain, textRequest(text)).then(
        ({ object }) => object.length,
        (error) => error.name,
      );
      expect(outcome === 'CompileError' || outcome > 0).toBe(true);
    },
  );

  it('stops at an abort with its reason, before, during and after', async () => {
    const reason = new Error('enough');
    const aborted = AbortSignal.abort(reason);
    expect(await failure(ADD, { signal: aborted })).toBe(reason);
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 300);
    expect(await failure(BOMB, { signal: controller.signal })).toBe(reason);
    const late = new AbortController();
    await compileOneShot(toolchain, textRequest(ADD, { signal: late.signal }));
    expect(getEventListeners(late.signal, 'abort')).toEqual([]);
    late.abort(reason);
  });
});

describe('bad compilers', () => {
  /** A compiler that is a shell script; the toolchain says that it is clang. */
  function script(name: string, body: string): Toolchain {
    const path = join(sandbox.cwd, name);
    writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    return { kind: 'clang', path, version: '22.1.8', major: 22, target: 'x86_64-pc-linux-gnu', resident: null };
  }
  const failure = (toolchain: Toolchain, variation: Parameters<typeof textRequest>[1] = {}) =>
    rejectionOf(compileOneShot(toolchain, textRequest(ADD, variation)));

  it('refuses junk with exit code 0', async () => {
    const error = await failure(script('junk', 'echo junk; echo more >&2'));
    expect(error.name).toBe('CompileError');
    expect(error.message).toBe(
      "vec: the compiler ended well for vec.c, but what it made can't be used: it is not an ELF file",
    );
    expect(error.stderr).toBe('more');
  });

  it('refuses silence with exit code 0', async () => {
    expect((await failure(script('silent', 'exit 0'))).message).toContain('it is empty');
  });

  it('shows what a compiler says that fails without a diagnostic', async () => {
    const error = await failure(script('failing', 'echo who knows >&2; exit 7'));
    expect(error).toMatchObject({ exitCode: 7, diagnostics: [] });
    expect(error.message).toBe('vec: the compiler ended with exit code 7 for vec.c\nwho knows');
  });

  it('ends one that ignores SIGTERM and has children that do', async () => {
    const body = "trap '' TERM HUP INT; sleep 1000 & (trap '' TERM; sleep 1000) & sleep 1000";
    const error = await failure(script('deaf', body), { limits: { timeout: 300 } });
    expect(error.limit).toBe('timeout');
    expect(processes(sandbox)).toEqual([]);
  });

  it('ends the children of one that went away, whether they hold its pipes or not', async () => {
    await failure(script('orphaning', 'sleep 1000 & sleep 1000 >/dev/null 2>&1 & exit 0'));
    expect(processes(sandbox)).toEqual([]);
  });

  it('does not wait for a child that left the process group and holds the pipes', async () => {
    const error = await failure(script('escaping', 'setsid sleep 300 & sleep 0.3; exit 1'));
    expect(error.exitCode).toBe(1);
    for (const line of processes(sandbox)) process.kill(Number.parseInt(line, 10), 'SIGKILL');
  });

  it('ends one that writes for ever, on stdout and on stderr', async () => {
    const flood = await failure(script('flood', 'exec cat /dev/zero'));
    expect(flood.limit).toBe('maxOutputBytes');
    const chatter = script('chatter', 'exec cat /dev/zero >&2');
    expect((await failure(chatter, { limits: { timeout: 500 } })).limit).toBe('timeout');
  });

  it('reports a compiler that is gone, or can not be run, as a ToolchainError', async () => {
    const gone = { ...script('gone', ''), path: join(sandbox.cwd, 'nowhere') };
    expect(await failure(gone)).toMatchObject({ name: 'ToolchainError', searched: [gone.path] });
    const unusable = script('unusable', '');
    writeFileSync(unusable.path, '\x7fELF', { mode: 0o755 });
    expect((await failure(unusable)).name).toMatch(/ToolchainError|CompileError/);
  });

  it('runs every compiler under limits of the kernel: core files, memory, processor time, size of a file', async () => {
    const limits = { maxMemoryBytes: 2 ** 30, timeout: 10_000, maxOutputBytes: 2 ** 20 };
    const text = (error: Error & Record<string, unknown>) => error.stderr;
    const body = 'for limit in c v t f; do ulimit -$limit; done >&2; exit 1';
    expect(text(await failure(script('limited', body), { limits }))).toBe('0\n1048576\n21\n2049');
    const none = Number.POSITIVE_INFINITY;
    const unlimited = await failure(script('limited', body), { limits: { maxMemoryBytes: none, timeout: none } });
    expect(text(unlimited)).toMatch(/^0\n\w+\n\w+\n/);
  });

  it('reports a command that is too long for the system', async () => {
    const error = await failure(script('long', ''), { defines: { X: 'x'.repeat(4_000_000) } });
    expect(error.name).toBe('ToolchainError');
    expect(error.message).toContain('flags, include paths and defines are longer than a command may be');
  });

  it('names the signal of one that is killed', async () => {
    expect((await failure(script('killed', 'kill -ABRT $$'))).signal).toBe('SIGABRT');
    expect((await failure(script('coded', 'exit 139'))).signal).toBe('SIGSEGV');
    const error = await failure(script('shot', 'kill -KILL $$'));
    expect(error.message).toBe('vec: the compiler was killed on vec.c; the system may be short of memory');
  });
});

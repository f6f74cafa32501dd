import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeFrame } from '../../src/compile/protocol.ts';
import { type CompileOptions, commandFor, compileOnce, DRIVER, DriverClient, whyNoDriver } from './client.ts';

const missing = whyNoDriver();
if (missing !== null) console.warn(`skipped: ${missing}`);

const ONE = 'int add(int a, int b) { return a + b; }\n';
const isRunning = (pid: number) => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z';
  } catch {
    return false;
  }
};

describe.skipIf(missing !== null)('a driver', () => {
  let root: string;
  let start: () => Promise<DriverClient>;

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'fromsource-driver-'));
    for (const name of ['cwd', 'tmp']) mkdirSync(join(root, name));
    start = () => DriverClient.start({ cwd: join(root, 'cwd'), env: { ...process.env, TMPDIR: join(root, 'tmp') } });
  });
  afterAll(() => {
    const left = ['cwd', 'tmp'].flatMap((name) => readdirSync(join(root, name)));
    rmSync(root, { recursive: true });
    expect(left).toEqual([]);
  });

  it('says which LLVM and protocol it is', async () => {
    expect(execFileSync(DRIVER, ['--version']).toString()).toMatch(
      /^fromsource-clang-driver, LLVM 22\.\d+\.\d+, protocol 4\n$/,
    );
    const client = new DriverClient();
    expect((await client.greet()).message).toMatchObject({
      type: 'hello',
      protocol: 4,
      llvm: expect.stringMatching(/^22\./),
    });
    client.child.stdin?.end();
    expect(await client.ended).toBe(0);
  });

  it.each([
    ['a trap', '#pragma clang __debug crash\n', 'SIGILL'],
    ['a crash of the parser', '#pragma clang __debug parser_crash\n', 'SIGILL'],
    ['too many parentheses', `int x = ${'('.repeat(400_000)}1${')'.repeat(400_000)};\n`, 'SIGSEGV'],
  ])('answers %s with the signal, and ends', async (_, text, signal) => {
    const client = await start();
    await client.compile({ text: ONE });
    const { message } = await client.request({ text, flags: ['-O2', '-fbracket-depth=1000000'] });
    expect(message).toMatchObject({
      type: 'crash',
      id: 2,
      signal: typeof signal === 'string' ? signal : expect.stringMatching(signal),
    });
    expect(await client.ended).toBeGreaterThan(128);
  });

  it('answers a fatal error of LLVM with its words, and ends', async () => {
    const client = await start();
    const text = '#warning "first"\n#pragma clang __debug llvm_fatal_error\n';
    const { message, stderr } = await client.compile({ text });
    expect(message.status).toBe('failed');
    expect(stderr).toContain('warning: "first"');
    const words = (all: string) => all.split('\n').filter((line) => line.includes('error in backend'));
    expect(words(stderr)).toEqual(words(compileOnce(commandFor(), text).stderr));
    expect(words(stderr).length).toBe(1);
    expect(await client.ended).toBe(1);
  });

  it('compiles what overflows the usual stack', async () => {
    await using client = await start();
    const parentheses = `int x = ${'('.repeat(3000)}1${')'.repeat(3000)};\n`;
    const ifs = `int f(int x) { ${'if (x) {'.repeat(20_000)} x++; ${'}'.repeat(20_000)} return x; }\n`;
    for (const text of [parentheses, ifs]) {
      const { message } = await client.compile({ text, flags: ['-O0', '-fbracket-depth=1000000'] });
      expect(message.status).toBe('ok');
    }
  });

  it('keeps to the memory limit of each request, and ends when one is over', async () => {
    const client = await start();
    const large = 'int x[100000000] = {1};\n';
    expect((await client.compile({ text: ONE, maxMemoryBytes: 2 ** 28 })).message.status).toBe('ok');
    expect((await client.compile({ text: large.replace('100000000', '10000000') })).message.status).toBe('ok');
    const { message } = await client.compile({ text: large, maxMemoryBytes: 2 ** 28 });
    expect(message.status).toBe('memory');
    expect(await client.ended).toBe(1);
  });

  it.each([
    ['parsing', Array.from({ length: 400_000 }, (_, index) => `int x${index};`).join('\n')],
    [
      'templates',
      'template <int N> struct S { S<N - 1> a; S<N - 2> b; int x[N]; };\ntemplate <> struct S<0> {}; template <> struct S<-1> {};\n' +
        `template <int A, int B> struct P { P<A - 1, B> x; P<A - 1, B - 1> y; P<A - 1, B - 2> z; };\ntemplate <int B> struct P<0, B> {};\n${'P<900, 900> s;'}\n`,
    ],
  ])('answers when %s needs more than the limit', async (_, text) => {
    const client = await start();
    const { message } = await client.compile({ text, language: 'c++', maxMemoryBytes: 2 ** 27 });
    expect(message.status).toBe('memory');
    await client.ended;
  });

  it('ends when its stdin does, also in the middle of a compile', async () => {
    const idle = await start();
    idle.child.stdin?.end();
    expect(await idle.ended).toBe(0);

    const busy = await start();
    const answer = busy
      .request({ text: ENDLESS, flags: ['-fconstexpr-steps=2000000000'], language: 'c++' })
      .catch((error: Error) => error.message);
    await delay(200);
    expect(isRunning(busy.child.pid as number)).toBe(true);
    busy.child.stdin?.end();
    const before = performance.now();
    expect(await busy.ended).toBe(0);
    expect(performance.now() - before).toBeLessThan(1000);
    expect(await answer).toBe('the driver ended: 0');
  });

  it('is not left behind by a parent that is killed', async () => {
    const parent = spawn(
      process.execPath,
      [
        '-e',
        `const { spawn } = require('node:child_process');
         const child = spawn(${JSON.stringify(DRIVER)}, [], { stdio: ['pipe', 'pipe', 'inherit'] });
         process.stdin.pipe(child.stdin);
         child.stdout.once('data', () => setTimeout(() => console.log(child.pid), 300));
         setInterval(() => {}, 1000);`,
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const frames = new DriverClient({ driver: '/bin/cat' });
    const hello = encodeFrame({ message: { type: 'hello', protocol: 4, llvm: '' }, attachments: [] });
    for (const part of [
      ...hello,
      ...frames.frame({ text: ENDLESS, flags: ['-fconstexpr-steps=2000000000'], language: 'c++' }),
    ])
      parent.stdin.write(part);
    frames.child.stdin?.end();
    const pid = Number(await new Promise((resolve) => parent.stdout.once('data', resolve)));
    expect(isRunning(pid)).toBe(true);
    parent.kill('SIGKILL');
    for (let attempt = 0; attempt < 40 && isRunning(pid); attempt += 1) await delay(50);
    expect(isRunning(pid)).toBe(false);
  });

  const frame = (body: Uint8Array | string, length = Buffer.from(body).length) => {
    const head = Buffer.alloc(4);
    head.writeUInt32LE(length);
    return Buffer.concat([head, Buffer.from(body)]);
  };
  const json = (message: unknown, length?: number) => {
    const text = Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
    const head = Buffer.alloc(4);
    head.writeUInt32LE(length ?? text.length);
    return frame(Buffer.concat([head, text]));
  };
  const compile = {
    type: 'compile',
    id: 1,
    command: ['clang-22'],
    folder: '/',
    stdin: null,
    files: [],
    outputs: ['object'],
    passes: null,
    preamble: false,
    declaredBefore: null,
    maxMemoryBytes: 0,
    attachments: [],
  };

  it.each([
    ['too long', frame('', 2 ** 30 + 1), 'a frame claims 1073741825 bytes'],
    ['too short', frame('ab'), 'a frame claims 2 bytes'],
    ['longer than its frame', json({}, 100), 'a message claims more bytes than its frame has'],
    ['not JSON', json('nonsense'), 'a message is not JSON'],
    ['nested deeply', json('['.repeat(1_000_000)), 'a message is nested too deeply'],
    ['not an object', json([1]), 'a message is not an object'],
    ['without attachments', json({ type: 'compile' }), 'a message does not say how long its attachments are'],
    ['with a cut attachment', json({ ...compile, attachments: [5] }), 'an attachment is longer than its frame'],
    ['of another kind', json({ ...compile, type: 'other' }), "a message's `type` is missing or wrong"],
    ['with a missing field', json({ ...compile, passes: undefined }), "a message's `passes` is missing or wrong"],
    ['with a wrong index', json({ ...compile, stdin: 3 }), "a message's `stdin` is missing or wrong"],
    ['with a NUL', json({ ...compile, command: ['clang-22', 'a\0b'] }), "a message's `command` is missing or wrong"],
    ['in a relative folder', json({ ...compile, folder: 'x' }), "a message's `folder` is missing or wrong"],
    ['with an unknown output', json({ ...compile, outputs: ['exe'] }), "a message's `outputs` is missing or wrong"],
    [
      'a second hello',
      json({ type: 'hello', protocol: 4, attachments: [] }),
      '`hello` is the first message, and only that',
    ],
  ])('refuses a message that is %s', async (_, bytes, why) => {
    const client = await start();
    client.writeRaw(bytes);
    expect(await client.ended).toBe(4);
    expect(client.stderr).toBe(`fromsource-clang-driver: ${why}\n`);
  });

  it('refuses a frame that is cut, another protocol, and a request before the greeting', async () => {
    const cut = await start();
    cut.writeRaw(frame('abcd', 100));
    cut.child.stdin?.end();
    expect(await cut.ended).toBe(4);
    expect(cut.stderr).toBe('fromsource-clang-driver: the stream ends inside a frame\n');

    const other = new DriverClient();
    other.greet(2);
    expect(await other.ended).toBe(3);
    expect(other.stderr).toBe('fromsource-clang-driver: the other end speaks protocol 2, this one 4\n');

    const early = new DriverClient();
    early.request({ text: ONE });
    expect(await early.ended).toBe(4);
    expect(early.stderr).toBe('fromsource-clang-driver: `hello` is the first message, and only that\n');
  });

  it('survives frames of random bytes only as far as the protocol allows', async () => {
    let state = 7;
    for (let round = 0; round < 30; round += 1) {
      const client = await start();
      const bytes = Buffer.from(JSON.stringify(compile));
      for (let index = 0; index <= round % 5; index += 1) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        bytes[state % bytes.length] = state >>> 24;
      }
      client.writeRaw(json(bytes.toString('latin1')));
      client.child.stdin?.end();
      expect([0, 4]).toContain(await client.ended);
    }
  });

  const base = commandFor(['-O2']);
  const withFlag = (...flags: string[]) => [...base.slice(0, 1), ...flags, ...base.slice(1)];
  const replaced = (from: string, ...to: string[]) => base.flatMap((word) => (word === from ? to : [word]));
  it.each<[string, string[], CompileOptions?]>([
    ['options of LLVM', withFlag('-mllvm', '-inline-threshold=1')],
    ['another syntax of assembly, which is one', withFlag('-masm=intel')],
    ['global instruction selection, which is one', withFlag('-fglobal-isel')],
    ['plugins', withFlag('-fplugin=/nowhere.so')],
    ['plugins of the passes', withFlag('-fpass-plugin=/nowhere.so')],
    ['timers', withFlag('-ftime-report')],
    ['a trace', withFlag('-ftime-trace=/tmp/never')],
    ['temporary files', withFlag('-save-temps')],
    ['link-time optimisation', [...base.slice(0, 1), ...base.slice(1).filter((word) => word !== '-fno-lto'), '-flto']],
    ['IR by an option', withFlag('-emit-llvm')],
    ['assembly', replaced('-c', '-S')],
    ['checking only', replaced('-c', '-fsyntax-only')],
    ['preprocessing', replaced('-c', '-E')],
    ['another assembler', [...base, '-fno-integrated-as']],
    ['modules', withFlag('-fmodules')],
    ['debug information in a file of its own', withFlag('-g', '-gsplit-dwarf')],
    ['stack usage', withFlag('-fstack-usage')],
    ['coverage', withFlag('--coverage')],
    ['optimisation records', withFlag('-fsave-optimization-record')],
    ['diagnostics in a file', withFlag('--serialize-diagnostics', '/tmp/never')],
    ['diagnostics in another form', [...base, '-fdiagnostics-format=sarif', '-Wno-sarif-format-unstable']],
    ['less precise functions, which is one of LLVM', withFlag('-Xclang', '-mlimit-float-precision', '-Xclang', '12')],
    ['another start of paths', withFlag('-working-directory', '/tmp')],
    ['another machine', withFlag('--target=aarch64-linux-gnu')],
    ['32 bits', withFlag('-m32')],
    ['an output file', base.map((word, at) => (base[at - 1] === '-o' ? '/tmp/never' : word))],
    ['response files', withFlag('@/nowhere')],
    ['printing the commands', withFlag('-###')],
    ['saying what it does', withFlag('-v')],
    ['printing the version', withFlag('--version')],
    ['assembly as input', replaced('c', 'assembler')],
    ['an analysis', withFlag('--analyze')],
    ['another compiler', ['/usr/bin/gcc', ...base.slice(1)]],
    ['passes for C', base, { passes: 'dce' }],
    ['a folder that is not there', base, { folder: '/no/such/folder' }],
  ])('leaves %s to a process', async (_, command, more = {}) => {
    await using client = await start();
    const { message } = await client.compile({ text: ONE, command, ...more });
    expect(message.status).toBe('unsupported');
    expect(message.reason).not.toBe('');
    // And nothing of it stays.
    const { object } = await client.compile({ text: ONE });
    expect(Buffer.compare(object, compileOnce(commandFor(), ONE).object)).toBe(0);
  });

  it('prints nothing on stdout and stderr whatever a source is', async () => {
    await using client = await start();
    for (const text of [ONE, '#warning x\n', 'int f(', '#pragma message "hello"\n']) await client.compile({ text });
    expect(client.stderr).toBe('');
  });
});

/** Minutes of constant evaluation. */
const ENDLESS =
  'constexpr int f(int n) { int s = 0; for (int i = 0; i < n; i++) for (int j = 0; j < 100000; j++) s ^= i * j; return s; }\n' +
  'static_assert(f(100000) != 1);\n';

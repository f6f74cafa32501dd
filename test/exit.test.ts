/**
 * Programs that end in the middle of something: with the right code, soon, without a word, and leaving nothing.
 *
 * FROMSOURCE_EXIT_ROUNDS=100 is the long run.
 */

import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Children, type Ended } from './cache/children.ts';
import { enterSandbox, processes, type Sandbox } from './compile/leftovers.ts';

const ROUNDS = Number(process.env.FROMSOURCE_EXIT_ROUNDS ?? 1);
const TIMEOUT = 60_000 + ROUNDS * 6000;

/** From the end of what it was told to end in. */
const SOON_MS = 5000;

let children: Children;
let sandbox: Sandbox;
let object: string;
beforeAll(() => {
  children = new Children();
  sandbox = enterSandbox();
  const source = join(sandbox.cwd, 'many.c');
  const functions = Array.from({ length: 2000 }, (_, index) => `int f${index}(int x) { return x + ${index}; }`);
  const ending = 'static int live = 1; __attribute__((destructor)) static void end(void) { live = 0; }';
  writeFileSync(source, `${functions.join('\n')}\n${ending}`);
  object = `${source}.o`;
  execFileSync('cc', ['-c', '-fPIC', '-o', object, source]);
});
afterAll(() => {
  sandbox.remove();
  children.remove();
});

const NATIVE = `
  #include <unistd.h>
  int nap(int ms) { usleep(ms * 1000); return ms; }
  int spin(void) { for (volatile int i = 0;; i = i + 1) {} return 0; }
  int call(int (*f)(int), int n) { int s = 0; for (int i = 0; i < n; i++) s += f(i); return s; }
  __attribute__((destructor)) static void end(void) { usleep(1000); }
`;

/**
 * \`end(ms)\`: some time in so many milliseconds the program exits, or is told to by a signal; \`fresh\` loads what was never
 * compiled.
 */
const PRELUDE = `
  const cut = Math.random();
  const end = (ms) => { say('began'); setTimeout(() => process.exit(7), cut * ms); };
  let serial = 0;
  const fresh = (options = {}) => loadSourceLibrary({
    name: 'fresh' + serial++, source: '#include <stdio.h>\\nint f(void) { return ' + Math.random() + ' * 1000; }', cache: false, ...options });
  const native = () => loadSourceLibrary({ name: 'native', source: ${JSON.stringify(NATIVE)}, cache: false });
`;

const again = (load: string) => `for (;;) await (await ${load}).dispose();`;
const CPP = `fresh({ language: 'c++', source: '#include <map>\\n#include <string>\\nint x = ' + Math.random() + ';' })`;
const OBJECT = `fresh({ source: undefined, cache: undefined, object: process.env.TEST_OBJECT })`;
/** A second thread that is at it, too. */
const inWorker = (program: string) => `
  const { Worker } = await import('node:worker_threads');
  const code = \`import { parentPort, workerData } from 'node:worker_threads';
    const { loadSourceLibrary } = await import(workerData);
    const native = await loadSourceLibrary({ name: 'native', source: \${JSON.stringify(${JSON.stringify(NATIVE)})}, cache: false });
    ${program}\`;
  const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(code)), { workerData: process.env.TEST_INDEX });
  await new Promise((resolve) => worker.once('message', resolve));
`;

const EXITS: readonly (readonly [string, string])[] = [
  ['a compile in the resident compiler', `end(150); ${again(CPP)}`],
  ['a compile of gcc', `end(150); ${again(`fresh({ compiler: 'gcc' })`)}`],
  ['a link in memory', `await (await ${OBJECT}).dispose(); end(60); ${again(OBJECT)}`],
  [
    '64 links in memory at once',
    `end(60); for (;;) { const all = await Promise.all(Array.from({ length: 64 }, () => ${OBJECT})); await Promise.all(all.map((each) => each.dispose())); }`,
  ],
  ['a link of the linker', `end(150); ${again(`fresh({ loader: 'shared-object' })`)}`],
  [
    'a load from the cache, and its keeping',
    `end(80); for (;;) { await once(serial % 20 + 1); await once(serial++ % 20 + 1); }`,
  ],
  ['the making of a linked image', `await once(5); end(700); await delay(1000);`],
  [
    'asynchronous calls',
    `const { async } = (await native()).func('int nap(int)'); end(60); for (;;) await Promise.all([1, 2, 3, 4, 5, 6].map((ms) => async(ms)));`,
  ],
  ['an asynchronous call that never returns', `(await native()).func('int spin(void)').async(); end(20);`],
  [
    'asynchronous calls that call back',
    `const { async } = (await native()).func('int call(int (*f)(int), int)'); end(40); for (;;) await Promise.all([1, 2, 3].map((n) => async((x) => x, n)));`,
  ],
  [
    'an asynchronous call that calls back for ever',
    `(await native()).func('int call(int (*f)(int), int)').async((x) => 0, 2_000_000_000); end(40);`,
  ],
  [
    'a callback',
    `const call = (await native()).func('int call(int (*f)(int), int)'); say('began'); let left = cut * 200; call((x) => (left-- > 0 ? 0 : process.exit(7)), 1000);`,
  ],
  [
    'a callback of an asynchronous call',
    `const { async } = (await native()).func('int call(int (*f)(int), int)'); say('began'); let left = cut * 200; await async((x) => (left-- > 0 ? 0 : process.exit(7)), 1000);`,
  ],
  [
    'dispose',
    `end(60); for (;;) { const all = await Promise.all([1, 2, 3, 4].map(() => ${OBJECT})); await Promise.all(all.map((each) => each.dispose())); }`,
  ],
  [
    'a reload',
    `const library = await native(); library.func('int nap(int)'); end(60); for (;;) await library.reload();`,
  ],
  [
    'the first call of a lazy library',
    `end(80); for (;;) { const library = await fresh({ lazy: true }); await library.func('int f(void)').async(); await library.dispose(); }`,
  ],
  [
    'a snippet',
    `const library = await native(); end(80); for (let i = 0; ; i += 1) await library.evaluate('int v' + i + ' = nap(1);');`,
  ],
  [
    'calls of a worker',
    `${inWorker(`parentPort.postMessage('go'); const nap = native.func('int nap(int)'); for (;;) { nap(1); await nap.async(2); }`)} end(40);`,
  ],
  [
    'calls back of a worker',
    `${inWorker(`parentPort.postMessage('go'); const call = native.func('int call(int (*f)(int), int)'); for (;;) { call((x) => x, 50); await call.async((x) => x, 5); }`)} end(40);`,
  ],
];

async function round(program: string, end?: (pid: number) => void): Promise<Ended> {
  const dir = children.freshPath();
  const env = { TMPDIR: sandbox.temporary, TEST_OBJECT: object, TEST_INDEX: pathToFileURL(children.index).href };
  const child = children.start(`${PRELUDE}\n${program}`, { dir, env });
  if (end !== undefined) {
    for (let tries = 0; tries < 2000 && child.said().length === 0; tries += 1) await delay(5);
    await delay(Math.random() * 150);
    end(child.process.pid as number);
  }
  return child.ended;
}

/** Two at a time, and nothing of all of them is left. */
async function rounds(program: string, check: (ended: Ended) => void, end?: (pid: number) => void): Promise<void> {
  let begun = 0;
  const runOn = async (): Promise<void> => {
    while (begun < ROUNDS) {
      begun += 1;
      check(await round(program, end));
    }
  };
  await Promise.all([runOn(), runOn()]);
  for (let tries = 0; tries < 500 && processes(sandbox).length > 0; tries += 1) await delay(20);
  expect(processes(sandbox)).toEqual([]);
}

/** Folders that a linker still wrote to when its program ended are swept by the next. */
async function expectTidy(): Promise<void> {
  if (readdirSync(sandbox.temporary).length > 0) {
    const { code } = await round(`await (await fresh({ compiler: 'gcc' })).dispose();`);
    expect(code).toBe(0);
  }
  expect(readdirSync(sandbox.temporary)).toEqual([]);
}

describe(`process.exit, ${ROUNDS} times in the middle of`, () => {
  test.each(EXITS)(
    '%s, ends with its code',
    async (_, program) => {
      await rounds(program, ({ code, signal, stderr, took, said }) => {
        expect({ code, signal, stderr, said }).toEqual({ code: 7, signal: null, stderr: '', said: ['began'] });
        expect(took).toBeLessThan(SOON_MS);
      });
      await expectTidy();
    },
    TIMEOUT,
  );
});

describe(`a signal, ${ROUNDS} times in the middle of`, () => {
  const PROGRAMS = [
    ['a compile', `say('began'); ${again(CPP)}`],
    ['a compile of gcc', `say('began'); ${again(`fresh({ compiler: 'gcc' })`)}`],
    ['an asynchronous call', `(await native()).func('int spin(void)').async(); say('began');`],
  ] as const;
  const cases = PROGRAMS.flatMap(([title, program]) =>
    (['SIGINT', 'SIGTERM'] as const).map((signal) => [signal, title, program] as const),
  );
  test.each(cases)(
    '%s: %s',
    async (signal, _, program) => {
      await rounds(
        program,
        (ended) => expect({ signal: ended.signal, stderr: ended.stderr }).toEqual({ signal, stderr: '' }),
        (pid) => process.kill(pid, signal),
      );
      await expectTidy();
    },
    TIMEOUT,
  );
});

describe('an error that nobody catches', () => {
  const CALL = `const call = (await native()).func('int call(int (*f)(int), int)'); say('began');`;
  test.each([
    ['in a callback', `${CALL} call(() => { throw new RangeError('from here'); }, 3);`],
    ['in a callback of an asynchronous call', `${CALL} call.async(() => { throw new RangeError('from here'); }, 3);`],
    [
      'while an asynchronous call goes on',
      `${CALL} (await native()).func('int spin(void)').async(); setTimeout(() => { throw new RangeError('from here'); });`,
    ],
  ])(
    '%s ends the program as any other, and is shown',
    async (_, program) => {
      await rounds(program, ({ code, signal, stderr, took }) => {
        expect({ code, signal }).toEqual({ code: 1, signal: null });
        expect(stderr).toContain('RangeError: from here');
        expect(took).toBeLessThan(SOON_MS);
      });
    },
    TIMEOUT,
  );
});

describe('the end by itself', () => {
  test('comes in the middle of the making of an image, which is kept', async () => {
    const dir = children.freshPath();
    const env = { TMPDIR: sandbox.temporary };
    expect(await children.well('await once(5); say(1)', { dir, env })).toEqual([1]);
    const reason = 'say((await load(5)).loader.reason);';
    expect(await children.well(reason, { dir, env })).toEqual(['its linked image is in the cache']);
    expect(processes(sandbox)).toEqual([]);
    await expectTidy();
  });

  test('an exit code that a handler sets last is that of the process, though a call never returns', async () => {
    const program = `process.on('exit', () => { process.exitCode = 9; }); (await native()).func('int spin(void)').async(); end(1);`;
    expect((await round(program)).code).toBe(9);
  });
});

/**
 * Libraries in several threads, and what becomes of them when a worker is terminated in the middle of something.
 *
 * FROMSOURCE_WORKER_ROUNDS=100 is the long run.
 */

import { readdirSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Children } from './cache/children.ts';
import { enterSandbox, processes, type Sandbox } from './compile/leftovers.ts';

const ROUNDS = Number(process.env.FROMSOURCE_WORKER_ROUNDS ?? 2);
const TIMEOUT = 60_000 + ROUNDS * 6000;

let children: Children;
let sandbox: Sandbox;
beforeAll(() => {
  children = new Children();
  sandbox = enterSandbox();
});
afterAll(() => {
  sandbox.remove();
  children.remove();
});

const NATIVE = `
  #include <unistd.h>
  static int calls;
  int count(void) { return ++calls; }
  int nap(int ms) { usleep(ms * 1000); return ms; }
  int call(int (*f)(int), int n) { int s = 0; for (int i = 0; i < n; i++) s += f(i); return s; }
  __attribute__((destructor)) static void end(void) { usleep(1000); }
`;

/**
 * `startWorker(text)` runs a module that has `ready()`, `fresh` and `native` of its own, and resolves when it is ready.
 */
const PRELUDE = `
  import { readFileSync as readText } from 'node:fs';
  import { Worker } from 'node:worker_threads';
  const NATIVE = ${JSON.stringify(NATIVE)};
  const LOADS = \`
    let serial = 0;
    const fresh = (options = {}) => loadSourceLibrary({
      name: 'fresh' + serial++, source: '#include <stdio.h>\\\\nint f(void) { return ' + Math.random() + ' * 1000; }', cache: false, ...options });
    const native = (options = {}) => loadSourceLibrary({ name: 'native', source: NATIVE, cache: false, ...options });
  \`;
  const startWorker = (text) => new Promise((resolve, reject) => {
    const code = \`
      import { parentPort, workerData } from 'node:worker_threads';
      const { loadSourceLibrary } = await import(workerData.index);
      const { NATIVE, dir } = workerData;
      const tell = (what) => parentPort.postMessage(what);
      const ready = () => tell('ready');
      \${LOADS}
      \${text}\`;
    const url = new URL('data:text/javascript,' + encodeURIComponent(code));
    const worker = new Worker(url, { workerData: { index: process.env.TEST_INDEX, NATIVE, dir } });
    worker.once('message', () => resolve(worker));
    worker.once('error', reject);
  });
  const next = (worker) => new Promise((resolve) => worker.once('message', resolve));
  /** Of compilers and linkers that have ended, and that nobody has heard of. */
  const zombies = () => fs.readdirSync('/proc').filter((pid) => {
    try {
      const stat = readText('/proc/' + pid + '/stat', 'latin1');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return state === 'Z' && Number(parent) === process.pid;
    } catch { return false; }
  }).length;
`;

const run = (program: string) =>
  children.run(`${PRELUDE}\n${program}`, {
    dir: children.freshPath(),
    env: { TMPDIR: sandbox.temporary, TEST_INDEX: pathToFileURL(children.index).href },
  });

/** What koffi, and node itself in `fs.promises`, do when a worker is terminated while it is in there: see the README. */
const KNOWN_ABORT = /Error::ThrowAsJavaScriptException napi_throw|\(req_wrap_async\) != nullptr/;

/** Runs a program that must end well; gives what it said. One that came to a known abort is run again, three times at most. */
async function well(program: string): Promise<readonly any[]> {
  let ended = await run(program);
  for (let tries = 0; tries < 3 && ended.signal === 'SIGABRT' && KNOWN_ABORT.test(ended.stderr); tries += 1) {
    console.warn(`not counted: ${KNOWN_ABORT.exec(ended.stderr)?.[0]}`);
    ended = await run(program);
  }
  const { code, signal, stderr, said } = ended;
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  return said;
}

describe('two threads', () => {
  test.each(['cache: false', 'cache: { dir }', 'cache: { dir }, loader: "orc"', 'loader: "shared-object"'])(
    'have a library of one spec each for itself, with data of its own: %s',
    async (options) => {
      const said = await well(`
        const own = () => loadSourceLibrary({ name: 'native', source: NATIVE, ${options} });
        // From a linked image, where there is one.
        await (await own()).dispose();
        await cacheStats({ dir });
        const library = await own();
        const text = \`
          const library = await native({ ${options} });
          const count = library.func('int count(void)');
          tell(null);
          parentPort.on('message', (message) => {
            if (message === 'count') tell(count());
            else library.dispose().then(() => { tell('disposed'); parentPort.close(); });
          });\`;
        const [one, other] = await Promise.all([startWorker(text), startWorker(text)]);
        const ask = (worker, what) => { const answer = next(worker); worker.postMessage(what); return answer; };
        const count = library.func('int count(void)');
        say([count(), await ask(one, 'count'), await ask(other, 'count'), await ask(one, 'count'), count()]);
        say(await ask(one, 'dispose'));
        await library.dispose();
        say([await ask(other, 'count'), await ask(other, 'dispose')]);
      `);
      expect(said).toEqual([[1, 1, 1, 2, 2], 'disposed', [2, 'disposed']]);
    },
  );

  test('compile once what both ask the cache for, and an address of one is good in the other', async () => {
    const said = await well(`
      const { readString } = await import(process.env.TEST_INDEX);
      const text = \`
        const library = await loadSourceLibrary({
          name: 'shared', source: '#include <vector>\\\\nextern "C" { char text[] = "from there"; }', language: 'c++', cache: { dir } });
        tell([library.cache.status, library.address('text')]);
        parentPort.once('message', () => library.dispose());\`;
      const start = () => new Promise((resolve) => {
        const once = startWorker('parentPort.once("message", async () => {' + text + '}); ready();');
        once.then((worker) => resolve(worker));
      });
      const workers = await Promise.all([start(), start(), start()]);
      const answers = workers.map(next);
      for (const worker of workers) worker.postMessage('go');
      const all = await Promise.all(answers);
      say(all.map(([status]) => status).sort());
      say(all.map(([, address]) => readString(address)));
      for (const worker of workers) worker.postMessage('end');
    `);
    expect(said).toEqual([
      ['hit', 'hit', 'miss'],
      ['from there', 'from there', 'from there'],
    ]);
  });
});

const again = (load: string) => `await (await ${load}).dispose(); ready(); for (;;) await (await ${load}).dispose();`;

/** What a worker does, and for how many milliseconds at most before it is terminated. */
const TERMINATIONS: readonly (readonly [string, number, string])[] = [
  ['a compile', 60, again(`fresh({ source: '#include <stdio.h>\\\\nint x = ' + Math.random() + ' * 1000;' })`)],
  ['a compile of gcc', 60, again(`fresh({ compiler: 'gcc' })`)],
  ['a link of the linker', 80, again(`fresh({ loader: 'shared-object' })`)],
  ['keeping and loading by the cache', 60, again(`fresh({ cache: { dir } })`)],
  ['a load of what is in the cache', 20, again(`loadSourceLibrary({ name: 'same', source: NATIVE, cache: { dir } })`)],
  ['a call', 30, `const nap = (await native()).func('int nap(int)'); nap(1); ready(); for (;;) nap(10);`],
  [
    'an asynchronous call',
    30,
    `const { async } = (await native()).func('int nap(int)'); await async(1); ready(); for (;;) await Promise.all([1, 2, 9, 9, 9].map((ms) => async(ms)));`,
  ],
  [
    'a callback',
    20,
    `const call = (await native()).func('int call(int (*f)(int), int)'); call((x) => x, 1); ready(); for (;;) { call((x) => x, 100); await new Promise(setImmediate); }`,
  ],
  [
    'a callback of an asynchronous call',
    20,
    `const { async } = (await native()).func('int call(int (*f)(int), int)'); await async((x) => x, 1); ready(); for (;;) await Promise.all([1, 2, 3].map((n) => async((x) => x, n)));`,
  ],
  [
    'dispose',
    40,
    `const all = () => Promise.all([1, 2, 3].map(() => fresh({ source: NATIVE }))); await Promise.all((await all()).map((each) => each.dispose())); ready(); for (;;) await Promise.all((await all()).map((each) => each.dispose()));`,
  ],
  [
    'the first call of a lazy library',
    40,
    `for (let i = 0; ; i += 1) { const library = await fresh({ lazy: true }); const f = library.func('int f(void)'); if (i % 2) f(); else await f.async(); await library.dispose(); ready(); }`,
  ],
  [
    'a snippet',
    40,
    `const library = await native(); for (let i = 0; ; i += 1) { await library.evaluate('int v' + i + ' = nap(1);'); ready(); }`,
  ],
  [
    'a reload',
    40,
    `const library = await native(); library.func('int nap(int)'); await library.reload(); ready(); for (;;) await library.reload();`,
  ],
];

describe(`a worker that is terminated, ${ROUNDS} times in the middle of`, () => {
  test.each(TERMINATIONS)(
    '%s, goes soon, and the others go on',
    async (_, window, text) => {
      const [slowest, value, left] = await well(`
        let slowest = 0;
        for (let round = 0; round < ${ROUNDS}; round += 1) {
          const worker = await startWorker(${JSON.stringify(text)});
          await delay(Math.random() * ${window});
          const started = performance.now();
          await worker.terminate();
          slowest = Math.max(slowest, performance.now() - started);
        }
        say(slowest);
        const library = await loadSourceLibrary({ name: 'after', source: NATIVE, cache: { dir } });
        say(library.func('int count(void)')());
        await library.dispose();
        // The last look at them comes after 10 s, which only a busy machine needs.
        for (let tries = 0; tries < 500 && zombies() > 0; tries += 1) await delay(30);
        say(zombies());
      `);
      expect(slowest).toBeLessThan(5000);
      expect([value, left]).toEqual([1, 0]);
      for (let tries = 0; tries < 500 && processes(sandbox).length > 0; tries += 1) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(processes(sandbox)).toEqual([]);
      // The program that ended removed what its own thread had; what workers had is swept by the next.
      if (readdirSync(sandbox.temporary).length > 0) {
        await well(
          'await (await loadSourceLibrary({ name: "a", source: "int x;", compiler: "gcc", cache: false })).dispose();',
        );
      }
      expect(readdirSync(sandbox.temporary)).toEqual([]);
    },
    TIMEOUT,
  );
});

describe('a worker', () => {
  test('that has loaded nothing reads memory of another thread', async () => {
    const said = await well(`
      const library = await loadSourceLibrary({ name: 'text', source: 'char text[] = "read me";', cache: false });
      const worker = await startWorker("const { readString } = await import(workerData.index); ready(); parentPort.once('message', (at) => tell(readString(at)));");
      const answer = next(worker);
      worker.postMessage(library.address('text'));
      say(await answer);
    `);
    expect(said).toEqual(['read me']);
  });

  test('may call process.exit in a callback, and its code is that of the worker alone', async () => {
    const said = await well(`
      for (const call of ['call((x) => process.exit(4), 3)', 'call.async((x) => process.exit(4), 3)']) {
        const worker = await startWorker("const call = (await native()).func('int call(int (*f)(int), int)'); ready(); parentPort.once('message', () => " + call + ')');
        const ended = new Promise((resolve) => worker.once('exit', resolve));
        worker.postMessage('go');
        say(await ended);
      }
    `);
    expect(said).toEqual([4, 4]);
  });

  test('may end by itself with libraries that are live', async () => {
    const said = await well(`
      const worker = await startWorker("const library = await native({ cache: { dir } }); tell(library.func('int count(void)')());");
      say(await new Promise((resolve) => worker.once('exit', resolve)));
      const library = await loadSourceLibrary({ name: 'native', source: NATIVE, cache: { dir } });
      say(library.func('int count(void)')());
    `);
    expect(said).toEqual([0, 1]);
  });
});

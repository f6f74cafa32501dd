/** What a fatal signal in a library says before the process dies of it, and that it dies as it would have. */

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BuiltPackage, buildPackage } from './built-package.ts';
import { shimIsBuilt } from './loader/fixtures/objects.ts';

const SOURCE = `#include <stdlib.h>
#include <string.h>
static int inner(int *place) {
  return *place + 1;
}
int outer(void) {
  int result = inner((int *)16);
  return result;
}
int divide(int a, int b) { return a / b; }
void give_up(void) { abort(); }
void trap(void) { __builtin_trap(); }
int overflow(int depth) {
  volatile char room[512];
  room[0] = (char)depth;
  return overflow(depth + 1) + room[0];
}
void copy(void) { memcpy((char *)8, (char *)8, strlen((char *)24)); }
int call_null(void (*function)(void)) {
  function();
  return 1;
}
void relay(void (*function)(void)) {
  function();
}
`;
const IMPORT = "const { koffi } = await import('./koffi.mjs');\n";

describe.skipIf(!shimIsBuilt)('a fatal signal', () => {
  let built: BuiltPackage;
  beforeAll(() => {
    built = buildPackage();
    const koffi = "import koffi from 'koffi';\nexport { koffi };\n";
    writeFileSync(join(built.folder, 'koffi.mjs'), koffi);
  });
  afterAll(() => built.remove());

  function run(options: object, program: string, cache = 'off') {
    const spec = { name: 'broken', source: SOURCE, flags: ['-g', '-O0'], crashReport: true, ...options };
    const file = join(built.folder, 'program.mjs');
    writeFileSync(
      file,
      `import { loadSourceLibrary } from ${JSON.stringify(built.index)};
      const library = await loadSourceLibrary(${JSON.stringify(spec)});
      ${program}`,
    );
    const env = { ...process.env, FROMSOURCE_CACHE: cache === 'off' ? 'off' : '', FROMSOURCE_CACHE_DIR: cache };
    const { signal, stderr, stdout } = spawnSync(process.execPath, [file], { encoding: 'utf8', env, timeout: 60_000 });
    return { signal, stderr, stdout };
  }
  const call = (prototype: string, ...args: unknown[]) => `library.func('${prototype}')(${args.join(', ')});`;

  describe.each(['orc', 'shared-object'] as const)('on the %s loader', (loader) => {
    test('names library, function, line, stack and the call of JavaScript', () => {
      const { signal, stderr } = run({ loader }, call('int outer(void)'));
      expect(signal).toBe('SIGSEGV');
      expect(stderr.replaceAll(/\+0x[0-9a-f]+/g, '+N')).toBe(`
fromsource: SIGSEGV at address 0x10 in the native code of the library "broken"
  in inner+N (broken.c:4)
  native stack, innermost first:
    #0 inner+N (broken.c:4) in broken
    #1 outer+N (broken.c:7) in broken
  JavaScript called outer of broken
`);
    });

    test('says so of every kind, and the process dies of it', () => {
      const kinds = [
        ['SIGFPE', 'divide', call('int divide(int, int)', 1, 0)],
        ['SIGABRT', 'give_up', call('void give_up(void)')],
        ['SIGILL', 'trap', call('void trap(void)')],
      ] as const;
      for (const [kind, name, program] of kinds) {
        const { signal, stderr } = run({ loader }, program);
        expect([signal, stderr]).toEqual([kind, expect.stringContaining(`fromsource: ${kind}`)]);
        expect(stderr).toMatch(new RegExp(`^  in ${name}\\+0x`, 'm'));
        expect(stderr).toContain(`JavaScript called ${name} of broken`);
      }
    });

    test('is the caller’s of a function of the system', () => {
      const { signal, stderr } = run({ loader }, call('void copy(void)'));
      expect(signal).toBe('SIGSEGV');
      expect(stderr).toMatch(/^ {2}in copy\+0x\w+ \(broken\.c:18\), which called into libc/m);
      expect(stderr).toMatch(/^ {4}#0 libc\S*\+0x/m);
    });

    test('is the caller’s of what is no function', () => {
      const { signal, stderr } = run({ loader }, call('int call_null(void *)', 'null'));
      expect(signal).toBe('SIGSEGV');
      expect(stderr).toMatch(/^ {2}in call_null\+0x\w+ \(broken\.c:20\)/m);
    });

    test('is an overflow of the stack', () => {
      const { signal, stderr } = run({ loader }, call('int overflow(int)', 0));
      expect(signal).toBe('SIGSEGV');
      expect(stderr).toMatch(/^ {2}in overflow\+0x/m);
      expect(stderr).toContain('the stack may have overflown');
    });

    test('without -g has no line', () => {
      const { signal, stderr } = run({ loader, flags: ['-O0'] }, call('int outer(void)'));
      expect(signal).toBe('SIGSEGV');
      expect(stderr).toMatch(/^ {2}in inner\+0x\w+$/m);
    });

    test('in Node, in JavaScript or sent by others says nothing of ours', () => {
      for (const program of ['process.abort();', "process.kill(process.pid, 'SIGSEGV'); setTimeout(() => {}, 5000);"]) {
        const { signal, stderr } = run({ loader }, program);
        expect(signal).toMatch(/^SIG(ABRT|SEGV)$/);
        expect(stderr).not.toContain('fromsource:');
      }
      const callback = `${IMPORT}
        const back = koffi.register(() => process.abort(), koffi.pointer(koffi.proto('void', [])));
        ${call('void relay(void *)', 'koffi.address(back)')}`;
      const { signal, stderr } = run({ loader }, callback);
      expect([signal, stderr.includes('fromsource:')]).toEqual(['SIGABRT', false]);
    });
  });

  test('is reported of a linked image that the cache had', () => {
    const cache = join(built.folder, 'cache');
    const tell = 'console.log(library.loader.reason);';
    expect(run({}, tell, cache).signal).toBeNull();
    const { signal, stderr, stdout } = run({}, `${tell} ${call('int outer(void)')}`, cache);
    expect(stdout).toBe('its linked image is in the cache\n');
    expect(signal).toBe('SIGSEGV');
    expect(stderr).toContain('#1 outer+');
    expect(stderr).toMatch(/^ {2}in inner\+0x\w+ \(broken\.c:4\)$/m);
  });

  test('is reported of the code that a reload brought, and not of a library that did not ask', () => {
    const reloaded = `await library.reload({ source: ${JSON.stringify(`\n${SOURCE}`)} });`;
    expect(run({}, `${reloaded} ${call('int outer(void)')}`).stderr).toContain('broken.c:5');
    const silent = run({ crashReport: false }, call('int outer(void)'));
    expect(silent).toEqual({ signal: 'SIGSEGV', stderr: '', stdout: '' });
  });

  test('is reported of an asynchronous call, of a worker, and of an exception that meets noexcept', () => {
    const later = run({}, 'await library.func("int outer(void)").async(); setTimeout(() => {}, 5000);');
    expect(later.signal).toBe('SIGSEGV');
    expect(later.stderr).toContain('JavaScript called outer of broken');

    const worker = `const { Worker } = await import('node:worker_threads');
      if (process.argv[2] !== 'x') new Worker(new URL(import.meta.url), { argv: ['x'] });
      else ${call('int overflow(int)', 0)}`;
    const thread = run({}, worker);
    expect(thread.signal).toBe('SIGSEGV');
    expect(thread.stderr).toMatch(/^ {2}in overflow\+0x/m);

    const source =
      'namespace geometry { int area(int a) noexcept { throw a; } }\nextern "C" int start(int a) { return geometry::area(a) + 1; }';
    const thrown = run({ source, language: 'c++' }, call('int start(int)', 3));
    expect(thrown.signal).toBe('SIGABRT');
    expect(thrown.stderr).toMatch(
      /, which called into libc[\s\S]*^ {4}#\d+ geometry::area\(int\)\+0x\w+ \(broken\.cpp:1\) in broken$/m,
    );
  });

  test('leaves faults in WebAssembly to V8', () => {
    const bytes =
      '0,97,115,109,1,0,0,0,1,5,1,96,0,1,127,3,2,1,0,5,3,1,0,0,7,5,1,1,102,0,0,10,10,1,8,0,65,128,8,40,2,0,11';
    const program = `
      const { instance } = await WebAssembly.instantiate(new Uint8Array([${bytes}]));
      try { instance.exports.f(); } catch (error) { console.log(error.message); }`;
    expect(run({}, program)).toEqual({ signal: null, stderr: '', stdout: 'memory access out of bounds\n' });
  });

  test('a library that is gone is not looked at', () => {
    const { signal, stderr } = run({}, 'await library.dispose(); process.abort();');
    expect([signal, stderr.includes('fromsource:')]).toEqual(['SIGABRT', false]);
  });
});

import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { LinkError } from '../../src/index.ts';
import { compile } from '../loader/fixtures/objects.ts';
import { holdLoads, LOADERS } from './load.ts';

const ADD = 'int add(int a, int b) { return a + b; }';

describe.each(LOADERS)('objects on the %s loader', (loader) => {
  const loads = holdLoads({ loader });
  const { load, refusal } = loads;

  test.each(['clang-22', 'gcc'] as const)(
    'bytes that %s made are linked, and nothing is compiled',
    async (compiler) => {
      const library = await load({ object: compile(compiler, ADD) });
      expect(library.func('int add(int, int)')(2, 3)).toBe(5);
      expect(library.loader.kind).toBe(loader);
      expect(library.diagnostics).toEqual([]);
    },
  );

  test('the bytes are those at the time of the call', async () => {
    const object = compile('clang-22', ADD);
    const loading = load({ object });
    object.fill(0);
    expect((await loading).func('int add(int, int)')(2, 3)).toBe(5);
  });

  test('a path is read, and read again by a reload', async () => {
    writeFileSync('add.o', compile('clang-22', ADD));
    const library = await load({ object: 'add.o' });
    const add = library.func('int add(int, int)');
    writeFileSync('add.o', compile('clang-22', ADD.replace('+', '*')));
    await library.reload();
    expect(add(2, 3)).toBe(6);
    await expect(library.reload({ source: '' })).rejects.toThrow('`source` does not go with `object`');
  });

  beforeAll(async () => {
    // The first watch opens what stays open: libuv's inotify.
    writeFileSync('first.c', ADD);
    await (await load({ file: 'first.c', watch: true })).dispose();
  });

  test('a watched path is linked anew when it changes', async () => {
    writeFileSync('add.o', compile('clang-22', ADD));
    const library = await load({ object: 'add.o', watch: true });
    const add = library.func('int add(int, int)');
    writeFileSync('add.o', compile('clang-22', ADD.replace('+', '*')));
    for (let tries = 0; tries < 100 && add(2, 3) !== 6; tries += 1) await delay(50);
    expect(add(2, 3)).toBe(6);
  });

  test('several objects refer to each other, from bytes and from paths', async () => {
    writeFileSync('odd.o', compile('gcc', 'int even(int n); int odd(int n) { return n == 0 ? 0 : even(n - 1); }'));
    const even = compile('clang-22', 'int odd(int n); int even(int n) { return n == 0 ? 1 : odd(n - 1); }');
    const library = await load({ object: [even, 'odd.o'] });
    expect([...library.symbols.keys()].sort()).toEqual(['even', 'odd']);
    expect(library.func('int even(int)')(1001)).toBe(0);
    expect(library.func('int odd(int)')(1001)).toBe(1);
  });

  test('objects share what is inline, common, thread-local or hidden, and start in their order', async () => {
    const shared = `
      #include <string>
      #include <vector>
      extern std::vector<std::string> &order();
      inline int &counter() { static int n = 0; return n; }
      extern thread_local int per_thread;
      __attribute__((visibility("hidden"))) int secret();
    `;
    const first = `${shared}
      std::vector<std::string> &order() { static std::vector<std::string> all; return all; }
      static int a = (order().push_back("first"), counter() += 1);
      thread_local int per_thread = 40;
      int secret() { return 2; }
      extern "C" int total() { return counter() * 1000 + per_thread + a - 1; }
    `;
    const second = `${shared}
      static int b = (order().push_back("second"), counter() += 10);
      extern "C" const char *started() { static std::string all; all = order()[0] + " " + order()[1]; return all.c_str(); }
      extern "C" int sum() { per_thread += secret(); return counter() * 1000 + per_thread; }
    `;
    const library = await load({ object: [compile('clang++-22', first), compile('g++', second)] });
    expect(library.func('const char *started(void)')()).toBe('first second');
    expect(library.func('int sum(void)')()).toBe(11042);
    expect(library.func('int total(void)')()).toBe(11042);
    expect([...library.symbols.keys()]).not.toContain('_Z6secretv');
  });

  test('two that define the same name are refused, with the name', async () => {
    const error = await refusal({ name: 'twins', object: [compile('clang-22', ADD), compile('gcc', ADD)] });
    expect(error).toBeInstanceOf(LinkError);
    expect(error.message).toMatch(/^twins: more than one object defines `add`:\n/);
    expect(error.message).not.toContain(loads.sandbox.temporary);
  });

  test('a name that nothing defines is listed', async () => {
    const error = await refusal({
      object: [compile('gcc', 'int nope(void); int f(void) { return nope(); }'), compile('gcc', ADD)],
    });
    expect(error).toMatchObject({ code: 'ERR_LINK', missingSymbols: ['nope'] });
  });

  test('one that needs the C++ runtime gets it', async () => {
    const source = '#include <string>\nextern "C" int length(int n) { return std::to_string(n).size(); }';
    expect((await load({ object: compile('g++', source) })).func('int length(int)')(12345)).toBe(5);
  });

  describe('what is no object of this machine is refused', () => {
    const object = compile('clang-22', ADD);
    const foreign = Buffer.from(object);
    foreign.writeUInt16LE(183, 18);
    test.each([
      ['nothing', Buffer.alloc(0), "bad: the object can't be linked: it is empty"],
      ['text', Buffer.from(ADD.repeat(4)), "bad: the object can't be linked: it is not an ELF file"],
      ['the head of one', object.subarray(0, 40), "bad: the object can't be linked: it is not an ELF file"],
      ['one of arm64', foreign, "bad: the object can't be linked: it is for another machine than x64"],
      ['one of several', [object, Buffer.from('no')], "bad: object[1] can't be linked: it is not an ELF file"],
    ])('%s', async (_, bytes, message) => {
      const error = await refusal({ name: 'bad', object: bytes });
      expect(error).toBeInstanceOf(LinkError);
      expect(error.message).toBe(message);
    });

    test('one for an optimising linker, which is no machine code yet', async () => {
      const slim = await refusal({ name: 'bad', object: compile('gcc', ADD, ['-flto', '-fPIC']) });
      expect(slim.message).toBe(
        "bad: object-0.o can't be linked: it has only the intermediate code of gcc; compile it without `-flto`",
      );
      const bitcode = await refusal({ name: 'bad', object: compile('clang-22', ADD, ['-flto']) });
      expect(bitcode.message).toBe("bad: the object can't be linked: it is LLVM bitcode, not an ELF file");
    });

    test('a file that is not there, or that is a folder', async () => {
      await expect(refusal({ object: 'nope.o' })).resolves.toMatchObject({ code: 'ERR_LINK' });
      await expect(refusal({ object: '.' })).resolves.toMatchObject({ code: 'ERR_LINK' });
    });

    test('one that is cut anywhere is refused or linked, and the process goes on', async () => {
      for (let length = 64; length < object.length; length += 97) {
        expect(await refusal({ object: object.subarray(0, length) }), `${length} bytes`).toBeInstanceOf(LinkError);
      }
    });
  });
});

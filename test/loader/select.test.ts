import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Loads a library in a process of its own, since which loader can be had is found out once per process. */
function loadElsewhere(options: { spec?: object; env?: object; node?: string[]; before?: string }): any {
  const program = `
    ${options.before ?? ''}
    const { loadSourceLibrary } = await import('fromsource');
    try {
      const library = await loadSourceLibrary({ name: 'a', source: 'int one(void) { return 1; }', ...${JSON.stringify(options.spec ?? {})} });
      console.log(JSON.stringify({ one: library.func('int one(void)')(), loader: library.loader }));
    } catch (error) {
      console.log(JSON.stringify({ name: error.name, message: error.message }));
    }`;
  const args = [...(options.node ?? []), '--input-type=module', '-e', program];
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...options.env },
  });
  try {
    return JSON.parse(stdout);
  } catch {
    throw new Error(`the process printed ${stdout} and ${stderr}`);
  }
}

test('orc is chosen where it can be had', () => {
  expect(loadElsewhere({})).toEqual({ one: 1, loader: { kind: 'orc' } });
});

test('functions work where code may not be made from strings', () => {
  expect(loadElsewhere({ node: ['--disallow-code-generation-from-strings'] })).toEqual({
    one: 1,
    loader: { kind: 'orc' },
  });
});

test('it is told that the shared-object loader was asked for', () => {
  expect(loadElsewhere({ spec: { loader: 'shared-object' } })).toEqual({
    one: 1,
    loader: { kind: 'shared-object', reason: 'it was asked for' },
  });
});

test('gcc goes with the shared-object loader, unless orc is asked for', () => {
  expect(loadElsewhere({ spec: { compiler: 'gcc' } })).toEqual({
    one: 1,
    loader: { kind: 'shared-object', reason: 'the compiler is gcc' },
  });
  expect(loadElsewhere({ spec: { compiler: 'gcc', loader: 'orc' } })).toEqual({ one: 1, loader: { kind: 'orc' } });
});

test('a shim that is missing, or is none, is the reason to fall back; asked for, it is an error', () => {
  const env = { FROMSOURCE_ORC_SHIM: '/nonexistent/shim.so' };
  expect(loadElsewhere({ env })).toEqual({
    one: 1,
    loader: {
      kind: 'shared-object',
      reason: 'the loader shim is not built (/nonexistent/shim.so): run `npm run setup`',
    },
  });
  expect(loadElsewhere({ env, spec: { loader: 'orc' } })).toEqual({
    name: 'LinkError',
    message:
      'a: the orc loader was asked for, but the loader shim is not built (/nonexistent/shim.so): run `npm run setup`',
  });
  const other = loadElsewhere({ env: { FROMSOURCE_ORC_SHIM: process.execPath } });
  expect(other.loader.kind).toBe('shared-object');
  expect(other.loader.reason).toMatch(/^the loader shim could not be opened: /);
});

test('where memory may not be made executable, the dynamic linker still may load', () => {
  // PR_SET_MDWE, which systemd's MemoryDenyWriteExecute= sets too: Linux 6.3 and later. V8 needs --jitless under it.
  const before = `
    const { default: koffi } = await import('koffi');
    const prctl = koffi.load(null).func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)');
    if (prctl(65, 1, 0, 0, 0) !== 0) { console.log('{"loader":"not to be had on this kernel"}'); process.exit(); }`;
  const { loader } = loadElsewhere({ before, node: ['--jitless'] });
  if (loader === 'not to be had on this kernel') return;
  expect(loader.kind).toBe('shared-object');
  expect(loader.reason).toMatch(/executable/);
});

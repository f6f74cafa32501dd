import { describe, expect, test, vi } from 'vitest';
import { NameConflictError } from '../src/errors.ts';
import type { ResolvedSpec } from '../src/options.ts';
import { Registry } from '../src/registry.ts';

/** Opens nothing: what is under test is which loads are joined, aborted and forgotten. */
function fake() {
  const opened: { spec: ResolvedSpec; onDispose: () => void; finish: (error?: Error) => void }[] = [];
  class Library {
    readonly dispose = vi.fn(async () => this.onDispose());
    readonly onDispose: () => void;
    constructor(onDispose: () => void) {
      this.onDispose = onDispose;
    }
  }
  const registry = new Registry<Library>((spec, onDispose) => {
    return new Promise((resolve, reject) => {
      spec.signal?.addEventListener('abort', () => reject(spec.signal?.reason));
      const finish = (error?: Error): void => (error ? reject(error) : resolve(new Library(onDispose)));
      opened.push({ spec, onDispose, finish });
    });
  });
  return { opened, registry };
}

const spec = { name: 'vec', source: 'int add(int a, int b) { return a + b; }' };

describe('one name, one library', () => {
  test('64 loads of one spec open one library', async () => {
    const { opened, registry } = fake();
    const loads = Array.from({ length: 64 }, () => registry.load({ ...spec }));
    expect(registry.list()).toEqual([{ name: 'vec', state: 'loading', library: undefined }]);
    opened[0]?.finish();
    const loaded = new Set(await Promise.all(loads));
    expect(loaded.size).toBe(1);
    expect(opened.length).toBe(1);
    expect(await registry.load('vec')).toBe(registry.get('vec'));
    expect(registry.isLoaded('vec')).toBe(true);
  });

  test('another spec under the name is refused, and the message says what differs', async () => {
    const { opened, registry } = fake();
    const first = registry.load({ ...spec, flags: ['-O2'] });
    const second = registry.load({ ...spec, flags: ['-O3'], source: 'int x;', timeout: 5 });
    await expect(second).rejects.toThrow(NameConflictError);
    await expect(second).rejects.toMatchObject({ differences: ['flags', 'timeout', 'source'] });
    await expect(second).rejects.toThrow('`flags` was ["-O2"], now ["-O3"]');
    opened[0]?.finish();
    await first;
    await expect(registry.load({ name: 'vec', file: 'vec.c' })).rejects.toThrow('`file` was nothing, now ');
  });

  test('the signal is not part of what a library is, watching is', async () => {
    const { opened, registry } = fake();
    const first = registry.load(spec);
    const second = registry.load({ ...spec, signal: new AbortController().signal });
    await expect(registry.load({ ...spec, watch: true })).rejects.toMatchObject({ differences: ['watch'] });
    opened[0]?.finish();
    expect(await first).toBe(await second);
  });

  test('64 loads may share a signal without a warning', async () => {
    const { opened, registry } = fake();
    const warning = vi.spyOn(process, 'emitWarning');
    const { signal } = new AbortController();
    const loads = Array.from({ length: 64 }, () => registry.load({ ...spec, signal }));
    opened[0]?.finish();
    await Promise.all(loads);
    await new Promise(setImmediate);
    expect(warning).not.toHaveBeenCalled();
    warning.mockRestore();
  });

  test('a failed load is forgotten, so that the next one tries again', async () => {
    const { opened, registry } = fake();
    const first = registry.load(spec);
    opened[0]?.finish(new Error('no'));
    await expect(first).rejects.toThrow('no');
    expect(registry.list()).toEqual([]);
    const second = registry.load(spec);
    opened[1]?.finish();
    await second;
  });

  test('a disposed library is forgotten, a registered spec is not', async () => {
    const { opened, registry } = fake();
    registry.register(spec);
    expect(registry.list()).toEqual([{ name: 'vec', state: 'registered', library: undefined }]);
    expect(() => registry.register({ ...spec, flags: ['-O1'] })).toThrow(NameConflictError);
    const load = registry.load('vec');
    opened[0]?.finish();
    await (await load).dispose();
    expect(registry.list()).toEqual([{ name: 'vec', state: 'registered', library: undefined }]);
    const again = registry.load('vec');
    opened[1]?.finish();
    const library = await again;
    await registry.dispose('vec');
    expect(library.dispose).toHaveBeenCalledOnce();
    expect(registry.list()).toEqual([]);
    await expect(registry.load('vec')).rejects.toMatchObject({ code: 'ERR_NOT_REGISTERED' });
  });
});

describe('aborting', () => {
  test('one waiter that gives up leaves the load to the others', async () => {
    const { opened, registry } = fake();
    const abort = new AbortController();
    const first = registry.load({ ...spec, signal: abort.signal });
    const second = registry.load(spec);
    abort.abort(new Error('mine'));
    await expect(first).rejects.toThrow('mine');
    opened[0]?.finish();
    expect(await second).toBe(registry.get('vec'));
  });

  test('the load is aborted when its last waiter gives up, and a caller who comes then starts anew', async () => {
    const { opened, registry } = fake();
    const aborts = [new AbortController(), new AbortController()];
    const loads = aborts.map((abort) => registry.load({ ...spec, signal: abort.signal }));
    aborts[0]?.abort(new Error('first'));
    expect(opened[0]?.spec.signal?.aborted).toBe(false);
    aborts[1]?.abort(new Error('second'));
    expect(opened[0]?.spec.signal?.aborted).toBe(true);
    const fresh = registry.load(spec);
    await expect(loads[0]).rejects.toThrow('first');
    await expect(loads[1]).rejects.toThrow('second');
    opened[1]?.finish();
    expect(await fresh).toBe(registry.get('vec'));
    expect(registry.isLoaded('vec')).toBe(true);
  });

  test('a signal that has aborted already opens nothing', async () => {
    const { opened, registry } = fake();
    await expect(registry.load({ ...spec, signal: AbortSignal.abort() })).rejects.toThrow('aborted');
    expect([opened.length, registry.list().length]).toEqual([0, 0]);
  });

  test('disposing everything aborts what is loading and disposes what is loaded', async () => {
    const { opened, registry } = fake();
    const loaded = registry.load(spec);
    opened[0]?.finish();
    const library = await loaded;
    const loading = registry.load({ ...spec, name: 'other' });
    await registry.dispose();
    expect(library.dispose).toHaveBeenCalledOnce();
    await expect(loading).rejects.toThrow('aborted');
    expect(registry.list()).toEqual([]);
  });
});

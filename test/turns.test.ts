import { expect, test } from 'vitest';
import { Turns } from '../src/turns.ts';

/** With its queue loaded, which the first task does. */
async function makeTurns(places: number): Promise<Turns> {
  const turns = new Turns(places);
  await turns.take(undefined, async () => {});
  return turns;
}

/** A task that runs until it is told to end, and says when it has begun. */
function makeTask(name: string, begun: string[]) {
  const { promise, resolve, reject } = withResolvers<string>();
  const run = () => {
    begun.push(name);
    return promise;
  };
  return { run, end: () => resolve(name), fail: (error: Error) => reject(error) };
}

function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((...both) => {
    [resolve, reject] = both;
  });
  return { promise, resolve, reject };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test('as many tasks run as there are places, the others in the order of their coming', async () => {
  const turns = await makeTurns(2);
  const begun: string[] = [];
  const tasks = ['a', 'b', 'c', 'd'].map((name) => makeTask(name, begun));
  const results = tasks.map(({ run }) => turns.take(undefined, run));
  await settle();
  expect(begun).toEqual(['a', 'b']);
  tasks[1]?.end();
  await settle();
  expect(begun).toEqual(['a', 'b', 'c']);
  for (const { end } of tasks) end();
  expect(await Promise.all(results)).toEqual(['a', 'b', 'c', 'd']);
});

test('a task that fails, also before its first await, gives its place on', async () => {
  const turns = await makeTurns(1);
  const begun: string[] = [];
  const first = makeTask('a', begun);
  const failed = turns.take(undefined, first.run);
  const thrown = turns.take(undefined, () => {
    throw new Error('at once');
  });
  const last = turns.take(undefined, async () => 'last');
  first.fail(new Error('later'));
  await expect(failed).rejects.toThrow('later');
  await expect(thrown).rejects.toThrow('at once');
  expect(await last).toBe('last');
});

test('a task that comes as another ends does not overtake those that wait', async () => {
  const turns = await makeTurns(1);
  const begun: string[] = [];
  const first = makeTask('a', begun);
  const late = turns.take(undefined, first.run).then(() => turns.take(undefined, async () => begun.push('late')));
  const waiting = turns.take(undefined, async () => begun.push('waiting'));
  first.end();
  await Promise.all([late, waiting]);
  expect(begun).toEqual(['a', 'waiting', 'late']);
});

test('one that waits leaves as soon as its signal aborts, and one that runs keeps its place', async () => {
  const turns = await makeTurns(1);
  const begun: string[] = [];
  const first = makeTask('a', begun);
  const controller = new AbortController();
  const running = turns.take(controller.signal, first.run);
  const waiting = turns.take(controller.signal, async () => begun.push('b'));
  const next = turns.take(undefined, async () => begun.push('c'));
  await settle();
  controller.abort(new Error('no more'));
  await expect(waiting).rejects.toThrow('no more');
  await expect(turns.take(controller.signal, async () => begun.push('d'))).rejects.toThrow('no more');
  expect(begun).toEqual(['a']);
  first.end();
  expect(await running).toBe('a');
  await next;
  expect(begun).toEqual(['a', 'c']);
});

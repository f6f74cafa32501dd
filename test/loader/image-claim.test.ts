import { linkSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { LoadedImage } from '../../src/loader/loader.ts';
import { openLinkedImage } from '../../src/loader/open-image.ts';
import { fn, folder, keep, open } from './fixtures/images.ts';
import { compile, runImages } from './fixtures/objects.ts';

describe('one library at a time has an image', () => {
  const COUNTER = 'static int n; int next(void) { return ++n; }';

  test('whoever comes second gets null, by whatever path; after the first is disposed the image starts afresh', async () => {
    const kept = await keep(compile('clang-22', COUNTER));
    const [link, twin] = [join(folder, 'symbolic.so'), join(folder, 'twin.so')];
    symlinkSync(kept.path, link);
    linkSync(kept.path, twin);
    const first = open(kept);
    const next = fn(first, 'next');
    expect([next(), next()]).toEqual([1, 2]);
    for (const path of [kept.path, link, twin]) {
      for (let times = 0; times < 3; times += 1) expect(openLinkedImage('lib', path, kept.layout)).toBeNull();
    }
    expect(next()).toBe(3);
    await first.dispose();
    await first.dispose();
    for (const path of [kept.path, link, twin]) {
      const again = open({ ...kept, path });
      expect(fn(again, 'next')()).toBe(1);
      await again.dispose();
    }
  });

  test('one that can not be unmapped stays claimed', async () => {
    const unique = `
      inline int &counter() { static int n = 0; return n; }
      extern "C" int next() { return ++counter(); }`;
    const kept = await keep(compile('g++', unique), 'c++', 'g++');
    const first = open(kept);
    expect(fn(first, 'next')()).toBe(1);
    await first.dispose();
    expect(openLinkedImage('lib', kept.path, kept.layout)).toBeNull();
  });

  test('of workers that open an image at once, one gets it', async () => {
    const kept = await keep(compile('clang-22', COUNTER));
    const { stdout, stderr } = runImages(`
      const code = \`
        import { parentPort, workerData } from 'node:worker_threads';
        const { openLinkedImage } = await import(workerData.module);
        const { path, layout, gate } = workerData;
        parentPort.postMessage('ready');
        Atomics.wait(new Int32Array(gate), 0, 0);
        let got = 0;
        const images = [];
        for (let times = 0; times < 50; times++) { const image = openLinkedImage('lib', path, layout); if (image) { got++; images.push(image); } }
        parentPort.postMessage(got);
        parentPort.on('message', async () => { for (const image of images) await image.dispose(); process.exit(); });
      \`;
      let total = [];
      for (let round = 0; round < 5; round++) {
        const gate = new SharedArrayBuffer(4);
        const workers = Array.from({ length: 6 }, () => new Worker(new URL('data:text/javascript,' + encodeURIComponent(code)),
          { workerData: { ...${JSON.stringify(kept)}, gate, module } }));
        const next = (worker) => new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject); });
        await Promise.all(workers.map(next));
        const counts = workers.map(next);
        Atomics.store(new Int32Array(gate), 0, 1);
        Atomics.notify(new Int32Array(gate), 0);
        total.push((await Promise.all(counts)).reduce((sum, count) => sum + count));
        await Promise.all(workers.map((worker) => new Promise((resolve) => { worker.once('exit', resolve); worker.postMessage('end'); })));
      }
      console.log(JSON.stringify(total));`);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual([1, 1, 1, 1, 1]);
  });

  test('a thousand rounds leave no map behind', async () => {
    const kept = await keep(compile('clang-22', COUNTER));
    const maps = () => readFileSync('/proc/self/maps', 'utf8').split('\n').length;
    const before = maps();
    for (let round = 0; round < 1000; round += 1) {
      const image = openLinkedImage('lib', kept.path, kept.layout) as LoadedImage;
      expect(fn(image, 'next')()).toBe(1);
      await image.dispose();
    }
    // V8's own come and go by dozens.
    expect(maps() - before).toBeLessThan(250);
  });
});

import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SourceLibrary } from '../../src/index.ts';
import { describeSamples } from './describe-samples.ts';

const RADIUS = 0.5;
/** Metres that what rests may go into what is below it: Jolt allows 0.02 of one contact, and more under a weight. */
const DEPTH = 0.05;

function bindings(jolt: SourceLibrary) {
  return {
    start: jolt.func('void jolt_start(int *ended)'),
    stop: jolt.func('void jolt_stop(void)'),
    create: jolt.func('World *jolt_create(int threads)'),
    destroy: jolt.func('void jolt_destroy(World *world)'),
    concurrency: jolt.func('int jolt_threads(World *world)'),
    contacts: jolt.func('int jolt_contacts(World *world)'),
    active: jolt.func('int jolt_active(World *world)'),
    addSphere: jolt.func('uint32_t jolt_add_sphere(World *world, float radius, double x, double y, double z)'),
    step: jolt.func('uint32_t jolt_step(World *world, int steps)'),
    position: jolt.func('void jolt_position(World *world, uint32_t sphere, double *out)'),
    jobThreads: jolt.func('int jolt_job_threads(World *world, int count)'),
    threadsSeen: jolt.func('int jolt_threads_seen(void)'),
    threadsGone: jolt.func('int jolt_threads_gone(void)'),
  };
}

const threadsOfProcess = (): number => readdirSync('/proc/self/task').length;

describeSamples(['jolt'], (load) => {
  let library: SourceLibrary;
  let jolt: ReturnType<typeof bindings>;
  // Outlives the library: koffi passes a typed array's own memory.
  const ended = new Int32Array(1);

  beforeAll(async () => {
    library = await load('jolt');
    jolt = bindings(library);
    jolt.start(ended);
  }, 900_000);
  afterAll(async () => {
    jolt.stop();
    expect(ended[0]).toBe(0);
    await library.dispose();
    expect(ended[0]).toBe(1);
  });

  function withWorld<T>(threads: number, use: (world: bigint) => T): T {
    const before = threadsOfProcess();
    const world = jolt.create(threads) ?? 0n;
    try {
      expect(jolt.concurrency(world)).toBe(threads + 1);
      expect(threadsOfProcess()).toBe(before + threads);
      return use(world);
    } finally {
      jolt.destroy(world);
      expect(threadsOfProcess()).toBe(before);
    }
  }

  function positionOf(world: bigint, sphere: number): Float64Array {
    const out = new Float64Array(3);
    jolt.position(world, sphere, out);
    return out;
  }

  test('lets a sphere fall as gravity says, and come to rest on the floor', () => {
    withWorld(1, (world) => {
      const sphere = jolt.addSphere(world, RADIUS, 3, 20, -4);
      expect(jolt.step(world, 60)).toBe(0);
      const [, afterOneSecond = 0] = positionOf(world, sphere);
      // It falls by g t² / 2, with some drag, and by half a step more: velocities come first in each.
      expect(20 - afterOneSecond).toBeGreaterThan(0.95 * (9.81 / 2));
      expect(20 - afterOneSecond).toBeLessThan(1.03 * (9.81 / 2));
      expect([jolt.contacts(world), jolt.active(world)]).toEqual([0, 1]);

      expect(jolt.step(world, 600)).toBe(0);
      const [x, y = 0, z] = positionOf(world, sphere);
      expect(x).toBeCloseTo(3, 3);
      expect(z).toBeCloseTo(-4, 3);
      expect(Math.abs(y - RADIUS)).toBeLessThan(DEPTH);
      expect(jolt.contacts(world)).toBeGreaterThan(0);
      // It sleeps.
      expect(jolt.active(world)).toBe(0);
    });
  });

  test('comes to the very same result on any number of threads', () => {
    const run = (threads: number) =>
      withWorld(threads, (world) => {
        const spheres = Array.from({ length: 300 }, (_, n) =>
          jolt.addSphere(world, RADIUS, (n % 5) * 0.9, 1 + Math.floor(n / 25) * 1.1, (Math.floor(n / 5) % 5) * 0.9),
        );
        expect(jolt.step(world, 180)).toBe(0);
        return spheres.map((sphere) => [...positionOf(world, sphere)]);
      });
    const alone = run(0);
    for (const [, y = 0] of alone) expect(y).toBeGreaterThan(RADIUS - DEPTH);
    expect(run(1)).toEqual(alone);
    expect(run(4)).toEqual(alone);
  });

  test('runs jobs on threads of its own, each with its thread-local variable, which ends with it', () => {
    const [seen, gone] = [jolt.threadsSeen(), jolt.threadsGone()];
    const others = withWorld(3, (world) => jolt.jobThreads(world, 200));
    expect(others).toBeGreaterThan(0);
    expect(others).toBeLessThanOrEqual(3);
    expect([jolt.threadsSeen() - seen, jolt.threadsGone() - gone]).toEqual([others, others]);
  });

  test('steps on a worker thread while the event loop goes on', async () => {
    const world = jolt.create(1) ?? 0n;
    const spheres = Array.from({ length: 200 }, (_, n) => jolt.addSphere(world, RADIUS, 0, 1 + n, 0.01 * (n % 7)));
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 1);
    expect(await jolt.step.async(world, 120)).toBe(0);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
    for (const sphere of spheres) expect(positionOf(world, sphere)[1]).toBeGreaterThan(0);
    jolt.destroy(world);
  });
});

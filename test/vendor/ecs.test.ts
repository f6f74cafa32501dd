import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import type { SourceLibrary } from '../../src/index.ts';
import { describeSamples } from './describe-samples.ts';

function bindings(ecs: SourceLibrary) {
  return {
    createWorld: ecs.func('ecs_world *ecs_world_create(void)'),
    destroyWorld: ecs.func('void ecs_world_destroy(ecs_world *world)'),
    component: ecs.func('int32_t ecs_component(ecs_world *world, const char *name, uint32_t size)'),
    componentName: ecs.func('const char *ecs_component_name(const ecs_world *world, int32_t component)'),
    create: ecs.func('uint64_t ecs_create(ecs_world *world)'),
    createMany: ecs.func(
      'uint32_t ecs_create_many(ecs_world *world, const int32_t *components, uint32_t n, uint32_t count, uint64_t *out)',
    ),
    destroy: ecs.func('bool ecs_destroy(ecs_world *world, uint64_t entity)'),
    alive: ecs.func('bool ecs_alive(const ecs_world *world, uint64_t entity)'),
    count: ecs.func('uint32_t ecs_count(const ecs_world *world)'),
    set: ecs.func('bool ecs_set(ecs_world *world, uint64_t entity, int32_t component, const void *value)'),
    get: ecs.func('bool ecs_get(const ecs_world *world, uint64_t entity, int32_t component, void *out)'),
    has: ecs.func('bool ecs_has(const ecs_world *world, uint64_t entity, int32_t component)'),
    remove: ecs.func('bool ecs_remove(ecs_world *world, uint64_t entity, int32_t component)'),
    collect: ecs.func(
      'uint32_t ecs_collect(ecs_world *world, const int32_t *components, uint32_t n, uint64_t *out, uint32_t capacity)',
    ),
    createQuery: ecs.func('ecs_query *ecs_query_create(ecs_world *world, const int32_t *components, uint32_t n)'),
    next: ecs.func('uint32_t ecs_query_next(ecs_query *query)'),
    read: ecs.func('bool ecs_query_read(const ecs_query *query, int32_t component, void *out)'),
    disposeQuery: ecs.func('void ecs_query_dispose(ecs_query *query)'),
    movement: ecs.func(
      'uint64_t ecs_movement(ecs_world *world, int32_t position, int32_t velocity, float dt, uint32_t steps)',
    ),
  };
}

const UNKNOWN = 0xdead_beef_0000_0001n;

describeSamples(['ecs'], (load) => {
  let ecs: ReturnType<typeof bindings>;
  beforeAll(async () => {
    ecs = bindings(await load('ecs'));
  });

  /** Runs with a world that is gone afterwards, whatever happens. */
  function withWorld(use: (world: bigint) => void): void {
    const world = ecs.createWorld() ?? 0n;
    try {
      use(world);
    } finally {
      ecs.destroyWorld(world);
    }
  }

  test('knows a component by its name, and refuses it with another size', () => {
    withWorld((world) => {
      expect(ecs.component(world, 'position', 8)).toBe(0);
      expect(ecs.component(world, 'velocity', 8)).toBe(1);
      expect(ecs.component(world, 'position', 8)).toBe(0);
      expect(ecs.component(world, 'position', 12)).toBe(-1);
      expect(ecs.component(world, '', 4)).toBe(-1);
      expect(ecs.component(world, 'x'.repeat(32), 4)).toBe(-1);
      expect(ecs.componentName(world, 1)).toBe('velocity');
      expect(ecs.componentName(world, 2)).toBeNull();
      for (let i = 2; i < 64; i++) expect(ecs.component(world, `c${i}`, 1)).toBe(i);
      expect(ecs.component(world, 'one too many', 1)).toBe(-1);
    });
  });

  test('never takes a dead entity for the one that reuses its place', () => {
    withWorld((world) => {
      const first = ecs.create(world);
      expect(ecs.destroy(world, first)).toBe(true);
      const second = ecs.create(world);
      expect(BigInt(second) & 0xffff_ffffn).toBe(BigInt(first) & 0xffff_ffffn);
      expect(second).not.toBe(first);
      expect([ecs.alive(world, first), ecs.alive(world, second), ecs.alive(world, 0)]).toEqual([false, true, false]);
      expect(ecs.destroy(world, first)).toBe(false);
      expect(ecs.set(world, first, 0, null)).toBe(false);
      expect(ecs.count(world)).toBe(1);
    });
  });

  test('does what a map of maps does, for any sequence of operations', () => {
    const sizes = [8, 4, 0, 1, 24];
    const slot = fc.nat(11);
    const component = fc.nat(sizes.length - 1);
    const operation = fc.oneof(
      fc.record({ kind: fc.constantFrom('create', 'destroy'), slot, component, seed: fc.nat(255) }),
      fc.record({ kind: fc.constantFrom('set', 'set', 'remove'), slot, component, seed: fc.nat(255) }),
    );
    const bytes = (size: number, seed: number) => Buffer.from(Array.from({ length: size }, (_, i) => seed ^ i));

    fc.assert(
      fc.property(fc.array(operation, { maxLength: 120 }), (operations) =>
        withWorld((world) => {
          sizes.forEach((size, index) => {
            ecs.component(world, `c${index}`, size);
          });
          const entities = new Map<number, { id: number | bigint; values: Map<number, Buffer> }>();
          for (const { kind, slot, component, seed } of operations) {
            const entity = entities.get(slot);
            const id = entity?.id ?? UNKNOWN;
            const value = bytes(sizes[component] ?? 0, seed);
            if (kind === 'create' && entity === undefined) {
              entities.set(slot, { id: ecs.create(world), values: new Map() });
            } else if (kind === 'destroy') {
              expect(ecs.destroy(world, id)).toBe(entity !== undefined);
              entities.delete(slot);
            } else if (kind === 'set') {
              expect(ecs.set(world, id, component, value)).toBe(entity !== undefined);
              entity?.values.set(component, value);
            } else if (kind === 'remove') {
              expect(ecs.remove(world, id, component)).toBe(entity?.values.delete(component) ?? false);
            }
          }

          expect(ecs.count(world)).toBe(entities.size);
          for (const { id, values } of entities.values()) {
            sizes.forEach((size, index) => {
              const out = Buffer.alloc(size);
              expect(ecs.get(world, id, index, out)).toBe(values.has(index));
              if (values.has(index)) expect(out).toEqual(values.get(index));
            });
          }
          for (const wanted of [[0], [0, 1], [1, 2, 4], []]) {
            const out = new BigUint64Array(12);
            const found = ecs.collect(world, Int32Array.from(wanted), wanted.length, out, out.length);
            const matching = [...entities.values()].filter(({ values }) => wanted.every((each) => values.has(each)));
            expect(new Set(out.subarray(0, found))).toEqual(new Set(matching.map(({ id }) => BigInt(id))));
          }
        }),
      ),
      { numRuns: 150 },
    );
  });

  test('walks a query table by table, and refuses structural changes meanwhile', () => {
    withWorld((world) => {
      const [a, b] = [ecs.component(world, 'a', 4), ecs.component(world, 'b', 4)];
      ecs.createMany(world, Int32Array.of(a), 1, 3, null);
      ecs.createMany(world, Int32Array.of(a, b), 2, 2, null);
      ecs.createMany(world, Int32Array.of(b), 1, 5, null);
      const query = ecs.createQuery(world, Int32Array.of(a), 1);
      expect(ecs.create(world)).toBe(0);
      const counts: number[] = [];
      for (let count = ecs.next(query); count > 0; count = ecs.next(query)) {
        counts.push(count);
        const column = new Int32Array(count).fill(-1);
        expect(ecs.read(query, a, column)).toBe(true);
        expect(column).toEqual(new Int32Array(count));
      }
      expect(counts).toEqual([3, 2]);
      expect(ecs.next(query)).toBe(0);
      expect(ecs.read(query, a, new Int32Array(9))).toBe(false);
      ecs.disposeQuery(query);
      expect(ecs.create(world)).not.toBe(0);
      expect(ecs.createQuery(world, Int32Array.of(99), 1)).toBeNull();
    });
  });

  test('moves a hundred thousand entities ten times, to where arithmetic says', () => {
    withWorld((world) => {
      const ids = Int32Array.of(ecs.component(world, 'position', 8), ecs.component(world, 'velocity', 8));
      const [position, velocity] = ids as unknown as [number, number];
      const count = 100_000;
      const entities = new BigUint64Array(count);
      expect(ecs.createMany(world, ids, 2, count, entities)).toBe(count);
      // Still ones: a query must leave them alone.
      ecs.createMany(world, ids.subarray(0, 1), 1, 1000, null);
      entities.forEach((entity, i) => {
        ecs.set(world, entity, velocity, Float32Array.of(i % 100, -1));
      });
      expect(ecs.movement(world, position, velocity, 0.5, 10)).toBe(count * 10);
      const out = new Float32Array(2);
      for (let i = 0; i < count; i += 997) {
        ecs.get(world, entities[i] as bigint, position, out);
        expect([...out]).toEqual([(i % 100) * 5, -5]);
      }
      expect(ecs.movement(world, position, position, 0.5, 1)).toBe(0);
    });
  });
});

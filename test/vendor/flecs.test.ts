import { expect, test } from 'vitest';
import { describeSamples } from './describe-samples.ts';

const ENTITIES = 100_000;

describeSamples(['flecs'], (load) => {
  test('makes a world, gives entities names and components, and ends it', async () => {
    const flecs = await load('flecs');
    const world = flecs.func('ecs_world_t *ecs_init(void)')();
    const create = flecs.func('uint64_t ecs_new(ecs_world_t *world)');
    const setName = flecs.func('uint64_t ecs_set_name(ecs_world_t *world, uint64_t entity, const char *name)');
    const getName = flecs.func('const char *ecs_get_name(const ecs_world_t *world, uint64_t entity)');
    const lookup = flecs.func('uint64_t ecs_lookup(const ecs_world_t *world, const char *path)');
    const addId = flecs.func('void ecs_add_id(ecs_world_t *world, uint64_t entity, uint64_t component)');
    const hasId = flecs.func('bool ecs_has_id(const ecs_world_t *world, uint64_t entity, uint64_t component)');
    const destroy = flecs.func('void ecs_delete(ecs_world_t *world, uint64_t entity)');
    const isAlive = flecs.func('bool ecs_is_alive(const ecs_world_t *world, uint64_t entity)');

    const [ship, fast] = [create(world), create(world)];
    setName(world, ship, 'Ship');
    expect(getName(world, ship)).toBe('Ship');
    expect(lookup(world, 'Ship')).toBe(ship);
    addId(world, ship, fast);
    expect([hasId(world, ship, fast), hasId(world, fast, ship)]).toEqual([true, false]);
    destroy(world, ship);
    expect([isAlive(world, ship), isAlive(world, fast)]).toEqual([false, true]);
    expect(flecs.func('int ecs_fini(ecs_world_t *world)')(world)).toBe(0);
  });

  test.each([1, 2])('runs a system over 100,000 entities on %i threads', async (threads) => {
    const flecs = await load('flecs');
    const world = flecs.func('ecs_world_t *ecs_init(void)')();
    const progress = flecs.func('bool ecs_progress(ecs_world_t *world, float seconds)');
    const positionsOf = flecs.func(
      'void glue_positions(const ecs_world_t *world, const uint64_t *entities, int32_t count, double *out)',
    );
    flecs.func('void ecs_set_threads(ecs_world_t *world, int32_t threads)')(world, threads);
    flecs.func('void glue_define(ecs_world_t *world)')(world);
    const entities = new BigUint64Array(ENTITIES);
    flecs.func('void glue_fill(ecs_world_t *world, uint64_t *entities, int32_t count)')(world, entities, ENTITIES);
    expect(new Set(entities).size).toBe(ENTITIES);

    for (let step = 0; step < 10; step += 1) expect(progress(world, 0.5)).toBe(true);

    const positions = new Float64Array(2 * ENTITIES);
    positionsOf(world, entities, ENTITIES, positions);
    const expected = Float64Array.from({ length: 2 * ENTITIES }, (_, index) => {
      const n = index >> 1;
      const seconds = n % 2 === 0 ? 5 : 0;
      return index % 2 === 0 ? n + seconds : n * seconds;
    });
    expect(Buffer.from(positions.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
    expect(flecs.func('int ecs_fini(ecs_world_t *world)')(world)).toBe(0);
  });
});

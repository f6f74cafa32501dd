import { expect, test } from 'vitest';
import { describeSamples } from './describe-samples.ts';

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
});

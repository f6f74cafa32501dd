/** The entity-component store moves a hundred thousand entities, ten steps: a million updates. */

import type { SourceLibrary } from 'fromsource';
import { formatCount, formatMs, printStory } from './screen.ts';

const ENTITIES = 100_000;
const STEPS = 10;
const DT = 0.5;

/** Tells the story. Throws when an entity is not where arithmetic says. */
export function tellMovement(ecs: SourceLibrary): void {
  const world = ecs.func('ecs_world *ecs_world_create(void)')();
  const component = ecs.func('int32_t ecs_component(ecs_world *world, const char *name, uint32_t size)');
  const ids = Int32Array.of(component(world, 'position', 8), component(world, 'velocity', 8));
  const [position = 0, velocity = 0] = ids;
  const createMany = ecs.func(
    'uint32_t ecs_create_many(ecs_world *world, const int32_t *components, uint32_t n, uint32_t count, uint64_t *out)',
  );
  const set = ecs.func('bool ecs_set(ecs_world *world, uint64_t entity, int32_t component, const void *value)');
  const entities = new BigUint64Array(ENTITIES);
  createMany(world, ids, 2, ENTITIES, entities);
  const value = new Float32Array(2);
  entities.forEach((entity, i) => {
    value[0] = i % 64;
    value[1] = -(i % 7);
    set(world, entity, velocity, value);
  });

  const move = ecs.func(
    'uint64_t ecs_movement(ecs_world *world, int32_t position, int32_t velocity, float dt, uint32_t n)',
  );
  const started = performance.now();
  const updates = Number(move(world, position, velocity, DT, STEPS));
  const took = performance.now() - started;

  const query = ecs.func('ecs_query *ecs_query_create(ecs_world *world, const int32_t *components, uint32_t n)')(
    world,
    ids,
    2,
  );
  const count = ecs.func('uint32_t ecs_query_next(ecs_query *query)')(query);
  const moved = new Float32Array(count * 2);
  ecs.func('bool ecs_query_read(const ecs_query *query, int32_t component, void *out)')(query, position, moved);
  ecs.func('void ecs_query_dispose(ecs_query *query)')(query);
  ecs.func('void ecs_world_destroy(ecs_world *world)')(world);

  // Exact: halves of small whole numbers have no rounding in a float.
  const right = entities.every(
    (_, i) => moved[i * 2] === (i % 64) * DT * STEPS && moved[i * 2 + 1] === -(i % 7) * DT * STEPS,
  );
  if (updates !== ENTITIES * STEPS || !right) throw new Error('an entity is not where its velocity takes it');
  const perSecond = formatCount(updates / (took / 1000) / 1e6);
  printStory('ecs', [
    `${formatCount(ENTITIES)} entities, ${STEPS} steps: ${formatCount(updates)} updates in ${formatMs(took)}, ${perSecond} million a second`,
    'every entity is where its velocity takes it',
  ]);
}

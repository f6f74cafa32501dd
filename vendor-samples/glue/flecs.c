// A flecs system in C, as a program would have it. What is a macro or has a
// structure in flecs' API is done here; the rest is called from JavaScript.

#include <flecs.h>

typedef struct {
  double x, y;
} Position;

typedef struct {
  double x, y;
} Velocity;

static ECS_COMPONENT_DECLARE(Position);
static ECS_COMPONENT_DECLARE(Velocity);

static void move(ecs_iter_t *it) {
  Position *position = ecs_field(it, Position, 0);
  const Velocity *velocity = ecs_field(it, Velocity, 1);
  for (int i = 0; i < it->count; i++) {
    position[i].x += velocity[i].x * it->delta_time;
    position[i].y += velocity[i].y * it->delta_time;
  }
}

// Declares the components, and a system over both that may run on several
// threads.
void glue_define(ecs_world_t *world) {
  ECS_COMPONENT_DEFINE(world, Position);
  ECS_COMPONENT_DEFINE(world, Velocity);
  ecs_system(world, {.entity = ecs_entity(
                         world, {.name = "move",
                                 .add = ecs_ids(ecs_dependson(EcsOnUpdate))}),
                     .query.terms = {{.id = ecs_id(Position)},
                                     {.id = ecs_id(Velocity), .inout = EcsIn}},
                     .callback = move,
                     .multi_threaded = true});
}

// Makes `count` entities at (n, 0) of which every second one moves, by (1, n).
// Writes them to `entities`.
void glue_fill(ecs_world_t *world, uint64_t *entities, int32_t count) {
  for (int32_t n = 0; n < count; n++) {
    entities[n] = ecs_new(world);
    ecs_set(world, entities[n], Position, {n, 0});
    if (n % 2 == 0)
      ecs_set(world, entities[n], Velocity, {1, n});
  }
}

// Writes x and y of each entity to `out`.
void glue_positions(const ecs_world_t *world, const uint64_t *entities,
                    int32_t count, double *out) {
  for (int32_t n = 0; n < count; n++) {
    const Position *position = ecs_get(world, entities[n], Position);
    out[2 * n] = position->x;
    out[2 * n + 1] = position->y;
  }
}

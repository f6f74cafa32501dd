// ecs.h: a small archetype entity-component store. Copyright (c) 2026 the
// fromsource authors, MIT licence.
//
// Entities that carry the same set of components live in one table, with one
// contiguous column per component, so a system walks plain arrays:
//
//   ecs_world *world = ecs_world_create();
//   int32_t position = ecs_component(world, "position", sizeof(ecs_vec2));
//   int32_t velocity = ecs_component(world, "velocity", sizeof(ecs_vec2));
//   ecs_entity ship = ecs_create(world);
//   ecs_set(world, ship, position, &(ecs_vec2){0, 0});
//   ecs_set(world, ship, velocity, &(ecs_vec2){1, 2});
//   ecs_movement(world, position, velocity, 0.5f, 1);
//
// Ownership: the world owns all storage. Values are copied in and out; a
// pointer into a column stays valid until the next structural change (create,
// destroy, add, remove). While a query is open structural changes are refused.
// Threads: a world belongs to one thread at a time.
// Failure: functions return 0, false, -1 or NULL for a dead entity, an unknown
// component, or memory that ran out, and leave the world as it was.
#ifndef FROMSOURCE_ECS_H
#define FROMSOURCE_ECS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { ECS_MAX_COMPONENTS = 64 };

typedef struct ecs_world ecs_world;
typedef struct ecs_query ecs_query;

/// `generation << 32 | index`. 0 is never an entity; an index is reused with
/// the next generation.
typedef uint64_t ecs_entity;

/// The component type that `ecs_movement` expects in both its columns.
typedef struct ecs_vec2 {
  float x, y;
} ecs_vec2;

/// Called once per matching table. `columns[i]` holds `count` values of the
/// i-th component asked for (NULL for a component of size 0).
typedef void (*ecs_system)(void *const *columns, const ecs_entity *entities,
                           uint32_t count, void *context);

/// NULL when memory ran out. The caller owns the world.
ecs_world *ecs_world_create(void);
/// Frees the world and all in it. NULL is allowed. Open queries must have been
/// disposed.
void ecs_world_destroy(ecs_world *world);

/// Registers a component of `size` bytes (0 makes a tag) and returns its id, or
/// -1. A name that is known already gives the same id when the size is the
/// same, else -1. The name is copied.
int32_t ecs_component(ecs_world *world, const char *name, uint32_t size);
/// The name given to `ecs_component`, owned by the world, or NULL.
const char *ecs_component_name(const ecs_world *world, int32_t component);

ecs_entity ecs_create(ecs_world *world);
/// Creates `count` entities that carry `components` with zeroed values; ids go
/// to `out` unless it is NULL. Returns how many were created: `count`, or 0.
uint32_t ecs_create_many(ecs_world *world, const int32_t *components,
                         uint32_t component_count, uint32_t count,
                         ecs_entity *out);
bool ecs_destroy(ecs_world *world, ecs_entity entity);
bool ecs_alive(const ecs_world *world, ecs_entity entity);
/// How many entities are alive.
uint32_t ecs_count(const ecs_world *world);

/// Adds the component where it is absent, then copies the value in. A NULL
/// value zeroes it.
bool ecs_set(ecs_world *world, ecs_entity entity, int32_t component,
             const void *value);
/// Copies the value to `out`; false, with `out` untouched, when the entity does
/// not carry it.
bool ecs_get(const ecs_world *world, ecs_entity entity, int32_t component,
             void *out);
/// The value in place, or NULL when it is absent or of size 0.
void *ecs_at(const ecs_world *world, ecs_entity entity, int32_t component);
bool ecs_has(const ecs_world *world, ecs_entity entity, int32_t component);
/// False when the entity did not carry it.
bool ecs_remove(ecs_world *world, ecs_entity entity, int32_t component);

/// Opens a query over entities that carry all of `components`. NULL for an
/// unknown component. The caller disposes it.
ecs_query *ecs_query_create(ecs_world *world, const int32_t *components,
                            uint32_t component_count);
/// Moves on to the next matching table and returns its number of entities; 0 at
/// the end.
uint32_t ecs_query_next(ecs_query *query);
/// The entities of the current table, owned by the world.
const ecs_entity *ecs_query_entities(const ecs_query *query);
/// The column of a component in the current table, or NULL.
void *ecs_query_column(const ecs_query *query, int32_t component);
/// Copies the column of a component in the current table to `out`, which holds
/// `ecs_query_next`'s result times the component's size. False when the table
/// has no such column.
bool ecs_query_read(const ecs_query *query, int32_t component, void *out);
void ecs_query_dispose(ecs_query *query);

/// Copies the first `capacity` entities that carry all of `components` to `out`
/// and returns how many there are in all.
uint32_t ecs_collect(ecs_world *world, const int32_t *components,
                     uint32_t component_count, ecs_entity *out,
                     uint32_t capacity);

/// Runs a system over all that match; returns how many entities it saw.
uint64_t ecs_run(ecs_world *world, const int32_t *components,
                 uint32_t component_count, ecs_system system, void *context);
/// position += velocity * dt, `steps` times, for all entities that carry both;
/// returns how many updates were made.
uint64_t ecs_movement(ecs_world *world, int32_t position, int32_t velocity,
                      float dt, uint32_t steps);

#ifdef __cplusplus
}
#endif
#endif // FROMSOURCE_ECS_H

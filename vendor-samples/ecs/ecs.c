// ecs.c: see ecs.h. Copyright (c) 2026 the fromsource authors, MIT licence.
#include "ecs.h"

#include <stdlib.h>
#include <string.h>

typedef uint64_t ecs_mask;

enum { NO_TABLE = -1, NAME_BYTES = 32 };

typedef struct ecs_table {
  ecs_mask mask;
  uint32_t count, capacity;
  ecs_entity *entities;
  // One per set bit of `mask`, lowest bit first; NULL for tags.
  void **columns;
  // toggle[c] is the table with component c added or removed, once it has been
  // asked for: moving an entity does not search then.
  int32_t toggle[ECS_MAX_COMPONENTS];
} ecs_table;

// A live slot says where its entity is stored; a free one links to the next
// free one by `row`.
typedef struct ecs_slot {
  uint32_t generation;
  int32_t table;
  uint32_t row;
} ecs_slot;

typedef struct ecs_component_type {
  uint32_t size;
  char name[NAME_BYTES];
} ecs_component_type;

struct ecs_world {
  ecs_component_type components[ECS_MAX_COMPONENTS];
  int32_t component_count;
  ecs_slot *slots;
  uint32_t slot_count, slot_capacity, free_head, alive;
  // Tables are reached by index and never removed; table 0 has no components.
  ecs_table **tables;
  int32_t table_count, table_capacity;
  uint32_t open_queries;
};

struct ecs_query {
  ecs_world *world;
  ecs_mask mask;
  int32_t table;
};

static const uint32_t no_slot = UINT32_MAX;

static ecs_mask bit(int32_t component) { return (ecs_mask)1 << component; }

static bool is_component(const ecs_world *world, int32_t component) {
  return component >= 0 && component < world->component_count;
}

static int column_index(const ecs_table *table, int32_t component) {
  return __builtin_popcountll(table->mask & (bit(component) - 1));
}

// The table has the component: the caller has checked its mask.
static void *column_of(const ecs_table *table, int32_t component) {
  return table->columns[column_index(table, component)];
}

static ecs_slot *slot_of(const ecs_world *world, ecs_entity entity) {
  uint32_t index = (uint32_t)entity;
  if (index >= world->slot_count)
    return NULL;
  ecs_slot *slot = &world->slots[index];
  return slot->table != NO_TABLE && slot->generation == (uint32_t)(entity >> 32)
             ? slot
             : NULL;
}

// Returns the mask of a list of components; false when one of them is unknown.
static bool mask_of(const ecs_world *world, const int32_t *components,
                    uint32_t count, ecs_mask *mask) {
  *mask = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (!is_component(world, components[i]))
      return false;
    *mask |= bit(components[i]);
  }
  return true;
}

static void table_free(ecs_table *table) {
  if (table == NULL)
    return;
  int columns = __builtin_popcountll(table->mask);
  for (int i = 0; table->columns != NULL && i < columns; i++)
    free(table->columns[i]);
  free(table->columns);
  free(table->entities);
  free(table);
}

// Finds or makes the table of a mask.
static int32_t table_for(ecs_world *world, ecs_mask mask) {
  for (int32_t i = 0; i < world->table_count; i++)
    if (world->tables[i]->mask == mask)
      return i;
  if (world->table_count == world->table_capacity) {
    int32_t capacity =
        world->table_capacity == 0 ? 8 : world->table_capacity * 2;
    ecs_table **tables =
        realloc(world->tables, (size_t)capacity * sizeof *tables);
    if (tables == NULL)
      return NO_TABLE;
    world->tables = tables;
    world->table_capacity = capacity;
  }
  ecs_table *table = calloc(1, sizeof *table);
  if (table == NULL)
    return NO_TABLE;
  table->mask = mask;
  // One more than needed: calloc(0) may give NULL.
  table->columns =
      calloc((size_t)__builtin_popcountll(mask) + 1, sizeof *table->columns);
  if (table->columns == NULL) {
    table_free(table);
    return NO_TABLE;
  }
  for (int i = 0; i < ECS_MAX_COMPONENTS; i++)
    table->toggle[i] = NO_TABLE;
  world->tables[world->table_count] = table;
  return world->table_count++;
}

static int32_t table_toggled(ecs_world *world, int32_t from,
                             int32_t component) {
  ecs_table *table = world->tables[from];
  if (table->toggle[component] == NO_TABLE)
    table->toggle[component] = table_for(world, table->mask ^ bit(component));
  return table->toggle[component];
}

// Makes room for `extra` more rows in every column. A column that grew before a
// later one failed stays grown, which is harmless: `capacity` is the least of
// them.
static bool table_reserve(const ecs_world *world, ecs_table *table,
                          uint32_t extra) {
  uint64_t needed = (uint64_t)table->count + extra;
  if (needed <= table->capacity)
    return true;
  uint64_t capacity = table->capacity < 8 ? 8 : (uint64_t)table->capacity * 2;
  if (capacity < needed)
    capacity = needed;
  if (capacity > UINT32_MAX)
    return false;
  ecs_entity *entities = realloc(table->entities, capacity * sizeof *entities);
  if (entities == NULL)
    return false;
  table->entities = entities;
  void **column = table->columns;
  for (ecs_mask rest = table->mask; rest != 0; rest &= rest - 1, column++) {
    uint32_t size = world->components[__builtin_ctzll(rest)].size;
    if (size == 0)
      continue;
    void *grown = realloc(*column, capacity * size);
    if (grown == NULL)
      return false;
    *column = grown;
  }
  table->capacity = (uint32_t)capacity;
  return true;
}

// Fills the hole at `row` with the last row, so that columns stay contiguous.
static void table_remove_row(ecs_world *world, ecs_table *table, uint32_t row) {
  uint32_t last = --table->count;
  if (row == last)
    return;
  void **column = table->columns;
  for (ecs_mask rest = table->mask; rest != 0; rest &= rest - 1, column++) {
    size_t size = world->components[__builtin_ctzll(rest)].size;
    if (size != 0)
      memcpy((char *)*column + row * size, (char *)*column + last * size, size);
  }
  table->entities[row] = table->entities[last];
  world->slots[(uint32_t)table->entities[row]].row = row;
}

// Moves an entity to the table with one component more or less. The values of
// shared components go along; a new one is left for the caller to fill.
static bool move_row(ecs_world *world, ecs_slot *slot, int32_t component) {
  int32_t target = table_toggled(world, slot->table, component);
  if (target == NO_TABLE)
    return false;
  ecs_table *from = world->tables[slot->table], *to = world->tables[target];
  if (!table_reserve(world, to, 1))
    return false;
  uint32_t row = to->count++;
  for (ecs_mask rest = from->mask & to->mask; rest != 0; rest &= rest - 1) {
    int32_t shared = __builtin_ctzll(rest);
    size_t size = world->components[shared].size;
    if (size != 0)
      memcpy((char *)column_of(to, shared) + row * size,
             (char *)column_of(from, shared) + slot->row * size, size);
  }
  to->entities[row] = from->entities[slot->row];
  table_remove_row(world, from, slot->row);
  slot->table = target;
  slot->row = row;
  return true;
}

ecs_world *ecs_world_create(void) {
  ecs_world *world = calloc(1, sizeof *world);
  if (world == NULL)
    return NULL;
  world->free_head = no_slot;
  if (table_for(world, 0) == NO_TABLE) {
    ecs_world_destroy(world);
    return NULL;
  }
  return world;
}

void ecs_world_destroy(ecs_world *world) {
  if (world == NULL)
    return;
  for (int32_t i = 0; i < world->table_count; i++)
    table_free(world->tables[i]);
  free(world->tables);
  free(world->slots);
  free(world);
}

int32_t ecs_component(ecs_world *world, const char *name, uint32_t size) {
  size_t length = strlen(name);
  if (length == 0 || length >= NAME_BYTES)
    return -1;
  for (int32_t i = 0; i < world->component_count; i++)
    if (strcmp(world->components[i].name, name) == 0)
      return world->components[i].size == size ? i : -1;
  if (world->component_count == ECS_MAX_COMPONENTS)
    return -1;
  ecs_component_type *type = &world->components[world->component_count];
  type->size = size;
  memcpy(type->name, name, length + 1);
  return world->component_count++;
}

const char *ecs_component_name(const ecs_world *world, int32_t component) {
  return is_component(world, component) ? world->components[component].name
                                        : NULL;
}

static bool slots_reserve(ecs_world *world, uint32_t extra) {
  uint64_t needed = (uint64_t)world->slot_count + extra;
  if (needed <= world->slot_capacity)
    return true;
  uint64_t capacity =
      world->slot_capacity < 64 ? 64 : (uint64_t)world->slot_capacity * 2;
  if (capacity < needed)
    capacity = needed;
  if (capacity >= no_slot)
    return false;
  ecs_slot *slots = realloc(world->slots, capacity * sizeof *slots);
  if (slots == NULL)
    return false;
  world->slots = slots;
  world->slot_capacity = (uint32_t)capacity;
  return true;
}

// Takes a slot, reused or new, and a row in `table`, both reserved by the
// caller.
static ecs_entity place(ecs_world *world, int32_t table) {
  uint32_t index = world->free_head;
  if (index == no_slot) {
    index = world->slot_count++;
    world->slots[index].generation = 1;
  } else {
    world->free_head = world->slots[index].row;
  }
  ecs_slot *slot = &world->slots[index];
  slot->table = table;
  slot->row = world->tables[table]->count++;
  ecs_entity entity = (ecs_entity)slot->generation << 32 | index;
  world->tables[table]->entities[slot->row] = entity;
  world->alive++;
  return entity;
}

ecs_entity ecs_create(ecs_world *world) {
  ecs_entity entity = 0;
  return ecs_create_many(world, NULL, 0, 1, &entity) == 1 ? entity : 0;
}

uint32_t ecs_create_many(ecs_world *world, const int32_t *components,
                         uint32_t component_count, uint32_t count,
                         ecs_entity *out) {
  ecs_mask mask;
  if (world->open_queries != 0 ||
      !mask_of(world, components, component_count, &mask))
    return 0;
  int32_t index = table_for(world, mask);
  if (index == NO_TABLE)
    return 0;
  ecs_table *table = world->tables[index];
  // Free slots are reused first, so this may reserve more than is needed.
  uint32_t fresh =
      world->free_head == no_slot ? count : (count > 1 ? count : 0);
  if (!table_reserve(world, table, count) || !slots_reserve(world, fresh))
    return 0;
  void **column = table->columns;
  for (ecs_mask rest = mask; rest != 0 && count != 0;
       rest &= rest - 1, column++) {
    size_t size = world->components[__builtin_ctzll(rest)].size;
    if (size != 0)
      memset((char *)*column + table->count * size, 0, count * size);
  }
  for (uint32_t i = 0; i < count; i++) {
    ecs_entity entity = place(world, index);
    if (out != NULL)
      out[i] = entity;
  }
  return count;
}

bool ecs_destroy(ecs_world *world, ecs_entity entity) {
  ecs_slot *slot = slot_of(world, entity);
  if (slot == NULL || world->open_queries != 0)
    return false;
  table_remove_row(world, world->tables[slot->table], slot->row);
  slot->table = NO_TABLE;
  world->alive--;
  // A slot whose generations are used up is retired: an old id must never come
  // alive again.
  if (slot->generation == UINT32_MAX)
    return true;
  slot->generation++;
  slot->row = world->free_head;
  world->free_head = (uint32_t)entity;
  return true;
}

bool ecs_alive(const ecs_world *world, ecs_entity entity) {
  return slot_of(world, entity) != NULL;
}

uint32_t ecs_count(const ecs_world *world) { return world->alive; }

bool ecs_set(ecs_world *world, ecs_entity entity, int32_t component,
             const void *value) {
  ecs_slot *slot = slot_of(world, entity);
  if (slot == NULL || !is_component(world, component))
    return false;
  if ((world->tables[slot->table]->mask & bit(component)) == 0)
    if (world->open_queries != 0 || !move_row(world, slot, component))
      return false;
  size_t size = world->components[component].size;
  if (size == 0)
    return true;
  void *place_of_value =
      (char *)column_of(world->tables[slot->table], component) +
      slot->row * size;
  if (value == NULL)
    memset(place_of_value, 0, size);
  else
    memcpy(place_of_value, value, size);
  return true;
}

bool ecs_has(const ecs_world *world, ecs_entity entity, int32_t component) {
  const ecs_slot *slot = slot_of(world, entity);
  return slot != NULL && is_component(world, component) &&
         (world->tables[slot->table]->mask & bit(component)) != 0;
}

void *ecs_at(const ecs_world *world, ecs_entity entity, int32_t component) {
  if (!ecs_has(world, entity, component) ||
      world->components[component].size == 0)
    return NULL;
  const ecs_slot *slot = slot_of(world, entity);
  return (char *)column_of(world->tables[slot->table], component) +
         (size_t)slot->row * world->components[component].size;
}

bool ecs_get(const ecs_world *world, ecs_entity entity, int32_t component,
             void *out) {
  if (!ecs_has(world, entity, component))
    return false;
  const void *value = ecs_at(world, entity, component);
  if (value != NULL)
    memcpy(out, value, world->components[component].size);
  return true;
}

bool ecs_remove(ecs_world *world, ecs_entity entity, int32_t component) {
  if (!ecs_has(world, entity, component) || world->open_queries != 0)
    return false;
  return move_row(world, slot_of(world, entity), component);
}

ecs_query *ecs_query_create(ecs_world *world, const int32_t *components,
                            uint32_t component_count) {
  ecs_mask mask;
  if (!mask_of(world, components, component_count, &mask))
    return NULL;
  ecs_query *query = malloc(sizeof *query);
  if (query == NULL)
    return NULL;
  *query = (ecs_query){.world = world, .mask = mask, .table = -1};
  world->open_queries++;
  return query;
}

uint32_t ecs_query_next(ecs_query *query) {
  const ecs_world *world = query->world;
  while (query->table < world->table_count &&
         ++query->table < world->table_count) {
    const ecs_table *table = world->tables[query->table];
    if ((table->mask & query->mask) == query->mask && table->count != 0)
      return table->count;
  }
  return 0;
}

static const ecs_table *current_table(const ecs_query *query) {
  bool inside = query->table >= 0 && query->table < query->world->table_count;
  return inside ? query->world->tables[query->table] : NULL;
}

const ecs_entity *ecs_query_entities(const ecs_query *query) {
  const ecs_table *table = current_table(query);
  return table == NULL ? NULL : table->entities;
}

void *ecs_query_column(const ecs_query *query, int32_t component) {
  const ecs_table *table = current_table(query);
  if (table == NULL || !is_component(query->world, component) ||
      (table->mask & bit(component)) == 0)
    return NULL;
  return column_of(table, component);
}

bool ecs_query_read(const ecs_query *query, int32_t component, void *out) {
  const void *column = ecs_query_column(query, component);
  if (column == NULL)
    return false;
  memcpy(out, column,
         (size_t)current_table(query)->count *
             query->world->components[component].size);
  return true;
}

void ecs_query_dispose(ecs_query *query) {
  if (query == NULL)
    return;
  query->world->open_queries--;
  free(query);
}

uint64_t ecs_run(ecs_world *world, const int32_t *components,
                 uint32_t component_count, ecs_system system, void *context) {
  void *columns[ECS_MAX_COMPONENTS];
  if (component_count > ECS_MAX_COMPONENTS)
    return 0;
  ecs_query *query = ecs_query_create(world, components, component_count);
  if (query == NULL)
    return 0;
  uint64_t seen = 0;
  for (uint32_t count; (count = ecs_query_next(query)) != 0; seen += count) {
    for (uint32_t i = 0; i < component_count; i++)
      columns[i] = ecs_query_column(query, components[i]);
    system(columns, ecs_query_entities(query), count, context);
  }
  ecs_query_dispose(query);
  return seen;
}

typedef struct collected {
  ecs_entity *out;
  uint32_t capacity, copied;
} collected;

static void collect(void *const *columns, const ecs_entity *entities,
                    uint32_t count, void *context) {
  (void)columns;
  collected *into = context;
  uint32_t room = into->capacity - into->copied,
           part = count < room ? count : room;
  if (part != 0)
    memcpy(into->out + into->copied, entities, part * sizeof *entities);
  into->copied += part;
}

uint32_t ecs_collect(ecs_world *world, const int32_t *components,
                     uint32_t component_count, ecs_entity *out,
                     uint32_t capacity) {
  collected into = {.out = out, .capacity = capacity};
  return (uint32_t)ecs_run(world, components, component_count, collect, &into);
}

static void move_all(void *const *columns, const ecs_entity *entities,
                     uint32_t count, void *context) {
  (void)entities;
  // Two different columns never overlap, and saying so is what lets the
  // compiler vectorise the loop.
  ecs_vec2 *restrict position = columns[0];
  const ecs_vec2 *restrict velocity = columns[1];
  const float dt = *(const float *)context;
  for (uint32_t i = 0; i < count; i++) {
    position[i].x += velocity[i].x * dt;
    position[i].y += velocity[i].y * dt;
  }
}

uint64_t ecs_movement(ecs_world *world, int32_t position, int32_t velocity,
                      float dt, uint32_t steps) {
  if (position == velocity || !is_component(world, position) ||
      !is_component(world, velocity) ||
      world->components[position].size != sizeof(ecs_vec2) ||
      world->components[velocity].size != sizeof(ecs_vec2))
    return 0;
  uint64_t updates = 0;
  for (uint32_t i = 0; i < steps; i++)
    updates +=
        ecs_run(world, (const int32_t[]){position, velocity}, 2, move_all, &dt);
  return updates;
}

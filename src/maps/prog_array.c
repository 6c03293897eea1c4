/* SPDX-License-Identifier: MIT
 *
 * Prog array: what tail calls jump through.  A slot holds NULL or a program's engine_tail; engines read slots without a
 * lock, so a slot changes in one store and the program it held is released afterwards (it lives on until the epoch
 * ends).  Writers take the lock, for they also settle what the array may hold: all of its programs are of one
 * personality and one type, that of the first one ever stored, because a tail call keeps the caller's context.
 * User space writes program handles and reads program ids; programs can only jump.
 */
#include "base/list.h"
#include "core/prog.h"
#include "maps/index.h"
#include "maps/maps.h"

enum { TAG = OS_TAG('m', 'p', 'r', 'g') };

struct prog_array {
    struct map map;
    struct os_lock lock; /* writers, and readers of ids */
    struct engine_tail **tails;
    size_t size;
    bool typed; /* under the lock: the two below are settled */
    enum personality personality;
    uint32_t prog_type;
};

static enum result create(const struct map_spec *spec, struct map **out)
{
    if (spec->value_size != 4 || spec->flags & (BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG))
        return RESULT_INVALID;
    enum result result = index_spec_check(spec, BPF_F_NUMA_NODE | MAP_ACCESS_FLAGS);
    if (result)
        return result;
    size_t size;
    if (!checked_mul_size(sizeof(struct engine_tail *), spec->max_entries, &size))
        return RESULT_TOO_BIG;
    struct prog_array *array = os_alloc(sizeof *array, TAG);
    if (!array)
        return RESULT_NO_MEMORY;
    array->tails = os_alloc_aligned(size, TAG);
    if (!array->tails) {
        os_free(array, sizeof *array, TAG);
        return RESULT_NO_MEMORY;
    }
    array->size = size;
    array->map.stride = 8;
    os_lock_init(&array->lock);
    *out = &array->map;
    return RESULT_OK;
}

static struct prog *prog_of(struct engine_tail *tail)
{
    return container_of(tail, struct prog, tail);
}

/* Puts `tail` in a slot; false when both it and what was there are NULL. */
static bool exchange(struct prog_array *array, uint32_t index, struct engine_tail *tail)
{
    os_lock_acquire(&array->lock);
    struct engine_tail *old = array->tails[index];
    os_store_release(&array->tails[index], tail);
    os_lock_release(&array->lock);
    if (old)
        object_put(&prog_of(old)->object, REF_MAP_PROG);
    return old || tail;
}

static void unreachable(struct map *map)
{
    struct prog_array *array = (struct prog_array *)map;
    for (uint32_t i = 0; i < map->max_entries; i++)
        if (os_load(&array->tails[i]))
            exchange(array, i, NULL);
}

static void destroy(struct map *map)
{
    struct prog_array *array = (struct prog_array *)map;
    size_t count = array->size / sizeof *array->tails;
    for (size_t i = 0; i < count; i++)
        if (array->tails[i])
            object_put(&prog_of(array->tails[i])->object, REF_MAP_PROG);
    os_lock_destroy(&array->lock);
    os_free_aligned(array->tails, array->size, TAG);
    os_free(array, sizeof *array, TAG);
}

static void *lookup(struct map *map, const void *key)
{
    return NULL;
}

static enum result refuse_update(struct map *map, const void *key, const void *value, uint64_t flags)
{
    return RESULT_INVALID;
}

static enum result remove_slot(struct map *map, const void *key)
{
    uint32_t index = index_of(key);
    if (index >= map->max_entries)
        return RESULT_TOO_BIG;
    return exchange((struct prog_array *)map, index, NULL) ? RESULT_OK : RESULT_NOT_FOUND;
}

static enum result read_id(struct map *map, const void *key, void *value, uint64_t flags)
{
    struct prog_array *array = (struct prog_array *)map;
    uint32_t index = index_of(key);
    if (index >= map->max_entries)
        return RESULT_NOT_FOUND;
    os_lock_acquire(&array->lock);
    struct engine_tail *tail = array->tails[index];
    uint32_t id = tail ? prog_of(tail)->object.id : 0;
    os_lock_release(&array->lock);
    if (!tail)
        return RESULT_NOT_FOUND;
    memcpy(value, &id, sizeof id);
    return RESULT_OK;
}

static enum result store(struct map *map, const void *key, struct object *object, uint64_t flags)
{
    struct prog_array *array = (struct prog_array *)map;
    struct prog *prog = container_of(object, struct prog, object);
    uint32_t index = index_of(key);
    if (flags != BPF_ANY)
        return RESULT_INVALID;
    if (index >= map->max_entries)
        return RESULT_TOO_BIG;
    os_lock_acquire(&array->lock);
    if (!array->typed) {
        array->typed = true;
        array->personality = prog->image.personality;
        array->prog_type = prog->image.prog_type;
    }
    bool fits = array->personality == prog->image.personality && array->prog_type == prog->image.prog_type;
    os_lock_release(&array->lock);
    if (!fits)
        return RESULT_INVALID;
    exchange(array, index, &prog->tail);
    return RESULT_OK;
}

static enum result next_key(struct map *map, const void *key, void *next)
{
    return index_next_key(map, key, next);
}

static void describe(struct map *map, struct engine_map *out)
{
    out->tails = ((struct prog_array *)map)->tails;
    out->stride = map->stride;
}

const struct map_ops map_prog_array = {
    .kind = BPF_MAP_TYPE_PROG_ARRAY,
    .name = "prog_array",
    .create = create,
    .destroy = destroy,
    .lookup = lookup,
    .update = refuse_update,
    .remove = remove_slot,
    .read = read_id,
    .next_key = next_key,
    .holds = OBJECT_PROG,
    .store = store,
    .unreachable = unreachable,
    .describe = describe,
};

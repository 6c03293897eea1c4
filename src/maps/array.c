/* SPDX-License-Identifier: MIT
 *
 * Array: max_entries values in a row, zero at first, that are never created or deleted.  A lookup is arithmetic, so the
 * engines do it themselves (describe).  The stride is part of the ABI of the object that made the map: Linux rounds it
 * up to 8 bytes, while efW's native modules compute addresses with value_size itself.
 * With BPF_F_MMAPABLE the values are pages that user space may map as well.
 */
#include "maps/index.h"
#include "maps/maps.h"

enum { TAG = OS_TAG('m', 'a', 'r', 'r') };

struct array {
    struct map map;
    uint8_t *values;
    size_t size;              /* bytes allocated or mapped */
    struct os_shared *shared; /* NULL without BPF_F_MMAPABLE */
};

static enum result create(const struct map_spec *spec, struct map **out)
{
    enum result result = index_spec_check(spec, BPF_F_NUMA_NODE | BPF_F_MMAPABLE | BPF_F_INNER_MAP | MAP_ACCESS_FLAGS);
    if (result)
        return result;
    size_t stride = spec->personality == PERSONALITY_EFW ? spec->value_size : map_round8(spec->value_size), size;
    if (!checked_mul_size(stride, spec->max_entries, &size))
        return RESULT_TOO_BIG;
    if (spec->flags & BPF_F_MMAPABLE && !checked_align_size(size, os_page_size(), &size))
        return RESULT_TOO_BIG;

    struct array *array = os_alloc(sizeof *array, TAG);
    if (!array)
        return RESULT_NO_MEMORY;
    array->size = size;
    array->map.stride = (uint32_t)stride;
    result = RESULT_NO_MEMORY;
    if (spec->flags & BPF_F_MMAPABLE) {
        void *pages = NULL;
        result = os_shared_create(size, &array->shared);
        if (result)
            goto fail_array;
        result = os_shared_map(array->shared, size, &pages);
        if (result)
            goto fail_shared;
        array->values = pages;
    } else {
        array->values = os_alloc_aligned(size, TAG);
        if (!array->values)
            goto fail_array;
    }
    *out = &array->map;
    return RESULT_OK;
fail_shared:
    os_shared_destroy(array->shared);
fail_array:
    os_free(array, sizeof *array, TAG);
    return result;
}

static void destroy(struct map *map)
{
    struct array *array = (struct array *)map;
    if (array->shared) {
        os_shared_unmap(array->values, array->size);
        os_shared_destroy(array->shared);
    } else {
        os_free_aligned(array->values, array->size, TAG);
    }
    os_free(array, sizeof *array, TAG);
}

static inline uint8_t *value_at(const struct map *map, uint32_t index)
{
    return ((const struct array *)map)->values + (size_t)index * map->stride;
}

static void *lookup(struct map *map, const void *key)
{
    uint32_t index = index_of(key);
    return likely(index < map->max_entries) ? value_at(map, index) : NULL;
}

static enum result update(struct map *map, const void *key, const void *value, uint64_t flags)
{
    uint32_t index = index_of(key);
    enum result result = index_update_check(map, index, flags);
    if (unlikely(result))
        return result;
    value_copy(value_at(map, index), value, map->value_size);
    return RESULT_OK;
}

static enum result refuse_remove(struct map *map, const void *key)
{
    return RESULT_INVALID;
}

static enum result next_key(struct map *map, const void *key, void *next)
{
    return index_next_key(map, key, next);
}

static void describe(struct map *map, struct engine_map *out)
{
    struct array *array = (struct array *)map;
    out->values = array->values;
    out->values_size = (uint64_t)map->stride * map->max_entries;
    out->stride = map->stride;
    out->how = ENGINE_INLINE_ARRAY;
    out->lookup = (void *(*)(void *, const void *))lookup;
}

static struct os_shared *shared(struct map *map)
{
    return ((struct array *)map)->shared;
}

const struct map_ops map_array = {
    .kind = BPF_MAP_TYPE_ARRAY,
    .name = "array",
    .create = create,
    .destroy = destroy,
    .lookup = lookup,
    .update = update,
    .remove = refuse_remove,
    .next_key = next_key,
    .describe = describe,
    .shared = shared,
};

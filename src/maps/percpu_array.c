/* SPDX-License-Identifier: MIT
 *
 * Per-CPU array: an array per CPU slot, one after the other and each on its own cache lines, so that CPUs never share
 * one.  A program works on the array of its slot without a lock; user space reads and writes the values of all CPUs at
 * once, each rounded up to 8 bytes.
 */
#include "maps/index.h"
#include "maps/maps.h"

enum { TAG = OS_TAG('m', 'p', 'a', 'r') };

struct percpu_array {
    struct map map;
    uint8_t *values;
    size_t cpu_stride, size; /* bytes from CPU to CPU, in all */
};

static enum result create(const struct map_spec *spec, struct map **out)
{
    enum result result = index_spec_check(spec, BPF_F_NUMA_NODE | MAP_ACCESS_FLAGS);
    if (result)
        return result;
    if (spec->flags & BPF_F_NUMA_NODE && spec->numa_node != UINT32_MAX)
        return RESULT_INVALID; /* it is on all nodes */
    size_t stride = map_round8(spec->value_size), cpu_stride, size;
    if (stride > MAP_PERCPU_VALUE_MOST)
        return RESULT_TOO_BIG;
    if (!checked_mul_size(stride, spec->max_entries, &cpu_stride) || !checked_align_size(cpu_stride, 64, &cpu_stride) ||
        !checked_mul_size(cpu_stride, os_cpu_count(), &size))
        return RESULT_TOO_BIG;

    struct percpu_array *array = os_alloc(sizeof *array, TAG);
    if (!array)
        return RESULT_NO_MEMORY;
    array->values = os_alloc_aligned(size, TAG);
    if (!array->values) {
        os_free(array, sizeof *array, TAG);
        return RESULT_NO_MEMORY;
    }
    array->cpu_stride = cpu_stride;
    array->size = size;
    array->map.stride = (uint32_t)stride;
    *out = &array->map;
    return RESULT_OK;
}

static void destroy(struct map *map)
{
    struct percpu_array *array = (struct percpu_array *)map;
    os_free_aligned(array->values, array->size, TAG);
    os_free(array, sizeof *array, TAG);
}

static inline uint8_t *value_at(const struct map *map, uint32_t index, uint32_t cpu)
{
    const struct percpu_array *array = (const struct percpu_array *)map;
    return array->values + array->cpu_stride * cpu + (size_t)index * map->stride;
}

static void *lookup_cpu(struct map *map, const void *key, uint32_t cpu)
{
    const struct percpu_array *array = (const struct percpu_array *)map;
    uint32_t index = index_of(key);
    return likely(index < map->max_entries && array->cpu_stride * cpu < array->size) ? value_at(map, index, cpu) : NULL;
}

static void *lookup(struct map *map, const void *key)
{
    return lookup_cpu(map, key, os_cpu_current());
}

static enum result update_cpu(struct map *map, const void *key, const void *value, uint64_t flags, uint32_t cpu)
{
    uint32_t index = index_of(key);
    enum result result = index_update_check(map, index, flags);
    if (unlikely(result))
        return result;
    value_copy(value_at(map, index, cpu), value, map->value_size);
    return RESULT_OK;
}

static enum result update(struct map *map, const void *key, const void *value, uint64_t flags)
{
    return update_cpu(map, key, value, flags, os_cpu_current());
}

static enum result refuse_remove(struct map *map, const void *key)
{
    return RESULT_INVALID;
}

static enum result read_all(struct map *map, const void *key, void *value, uint64_t flags)
{
    uint32_t index = index_of(key);
    if (index >= map->max_entries)
        return RESULT_NOT_FOUND;
    for (uint32_t cpu = 0; cpu < os_cpu_count(); cpu++)
        value_copy((uint8_t *)value + (size_t)cpu * map->stride, value_at(map, index, cpu), map->stride);
    return RESULT_OK;
}

static enum result write_all(struct map *map, const void *key, const void *value, uint64_t flags)
{
    uint32_t index = index_of(key);
    enum result result = index_update_check(map, index, flags);
    if (result)
        return result;
    for (uint32_t cpu = 0; cpu < os_cpu_count(); cpu++)
        value_copy(value_at(map, index, cpu), (const uint8_t *)value + (size_t)cpu * map->stride, map->stride);
    return RESULT_OK;
}

static enum result next_key(struct map *map, const void *key, void *next)
{
    return index_next_key(map, key, next);
}

static void describe(struct map *map, struct engine_map *out)
{
    struct percpu_array *array = (struct percpu_array *)map;
    out->values = array->values;
    out->values_size = array->size;
    out->stride = map->stride;
    out->cpu_stride = array->cpu_stride;
    out->how = ENGINE_INLINE_PERCPU_ARRAY;
}

const struct map_ops map_percpu_array = {
    .kind = BPF_MAP_TYPE_PERCPU_ARRAY,
    .name = "percpu_array",
    .create = create,
    .destroy = destroy,
    .lookup = lookup,
    .update = update,
    .remove = refuse_remove,
    .lookup_cpu = lookup_cpu,
    .update_cpu = update_cpu,
    .read = read_all,
    .write = write_all,
    .next_key = next_key,
    .describe = describe,
};

/* SPDX-License-Identifier: MIT
 *
 * Per-CPU hash: the table of table.h, where an element leads to one value per CPU slot.  The values of a CPU lie
 * together, apart from those of other CPUs.  A program reads and writes its slot's value in place, without a lock; when
 * it inserts a key, the values of the other CPUs are zero.  User space reads and writes all of them at once.
 */
#include "maps/maps.h"
#include "maps/table.h"

enum { ALL_CPUS = UINT32_MAX };

static enum result create(const struct map_spec *spec, struct map **out)
{
    return table_create(spec, true, out);
}

static inline uint8_t *value_at(const struct table *table, const uint8_t *element, uint32_t cpu)
{
    return table_values(table, element) + table->cpu_stride * cpu;
}

static ALWAYS_INLINE void *value_or_null(const struct table *table, const uint8_t *element, uint32_t cpu)
{
    return element ? value_at(table, element, cpu) : NULL;
}

static void *lookup_cpu(struct map *map, const void *key, uint32_t cpu)
{
    const struct table *table = (const struct table *)map;
    if (unlikely(cpu >= table->cpus))
        return NULL;
    if (map->key_size == 4)
        return value_or_null(table, table_find(table, key, 4), cpu);
    if (map->key_size == 8)
        return value_or_null(table, table_find(table, key, 8), cpu);
    return value_or_null(table, table_find(table, key, map->key_size), cpu);
}

static void *lookup(struct map *map, const void *key)
{
    return lookup_cpu(map, key, os_cpu_current());
}

static void fill(const struct table *table, uint8_t *element, bool fresh, const void *value, uint32_t cpu)
{
    size_t stride = table->map.stride;
    if (cpu == ALL_CPUS) {
        for (uint32_t i = 0; i < table->cpus; i++)
            value_copy(value_at(table, element, i), (const uint8_t *)value + i * stride, stride);
        return;
    }
    if (fresh)
        for (uint32_t i = 0; i < table->cpus; i++)
            if (i != cpu)
                memset(value_at(table, element, i), 0, stride);
    value_copy(value_at(table, element, cpu), value, table->map.value_size);
}

static void read_values(const struct table *table, const uint8_t *element, void *out)
{
    for (uint32_t i = 0; i < table->cpus; i++)
        value_copy((uint8_t *)out + i * (size_t)table->map.stride, value_at(table, element, i), table->map.stride);
}

static enum result update_cpu(struct map *map, const void *key, const void *value, uint64_t flags, uint32_t cpu)
{
    return table_update((struct table *)map, key, value, flags, fill, cpu);
}

static enum result update(struct map *map, const void *key, const void *value, uint64_t flags)
{
    return update_cpu(map, key, value, flags, os_cpu_current());
}

static enum result remove_key(struct map *map, const void *key)
{
    return table_remove((struct table *)map, key, NULL, NULL);
}

static enum result read_all(struct map *map, const void *key, void *value, uint64_t flags)
{
    const struct table *table = (const struct table *)map;
    const uint8_t *element = table_find(table, key, map->key_size);
    if (!element)
        return RESULT_NOT_FOUND;
    read_values(table, element, value);
    return RESULT_OK;
}

static enum result write_all(struct map *map, const void *key, const void *value, uint64_t flags)
{
    return update_cpu(map, key, value, flags, ALL_CPUS);
}

static enum result take_key(struct map *map, const void *key, void *value, uint64_t flags)
{
    if (map_take_flags_wrong(flags))
        return RESULT_INVALID;
    return table_remove((struct table *)map, key, value, read_values);
}

static void describe(struct map *map, struct engine_map *out)
{
    out->stride = map->stride;
}

const struct map_ops map_percpu_hash = {
    .kind = BPF_MAP_TYPE_PERCPU_HASH,
    .name = "percpu_hash",
    .create = create,
    .destroy = table_destroy,
    .lookup = lookup,
    .update = update,
    .remove = remove_key,
    .lookup_cpu = lookup_cpu,
    .update_cpu = update_cpu,
    .read = read_all,
    .write = write_all,
    .take = take_key,
    .next_key = table_next_key,
    .describe = describe,
};

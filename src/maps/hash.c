/* SPDX-License-Identifier: MIT
 *
 * Hash: values of any size under keys of any size, in the table of table.h.
 */
#include "maps/maps.h"
#include "maps/table.h"

static enum result create(const struct map_spec *spec, struct map **out)
{
    return table_create(spec, false, out);
}

static void *lookup4(struct map *map, const void *key)
{
    const struct table *table = (const struct table *)map;
    uint8_t *element = table_find(table, key, 4);
    return element ? element + table->value_at : NULL;
}

static void *lookup8(struct map *map, const void *key)
{
    const struct table *table = (const struct table *)map;
    uint8_t *element = table_find(table, key, 8);
    return element ? element + table->value_at : NULL;
}

static void *lookup16(struct map *map, const void *key)
{
    const struct table *table = (const struct table *)map;
    uint8_t *element = table_find(table, key, 16);
    return element ? element + table->value_at : NULL;
}

static void *lookup_any(struct map *map, const void *key)
{
    const struct table *table = (const struct table *)map;
    uint8_t *element = table_find(table, key, map->key_size);
    return element ? element + table->value_at : NULL;
}

static void *lookup(struct map *map, const void *key)
{
    return map->key_size == 4 ? lookup4(map, key) : map->key_size == 8 ? lookup8(map, key) : lookup_any(map, key);
}

static void fill(const struct table *table, uint8_t *element, bool fresh, const void *value, uint32_t cpu)
{
    value_copy(element + table->value_at, value, table->map.value_size);
}

static void read_value(const struct table *table, const uint8_t *element, void *out)
{
    value_copy(out, element + table->value_at, table->map.value_size);
}

static enum result update(struct map *map, const void *key, const void *value, uint64_t flags)
{
    return table_update((struct table *)map, key, value, flags, fill, 0);
}

static enum result remove_key(struct map *map, const void *key)
{
    return table_remove((struct table *)map, key, NULL, NULL);
}

static enum result read_copy(struct map *map, const void *key, void *value, uint64_t flags)
{
    const void *found = lookup(map, key);
    if (!found)
        return RESULT_NOT_FOUND;
    value_copy(value, found, map->value_size);
    return RESULT_OK;
}

static enum result take_key(struct map *map, const void *key, void *value, uint64_t flags)
{
    if (map_take_flags_wrong(flags))
        return RESULT_INVALID;
    return table_remove((struct table *)map, key, value, read_value);
}

static void describe(struct map *map, struct engine_map *out)
{
    void *(*by_size)(struct map *, const void *) = lookup_any;
    switch (map->key_size) {
    case 4: by_size = lookup4; break;
    case 8: by_size = lookup8; break;
    case 16: by_size = lookup16; break;
    }
    out->stride = map->stride;
    out->how = ENGINE_INLINE_HASH;
    out->lookup = (void *(*)(void *, const void *))by_size;
}

const struct map_ops map_hash = {
    .kind = BPF_MAP_TYPE_HASH,
    .name = "hash",
    .create = create,
    .destroy = table_destroy,
    .lookup = lookup,
    .update = update,
    .remove = remove_key,
    .read = read_copy,
    .take = take_key,
    .next_key = table_next_key,
    .describe = describe,
};

/* SPDX-License-Identifier: MIT
 *
 * What all kinds of maps share: how one is made, named, typed and given up.  A map's memory outlives its last reference
 * by the sections that may still see it (a program that is running, a command that found it without a reference).
 */
#include <string.h>
#include <linux/bpf.h>
#include "core/btf_object.h"
#include "core/map.h"

bool core_name_valid(const char name[16])
{
    for (unsigned i = 0; i < 16; i++) {
        char c = name[i];
        if (!c)
            return true;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '.')
            return false;
    }
    return false;
}

size_t map_user_value_size(const struct map *map)
{
    if (!map_is_percpu(map->kind))
        return map->value_size;
    return (((size_t)map->value_size + 7) & ~(size_t)7) * os_cpu_count();
}

static void reclaim(struct epoch_entry *entry)
{
    struct map *map = container_of(entry, struct map, retired);
    struct map *inner = map->inner;
    struct btf_object *btf = map->btf;
    map->ops->destroy(map);
    if (inner)
        object_put(&inner->object, REF_MAP_MAP);
    if (btf)
        object_put(&btf->object, REF_BTF);
}

static void destroy(struct object *object)
{
    epoch_retire(&container_of(object, struct map, object)->retired, reclaim);
}

static void unreachable(struct object *object)
{
    struct map *map = container_of(object, struct map, object);
    if (map->ops->unreachable)
        map->ops->unreachable(map);
}

/* Do the types have the sizes of key and value?  A map of no keys has no key type. */
static bool types_fit(const struct map_spec *spec, const struct btf_object *btf)
{
    uint32_t size, count = btf_type_count(btf->btf);
    if (spec->btf_key >= count || spec->btf_value >= count || !spec->btf_value)
        return false;
    if (spec->btf_key && (btf_sizeof(btf->btf, spec->btf_key, &size) || size != spec->key_size))
        return false;
    return btf_sizeof(btf->btf, spec->btf_value, &size) == RESULT_OK && size == spec->value_size;
}

enum result map_create_typed(const struct map_spec *spec, struct map *inner, struct btf_object *btf, struct map **out)
{
    const struct map_ops *ops = map_kind(spec->kind);
    struct map *map;
    if (!ops)
        return RESULT_INVALID;
    if (spec->extra && spec->kind != BPF_MAP_TYPE_BLOOM_FILTER && spec->kind != BPF_MAP_TYPE_ARENA)
        return RESULT_INVALID;
    bool wants_inner = spec->kind == BPF_MAP_TYPE_ARRAY_OF_MAPS || spec->kind == BPF_MAP_TYPE_HASH_OF_MAPS;
    if (wants_inner != (inner != NULL))
        return RESULT_INVALID;
    if (btf && !types_fit(spec, btf))
        return RESULT_INVALID;
    enum result result = ops->create(spec, &map);
    if (result)
        return result;
    map->ops = ops;
    map->kind = spec->kind;
    map->key_size = spec->key_size;
    map->value_size = spec->value_size;
    if (!map->max_entries)
        map->max_entries = spec->max_entries; /* a kind may round it */
    map->flags = spec->flags;
    map->extra = spec->extra;
    map->personality = (enum personality)spec->personality;
    if (!map->stride)
        map->stride = spec->personality == PERSONALITY_EFW ? spec->value_size : (spec->value_size + 7) & ~7u;
    size_t length = spec->name ? strlen(spec->name) : 0;
    memcpy(map->name, spec->name ? spec->name : "", length < 15 ? length : 15);
    object_init(&map->object, OBJECT_MAP, destroy);
    map->object.unreachable = unreachable;
    if (btf) {
        object_get(&btf->object, REF_BTF);
        map->btf = btf;
        map->btf_key = spec->btf_key;
        map->btf_value = spec->btf_value;
    }
    if (inner) {
        object_get(&inner->object, REF_MAP_MAP);
        map->inner = inner;
    }
    result = object_publish(&map->object);
    if (result) {
        object_put(&map->object, REF_CREATOR);
        return result;
    }
    *out = map;
    return RESULT_OK;
}

enum result map_create(const struct map_spec *spec, struct map *inner, struct map **out)
{
    return map_create_typed(spec, inner, NULL, out);
}

void map_specify(const struct map *map, struct map_spec *spec)
{
    *spec = (struct map_spec){
        .name = map->name,
        .kind = map->kind,
        .key_size = map->key_size,
        .value_size = map->value_size,
        .max_entries = map->max_entries,
        .flags = map->flags,
        .extra = map->extra,
        .inner = IMAGE_NO_INDEX,
        .personality = map->personality,
    };
}

/* Each side announces itself before it looks at the other. */
enum result map_writable_enter(struct map *map)
{
    os_fetch_add(&map->writable, 1);
    os_fence();
    if (!os_load(&map->frozen))
        return RESULT_OK;
    os_fetch_sub(&map->writable, 1);
    return RESULT_NOT_PERMITTED;
}

void map_writable_leave(struct map *map)
{
    os_fetch_sub(&map->writable, 1);
}

enum result map_freeze(struct map *map)
{
    if (os_exchange(&map->frozen, 1))
        return RESULT_NOT_PERMITTED;
    os_fence();
    if (!os_load(&map->writable))
        return RESULT_OK;
    os_store(&map->frozen, 0);
    return RESULT_BUSY;
}

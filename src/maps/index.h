/* SPDX-License-Identifier: MIT
 *
 * Kinds whose key is a u32 index below max_entries and whose entries all exist from the start.
 */
#ifndef WINBPF_MAPS_INDEX_H
#define WINBPF_MAPS_INDEX_H

#include "core/map.h"
#include "maps/value.h"

static inline uint32_t index_of(const void *key)
{
    uint32_t index;
    memcpy(&index, key, sizeof index);
    return index;
}

/* The order is that of the numbers; a key beyond the end, and no key, are followed by the first. */
static inline enum result index_next_key(const struct map *map, const void *key, void *next)
{
    uint32_t index = key ? index_of(key) : UINT32_MAX;
    if (index >= map->max_entries)
        index = 0;
    else if (index == map->max_entries - 1)
        return RESULT_NOT_FOUND;
    else
        index++;
    memcpy(next, &index, sizeof index);
    return RESULT_OK;
}

/* May this update go ahead?  Linux asks in this order. */
static inline enum result index_update_check(const struct map *map, uint32_t index, uint64_t flags)
{
    if (unlikely(map_update_flags_wrong(flags)))
        return RESULT_INVALID;
    if (unlikely(index >= map->max_entries))
        return RESULT_TOO_BIG;
    if (unlikely(flags == BPF_NOEXIST))
        return RESULT_EXISTS;
    return RESULT_OK;
}

/* What all of them ask of a specification; `flags`: those the kind knows. */
static inline enum result index_spec_check(const struct map_spec *spec, uint32_t flags)
{
    if (!spec->max_entries || spec->key_size != 4 || !spec->value_size)
        return RESULT_INVALID;
    if (spec->flags & ~flags || map_access_flags_wrong(spec->flags))
        return RESULT_INVALID;
    return spec->value_size > INT32_MAX ? RESULT_TOO_BIG : RESULT_OK;
}

#endif

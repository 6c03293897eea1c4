/* SPDX-License-Identifier: MIT
 *
 * Maps for tests that speak to the kinds directly, below the commands.
 */
#ifndef WINBPF_TESTS_MAPS_KIT_H
#define WINBPF_TESTS_MAPS_KIT_H

#include <linux/bpf.h>
#include "check.h"
#include "maps/maps.h"

/* Once a program: epochs and kinds.  The blocks alive now are the measure for kit_leaks(). */
static uint64_t kit_blocks, kit_bytes;

static inline void kit_start(void)
{
    static bool registered;
    for (const struct map_ops *const *ops = map_kinds; *ops && !registered; ops++)
        map_register(*ops);
    registered = true;
    if (epoch_start())
        abort();
    /* What the core keeps for good once it has had a map (its table of ids) is not a leak. */
    struct map_spec spec = {.kind = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    struct map *map;
    if (map_create(&spec, NULL, &map))
        abort();
    object_put(&map->object, REF_CREATOR);
    epoch_synchronize();
    os_alloc_live(&kit_blocks, &kit_bytes);
}

/* Blocks left since kit_start(), after all that was retired is gone. */
static inline uint64_t kit_stop(void)
{
    uint64_t blocks, bytes;
    epoch_synchronize();
    os_alloc_live(&blocks, &bytes);
    epoch_stop();
    return blocks - kit_blocks;
}

static inline enum result kit_try(uint32_t kind, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags,
                                  struct map **out)
{
    struct map_spec spec = {.name = "test",
                            .kind = kind,
                            .key_size = key,
                            .value_size = value,
                            .max_entries = entries,
                            .flags = flags,
                            .inner = IMAGE_NO_INDEX};
    *out = NULL;
    return map_create(&spec, NULL, out);
}

static inline struct map *kit_map(uint32_t kind, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags)
{
    struct map *map;
    enum result result = kit_try(kind, key, value, entries, flags, &map);
    if (result) {
        printf("no map: %s\n", result_text(result));
        abort();
    }
    return map;
}

static inline void kit_put(struct map *map)
{
    object_put(&map->object, REF_CREATOR);
}

/* The operations inside an epoch, as commands and programs have them. */
static inline enum result kit_update(struct map *map, const void *key, const void *value, uint64_t flags)
{
    struct epoch_state state;
    epoch_enter(&state);
    enum result result =
        map->ops->write ? map->ops->write(map, key, value, flags) : map->ops->update(map, key, value, flags);
    epoch_leave(&state);
    return result;
}

static inline enum result kit_remove(struct map *map, const void *key)
{
    struct epoch_state state;
    epoch_enter(&state);
    enum result result = map->ops->remove(map, key);
    epoch_leave(&state);
    return result;
}

static inline enum result kit_lookup(struct map *map, const void *key, void *value)
{
    struct epoch_state state;
    epoch_enter(&state);
    enum result result = RESULT_OK;
    if (map->ops->read) {
        result = map->ops->read(map, key, value, 0);
    } else {
        const void *found = map->ops->lookup(map, key);
        if (found)
            memcpy(value, found, map->value_size);
        else
            result = RESULT_NOT_FOUND;
    }
    epoch_leave(&state);
    return result;
}

static inline enum result kit_next(struct map *map, const void *key, void *next)
{
    struct epoch_state state;
    epoch_enter(&state);
    enum result result = map->ops->next_key(map, key, next);
    epoch_leave(&state);
    return result;
}

#endif

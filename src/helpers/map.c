/* SPDX-License-Identifier: MIT
 *
 * Maps from a program.  Per-CPU kinds are asked for the value of the program's CPU slot, which is its alone until the
 * program ends; all others have one value for everybody.
 */
#include <linux/bpf.h>
#include "core/map.h"
#include "helpers/answer.h"
#include "helpers/helpers.h"

#define KIND(name) (1ull << BPF_MAP_TYPE_##name)
#define HASHES     (KIND(HASH) | KIND(PERCPU_HASH) | KIND(LRU_HASH) | KIND(LRU_PERCPU_HASH))
#define ARRAYS     (KIND(ARRAY) | KIND(PERCPU_ARRAY))
#define QUEUES     (KIND(QUEUE) | KIND(STACK))

static uint64_t lookup_elem(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    struct map *map = answer_pointer(r1);
    const struct map_ops *ops = map->ops;
    if (ops->lookup_cpu)
        return (uint64_t)(uintptr_t)ops->lookup_cpu(map, answer_pointer(r2), answer_cpu(context));
    return (uint64_t)(uintptr_t)ops->lookup(map, answer_pointer(r2));
}

static uint64_t update_elem(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    struct map *map = answer_pointer(r1);
    const struct map_ops *ops = map->ops;
    const void *key = answer_pointer(r2), *value = answer_pointer(r3);
    if (ops->update_cpu)
        return answer(ops->update_cpu(map, key, value, r4, answer_cpu(context)));
    return answer(ops->update(map, key, value, r4));
}

static uint64_t delete_elem(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    struct map *map = answer_pointer(r1);
    return answer(map->ops->remove(map, answer_pointer(r2)));
}

/* efW's: the value stays readable until the program ends, though a preallocated element may be given to another key. */
static uint64_t lookup_and_delete_elem(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    uint64_t value = lookup_elem(r1, r2, 0, 0, 0, context);
    return value && !delete_elem(r1, r2, 0, 0, 0, context) ? value : 0;
}

static uint64_t lookup_percpu_elem(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    struct map *map = answer_pointer(r1);
    uint32_t cpu = (uint32_t)r3;
    if (!map->ops->lookup_cpu || cpu >= os_cpu_count())
        return 0;
    return (uint64_t)(uintptr_t)map->ops->lookup_cpu(map, answer_pointer(r2), cpu);
}

static uint64_t push_elem(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    struct map *map = answer_pointer(r1);
    return answer(map->ops->push ? map->ops->push(map, answer_pointer(r2), r3) : RESULT_NOT_SUPPORTED);
}

static uint64_t pop_elem(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    struct map *map = answer_pointer(r1);
    return answer(map->ops->pop ? map->ops->pop(map, answer_pointer(r2)) : RESULT_NOT_SUPPORTED);
}

static uint64_t peek_elem(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    struct map *map = answer_pointer(r1);
    return answer(map->ops->peek ? map->ops->peek(map, answer_pointer(r2)) : RESULT_NOT_SUPPORTED);
}

const struct helper map_helpers[] = {
    {{"map_lookup_elem",
      {1, 1},
      RET_MAP_VALUE_OR_NULL,
      {ARG_CONST_MAP, ARG_MAP_KEY},
      0,
      HASHES | ARRAYS | KIND(LPM_TRIE) | KIND(ARRAY_OF_MAPS) | KIND(HASH_OF_MAPS) | KIND(DEVMAP) | KIND(DEVMAP_HASH) |
          KIND(XSKMAP),
      2},
     lookup_elem},
    {{"map_update_elem",
      {2, 2},
      RET_INTEGER,
      {ARG_CONST_MAP, ARG_MAP_KEY, ARG_MAP_VALUE, ARG_ANYTHING},
      HELPER_WRITES_VALUE,
      HASHES | ARRAYS | KIND(LPM_TRIE),
      2},
     update_elem},
    {{"map_delete_elem",
      {3, 3},
      RET_INTEGER,
      {ARG_CONST_MAP, ARG_MAP_KEY},
      HELPER_WRITES_VALUE,
      HASHES | ARRAYS | KIND(LPM_TRIE),
      2},
     delete_elem},
    {{"map_lookup_and_delete_elem",
      {-1, 4},
      RET_MAP_VALUE_OR_NULL,
      {ARG_CONST_MAP, ARG_MAP_KEY},
      HELPER_WRITES_VALUE,
      HASHES,
      2},
     lookup_and_delete_elem},
    {{"map_push_elem",
      {87, 16},
      RET_INTEGER,
      {ARG_CONST_MAP, ARG_MAP_VALUE, ARG_ANYTHING},
      0,
      QUEUES | KIND(BLOOM_FILTER),
      2},
     push_elem},
    {{"map_pop_elem", {88, 17}, RET_INTEGER, {ARG_CONST_MAP, ARG_MAP_VALUE_UNINIT}, 0, QUEUES, 2}, pop_elem},
    {{"map_peek_elem", {89, 18}, RET_INTEGER, {ARG_CONST_MAP, ARG_MAP_VALUE_UNINIT}, 0, QUEUES | KIND(BLOOM_FILTER), 2},
     peek_elem},
    {{"map_lookup_percpu_elem",
      {195, -1},
      RET_MAP_VALUE_OR_NULL,
      {ARG_CONST_MAP, ARG_MAP_KEY, ARG_ANYTHING},
      0,
      KIND(PERCPU_ARRAY) | KIND(PERCPU_HASH) | KIND(LRU_PERCPU_HASH),
      2},
     lookup_percpu_elem},
    /* Engines do it themselves. */
    {{"tail_call",
      {12, 5},
      RET_NEVER,
      {ARG_CONTEXT, ARG_CONST_MAP, ARG_ANYTHING},
      HELPER_TAIL_CALL,
      KIND(PROG_ARRAY),
      2},
     NULL},
    {{NULL, {-1, -1}, RET_VOID, {ARG_NONE}, 0, 0, 0}, NULL},
};

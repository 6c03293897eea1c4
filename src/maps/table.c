/* SPDX-License-Identifier: MIT
 *
 * The writers of the hash table, and its careful reader.  The theory is in table.h.
 */
#include "maps/table.h"

enum {
    TAG = OS_TAG('m', 'h', 's', 'h'),
    STRIPES_MOST = 256,
    POOLS_MOST = 64,
    KEPT_MOST = 64,         /* deleted elements that a CPU's pool keeps, BPF_F_NO_PREALLOC */
    ELEMENT_MOST = 4 << 20, /* Linux's KMALLOC_MAX_SIZE */
    LINUX_ELEMENT = 48,     /* its element without key and value */
    LINUX_BUCKET = 16,
};

/* Before the key of an element of its own allocation. */
struct dynamic {
    struct epoch_entry retired;
    size_t size; /* of the allocation */
    uint8_t *values;
    size_t values_size;
};

_Static_assert(sizeof(struct table_bucket) == 64 && sizeof(struct table_stripe) == 64 &&
                   sizeof(struct table_pool) == 64 && sizeof(struct dynamic) % 8 == 0,
               "a cache line each");

/* Links: addresses where elements are allocated one by one, else 1 + the distance from the area in units of 8 bytes,
 * which fits beside a 4-byte key. */
static inline uint8_t *link_get(const struct table *table, const uint8_t *element)
{
    if (table->dynamic)
        return (uint8_t *)(uintptr_t)os_load_acquire((const uint64_t *)(element + table->link_at));
    uint32_t link = os_load_acquire((const uint32_t *)(element + table->link_at));
    return link ? table->area + (size_t)(link - 1) * 8 : NULL;
}

static inline void link_set(const struct table *table, uint8_t *element, const uint8_t *to)
{
    if (table->dynamic)
        os_store_release((uint64_t *)(element + table->link_at), (uint64_t)(uintptr_t)to);
    else
        os_store_release((uint32_t *)(element + table->link_at),
                         to ? (uint32_t)((size_t)(to - table->area) / 8) + 1 : 0);
}

static inline uint8_t *chain_first(const struct table_bucket *bucket)
{
    return (uint8_t *)(uintptr_t)os_load_acquire(&bucket->chain);
}

static ALWAYS_INLINE void key_store(uint8_t *element, const void *key, uint32_t size)
{
    const uint8_t *bytes = key;
    uint64_t word;
    uint32_t half;
    for (; size >= 8; size -= 8, bytes += 8, element += 8) {
        memcpy(&word, bytes, 8);
        os_store_release((uint64_t *)element, word);
    }
    if (size >= 4) {
        memcpy(&half, bytes, 4);
        os_store_release((uint32_t *)element, half);
        size -= 4, bytes += 4, element += 4;
    }
    for (; size; size--, bytes++, element++)
        os_store_release(element, *bytes);
}

/* ---- making and unmaking */

static uint32_t power_of_two_from(uint64_t least)
{
    uint32_t bits = 1;
    while (1ull << bits < least)
        bits++;
    return bits;
}

static enum result spec_check(const struct map_spec *spec, bool percpu)
{
    const uint32_t known = BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE | BPF_F_ZERO_SEED | MAP_ACCESS_FLAGS;
    if (spec->flags & ~known || map_access_flags_wrong(spec->flags))
        return RESULT_INVALID;
    if (percpu && spec->flags & BPF_F_NUMA_NODE && spec->numa_node != UINT32_MAX)
        return RESULT_INVALID;
    if (!spec->max_entries || !spec->key_size || !spec->value_size)
        return RESULT_INVALID;
    if ((uint64_t)spec->key_size + spec->value_size >= ELEMENT_MOST - LINUX_ELEMENT)
        return RESULT_TOO_BIG;
    if (percpu && map_round8(spec->value_size) > MAP_PERCPU_VALUE_MOST)
        return RESULT_TOO_BIG;
    if (spec->max_entries > 1u << 31 ||
        1ull << power_of_two_from(spec->max_entries) > UINT32_MAX / (uint32_t)LINUX_BUCKET)
        return RESULT_TOO_BIG;
    return RESULT_OK;
}

static void *take(size_t size, size_t *remember)
{
    void *memory = os_alloc_aligned(size, TAG);
    if (memory)
        *remember = size;
    return memory;
}

static void layout(struct table *table, const struct map_spec *spec)
{
    uint32_t link = table->dynamic ? 8 : 4;
    table->link_at = (spec->key_size + link - 1) & ~(link - 1);
    table->value_at = (uint32_t)map_round8(table->link_at + link);
    size_t value = table->percpu ? (table->dynamic ? 8 : 0) : map_round8(spec->value_size);
    table->element_size = table->value_at + (uint32_t)value;
    uint64_t odd = table->element_size, inverse = 1;
    for (; !(odd & 1); odd >>= 1)
        table->size_shift++;
    for (unsigned i = 0; i < 6; i++) /* Newton: right in 1 bit, then 2, 4 … 64 */
        inverse *= 2 - odd * inverse;
    table->size_inverse = inverse;
    table->cpus = os_cpu_count();
    table->cpu_stride = (map_round8(spec->value_size) + 63) & ~(size_t)63; /* dynamic; preallocated: see below */
}

/* The elements of a preallocated table: spares first, the rest dealt out to the pools. */
static enum result preallocate(struct table *table, const struct map_spec *spec, uint32_t stripes)
{
    size_t total = (size_t)spec->max_entries + (size_t)stripes * table->spares, size;
    if (!checked_mul_size(total, table->element_size, &size) || size / 8 >= UINT32_MAX)
        return RESULT_NO_MEMORY;
    table->area = take(size, &table->area_size);
    if (!table->area)
        return RESULT_NO_MEMORY;
    if (table->percpu) {
        size_t stride = map_round8(spec->value_size);
        if (!checked_mul_size(total, stride, &size) || !checked_align_size(size, 64, &size))
            return RESULT_NO_MEMORY;
        table->cpu_stride = size;
        if (!checked_mul_size(size, table->cpus, &size))
            return RESULT_NO_MEMORY;
        table->values = take(size, &table->values_size);
        if (!table->values)
            return RESULT_NO_MEMORY;
    }
    uint8_t *next = table->area;
    for (uint32_t i = 0; i < stripes; i++)
        for (uint32_t j = 0; j < table->spares; j++, next += table->element_size)
            table->stripes[i].spares[j] = next;
    for (uint32_t i = 0; i < table->pool_count; i++) {
        size_t share = spec->max_entries / table->pool_count + (i < spec->max_entries % table->pool_count);
        table->pools[i].fresh = next;
        next += share * table->element_size;
        table->pools[i].fresh_end = next;
    }
    return RESULT_OK;
}

enum result table_create(const struct map_spec *spec, bool percpu, struct map **out)
{
    enum result result = spec_check(spec, percpu);
    if (result)
        return result;
    struct table *table = os_alloc(sizeof *table, TAG);
    if (!table)
        return RESULT_NO_MEMORY;
    table->percpu = percpu;
    table->dynamic = spec->flags & BPF_F_NO_PREALLOC;
    table->map.stride = (uint32_t)map_round8(spec->value_size);
    table->map.key_size = spec->key_size; /* destroy needs these even if nobody fills in the rest */
    table->map.value_size = spec->value_size;
    layout(table, spec);

    /* Two to four entries a bucket when full. */
    uint32_t bits = power_of_two_from((spec->max_entries + 3ull) / 4), stripes = STRIPES_MOST;
    while (stripes > 1 && (stripes > 1ull << bits || stripes > spec->max_entries / 8))
        stripes /= 2;
    table->shift = 64 - bits;
    table->stripe_mask = stripes - 1;
    table->spares = percpu ? 0 : (uint64_t)stripes * TABLE_SPARES <= spec->max_entries / 4 ? TABLE_SPARES : 1;
    table->pool_count = table->cpus < POOLS_MOST ? table->cpus : POOLS_MOST;

    result = RESULT_NO_MEMORY;
    table->buckets = take(sizeof *table->buckets << bits, &table->bucket_size);
    if (!table->buckets)
        goto fail;
    table->stripes = take(sizeof *table->stripes * stripes, &table->stripe_size);
    if (!table->stripes)
        goto fail;
    table->pools = take(sizeof *table->pools * table->pool_count, &table->pool_size);
    if (!table->pools)
        goto fail;
    if (!table->dynamic && (result = preallocate(table, spec, stripes)))
        goto fail;
    if (!(spec->flags & BPF_F_ZERO_SEED))
        os_random(table->seed, sizeof table->seed);
    table->seed[1] = (table->seed[1] ^ 0x9e6d62d06f6a9a9bu) | 1;
    table->seed[2] = (table->seed[2] ^ 0xd1342543de82ef95u) | 1;
    *out = &table->map;
    return RESULT_OK;
fail:
    table_destroy(&table->map);
    return result;
}

static void dynamic_free(struct dynamic *dynamic)
{
    os_free_aligned(dynamic->values, dynamic->values_size, TAG);
    os_free(dynamic, dynamic->size, TAG);
}

static void dynamic_reclaim(struct epoch_entry *entry)
{
    dynamic_free((struct dynamic *)entry);
}

static struct dynamic *dynamic_of(uint8_t *element)
{
    return (struct dynamic *)element - 1;
}

static void free_list(const struct table *table, uint8_t *element)
{
    while (element) {
        uint8_t *next = link_get(table, element);
        dynamic_free(dynamic_of(element));
        element = next;
    }
}

void table_destroy(struct map *map)
{
    struct table *table = (struct table *)map;
    if (table->dynamic) {
        for (size_t i = 0; i < table->bucket_size / sizeof *table->buckets; i++) {
            for (uint32_t j = 0; j < TABLE_SLOTS; j++)
                if (table->buckets[i].slots[j])
                    dynamic_free(dynamic_of(table_element(table->buckets[i].slots[j])));
            free_list(table, chain_first(&table->buckets[i]));
        }
        for (size_t i = 0; i < table->stripe_size / sizeof *table->stripes; i++)
            for (uint32_t j = 0; j < TABLE_SPARES; j++)
                if (table->stripes[i].spares[j])
                    dynamic_free(dynamic_of(table->stripes[i].spares[j]));
        for (size_t i = 0; i < table->pool_size / sizeof *table->pools; i++)
            free_list(table, table->pools[i].first);
    }
    os_free_aligned(table->values, table->values_size, TAG);
    os_free_aligned(table->area, table->area_size, TAG);
    os_free_aligned(table->pools, table->pool_size, TAG);
    os_free_aligned(table->stripes, table->stripe_size, TAG);
    os_free_aligned(table->buckets, table->bucket_size, TAG);
    os_free(table, sizeof *table, TAG);
}

/* ---- free elements */

static uint8_t *pool_pop(const struct table *table, struct table_pool *pool)
{
    os_irql state = os_spin_acquire(&pool->lock);
    uint8_t *element = pool->first;
    if (element) {
        os_store(&pool->first, link_get(table, element));
        pool->length--;
    } else if (pool->fresh != pool->fresh_end) {
        element = pool->fresh;
        os_store(&pool->fresh, element + table->element_size);
    }
    os_spin_release(&pool->lock, state);
    return element;
}

static inline bool pool_empty(const struct table_pool *pool)
{
    return !os_load(&pool->first) && os_load(&pool->fresh) == pool->fresh_end;
}

static uint8_t *dynamic_alloc(const struct table *table)
{
    size_t size = sizeof(struct dynamic) + table->element_size;
    struct dynamic *dynamic = os_alloc(size, TAG);
    if (!dynamic)
        return NULL;
    dynamic->size = size;
    if (table->percpu) {
        dynamic->values_size = table->cpu_stride * table->cpus;
        dynamic->values = os_alloc_aligned(dynamic->values_size, TAG);
        if (!dynamic->values) {
            os_free(dynamic, size, TAG);
            return NULL;
        }
    }
    return (uint8_t *)(dynamic + 1);
}

/* An element for one more key.  RESULT_TOO_BIG when max_entries keys are there. */
static enum result element_take(struct table *table, uint8_t **out)
{
    uint32_t home = os_cpu_current() % table->pool_count;
    if (!table->dynamic) {
        for (uint32_t i = 0, at = home; i < table->pool_count; i++, at = at + 1 == table->pool_count ? 0 : at + 1) {
            if (pool_empty(&table->pools[at]))
                continue;
            *out = pool_pop(table, &table->pools[at]);
            if (likely(*out != NULL))
                return RESULT_OK;
        }
        return RESULT_TOO_BIG;
    }
    if (unlikely(os_fetch_add(&table->count, 1) >= table->map.max_entries)) {
        os_fetch_sub(&table->count, 1);
        return RESULT_TOO_BIG;
    }
    *out = pool_empty(&table->pools[home]) ? NULL : pool_pop(table, &table->pools[home]);
    if (!*out && !(*out = dynamic_alloc(table))) {
        os_fetch_sub(&table->count, 1);
        return RESULT_NO_MEMORY;
    }
    return RESULT_OK;
}

/* Gives back an element that no slot and no chain leads to any more. */
static void element_give(struct table *table, uint8_t *element)
{
    struct table_pool *pool = &table->pools[os_cpu_current() % table->pool_count];
    os_irql state = os_spin_acquire(&pool->lock);
    bool keep = !table->dynamic || pool->length < KEPT_MOST;
    if (keep) {
        link_set(table, element, pool->first);
        os_store(&pool->first, element);
        pool->length++;
    }
    os_spin_release(&pool->lock, state);
    if (!keep)
        epoch_retire(&dynamic_of(element)->retired, dynamic_reclaim);
    if (table->dynamic)
        os_fetch_sub(&table->count, 1);
}

/* ---- finding */

NOINLINE uint8_t *table_find_carefully(const struct table *table, const void *key, uint64_t hash)
{
    uint64_t tag = table_tag(hash), index = hash >> table->shift;
    const struct table_bucket *bucket = &table->buckets[index];
    const uint32_t *version = &table->stripes[index & table->stripe_mask].version;
    uint32_t size = table->map.key_size;
    for (;;) {
        uint32_t before = os_load_acquire(version);
        for (uint32_t i = 0; i < TABLE_SLOTS; i++) {
            uint64_t slot = os_load_acquire(&bucket->slots[i]);
            if ((slot & TABLE_TAG_MASK) == tag && table_key_equal(table_element(slot), key, size))
                return table_element(slot);
        }
        uint8_t *found = NULL;
        uint64_t steps = 0;
        for (uint8_t *e = chain_first(bucket); e; e = link_get(table, e)) {
            if (table_key_equal(e, key, size)) {
                found = e;
                break;
            }
            /* A chain that changed may lead anywhere, even in a circle. */
            if (!(++steps % 16) && os_load(version) != before)
                break;
        }
        if (likely(!(before & 1) && os_load(version) == before))
            return found;
        os_relax();
    }
}

/* Where a key is, for those who hold the stripe's lock. */
struct place {
    struct table_bucket *bucket;
    struct table_stripe *stripe;
    uint64_t tag;
    uint8_t *element;  /* NULL: not there */
    uint32_t slot;     /* TABLE_SLOTS: in the chain */
    uint8_t *previous; /* in the chain; NULL for its first */
};

static ALWAYS_INLINE void place_of(struct table *table, uint64_t hash, struct place *place)
{
    uint64_t index = hash >> table->shift;
    place->bucket = &table->buckets[index];
    place->stripe = &table->stripes[index & table->stripe_mask];
    place->tag = table_tag(hash);
}

static ALWAYS_INLINE void place_find(const struct table *table, const void *key, uint32_t size, struct place *place)
{
    const struct table_bucket *bucket = place->bucket;
    place->previous = NULL;
    for (uint32_t found = table_match(bucket, place->tag); found; found &= found - 1) {
        place->slot = table_lowest(found);
        place->element = table_element(bucket->slots[place->slot]);
        if (likely(table_key_equal(place->element, key, size)))
            return;
    }
    place->slot = TABLE_SLOTS;
    place->element = chain_first(bucket);
    while (unlikely(place->element != NULL)) {
        if (table_key_equal(place->element, key, size))
            return;
        place->previous = place->element;
        place->element = link_get(table, place->element);
    }
}

/* Puts `with` (NULL: nothing) where the place's element is, which readers may see until the epoch ends. */
static inline void place_exchange(const struct table *table, struct place *place, uint8_t *with)
{
    struct table_stripe *stripe = place->stripe;
    os_store(&stripe->version, stripe->version + 1);
    if (place->slot < TABLE_SLOTS) {
        os_store_release(&place->bucket->slots[place->slot], with ? table_slot(with, place->tag) : 0);
    } else {
        uint8_t *next = link_get(table, place->element);
        if (with)
            link_set(table, with, next);
        else
            with = next;
        if (place->previous)
            link_set(table, place->previous, with);
        else
            os_store_release(&place->bucket->chain, (uint64_t)(uintptr_t)with);
    }
    os_store_release(&stripe->version, stripe->version + 1);
}

static inline void place_insert(const struct table *table, struct place *place, uint8_t *element)
{
    for (uint32_t i = 0; i < TABLE_SLOTS; i++)
        if (!place->bucket->slots[i]) {
            os_store_release(&place->bucket->slots[i], table_slot(element, place->tag));
            return;
        }
    link_set(table, element, chain_first(place->bucket));
    os_store_release(&place->bucket->chain, (uint64_t)(uintptr_t)element);
}

/* ---- writing */

static ALWAYS_INLINE enum result update_sized(struct table *table, const void *key, uint32_t size, const void *value,
                                              uint64_t flags, table_fill fill, uint32_t cpu)
{
    struct place place;
    uint8_t *element;
    enum result result = RESULT_OK;
    place_of(table, table_hash(table, key, size), &place);
    os_irql state = os_spin_acquire(&place.stripe->lock);
    place_find(table, key, size, &place);
    if (place.element) {
        if (unlikely(flags == BPF_NOEXIST)) {
            result = RESULT_EXISTS;
        } else if (table->percpu) {
            fill(table, place.element, false, value, cpu);
        } else {
            uint32_t spare = place.stripe->spare;
            element = place.stripe->spares[spare];
            if (unlikely(!element) && !(element = dynamic_alloc(table))) {
                result = RESULT_NO_MEMORY;
            } else {
                key_store(element, key, size);
                fill(table, element, true, value, cpu);
                place_exchange(table, &place, element);
                place.stripe->spares[spare] = place.element;
                place.stripe->spare = spare + 1 == table->spares ? 0 : spare + 1;
            }
        }
    } else if (unlikely(flags == BPF_EXIST)) {
        result = RESULT_NOT_FOUND;
    } else if (likely(!(result = element_take(table, &element)))) {
        key_store(element, key, size);
        if (table->percpu && table->dynamic)
            os_store((uint8_t **)(void *)(element + table->value_at), dynamic_of(element)->values);
        fill(table, element, true, value, cpu);
        place_insert(table, &place, element);
    }
    os_spin_release(&place.stripe->lock, state);
    return result;
}

enum result table_update(struct table *table, const void *key, const void *value, uint64_t flags, table_fill fill,
                         uint32_t cpu)
{
    if (unlikely(map_update_flags_wrong(flags)))
        return RESULT_INVALID;
    return update_sized(table, key, table->map.key_size, value, flags, fill, cpu);
}

enum result table_remove(struct table *table, const void *key, void *taken,
                         void (*read)(const struct table *, const uint8_t *element, void *out))
{
    struct place place;
    uint32_t size = table->map.key_size;
    place_of(table, table_hash(table, key, size), &place);
    os_irql state = os_spin_acquire(&place.stripe->lock);
    place_find(table, key, size, &place);
    if (place.element) {
        if (taken)
            read(table, place.element, taken);
        place_exchange(table, &place, NULL);
    }
    os_spin_release(&place.stripe->lock, state);
    if (!place.element)
        return RESULT_NOT_FOUND;
    element_give(table, place.element);
    return RESULT_OK;
}

/* ---- walking */

static inline bool bucket_empty(const struct table_bucket *bucket)
{
    uint64_t any = os_load(&bucket->chain);
    for (uint32_t i = 0; i < TABLE_SLOTS; i++)
        any |= os_load(&bucket->slots[i]);
    return !any;
}

/* Under the stripe's lock: the first element from slot `from` on, or the chain's. */
static uint8_t *bucket_from(const struct table_bucket *bucket, uint32_t from)
{
    for (; from < TABLE_SLOTS; from++)
        if (bucket->slots[from])
            return table_element(bucket->slots[from]);
    return chain_first(bucket);
}

/* The order is that of buckets and places in them.  A key that is not there (any more) is followed by the first one, so
 * a walk during deletions may begin anew, as on Linux. */
enum result table_next_key(struct map *map, const void *key, void *next)
{
    struct table *table = (struct table *)map;
    uint32_t size = map->key_size;
    uint64_t index = 0, count = 1ull << (64 - table->shift);
    if (key) {
        struct place place;
        uint64_t hash = table_hash(table, key, size);
        place_of(table, hash, &place);
        os_irql state = os_spin_acquire(&place.stripe->lock);
        place_find(table, key, size, &place);
        uint8_t *after = NULL;
        if (place.element) {
            index = (hash >> table->shift) + 1;
            after =
                place.slot < TABLE_SLOTS ? bucket_from(place.bucket, place.slot + 1) : link_get(table, place.element);
            if (after)
                memcpy(next, after, size);
        }
        os_spin_release(&place.stripe->lock, state);
        if (after)
            return RESULT_OK;
    }
    for (; index < count; index++) {
        struct table_bucket *bucket = &table->buckets[index];
        if (bucket_empty(bucket))
            continue;
        struct table_stripe *stripe = &table->stripes[index & table->stripe_mask];
        os_irql state = os_spin_acquire(&stripe->lock);
        uint8_t *first = bucket_from(bucket, 0);
        if (first)
            memcpy(next, first, size);
        os_spin_release(&stripe->lock, state);
        if (first)
            return RESULT_OK;
    }
    return RESULT_NOT_FOUND;
}

/* SPDX-License-Identifier: MIT
 *
 * The hash table under the hash kinds.  A lookup takes no lock and touches two cache lines: a bucket and an element.
 *
 *   bucket   64 bytes: seven slots and the head of a chain.  A slot is 0 or an element's address with ten bits of the
 *            key's hash (the tag, never 0), so that one load sees both; the chain takes what finds no free slot (one
 *            element in a hundred when the map is full).
 *   element  key, link (chain or free list), value.  It never moves while its key is in the map.
 *   stripe   the lock that writers of every n-th bucket share, and beside it what those writers need: a version and
 *            the spare elements that updates rotate through.
 *
 * An update writes a spare element and then exchanges it with the old one in a single store, so a reader sees all of
 * the old value or all of the new one; the old element becomes the stripe's last spare.  A preallocated element is used
 * again at once after its deletion, as on Linux: a program that still holds a pointer to it may then see another key's
 * value, but the memory stays the map's as long as the map lives.  With BPF_F_NO_PREALLOC a few deleted elements are
 * kept for reuse in the same way and the rest goes back to the system when its epoch has ended.
 *
 * Reading without a lock is right because: (1) a key is compared after the slot was read, and an element that carries
 * the key is, or was during this lookup, the key's; (2) an element that is found under the tag without the key, and a
 * chain, may be the traces of reuse; then the lookup starts again under the stripe's version, which is odd while a
 * writer unlinks and different afterwards, and believes a miss only if the version stood still.  Every store that
 * unlinks, and every store of a key, is a release that follows the version's; so whoever sees its effect also sees that
 * version.
 *
 * Locks: stripe, then pool (the free list of a CPU), one of each at a time.
 */
#ifndef WINBPF_MAPS_TABLE_H
#define WINBPF_MAPS_TABLE_H

#include "core/map.h"
#include "maps/value.h"

enum { TABLE_SLOTS = 7, TABLE_TAG_BITS = 10, TABLE_TAG_MASK = (1 << TABLE_TAG_BITS) - 1, TABLE_SPARES = 4 };

struct table_bucket {
    uint64_t slots[TABLE_SLOTS];
    uint64_t chain; /* address of an element, or 0 */
};

struct table_stripe {
    struct os_spin_lock lock;
    uint32_t version;
    uint32_t spare; /* next one to use */
    uint32_t pad[(24 - sizeof(struct os_spin_lock)) / 4];
    uint8_t *spares[TABLE_SPARES];
};

/* Free elements: a list of those that were used, and a range of those never touched. */
struct table_pool {
    struct os_spin_lock lock;
    uint32_t length; /* of the list */
    uint8_t *first;
    uint8_t *fresh, *fresh_end;
    uint64_t pad[5 - (sizeof(struct os_spin_lock) + sizeof(uint32_t) + 7) / 8];
};

struct table {
    struct map map;
    struct table_bucket *buckets;
    uint32_t shift; /* bucket = hash >> shift */
    uint32_t link_at, value_at, element_size;
    uint64_t seed[3];
    bool dynamic;         /* BPF_F_NO_PREALLOC */
    bool percpu;          /* values are apart: table_values() */
    uint32_t stripe_mask; /* stripe = bucket & stripe_mask */
    uint32_t spares;      /* spare elements a stripe */
    struct table_stripe *stripes;
    uint8_t *area; /* preallocated elements */
    struct table_pool *pools;
    uint32_t pool_count;
    uint32_t cpus;
    size_t cpu_stride;     /* per-CPU kinds: from one CPU's value to the next's */
    uint8_t *values;       /* per-CPU kinds, preallocated: CPU 0's */
    uint32_t size_shift;   /* element_size is odd << size_shift … */
    uint64_t size_inverse; /* … and this times odd is 1, modulo 2^64 */
    size_t bucket_size, stripe_size, area_size, pool_size, values_size; /* bytes allocated */
    uint64_t count;                                                     /* elements; kept for dynamic tables only */
};

enum result table_create(const struct map_spec *spec, bool percpu, struct map **out);
void table_destroy(struct map *map);

/* The element with this key, or NULL: what the lookups below do when the simple way is not certain. */
_Requires_epoch_held_
uint8_t *table_find_carefully(const struct table *table, const void *key, uint64_t hash);

/* What an update does with the value: the kind's.  `fresh`: the element did not hold this key before (its bytes are
 * another's); else a per-CPU kind writes into the live element. */
typedef void (*table_fill)(const struct table *table, uint8_t *element, bool fresh, const void *value, uint32_t cpu);

_Requires_epoch_held_
enum result table_update(struct table *table, const void *key, const void *value, uint64_t flags, table_fill fill,
                         uint32_t cpu);
/* `taken`: where to copy the value on the way out, through `read`; may be NULL. */
_Requires_epoch_held_
enum result table_remove(struct table *table, const void *key, void *taken,
                         void (*read)(const struct table *, const uint8_t *element, void *out));
enum result table_next_key(struct map *map, const void *key, void *next);

static inline uint64_t table_mix(const struct table *table, uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * table->seed[1];
    return hash ^ hash >> 32;
}

/* Multiply and fold with secret factors.  Bits from the top choose the bucket, lower ones are the tag. */
static ALWAYS_INLINE uint64_t table_hash(const struct table *table, const void *key, uint32_t size)
{
    const uint8_t *bytes = key;
    uint64_t hash = table->seed[0], word = 0;
    uint32_t half;
    if (size == 4) {
        memcpy(&half, bytes, 4);
        word = half;
    } else if (size == 8) {
        memcpy(&word, bytes, 8);
    } else {
        for (; size >= 8; size -= 8, bytes += 8) {
            memcpy(&word, bytes, 8);
            hash = table_mix(table, hash, word);
        }
        word = size;
        for (uint32_t i = 0; i < size; i++)
            word = word << 8 | bytes[i];
    }
    return table_mix(table, hash, word) * table->seed[2];
}

static inline uint64_t table_tag(uint64_t hash)
{
    uint64_t tag = hash >> 20 & TABLE_TAG_MASK;
    return tag + !tag;
}

static inline uint64_t table_slot(const uint8_t *element, uint64_t tag)
{
    return (uint64_t)(uintptr_t)element << (TABLE_TAG_BITS - 3) | tag;
}

/* Addresses have 57 bits at most and repeat the highest of them. */
static inline uint8_t *table_element(uint64_t slot)
{
    return (uint8_t *)(uintptr_t)((uint64_t)((int64_t)slot >> TABLE_TAG_BITS) << 3);
}

/* Does the element carry the key?  Its bytes may be changing. */
static ALWAYS_INLINE bool table_key_equal(const uint8_t *element, const void *key, uint32_t size)
{
    const uint8_t *bytes = key;
    uint64_t word;
    uint32_t half;
    for (; size >= 8; size -= 8, bytes += 8, element += 8) {
        memcpy(&word, bytes, 8);
        if (os_load_acquire((const uint64_t *)element) != word)
            return false;
    }
    if (size >= 4) {
        memcpy(&half, bytes, 4);
        if (os_load_acquire((const uint32_t *)element) != half)
            return false;
        size -= 4, bytes += 4, element += 4;
    }
    for (; size; size--, bytes++, element++)
        if (os_load_acquire(element) != *bytes)
            return false;
    return true;
}

static inline struct table_bucket *table_bucket(const struct table *table, uint64_t hash)
{
    return &table->buckets[hash >> table->shift];
}

/* The slots that bear the tag, one bit each. */
static ALWAYS_INLINE uint32_t table_match(const struct table_bucket *bucket, uint64_t tag)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < TABLE_SLOTS; i++)
        found |= (uint32_t)((os_load(&bucket->slots[i]) & TABLE_TAG_MASK) == tag) << i;
    return found;
}

static inline uint32_t table_lowest(uint32_t bits)
{
#if defined(__GNUC__)
    return (uint32_t)__builtin_ctz(bits);
#else
    uint32_t i = 0;
    while (!(bits >> i & 1))
        i++;
    return i;
#endif
}

/* Per-CPU kinds: where CPU 0's value of an element is.  Preallocated values have the element's number, so the place is
 * arithmetic (an exact division) and its cache line is fetched together with the element's; others are pointed at. */
static inline uint8_t *table_values(const struct table *table, const uint8_t *element)
{
    if (unlikely(table->dynamic))
        return os_load((uint8_t *const *)(const void *)(element + table->value_at));
    uint64_t number = ((uint64_t)(element - table->area) >> table->size_shift) * table->size_inverse;
    return table->values + number * table->map.stride;
}

/* The element with this key, or NULL.  `size` is the map's key_size, a constant where the caller knows it. */
_Requires_epoch_held_
static ALWAYS_INLINE uint8_t *table_find(const struct table *table, const void *key, uint32_t size)
{
    uint64_t hash = table_hash(table, key, size), tag = table_tag(hash);
    const struct table_bucket *bucket = table_bucket(table, hash);
    uint32_t found = table_match(bucket, tag);
    if (likely(found)) {
        uint64_t slot = os_load_acquire(&bucket->slots[table_lowest(found)]);
        if (likely(slot && table_key_equal(table_element(slot), key, size)))
            return table_element(slot);
    } else if (likely(!os_load(&bucket->chain))) {
        return NULL;
    }
    return table_find_carefully(table, key, hash);
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * What each kind of map does, by itself, in one thread.  What Linux does is asked in test_kernel_maps.c.
 */
#include <linux/bpf.h>
#include "core/prog.h"
#include "maps/kit.h"
#include "maps/ringbuf.h"
#include "maps/table.h"

TEST(array)
{
    kit_start();
    struct map *map = kit_map(BPF_MAP_TYPE_ARRAY, 4, 12, 5, 0), *none;
    uint32_t key = 4, next;
    char value[12] = "hello world", got[12] = {1};
    CHECK_EQ(kit_lookup(map, &key, got), RESULT_OK);
    CHECK(!memcmp(got, (char[12]){0}, 12));
    CHECK_EQ(kit_update(map, &key, value, BPF_EXIST), RESULT_OK);
    CHECK_EQ(kit_update(map, &key, value, BPF_NOEXIST), RESULT_EXISTS);
    CHECK_EQ(kit_update(map, &key, value, 3), RESULT_INVALID);
    CHECK_EQ(kit_lookup(map, &key, got), RESULT_OK);
    CHECK_STR(got, value);
    key = 5;
    CHECK_EQ(kit_update(map, &key, value, 0), RESULT_TOO_BIG);
    CHECK_EQ(kit_lookup(map, &key, got), RESULT_NOT_FOUND);
    CHECK_EQ(kit_remove(map, &key), RESULT_INVALID);
    CHECK_EQ(kit_next(map, NULL, &next), RESULT_OK);
    CHECK_EQ(next, 0);
    CHECK_EQ(kit_next(map, &key, &next), RESULT_OK);
    CHECK_EQ(next, 0);
    key = 3;
    CHECK_EQ(kit_next(map, &key, &next), RESULT_OK);
    CHECK_EQ(next, 4);
    CHECK_EQ(kit_next(map, &next, &next), RESULT_NOT_FOUND);

    struct engine_map seen = {0};
    map->ops->describe(map, &seen);
    key = 4;
    CHECK_EQ(seen.stride, 16);
    CHECK_EQ(seen.values_size, 80);
    CHECK(seen.values + 4 * 16 == map->ops->lookup(map, &key));
    kit_put(map);

    CHECK_EQ(kit_try(BPF_MAP_TYPE_ARRAY, 8, 8, 1, 0, &none), RESULT_INVALID);
    CHECK_EQ(kit_try(BPF_MAP_TYPE_ARRAY, 4, 0, 1, 0, &none), RESULT_INVALID);
    CHECK_EQ(kit_try(BPF_MAP_TYPE_ARRAY, 4, 8, 0, 0, &none), RESULT_INVALID);
    CHECK_EQ(kit_try(BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_NO_PREALLOC, &none), RESULT_INVALID);
    CHECK_EQ(kit_try(BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG, &none), RESULT_INVALID);
    CHECK_EQ(kit_stop(), 0);
}

TEST(array_strides)
{
    kit_start();
    struct map_spec spec = {
        .kind = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 5, .max_entries = 3, .personality = PERSONALITY_EFW};
    struct map *map;
    REQUIRE(!map_create(&spec, NULL, &map));
    uint32_t zero = 0, two = 2;
    CHECK_EQ((uint8_t *)map->ops->lookup(map, &two) - (uint8_t *)map->ops->lookup(map, &zero), 10);
    kit_put(map);
    CHECK_EQ(kit_stop(), 0);
}

TEST(array_shared_with_user_space)
{
    kit_start();
    struct map *map = kit_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1000, BPF_F_MMAPABLE);
    struct os_shared *shared = map->ops->shared(map);
    void *seen;
    REQUIRE(shared && !os_shared_map_client(shared, 0, 8000, true, &seen));
    uint32_t key = 999;
    uint64_t value = 0x1122334455667788, got;
    CHECK_EQ(kit_update(map, &key, &value, 0), RESULT_OK);
    CHECK_EQ(((uint64_t *)seen)[999], value);
    ((uint64_t *)seen)[999] = 5;
    CHECK_EQ(kit_lookup(map, &key, &got), RESULT_OK);
    CHECK_EQ(got, 5);
    os_shared_unmap(seen, 8000);
    kit_put(map);
    CHECK_EQ(kit_stop(), 0);
}

TEST(percpu)
{
    kit_start();
    uint32_t kinds[] = {BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_TYPE_PERCPU_HASH},
             cpus = os_cpu_count();
    for (unsigned i = 0; i < 3; i++) {
        struct map *map = kit_map(kinds[i], 4, 12, 100, i == 2 ? BPF_F_NO_PREALLOC : 0);
        uint8_t *values = malloc(cpus * 16), *got = malloc(cpus * 16);
        uint32_t key = 7;
        for (uint32_t j = 0; j < cpus * 16; j++)
            values[j] = (uint8_t)(j + 1);
        CHECK_EQ(kit_update(map, &key, values, 0), RESULT_OK);
        CHECK_EQ(kit_lookup(map, &key, got), RESULT_OK);
        CHECK(!memcmp(got, values, cpus * 16));
        /* A program's update is of its CPU alone, and what it inserts is zero elsewhere. */
        CHECK_EQ(map->ops->update_cpu(map, &key, "abcdefghijk", BPF_EXIST, cpus - 1), RESULT_OK);
        CHECK_EQ(kit_lookup(map, &key, got), RESULT_OK);
        CHECK(!memcmp(got, values, (cpus - 1) * 16));
        CHECK_STR((char *)got + (cpus - 1) * 16, "abcdefghijk");
        CHECK_STR(map->ops->lookup_cpu(map, &key, cpus - 1), "abcdefghijk");
        CHECK(!map->ops->lookup_cpu(map, &key, cpus));
        if (kinds[i] == BPF_MAP_TYPE_PERCPU_HASH) {
            /* The same memory is used again: nothing of the old values may show. */
            CHECK_EQ(kit_remove(map, &key), RESULT_OK);
            CHECK_EQ(map->ops->update_cpu(map, &key, "abcdefghijk", BPF_NOEXIST, 0), RESULT_OK);
            CHECK_EQ(kit_lookup(map, &key, got), RESULT_OK);
            for (uint32_t j = 16; j < cpus * 16; j++)
                CHECK_EQ(got[j], 0);
        }
        /* CPUs do not share lines. */
        if (cpus > 1) {
            size_t apart =
                (size_t)((uint8_t *)map->ops->lookup_cpu(map, &key, 1) - (uint8_t *)map->ops->lookup_cpu(map, &key, 0));
            CHECK(apart >= 64 && apart % 64 == 0);
        }
        free(values);
        free(got);
        kit_put(map);
    }
    CHECK_EQ(kit_stop(), 0);
}

/* Hash maps of every key length against a plain list; small tables have long chains. */
static void hash_against_list(uint32_t key_size, uint32_t entries, uint32_t flags, uint64_t seed)
{
    struct map *map = kit_map(BPF_MAP_TYPE_HASH, key_size, 8, entries, flags);
    enum { KEYS = 64 };
    uint8_t keys[KEYS][40] = {{0}};
    uint64_t values[KEYS] = {0}, got;
    bool present[KEYS] = {false};
    uint32_t count = 0;
    for (unsigned i = 0; i < KEYS; i++)
        for (unsigned j = 0; j < key_size; j++)
            keys[i][j] = (uint8_t)(j == key_size - 1 ? i : j == 0 ? i * 7 : 3);
    for (unsigned step = 0; step < 3000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned k = seed >> 33 & (KEYS - 1), what = seed >> 40 & 7;
        if (key_size == 1 && k >= 256)
            continue;
        if (what < 4) {
            uint64_t update_flags = what == 3 ? BPF_EXIST : what == 2 ? BPF_NOEXIST : BPF_ANY, value = seed;
            enum result want = present[k]                  ? (update_flags == BPF_NOEXIST ? RESULT_EXISTS : RESULT_OK)
                               : update_flags == BPF_EXIST ? RESULT_NOT_FOUND
                               : count == entries          ? RESULT_TOO_BIG
                                                           : RESULT_OK;
            CHECK_EQ(kit_update(map, keys[k], &value, update_flags), want);
            if (!want) {
                count += !present[k];
                present[k] = true;
                values[k] = value;
            }
        } else if (what == 4) {
            CHECK_EQ(kit_remove(map, keys[k]), present[k] ? RESULT_OK : RESULT_NOT_FOUND);
            count -= present[k];
            present[k] = false;
        } else if (what == 5) {
            enum result result = map->ops->take(map, keys[k], &got, 0);
            CHECK_EQ(result, present[k] ? RESULT_OK : RESULT_NOT_FOUND);
            if (!result)
                CHECK_EQ(got, values[k]);
            count -= present[k];
            present[k] = false;
        } else {
            enum result result = kit_lookup(map, keys[k], &got);
            CHECK_EQ(result, present[k] ? RESULT_OK : RESULT_NOT_FOUND);
            if (!result)
                CHECK_EQ(got, values[k]);
        }
        if (check_failures)
            break;
    }
    /* The walk visits every key once. */
    uint8_t at[40], next[40];
    uint32_t visited = 0;
    for (enum result result = kit_next(map, NULL, next); !result; result = kit_next(map, at, next)) {
        memcpy(at, next, key_size);
        unsigned k = 0;
        while (k < KEYS && memcmp(keys[k], at, key_size))
            k++;
        CHECK(k < KEYS && present[k]);
        if (++visited > count)
            break;
    }
    CHECK_EQ(visited, count);
    kit_put(map);
}

TEST(hash)
{
    kit_start();
    for (uint32_t size = 1; size <= 40; size++)
        for (unsigned entries = 1; entries <= 64; entries *= 4) {
            hash_against_list(size, entries, 0, size);
            hash_against_list(size, entries, BPF_F_NO_PREALLOC, size * 3);
        }
    CHECK_EQ(kit_stop(), 0);
}

TEST(hash_limits)
{
    kit_start();
    struct map *map;
    CHECK_EQ(kit_try(BPF_MAP_TYPE_HASH, 0, 8, 1, 0, &map), RESULT_INVALID);
    CHECK_EQ(kit_try(BPF_MAP_TYPE_HASH, 4, 0, 1, 0, &map), RESULT_INVALID);
    CHECK_EQ(kit_try(BPF_MAP_TYPE_HASH, 4, 8, 0, 0, &map), RESULT_INVALID);
    CHECK_EQ(kit_try(BPF_MAP_TYPE_HASH, 4, 8, 1, BPF_F_MMAPABLE, &map), RESULT_INVALID);
    CHECK_EQ(kit_try(BPF_MAP_TYPE_HASH, 4, 4 << 20, 1, 0, &map), RESULT_TOO_BIG);
    CHECK_EQ(kit_try(BPF_MAP_TYPE_HASH, 4, 8, UINT32_MAX, 0, &map), RESULT_TOO_BIG);
    CHECK_EQ(kit_try(BPF_MAP_TYPE_PERCPU_HASH, 4, 32769, 1, 0, &map), RESULT_TOO_BIG);

    /* Filled to the brim, emptied, filled again; replacing a value needs no room. */
    for (unsigned dynamic = 0; dynamic < 2; dynamic++) {
        map = kit_map(BPF_MAP_TYPE_HASH, 4, 4, 5000, dynamic ? BPF_F_NO_PREALLOC : 0);
        for (unsigned round = 0; round < 3; round++) {
            for (uint32_t i = 0; i < 5000; i++)
                CHECK_EQ(kit_update(map, &i, &i, BPF_NOEXIST), RESULT_OK);
            uint32_t one_more = 5000, value;
            CHECK_EQ(kit_update(map, &one_more, &one_more, 0), RESULT_TOO_BIG);
            for (uint32_t i = 0; i < 5000; i++)
                CHECK_EQ(kit_update(map, &i, &round, BPF_EXIST), RESULT_OK);
            for (uint32_t i = 0; i < 5000; i++) {
                CHECK_EQ(kit_lookup(map, &i, &value), RESULT_OK);
                CHECK_EQ(value, round);
                CHECK_EQ(kit_remove(map, &i), RESULT_OK);
            }
            CHECK_EQ(kit_next(map, NULL, &value), RESULT_NOT_FOUND);
        }
        kit_put(map);
    }
    CHECK_EQ(kit_stop(), 0);
}

/* All keys in one bucket: with the factors of the hash at 0, every hash is 0. */
TEST(hash_one_bucket)
{
    kit_start();
    for (unsigned dynamic = 0; dynamic < 2; dynamic++) {
        struct map *map = kit_map(BPF_MAP_TYPE_HASH, 8, 8, 200, dynamic ? BPF_F_NO_PREALLOC : 0);
        ((struct table *)map)->seed[1] = 0;
        uint64_t got, next;
        for (uint64_t i = 0; i < 200; i++)
            CHECK_EQ(kit_update(map, &i, &i, BPF_NOEXIST), RESULT_OK);
        for (uint64_t i = 0; i < 200; i += 2)
            CHECK_EQ(kit_remove(map, &i), RESULT_OK);
        for (uint64_t i = 0; i < 200; i++) {
            CHECK_EQ(kit_lookup(map, &i, &got), i % 2 ? RESULT_OK : RESULT_NOT_FOUND);
            uint64_t value = i + 1000;
            CHECK_EQ(kit_update(map, &i, &value, i % 2 ? BPF_EXIST : BPF_NOEXIST), RESULT_OK);
        }
        uint64_t sum = 0, count = 0;
        for (enum result result = kit_next(map, NULL, &next); !result && count < 300;
             result = kit_next(map, &next, &next)) {
            CHECK_EQ(kit_lookup(map, &next, &got), RESULT_OK);
            sum += got;
            count++;
        }
        CHECK_EQ(count, 200);
        CHECK_EQ(sum, 200 * 1000 + 199 * 100);
        kit_put(map);
    }
    CHECK_EQ(kit_stop(), 0);
}

/* An update gives readers a new value at once: the pointer to the old one still shows the old one. */
TEST(hash_update_replaces)
{
    kit_start();
    struct map *map = kit_map(BPF_MAP_TYPE_HASH, 4, 32, 100, 0);
    uint32_t key = 1;
    char old[32] = "old", fresh[32] = "new";
    CHECK_EQ(kit_update(map, &key, old, 0), RESULT_OK);
    const char *seen = map->ops->lookup(map, &key);
    CHECK_EQ(kit_update(map, &key, fresh, 0), RESULT_OK);
    CHECK_STR(seen, "old");
    CHECK_STR(map->ops->lookup(map, &key), "new");
    kit_put(map);
    CHECK_EQ(kit_stop(), 0);
}

static void prog_gone(struct object *object) {}

TEST(prog_array)
{
    static struct prog progs[3];
    for (unsigned i = 0; i < 3; i++) {
        object_init(&progs[i].object, OBJECT_PROG, prog_gone);
        REQUIRE(!object_publish(&progs[i].object));
        progs[i].image.prog_type = i == 2 ? BPF_PROG_TYPE_SOCKET_FILTER : BPF_PROG_TYPE_XDP;
    }
    kit_start();
    struct map *map = kit_map(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4, 0), *none;
    uint32_t key = 2, id, slot4 = 4;
    struct engine_map seen = {0};
    map->ops->describe(map, &seen);
    REQUIRE(seen.tails != NULL);
    CHECK_EQ(map->ops->read(map, &key, &id, 0), RESULT_NOT_FOUND);
    CHECK_EQ(map->ops->remove(map, &key), RESULT_NOT_FOUND);
    object_get(&progs[0].object, REF_MAP_PROG);
    CHECK_EQ(map->ops->store(map, &key, &progs[0].object, BPF_NOEXIST), RESULT_INVALID);
    CHECK_EQ(map->ops->store(map, &slot4, &progs[0].object, 0), RESULT_TOO_BIG);
    CHECK_EQ(map->ops->store(map, &key, &progs[0].object, 0), RESULT_OK);
    CHECK(seen.tails[2] == &progs[0].tail);
    CHECK_EQ(map->ops->read(map, &key, &id, 0), RESULT_OK);
    CHECK_EQ(id, progs[0].object.id);
    /* Another type is refused; the same type takes the place and releases the first. */
    CHECK_EQ(map->ops->store(map, &key, &progs[2].object, 0), RESULT_INVALID);
    object_get(&progs[1].object, REF_MAP_PROG);
    CHECK_EQ(map->ops->store(map, &key, &progs[1].object, 0), RESULT_OK);
    CHECK(seen.tails[2] == &progs[1].tail);
    CHECK_EQ(progs[0].object.references, 1);
    CHECK_EQ(map->ops->remove(map, &key), RESULT_OK);
    CHECK(!seen.tails[2]);
    CHECK_EQ(progs[1].object.references, 1);
    /* Out of reach, and destroyed: both let go of what is inside. */
    object_get(&progs[0].object, REF_MAP_PROG);
    CHECK_EQ(map->ops->store(map, &key, &progs[0].object, 0), RESULT_OK);
    map->ops->unreachable(map);
    CHECK_EQ(progs[0].object.references, 1);
    object_get(&progs[1].object, REF_MAP_PROG);
    CHECK_EQ(map->ops->store(map, &key, &progs[1].object, 0), RESULT_OK);
    kit_put(map);
    epoch_synchronize();
    CHECK_EQ(progs[1].object.references, 1);
    CHECK_EQ(kit_try(BPF_MAP_TYPE_PROG_ARRAY, 4, 8, 4, 0, &none), RESULT_INVALID);
    CHECK_EQ(kit_try(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4, BPF_F_RDONLY_PROG, &none), RESULT_INVALID);
    CHECK_EQ(kit_stop(), 0);
    for (unsigned i = 0; i < 3; i++)
        object_put(&progs[i].object, REF_CREATOR);
}

TEST(ringbuf)
{
    kit_start();
    size_t page = os_page_size();
    struct map *map = kit_map(BPF_MAP_TYPE_RINGBUF, 0, 0, (uint32_t)page, 0), *none;
    struct os_shared *shared = map->ops->shared(map);
    struct os_event *event = map->ops->event(map);
    void *consumer_page, *producer_pages;
    REQUIRE(!os_shared_map_client(shared, 0, page, true, &consumer_page));
    REQUIRE(!os_shared_map_client(shared, page, page + 2 * page, false, &producer_pages));
    uint64_t *consumer = consumer_page;
    const uint64_t *producer = producer_pages;
    const uint8_t *data = (uint8_t *)producer_pages + page;

    uint64_t *record = ringbuf_reserve(map, 13);
    REQUIRE(record != NULL);
    CHECK_EQ(*producer, 24);
    CHECK_EQ(*(const uint32_t *)data, 13 | BPF_RINGBUF_BUSY_BIT);
    CHECK(!os_event_wait(event, 0));
    memcpy(record, "hello, world", 13);
    ringbuf_commit(record, 0, false);
    CHECK_EQ(*(const uint32_t *)data, 13);
    CHECK_STR((const char *)data + 8, "hello, world");
    CHECK(os_event_wait(event, 0)); /* the consumer had read all before it */
    CHECK(!os_event_wait(event, 0));

    uint64_t *second = ringbuf_reserve(map, 8), *third = ringbuf_reserve(map, 8);
    ringbuf_commit(second, 0, true);
    CHECK_EQ(*(const uint32_t *)(data + 24), 8 | BPF_RINGBUF_DISCARD_BIT);
    CHECK(!os_event_wait(event, 0)); /* it is behind */
    ringbuf_commit(third, BPF_RB_FORCE_WAKEUP, false);
    CHECK(os_event_wait(event, 0));
    CHECK_EQ(ringbuf_query(map, BPF_RB_AVAIL_DATA), 56);
    CHECK_EQ(ringbuf_query(map, BPF_RB_RING_SIZE), page);
    CHECK_EQ(ringbuf_query(map, BPF_RB_PROD_POS), 56);
    *consumer = 56;
    CHECK_EQ(ringbuf_query(map, BPF_RB_CONS_POS), 56);
    CHECK_EQ(ringbuf_query(map, 17), 0);
    CHECK_EQ(ringbuf_output(map, "abc", 3, BPF_RB_NO_WAKEUP), RESULT_OK);
    CHECK(!os_event_wait(event, 0));
    CHECK_EQ(ringbuf_output(map, "abc", 3, 4), RESULT_INVALID);
    *consumer = *producer;

    /* Full: less than the whole ring; a record over the end is in one piece. */
    CHECK(!ringbuf_reserve(map, page - 8));
    CHECK(!ringbuf_reserve(map, page));
    CHECK(!ringbuf_reserve(map, UINT64_MAX));
    record = ringbuf_reserve(map, page - 16);
    REQUIRE(record != NULL);
    memset(record, 0x5a, page - 16);
    CHECK(!ringbuf_reserve(map, 8));
    CHECK(!ringbuf_reserve(map, 0));
    uint64_t start = *consumer;
    ringbuf_commit(record, 0, false);
    CHECK(os_event_wait(event, 0));
    for (size_t i = 0; i < page - 16; i++)
        if (data[(start & (page - 1)) + 8 + i] != 0x5a) {
            CHECK(!"over the end");
            break;
        }

    /* A consumer that lies about its position gains no space over a record that is still busy. */
    *consumer = *producer;
    record = ringbuf_reserve(map, 64);
    *consumer = *producer + page * 100;
    unsigned room = 0;
    for (; room < 1000; room++) {
        uint64_t *more = ringbuf_reserve(map, 56);
        if (!more)
            break;
        CHECK(more != record);
        ringbuf_commit(more, BPF_RB_NO_WAKEUP, false);
        *consumer = *producer;
    }
    CHECK(room < page / 64);
    ringbuf_commit(record, 0, false);
    *consumer = 0;
    CHECK(!ringbuf_reserve(map, 8));
    *consumer = *producer;
    CHECK_EQ(ringbuf_output(map, "x", 1, 0), RESULT_OK);

    CHECK_EQ(map->ops->update(map, NULL, NULL, 0), RESULT_NOT_SUPP);
    CHECK_EQ(map->ops->remove(map, NULL), RESULT_NOT_SUPP);
    CHECK_EQ(map->ops->next_key(map, NULL, NULL), RESULT_NOT_SUPP);
    os_shared_unmap(consumer_page, page);
    os_shared_unmap(producer_pages, 3 * page);
    kit_put(map);
    CHECK_EQ(kit_try(BPF_MAP_TYPE_RINGBUF, 0, 0, 0, 0, &none), RESULT_INVALID);
    CHECK_EQ(kit_try(BPF_MAP_TYPE_RINGBUF, 0, 0, (uint32_t)page * 3, 0, &none), RESULT_INVALID);
    CHECK_EQ(kit_try(BPF_MAP_TYPE_RINGBUF, 0, 0, (uint32_t)page / 2, 0, &none), RESULT_INVALID);
    CHECK_EQ(kit_try(BPF_MAP_TYPE_RINGBUF, 4, 0, (uint32_t)page, 0, &none), RESULT_INVALID);
    CHECK_EQ(kit_stop(), 0);
}

/* A record leads back to its own ring among many. */
TEST(ringbuf_numbers)
{
    kit_start();
    enum { RINGS = 300 };
    static struct map *rings[RINGS];
    for (unsigned i = 0; i < RINGS; i++)
        rings[i] = kit_map(BPF_MAP_TYPE_RINGBUF, 0, 0, (uint32_t)os_page_size(), 0);
    for (unsigned i = 0; i < RINGS; i++) {
        void *record = ringbuf_reserve(rings[i], 8);
        REQUIRE(record != NULL);
        ringbuf_commit(record, 0, false);
        for (unsigned j = 0; j < RINGS; j++)
            CHECK_EQ(os_event_wait(rings[j]->ops->event(rings[j]), 0), i == j);
    }
    for (unsigned i = 0; i < RINGS; i++)
        kit_put(rings[i]);
    CHECK_EQ(kit_stop(), 0);
}

/* Each allocation of every kind's life fails once: the call says so, and nothing is left behind or half made. */
TEST(allocation_failures)
{
    static const struct {
        uint32_t kind, key, value, entries, flags;
    } rows[] = {
        {BPF_MAP_TYPE_ARRAY, 4, 8, 10, 0},
        {BPF_MAP_TYPE_ARRAY, 4, 8, 10, BPF_F_MMAPABLE},
        {BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 10, 0},
        {BPF_MAP_TYPE_HASH, 4, 8, 10, 0},
        {BPF_MAP_TYPE_HASH, 4, 8, 10, BPF_F_NO_PREALLOC},
        {BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 10, 0},
        {BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 10, BPF_F_NO_PREALLOC},
        {BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 10, 0},
        {BPF_MAP_TYPE_RINGBUF, 0, 0, 1 << 16, 0},
    };
    unsigned injected = 0, counted = 0;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        kit_start();
        for (uint64_t nth = 0;; nth++) {
            struct map *map;
            uint64_t values[64] = {0};
            uint32_t key = 1;
            os_alloc_fail(nth);
            enum result made = kit_try(rows[i].kind, rows[i].key, rows[i].value, rows[i].entries, rows[i].flags, &map);
            enum result written = RESULT_OK, replaced = RESULT_OK;
            bool elements = rows[i].kind != BPF_MAP_TYPE_PROG_ARRAY && rows[i].kind != BPF_MAP_TYPE_RINGBUF;
            if (!made && elements) {
                written = kit_update(map, &key, values, 0);
                values[0] = 5;
                replaced = kit_update(map, &key, values, 0);
                if (!written && !replaced)
                    kit_remove(map, &key);
            }
            uint64_t happened = os_alloc_count();
            os_alloc_fail(0);
            if (nth == 0)
                counted += (unsigned)happened;
            else if (nth <= happened)
                injected++;
            if (made)
                CHECK_EQ(made, RESULT_NO_MEMORY);
            else if (written || replaced)
                CHECK((!written || written == RESULT_NO_MEMORY) && (!replaced || replaced == RESULT_NO_MEMORY));
            else if (nth && nth <= happened)
                CHECK(!"a failed allocation went unnoticed");
            if (!made)
                kit_put(map);
            epoch_synchronize();
            if (nth && nth > happened)
                break;
        }
        CHECK_EQ(kit_stop(), 0);
    }
    CHECK_EQ(injected, counted);
    printf("%u allocations, %u failed in turn\n", counted, injected);
}

TEST_MAIN

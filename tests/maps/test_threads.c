/* SPDX-License-Identifier: MIT
 *
 * Maps under several threads at once; `./test` runs this under ThreadSanitizer too.
 */
#include <linux/bpf.h>
#include "maps/kit.h"
#include "maps/ringbuf.h"
#include "maps/table.h"

enum { THREADS = 4 };

#ifdef MAP_RACES_ARE_ATOMIC
enum { ROUNDS = 20000 };
#else
enum { ROUNDS = 200000 };
#endif

static struct map *shared_map;
static uint64_t wrong, hits, misses;
static uint32_t stop;

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void in_threads(void (*body)(void *), unsigned count)
{
    struct os_thread *threads[8];
    for (uintptr_t i = 0; i < count; i++)
        if (os_thread_start(body, (void *)i, &threads[i]))
            abort();
    for (unsigned i = 0; i < count; i++)
        os_thread_join(threads[i]);
}

enum { STABLE = 40, COMING_AND_GOING = 200 };

/* Keys below STABLE are always there, though their values are replaced all the time; a lookup that misses one is wrong.
 * A value's upper half is its key's; what a lookup gives for another key may be another's by the time it is read. */
static void readers_and_writers(void *argument)
{
    uint64_t state = (uintptr_t)argument * 977 + 1, found = 0, missed = 0;
    bool writes = (uintptr_t)argument % 2;
    struct epoch_state epoch;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t key = next_random(&state) % (writes ? STABLE + COMING_AND_GOING : STABLE + 20);
        epoch_enter(&epoch);
        if (!writes) {
            const uint64_t *value = shared_map->ops->lookup(shared_map, &key);
            if (!value && key < STABLE)
                os_fetch_add(&wrong, 1);
            if (value && os_load(value) >> 32 >= STABLE + COMING_AND_GOING)
                os_fetch_add(&wrong, 1);
            if (value)
                found++;
            else
                missed++;
        } else if (key < STABLE) {
            uint64_t value = key << 32 | i;
            if (shared_map->ops->update(shared_map, &key, &value, BPF_EXIST))
                os_fetch_add(&wrong, 1);
        } else if (next_random(&state) & 1) {
            uint64_t value = key << 32 | i;
            enum result result = shared_map->ops->update(shared_map, &key, &value, BPF_ANY);
            if (result && result != RESULT_TOO_BIG)
                os_fetch_add(&wrong, 1);
        } else {
            shared_map->ops->remove(shared_map, &key);
        }
        epoch_leave(&epoch);
    }
    os_fetch_add(&hits, found);
    os_fetch_add(&misses, missed);
}

static void torture(uint32_t flags, bool one_bucket)
{
    shared_map = kit_map(BPF_MAP_TYPE_HASH, 8, 8, STABLE + COMING_AND_GOING - 50, flags);
    if (one_bucket)
        ((struct table *)shared_map)->seed[1] = 0;
    for (uint64_t key = 0; key < STABLE; key++) {
        uint64_t value = key << 32;
        CHECK_EQ(kit_update(shared_map, &key, &value, 0), RESULT_OK);
    }
    hits = misses = wrong = 0;
    in_threads(readers_and_writers, THREADS);
    CHECK_EQ(wrong, 0);
    CHECK(hits > 0 && misses > 0);
    uint64_t key, count = 0;
    for (enum result result = kit_next(shared_map, NULL, &key); !result && count < 1000;
         result = kit_next(shared_map, &key, &key))
        count++;
    CHECK(count >= STABLE && count <= shared_map->max_entries);
    /* Nothing was lost: as many keys fit as before. */
    for (key = 0; key < STABLE + COMING_AND_GOING; key++)
        kit_remove(shared_map, &key);
    for (key = 0; key < shared_map->max_entries; key++)
        CHECK_EQ(kit_update(shared_map, &key, &key, BPF_NOEXIST), RESULT_OK);
    CHECK_EQ(kit_update(shared_map, &key, &key, BPF_NOEXIST), RESULT_TOO_BIG);
    kit_put(shared_map);
}

TEST(hash)
{
    kit_start();
    torture(0, false);
    torture(BPF_F_NO_PREALLOC, false);
    CHECK_EQ(kit_stop(), 0);
}

/* Every key in one bucket and one chain: reuse of elements under walking readers is the rule, not the exception. */
TEST(hash_one_bucket)
{
    kit_start();
    torture(0, true);
    torture(BPF_F_NO_PREALLOC, true);
    CHECK_EQ(kit_stop(), 0);
}

/* Each invocation adds one in its CPU slot, without atomics; no addition is lost. */
static void count_percpu(void *argument)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct epoch_state epoch;
        uint32_t key = i % 8, cpu = epoch_enter_cpu(&epoch);
        uint64_t *value = shared_map->ops->lookup_cpu(shared_map, &key, cpu), one = 1;
        if (value)
            ++*value;
        else
            shared_map->ops->update_cpu(shared_map, &key, &one, BPF_ANY, cpu);
        epoch_leave_cpu(&epoch);
    }
}

TEST(percpu)
{
    kit_start();
    uint32_t kinds[] = {BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_PERCPU_HASH};
    uint64_t *values = calloc(os_cpu_count(), 8);
    for (unsigned i = 0; i < 2; i++) {
        shared_map = kit_map(kinds[i], 4, 8, 8, 0);
        for (uint32_t key = 0; key < 8; key++)
            CHECK_EQ(kit_update(shared_map, &key, values, 0), RESULT_OK);
        in_threads(count_percpu, THREADS);
        uint64_t sum = 0, *got = calloc(os_cpu_count(), 8);
        for (uint32_t key = 0; key < 8; key++) {
            CHECK_EQ(kit_lookup(shared_map, &key, got), RESULT_OK);
            for (uint32_t cpu = 0; cpu < os_cpu_count(); cpu++)
                sum += got[cpu];
        }
        CHECK_EQ(sum, (uint64_t)THREADS * ROUNDS);
        free(got);
        kit_put(shared_map);
    }
    free(values);
    CHECK_EQ(kit_stop(), 0);
}

/* Producers number their records; the consumer must see each producer's numbers in order and without a gap, whatever
 * was discarded in between, and must be woken for the last one. */
#ifdef _WIN32
enum { RING = 1 << 16 }; /* the smallest there */
#else
enum { RING = 1 << 14 };
#endif
enum { PRODUCERS = 3, RECORDS = ROUNDS / 2 };

struct record {
    uint64_t producer, number;
};

static uint64_t producers_left;

static void produce(void *argument)
{
    uint64_t state = (uintptr_t)argument + 5, number = 0;
    while (number < RECORDS) {
        struct epoch_state epoch;
        epoch_enter(&epoch);
        uint32_t size = (uint32_t)sizeof(struct record) + next_random(&state) % 100, dice = next_random(&state) % 8;
        if (dice == 0) {
            struct record record[8] = {{(uintptr_t)argument, number}};
            if (!ringbuf_output(shared_map, record, sizeof record, 0))
                number++;
        } else {
            struct record *record = ringbuf_reserve(shared_map, size);
            if (record) {
                record->producer = dice == 1 ? 99 : (uintptr_t)argument;
                record->number = number;
                ringbuf_commit(record, 0, dice == 1);
                number += dice != 1;
            }
        }
        epoch_leave(&epoch);
    }
    os_fetch_sub(&producers_left, 1);
}

static void consume(void *argument)
{
    size_t page = os_page_size();
    struct os_shared *shared = shared_map->ops->shared(shared_map);
    void *consumer_page, *rest;
    if (os_shared_map_client(shared, 0, page, true, &consumer_page) ||
        os_shared_map_client(shared, page, page + 2 * RING, false, &rest))
        abort();
    uint64_t *consumer = consumer_page, expected[PRODUCERS] = {0}, seen = 0;
    const uint64_t *producer = rest;
    const uint8_t *data = (uint8_t *)rest + page;
    while (seen < (uint64_t)PRODUCERS * RECORDS) {
        uint64_t at = os_load(consumer);
        if (at == os_load_acquire(producer) ||
            os_load_acquire((const uint32_t *)(data + (at & (RING - 1)))) & BPF_RINGBUF_BUSY_BIT) {
            /* What is missing now is announced by the event; a wait that times out found it forgotten. */
            os_fence();
            if (at == os_load_acquire(producer) ||
                os_load_acquire((const uint32_t *)(data + (at & (RING - 1)))) & BPF_RINGBUF_BUSY_BIT)
                if (!os_event_wait(shared_map->ops->event(shared_map), 20000000000u)) {
                    os_fetch_add(&wrong, 1);
                    break;
                }
            continue;
        }
        uint32_t head = os_load_acquire((const uint32_t *)(data + (at & (RING - 1))));
        const struct record *record = (const struct record *)(data + (at & (RING - 1)) + BPF_RINGBUF_HDR_SZ);
        if (!(head & BPF_RINGBUF_DISCARD_BIT)) {
            if (record->producer >= PRODUCERS || record->number != expected[record->producer])
                os_fetch_add(&wrong, 1);
            else
                expected[record->producer]++;
            seen++;
        }
        uint32_t length = head & ~(uint32_t)BPF_RINGBUF_DISCARD_BIT;
        os_exchange(consumer, at + ((length + BPF_RINGBUF_HDR_SZ + 7) & ~7u));
    }
    os_store(&stop, 1);
    os_shared_unmap(consumer_page, page);
    os_shared_unmap(rest, page + 2 * RING);
}

static void produce_or_consume(void *argument)
{
    if ((uintptr_t)argument == PRODUCERS)
        consume(argument);
    else
        produce(argument);
}

TEST(ringbuf)
{
    kit_start();
    shared_map = kit_map(BPF_MAP_TYPE_RINGBUF, 0, 0, RING, 0);
    wrong = 0;
    producers_left = PRODUCERS;
    in_threads(produce_or_consume, PRODUCERS + 1);
    CHECK_EQ(wrong, 0);
    CHECK_EQ(producers_left, 0);
    CHECK_EQ(ringbuf_query(shared_map, BPF_RB_AVAIL_DATA), 0);
    kit_put(shared_map);
    CHECK_EQ(kit_stop(), 0);
}

TEST_MAIN

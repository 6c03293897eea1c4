/* SPDX-License-Identifier: MIT
 *
 * What each kind of map does, as clients and programs see it; what it does below the commands, test_kinds.c says.  One
 * source for each place where the core can be (core/fixture.h).
 */
#include <stdlib.h>
#include "core/fixture.h"

static int update(int map, const void *key, const void *value, uint64_t flags)
{
    return fixture_element(BPF_MAP_UPDATE_ELEM, map, key, value, flags);
}

static int lookup(int map, const void *key, void *value)
{
    return fixture_element(BPF_MAP_LOOKUP_ELEM, map, key, value, 0);
}

static int take(int map, const void *key, void *value)
{
    return fixture_element(BPF_MAP_LOOKUP_AND_DELETE_ELEM, map, key, value, 0);
}

static int drop(int map, const void *key)
{
    return fixture_element(BPF_MAP_DELETE_ELEM, map, key, NULL, 0);
}

static int next(int map, const void *key, void *following)
{
    return fixture_element(BPF_MAP_GET_NEXT_KEY, map, key, following, 0);
}

TEST(array)
{
    uint32_t key = 4, following;
    char value[12] = "hello world", got[12] = {1};
    REQUIRE(fixture_start());
    int map = fixture_map(BPF_MAP_TYPE_ARRAY, 4, 12, 5, 0);
    REQUIRE(map >= 0);
    CHECK_EQ(lookup(map, &key, got), 0);
    CHECK(!memcmp(got, (char[12]){0}, 12));
    CHECK_EQ(update(map, &key, value, BPF_EXIST), 0);
    FAILS(update(map, &key, value, BPF_NOEXIST), EEXIST);
    FAILS(update(map, &key, value, 3), EINVAL);
    CHECK_EQ(lookup(map, &key, got), 0);
    CHECK_STR(got, value);
    key = 5;
    FAILS(update(map, &key, value, 0), E2BIG);
    FAILS(lookup(map, &key, got), ENOENT);
    FAILS(drop(map, &key), EINVAL);
    CHECK_EQ(next(map, NULL, &following), 0);
    CHECK_EQ(following, 0);
    CHECK_EQ(next(map, &key, &following), 0);
    CHECK_EQ(following, 0);
    key = 3;
    CHECK_EQ(next(map, &key, &following), 0);
    CHECK_EQ(following, 4);
    FAILS(next(map, &following, &following), ENOENT);
    fixture_close(map);
    FAILS(fixture_map(BPF_MAP_TYPE_ARRAY, 8, 8, 1, 0), EINVAL);
    FAILS(fixture_map(BPF_MAP_TYPE_ARRAY, 4, 0, 1, 0), EINVAL);
    FAILS(fixture_map(BPF_MAP_TYPE_ARRAY, 4, 8, 0, 0), EINVAL);
    FAILS(fixture_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_NO_PREALLOC), EINVAL);
    FAILS(fixture_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG), EINVAL);
    CHECK(fixture_stop());
}

/* The values of all CPUs come and go as one, each rounded up to 8 bytes. */
TEST(percpu)
{
    const uint32_t kinds[] = {BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_TYPE_PERCPU_HASH};
    uint32_t cpus = fixture_cpus(), size = cpus * 16, key = 7;
    uint8_t *values = malloc(size), *got = malloc(size);
    REQUIRE(values && got);
    REQUIRE(fixture_start());
    for (unsigned i = 0; i < 3; i++) {
        int map = fixture_map(kinds[i], 4, 12, 100, i == 2 ? BPF_F_NO_PREALLOC : 0);
        REQUIRE(map >= 0);
        for (uint32_t j = 0; j < size; j++)
            values[j] = (uint8_t)(j + 1);
        CHECK_EQ(update(map, &key, values, 0), 0);
        CHECK_EQ(lookup(map, &key, got), 0);
        for (uint32_t j = 0; j < size; j++)
            if (j % 16 < 12 && got[j] != values[j]) {
                CHECK_EQ(got[j], values[j]);
                break;
            }
        if (kinds[i] == BPF_MAP_TYPE_PERCPU_HASH) {
            CHECK_EQ(take(map, &key, got), 0);
            CHECK_EQ(got[0], 1);
            FAILS(lookup(map, &key, got), ENOENT);
        }
        fixture_close(map);
    }
    free(values);
    free(got);
    FAILS(fixture_map(BPF_MAP_TYPE_PERCPU_HASH, 4, 32769, 1, 0), E2BIG);
    CHECK(fixture_stop());
}

/* Random operations on a hash and on a plain list must answer the same. */
static void hash_against_list(uint32_t key_size, uint32_t entries, uint32_t flags, uint32_t seed)
{
    enum { KEYS = 24, STEPS = 150 };
    uint8_t keys[KEYS][40];
    uint64_t values[KEYS] = {0}, got = 0;
    bool present[KEYS] = {false};
    uint32_t count = 0, x = seed * 2654435761u + 1;
    int map = fixture_map(BPF_MAP_TYPE_HASH, key_size, 8, entries, flags);
    REQUIRE(map >= 0);
    for (unsigned k = 0; k < KEYS; k++) {
        memset(keys[k], (int)(k * 7 + 3), sizeof keys[k]);
        keys[k][key_size - 1] = (uint8_t)k; /* differ in the last byte alone, and in all */
    }
    for (unsigned step = 0; step < STEPS && !check_failures; step++) {
        x ^= x << 13, x ^= x >> 17, x ^= x << 5;
        unsigned k = x / 16 % KEYS, what = x % 8;
        uint64_t value = x;
        if (what < 4) {
            uint64_t how = what < 2 ? BPF_ANY : what == 2 ? BPF_NOEXIST : BPF_EXIST;
            int error = present[k] ? (how == BPF_NOEXIST ? EEXIST : 0)
                                   : (how == BPF_EXIST   ? ENOENT
                                      : count == entries ? E2BIG
                                                         : 0);
            if (error) {
                FAILS(update(map, keys[k], &value, how), error);
            } else {
                CHECK_EQ(update(map, keys[k], &value, how), 0);
                count += !present[k];
                present[k] = true;
                values[k] = value;
            }
        } else if (what == 4 || what == 5) {
            int result = what == 4 ? drop(map, keys[k]) : take(map, keys[k], &got);
            CHECK_EQ(result, present[k] ? 0 : -1);
            if (!result && what == 5)
                CHECK_EQ(got, values[k]);
            count -= present[k];
            present[k] = false;
        } else {
            int result = lookup(map, keys[k], &got);
            CHECK_EQ(result, present[k] ? 0 : -1);
            if (!result)
                CHECK_EQ(got, values[k]);
        }
    }
    /* The walk visits every key once. */
    uint8_t at[40], following[40];
    uint32_t visited = 0;
    for (int result = next(map, NULL, following); !result && visited <= count; result = next(map, at, following)) {
        memcpy(at, following, key_size);
        unsigned k = 0;
        while (k < KEYS && memcmp(keys[k], at, key_size))
            k++;
        CHECK(k < KEYS && present[k]);
        visited++;
    }
    CHECK_EQ(visited, count);
    fixture_close(map);
}

TEST(hash)
{
    static const uint32_t sizes[] = {1, 3, 4, 8, 12, 16, 17, 40};
    REQUIRE(fixture_start());
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned entries = 1; entries <= 64; entries *= 8) {
            hash_against_list(sizes[i], entries, 0, sizes[i]);
            hash_against_list(sizes[i], entries, BPF_F_NO_PREALLOC, sizes[i] * 3);
        }
    CHECK(fixture_stop());
}

TEST(hash_limits)
{
    enum { ENTRIES = 500 };
    REQUIRE(fixture_start());
    FAILS(fixture_map(BPF_MAP_TYPE_HASH, 0, 8, 1, 0), EINVAL);
    FAILS(fixture_map(BPF_MAP_TYPE_HASH, 4, 0, 1, 0), EINVAL);
    FAILS(fixture_map(BPF_MAP_TYPE_HASH, 4, 8, 0, 0), EINVAL);
    FAILS(fixture_map(BPF_MAP_TYPE_HASH, 4, 8, 1, BPF_F_MMAPABLE), EINVAL);
    FAILS(fixture_map(BPF_MAP_TYPE_HASH, 4, 4 << 20, 1, 0), E2BIG);
    FAILS(fixture_map(BPF_MAP_TYPE_HASH, 4, 8, UINT32_MAX, 0), E2BIG);
    /* Filled to the brim, emptied, filled again; replacing a value needs no room. */
    for (unsigned dynamic = 0; dynamic < 2; dynamic++) {
        int map = fixture_map(BPF_MAP_TYPE_HASH, 4, 4, ENTRIES, dynamic ? BPF_F_NO_PREALLOC : 0);
        REQUIRE(map >= 0);
        for (uint32_t round = 0; round < 2; round++) {
            uint32_t more = ENTRIES, value;
            for (uint32_t i = 0; i < ENTRIES; i++)
                CHECK_EQ(update(map, &i, &i, BPF_NOEXIST), 0);
            FAILS(update(map, &more, &more, 0), E2BIG);
            for (uint32_t i = 0; i < ENTRIES; i += 7)
                CHECK_EQ(update(map, &i, &round, BPF_EXIST), 0);
            for (uint32_t i = 0; i < ENTRIES; i++) {
                CHECK_EQ(take(map, &i, &value), 0);
                CHECK_EQ(value, i % 7 ? i : round);
            }
            FAILS(next(map, NULL, &value), ENOENT);
        }
        fixture_close(map);
    }
    CHECK(fixture_stop());
}

/* A value of 100 KiB: more than any stack or small message has. */
TEST(large_values)
{
    enum { SIZE = 100 << 10 };
    uint8_t *value = malloc(SIZE), *got = calloc(1, SIZE);
    uint32_t key = 1;
    REQUIRE(value && got);
    for (unsigned i = 0; i < SIZE; i++)
        value[i] = (uint8_t)(i * 7);
    REQUIRE(fixture_start());
    for (unsigned kind = BPF_MAP_TYPE_HASH; kind <= BPF_MAP_TYPE_ARRAY; kind++) {
        int map = fixture_map(kind, 4, SIZE, 3, 0);
        REQUIRE(map >= 0);
        CHECK_EQ(update(map, &key, value, 0), 0);
        memset(got, 0, SIZE);
        CHECK_EQ(lookup(map, &key, got), 0);
        CHECK(!memcmp(got, value, SIZE));
        fixture_close(map);
    }
    free(value);
    free(got);
    CHECK(fixture_stop());
}

static int load(const struct insn *insns, uint32_t count)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.prog_type = BPF_PROG_TYPE_XDP;
    attr.insn_cnt = count;
    attr.insns = (uintptr_t)insns;
    attr.license = (uintptr_t) "GPL";
    return fixture_bpf(BPF_PROG_LOAD, &attr, 144);
}

/* What the program returns for 64 bytes of zeros; -1: the run failed. */
static int64_t run(int prog, uint32_t repeat)
{
    uint8_t in[64] = {0};
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.test.prog_fd = (uint32_t)prog;
    attr.test.data_in = (uintptr_t)in;
    attr.test.data_size_in = sizeof in;
    attr.test.repeat = repeat;
    return fixture_bpf(BPF_PROG_TEST_RUN, &attr, 80) ? -1 : (int64_t)attr.test.retval;
}

TEST(prog_array)
{
    uint32_t key = 1, outside = 4, id = 0;
    REQUIRE(fixture_start());
    int map = fixture_map(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4, 0), target = fixture_prog_fd(3, -1);
    const struct insn insns[] = {
        insn_make(0x18, 2, 1, 0, map), insn_make(0, 0, 0, 0, 0),   /* r2 = the map */
        insn_make(0xb7, 3, 0, 0, 1),                               /* r3 = 1 */
        insn_make(0x85, 0, 0, 0, 12),                              /* tail_call */
        insn_make(0xb7, 0, 0, 0, 2),   insn_make(0x95, 0, 0, 0, 0) /* nobody there: 2 */
    };
    int caller = load(insns, 6);
    REQUIRE(map >= 0 && target >= 0 && caller >= 0);
    CHECK_EQ(run(caller, 1), 2);
    FAILS(lookup(map, &key, &id), ENOENT);
    FAILS(update(map, &outside, &target, 0), E2BIG);
    FAILS(update(map, &key, &map, 0), EINVAL); /* no program */
    CHECK_EQ(update(map, &key, &target, 0), 0);
    CHECK_EQ(run(caller, 1), 3);
    CHECK_EQ(lookup(map, &key, &id), 0);
    CHECK(id != 0);
    fixture_close(target); /* the map holds it */
    CHECK_EQ(run(caller, 1), 3);
    CHECK_EQ(drop(map, &key), 0);
    FAILS(drop(map, &key), ENOENT);
    CHECK_EQ(run(caller, 1), 2);
    /* A program that calls itself ends after 33 calls. */
    CHECK_EQ(update(map, &key, &caller, 0), 0);
    CHECK_EQ(run(caller, 1), 2);
    fixture_close(caller), fixture_close(map);
    CHECK(fixture_settles(OBJECT_PROG, 0)); /* the cycle is broken when the map is out of reach */
    CHECK(fixture_stop());
}

/* Records of a program, read where the client has the ring. */
TEST(ring_is_read_in_place)
{
    enum { RING = 1 << 16 };
    uint64_t *consumer;
    const uint64_t *producer;
    const uint8_t *data;
    REQUIRE(fixture_start());
    int ring = fixture_map(BPF_MAP_TYPE_RINGBUF, 0, 0, RING, 0);
    const struct insn insns[] = {
        insn_make(0x18, 1, 0, 0, 0x05060708), insn_make(0, 0, 0, 0, 0x01020304), /* r1 = the record */
        insn_make(0x7b, 10, 1, -8, 0),                                           /* to the stack */
        insn_make(0x18, 1, 1, 0, ring),       insn_make(0, 0, 0, 0, 0),          /* r1 = the ring */
        insn_make(0xbf, 2, 10, 0, 0),         insn_make(0x07, 2, 0, 0, -8),      /* r2 = the record's place */
        insn_make(0xb7, 3, 0, 0, 8),          insn_make(0xb7, 4, 0, 0, 0),       /* 8 bytes, no flags */
        insn_make(0x85, 0, 0, 0, 130),                                           /* ringbuf_output */
        insn_make(0xb7, 0, 0, 0, 2),          insn_make(0x95, 0, 0, 0, 0)};
    int prog = load(insns, 12);
    REQUIRE(ring >= 0 && prog >= 0);
    FAILS(fixture_map(BPF_MAP_TYPE_RINGBUF, 0, 0, 5000, 0), EINVAL);
    FAILS(fixture_map(BPF_MAP_TYPE_RINGBUF, 4, 0, RING, 0), EINVAL);
    REQUIRE(fixture_ring_map(ring, RING, &consumer, &producer, &data));
    uint64_t at = 0;
    for (unsigned round = 0; round < 70; round++) { /* more than the ring holds, taken between the runs */
        CHECK_EQ(run(prog, 64), 2);
        CHECK_EQ(os_load_acquire(producer) - at, 64 * 16);
        while (at < os_load_acquire(producer)) {
            const uint8_t *record = data + (at & (RING - 1));
            uint64_t value;
            memcpy(&value, record + 8, sizeof value);
            if (*(const uint32_t *)(const void *)record != 8 || value != 0x0102030405060708) {
                CHECK(!"a whole record");
                break;
            }
            at += 16;
        }
        os_store_release(consumer, at);
    }
    /* Nobody reads: it fills up, and the program goes on. */
    CHECK_EQ(run(prog, 2 * RING / 16), 2);
    CHECK(os_load_acquire(producer) - at <= RING && os_load_acquire(producer) - at > RING - 64);
    fixture_ring_unmap(ring, RING, consumer, producer, data);
    fixture_close(prog), fixture_close(ring);
    CHECK(fixture_settles(OBJECT_MAP, 0));
    CHECK(fixture_stop());
}

int main(int argc, char **argv)
{
    static const struct fixture_exception exceptions[] = {
        {"ring_is_read_in_place", FIXTURE_AT_WIRE, "messages alone carry no memory: an entry point maps it"},
        {NULL, 0, NULL},
    };
    return fixture_main(argc, argv, exceptions);
}

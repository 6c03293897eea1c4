/* SPDX-License-Identifier: MIT
 *
 * The running kernel as judge: the same random commands on maps go to its bpf() and to ours, and must give the same
 * results, the same errno and the same bytes.  Only the order in which a hash map lists its keys is its own business;
 * there the sets are compared.  The seed is printed; WINBPF_SEED repeats a run.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "check.h"
#include "core/core.h"
#include "core/epoch.h"
#include "engine/engine.h"
#include "maps/maps.h"
#include "platform/os.h"
#include "../bin/compose.h"

enum { KEYS_MOST = 512, VALUE_MOST = 4096 };

static uint64_t state;

static uint32_t random_below(uint32_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % limit);
}

static int64_t kernel(uint32_t command, union bpf_attr *attr)
{
    long value = syscall(__NR_bpf, command, attr, sizeof *attr);
    return value < 0 ? -errno : value;
}

static int64_t ours(uint32_t command, union bpf_attr *attr)
{
    int64_t value = 0;
    enum result result = core_command(client_process(), command, (uint64_t)(uintptr_t)attr, sizeof *attr, &value);
    return result ? -result_errno(result) : value;
}

/* Starts a test; false (and skips) where the kernel lets us ask nothing. */
static bool begin(void)
{
    union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    int64_t fd = kernel(BPF_MAP_CREATE, &attr);
    if (fd < 0) {
        check_skip_reason = fd == -EPERM ? "bpf() needs root" : "no bpf() in this kernel";
        return false;
    }
    close((int)fd);
    const char *seed = getenv("WINBPF_SEED");
    state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) * 1000003u ^ (uint64_t)getpid();
    printf("%s: WINBPF_SEED=0x%llx\n", check_name, (unsigned long long)state);
    struct core_options options = {.engine = &engine_checked};
    if (compose_start(&options)) {
        CHECK(!"the core starts");
        return false;
    }
    return true;
}

static void end(void)
{
    compose_stop();
}

struct pair {
    int kernel, ours;
};

static bool make(uint32_t kind, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags, struct pair *pair)
{
    union bpf_attr attr = {
        .map_type = kind, .key_size = key, .value_size = value, .max_entries = entries, .map_flags = flags};
    pair->kernel = (int)kernel(BPF_MAP_CREATE, &attr);
    pair->ours = (int)ours(BPF_MAP_CREATE, &attr);
    if (pair->kernel >= 0 && pair->ours >= 0)
        return true;
    printf("map kind %u key %u value %u entries %u flags 0x%x: kernel %d, ours %d\n", kind, key, value, entries, flags,
           pair->kernel, pair->ours);
    CHECK(!"both make the map");
    return false;
}

static void drop(struct pair pair)
{
    close(pair.kernel);
    close(pair.ours);
}

/* One command on both; `bytes` of its value are compared when it succeeds and gives some. */
static int64_t both(struct pair pair, uint32_t command, const void *key, const void *value, uint64_t flags,
                    uint32_t bytes)
{
    static uint8_t out[2][VALUE_MOST * 16];
    bool gives =
        command == BPF_MAP_LOOKUP_ELEM || command == BPF_MAP_LOOKUP_AND_DELETE_ELEM || command == BPF_MAP_GET_NEXT_KEY;
    int64_t answer[2];
    for (unsigned i = 0; i < 2; i++) {
        memset(out[i], 0xee, bytes);
        union bpf_attr attr = {.map_fd = (uint32_t)(i ? pair.ours : pair.kernel),
                               .key = (uint64_t)(uintptr_t)key,
                               .value = (uint64_t)(uintptr_t)(gives ? out[i] : value),
                               .flags = flags};
        answer[i] = (i ? ours : kernel)(command, &attr);
    }
    if (answer[0] != answer[1] || (gives && !answer[0] && memcmp(out[0], out[1], bytes))) {
        printf("command %u key %02x.. flags %llu: kernel %lld, ours %lld%s\n", command, key ? *(const uint8_t *)key : 0,
               (unsigned long long)flags, (long long)answer[0], (long long)answer[1],
               answer[0] == answer[1] ? ", other bytes" : "");
        CHECK(!"both agree");
    }
    return answer[0];
}

static unsigned walk(int64_t (*bpf)(uint32_t, union bpf_attr *), int fd, uint32_t key_size, uint8_t keys[][64])
{
    unsigned count = 0;
    for (; count < KEYS_MOST; count++) {
        union bpf_attr attr = {.map_fd = (uint32_t)fd,
                               .key = count ? (uint64_t)(uintptr_t)keys[count - 1] : 0,
                               .next_key = (uint64_t)(uintptr_t)keys[count]};
        memset(keys[count], 0, 64);
        if (bpf(BPF_MAP_GET_NEXT_KEY, &attr))
            break;
    }
    return count;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, 64);
}

/* The same keys, each with the same value. */
static void same_contents(struct pair pair, uint32_t key_size, uint32_t bytes)
{
    static uint8_t theirs[KEYS_MOST][64], mine[KEYS_MOST][64];
    unsigned n = walk(kernel, pair.kernel, key_size, theirs), m = walk(ours, pair.ours, key_size, mine);
    CHECK_EQ(m, n);
    qsort(theirs, n, 64, by_bytes);
    qsort(mine, m, 64, by_bytes);
    CHECK(n != m || !memcmp(theirs, mine, n * 64));
    for (unsigned i = 0; i < n; i++)
        both(pair, BPF_MAP_LOOKUP_ELEM, theirs[i], NULL, 0, bytes);
}

static void random_operations(uint32_t kind, uint32_t key_size, uint32_t value_size, uint32_t entries, uint32_t flags,
                              unsigned steps)
{
    struct pair pair;
    if (!make(kind, key_size, value_size, entries, flags, &pair))
        return;
    bool percpu = kind == BPF_MAP_TYPE_PERCPU_ARRAY || kind == BPF_MAP_TYPE_PERCPU_HASH;
    bool hash = kind == BPF_MAP_TYPE_HASH || kind == BPF_MAP_TYPE_PERCPU_HASH;
    uint32_t bytes = percpu ? (value_size + 7) / 8 * 8 * os_cpu_count() : value_size;
    static const uint64_t odd[] = {3, 4, 5, 6, 8, 1ull << 32, UINT64_MAX};
    static uint8_t value[VALUE_MOST * 16];
    uint8_t key[64];
    for (unsigned step = 0; step < steps && !check_failures; step++) {
        uint32_t number = random_below(entries + entries / 4 + 2);
        memset(key, 0x11, sizeof key);
        memcpy(key, &number, key_size < 4 ? key_size : 4);
        if (key_size > 4)
            key[key_size - 1] = (uint8_t)number;
        uint32_t what = random_below(20);
        uint64_t flag = what == 0 ? odd[random_below(7)] : random_below(3) ? 0 : random_below(3);
        if (what < 9) {
            for (uint32_t i = 0; i < bytes; i++)
                value[i] = (uint8_t)random_below(256);
            both(pair, BPF_MAP_UPDATE_ELEM, key, value, flag, bytes);
        } else if (what < 13) {
            both(pair, BPF_MAP_DELETE_ELEM, key, NULL, random_below(30) ? 0 : flag, 0);
        } else if (what < 16) {
            both(pair, BPF_MAP_LOOKUP_ELEM, key, NULL, random_below(10) ? 0 : flag, bytes);
        } else if (what < 18) {
            both(pair, BPF_MAP_LOOKUP_AND_DELETE_ELEM, key, NULL, random_below(10) ? 0 : flag, bytes);
        } else if (hash) {
            if (step % 8 == 0)
                same_contents(pair, key_size, bytes);
        } else {
            both(pair, BPF_MAP_GET_NEXT_KEY, random_below(5) ? key : NULL, NULL, 0, key_size);
        }
    }
    same_contents(pair, key_size, bytes);
    drop(pair);
}

TEST(operations)
{
    if (!begin())
        return;
    random_operations(BPF_MAP_TYPE_ARRAY, 4, 8, 20, 0, 3000);
    random_operations(BPF_MAP_TYPE_ARRAY, 4, 5, 1, 0, 500);
    random_operations(BPF_MAP_TYPE_ARRAY, 4, 24, 33, BPF_F_MMAPABLE, 1000);
    random_operations(BPF_MAP_TYPE_ARRAY, 4, 8, 10, BPF_F_RDONLY, 200);
    random_operations(BPF_MAP_TYPE_ARRAY, 4, 8, 10, BPF_F_WRONLY, 200);
    random_operations(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 20, 0, 3000);
    random_operations(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 13, 7, 0, 1000);
    static const uint32_t key_sizes[] = {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 40}, flags[] = {0, BPF_F_NO_PREALLOC};
    for (unsigned i = 0; i < sizeof key_sizes / sizeof *key_sizes; i++)
        for (unsigned j = 0; j < 2; j++) {
            random_operations(BPF_MAP_TYPE_HASH, key_sizes[i], 1 + random_below(40), 1 + random_below(60), flags[j],
                              700);
            random_operations(BPF_MAP_TYPE_PERCPU_HASH, key_sizes[i], 1 + random_below(40), 1 + random_below(60),
                              flags[j], 500);
        }
    random_operations(BPF_MAP_TYPE_HASH, 4, 8, 120, 0, 4000);
    random_operations(BPF_MAP_TYPE_HASH, 4, 8, 120, BPF_F_NO_PREALLOC | BPF_F_ZERO_SEED, 4000);
    random_operations(BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 120, 0, 3000);
    random_operations(BPF_MAP_TYPE_HASH, 8, 2000, 20, 0, 500);
    end();
}

/* Which maps may be made at all. */
TEST(creation)
{
    if (!begin())
        return;
    static const uint32_t kinds[] = {BPF_MAP_TYPE_ARRAY,       BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_HASH,
                                     BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_TYPE_PROG_ARRAY,   BPF_MAP_TYPE_RINGBUF};
    static const uint32_t keys[] = {0, 1, 4, 4, 4, 8, 512, 70000},
                          values[] = {0, 1, 4, 4, 8, 32760, 32768, 32769, 65536},
                          entries[] = {0, 1, 2, 3, 100, 4096, 8192, 5000};
    unsigned made = 0, refused = 0;
    for (unsigned i = 0; i < 6000 && !check_failures; i++) {
        union bpf_attr attr = {.map_type = kinds[random_below(6)],
                               .key_size = keys[random_below(8)],
                               .value_size = values[random_below(9)],
                               .max_entries = entries[random_below(8)]};
        if (attr.map_type == BPF_MAP_TYPE_RINGBUF && random_below(2))
            attr.key_size = attr.value_size = 0;
        if (attr.key_size > 100 || attr.value_size > 100)
            attr.max_entries %= 101; /* the kernel fills memory with zeros */
        if (random_below(2))
            attr.map_flags = 1u << random_below(20);
        if (!random_below(8))
            attr.map_flags |= 1u << random_below(20);
        /* Flags that say how to read other members are the command's business, not the kind's. */
        attr.map_flags &= ~(uint32_t)(BPF_F_VTYPE_BTF_OBJ_FD | BPF_F_TOKEN_FD | BPF_F_PATH_FD);
        if (attr.map_flags & BPF_F_NUMA_NODE)
            attr.numa_node = random_below(3) ? 0 : (uint32_t)-1;
        int64_t theirs = kernel(BPF_MAP_CREATE, &attr), mine = ours(BPF_MAP_CREATE, &attr);
        if (theirs >= 0)
            close((int)theirs);
        if (mine >= 0)
            close((int)mine);
        made += theirs >= 0;
        refused += theirs < 0;
        if ((theirs < 0 ? theirs : 0) != (mine < 0 ? mine : 0)) {
            printf("kind %u key %u value %u entries %u flags 0x%x node %d: kernel %lld, ours %lld\n", attr.map_type,
                   attr.key_size, attr.value_size, attr.max_entries, attr.map_flags, (int)attr.numa_node,
                   (long long)theirs, (long long)mine);
            CHECK(!"both agree");
        }
    }
    CHECK(made > 100 && refused > 100);
    printf("%u made, %u refused\n", made, refused);
    /* The largest elements. */
    for (uint32_t kind = 0; kind < 2; kind++)
        for (uint32_t value = (4 << 20) - 128; value <= 4 << 20; value += 4) {
            union bpf_attr attr = {
                .map_type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = value, .max_entries = 1, .map_flags = kind};
            int64_t theirs = kernel(BPF_MAP_CREATE, &attr), mine = ours(BPF_MAP_CREATE, &attr);
            CHECK_EQ(mine < 0 ? mine : 0, theirs < 0 ? theirs : 0);
            if (theirs >= 0)
                close((int)theirs);
            if (mine >= 0)
                close((int)mine);
        }
    end();
}

static int64_t load(int64_t (*bpf)(uint32_t, union bpf_attr *), uint32_t type)
{
    static const struct {
        uint8_t code, regs;
        int16_t off;
        int32_t imm;
    } insns[] = {{0xb7, 0, 0, 0}, {0x95, 0, 0, 0}};
    union bpf_attr attr = {
        .prog_type = type, .insns = (uint64_t)(uintptr_t)insns, .insn_cnt = 2, .license = (uint64_t)(uintptr_t) "GPL"};
    return bpf(BPF_PROG_LOAD, &attr);
}

TEST(prog_array)
{
    if (!begin())
        return;
    struct pair map, prog = {(int)load(kernel, BPF_PROG_TYPE_XDP), (int)load(ours, BPF_PROG_TYPE_XDP)};
    REQUIRE(prog.kernel >= 0 && prog.ours >= 0);
    REQUIRE(make(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 5, 0, &map));
    for (unsigned step = 0; step < 1000 && !check_failures; step++) {
        uint32_t key = random_below(7), what = random_below(10);
        uint64_t flags = random_below(6) ? 0 : random_below(5);
        int64_t answer[2];
        uint32_t out[2] = {0, 0};
        for (unsigned i = 0; i < 2; i++) {
            int fd = i ? prog.ours : prog.kernel, bad = i ? map.ours : map.kernel, none = -1, *value = &fd;
            if (what == 8)
                value = &bad; /* a map is no program */
            if (what == 9)
                value = &none;
            union bpf_attr attr = {.map_fd = (uint32_t)(i ? map.ours : map.kernel),
                                   .key = (uint64_t)(uintptr_t)&key,
                                   .value = (uint64_t)(uintptr_t)value,
                                   .flags = what < 4 || (what > 7 && key < 5) ? (what < 4 ? flags : 0) : 0};
            uint32_t command = what < 4 || what > 7 ? BPF_MAP_UPDATE_ELEM
                               : what < 6           ? BPF_MAP_LOOKUP_ELEM
                               : what == 6          ? BPF_MAP_DELETE_ELEM
                                                    : BPF_MAP_LOOKUP_AND_DELETE_ELEM;
            if (what > 7 && key >= 5)
                key = 4; /* two faults at once: which one is told first is nobody's promise */
            if (command == BPF_MAP_LOOKUP_ELEM || command == BPF_MAP_LOOKUP_AND_DELETE_ELEM)
                attr.value = (uint64_t)(uintptr_t)&out[i];
            answer[i] = (i ? ours : kernel)(command, &attr);
        }
        if (answer[0] != answer[1] || !out[0] != !out[1]) {
            printf("operation %u key %u flags %llu: kernel %lld, ours %lld\n", what, key, (unsigned long long)flags,
                   (long long)answer[0], (long long)answer[1]);
            CHECK(!"both agree");
        }
    }
    drop(map);
    drop(prog);
    end();
}

TEST(ringbuf)
{
    if (!begin())
        return;
    struct pair map;
    REQUIRE(make(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0, &map));
    uint64_t something = 0;
    for (uint32_t command = BPF_MAP_LOOKUP_ELEM; command <= BPF_MAP_GET_NEXT_KEY; command++)
        for (unsigned with_key = 0; with_key < 2; with_key++)
            both(map, command, with_key ? &something : NULL, &something, 0, 0);
    both(map, BPF_MAP_LOOKUP_AND_DELETE_ELEM, NULL, NULL, 0, 0);
    drop(map);
    end();
}

TEST_MAIN

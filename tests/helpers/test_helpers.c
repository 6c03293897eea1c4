/* SPDX-License-Identifier: MIT
 *
 * Helpers by their bodies: what they return, what they write, and how hostile arguments end.  csum_diff, strtol and
 * strtoul are compared with the running kernel's on random input.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "../maps/kit.h"
#include "helpers/helpers.h"
#include "helpers/trace.h"
#include "isa/insn.h"

static struct {
    struct context_header header;
    uint8_t context[64];
} frame;

#define P(x) (uint64_t)(uintptr_t)(x)

static const struct helper *find(const char *name)
{
    for (const struct helper_family *family = helper_families; family->helpers; family++)
        for (const struct helper *helper = family->helpers; helper->proto.name; helper++)
            if (!strcmp(helper->proto.name, name))
                return helper;
    printf("no helper %s\n", name);
    abort();
}

static int64_t call(const char *name, uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5)
{
    return (int64_t)find(name)->fn(r1, r2, r3, r4, r5, frame.context);
}

/* No two helpers of a personality share an id; only the tail call has no body. */
TEST(tables)
{
    for (const struct helper_family *family = helper_families; family->helpers; family++)
        for (const struct helper *a = family->helpers; a->proto.name; a++) {
            CHECK(a->proto.id[0] >= 0 || a->proto.id[1] >= 0);
            CHECK((a->fn == NULL) == !!(a->proto.flags & HELPER_TAIL_CALL));
            for (const struct helper_family *other = helper_families; other->helpers; other++)
                for (const struct helper *b = other->helpers; b->proto.name; b++)
                    for (unsigned p = 0; p < PERSONALITIES; p++)
                        CHECK(a == b || a->proto.id[p] < 0 || a->proto.id[p] != b->proto.id[p]);
            for (unsigned p = 0; p < PERSONALITIES; p++)
                if (a->proto.id[p] >= 0) {
                    const char *named = contract_helper_name((enum personality)p, a->proto.id[p]);
                    CHECK(named != NULL);
                    if (named && p == PERSONALITY_LINUX)
                        CHECK_STR(strncmp(named, "bpf_", 4) ? named : named + 4, a->proto.name);
                }
        }
}

TEST(maps)
{
    kit_start();
    struct map *array = kit_map(BPF_MAP_TYPE_ARRAY, 4, 8, 4, 0),
               *percpu = kit_map(BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 4, 0);
    uint32_t key = 3, cpus = os_cpu_count();
    uint64_t value = 77;
    CHECK_EQ(call("map_update_elem", P(array), P(&key), P(&value), 0, 0), 0);
    CHECK_EQ(*(uint64_t *)call("map_lookup_elem", P(array), P(&key), 0, 0, 0), 77);
    CHECK_EQ(call("map_update_elem", P(array), P(&key), P(&value), BPF_NOEXIST, 0), -EEXIST);
    CHECK_EQ(call("map_delete_elem", P(array), P(&key), 0, 0, 0), -EINVAL);
    CHECK_EQ(call("map_push_elem", P(array), P(&value), 0, 0, 0), -EOPNOTSUPP);
    CHECK_EQ(call("map_lookup_percpu_elem", P(array), P(&key), 0, 0, 0), 0);
    key = 4;
    CHECK_EQ(call("map_lookup_elem", P(array), P(&key), 0, 0, 0), 0);
    CHECK_EQ(call("map_update_elem", P(array), P(&key), P(&value), 0, 0), -E2BIG);
    for (frame.header.cpu = 0; frame.header.cpu < cpus; frame.header.cpu++) {
        value = frame.header.cpu + 10;
        CHECK_EQ(call("map_update_elem", P(percpu), P(&key), P(&value), 0, 0), 0);
    }
    for (frame.header.cpu = 0; frame.header.cpu < cpus; frame.header.cpu++)
        CHECK_EQ(*(uint64_t *)call("map_lookup_elem", P(percpu), P(&key), 0, 0, 0), frame.header.cpu + 10);
    frame.header.cpu = 0;
    CHECK_EQ(*(uint64_t *)call("map_lookup_percpu_elem", P(percpu), P(&key), cpus - 1, 0, 0), cpus + 9);
    CHECK_EQ(call("map_lookup_percpu_elem", P(percpu), P(&key), cpus, 0, 0), 0);
    CHECK_EQ(*(uint64_t *)call("map_lookup_and_delete_elem", P(percpu), P(&key), 0, 0, 0), 10);
    CHECK_EQ(call("map_lookup_and_delete_elem", P(percpu), P(&key), 0, 0, 0), 0);
    CHECK_EQ(call("map_delete_elem", P(percpu), P(&key), 0, 0, 0), -ENOENT);
    kit_put(array);
    kit_put(percpu);
    CHECK_EQ(kit_stop(), 0);
}

TEST(ringbuf)
{
    kit_start();
    struct map *ring = kit_map(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0);
    CHECK_EQ(call("ringbuf_reserve", P(ring), 8, 1, 0, 0), 0);
    int64_t record = call("ringbuf_reserve", P(ring), 8, 0, 0, 0);
    REQUIRE(record != 0);
    CHECK_EQ(call("ringbuf_submit", (uint64_t)record, 0, 0, 0, 0), 0);
    record = call("ringbuf_reserve", P(ring), 8, 0, 0, 0);
    CHECK_EQ(call("ringbuf_discard", (uint64_t)record, 0, 0, 0, 0), 0);
    CHECK_EQ(call("ringbuf_output", P(ring), P("abc"), 3, 8, 0), -EINVAL);
    CHECK_EQ(call("ringbuf_output", P(ring), P("abc"), 4096, 0, 0), -EAGAIN);
    CHECK_EQ(call("ringbuf_output", P(ring), P("abc"), 3, 0, 0), 0);
    CHECK_EQ(call("ringbuf_query", P(ring), BPF_RB_PROD_POS, 0, 0, 0), 48);
    kit_put(ring);
    CHECK_EQ(kit_stop(), 0);
}

TEST(system)
{
    char name[16];
    uint32_t seen = 0;
    for (unsigned i = 0; i < 100; i++) {
        uint64_t value = (uint64_t)call("get_prandom_u32", 0, 0, 0, 0, 0);
        CHECK(value <= UINT32_MAX);
        seen |= (uint32_t)value;
    }
    CHECK_EQ(seen, UINT32_MAX);
    frame.header.cpu = 3;
    CHECK_EQ(call("get_smp_processor_id", 0, 0, 0, 0, 0), 3);
    frame.header.cpu = 0;
    CHECK_EQ(call("get_current_pid_tgid", 0, 0, 0, 0, 0) >> 32, getpid());
    CHECK_EQ(call("get_current_uid_gid", 0, 0, 0, 0, 0), (int64_t)((uint64_t)getgid() << 32 | getuid()));
    memset(name, 1, sizeof name);
    CHECK_EQ(call("get_current_comm", P(name), sizeof name, 0, 0, 0), 0);
    CHECK(!strncmp(name, "test_helpers", 12));
    memset(name, 1, sizeof name);
    CHECK_EQ(call("get_current_comm", P(name), 3, 0, 0, 0), 0);
    CHECK_STR(name, "te");
    CHECK_EQ(name[3], 1);
    CHECK_EQ(call("get_current_comm", P(name), 0, 0, 0, 0), -EINVAL);
    uint64_t first = (uint64_t)call("ktime_get_ns", 0, 0, 0, 0, 0),
             boot = (uint64_t)call("ktime_get_boot_ns", 0, 0, 0, 0, 0);
    CHECK((uint64_t)call("ktime_get_ns", 0, 0, 0, 0, 0) >= first);
    CHECK(boot >= first);
    CHECK((uint64_t)call("ktime_get_ms", 0, 0, 0, 0, 0) - first / 1000000 < 10000);
    CHECK(first + 1000000000 > (uint64_t)call("ktime_get_coarse_ns", 0, 0, 0, 0, 0));
}

static char sunk[200];

static void sink(void *self, const char *line)
{
    strncpy(sunk, line, sizeof sunk - 1);
}

static int64_t trace(const char *format, uint64_t a, uint64_t b, uint64_t c)
{
    sunk[0] = 0;
    return call("trace_printk", P(format), strlen(format) + 1, a, b, c);
}

TEST(tracing)
{
    char out[64];
    uint64_t position = 0;
    trace_set_sink(sink, NULL);
    CHECK_EQ(trace("a %d %u %llx", (uint64_t)-5, UINT64_MAX, UINT64_MAX), 2 + 2 + 1 + 10 + 1 + 16);
    CHECK_STR(sunk, "a -5 4294967295 ffffffffffffffff");
    CHECK_EQ(trace("%05d|%-4x|%3c\n", 42, 0xab, 'z'), 15);
    CHECK_STR(sunk, "00042|ab  |  z\n");
    CHECK_EQ(trace("%s, 100%%", P("text"), 0, 0), 10);
    CHECK_STR(sunk, "text, 100%");
    CHECK_EQ(trace("%s", 8, 0, 0), 6); /* nothing is there */
    CHECK_STR(sunk, "(null)");
    uint8_t address[4] = {192, 0, 2, 1};
    trace("%pI4", P(address), 0, 0);
    CHECK_STR(sunk, "192.0.2.1");
    trace("%px", 0x1234, 0, 0);
    CHECK_STR(sunk, "0000000000001234");
    CHECK(trace("%p", P(out), 0, 0) == 16 && strtoull(sunk, NULL, 16) != P(out));
    CHECK(trace("%999999999999d", 1, 0, 0) > 0);
    const char *bad[] = {"%", "%l", "%n", "%d %d %d %d", "%f", "\x01", "%.3s", "%pQ", "%hd"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_EQ(trace(bad[i], 1, 2, 3), -EINVAL);
    CHECK_EQ(call("trace_printk", P("no end"), 3, 0, 0, 0), -EINVAL);
    CHECK_EQ(call("trace_printk", P(""), 0, 0, 0, 0), -EINVAL);
    CHECK_EQ(call("trace_printk3", P("%d"), 3, 9, 0, 0), 1);
    CHECK_EQ(call("trace_printk2", P("%d"), 3, 9, 0, 0), -EINVAL);
    uint64_t data[13] = {1, 2, 3, 4};
    CHECK_EQ(call("trace_vprintk", P("%d%d%d%d"), 9, P(data), 32, 0), 4);
    CHECK_STR(sunk, "1234");
    CHECK_EQ(call("trace_vprintk", P("x"), 2, P(data), 31, 0), -EINVAL);
    CHECK_EQ(call("trace_vprintk", P("x"), 2, P(data), 104, 0), -EINVAL);
    CHECK_EQ(call("snprintf", P(out), 4, P("%d%d%d%d"), P(data), 32), 5);
    CHECK_STR(out, "123");
    CHECK_EQ(call("snprintf", 0, 0, P("%d%d"), P(data), 16), 3);
    trace_set_sink(NULL, NULL);
    while (trace_read(&position, out, sizeof out) == sizeof out)
        ;
    trace("last", 0, 0, 0);
    CHECK_EQ(trace_read(&position, out, sizeof out), 5);
    CHECK(!memcmp(out, "last\n", 5));
    for (unsigned i = 0; i < 3000; i++) /* the ring goes round; an old position starts at what is left */
        trace("a line of some forty characters, no more", 0, 0, 0);
    position = 1;
    CHECK_EQ(trace_read(&position, out, 5), 5);
}

TEST(efw_memory)
{
    char to[8] = "1234567";
    CHECK_EQ(call("memcpy_s", P(to), 8, P("ab"), 3, 0), 0);
    CHECK_STR(to, "ab");
    CHECK_EQ(call("memcpy_s", P(to), 2, P("abc"), 3, 0), 34);
    CHECK_EQ(to[0], 0);
    CHECK_EQ(call("memcpy_s", P(to), 8, 0, 3, 0), 22);
    CHECK_EQ(call("memcmp_s", P("abc"), 3, P("abd"), 3, 0), -1);
    CHECK_EQ(call("memcmp_s", P("abc"), 3, P("ab"), 2, 0), 0);
    CHECK_EQ(call("memset", P(to), 7, 'x', 0, 0), 0);
    CHECK_STR(to, "xxxxxxx");
    CHECK_EQ(call("memmove_s", P(to), 2, P("abc"), 3, 0), 34);
    CHECK_STR(to, "xxxxxxx");
    CHECK_EQ(call("strncpy_s", P(to), 8, P("hello"), 3, 0), 0);
    CHECK_STR(to, "hel");
    CHECK_EQ(call("strncat_s", P(to), 8, P("lo, you"), 2, 0), 0);
    CHECK_STR(to, "hello");
    CHECK_EQ(call("strncat_s", P(to), 8, P("lo, you"), 7, 0), 34);
    CHECK_STR(to, "");
    memset(to, 'y', 8);
    CHECK_EQ(call("strncat_s", P(to), 8, P("a"), 1, 0), 22);
    CHECK_EQ(call("strncpy_s", P(to), 3, P("abc"), 3, 0), 34);
    CHECK_EQ(call("strncpy_s", P(to), 0, P("abc"), 3, 0), 22);
    CHECK_EQ(call("strnlen_s", P("abc"), 9, 0, 0, 0), 3);
    CHECK_EQ(call("strnlen_s", P("abc"), 2, 0, 0, 0), 2);
    CHECK_EQ(call("strnlen_s", 0, 2, 0, 0, 0), 0);
    CHECK_EQ(call("strncmp", P("abc"), 3, P("abd"), 0, 0), -1);
    CHECK_EQ(call("strncmp", P("abc"), 2, P("abd"), 0, 0), 0);
}

/* ---- the kernel's helpers on the same input: a program whose arguments lie in an array value */

enum { ROOM = 256, AT_A = 0, AT_B = 64, AT_NUMBERS = 128, AT_OUT = 160, AT_R0 = 168 };

static long bpf(uint32_t command, union bpf_attr *attr)
{
    return syscall(__NR_bpf, command, attr, sizeof *attr);
}

static int oracle_map = -1;

/* r6 = value; r1 … r5 are filled in by `body`; r0 of the helper goes to AT_R0. */
static int oracle(const struct insn *body, unsigned count)
{
    struct insn insns[64];
    unsigned n = 0;
    insns[n++] = insn_make(0x62, 10, 0, -4, 0); /* *(u32 *)(r10 - 4) = 0 */
    insns[n++] = insn_make(0x18, 1, LDDW_SRC_MAP_FD, 0, oracle_map);
    insns[n++] = insn_make(0, 0, 0, 0, 0);
    insns[n++] = insn_make(0xbf, 2, 10, 0, 0);
    insns[n++] = insn_make(0x07, 2, 0, 0, -4);
    insns[n++] = insn_make(0x85, 0, 0, 0, 1);
    insns[n++] = insn_make(0x55, 0, 0, 1, 0);
    insns[n++] = insn_make(0x95, 0, 0, 0, 0);
    insns[n++] = insn_make(0xbf, 6, 0, 0, 0);
    memcpy(insns + n, body, count * sizeof *body);
    n += count;
    insns[n++] = insn_make(0x7b, 6, 0, AT_R0, 0);
    insns[n++] = insn_make(0xb7, 0, 0, 0, 0);
    insns[n++] = insn_make(0x95, 0, 0, 0, 0);
    static char log[8192];
    union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SCHED_CLS,
                           .insns = P(insns),
                           .insn_cnt = n,
                           .license = P("GPL"),
                           .log_buf = P(log),
                           .log_size = sizeof log,
                           .log_level = 1};
    int fd = (int)bpf(BPF_PROG_LOAD, &attr);
    if (fd < 0)
        printf("%s: %s\n", strerror(errno), log);
    return fd;
}

static void oracle_run(int prog, uint8_t value[ROOM])
{
    uint32_t zero = 0;
    uint8_t packet[64] = {0};
    union bpf_attr set = {.map_fd = (uint32_t)oracle_map, .key = P(&zero), .value = P(value)};
    union bpf_attr run = {.test = {.prog_fd = (uint32_t)prog, .data_in = P(packet), .data_size_in = sizeof packet}};
    CHECK_EQ(bpf(BPF_MAP_UPDATE_ELEM, &set), 0);
    CHECK_EQ(bpf(BPF_PROG_TEST_RUN, &run), 0);
    CHECK_EQ(bpf(BPF_MAP_LOOKUP_ELEM, &set), 0);
}

static bool oracle_open(void)
{
    union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = ROOM, .max_entries = 1};
    oracle_map = (int)bpf(BPF_MAP_CREATE, &attr);
    if (oracle_map < 0)
        check_skip_reason = "bpf() needs root";
    return oracle_map >= 0;
}

static uint64_t state = 88172645463325252u; /* any but 0 */

static uint32_t below(uint32_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 20) % limit);
}

TEST(csum_diff_as_the_kernel)
{
    if (!oracle_open())
        return;
    const struct insn body[] = {
        insn_make(0x61, 2, 6, AT_NUMBERS, 0),
        insn_make(0x25, 2, 0, 8, 64), /* sizes above 64 skip the call */
        insn_make(0x61, 4, 6, AT_NUMBERS + 4, 0),
        insn_make(0x25, 4, 0, 6, 64),
        insn_make(0x61, 5, 6, AT_NUMBERS + 8, 0),
        insn_make(0xbf, 1, 6, 0, 0),
        insn_make(0xbf, 3, 6, 0, 0),
        insn_make(0x07, 3, 0, 0, AT_B),
        insn_make(0x85, 0, 0, 0, 28),
        insn_make(0x05, 0, 0, 1, 0),
        insn_make(0xb7, 0, 0, 0, 1),
    };
    int prog = oracle(body, sizeof body / sizeof *body);
    REQUIRE(prog >= 0);
    for (unsigned i = 0; i < 4000 && !check_failures; i++) {
        uint8_t value[ROOM] = {0};
        uint32_t kind = below(4),
                 numbers[3] = {below(10) ? below(17) * 4 : below(65), below(10) ? below(17) * 4 : below(65),
                               below(3)   ? below(UINT32_MAX)
                               : below(3) ? 0
                                          : UINT32_MAX};
        for (unsigned j = 0; j < 128; j++)
            value[j] = kind == 0 ? 0 : kind == 1 ? 0xff : (uint8_t)below(256);
        if (kind == 3)
            memcpy(value + AT_B, value, 64); /* nothing changed */
        memcpy(value + AT_NUMBERS, numbers, sizeof numbers);
        int64_t mine = call("csum_diff", P(value), numbers[0], P(value + AT_B), numbers[1], numbers[2]), theirs;
        oracle_run(prog, value);
        memcpy(&theirs, value + AT_R0, 8);
        if (mine != theirs) {
            printf("from %u to %u seed %x\n", numbers[0], numbers[1], numbers[2]);
            CHECK_EQ(mine, theirs);
        }
    }
    close(prog);
    close(oracle_map);
}

TEST(numbers_as_the_kernel)
{
    if (!oracle_open())
        return;
    static const char *texts[] = {"0x",
                                  "0xg",
                                  "08",
                                  "-",
                                  " -12",
                                  "- 1",
                                  "+5",
                                  "0X1fz",
                                  "\t\n7 8",
                                  "18446744073709551616",
                                  "-9223372036854775808",
                                  "-9223372036854775809",
                                  "9223372036854775808",
                                  "777",
                                  "-0",
                                  "--1"};
    for (unsigned helper = 105; helper <= 106; helper++) {
        const struct insn body[] = {
            insn_make(0xbf, 1, 6, 0, 0),      insn_make(0x61, 2, 6, AT_NUMBERS, 0),     insn_make(0x15, 2, 0, 6, 0),
            insn_make(0x25, 2, 0, 5, 64),     insn_make(0x79, 3, 6, AT_NUMBERS + 8, 0), insn_make(0xbf, 4, 6, 0, 0),
            insn_make(0x07, 4, 0, 0, AT_OUT), insn_make(0x85, 0, 0, 0, (int)helper),    insn_make(0x05, 0, 0, 1, 0),
            insn_make(0xb7, 0, 0, 0, 1),
        };
        int prog = oracle(body, sizeof body / sizeof *body);
        REQUIRE(prog >= 0);
        for (unsigned i = 0; i < 3000 && !check_failures; i++) {
            uint8_t value[ROOM] = {0};
            uint32_t size;
            uint64_t flags = below(3) ? (below(2) ? 10 : 0) : below(3) ? (below(2) ? 16 : 8) : below(70);
            if (below(2)) {
                const char *text = texts[below(sizeof texts / sizeof *texts)];
                memcpy(value, text, strlen(text));
                size = (uint32_t)strlen(text) + below(2);
            } else {
                for (unsigned j = 0; j < 64; j++)
                    value[j] = (uint8_t) "0123456789abcdefABCDEFxX- \t\0019876543210"[below(38)];
                size = 1 + below(64);
            }
            memcpy(value + AT_NUMBERS, &size, 4);
            memcpy(value + AT_NUMBERS + 8, &flags, 8);
            int64_t out = 0, theirs, their_out,
                    mine = call(helper == 105 ? "strtol" : "strtoul", P(value), size, flags, P(&out), 0);
            oracle_run(prog, value);
            memcpy(&theirs, value + AT_R0, 8);
            memcpy(&their_out, value + AT_OUT, 8);
            if (mine != theirs || (mine > 0 && out != their_out)) {
                printf("helper %u \"%.*s\" flags %llu: kernel %lld (%lld), ours %lld (%lld)\n", helper, (int)size,
                       (char *)value, (unsigned long long)flags, (long long)theirs, (long long)their_out,
                       (long long)mine, (long long)out);
                CHECK(!"both agree");
            }
        }
        close(prog);
    }
    close(oracle_map);
}

TEST_MAIN

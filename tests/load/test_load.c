/* SPDX-License-Identifier: MIT
 *
 * Loading through bpf(): what is refused and with which error, what the log says, what runs and as what.  Where the
 * Linux kernel lets us, every case is put to it too, and must end alike.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "check.h"
#include "compose.h"
#include "core/client.h"
#include "core/object.h"
#include "core/prog.h"
#include "load/load.h"
#include "platform/os.h"

/* Who is asked: the core, or the kernel.  The descriptor or value, or -errno. */
typedef int (*bpf_door)(uint32_t command, union bpf_attr *attr);

static int ours(uint32_t command, union bpf_attr *attr)
{
    int64_t value = 0;
    enum result result =
        core_command(client_process(), command, (uint64_t)(uintptr_t)attr, (uint32_t)sizeof *attr, &value);
    return result ? -result_errno(result) : (int)value;
}

static int kernels(uint32_t command, union bpf_attr *attr)
{
    long value = syscall(SYS_bpf, command, attr, sizeof *attr);
    return value < 0 ? -errno : (int)value;
}

static void start(const struct core_admission *admission)
{
    struct core_options options = {.engine = &engine_checked, .admission = admission, .executable = &os_executable};
    if (compose_start(&options)) {
        printf("%s: the system does not start\n", check_name);
        exit(2);
    }
}

static uint64_t address(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

static int map_make(bpf_door bpf, uint32_t kind, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags)
{
    union bpf_attr attr = {0};
    attr.map_type = kind;
    attr.key_size = key;
    attr.value_size = value;
    attr.max_entries = entries;
    attr.map_flags = flags;
    return bpf(BPF_MAP_CREATE, &attr);
}

static int map_set(bpf_door bpf, int map, uint32_t key, const void *value)
{
    union bpf_attr attr = {0};
    attr.map_fd = (uint32_t)map;
    attr.key = address(&key);
    attr.value = address(value);
    return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

static int map_freeze_it(bpf_door bpf, int map)
{
    union bpf_attr attr = {0};
    attr.map_fd = (uint32_t)map;
    return bpf(BPF_MAP_FREEZE, &attr);
}

struct wish {
    const char *license;
    uint32_t flags, log_level, log_size;
    char *log;
    uint32_t true_size; /* out */
};

static int load(bpf_door bpf, const struct insn *insns, uint32_t count, struct wish *wish)
{
    union bpf_attr attr = {0};
    attr.prog_type = BPF_PROG_TYPE_XDP;
    attr.insns = address(insns);
    attr.insn_cnt = count;
    attr.license = address(wish && wish->license ? wish->license : "GPL");
    if (wish) {
        attr.prog_flags = wish->flags;
        attr.log_level = wish->log_level;
        attr.log_buf = address(wish->log);
        attr.log_size = wish->log_size;
    }
    int fd = bpf(BPF_PROG_LOAD, &attr);
    if (wish)
        wish->true_size = attr.log_true_size;
    return fd;
}

/* What a test run on 64 bytes of packet returns, or -errno. */
static int64_t run(bpf_door bpf, int fd)
{
    uint8_t packet[64] = {1, 2, 3, 4, 5, 6};
    union bpf_attr attr = {0};
    attr.test.prog_fd = (uint32_t)fd;
    attr.test.data_in = address(packet);
    attr.test.data_size_in = sizeof packet;
    int result = bpf(BPF_PROG_TEST_RUN, &attr);
    return result < 0 ? result : (int64_t)attr.test.retval;
}

#define INSN(op, to, from, offset, value) insn_make(op, to, from, offset, value)
#define MOV(to, value)                    INSN(0xb7, to, 0, 0, value)
#define MOVR(to, from)                    INSN(0xbf, to, from, 0, 0)
#define ADD(to, value)                    INSN(0x07, to, 0, 0, value)
#define CALL(helper)                      INSN(0x85, 0, 0, 0, helper)
#define MAP(to, fd)                       INSN(0x18, to, 1, 0, fd), INSN(0, 0, 0, 0, 0)
#define VALUE(to, fd, at)                 INSN(0x18, to, 2, 0, fd), INSN(0, 0, 0, 0, at)
#define EXIT                              INSN(0x95, 0, 0, 0, 0)

enum {
    LDXB = 0x71,
    LDXW = 0x61,
    LDXDW = 0x79,
    STW = 0x62,
    STDW = 0x7a,
    STXDW = 0x7b,
    JEQ = 0x15,
    JA = 0x05,
    JGTR = 0x2d
};
enum { MAP_LOOKUP = 1, PRINTK = 6, TAIL_CALL = 12, RESERVE = 131 };

struct maps {
    int array, ring, constant;
};

static struct maps make_maps(bpf_door bpf)
{
    struct maps maps = {
        .array = map_make(bpf, BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0),
        .ring = map_make(bpf, BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0),
        .constant = map_make(bpf, BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_RDONLY_PROG),
    };
    CHECK(maps.array >= 0 && maps.ring >= 0 && maps.constant >= 0);
    return maps;
}

/* Each case: what makes it wrong, the error, the instructions. */
struct refusal {
    const char *what;
    int error;
    const char *license;
    uint32_t flags, count;
    struct insn insns[32];
};

static uint32_t refusals(const struct maps *maps, struct refusal *out)
{
    uint32_t n = 0;
#define CASE(says, code, terms, bits, ...)                                                                             \
    out[n++] = (struct refusal)                                                                                        \
    {                                                                                                                  \
        says, code, terms, bits, sizeof((struct insn[]){__VA_ARGS__}) / sizeof(struct insn),                           \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
    CASE("nothing returned", EACCES, NULL, 0, EXIT);
    CASE("an unchecked packet", EACCES, NULL, 0, INSN(LDXW, 1, 1, 0, 0), INSN(LDXB, 0, 1, 0, 0), EXIT);
    CASE("past the context", EACCES, NULL, 0, INSN(LDXW, 0, 1, 24, 0), EXIT);
    CASE("half a pointer of the context", EACCES, NULL, 0, INSN(LDXB, 0, 1, 0, 0), EXIT);
    CASE("a store to the context", EACCES, NULL, 0, INSN(STW, 1, 0, 16, 0), MOV(0, 2), EXIT);
    CASE("a value that may be NULL", EACCES, NULL, 0, INSN(STW, 10, 0, -4, 7), MAP(1, maps->array), MOVR(2, 10),
         ADD(2, -4), CALL(MAP_LOOKUP), INSN(LDXDW, 0, 0, 0, 0), EXIT);
    CASE("past a value", EACCES, NULL, 0, VALUE(1, maps->array, 4), INSN(LDXDW, 0, 1, 0, 0), EXIT);
    CASE("a helper that nobody has", EINVAL, NULL, 0, CALL(9999), EXIT);
    CASE("a helper for the GPL", EINVAL, "Proprietary", 0, INSN(STDW, 10, 0, -8, 0), MOVR(1, 10), ADD(1, -8), MOV(2, 8),
         CALL(PRINTK), EXIT);
    CASE("a map of another kind", EINVAL, NULL, 0, MAP(1, maps->array), MOV(2, 8), MOV(3, 0), CALL(RESERVE), MOV(0, 2),
         EXIT);
    CASE("a number for a map", EACCES, NULL, 0, MOV(1, 7), MOVR(2, 10), CALL(MAP_LOOKUP), MOV(0, 2), EXIT);
    CASE("a record kept", EINVAL, NULL, 0, MAP(1, maps->ring), MOV(2, 8), MOV(3, 0), CALL(RESERVE), MOV(0, 2), EXIT);
    CASE("below the stack", EACCES, NULL, 0, INSN(STDW, 10, 0, -520, 0), MOV(0, 2), EXIT);
    CASE("a store to what programs may only read", EACCES, NULL, 0, VALUE(1, maps->constant, 0), INSN(STW, 1, 0, 0, 1),
         MOV(0, 2), EXIT);
    CASE("an endless loop", EINVAL, NULL, 0, MOV(0, 0), INSN(JEQ, 0, 0, -1, 0), EXIT);
    CASE("a loop of unknown length", E2BIG, NULL, 0, MOV(0, 1), INSN(0x27, 0, 0, 0, 5), ADD(0, 3),
         INSN(JEQ, 0, 0, 1, 7777777), INSN(JA, 0, 0, -4, 0), EXIT);
    CASE("a product of the context", EACCES, NULL, 0, INSN(0x27, 1, 0, 0, 3), MOV(0, 2), EXIT);
    CASE("one instruction for context and stack", EINVAL, NULL, 0, MOVR(2, 10), ADD(2, -16), INSN(STDW, 10, 0, -16, 0),
         INSN(STDW, 10, 0, -8, 0), INSN(LDXW, 3, 1, 12, 0), INSN(JEQ, 3, 0, 1, 0), MOVR(2, 1), INSN(LDXW, 0, 2, 12, 0),
         EXIT);
    CASE("an address that is not aligned", EACCES, NULL, BPF_F_STRICT_ALIGNMENT, INSN(STDW, 10, 0, -12, 0), MOV(0, 2),
         EXIT);
    CASE("nine calls deep", E2BIG, NULL, 0, INSN(0x85, 0, 1, 0, 1), EXIT, INSN(0x85, 0, 1, 0, 1), EXIT,
         INSN(0x85, 0, 1, 0, 1), EXIT, INSN(0x85, 0, 1, 0, 1), EXIT, INSN(0x85, 0, 1, 0, 1), EXIT,
         INSN(0x85, 0, 1, 0, 1), EXIT, INSN(0x85, 0, 1, 0, 1), EXIT, INSN(0x85, 0, 1, 0, 1), EXIT, MOV(0, 2), EXIT);
#undef CASE
    return n;
}

static bool kernel_is_there(void)
{
    struct insn pass[] = {MOV(0, 2), EXIT};
    int fd = load(kernels, pass, 2, NULL);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

TEST(errors_are_linuxs)
{
    static struct refusal cases[64];
    bool asked = kernel_is_there();
    start(&load_admission);
    for (int k = 0; k < 1 + asked; k++) {
        bpf_door bpf = k ? kernels : ours;
        struct maps maps = make_maps(bpf);
        uint32_t count = refusals(&maps, cases);
        for (uint32_t i = 0; i < count; i++) {
            struct wish wish = {.license = cases[i].license, .flags = cases[i].flags};
            int fd = load(bpf, cases[i].insns, cases[i].count, &wish);
            if (fd == -EINVAL && cases[i].error == E2BIG && !k)
                continue; /* not walked until the budget is spent: nothing says that it ends */
            if (fd != -cases[i].error)
                printf("%s, %s:\n", k ? "the kernel" : "here", cases[i].what);
            CHECK_EQ(fd, -cases[i].error);
            if (fd >= 0)
                close(fd);
        }
        close(maps.array), close(maps.ring), close(maps.constant);
    }
    compose_stop();
    if (!asked)
        SKIP("bpf() is not permitted here: the kernel was not asked");
}

TEST(budgets_are_too_big)
{
    struct verify_result result = {.verdict = VERIFY_TOO_COMPLEX, .reason = REASON_STEPS};
    CHECK_EQ(load_refusal(&result), RESULT_TOO_BIG);
    result.verdict = VERIFY_TOO_LONG;
    CHECK_EQ(load_refusal(&result), RESULT_TOO_BIG);
    result.verdict = VERIFY_ACCEPT;
    CHECK_EQ(load_refusal(&result), RESULT_OK);
    result.verdict = VERIFY_REJECT;
    for (int reason = REASON_NONE + 1; reason < REASONS; reason++) {
        result.reason = (enum verify_reason)reason;
        CHECK(load_refusal(&result) != RESULT_OK);
    }
}

/* Levels, sizes and ends of the log, here and there. */
TEST(log)
{
    const struct insn bad[] = {INSN(LDXW, 1, 1, 0, 0), INSN(LDXB, 0, 1, 0, 0), EXIT};
    const struct insn good[] = {MOV(0, 2), EXIT};
    bool asked = kernel_is_there();
    start(&load_admission);
    for (int k = 0; k < 1 + asked; k++) {
        bpf_door bpf = k ? kernels : ours;
        char text[4096], all[4096];
        struct wish wish = {.log = text, .log_size = sizeof text};
        for (uint32_t level = 1; level < 8; level++) {
            memset(text, 0x55, sizeof text);
            wish.log_level = level;
            CHECK_EQ(load(bpf, bad, 3, &wish), -EACCES);
            CHECK_EQ(wish.true_size, strlen(text) + 1);
            CHECK(strstr(text, "processed ") != NULL && strstr(text, " insns (limit ") != NULL);
            CHECK_EQ(text[strlen(text) - 1], '\n');
            CHECK_EQ(strstr(text, "verification time ") != NULL, (level & 4) != 0);
            CHECK_EQ(strstr(text, "stack depth ") != NULL, (level & 4) != 0);
            if (!k) {
                CHECK(strstr(text, "\nV0203: ") != NULL || !strncmp(text, "V0203: ", 7));
                CHECK(strstr(text, "rejected at insn 1\n") != NULL);
            }
        }
        wish.log_level = 1;
        CHECK_EQ(load(bpf, bad, 3, &wish), -EACCES);
        strcpy(all, text);
        uint32_t whole = wish.true_size;
        for (uint32_t size = 1; size <= whole; size += size < 40 ? 1 : 7) {
            memset(text, 0x55, sizeof text);
            wish.log_size = size;
            CHECK_EQ(load(bpf, bad, 3, &wish), size < whole ? -ENOSPC : -EACCES);
            CHECK_EQ(wish.true_size, whole);
            CHECK_EQ(strlen(text), size - 1);
            CHECK(!strcmp(text, all + strlen(all) - (size - 1))); /* its end */
            CHECK_EQ(text[size], 0x55);
        }
        wish.log_level = 1 | 8; /* fixed: its beginning */
        wish.log_size = 20;
        CHECK_EQ(load(bpf, bad, 3, &wish), -ENOSPC);
        CHECK(!strncmp(text, all, 19) && !text[19]);
        wish.log_size = 0;
        wish.log = NULL;
        CHECK_EQ(load(bpf, bad, 3, &wish), -EACCES); /* only how long it would be */
        CHECK_EQ(wish.true_size, whole);
        wish = (struct wish){.log = text, .log_size = sizeof text, .log_level = 0};
        CHECK_EQ(load(bpf, bad, 3, &wish), -EINVAL);
        wish.log_level = 1;
        memset(text, 0, sizeof text);
        int fd = load(bpf, good, 2, &wish);
        CHECK(fd >= 0);
        CHECK(strstr(text, "processed 2 insns") != NULL);
        close(fd);
        wish.log_size = 5; /* an accepted program whose log does not fit is not loaded */
        CHECK_EQ(load(bpf, good, 2, &wish), -ENOSPC);
    }
    compose_stop();
    if (!asked)
        SKIP("bpf() is not permitted here: the kernel was not asked");
}

/* A number from a map bounds an access only when nothing can change it. */
TEST(frozen_contents)
{
    bool asked = kernel_is_there();
    start(&load_admission);
    for (int k = 0; k < 1 + asked; k++) {
        bpf_door bpf = k ? kernels : ours;
        static const uint64_t small = 5, large = 50;
        int read_only = map_make(bpf, BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_RDONLY_PROG);
        int far = map_make(bpf, BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_RDONLY_PROG);
        int writable = map_make(bpf, BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0);
        REQUIRE(read_only >= 0 && far >= 0 && writable >= 0);
        CHECK_EQ(map_set(bpf, read_only, 0, &small), 0);
        CHECK_EQ(map_set(bpf, far, 0, &large), 0);
        CHECK_EQ(map_set(bpf, writable, 0, &small), 0);
        int fds[] = {read_only, far, writable};
        for (int frozen = 0; frozen < 2; frozen++) {
            for (int i = 0; i < 3; i++) {
                struct insn insns[] = {VALUE(1, fds[i], 0),    INSN(LDXDW, 2, 1, 0, 0), VALUE(3, writable, 0),
                                       INSN(0x0f, 3, 2, 0, 0), INSN(LDXB, 0, 3, 0, 0),  EXIT};
                if (frozen)
                    CHECK_EQ(map_freeze_it(bpf, fds[i]), 0);
                int fd = load(bpf, insns, sizeof insns / sizeof *insns, NULL);
                bool known = frozen && i == 0;
                CHECK_EQ(fd >= 0, known);
                if (fd >= 0) {
                    CHECK_EQ(run(bpf, fd), 0);
                    close(fd);
                }
            }
        }
        close(read_only), close(far), close(writable);
    }
    compose_stop();
    if (!asked)
        SKIP("bpf() is not permitted here: the kernel was not asked");
}

/* What no path reaches may be anything, as CO-RE makes it of what a kernel lacks. */
TEST(dead_calls)
{
    const struct insn insns[] = {MOV(0, 2), INSN(JEQ, 0, 0, 1, 2), CALL(195896080), EXIT};
    bool asked = kernel_is_there();
    for (int k = 0; k < 2 + asked; k++) {
        bpf_door bpf = k == 2 ? kernels : ours;
        if (k < 2)
            start(k ? NULL : &load_admission);
        int fd = load(bpf, insns, 4, NULL);
        if (k == 1) {
            CHECK_EQ(fd, -EINVAL); /* who checks as it runs knows of no dead code */
        } else {
            CHECK(fd >= 0);
            CHECK_EQ(run(bpf, fd), 2);
            close(fd);
        }
        if (k < 2)
            compose_stop();
    }
}

static const struct {
    const struct core_admission *admission;
    const char *engine;
} ways[] = {{NULL, "checked"}, {&load_admission_interp, "interp"}, {&load_admission, "jit"}};

static struct prog *prog_behind(int fd)
{
    struct client *client = client_process();
    struct object *object;
    uint32_t flags;
    return client->ops->handle_get(client, fd, &object, &flags) ? NULL : (struct prog *)object;
}

/* One story for each way to run, and the kernel: the context, a map, a chain of tail calls, listings. */
TEST(ways_to_run)
{
    bool asked = kernel_is_there();
    for (int w = 0; w < 3 + asked; w++) {
        bpf_door bpf = w == 3 ? kernels : ours;
        if (w < 3)
            start(ways[w].admission);
        int counts = map_make(bpf, BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0);
        int chain = map_make(bpf, BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4, 0);
        REQUIRE(counts >= 0 && chain >= 0);
        struct insn first[] = {MAP(2, chain), MOV(3, 1), CALL(TAIL_CALL), MOV(0, 77), EXIT};
        struct insn second[] = {INSN(LDXW, 2, 1, 0, 0),
                                INSN(LDXW, 3, 1, 4, 0),
                                MOVR(4, 2),
                                ADD(4, 4),
                                MOV(0, 1),
                                INSN(JGTR, 4, 3, 6, 0),
                                INSN(LDXB, 0, 2, 3, 0),
                                VALUE(5, counts, 0),
                                INSN(LDXDW, 6, 5, 0, 0),
                                ADD(6, 3),
                                INSN(STXDW, 5, 6, 0, 0),
                                EXIT};
        int head = load(bpf, first, sizeof first / sizeof *first, NULL);
        int tail = load(bpf, second, sizeof second / sizeof *second, NULL);
        REQUIRE(head >= 0 && tail >= 0);
        CHECK_EQ(run(bpf, head), 77); /* an empty slot */
        CHECK_EQ(map_set(bpf, chain, 1, &tail), 0);
        CHECK_EQ(run(bpf, head), 4);
        CHECK_EQ(run(bpf, tail), 4);
        CHECK_EQ(map_set(bpf, chain, 1, &head), 0); /* itself, 33 times */
        CHECK_EQ(run(bpf, head), 77);
        uint64_t sum = 0;
        uint32_t key = 0;
        union bpf_attr attr = {0};
        attr.map_fd = (uint32_t)counts;
        attr.key = address(&key);
        attr.value = address(&sum);
        CHECK_EQ(bpf(BPF_MAP_LOOKUP_ELEM, &attr), 0);
        CHECK_EQ(sum, 6);

        struct bpf_prog_info info = {0};
        uint8_t code[4096] = {0};
        struct insn shown[16];
        info.jited_prog_insns = address(code);
        info.jited_prog_len = sizeof code;
        info.xlated_prog_insns = address(shown);
        info.xlated_prog_len = sizeof shown;
        attr = (union bpf_attr){0};
        attr.info.bpf_fd = (uint32_t)tail;
        attr.info.info = address(&info);
        attr.info.info_len = sizeof info;
        CHECK_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, &attr), 0);
        bool verified = w > 0, compiled = w > 1;
        CHECK_EQ(info.verified_insns > 0, verified);
        CHECK_EQ(info.jited_prog_len > 0, compiled);
        if (w == 3) {
            close(head), close(tail), close(counts), close(chain);
            continue;
        }
        CHECK_EQ(code[0] != 0, compiled);
        CHECK_EQ(info.xlated_prog_len, sizeof second); /* the program as it came, whatever runs */
        CHECK(!memcmp(shown, second, 6 * sizeof *shown));
        struct prog *prog = prog_behind(tail);
        REQUIRE(prog);
        CHECK_STR(prog->code->engine->name, ways[w].engine);
        CHECK_EQ(prog->verified, verified);
        CHECK_EQ(prog->tail.jit_entry != NULL, compiled); /* tail calls are jumps */
        if (verified) {
            CHECK_EQ(prog->lowered.insns[0].code, LDXDW); /* the provider's pointer */
            CHECK_EQ(prog->lowered.insns[1].off, 8);
            CHECK(prog->worst_case >= 12 && prog->worst_case < 100);
        }
        object_put(&prog->object, REF_LOOKUP);
        close(head), close(tail), close(counts), close(chain);
        compose_stop();
    }
}

/* BTF of `struct value { struct bpf_spin_lock lock; u32 number; }`, which is type 3; u32 is type 1. */
static int types_make(bpf_door bpf)
{
    static const char strings[] = "\0u32\0bpf_spin_lock\0val\0value\0lock\0number"; /* at 1 5 19 23 29 34 */
    const uint32_t types[] = {
        1,  1u << 24,     4, 32,           /* INT, 4 bytes, 32 bits */
        5,  4u << 24 | 1, 4, 19, 1, 0,     /* STRUCT of one member */
        23, 4u << 24 | 2, 8, 29, 2, 0, 34, /* STRUCT of two */
        1,  32,
    };
    uint8_t all[256] = {0x9f, 0xeb, 1, 0, 24};
    const uint32_t layout[] = {0, sizeof types, sizeof types, sizeof strings};
    union bpf_attr attr = {0};
    memcpy(all + 8, layout, sizeof layout);
    memcpy(all + 24, types, sizeof types);
    memcpy(all + 24 + sizeof types, strings, sizeof strings);
    attr.btf = address(all);
    attr.btf_size = (uint32_t)(24 + sizeof types + sizeof strings);
    return bpf(BPF_BTF_LOAD, &attr);
}

/* A lock in a map's value is nobody's to write, though the program brings no types of its own. */
TEST(special_fields_of_maps)
{
    bool asked = kernel_is_there();
    start(&load_admission);
    for (int k = 0; k < 1 + asked; k++) {
        bpf_door bpf = k ? kernels : ours;
        union bpf_attr attr = {0};
        int types = types_make(bpf);
        REQUIRE(types >= 0);
        attr.map_type = BPF_MAP_TYPE_ARRAY;
        attr.key_size = 4;
        attr.value_size = 8;
        attr.max_entries = 1;
        attr.btf_fd = (uint32_t)types;
        attr.btf_key_type_id = 1;
        attr.btf_value_type_id = 3;
        int map = bpf(BPF_MAP_CREATE, &attr);
        REQUIRE(map >= 0);
        for (int at = 0; at < 8; at += 4) {
            struct insn insns[] = {VALUE(1, map, 0), INSN(STW, 1, 0, (int16_t)at, 1), MOV(0, 2), EXIT};
            int fd = load(bpf, insns, sizeof insns / sizeof *insns, NULL);
            CHECK_EQ(fd >= 0 ? 0 : fd, at ? 0 : -EACCES);
            if (fd >= 0)
                close(fd);
        }
        close(map), close(types);
    }
    compose_stop();
    if (!asked)
        SKIP("bpf() is not permitted here: the kernel was not asked");
}

/* Without privileges no address leaves a program, and what was not written is not read. */
TEST(unprivileged_clients)
{
    const struct insn reads[] = {INSN(LDXDW, 0, 10, -8, 0), EXIT};
    const struct insn leaks[] = {MOVR(0, 10), EXIT};
    const struct insn fine[] = {MOV(0, 2), EXIT};
    const struct {
        const struct insn *insns;
        bool harmless;
    } rows[] = {{reads, false}, {leaks, false}, {fine, true}};
    static const struct image_func func = {"main", 0, 0, IMAGE_GLOBAL};
    start(&load_admission);
    for (int privileged = 0; privileged < 2; privileged++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            struct image image = {.name = "p",
                                  .section = "",
                                  .license = "GPL",
                                  .prog_type = BPF_PROG_TYPE_XDP,
                                  .insns = rows[i].insns,
                                  .insn_count = 2,
                                  .funcs = &func,
                                  .func_count = 1};
            struct prog_source source = {.image = &image, .privileged = privileged};
            struct prog *prog = NULL;
            enum result result = prog_create(&source, &prog);
            CHECK_EQ(result, privileged || rows[i].harmless ? RESULT_OK : RESULT_ACCESS);
            if (!result)
                object_put(&prog->object, REF_CREATOR);
        }
    }
    compose_stop();
}

TEST_MAIN

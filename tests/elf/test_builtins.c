/* SPDX-License-Identifier: MIT
 *
 * What becomes of calls that no section answers: memset, memcpy, memmove, memcmp get a body, helpers their number.  The
 * bodies against C's own, in every engine; the verifier and the running kernel take them; what is malformed is refused.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "check.h"
#include "elf/object.h"
#include "engine/engine.h"
#include "isa/insn.h"
#include "platform/os.h"
#include "verify/subject.h"

static const char *const compilers[] = {"clang-16 -target bpf", "clang-19 -target bpf", "clang-19 -target bpf -mcpu=v1",
                                        "bpf-gcc"};
enum { COMPILERS = sizeof compilers / sizeof *compilers, TYPE_XDP = 6 };

static bool have(void)
{
    return !system("command -v clang-16 clang-19 bpf-gcc >/dev/null 2>&1");
}

struct opened {
    struct test_job job;
    struct bytes bytes;
    struct elf_object object;
};

static struct bytes compile(const char *compiler, const char *flags)
{
    char path[] = "/tmp/winbpf-builtins-XXXXXX", command[512];
    struct bytes bytes = {NULL, 0};
    int file = mkstemp(path);
    if (file < 0)
        return bytes;
    close(file);
    snprintf(command, sizeof command, "%s -O2 -fno-builtin %s -c tests/elf/objects/builtins.c -o %s", compiler, flags,
             path);
    if (!system(command))
        bytes = test_file(path);
    unlink(path);
    return bytes;
}

static bool open_bytes(struct opened *o, struct bytes bytes, enum elf_personality_choice personality)
{
    struct elf_options options = {.personality = personality};
    o->bytes = bytes;
    test_begin(&o->job, "builtins");
    if (!bytes.data || elf_open(bytes, &options, &o->job.arena, &o->job.diag, &o->object)) {
        printf("%s\n", o->job.error);
        return false;
    }
    return true;
}

static bool open_compiled(struct opened *o, const char *compiler, const char *flags)
{
    return open_bytes(o, compile(compiler, flags), ELF_PERSONALITY_LINUX);
}

static void close_opened(struct opened *o)
{
    test_end(&o->job);
    free((void *)(uintptr_t)o->bytes.data);
    CHECK_EQ(o->job.memory.out, 0);
}

static uint32_t program_named(const struct elf_object *object, const char *name)
{
    for (uint32_t i = 0; i < object->program_count; i++)
        if (!strcmp(object->programs[i].name, name))
            return i;
    printf("no program %s\n", name);
    return IMAGE_NO_INDEX;
}

static const char *broken_named(const struct elf_object *object, const char *name)
{
    uint32_t index = program_named(object, name);
    return index == IMAGE_NO_INDEX ? NULL : object->broken[index];
}

/* ---- against C ---- */

enum { OP_SET, OP_COPY, OP_MOVE, OP_COMPARE, OPS };

struct job { /* as in objects/builtins.c */
    uint64_t op, to, from, size, byte;
    uint8_t bytes[448];
};

static struct {
    struct context_header header;
    struct job job;
} room;

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void shuffle(struct job *job)
{
    static uint32_t state = 1;
    for (unsigned i = 0; i < sizeof job->bytes; i++) {
        state = state * 1664525 + 1013904223;
        job->bytes[i] = (uint8_t)(state >> 24);
    }
}

/* What C makes of the job; its result as the program gives it. */
static uint64_t expected(struct job *job)
{
    uint8_t *to = job->bytes + job->to, *from = job->bytes + job->from;
    switch (job->op) {
    case OP_SET: memset(to, (int)job->byte, job->size); return 0;
    case OP_COPY: memcpy(to, from, job->size); return 0;
    case OP_MOVE: memmove(to, from, job->size); return 0;
    default: return (uint64_t)(int64_t)sign(memcmp(to, from, job->size));
    }
}

static unsigned runs, mismatches;

static void run_one(const struct code *code, const struct engine *engine, void *scratch)
{
    struct job before = room.job, want = room.job;
    struct code_fault fault = {0};
    struct run run = {.context = &room.job,
                      .raw_length = sizeof room.job,
                      .fault = &fault,
                      .scratch = scratch,
                      .scratch_size = engine->scratch_size};
    uint64_t r0 = expected(&want);
    enum result result = engine->run(code, &run);
    uint64_t got = before.op == OP_COMPARE ? (uint64_t)(int64_t)(int32_t)run.r0 : run.r0;
    runs++;
    if (result || got != r0 || memcmp(&room.job, &want, sizeof want)) {
        if (!mismatches++)
            printf("%s: op %u to %u from %u size %u: %s, result %lld not %lld, %s\n", engine->name, (unsigned)before.op,
                   (unsigned)before.to, (unsigned)before.from, (unsigned)before.size, result ? fault.reason : "ran",
                   (long long)got, (long long)r0, memcmp(&room.job, &want, sizeof want) ? "memory differs" : "");
    }
}

static void run_sizes(const struct code *code, const struct engine *engine, void *scratch)
{
    /* apart, at every alignment; and overlapping both ways, by less and more than a word */
    static const uint16_t places[][2] = {{0, 224}, {1, 224}, {3, 228}, {224, 7}, {10, 11}, {11, 10}, {8, 16},
                                         {16, 8},  {2, 15},  {15, 2},  {5, 5},   {9, 89},  {89, 9},  {100, 103}};
    struct job *job = &room.job;
    for (unsigned size = 0; size <= 200; size++)
        for (unsigned place = 0; place < sizeof places / sizeof *places; place++)
            for (unsigned op = 0; op < OPS; op++) {
                bool apart = places[place][0] + size <= places[place][1] || places[place][1] + size <= places[place][0];
                if (op == OP_COPY && !apart)
                    continue;
                shuffle(job);
                *job = (struct job){op, places[place][0], places[place][1], size, 0x1c0 + size, {0}};
                shuffle(job);
                if (op == OP_COMPARE && apart && size && size % 5) { /* equal, or different in one byte */
                    memcpy(job->bytes + job->to, job->bytes + job->from, size);
                    if (size % 5 > 1)
                        job->bytes[job->to + (size * 7 + place) % size] ^= (uint8_t)(0x81 >> size % 5);
                }
                run_one(code, engine, scratch);
            }
}

static void run_stack(const struct code *code, const struct engine *engine, void *scratch)
{
    for (unsigned size = 0; size <= 200; size += size < 40 ? 1 : 7)
        for (unsigned to = 0; to < 9; to++) {
            uint8_t want[224] = {0};
            struct run run = {.context = &room.job,
                              .raw_length = sizeof room.job,
                              .scratch = scratch,
                              .scratch_size = engine->scratch_size};
            struct code_fault fault = {0};
            run.fault = &fault;
            room.job = (struct job){0, to, 0, size, 0, {0}};
            shuffle(&room.job);
            memcpy(want + to, room.job.bytes, size);
            memmove(want + to + 3, want + to, size);
            enum result result = engine->run(code, &run);
            runs++;
            if ((result || run.r0 || memcmp(room.job.bytes + 216, want, sizeof want)) && !mismatches++)
                printf("%s: stack, size %u at %u: %s\n", engine->name, size, to, result ? fault.reason : "differs");
        }
}

TEST(as_in_c)
{
    static const struct engine *const engines[] = {&engine_checked, &engine_interp, &engine_jit};
    if (!have())
        SKIP("clang-16, clang-19 and bpf-gcc are needed");
    for (unsigned c = 0; c < COMPILERS; c++) {
        struct opened o;
        REQUIRE(open_compiled(&o, compilers[c], "-g"));
        for (unsigned p = 0; p < 2; p++) {
            uint32_t index = program_named(&o.object, p ? "stack" : "any");
            REQUIRE(index != IMAGE_NO_INDEX && !o.object.broken[index]);
            struct image image = o.object.programs[index]; /* which names none of the object's maps */
            image.map_count = 0;
            struct binding binding = {.image = &image};
            CHECK(o.object.programs[index].func_count == (p ? 4 : 5));
            for (unsigned e = 0; e < sizeof engines / sizeof *engines; e++) {
                struct code *code;
                enum result result =
                    engines[e]->compile(&binding, &o.job.allocator, &os_executable, &o.job.diag, &code);
#if !defined(__x86_64__)
                if (engines[e] == &engine_jit && result == RESULT_NOT_SUPPORTED)
                    continue;
#endif
                REQUIRE(result == RESULT_OK);
                void *scratch = aligned_alloc(64, (engines[e]->scratch_size + 127) & ~(size_t)63);
                runs = mismatches = 0;
                (p ? run_stack : run_sizes)(code, engines[e], scratch);
                CHECK(runs > (p ? 400 : 9000));
                CHECK_EQ(mismatches, 0);
                free(scratch);
                engines[e]->destroy(code);
            }
        }
        close_opened(&o);
    }
}

/* ---- the verifier ---- */

static void verify_one(const struct opened *o, const char *name, uint32_t flags, bool accept, uint64_t most)
{
    struct subject s;
    uint32_t index = program_named(&o->object, name);
    REQUIRE(index != IMAGE_NO_INDEX && !o->object.broken[index]);
    struct image image = o->object.programs[index];
    image.prog_type = TYPE_XDP;
    CHECK(subject_verify(&s, &image, o->object.btf, 0, flags, 0));
    if ((s.result.verdict == VERIFY_ACCEPT) != accept || (!accept && s.result.verdict != VERIFY_REJECT) ||
        (accept && s.result.worst_case > most) || s.result.steps > 40000) {
        printf("%s: verdict %u at %u, %llu steps, at most %llu instructions: %s\n", name, s.result.verdict,
               s.result.insn, (unsigned long long)s.result.steps, (unsigned long long)s.result.worst_case,
               s.result.message);
        CHECK(!"a verdict as expected");
    }
    if (getenv("WINBPF_VERBOSE"))
        printf("%s: %llu steps, %.0f us, at most %llu instructions: %s\n", name, (unsigned long long)s.result.steps,
               s.microseconds, (unsigned long long)s.result.worst_case, s.result.message);
    subject_end(&s);
}

TEST(verdicts)
{
    if (!have())
        SKIP("clang-16, clang-19 and bpf-gcc are needed");
    for (unsigned c = 0; c < COMPILERS; c++) {
        struct opened o;
        REQUIRE(open_compiled(&o, compilers[c], "-g"));
        verify_one(&o, "constant", VERIFY_POINTER_LEAKS | VERIFY_UNINIT_STACK, true, 3000);
        /* 200 bytes set, copied, moved, compared: 25 words each, 5 to 9 instructions a word */
        verify_one(&o, "bounded", VERIFY_POINTER_LEAKS | VERIFY_UNINIT_STACK, true, 2000);
        verify_one(&o, "over", VERIFY_POINTER_LEAKS, false, 0);
        verify_one(&o, "packet", VERIFY_POINTER_LEAKS, false, 0);
        verify_one(&o, "compare", VERIFY_POINTER_LEAKS, false, 0);
        verify_one(&o, "move", VERIFY_POINTER_LEAKS, false, 0);
        close_opened(&o);
    }
}

/* ---- the running kernel ---- */

static int call(int number, union bpf_attr *attr)
{
    long value = syscall(SYS_bpf, number, attr, sizeof *attr);
    return value < 0 ? -errno : (int)value;
}

/* Loads the image as it is, each data section as a map. */
static int load(const struct image *image)
{
    static char log[1 << 20];
    struct insn insns[1024];
    int maps[16], fd = 0;
    if (image->insn_count > 1024 || image->map_count > 16)
        return -E2BIG;
    memcpy(insns, image->insns, image->insn_count * sizeof *insns);
    for (uint32_t i = 0; i < image->map_count; i++) {
        const struct map_spec *spec = &image->maps[i];
        union bpf_attr attr = {.map_type = spec->kind,
                               .key_size = spec->key_size,
                               .value_size = spec->value_size,
                               .max_entries = spec->max_entries,
                               .map_flags = spec->flags};
        maps[i] = call(BPF_MAP_CREATE, &attr);
        if (maps[i] < 0)
            fd = maps[i];
    }
    for (uint32_t i = 0; i < image->insn_count && fd >= 0; i++) {
        if (insns[i].code == 0x85 && insn_src(&insns[i]) == CALL_SRC_HELPER)
            insns[i].imm = image->helpers[insns[i].imm].id;
        if (!insn_is_lddw(&insns[i]))
            continue;
        if (insn_src(&insns[i]) == LDDW_SRC_MAP_INDEX_VALUE) {
            insns[i].regs = (uint8_t)(insn_dst(&insns[i]) | LDDW_SRC_MAP_VALUE << 4);
            insns[i].imm = maps[insns[i].imm];
        }
        i++;
    }
    if (fd >= 0) {
        union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_XDP,
                               .insns = (uint64_t)(uintptr_t)insns,
                               .insn_cnt = image->insn_count,
                               .license = (uint64_t)(uintptr_t) "GPL"};
        fd = call(BPF_PROG_LOAD, &attr);
        if (fd < 0) {
            attr.log_buf = (uint64_t)(uintptr_t)log;
            attr.log_size = sizeof log;
            attr.log_level = 1;
            log[0] = 0;
            (void)call(BPF_PROG_LOAD, &attr);
            printf("%s: %d: %s\n", image->name, fd, log + (strlen(log) > 300 ? strlen(log) - 300 : 0));
        }
    }
    for (uint32_t i = 0; i < image->map_count; i++)
        if (maps[i] >= 0)
            close(maps[i]);
    return fd;
}

TEST(kernel)
{
    uint8_t packet[64] = {0}, out[512];
    if (!have() || geteuid())
        SKIP("clang-16, clang-19, bpf-gcc and root are needed");
    for (unsigned c = 0; c < COMPILERS; c++) {
        struct opened o;
        REQUIRE(open_compiled(&o, compilers[c], "-g"));
        uint32_t index = program_named(&o.object, "constant");
        REQUIRE(index != IMAGE_NO_INDEX && !o.object.broken[index]);
        int fd = load(&o.object.programs[index]);
        CHECK(fd >= 0);
        union bpf_attr attr = {.test = {.prog_fd = (uint32_t)fd,
                                        .data_in = (uint64_t)(uintptr_t)packet,
                                        .data_size_in = sizeof packet,
                                        .data_out = (uint64_t)(uintptr_t)out,
                                        .data_size_out = sizeof out}};
        CHECK_EQ(call(BPF_PROG_TEST_RUN, &attr), 0);
        CHECK_EQ(attr.test.retval, 2);
        CHECK(out[0] == 0x33 && out[58] == 0x33 && out[59] == 0);
        if (fd >= 0)
            close(fd);
        close_opened(&o);
    }
}

/* ---- names ---- */

/* The helpers that a program calls, as a sum of their ids. */
static int64_t helper_sum(const struct elf_object *object, const char *name)
{
    uint32_t index = program_named(object, name);
    int64_t sum = 0;
    for (uint32_t i = 0; index != IMAGE_NO_INDEX && i < object->programs[index].helper_count; i++)
        sum += object->programs[index].helpers[i].id;
    return sum;
}

TEST(helpers_by_name)
{
    struct opened o;
    if (!have())
        SKIP("clang-16, clang-19 and bpf-gcc are needed");
    REQUIRE(open_bytes(&o, compile(compilers[0], ""), ELF_PERSONALITY_LINUX));
    CHECK_EQ(helper_sum(&o.object, "bounded"), 7);
    CHECK_EQ(helper_sum(&o.object, "adjust"), 44);
    CHECK(!broken_named(&o.object, "adjust"));
    close_opened(&o);
    REQUIRE(open_bytes(&o, compile(compilers[1], ""), ELF_PERSONALITY_EFW));
    CHECK_EQ(helper_sum(&o.object, "bounded"), 6);
    CHECK_EQ(helper_sum(&o.object, "adjust"), 65536);
    CHECK(!broken_named(&o.object, "adjust"));
    close_opened(&o);
    /* the same helper where the type of program has none of that name */
    struct bytes bytes = compile(compilers[1], "-DADJUST='\"bind/adjust\"'");
    REQUIRE(open_bytes(&o, bytes, ELF_PERSONALITY_EFW));
    const char *broken = broken_named(&o.object, "adjust");
    CHECK(broken && strstr(broken, "'bpf_xdp_adjust_head', which no section defines"));
    close_opened(&o);
}

TEST(own_definition_wins)
{
    struct opened o;
    if (!have())
        SKIP("clang-16, clang-19 and bpf-gcc are needed");
    for (unsigned own = 0; own < 2; own++) {
        REQUIRE(open_compiled(&o, compilers[1], own ? "-g -DOWN" : "-g"));
        uint32_t index = program_named(&o.object, "over");
        REQUIRE(index != IMAGE_NO_INDEX && !o.object.broken[index]);
        const struct image *image = &o.object.programs[index];
        REQUIRE(image->func_count == 2);
        CHECK_STR(image->funcs[1].name, own ? "memset" : "memset.void");
        CHECK_EQ(image->funcs[1].linkage, own ? IMAGE_GLOBAL : IMAGE_STATIC);
        CHECK_EQ(image->funcs[1].btf_type != 0, own);
        if (own)
            CHECK(image->insn_count - image->funcs[1].insn < 6);
        const char *broken = own ? NULL : broken_named(&o.object, "address");
        if (!own)
            CHECK(broken && strstr(broken, "needs 'memset', which no section defines"));
        /* none of the bodies is a program */
        for (uint32_t i = 0; i < o.object.program_count; i++)
            CHECK(strncmp(o.object.programs[i].name, "mem", 3));
        close_opened(&o);
    }
}

/* Only where its result is read does a call get the body that returns one. */
TEST(result_read)
{
    static const struct {
        const char *after;
        bool read;
    } cases[] = {
        {"exit", true},
        {"r0 = 2\n exit", false},
        {"w0 = 2\n exit", false},
        {"r0 = 2 ll\n exit", false},
        {"r0 += 1\n exit", true},
        {"r0 = -r0\n exit", true},
        {"w0 = -w0\n exit", true},
        {"r0 = be16 r0\n exit", true},
        {"r1 = be16 r1\n r0 = 0\n exit", false},
        {"r6 = r0\n r0 = 0\n exit", true},
        {"w6 = w0\n r0 = 0\n exit", true},
        {"r6 += r0\n r0 = 0\n exit", true},
        {"r6 += 1\n r0 = 0\n exit", false},
        {"r0 = *(u8 *)(r6 + 0)\n exit", false},
        {"r6 = *(u8 *)(r0 + 0)\n r0 = 0\n exit", true},
        {"*(u8 *)(r0 + 0) = r6\n r0 = 0\n exit", true},
        {"*(u64 *)(r10 - 8) = r0\n r0 = 0\n exit", true},
        {"*(u64 *)(r10 - 8) = r6\n r0 = 0\n exit", false},
        {"lock *(u64 *)(r10 - 8) += r0\n r0 = 0\n exit", true},
        {"r0 = cmpxchg_64(r10 - 8, r0, r6)\n r0 = 0\n exit", true},
        {"r0 = *(u8 *)skb[3]\n exit", true}, /* not looked at */
        {"if r0 == 0 goto 1f\n 1: r0 = 0\n exit", true},
        {"if r6 > r0 goto 1f\n 1: r0 = 0\n exit", true},
        {"if w6 == 1 goto 1f\n r0 = 0\n exit\n 1: r0 = 1\n exit", false},
        {"if r6 == 1 goto 1f\n r0 = 0\n exit\n 1: r1 = r0\n r0 = 1\n exit", true},
        {"if r6 == 1 goto 1f\n r1 = r0\n r0 = 0\n exit\n 1: r0 = 1\n exit", true},
        {"goto 1f\n r1 = r0\n 1: r0 = 1\n exit", false},
        {"goto 1f\n r1 = 0\n 1: r1 = r0\n r0 = 1\n exit", true},
        {"1: r6 += 1\n if r6 != 9 goto 1b\n r0 = 0\n exit", true}, /* goes round until it is enough */
        {"call 7\n exit", false},
        {".rept 300\n r6 += 1\n .endr\n r0 = 0\n exit", true}, /* too far away */
        {".rept 20\n if r6 == 1 goto 1f\n .endr\n 1: r0 = 0\n exit", true},
        {".rept 5\n if r6 == 1 goto 1f\n .endr\n 1: r0 = 0\n exit", false},
    };
    if (!have())
        SKIP("clang-16, clang-19 and bpf-gcc are needed");
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[] = "/tmp/winbpf-builtins-XXXXXX", command[1024];
        struct opened o;
        int file = mkstemp(path);
        REQUIRE(file >= 0);
        close(file);
        snprintf(command, sizeof command,
                 "printf '.section raw,\"ax\"\\n.globl one\\n.type one,@function\\none: call memset\\n%%s\\n"
                 ".size one, .-one\\n' '%s' | clang-19 -target bpf -mcpu=v3 -x assembler -c - -o %s",
                 cases[i].after, path);
        CHECK_EQ(system(command), 0);
        struct bytes bytes = test_file(path);
        unlink(path);
        REQUIRE(open_bytes(&o, bytes, ELF_PERSONALITY_LINUX) && o.object.program_count == 1);
        const struct image *image = &o.object.programs[0];
        REQUIRE(image->func_count == 2);
        if (strcmp(image->funcs[1].name, cases[i].read ? "memset" : "memset.void")) {
            printf("%s: %s\n", cases[i].after, image->funcs[1].name);
            CHECK(!"the body that fits");
        }
        close_opened(&o);
    }
}

/* A call that names a place behind the function, and one that names none of the known. */
TEST(malformed)
{
    static const uint8_t call_site[] = {0x85, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff};
    static const char name[] = "\0bpf_xdp_adjust_head";
    struct opened o;
    if (!have())
        SKIP("clang-16, clang-19 and bpf-gcc are needed");
    for (unsigned other = 0; other < 2; other++) {
        struct bytes bytes = compile(compilers[1], "");
        uint8_t *data = (uint8_t *)(uintptr_t)bytes.data;
        unsigned changed = 0;
        for (size_t at = 0; data && at + sizeof name <= bytes.size; at++) {
            if (!other && !memcmp(data + at, call_site, sizeof call_site)) {
                data[at + 4] = 7;
                data[at + 5] = data[at + 6] = data[at + 7] = 0;
                changed++;
            } else if (other && !memcmp(data + at, name, sizeof name)) {
                data[at + sizeof name - 2] = 'X';
                changed++;
            }
        }
        CHECK(other ? changed == 1 : changed > 10);
        REQUIRE(open_bytes(&o, bytes, ELF_PERSONALITY_LINUX));
        const char *broken = broken_named(&o.object, "adjust");
        CHECK(broken && strstr(broken, other ? "calls 'bpf_xdp_adjust_heaX', which no section defines"
                                             : "calls 'bpf_xdp_adjust_head' + 7, and no section defines it"));
        broken = broken_named(&o.object, "over");
        CHECK(other ? !broken : broken && strstr(broken, "calls 'bpf_get_prandom_u32' + 7"));
        close_opened(&o);
    }
}

TEST_MAIN

/* SPDX-License-Identifier: MIT
 *
 * The bind hook, and XDP beside it, in both personalities: programs given as instructions to bpf(), and objects that a
 * compiler makes with include/ebpf.  What a test run answers is the program's own number; what the hook does is asked
 * of prog_run(), as a provider asks.
 */
#include <errno.h>
#include <stdarg.h>
#include <unistd.h>
#include "api/local.h"
#include "api/object_impl.h"
#include "bpf/bpf.h"
#include "bpf/libbpf.h"
#include "check.h"
#include "base/list.h"
#include "core/client.h"
#include "core/epoch.h"
#include "core/prog.h"
#include "hooks/bind.h"
#include "hooks/xdp.h"
#include "isa/insn.h"
#include "platform/os.h"

enum { EFW_XDP = 1, EFW_BIND = 2, ANY_FAULT = 0x7eadbeef };

static const enum personality_of_caller both[] = {CALLER_LINUX, CALLER_EFW};

/* Programs as instructions. */

static int load(enum personality_of_caller numbers, uint32_t type, const struct insn *insns, uint32_t count)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.prog_type = type;
    attr.insns = (uintptr_t)insns;
    attr.insn_cnt = count;
    attr.license = (uintptr_t) "MIT";
    strcpy(attr.prog_name, "hook");
    return api_ready() ? -1 : api_bpf_as(numbers, BPF_PROG_LOAD, &attr, sizeof attr);
}

static int load_bind(enum personality_of_caller numbers, const struct insn *insns, uint32_t count)
{
    return load(numbers, numbers == CALLER_EFW ? EFW_BIND : LINUX_TYPE_BIND, insns, count);
}

#define LOAD_BIND(numbers, ...)                                                                                        \
    load_bind(numbers, (const struct insn[]){__VA_ARGS__},                                                             \
              sizeof((const struct insn[]){__VA_ARGS__}) / sizeof(struct insn))

enum {
    LDXB = 0x71,
    LDXH = 0x69,
    LDXW = 0x61,
    LDXDW = 0x79,
    LDXSB = 0x91,
    STXDW = 0x7b,
    STB = 0x72,
    STW = 0x62,
    MOV = 0xb7,
    ADD = 0x07,
    JUMP = 0x05,
    JGEX = 0x3d,
    LDDW = 0x18,
    EXIT = 0x95,
};

#define INSN(op, to, from, offset, value) insn_make(op, to, from, offset, value)
#define RETURN                            INSN(EXIT, 0, 0, 0, 0)

/* What the hook does with the program, on a context of its own. */
static uint64_t hook_does(int fd, void *context, bool *stopped)
{
    struct client *client = client_process();
    struct object *object;
    struct epoch_state state;
    struct code_fault fault;
    uint32_t flags;
    uint64_t r0 = ANY_FAULT;
    if (client->ops->handle_get(client, fd, &object, &flags))
        return ANY_FAULT;
    uint32_t cpu = epoch_enter_cpu(&state);
    enum result result = prog_run(container_of(object, struct prog, object), cpu, context, &r0, &fault);
    epoch_leave_cpu(&state);
    object_put(object, REF_LOOKUP);
    if (stopped)
        *stopped = result != RESULT_OK;
    return r0;
}

static uint64_t bind_does(int fd, const char *name, bool *stopped)
{
    struct {
        struct context_header header;
        struct bind_context context;
    } event;
    memset(&event, 0, sizeof event);
    event.context.app_id_start = (uint8_t *)(uintptr_t)name;
    event.context.app_id_end = event.context.app_id_start + strlen(name);
    return hook_does(fd, &event.context, stopped);
}

/* Programs are loaded unverified (WINBPF_UNSAFE): what errs is stopped as it runs, and not refused before. */
static bool unverified(void)
{
    return getenv("WINBPF_UNSAFE") != NULL;
}

/* A test run; the answer, or -errno. */
static int64_t run(int fd, const char *name, const struct bind_context *in, struct bind_context *out)
{
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = name, .data_size_in = (uint32_t)strlen(name), .ctx_in = in,
                .ctx_size_in = sizeof *in, .ctx_out = out, .ctx_size_out = out ? sizeof *out : 0);
    int result = bpf_prog_test_run_opts(fd, &opts);
    if (!result && out)
        CHECK_EQ(opts.ctx_size_out, sizeof *out);
    return result ? result : (int64_t)opts.retval;
}

static const struct bind_context plain;

TEST(verdicts)
{
    static const struct {
        int32_t returned;
        enum bind_verdict verdict;
    } rows[] = {
        {0, BIND_VERDICT_PERMIT},       {1, BIND_VERDICT_DENY},         {2, BIND_VERDICT_REDIRECT},
        {3, BIND_VERDICT_PERMIT_HARD},  {4, BIND_VERDICT_DENY},         {-1, BIND_VERDICT_DENY},
        {INT32_MAX, BIND_VERDICT_DENY}, {INT32_MIN, BIND_VERDICT_DENY},
    };
    for (int p = 0; p < 2; p++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            int fd = LOAD_BIND(both[p], INSN(MOV, 0, 0, 0, rows[i].returned), RETURN);
            REQUIRE(fd >= 0);
            CHECK_EQ(bind_does(fd, "", NULL), rows[i].verdict);
            CHECK_EQ(run(fd, "", &plain, NULL), (uint32_t)rows[i].returned);
            close(fd);
        }
        /* A verdict is the low 32 bits: what stands above them is not looked at. */
        int fd = LOAD_BIND(both[p], INSN(LDDW, 0, 0, 0, 2), INSN(0, 0, 0, 0, 1), RETURN);
        REQUIRE(fd >= 0);
        CHECK_EQ(bind_does(fd, "", NULL), BIND_VERDICT_REDIRECT);
        close(fd);
    }
    /* Neither personality knows the other's number. */
    const struct insn permit[] = {INSN(MOV, 0, 0, 0, 0), RETURN};
    CHECK_EQ(load(CALLER_LINUX, EFW_BIND, permit, 2) >= 0 ? 0 : errno, EINVAL);
    CHECK_EQ(load(CALLER_EFW, LINUX_TYPE_BIND, permit, 2) >= 0 ? 0 : errno, EINVAL);
}

TEST(sizes)
{
    uint8_t wide[80] = {0}, out[80], name[32], back[32];
    memset(name, 'n', sizeof name);
    for (int p = 0; p < 2; p++) {
        int fd = LOAD_BIND(both[p], INSN(MOV, 0, 0, 0, 3), RETURN);
        REQUIRE(fd >= 0);
        for (uint32_t size = 0; size <= sizeof wide; size++) {
            LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = size ? wide : NULL, .ctx_size_in = size);
            CHECK_EQ(bpf_prog_test_run_opts(fd, &opts), size < sizeof plain ? -EINVAL : 0);
            CHECK_EQ(opts.retval, size < sizeof plain ? 0 : 3);
        }
        wide[79] = 1;
        LIBBPF_OPTS(bpf_test_run_opts, more, .ctx_in = wide, .ctx_size_in = sizeof wide);
        CHECK_EQ(bpf_prog_test_run_opts(fd, &more), -E2BIG);
        wide[79] = 0;
        LIBBPF_OPTS(bpf_test_run_opts, flagged, .ctx_in = wide, .ctx_size_in = 56, .flags = 1);
        CHECK_EQ(bpf_prog_test_run_opts(fd, &flagged), -EINVAL);

        memset(out, 0xcc, sizeof out);
        LIBBPF_OPTS(bpf_test_run_opts, narrow, .ctx_in = wide, .ctx_size_in = 56, .ctx_out = out, .ctx_size_out = 20);
        CHECK_EQ(bpf_prog_test_run_opts(fd, &narrow), -ENOSPC);
        CHECK_EQ(narrow.ctx_size_out, 56);
        CHECK_EQ(narrow.retval, 3);
        CHECK_EQ(out[19], 0);
        CHECK_EQ(out[20], 0xcc);
        memset(out, 0xcc, sizeof out);
        LIBBPF_OPTS(bpf_test_run_opts, broad, .ctx_in = wide, .ctx_size_in = 56, .ctx_out = out, .ctx_size_out = 80);
        CHECK_EQ(bpf_prog_test_run_opts(fd, &broad), 0);
        CHECK_EQ(broad.ctx_size_out, 56);
        CHECK_EQ(out[55], 0);
        CHECK_EQ(out[56], 0xcc);

        memset(back, 0xcc, sizeof back);
        LIBBPF_OPTS(bpf_test_run_opts, cut, .ctx_in = wide, .ctx_size_in = 56, .data_in = name, .data_size_in = 32,
                    .data_out = back, .data_size_out = 10, .repeat = 1000);
        CHECK_EQ(bpf_prog_test_run_opts(fd, &cut), -ENOSPC);
        CHECK_EQ(cut.data_size_out, 32);
        CHECK(!memcmp(back, name, 10) && back[10] == 0xcc);
        LIBBPF_OPTS(bpf_test_run_opts, whole, .ctx_in = wide, .ctx_size_in = 56, .data_in = name, .data_size_in = 32,
                    .data_out = back, .data_size_out = 32);
        CHECK_EQ(bpf_prog_test_run_opts(fd, &whole), 0);
        CHECK(!memcmp(back, name, 32));

        LIBBPF_OPTS(bpf_test_run_opts, nowhere, .ctx_in = (void *)8, .ctx_size_in = 56);
        CHECK_EQ(bpf_prog_test_run_opts(fd, &nowhere), -EFAULT);
        close(fd);
    }
}

/* The application's name is what the run brings as data, never what the context's pointers say. */
TEST(application)
{
    struct bind_context in = {.app_id_start = (uint8_t *)(uintptr_t)0x4141414141414141, .process_id = 7}, out;
    in.app_id_end = in.app_id_start + 4096;
    for (int p = 0; p < 2; p++) {
        /* The first byte of the name, 255 where there is none. */
        int fd = LOAD_BIND(both[p], INSN(LDXDW, 2, 1, 0, 0), INSN(LDXDW, 3, 1, 8, 0), INSN(MOV, 0, 0, 0, 255),
                           INSN(JGEX, 2, 3, 1, 0), INSN(LDXB, 0, 2, 0, 0), RETURN);
        REQUIRE(fd >= 0);
        CHECK_EQ(run(fd, "kestrel", &in, &out), 'k');
        CHECK(!out.app_id_start && !out.app_id_end);
        CHECK_EQ(out.process_id, 7);
        CHECK_EQ(run(fd, "", &in, &out), 255);
        CHECK(!out.app_id_start && !out.app_id_end);
        close(fd);
        /* Its length, as a difference of pointers' values would be: counted byte by byte. */
        fd = LOAD_BIND(both[p], INSN(LDXDW, 2, 1, 0, 0), INSN(LDXDW, 3, 1, 8, 0), INSN(MOV, 0, 0, 0, 0),
                       INSN(JGEX, 2, 3, 3, 0), INSN(ADD, 0, 0, 0, 1), INSN(ADD, 2, 0, 0, 1), INSN(JUMP, 0, 0, -4, 0),
                       RETURN);
        REQUIRE(fd >= 0);
        CHECK_EQ(run(fd, "twelve bytes", &in, NULL), 12);
        close(fd);
    }
}

/* What a caller puts into the context is numbers only: any bytes at all run, and come back but for the pointers. */
TEST(hostile_context)
{
    uint64_t seed = 0x9e3779b97f4a7c15;
    for (int p = 0; p < 2; p++) {
        int fd = LOAD_BIND(both[p], INSN(LDXDW, 2, 1, 0, 0), INSN(LDXDW, 3, 1, 8, 0), INSN(LDXW, 0, 1, 44, 0),
                           INSN(JGEX, 2, 3, 1, 0), INSN(LDXB, 4, 2, 0, 0), RETURN);
        REQUIRE(fd >= 0);
        for (int i = 0; i < 2000; i++) {
            struct bind_context in, out;
            uint8_t *bytes = (uint8_t *)&in;
            for (size_t b = 0; b < sizeof in; b++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                bytes[b] = (uint8_t)(seed >> 56);
            }
            CHECK_EQ(run(fd, i % 2 ? "a" : "", &in, &out), in.operation);
            CHECK(!out.app_id_start && !out.app_id_end);
            CHECK(!memcmp((uint8_t *)&out + 16, bytes + 16, sizeof in - 16));
        }
        close(fd);
    }
}

/* A redirecting program rewrites the address, of its own run only. */
TEST(redirection)
{
    struct bind_context in = {.socket_address = {2, 0, 0x1f, 0x90, 127, 0, 0, 1}, .socket_address_length = 16}, out;
    for (int p = 0; p < 2; p++) {
        int fd = LOAD_BIND(both[p], INSN(STB, 1, 0, 26, 0x23), INSN(STB, 1, 0, 27, 0x28), INSN(STB, 1, 0, 40, 8),
                           INSN(MOV, 0, 0, 0, 2), RETURN);
        REQUIRE(fd >= 0);
        CHECK_EQ(run(fd, "", &in, &out), BIND_VERDICT_REDIRECT);
        CHECK(out.socket_address[0] == 2 && out.socket_address[2] == 0x23 && out.socket_address[3] == 0x28);
        CHECK_EQ(out.socket_address[4], 127);
        CHECK_EQ(out.socket_address_length, 8);
        CHECK_EQ(in.socket_address[2], 0x1f);
        close(fd);
    }
}

/* Every part of the address is there to read, of every width, and nothing beyond it. */
TEST(address_parts)
{
    static const struct {
        uint8_t op, size;
    } loads[] = {{LDXB, 1}, {LDXH, 2}, {LDXW, 4}, {LDXDW, 8}, {LDXSB, 1}};
    struct bind_context in;
    for (size_t i = 0; i < sizeof in; i++)
        ((uint8_t *)&in)[i] = (uint8_t)(0xf1 - 7 * i);
    for (int p = 0; p < 2; p++) {
        for (size_t l = 0; l < sizeof loads / sizeof *loads; l++) {
            for (int at = 0; at < 16; at++) {
                int fd = LOAD_BIND(both[p], INSN(loads[l].op, 0, 1, (int16_t)(24 + at), 0), RETURN);
                bool inside = at + loads[l].size <= 16;
                if (!inside && !unverified()) {
                    CHECK_EQ(fd, -EACCES);
                    continue;
                }
                REQUIRE(fd >= 0);
                uint64_t expected = 0;
                memcpy(&expected, in.socket_address + (at + loads[l].size <= 16 ? at : 0), loads[l].size);
                if (loads[l].op == LDXSB)
                    expected = (uint64_t)(int8_t)expected;
                CHECK_EQ(run(fd, "", &in, NULL), inside ? (uint32_t)expected : (uint32_t)BIND_VERDICT_DENY);
                close(fd);
            }
        }
    }
}

/* A program that does what it may not is refused; unverified it is stopped, and what it would have let through is
 * denied. */
TEST(stopped_programs_deny)
{
    const struct {
        const char *what;
        struct insn insns[2];
    } rows[] = {
        {"reads past the name", {INSN(LDXDW, 2, 1, 8, 0), INSN(LDXB, 0, 2, 0, 0)}},
        {"reads before the name", {INSN(LDXDW, 2, 1, 0, 0), INSN(LDXB, 0, 2, -1, 0)}},
        {"writes the name's pointer", {INSN(STXDW, 1, 10, 0, 0), INSN(MOV, 0, 0, 0, 0)}},
        {"writes the process", {INSN(STXDW, 1, 10, 16, 0), INSN(MOV, 0, 0, 0, 0)}},
        {"writes the operation", {INSN(STW, 1, 0, 44, 1), INSN(MOV, 0, 0, 0, 0)}},
        {"writes past the address", {INSN(STB, 1, 0, 41, 0), INSN(MOV, 0, 0, 0, 0)}},
        {"reads past the context", {INSN(LDXB, 2, 1, 56, 0), INSN(MOV, 0, 0, 0, 0)}},
        {"reads between fields", {INSN(LDXB, 2, 1, 41, 0), INSN(MOV, 0, 0, 0, 0)}},
        {"reads half a pointer", {INSN(LDXW, 2, 1, 0, 0), INSN(MOV, 0, 0, 0, 0)}},
        {"follows a number", {INSN(MOV, 2, 0, 0, 4096), INSN(LDXB, 0, 2, 0, 0)}},
    };
    for (int p = 0; p < 2; p++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            struct insn insns[3] = {rows[i].insns[0], rows[i].insns[1], RETURN};
            bool stopped = false;
            int fd = load_bind(both[p], insns, 3);
            if (!unverified()) {
                CHECK_EQ(fd, -EACCES);
                if (fd >= 0)
                    printf("%s: is not refused\n", rows[i].what);
                continue;
            }
            REQUIRE(fd >= 0);
            uint64_t verdict = bind_does(fd, "name", &stopped);
            int64_t answer = run(fd, "name", &plain, NULL);
            if (!stopped || verdict != BIND_VERDICT_DENY || answer != BIND_VERDICT_DENY)
                printf("%s: stopped %d, verdict %d, answer %d\n", rows[i].what, stopped, (int)verdict, (int)answer);
            CHECK(stopped);
            CHECK_EQ(verdict, BIND_VERDICT_DENY);
            CHECK_EQ(answer, BIND_VERDICT_DENY);
            close(fd);
        }
    }
}

TEST(attaching_is_not_here)
{
    int fd = LOAD_BIND(CALLER_EFW, INSN(MOV, 0, 0, 0, 0), RETURN);
    REQUIRE(fd >= 0);
    int link = bpf_link_create(fd, 0, (enum bpf_attach_type)2, NULL);
    CHECK(link < 0);
    close(fd);
}

/* Objects. */

static char said[4096];

static int listen_to(enum libbpf_print_level level, const char *format, va_list arguments)
{
    size_t used = strlen(said);
    return vsnprintf(said + used, sizeof said - used, format, arguments);
}

static bool have_clang(void)
{
    said[0] = 0;
    libbpf_set_print(listen_to);
    return system("command -v clang >/dev/null") == 0;
}

/* Compiles tests/hooks/NAME with `flags`, opens it as `personality` asks, and loads it. */
static struct bpf_object *object_of(const char *name, const char *flags, enum elf_personality_choice personality)
{
    char path[64], command[512];
    snprintf(path, sizeof path, "/tmp/winbpf-bind-%d.o", (int)getpid());
    snprintf(command, sizeof command, "clang -O2 -g -Wall -Werror -target bpf %s -c tests/hooks/%s -o %s", flags, name,
             path);
    struct bpf_object *object = system(command) ? NULL : api_object_open(path, personality, NULL);
    if (object && bpf_object__load(object)) {
        bpf_object__close(object);
        object = NULL;
    }
    if (!object)
        printf("%s %s: %s\n", name, flags, said);
    unlink(path);
    return object;
}

static int program(struct bpf_object *object, const char *name)
{
    struct bpf_program *found = bpf_object__find_program_by_name(object, name);
    return found ? bpf_program__fd(found) : -1;
}

/* The same source in efW's numbers, which the section's name settles, and in Linux's when it is told so. */
TEST(objects)
{
    static const struct {
        const char *flags;
        enum elf_personality_choice choice;
        enum personality_of_caller numbers;
    } rows[] = {
        {"-I include/ebpf", ELF_PERSONALITY_AUTO, CALLER_EFW},
        {"-I include/ebpf", ELF_PERSONALITY_EFW, CALLER_EFW},
        {"-I include -DLINUX_NUMBERS", ELF_PERSONALITY_LINUX, CALLER_LINUX},
    };
    if (!have_clang())
        SKIP("no clang");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bind_context in = {.process_id = 4242, .operation = 0, .protocol = 17}, out;
        struct bpf_object *object = object_of("bind_monitor.bpf.c", rows[i].flags, rows[i].choice);
        REQUIRE(object != NULL);
        CHECK_EQ(object->numbers, rows[i].numbers);
        int fd = program(object, "monitor"), map = bpf_object__find_map_fd_by_name(object, "binds");
        REQUIRE(fd >= 0 && map >= 0);
        CHECK_EQ(bpf_program__type(bpf_object__find_program_by_name(object, "monitor")),
                 LINUX_TYPE_BIND); /* the library's numbers */
        /* Two binds are permitted, the third is one too many; an unbind gives one back. */
        CHECK_EQ(run(fd, "kestrel", &in, &out), BIND_VERDICT_PERMIT);
        CHECK_EQ(run(fd, "kestrel", &in, &out), BIND_VERDICT_PERMIT);
        CHECK_EQ(run(fd, "kestrel", &in, &out), BIND_VERDICT_DENY);
        in.operation = 2;
        CHECK_EQ(run(fd, "kestrel", &in, &out), BIND_VERDICT_PERMIT);
        in.operation = 0;
        CHECK_EQ(run(fd, "kestrel", &in, &out), BIND_VERDICT_PERMIT);
        CHECK_EQ(run(fd, "kestrel", &in, &out), BIND_VERDICT_DENY);
        in.process_id = 4243;
        CHECK_EQ(run(fd, "root", &in, &out), BIND_VERDICT_PERMIT_HARD);
        uint64_t process = 4242;
        uint32_t count = 0;
        CHECK_EQ(bpf_map_lookup_elem(map, &process, &count), 0);
        CHECK_EQ(count, 2);
        process = 4243;
        CHECK_EQ(bpf_map_lookup_elem(map, &process, &count), -ENOENT);
        fd = program(object, "mover");
        REQUIRE(fd >= 0);
        CHECK_EQ(run(fd, "", &in, &out), BIND_VERDICT_REDIRECT);
        CHECK_EQ(out.socket_address[2], 0x23);
        CHECK_EQ(out.socket_address[3], 0x28);
        bpf_object__close(object);
    }
    CHECK_STR(said, "");
}

static enum xdp_verdict xdp_does(int fd, uint8_t *packet, size_t size, uint32_t *length)
{
    struct xdp_frame frame;
    static uint8_t buffer[4096];
    xdp_frame_init(&frame, buffer, sizeof buffer, XDP_HEADROOM, size);
    memcpy(frame.context.data, packet, size);
    frame.context.ingress_ifindex = 1;
    uint64_t verdict = hook_does(fd, &frame.context, NULL);
    *length = (uint32_t)(frame.context.data_end - frame.context.data);
    return (enum xdp_verdict)verdict;
}

/* One source, whose verdicts and context have other numbers and widths in each personality: the frames' fate is one. */
TEST(xdp_of_both)
{
    static const struct {
        const char *flags;
        enum personality_of_caller numbers;
        uint32_t pass, drop, tx;
    } rows[] = {
        {"-I include -DLINUX_NUMBERS", CALLER_LINUX, 2, 1, 3},
        {"-I include/ebpf", CALLER_EFW, 1, 2, 3},
    };
    enum { KINDS = 6 };
    static const enum xdp_verdict fates[KINDS] = {XDP_VERDICT_PASS, XDP_VERDICT_DROP, XDP_VERDICT_TX,
                                                  XDP_VERDICT_PASS, XDP_VERDICT_PASS, XDP_VERDICT_PASS};
    if (!have_clang())
        SKIP("no clang");
    for (size_t i = 0; i < 2; i++) {
        struct bpf_object *object = object_of("xdp_fates.bpf.c", rows[i].flags, ELF_PERSONALITY_AUTO);
        REQUIRE(object != NULL);
        CHECK_EQ(object->numbers, rows[i].numbers);
        int fd = program(object, "fates");
        REQUIRE(fd >= 0);
        CHECK_EQ(bpf_program__type(bpf_object__find_program_by_name(object, "fates")), BPF_PROG_TYPE_XDP);
        const uint32_t answers[KINDS] = {rows[i].pass, rows[i].drop, rows[i].tx,
                                         rows[i].pass, rows[i].pass, rows[i].pass};
        for (uint8_t kind = 0; kind < KINDS; kind++) {
            uint8_t packet[64] = {0}, back[128];
            uint32_t length, expected = kind == 4 ? 64 - 8 : kind == 5 ? 64 + 8 : 64;
            packet[0] = kind;
            CHECK_EQ(xdp_does(fd, packet, sizeof packet, &length), fates[kind]);
            CHECK_EQ(length, expected);
            LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof packet, .data_out = back,
                        .data_size_out = sizeof back);
            CHECK_EQ(bpf_prog_test_run_opts(fd, &opts), 0);
            CHECK_EQ(opts.retval, answers[kind]);
            CHECK_EQ(opts.data_size_out, expected);
        }
        /* No verdict of the personality's lets anything through. */
        uint8_t packet[64] = {9};
        uint32_t length;
        CHECK_EQ(xdp_does(fd, packet, sizeof packet, &length),
                 rows[i].numbers == CALLER_EFW ? XDP_VERDICT_DROP : XDP_VERDICT_ABORTED);
        uint32_t key = 0;
        uint64_t runs = 0;
        CHECK_EQ(bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(object, "runs"), &key, &runs), 0);
        CHECK_EQ(runs, 2 * KINDS + 1);
        /* A context in test runs: efW's holds pointers, which a caller neither gives nor gets. */
        if (rows[i].numbers == CALLER_EFW) {
            struct {
                uint64_t data, data_end, data_meta;
                uint32_t ingress_ifindex, reserved;
            } in = {~0ull, 1, 0x4141414141414141, 1, 0}, out;
            packet[0] = 3;
            LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof packet, .ctx_in = &in,
                        .ctx_size_in = sizeof in, .ctx_out = &out, .ctx_size_out = sizeof out);
            CHECK_EQ(bpf_prog_test_run_opts(fd, &opts), 0);
            CHECK_EQ(opts.retval, rows[i].pass);
            CHECK(!out.data && !out.data_end && !out.data_meta);
            CHECK_EQ(out.ingress_ifindex, 1);
        }
        bpf_object__close(object);
    }
    CHECK_STR(said, "");
}

TEST_MAIN

/* SPDX-License-Identifier: MIT
 *
 * The running Linux kernel's verifier as a judge of the contract tables: raw bpf(2) calls, and the program types that
 * it can be asked about.  Attributes are written by offset into zeroed structs, as the kernel's ABI has them.
 */
#ifndef WINBPF_TESTS_CONTRACT_KERNEL_H
#define WINBPF_TESTS_CONTRACT_KERNEL_H

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "btf/btf.h"
#include "check.h"
#include "contract/contract.h"
#include "isa/insn.h"

enum {
    COMMAND_MAP_CREATE,
    COMMAND_MAP_UPDATE = 2,
    COMMAND_PROG_LOAD = 5,
    COMMAND_BTF_LOAD = 18,
    COMMAND_MAP_FREEZE = 22
};

struct kernel_load {
    uint32_t type, insn_count;
    uint64_t insns, license;
    uint32_t log_level, log_size;
    uint64_t log;
    uint32_t kernel_version, flags;
    char name[16];
    uint32_t ifindex, attach_type, btf_fd, func_info_size;
    uint64_t func_info;
    uint32_t func_info_count, line_info_size;
    uint64_t line_info;
    uint32_t line_info_count, attach_btf_id, attach_prog_fd, padding;
};

/* One way to load a program: what its verdicts are compared with. */
struct subject {
    uint32_t type, attach, flags, btf_id;
    int32_t returns; /* a value that such a program may return */
    bool by_btf;     /* the kernel knows the types of its context's members from the traced thing's BTF */
};

static char kernel_log[1 << 16];

static inline int kernel_bpf(int command, void *attr, unsigned size)
{
    long result = syscall(SYS_bpf, command, attr, size);
    return result < 0 ? -errno : (int)result;
}

/* A file descriptor or -errno, the verifier's words in kernel_log if they are asked for. */
static inline int kernel_load(const struct subject *subject, const struct insn *insns, uint32_t count,
                              const char *license, bool words)
{
    struct kernel_load load = {.type = subject->type,
                               .insn_count = count,
                               .insns = (uintptr_t)insns,
                               .license = (uintptr_t)license,
                               .log_level = words,
                               .log_size = words ? sizeof kernel_log : 0,
                               .log = words ? (uintptr_t)kernel_log : 0,
                               .flags = subject->flags,
                               .attach_type = subject->attach,
                               .attach_btf_id = subject->btf_id};
    kernel_log[0] = 0;
    return kernel_bpf(COMMAND_PROG_LOAD, &load, sizeof load);
}

static inline bool kernel_accepts(const struct subject *subject, const struct insn *insns, uint32_t count)
{
    int fd = kernel_load(subject, insns, count, "GPL", false);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* ---- what the kernel traces, by name ---- */

static inline void *kernel_alloc(void *self, size_t size)
{
    (void)self;
    return malloc(size);
}

static inline void kernel_free(void *self, void *memory, size_t size)
{
    (void)self;
    (void)size;
    free(memory);
}

static const struct allocator kernel_memory = {kernel_alloc, kernel_free, NULL};

/* Ids of the kernel's types; all 0 where it has no BTF. */
struct kernel_types {
    uint32_t tracepoint, iterator, congestion;
};

static inline struct kernel_types kernel_types(void)
{
    struct kernel_types types = {0};
    FILE *file = fopen("/sys/kernel/btf/vmlinux", "rb");
    size_t size = 0, room = 16u << 20;
    uint8_t *bytes = file ? malloc(room) : NULL;
    struct arena arena;
    struct btf *btf;

    if (bytes)
        size = fread(bytes, 1, room, file);
    if (file)
        fclose(file);
    arena_init(&arena, &kernel_memory, 256u << 20);
    if (size && btf_open((struct bytes){bytes, size}, &arena, NULL, &btf) == RESULT_OK) {
        types.tracepoint = btf_find(btf, BTF_KIND_TYPEDEF, "btf_trace_sched_switch");
        types.iterator = btf_find(btf, BTF_KIND_FUNC, "bpf_iter_task");
        types.congestion = btf_find(btf, BTF_KIND_STRUCT, "tcp_congestion_ops");
    }
    arena_release(&arena);
    free(bytes);
    return types;
}

/* Every type with every attach type that changes what it may do. */
static inline uint32_t kernel_subjects(struct subject *subjects)
{
    static const struct subject plain[] = {
        {.type = 1},
        {.type = 2},
        {.type = 2, .attach = 56},
        {.type = 2, .attach = 57},
        {.type = 3},
        {.type = 4},
        {.type = 5},
        {.type = 6, .attach = 37},
        {.type = 6, .attach = 33},
        {.type = 7},
        {.type = 8},
        {.type = 8, .attach = 1},
        {.type = 9},
        {.type = 9, .attach = 2},
        {.type = 9, .attach = 12},
        {.type = 9, .attach = 13},
        {.type = 9, .attach = 34},
        {.type = 10},
        {.type = 11},
        {.type = 12},
        {.type = 13, .attach = 3},
        {.type = 14},
        {.type = 14, .attach = 4},
        {.type = 14, .attach = 5},
        {.type = 14, .attach = 38},
        {.type = 15, .attach = 6},
        {.type = 16, .attach = 7},
        {.type = 17},
        {.type = 18, .attach = 8},
        {.type = 18, .attach = 9},
        {.type = 18, .attach = 10},
        {.type = 18, .attach = 11},
        {.type = 18, .attach = 14},
        {.type = 18, .attach = 15},
        {.type = 18, .attach = 19, .returns = 1},
        {.type = 18, .attach = 20, .returns = 1},
        {.type = 18, .attach = 29, .returns = 1},
        {.type = 18, .attach = 30, .returns = 1},
        {.type = 18, .attach = 31, .returns = 1},
        {.type = 18, .attach = 32, .returns = 1},
        {.type = 18, .attach = 49},
        {.type = 18, .attach = 50},
        {.type = 18, .attach = 51, .returns = 1},
        {.type = 18, .attach = 52, .returns = 1},
        {.type = 18, .attach = 53, .returns = 1},
        {.type = 19},
        {.type = 20, .attach = 16},
        {.type = 21, .attach = 39},
        {.type = 21, .attach = 40},
        {.type = 22, .attach = 17},
        {.type = 23, .attach = 18},
        {.type = 24},
        {.type = 25, .attach = 21},
        {.type = 25, .attach = 22},
        {.type = 30, .attach = 36},
        {.type = 31, .flags = PROG_FLAG_SLEEPABLE},
        {.type = 32, .attach = 45},
    };
    struct kernel_types types = kernel_types();
    uint32_t count = sizeof plain / sizeof *plain;

    memcpy(subjects, plain, sizeof plain);
    if (types.tracepoint)
        subjects[count++] = (struct subject){.type = 26, .attach = 23, .btf_id = types.tracepoint, .by_btf = true};
    if (types.iterator) {
        subjects[count++] = (struct subject){.type = 26, .attach = 28, .btf_id = types.iterator, .by_btf = true};
        subjects[count++] = (struct subject){
            .type = 26, .attach = 28, .flags = PROG_FLAG_SLEEPABLE, .btf_id = types.iterator, .by_btf = true};
    }
    if (types.congestion)
        for (uint32_t member = 0; member < 8; member++)
            subjects[count++] =
                (struct subject){.type = 27, .attach = member, .btf_id = types.congestion, .by_btf = true};
    return count;
}
enum { SUBJECTS = 80 };

/* false, with a reason: nobody to ask. */
static inline bool kernel_ready(const char **reason)
{
    static char text[160];
    const struct insn insns[] = {insn_make(0xb7, 0, 0, 0, 0), insn_make(0x95, 0, 0, 0, 0)};
    struct utsname name;
    int fd = kernel_load(&(struct subject){.type = 3}, insns, 2, "GPL", false);

    if (fd < 0) {
        *reason = fd == -EPERM ? "bpf() needs root" : "this kernel has no bpf()";
        return false;
    }
    close(fd);
    if (uname(&name) || strncmp(name.release, "6.18.", 5)) {
        snprintf(text, sizeof text, "the tables are those of Linux 6.18, this is %s", name.release);
        *reason = text;
        return false;
    }
    return true;
}

/* Can this subject be loaded at all? */
static inline bool kernel_has(const struct subject *subject)
{
    const struct insn insns[] = {insn_make(0xb7, 0, 0, 0, subject->returns), insn_make(0x95, 0, 0, 0, 0)};
    return kernel_accepts(subject, insns, 2);
}

#endif

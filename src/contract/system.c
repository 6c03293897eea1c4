/* SPDX-License-Identifier: MIT
 *
 * Linux's program types that are no socket's and no packet's: tracing, security, devices and settings.
 *
 * Where Linux types a context by the BTF of what is traced (tracing, lsm, struct_ops, iterators), the context here is
 * twelve 8-byte arguments that load as numbers: such a program may hand them to bpf_probe_read_kernel, and is refused
 * when it follows one as a pointer.  Any part may be loaded, as Linux allows for arguments that are numbers.  An
 * extension (ext) has its target's contract, which is not known without it: here it has no context and may return
 * anything.
 */
#include <linux/bpf.h>
#include "contract/fields.h"

enum {
    REGISTERS = 168, /* x86-64's struct pt_regs */
    RECORD = 8192,   /* a tracepoint's record; its first 8 bytes are the kernel's */
    ARGUMENTS = 96,
    ATTRIBUTE = 65535, /* what a syscall program is called with */
};

static const struct context_field kprobe_fields[] = {AREA("regs", 0, REGISTERS)};
static const struct context_field tracepoint_fields[] = {AREA("record", 8, RECORD - 8)};
static const struct context_field arguments_fields[] = {AREA("args", 0, ARGUMENTS)};
/* The first argument is the buffer. */
static const struct context_field writable_fields[] = {
    WHOLE_AT("args", 0, 8), WHOLE_AT("args", 1, 1),         AREA("args", 2, 2),
    AREA("args", 4, 4),     AREA("args", 8, ARGUMENTS - 8),
};

#define REG(number) WHOLE_AT("regs", 8 * (number), 8)
static const struct context_field perf_event_fields[] = {
    REG(0),
    REG(1),
    REG(2),
    REG(3),
    REG(4),
    REG(5),
    REG(6),
    REG(7),
    REG(8),
    REG(9),
    REG(10),
    REG(11),
    REG(12),
    REG(13),
    REG(14),
    REG(15),
    REG(16),
    REG(17),
    REG(18),
    REG(19),
    REG(20),
    AREA("sample_period", REGISTERS, 8),
    AREA("addr", REGISTERS + 8, 8),
};

static const struct context_field device_fields[] = {
    PARTS(bpf_cgroup_dev_ctx, access_type),
    WHOLE(bpf_cgroup_dev_ctx, major),
    WHOLE(bpf_cgroup_dev_ctx, minor),
};

static const struct context_field sysctl_fields[] = {
    PARTS(bpf_sysctl, write),
    PARTS(bpf_sysctl, file_pos),
    STORE(bpf_sysctl, file_pos),
};

static const struct context_field lirc_fields[] = {WHOLE_AT("sample", 0, 4)};

static const struct context_field syscall_fields[] = {
    AREA("attr", 0, ATTRIBUTE),
    STORE_AREA("attr", 0, ATTRIBUTE),
};

static const struct attach_returns kprobe_returns[] = {
    {PERSONALITY_LINUX, BPF_TRACE_KPROBE_SESSION, {0, 1}}, /* 1: not the other end as well */
    {PERSONALITY_LINUX, BPF_TRACE_UPROBE_SESSION, {0, 1}},
};

static const struct attach_returns tracing_returns[] = {
    {PERSONALITY_LINUX, BPF_TRACE_FENTRY, {0, 0}},
    {PERSONALITY_LINUX, BPF_TRACE_FEXIT, {0, 0}},
    {PERSONALITY_LINUX, BPF_TRACE_ITER, {0, 1}}, /* 1: this object once more */
};

static const struct attach_returns lsm_returns[] = {
    {PERSONALITY_LINUX, BPF_LSM_CGROUP, {0, 1}},
};

enum { LOWEST_ERROR = -4095 };

const struct program_contract contracts_system[] = {
    {ANYTHING("kprobe", BPF_PROG_TYPE_KPROBE, REGISTERS, kprobe_fields, 0), .attach_returns = kprobe_returns,
     .attach_returns_count = COUNT(kprobe_returns)},
    {ANYTHING("tracepoint", BPF_PROG_TYPE_TRACEPOINT, RECORD, tracepoint_fields, 0)},
    {ANYTHING("perf_event", BPF_PROG_TYPE_PERF_EVENT, REGISTERS + 16, perf_event_fields, 0)},
    {ANYTHING("raw_tracepoint", BPF_PROG_TYPE_RAW_TRACEPOINT, ARGUMENTS, arguments_fields, 0)},
    {ANYTHING("raw_tracepoint_writable", BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, ARGUMENTS, writable_fields, 0)},
    {ANYTHING("tracing", BPF_PROG_TYPE_TRACING, ARGUMENTS, arguments_fields, 0), .attach_returns = tracing_returns,
     .attach_returns_count = COUNT(tracing_returns)},
    {ANYTHING("struct_ops", BPF_PROG_TYPE_STRUCT_OPS, ARGUMENTS, arguments_fields, 0)},
    /* 0 or an error, as most hooks return; the few that return a truth are not told apart. */
    {VERIFIED("lsm", BPF_PROG_TYPE_LSM, ARGUMENTS, arguments_fields, RANGE(LOWEST_ERROR, 0), 0),
     .attach_returns = lsm_returns, .attach_returns_count = COUNT(lsm_returns)},
    {ANYTHING("syscall", BPF_PROG_TYPE_SYSCALL, ATTRIBUTE, syscall_fields, 0)},
    {VERIFIED("cgroup_device", BPF_PROG_TYPE_CGROUP_DEVICE, sizeof(struct bpf_cgroup_dev_ctx), device_fields,
              RANGE(0, 1), 0)},
    {VERIFIED("cgroup_sysctl", BPF_PROG_TYPE_CGROUP_SYSCTL, sizeof(struct bpf_sysctl), sysctl_fields, RANGE(0, 1), 0)},
    {ANYTHING("lirc_mode2", BPF_PROG_TYPE_LIRC_MODE2, 4, lirc_fields, 0)},
    {.name = "ext",
     .type = {[PERSONALITY_LINUX] = BPF_PROG_TYPE_EXT},
     .flags = CONTRACT_VERIFY_ONLY | CONTRACT_ANY_RETURN},
    {0},
};

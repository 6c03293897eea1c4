/* SPDX-License-Identifier: MIT
 *
 * What every helper takes and gives, and who may call it: Linux 6.18's 211 and efW's, for verification.  A helper that
 * is implemented here has its prototype a second time beside its body, where the core reads it; tests/contract compares
 * the two field by field, and the table below with what the running kernel says of each helper in each program type.
 *
 * The program types are those whose programs may call the helper with every privilege, under some attach type: where
 * Linux asks for an attach type too (bpf_bind, bpf_set_retval, the iterators' helpers) any of the type's is taken.  A
 * helper that takes other arguments in other program types has a row for each.
 */
#include "contract/contract.h"

/* Linux's program types as a set. */
#define TYPE(number) (UINT64_C(1) << (number))
#define FILTER       TYPE(1)
#define KPROBE       TYPE(2)
#define TC           (TYPE(3) | TYPE(4)) /* sched_cls, sched_act */
#define TRACEPOINT   TYPE(5)
#define XDP          TYPE(6)
#define PERF_EVENT   TYPE(7)
#define CGROUP_SKB   TYPE(8)
#define CGROUP_SOCK  TYPE(9)
#define LWT_IN       TYPE(10)
#define LWT_OUT      TYPE(11)
#define LWT_XMIT     TYPE(12)
#define SOCK_OPS     TYPE(13)
#define SK_SKB       TYPE(14)
#define DEVICE       TYPE(15)
#define SK_MSG       TYPE(16)
#define RAW_TP       (TYPE(17) | TYPE(24)) /* and the writable kind */
#define SOCK_ADDR    TYPE(18)
#define SEG6LOCAL    TYPE(19)
#define LIRC         TYPE(20)
#define REUSEPORT    TYPE(21)
#define FLOW         TYPE(22)
#define SYSCTL       TYPE(23)
#define SOCKOPT      TYPE(25)
#define TRACING      TYPE(26)
#define STRUCT_OPS   TYPE(27)
#define LSM          TYPE(29)
#define SK_LOOKUP    TYPE(30)
#define SYSCALL      TYPE(31)
#define NOBODY       0

#define EVERY (UINT64_MAX & ~TYPE(0))
/* lirc_mode2 has a short list of its own; all others share this one. */
#define BASE    (EVERY & ~LIRC)
#define BTF     (TRACING | LSM | SYSCALL) /* whose arguments are the kernel's own objects */
#define TRACE   (KPROBE | TRACEPOINT | PERF_EVENT | RAW_TP | BTF)
#define LWT     (LWT_IN | LWT_OUT | LWT_XMIT | SEG6LOCAL)
#define XMIT    (TC | LWT_XMIT)
#define CGROUP  (CGROUP_SKB | CGROUP_SOCK | SOCK_OPS | DEVICE | SOCK_ADDR | SYSCTL | SOCKOPT)
#define CASTS   (FILTER | TC | XDP | CGROUP_SKB | LWT | SOCK_OPS | SK_SKB | SK_MSG | SOCK_ADDR | FLOW | SK_LOOKUP | BTF)
#define LOOKUPS (TC | XDP | CGROUP_SKB | SK_SKB | SOCK_ADDR)
#define COARSE  (CASTS | CGROUP_SOCK | REUSEPORT | SYSCTL | STRUCT_OPS) & ~BTF
/* Programs that run anywhere, in the middle of anything, may have no map with a timer or a lock. */
#define TIMING   (BASE & ~(KPROBE | TRACEPOINT | PERF_EVENT | RAW_TP))
#define LOCKING  (TIMING & ~FILTER)
#define COOKIES  (TC | XDP)
#define VERDICTS (CGROUP_SOCK | DEVICE | SOCK_ADDR | SYSCTL | SOCKOPT)

/* Map kinds, by Linux's numbers. */
#define KIND(number)   (UINT64_C(1) << (number))
#define PROG_ARRAY     KIND(3)
#define EVENTS         KIND(4)
#define STACKS         KIND(7)
#define CGROUPS        KIND(8)
#define SOCKMAP        KIND(15)
#define SOCKHASH       KIND(18)
#define SOCKETS        KIND(20)
#define CGROUP_STORAGE (KIND(19) | KIND(21))
#define QUEUES         (KIND(22) | KIND(23))
#define SK_STORAGE     KIND(24)
#define RINGBUF        KIND(27)
#define INODE_STORAGE  KIND(28)
#define TASK_STORAGE   KIND(29)
#define BLOOM          KIND(30)
#define USER_RINGBUF   KIND(31)
#define CGRP_STORAGE   KIND(32)
#define REDIRECTS      (KIND(14) | KIND(16) | KIND(17) | KIND(25))
/* Kinds with plain values: hash, array, their per-CPU and LRU forms, lpm_trie. */
#define PLAIN    (KIND(1) | KIND(2) | KIND(5) | KIND(6) | KIND(9) | KIND(10) | KIND(11))
#define OF_MAPS  (KIND(12) | KIND(13))
#define LOOKABLE (PLAIN | OF_MAPS | KIND(14) | KIND(25) | KIND(17) | SOCKMAP | SOCKHASH)
#define PER_CPU  (KIND(5) | KIND(6) | KIND(10))

#define PACKET HELPER_CHANGES_PACKET
#define GPL    HELPER_GPL_ONLY
#define VALUES HELPER_WRITES_VALUE
#define CALLS  HELPER_CALLS_BACK
#define SLEEPS HELPER_MIGHT_SLEEP

#define NO_ARGUMENTS                                                                                                   \
    {                                                                                                                  \
        ARG_NONE                                                                                                       \
    }
#define READ_ANY ARG_MEM_UNINIT, ARG_SIZE_OR_ZERO, ARG_ANYTHING
#define TAKES(...)                                                                                                     \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
enum { PASSIVE, DISPATCH = 2 };

/* A helper that Linux alone has; one that both have; one of a single efW program type. */
#define LINUX(id, name, types, returns, takes, flags, kinds)                                                           \
    {                                                                                                                  \
        {#name, {id, -1}, returns, takes, flags, kinds, (flags)&SLEEPS ? PASSIVE : DISPATCH}, types, 0                 \
    }
#define SHARED(id, efw, name, types, returns, takes, flags, kinds)                                                     \
    {                                                                                                                  \
        {#name, {id, efw}, returns, takes, flags, kinds, DISPATCH}, types, 0                                           \
    }
#define SIZED(id, name, types, returns, takes, flags, first, second)                                                   \
    {                                                                                                                  \
        {#name, {id, -1}, returns, takes, flags, 0, DISPATCH, {first, second}}, types, 0                               \
    }
#define EFW(id, name, returns, takes, flags, kinds)                                                                    \
    {                                                                                                                  \
        {#name, {-1, id}, returns, takes, flags, kinds, DISPATCH}, NOBODY, 0                                           \
    }
#define EFW_TYPE(type, id, name, returns, takes, flags, kinds)                                                         \
    {                                                                                                                  \
        {#name, {-1, id}, returns, takes, flags, kinds, DISPATCH}, NOBODY, type                                        \
    }

static const struct row {
    struct helper_proto proto;
    uint64_t types;    /* Linux's that may call it */
    uint32_t efw_type; /* efW's that may; 0: all */
} rows[] = {
#include "contract/protos.def"
};

const struct helper_proto *contract_helper_proto(enum personality personality, uint32_t type, int32_t id)
{
    /* A hook that Linux lacks has what every program has. */
    uint64_t bit = type < 64 ? TYPE(type) : EVERY;

    if (id < 0 || type == 0 || !contract_program_type_name(personality, type))
        return NULL;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];

        if (row->proto.id[personality] != id)
            continue;
        if (personality == PERSONALITY_EFW ? !row->efw_type || row->efw_type == type
            : type < 64                    ? (row->types & bit) != 0
                                           : (row->types & LOCKING) == LOCKING)
            return &row->proto;
    }
    return NULL;
}

/* SPDX-License-Identifier: MIT
 *
 * Ways to run a program.  Each engine turns a *binding* (an image's instructions with the addresses that its map and
 * helper indices stand for) into code, and runs it.  All engines mean the same by it; tests/kernel says so.
 *
 *   interp   plain: trusts the program, as the JIT does
 *   checked  believes nothing: knows where every pointer came from, checks every access at run time, translates
 *            context accesses of the image's personality to the provider's layout, counts instructions
 *   jit      x86-64 machine code; position-independent, addresses come from a slot page beside it
 *
 * Calling convention for helpers, the same as efW's: fn(r1, r2, r3, r4, r5, context), the sixth being the context
 * that the program was entered with.  Every context is preceded by 64 writable bytes (struct context_header), in
 * which the core keeps the invocation; a helper finds everything else from there.
 */
#ifndef WINBPF_ENGINE_ENGINE_H
#define WINBPF_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/diag.h"
#include "base/executable.h"
#include "base/result.h"
#include "contract/contract.h"
#include "image/image.h"

typedef uint64_t (*helper_fn)(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context);

/* The 64 bytes before a context.  Written by whoever invokes, before the program is entered. */
struct context_header {
    uint64_t cpu;            /* number of the leased CPU slot: per-CPU maps index by it */
    void *invocation;        /* the core's struct invocation; NULL in raw tests */
    uint64_t tail_calls;     /* made so far in this invocation */
    const void *tail_target; /* set by a tail call that an engine could not jump to: what to run next */
    uint64_t reserved[4];
};

static inline struct context_header *context_header(void *context)
{
    return (struct context_header *)context - 1;
}

/* What an engine may do itself instead of calling a map_lookup helper. */
enum engine_inline {
    ENGINE_INLINE_NONE,
    ENGINE_INLINE_ARRAY,        /* values + index * stride, index < max_entries */
    ENGINE_INLINE_PERCPU_ARRAY, /* values + cpu * cpu_stride + index * stride */
    ENGINE_INLINE_HASH,         /* call lookup(map, key) directly instead of the generic helper */
};

/* A map as an engine sees it.  Valid and constant while the code lives. */
struct engine_map {
    void *handle;         /* what the program's map pointer is, passed to helpers: struct map * */
    uint8_t *values;      /* direct values (lddw 6; array kinds); NULL where the kind has none */
    uint64_t values_size; /* bytes a program may touch from values */
    uint32_t kind, key_size, value_size, max_entries;
    uint32_t stride;     /* bytes from one value to the next in values */
    uint64_t cpu_stride; /* bytes from one CPU's values to the next */
    uint32_t flags;      /* BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG; */
    uint32_t inner;      /* index into maps[] of the inner template, IMAGE_NO_INDEX for none */
    enum engine_inline how;
    void *(*lookup)(void *handle, const void *key); /* may be NULL */
    struct engine_tail *const *tails; /* PROG_ARRAY: max_entries slots, each NULL or a target; atomically replaced */
};

/* What a prog array's slot points at: the first member of the core's program, so that a tail call needs no call. */
struct engine_tail {
    const void *jit_entry; /* where another JIT program jumps to (past the prologue); NULL: not jitted */
    const struct code *code;
};

struct engine_helper {
    helper_fn fn; /* NULL for tail_call, which engines do themselves */
    const struct helper_proto *proto;
};

/* Everything an engine needs; borrowed, must outlive the code. */
struct binding {
    const struct image *image;
    const struct engine_map *maps;           /* image->map_count */
    const struct engine_helper *helpers;     /* image->helper_count */
    const struct program_contract *contract; /* NULL for raw programs: r1 = memory, r2 = its length */
};

/* Raw programs only: callx through a register that holds a helper's number (no code lies that low) calls the helper, as
 * the conformance suite has it.  Its index among the binding's helpers, or IMAGE_NO_INDEX. */
static inline uint32_t binding_helper_by_number(const struct binding *binding, uint64_t number)
{
    if (!binding->contract && number < IMAGE_MAX_HELPERS && binding->image->helpers)
        for (uint32_t i = 0; i < binding->image->helper_count; i++)
            if ((uint64_t)binding->image->helpers[i].id == number && binding->helpers[i].fn)
                return i;
    return IMAGE_NO_INDEX;
}

enum code_fault_kind {
    FAULT_NONE,
    FAULT_ACCESS,    /* outside what the program may touch */
    FAULT_UNINIT,    /* register or stack byte read before it was written */
    FAULT_POINTER,   /* arithmetic or a store that would make or leak a wild pointer */
    FAULT_BUDGET,    /* ran longer than allowed */
    FAULT_CALL,      /* bad helper argument, call depth, unknown callee */
    FAULT_REFERENCE, /* a record reserved and neither submitted nor discarded */
    FAULT_RETURN,    /* r0 unreadable at exit or outside the contract's range */
    FAULT_INSN,      /* an instruction this engine cannot run */
};

/* What went wrong in a checked run. */
struct code_fault {
    enum code_fault_kind kind;
    uint32_t insn;
    uint64_t address; /* FAULT_ACCESS */
    uint32_t size;
    char reason[120]; /* "reads 4 bytes at packet offset 14, the packet has 14" */
};

/* One run. */
struct run {
    void *context;            /* r1; header before it */
    uint64_t raw_length;      /* raw programs: r2, bytes at context; else 0 */
    uint64_t budget;          /* checked: instructions allowed; 0: the engine's default (4 million) */
    uint64_t r0;              /* out */
    uint64_t executed;        /* checked: out, instructions run, those of tail-called programs included */
    struct code_fault *fault; /* checked: out, may be NULL */
    void *scratch;            /* nobody else's for the run's length, 64-byte aligned; at least engine->scratch_size */
    size_t scratch_size;      /* bytes there */
};

struct code;

/* An engine.  `compile` puts the code in memory from `memory` (freed by destroy) and, for a JIT, from `exec`.
 * RESULT_NOT_SUPPORTED with a line in diag for what it cannot do. */
struct engine {
    const char *name;
    enum result (*compile)(const struct binding *binding, const struct allocator *memory, const struct executable *exec,
                           const struct diag *diag, struct code **out);
    /* RESULT_OK with run->r0; checked: RESULT_FAULT with run->fault filled in. */
    enum result (*run)(const struct code *code, struct run *run);
    void (*destroy)(struct code *code);
    size_t scratch_size; /* what a run wants beside the C stack: in a kernel, whose stacks are small; 0 elsewhere */
    const void *(*machine)(const struct code *code, size_t *size); /* code_machine(); NULL: makes no machine code */
};

extern const struct engine engine_interp, engine_checked, engine_jit;

/* First member of every engine's code: lets a tail call go from one engine to another. */
struct code {
    const struct engine *engine;
    const struct binding *binding; /* as given to compile */
};

/* JIT only: machine code and its size (dumps, benchmarks); NULL for other engines. */
const void *code_machine(const struct code *code, size_t *size);

/* JIT only: a directly callable entry, fn(context, raw_length) in the platform's C calling convention. */
typedef uint64_t (*code_entry)(void *context, uint64_t raw_length);
code_entry code_entry_point(const struct code *code);

/* Planted faults, for testing the tests: in builds with -DWINBPF_MUTANTS every engine consults this, and does the
 * instruction `op` (enum isa_op) wrong when `engine` is its name.  See tests/kernel/mutants. */
#ifdef WINBPF_MUTANTS
extern struct engine_mutant {
    const char *engine; /* NULL: none */
    int op;
} engine_mutant;
#endif

#endif

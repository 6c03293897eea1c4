/* SPDX-License-Identifier: MIT
 *
 * The form in which both interpreters run a program: one 16-byte op per instruction slot, so that an op's index is its
 * instruction's and jump offsets stay as they are.  An op's *kind* says which handler runs it; a handler is a label in
 * the engine's loop.
 */
#ifndef WINBPF_ENGINE_OP_H
#define WINBPF_ENGINE_OP_H

#include "engine/engine.h"
#include "isa/isa.h"

#if defined(__GNUC__) && !defined(WINBPF_SWITCH_DISPATCH)
#define ENGINE_THREADED 1
#else
#define ENGINE_THREADED 0
#endif

struct op {
    union {
        const void *handler; /* a label where ENGINE_THREADED, else the kind as a number */
        uint64_t value;      /* second slot of a lddw: the 64-bit constant */
    };
    uint8_t dst, src;
    int16_t off;
    int32_t imm;
};

/* Kinds beyond enum isa_op. */
enum op_kind {
    OP_TRAP = ISA_OPS, /* what no valid program reaches: after the last instruction, second slots of lddw */
    OP_CALL_UNWIND,    /* call of a helper that ends the program when it returns 0 */
    OP_CALL_TAIL,
    OP_KINDS
};

enum { OP_NO_OFFSET = 0xffff };

/* Decoded code of either interpreter. */
struct op_code {
    struct code code; /* first */
    const struct allocator *memory;
    size_t size;       /* of the allocation that holds this, the ops and what the engine added */
    uint32_t count;    /* instruction slots; ops has OP_TRAP at [count] */
    uint32_t op_count; /* ops in all, planted ones included */
    struct op *ops;
    uint16_t *kinds;             /* op_count: which handler */
    uint16_t *plain;             /* op_count: the same before the engine chose among handlers; checked only */
    void *extra;                 /* the engine's own part */
    uint16_t packet, packet_end; /* offsets in the provider's context of packet pointers; OP_NO_OFFSET: raw program */
};

/* Decodes a binding into ops and kinds; handlers are not filled in yet.  `extra` bytes are added for the engine.
 * RESULT_NOT_SUPPORTED with a line in diag for what the interpreters cannot run. */
enum result op_decode(const struct engine *engine, const struct binding *binding, const struct allocator *memory,
                      size_t extra, const struct diag *diag, struct op_code **out);

/* Puts labels[kind] into every op (kind numbers without ENGINE_THREADED). */
void op_link(struct op_code *code, const void *const *labels);

void op_destroy(struct code *code);

/* Where a legacy packet load finds `bits` / 8 bytes at `offset`; NULL outside the packet. */
const uint8_t *op_packet(const struct op_code *code, const struct run *run, int64_t offset, unsigned size);

/* The slots of the prog array whose handle is `handle`, or NULL; *count of them. */
struct engine_tail *const *op_tails(const struct op_code *code, uint64_t handle, uint32_t *count);

/* The target of a tail call through the map `handle` at `index`, counted, or NULL when it must fail. */
const struct engine_tail *op_tail_target(const struct op_code *code, void *context, uint64_t handle, uint32_t index);

/* A tail call below the first frame to another engine's program: runs it, and what it tail-calls, to the end, with
 * what scratch memory is left. */
enum result op_tail_run(const struct engine_tail *target, void *context, void *scratch, size_t scratch_size,
                        uint64_t *r0);

static inline bool op_is_second(const struct op_code *code, uint32_t at)
{
    return at > 0 && code->kinds[at - 1] >= ISA_LDDW_IMM && code->kinds[at - 1] <= ISA_LDDW_MAP_INDEX_VALUE;
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * What every JIT backend wants to know about a program before it emits anything: where basic blocks and subprograms
 * begin, and which registers are live where.  Knows no machine.
 */
#ifndef WINBPF_ENGINE_JIT_FLOW_H
#define WINBPF_ENGINE_JIT_FLOW_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/diag.h"
#include "base/result.h"
#include "engine/engine.h"

/* Marks of an instruction slot. */
enum {
    FLOW_LEADER = 1u << 0,  /* a basic block begins: control can come from elsewhere than the slot before */
    FLOW_LOOP = 1u << 1,    /* target of a backward jump */
    FLOW_FUNC = 1u << 2,    /* first of a subprogram */
    FLOW_POINTER = 1u << 3, /* with FLOW_FUNC: its address is taken (lddw 4) */
    FLOW_SECOND = 1u << 4,  /* second slot of a lddw */
};

/* What a subprogram, from `first` to the slot before `end`, contains. */
struct flow_func {
    uint32_t first, end;
    uint16_t written; /* registers */
    bool stack;       /* mentions r10 */
    bool calls;       /* anything, so that its stack must be aligned */
    bool tail_calls;
};

struct flow {
    uint32_t count;
    const struct insn *insns;
    uint8_t *marks;          /* per slot */
    uint16_t *live;          /* per slot: registers whose value on entry to it may be used later */
    struct flow_func *funcs; /* sorted */
    uint32_t func_count;
    bool calls, context, budget, legacy, unwind, tail_calls; /* anywhere; context: something needs the entry context */
};

/* RESULT_NO_MEMORY, RESULT_NOT_SUPPORTED (control leaves its subprogram other than by call and exit) or OK. */
enum result flow_analyse(const struct binding *binding, struct arena *arena, const struct diag *diag, struct flow *out);

/* Registers that instruction `at` reads and those it writes or destroys. */
uint16_t flow_uses(const struct binding *binding, const struct insn *insn);
uint16_t flow_defines(const struct insn *insn);

/* Where a jump or local call at slot `at` goes. */
static inline int64_t flow_target(const struct insn *insn, uint32_t at)
{
    bool by_imm = insn->code == 0x06 || insn->code == 0x85 || insn->code == 0x18;
    return (int64_t)at + 1 + (by_imm ? insn->imm : insn->off);
}

/* A conditional or unconditional jump (may_goto too), not a call or exit. */
static inline bool flow_is_jump(const struct insn *insn)
{
    unsigned class = insn->code & 7;
    return (class == 5 || class == 6) && insn->code != 0x85 && insn->code != 0x95 && insn->code != 0x8d;
}

static inline bool flow_is_always(const struct insn *insn)
{
    return insn->code == 0x05 || insn->code == 0x06;
}

/* The helper a call names, NULL for another kind of call. */
static inline const struct engine_helper *flow_helper(const struct binding *binding, const struct insn *insn)
{
    return insn->code == 0x85 && insn_src(insn) == CALL_SRC_HELPER ? &binding->helpers[insn->imm] : NULL;
}

#endif

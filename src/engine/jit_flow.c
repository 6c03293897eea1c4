/* SPDX-License-Identifier: MIT
 *
 * Liveness is the usual backward data flow (Aho, Lam, Sethi, Ullman 2006, section 9.2.5) over single instructions:
 *
 *     live(i) = uses(i) | (union of live(s) over successors s) & ~defines(i)
 *
 * swept from the last instruction to the first until nothing changes.  Without backward jumps one sweep is exact; the
 * sets only grow, so it ends, and a program that needs more than SWEEPS (a nest of loops deeper than that) gets the
 * safe answer that everything is live, so the time is linear.
 */
#include <string.h>
#include "engine/jit_flow.h"

enum { SWEEPS = 24, ARGUMENTS = 0x3e, CLOBBERED = 0x3f, ALL = 0x3ff };

/* An instruction's class: its low three bits. */
enum { CLASS_LD, CLASS_LDX, CLASS_ST, CLASS_STX, CLASS_ALU32, CLASS_JMP, CLASS_JMP32, CLASS_ALU64 };

static uint16_t bit(unsigned reg)
{
    return (uint16_t)(1u << reg);
}

static uint16_t call_uses(const struct binding *binding, const struct insn *insn)
{
    const struct engine_helper *helper = flow_helper(binding, insn);
    if (insn->code == 0x8d)
        return ARGUMENTS | bit(insn_dst(insn));
    if (!helper || !helper->proto || !binding->contract)
        return ARGUMENTS; /* a raw program's helpers have no contract worth the name */
    unsigned count = 0;
    while (count < HELPER_ARGS && helper->proto->args[count] != ARG_NONE)
        count++;
    return helper->proto->flags & HELPER_TAIL_CALL ? 0xe : (uint16_t)(((1u << count) - 1) << 1);
}

uint16_t flow_uses(const struct binding *binding, const struct insn *insn)
{
    unsigned code = insn->code, dst = insn_dst(insn), src = insn_src(insn);
    switch (code & 7) {
    case CLASS_LD: return (code & 0xe0) == 0x40 ? bit(src) : 0; /* lddw: 0x18; legacy indirect: mode 0x40 */
    case CLASS_LDX: return bit(src);
    case CLASS_ST: return bit(dst);
    case CLASS_STX:
        if ((code & 0xe0) != 0xc0) /* not atomic */
            return bit(dst) | bit(src);
        return insn->imm == 0x100 ? bit(src) : (uint16_t)(bit(dst) | bit(src) | (insn->imm == 0xf1 ? 1 : 0));
    case CLASS_ALU32:
    case CLASS_ALU64: {
        unsigned op = code & 0xf0;
        bool reg = (code & 8) && op != 0xd0 && op != 0x80;
        return (uint16_t)((op == 0xb0 ? 0 : bit(dst)) | (reg ? bit(src) : 0));
    }
    default:
        if (code == 0x95)
            return 1;
        if (code == 0x85 || code == 0x8d)
            return call_uses(binding, insn);
        if (flow_is_always(insn) || code == 0xe5)
            return 0;
        return (uint16_t)(bit(dst) | (code & 8 ? bit(src) : 0));
    }
}

uint16_t flow_defines(const struct insn *insn)
{
    unsigned code = insn->code, dst = insn_dst(insn), src = insn_src(insn);
    switch (code & 7) {
    case CLASS_LD: return code == 0x18 ? bit(dst) : 1;
    case CLASS_LDX:
    case CLASS_ALU32:
    case CLASS_ALU64: return bit(dst);
    case CLASS_ST: return 0;
    case CLASS_STX:
        if ((code & 0xe0) != 0xc0)
            return 0;
        if (insn->imm == 0x100) /* load acquire */
            return bit(dst);
        if (insn->imm == 0xf1)
            return 1;
        return insn->imm != 0x110 && (insn->imm & 1) ? bit(src) : 0;
    default: return code == 0x85 || code == 0x8d ? CLOBBERED : 0;
    }
}

static enum result unsupported(const struct diag *diag, uint32_t at, const char *reason)
{
    diag_error(diag, "instruction %u: %s", at, reason);
    return RESULT_NOT_SUPPORTED;
}

/* Marks leaders, and what the program contains. */
static enum result mark(const struct binding *binding, const struct diag *diag, struct flow *flow)
{
    flow->marks[0] = FLOW_LEADER | FLOW_FUNC;
    flow->func_count = 1;
    for (uint32_t i = 0; i < flow->count; i++) {
        const struct insn *insn = &flow->insns[i];
        if (insn_dst(insn) > 10 || insn_src(insn) > 10)
            return unsupported(diag, i, "no such register");
        if (insn_is_lddw(insn)) {
            if (i + 1 >= flow->count)
                return unsupported(diag, i, "cut lddw");
            flow->marks[i + 1] |= FLOW_SECOND;
        }
        bool local = insn->code == 0x85 && insn_src(insn) == CALL_SRC_LOCAL;
        bool pointer = insn_is_lddw(insn) && insn_src(insn) == LDDW_SRC_CODE;
        if (flow_is_jump(insn) || local || pointer) {
            int64_t target = flow_target(insn, i);
            if (target < 0 || target >= flow->count)
                return unsupported(diag, i, "jump out of range");
            uint8_t *marks = &flow->marks[target];
            *marks |= FLOW_LEADER;
            if (local || pointer) {
                if (!(*marks & FLOW_FUNC))
                    flow->func_count++;
                *marks |= FLOW_FUNC | (pointer ? FLOW_POINTER : 0);
                if (target == 0)
                    return unsupported(diag, i, "the main program is called");
            } else if (target <= i) {
                *marks |= FLOW_LOOP;
            }
        }
        const struct engine_helper *helper = NULL;
        if (insn->code == 0x85 && insn_src(insn) == CALL_SRC_HELPER) {
            if (insn->imm < 0 || (uint32_t)insn->imm >= binding->image->helper_count)
                return unsupported(diag, i, "no such helper");
            helper = flow_helper(binding, insn);
            flow->context = true;
            if (helper->proto && helper->proto->flags & HELPER_UNWIND)
                flow->unwind = true;
            if (helper->proto && helper->proto->flags & HELPER_TAIL_CALL)
                flow->tail_calls = true;
        }
        flow->calls |= insn->code == 0x85 || insn->code == 0x8d;
        flow->context |= insn->code == 0x8d || pointer;
        flow->budget |= insn->code == 0xe5;
        flow->legacy |= (insn->code & 7) == CLASS_LD && insn->code != 0x18;
        if (insn_is_lddw(insn))
            i++;
    }
    return RESULT_OK;
}

/* Cuts the program into subprograms and checks that control stays inside each. */
static enum result cut(const struct binding *binding, const struct diag *diag, struct flow *flow)
{
    struct flow_func *func = flow->funcs - 1;
    for (uint32_t i = 0; i < flow->count; i++) {
        const struct insn *insn = &flow->insns[i];
        if (flow->marks[i] & FLOW_FUNC) {
            (++func)->first = i;
            func->end = flow->count;
            if (i)
                func[-1].end = i;
        }
        if (flow->marks[i] & FLOW_SECOND) {
            if (flow->marks[i] & FLOW_LEADER)
                return unsupported(diag, i, "jump into a lddw");
            continue;
        }
        const struct engine_helper *helper = flow_helper(binding, insn);
        uint16_t defines = flow_defines(insn), uses = flow_uses(binding, insn);
        func->written |= defines;
        func->stack |= (uses >> 10 & 1) != 0;
        func->calls |= insn->code == 0x85 || insn->code == 0x8d;
        func->tail_calls |= helper && helper->proto && helper->proto->flags & HELPER_TAIL_CALL;
        if (defines >> 10 & 1)
            return unsupported(diag, i, "r10 is written");
    }
    for (uint32_t f = 0; f < flow->func_count; f++) {
        func = &flow->funcs[f];
        for (uint32_t i = func->first; i < func->end; i++) {
            const struct insn *insn = &flow->insns[i];
            if (flow->marks[i] & FLOW_SECOND)
                continue;
            if (flow_is_jump(insn)) {
                int64_t target = flow_target(insn, i);
                if (target < func->first || target >= func->end)
                    return unsupported(diag, i, "jump into another subprogram");
            }
            uint32_t next = i + 1 + (uint32_t)insn_is_lddw(insn);
            if (next >= func->end && !flow_is_always(insn) && insn->code != 0x95)
                return unsupported(diag, i, "control runs off the end of a subprogram");
        }
    }
    return RESULT_OK;
}

static bool sweep(const struct flow *flow, const uint16_t *uses, const uint16_t *defines)
{
    bool changed = false;
    uint16_t *live = flow->live;
    for (uint32_t i = flow->count; i-- > 0;) {
        const struct insn *insn = &flow->insns[i];
        uint16_t out = live[i + 1],
                 in = out; /* live has count + 1 entries; a lddw's second slot hands on what follows */
        if (!(flow->marks[i] & FLOW_SECOND)) {
            if (insn->code == 0x95 || flow_is_always(insn))
                out = 0;
            if (flow_is_jump(insn))
                out |= live[flow_target(insn, i)];
            in = (uint16_t)(uses[i] | (out & ~defines[i]));
        }
        changed |= in != live[i];
        live[i] = in;
    }
    return changed;
}

enum result flow_analyse(const struct binding *binding, struct arena *arena, const struct diag *diag, struct flow *out)
{
    struct flow *flow = out;
    memset(flow, 0, sizeof *flow);
    flow->insns = binding->image->insns;
    flow->count = binding->image->insn_count;
    if (!flow->count || flow->count > ISA_MAX_INSNS)
        return unsupported(diag, 0, "no instructions, or too many");
    flow->marks = arena_array(arena, flow->count, sizeof *flow->marks);
    flow->live = arena_array(arena, (size_t)flow->count + 1, 3 * sizeof *flow->live);
    if (!flow->marks || !flow->live)
        return RESULT_NO_MEMORY;
    uint16_t *uses = flow->live + flow->count + 1, *defines = uses + flow->count + 1;
    enum result result = mark(binding, diag, flow);
    if (result != RESULT_OK)
        return result;
    flow->funcs = arena_array(arena, flow->func_count, sizeof *flow->funcs);
    if (!flow->funcs)
        return RESULT_NO_MEMORY;
    result = cut(binding, diag, flow);
    if (result != RESULT_OK)
        return result;
    bool loops = false;
    for (uint32_t i = 0; i < flow->count; i++) {
        if (flow->marks[i] & FLOW_SECOND)
            continue;
        uses[i] = flow_uses(binding, &flow->insns[i]) & ALL;
        defines[i] = flow_defines(&flow->insns[i]);
        loops |= (flow->marks[i] & FLOW_LOOP) != 0;
    }
    unsigned sweeps = 0;
    while (sweep(flow, uses, defines) && loops) {
        if (++sweeps == SWEEPS) {
            memset(flow->live, 0xff, flow->count * sizeof *flow->live);
            for (uint32_t i = 0; i < flow->count; i++)
                flow->live[i] = ALL;
            break;
        }
    }
    return RESULT_OK;
}

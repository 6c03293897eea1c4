/* SPDX-License-Identifier: MIT
 *
 * Well-formedness of a whole program, in one pass and without memory.  The one question that seems to need a map of
 * instruction starts (does a jump land inside a lddw?) does not: a lddw's second slot has opcode 0, so in a program
 * whose pairs are whole a slot with a lddw's opcode is always a first slot, and a target is a second slot exactly when
 * the slot before it is a lddw.  Pairs after the target may still be broken, but then the program is refused anyway.
 */
#include <string.h>
#include "isa/table.h"

static bool fail(struct isa_fault *fault, size_t at, const char *reason)
{
    if (fault) {
        fault->insn = (uint32_t)at;
        fault->reason = reason;
    }
    return false;
}

static bool lands(const struct insn *insns, size_t count, int64_t target)
{
    return target >= 0 && target < (int64_t)count && (target == 0 || !insn_is_lddw(&insns[target - 1]));
}

/* Control never goes from this instruction to the next slot. */
static bool diverts(const struct insn *insn)
{
    enum isa_op op = isa_decode(insn);

    return op == ISA_EXIT || op == ISA_JA || op == ISA_JA32;
}

static const char *lddw_fault(const struct insn *insns, size_t count, size_t at, enum isa_op op, unsigned flags)
{
    const struct insn *second = &insns[at + 1];

    if (at + 1 >= count)
        return "64-bit immediate is cut off";
    if (second->code || second->regs || second->off)
        return "second half of a 64-bit immediate has more than a constant";
    switch (op) {
    case ISA_LDDW_MAP_FD:
    case ISA_LDDW_MAP_VALUE:
    case ISA_LDDW_VARIABLE:
        if (!(flags & ISA_ALLOW_FD_LDDW))
            return "64-bit immediate names a handle where none is allowed";
        break;
    case ISA_LDDW_MAP_INDEX:
    case ISA_LDDW_MAP_INDEX_VALUE:
        if (!(flags & ISA_ALLOW_INDEX_LDDW))
            return "64-bit immediate names a map index where none is allowed";
        break;
    default: break;
    }
    if ((op == ISA_LDDW_MAP_FD || op == ISA_LDDW_MAP_INDEX || op == ISA_LDDW_CODE) && second->imm)
        return "second half of a 64-bit immediate must be zero here";
    return NULL;
}

static const char *target_fault(const struct insn *insns, size_t count, size_t at, const struct isa_row *row)
{
    const struct insn *insn = &insns[at];
    int64_t target = (int64_t)at + 1 + (row->free & JUMPS_OFF ? insn->off : insn->imm);

    if (target < 0 || target >= (int64_t)count)
        return "jump out of the program";
    if (!lands(insns, count, target))
        return "jump into the middle of a 64-bit immediate";
    if ((row->form == FORM_CALL_LOCAL || row->form == FORM_LDDW) && target > 0 && !diverts(&insns[target - 1]))
        return "subprogram can be entered without a call: the instruction before it falls through";
    return NULL;
}

bool isa_validate(const struct insn *insns, size_t count, unsigned flags, struct isa_fault *fault)
{
    if (count == 0)
        return fail(fault, 0, "empty program");
    if (count > ISA_MAX_INSNS)
        return fail(fault, ISA_MAX_INSNS, "more than 1000000 instructions");

    for (size_t at = 0; at < count; at++) {
        enum isa_op op = isa_decode(&insns[at]);
        const struct isa_row *row = isa_row(op);
        const char *reason = NULL;

        if (op == ISA_INVALID)
            return fail(fault, at, "not an instruction");
        if ((row->free & WRITES_DST && insn_dst(&insns[at]) == 10) ||
            (row->free & WRITES_SRC && insn_src(&insns[at]) == 10))
            return fail(fault, at, "writes r10, the frame pointer");
        if (row->form == FORM_LDDW)
            reason = lddw_fault(insns, count, at, op, flags);
        if (!reason && row->free & (JUMPS_OFF | JUMPS_IMM))
            reason = target_fault(insns, count, at, row);
        if (reason)
            return fail(fault, at, reason);
        if (row->form == FORM_LDDW)
            at++;
    }
    /* A whole lddw at the end leaves its second slot here, which decodes to nothing and so does not divert. */
    if (!diverts(&insns[count - 1]))
        return fail(fault, count - 1, "control can run off the end of the program");
    return true;
}

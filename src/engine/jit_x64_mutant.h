/* SPDX-License-Identifier: MIT
 *
 * Part of jit_x64.c in builds with planted faults (engine.h, engine_mutant): does one operation wrong, each in a way
 * that a program can see.  A jump goes the other way, a value, a stored byte or a result has its lowest bit flipped.
 */
#ifndef WINBPF_ENGINE_JIT_X64_MUTANT_H
#define WINBPF_ENGINE_JIT_X64_MUTANT_H

static void flip(struct jit *j, unsigned reg)
{
    materialise(j, reg);
    emit_ri(&j->e, X_XOR, true, x64_reg(home(j, reg)), 1);
    homed(j, reg, j->narrow >> reg & 1);
}

/* Everything goes home first, so that a flip has no other readers than it should. */
static void settle_all(struct jit *j)
{
    j->needed = j->out = 0x3ff;
    materialise_set(j, 0x3ff);
}

static bool step_mutated(struct jit *j, uint32_t at)
{
    const struct insn *insn = &j->flow.insns[at];
    enum isa_op op = isa_decode(insn);
    unsigned dst = insn_dst(insn), src = insn_src(insn);
    if (!engine_mutant.engine || strcmp(engine_mutant.engine, engine_jit.name) || engine_mutant.op != (int)op)
        return step(j, at);
    settle_all(j);
    uint32_t items = j->item_count;
    switch (insn->code & 7) {
    case 2: /* stores: the stored byte */
    case 3:
        if ((insn->code & 7) == 3 && (insn->code & 0xe0) == 0xc0 && insn->imm != 0x100 && insn->imm != 0x110) {
            flip(j, src);
            if (!step(j, at))
                return false;
            flip(j, src);
            return true;
        }
        if (!step(j, at))
            return false;
        if (insn->imm == 0x100 && (insn->code & 0xe0) == 0xc0) {
            flip(j, dst);
        } else {
            emit_op(&j->e, 0x80, false, 6, x64_mem(home(j, dst), insn->off));
            emit8(&j->e, 1);
        }
        return true;
    case 5:
    case 6:
        if (flow_is_always(insn))
            return true; /* does not jump */
        if (flow_is_jump(insn)) {
            if (!step(j, at))
                return false;
            if (j->item_count > items)
                j->items[j->item_count - 1].condition ^= 1;
            return true;
        }
        if (insn->code == 0x95) {
            flip(j, 0);
            return step(j, at);
        }
        if (!step(j, at))
            return false;
        flip(j, 0);
        return true;
    case 0:
        if (!step(j, at))
            return false;
        flip(j, insn_is_lddw(insn) ? dst : 0);
        return true;
    default:
        if (!step(j, at))
            return false;
        flip(j, dst);
        return true;
    }
}

#endif

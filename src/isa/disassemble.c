/* SPDX-License-Identifier: MIT
 *
 * One instruction to text, three ways.  The syntaxes differ in words, not in structure, so each form is written once
 * where that reads well (the kernel's and LLVM's "r1 += r2") and apart where they share nothing (the RFC's mnemonics).
 * Everything printed comes from the row and its free fields alone.
 */
#include <string.h>
#include "isa/table.h"

struct writer {
    const struct insn *insn;
    const struct isa_row *row;
    uint64_t wide; /* lddw: all 64 bits */
    int32_t next;  /* lddw: the second slot's constant */
    size_t at;
    enum isa_syntax syntax;
    const struct isa_names *names;
    struct text *out;
};

static void lower(const char *from, size_t length, struct text *out)
{
    for (size_t i = 0; i < length && from[i]; i++)
        text_char(out, from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] - 'A' + 'a') : from[i]);
}

/* A memory access's width as a mnemonic spells it. */
static const char *width_suffix(unsigned bits)
{
    return bits == 8 ? "b" : bits == 16 ? "h" : bits == 32 ? "w" : "dw";
}

void isa_mnemonic(const struct isa_row *row, struct text *out)
{
    switch ((enum isa_form)row->form) {
    case FORM_MOVSX: /* movsx, from, to */
        lower(row->base, SIZE_MAX, out);
        text_string(out, row->bits == 64 ? "64" : "32");
        return;
    case FORM_END:
        if (!strncmp(row->base, "BSWAP", 5))
            lower(row->base + 1, SIZE_MAX, out);
        else
            lower(row->base, SIZE_MAX, out);
        return;
    case FORM_ATOMIC: /* ATOMIC_ADD, ATOMIC_FETCH_ADD */
        text_string(out, row->signed_ ? "lock fetch " : "lock ");
        lower(row->base + (row->signed_ ? 13 : 7), SIZE_MAX, out);
        break;
    case FORM_XCHG:
    case FORM_CMPXCHG:
        text_string(out, "lock ");
        lower(row->base, SIZE_MAX, out);
        break;
    case FORM_LDACQ:
    case FORM_STREL:
        lower(row->base, 5, out);
        text_string(out, width_suffix(row->bits));
        return;
    case FORM_LDDW: text_string(out, "lddw"); return;
    case FORM_CALL_HELPER:
    case FORM_CALLX: text_string(out, "call"); return;
    case FORM_CALL_LOCAL: text_string(out, "call local"); return;
    case FORM_CALL_KFUNC: text_string(out, "call runtime"); return;
    case FORM_ALU_IMM:
    case FORM_ALU_REG:
    case FORM_ALU1:
    case FORM_JMP_IMM:
    case FORM_JMP_REG: lower(row->base, SIZE_MAX, out); break;
    default: lower(row->base, SIZE_MAX, out); return;
    }
    if (row->bits == 32)
        text_string(out, "32");
}

static const char *name_of(const struct writer *w, const char *(*ask)(void *, int32_t), int32_t imm)
{
    return ask ? ask(w->names->self, imm) : NULL;
}

static const char *helper_name(const struct writer *w)
{
    return w->names ? name_of(w, w->names->helper, w->insn->imm) : NULL;
}

static const char *map_name(const struct writer *w)
{
    return w->names ? name_of(w, w->names->map, w->insn->imm) : NULL;
}

/* Where a local call or code address leads; NULL without a name. */
static const char *subprogram_name(const struct writer *w)
{
    int64_t target = (int64_t)w->at + 1 + w->insn->imm;

    if (!w->names || !w->names->subprogram || target < 0 || target > UINT32_MAX)
        return NULL;
    return w->names->subprogram(w->names->self, (uint32_t)target);
}

/* RFC syntax: what the assembler reads back. */

static void rfc_memory(const struct writer *w, unsigned reg)
{
    if (w->insn->off)
        text_format(w->out, "[%%r%u%+d]", reg, w->insn->off);
    else
        text_format(w->out, "[%%r%u]", reg);
}

static void rfc_lddw(const struct writer *w)
{
    static const char *const words[] = {
        [LDDW_SRC_MAP_FD] = "map_fd",       [LDDW_SRC_MAP_VALUE] = "map_value",
        [LDDW_SRC_VARIABLE] = "variable",   [LDDW_SRC_CODE] = "code",
        [LDDW_SRC_MAP_INDEX] = "map_index", [LDDW_SRC_MAP_INDEX_VALUE] = "map_index_value",
    };

    text_format(w->out, "%%r%u, ", insn_dst(w->insn));
    if (w->row->src == LDDW_SRC_IMM) {
        text_format(w->out, "0x%llx", (unsigned long long)w->wide);
        return;
    }
    text_format(w->out, w->row->src == LDDW_SRC_CODE ? "%s %+d" : "%s %d", words[w->row->src], w->insn->imm);
    if (w->next)
        text_format(w->out, ", %d", w->next);
}

static void write_rfc(const struct writer *w)
{
    const struct insn *insn = w->insn;
    const struct isa_row *row = w->row;
    unsigned dst = insn_dst(insn), src = insn_src(insn);

    isa_mnemonic(row, w->out);
    if (row->form != FORM_EXIT)
        text_char(w->out, ' ');
    switch ((enum isa_form)row->form) {
    case FORM_ALU_IMM: text_format(w->out, "%%r%u, %d", dst, insn->imm); break;
    case FORM_ALU_REG:
    case FORM_MOVSX: text_format(w->out, "%%r%u, %%r%u", dst, src); break;
    case FORM_ALU1:
    case FORM_END:
    case FORM_CALLX: text_format(w->out, "%%r%u", dst); break;
    case FORM_JMP_IMM: text_format(w->out, "%%r%u, %d, %+d", dst, insn->imm, insn->off); break;
    case FORM_JMP_REG: text_format(w->out, "%%r%u, %%r%u, %+d", dst, src, insn->off); break;
    case FORM_LDX:
    case FORM_LDACQ:
        text_format(w->out, "%%r%u, ", dst);
        rfc_memory(w, src);
        break;
    case FORM_ST:
        rfc_memory(w, dst);
        text_format(w->out, ", %d", insn->imm);
        break;
    case FORM_STX:
    case FORM_ATOMIC:
    case FORM_XCHG:
    case FORM_CMPXCHG:
    case FORM_STREL:
        rfc_memory(w, dst);
        text_format(w->out, ", %%r%u", src);
        break;
    case FORM_LDDW: rfc_lddw(w); break;
    case FORM_LEGACY:
        if (row->signed_)
            text_format(w->out, "%%r%u, ", src);
        text_format(w->out, "%d", insn->imm);
        break;
    case FORM_JA:
    case FORM_MAY_GOTO: text_format(w->out, "%+d", insn->off); break;
    case FORM_JA32:
    case FORM_CALL_LOCAL: text_format(w->out, "%+d", insn->imm); break;
    case FORM_CALL_HELPER: text_format(w->out, "%d", insn->imm); break;
    case FORM_CALL_KFUNC:
        text_format(w->out, "%d", insn->imm);
        if (insn->off)
            text_format(w->out, ", %d", insn->off);
        break;
    default: break;
    }
}

/* The kernel's and LLVM's: C-like. */

static bool llvm(const struct writer *w)
{
    return w->syntax == ISA_SYNTAX_LLVM;
}

/* A constant: the kernel prints it as a signed decimal number, LLVM as a signed hexadecimal one. */
static void number(const struct writer *w, int64_t value)
{
    if (!llvm(w))
        text_format(w->out, "%lld", (long long)value);
    else if (value < 0)
        text_format(w->out, "-0x%llx", 0 - (unsigned long long)value);
    else
        text_format(w->out, "0x%llx", (unsigned long long)value);
}

/* The distance of a jump, always with its sign. */
static void distance(const struct writer *w, int64_t value)
{
    if (llvm(w) && value >= 0)
        text_char(w->out, '+');
    if (llvm(w))
        number(w, value);
    else
        text_format(w->out, "pc%+lld", (long long)value);
}

/* r1 or w1: the half that the operation looks at. */
static void reg(const struct writer *w, unsigned n)
{
    text_format(w->out, "%c%u", w->row->bits == 32 ? 'w' : 'r', n);
}

static void address(const struct writer *w, unsigned base)
{
    int off = w->insn->off;

    if (llvm(w))
        text_format(w->out, "r%u %c 0x%x", base, off < 0 ? '-' : '+', off < 0 ? (unsigned)-off : (unsigned)off);
    else
        text_format(w->out, "r%u %+d", base, off);
}

static void memory(const struct writer *w, unsigned base)
{
    text_format(w->out, "*(%c%u *)(", w->row->form == FORM_LDX && w->row->signed_ ? 's' : 'u', w->row->bits);
    address(w, base);
    text_char(w->out, ')');
}

/* LLVM names a loaded or stored 32-bit or narrower value by the w register. */
static void data(const struct writer *w, unsigned n)
{
    text_format(w->out, "%c%u",
                llvm(w) && w->row->bits < 64 && !(w->row->form == FORM_LDX && w->row->signed_) ? 'w' : 'r', n);
}

static void pointer(const struct writer *w, unsigned base)
{
    text_format(w->out, "(u%u *)(", w->row->bits);
    address(w, base);
    text_char(w->out, ')');
}

static void atomic(const struct writer *w)
{
    unsigned dst = insn_dst(w->insn), src = insn_src(w->insn);
    char letter = llvm(w) && w->row->bits == 32 ? 'w' : 'r';
    const char *suffix = w->row->bits == 64 ? "64" : "";

    switch ((enum isa_form)w->row->form) {
    case FORM_ATOMIC:
        if (!w->row->signed_) {
            text_string(w->out, "lock ");
            memory(w, dst);
            text_format(w->out, " %s %c%u", w->row->symbol, letter, src);
        } else if (llvm(w)) {
            text_format(w->out, "%c%u = atomic_%s(", letter, src, w->row->symbol);
            pointer(w, dst);
            text_format(w->out, ", %c%u)", letter, src);
        } else {
            text_format(w->out, "r%u = atomic%s_%s(", src, suffix, w->row->symbol);
            pointer(w, dst);
            text_format(w->out, ", r%u)", src);
        }
        break;
    case FORM_XCHG:
        if (llvm(w)) {
            text_format(w->out, "%c%u = xchg%s(", letter, src, w->row->bits == 64 ? "_64" : "32_32");
            address(w, dst);
            text_format(w->out, ", %c%u)", letter, src);
        } else {
            text_format(w->out, "r%u = atomic%s_xchg(", src, suffix);
            pointer(w, dst);
            text_format(w->out, ", r%u)", src);
        }
        break;
    case FORM_CMPXCHG:
        if (llvm(w)) {
            text_format(w->out, "%c0 = cmpxchg%s(", letter, w->row->bits == 64 ? "_64" : "32_32");
            address(w, dst);
            text_format(w->out, ", %c0, %c%u)", letter, letter, src);
        } else {
            text_format(w->out, "r0 = atomic%s_cmpxchg(", suffix);
            pointer(w, dst);
            text_format(w->out, ", r0, r%u)", src);
        }
        break;
    case FORM_LDACQ:
        data(w, dst);
        text_string(w->out, " = load_acquire(");
        pointer(w, src);
        text_char(w->out, ')');
        break;
    default: /* FORM_STREL */
        text_string(w->out, "store_release(");
        pointer(w, dst);
        text_string(w->out, ", ");
        data(w, src);
        text_char(w->out, ')');
        break;
    }
}

static void lddw(const struct writer *w)
{
    const char *name = map_name(w);
    bool value = w->row->src == LDDW_SRC_MAP_VALUE || w->row->src == LDDW_SRC_MAP_INDEX_VALUE;

    if (llvm(w) && w->row->src != LDDW_SRC_IMM) { /* LLVM leaves the second half out */
        text_format(w->out, "ld_pseudo r%u, 0x%x, 0x%x", insn_dst(w->insn), w->row->src, (unsigned)w->insn->imm);
        return;
    }
    text_format(w->out, "r%u = ", insn_dst(w->insn));
    if (llvm(w)) {
        number(w, (int64_t)w->wide);
        text_string(w->out, " ll");
        return;
    }
    switch (w->row->src) {
    case LDDW_SRC_IMM:
    case LDDW_SRC_VARIABLE: text_format(w->out, "0x%llx", (unsigned long long)w->wide); break;
    case LDDW_SRC_CODE:
        name = subprogram_name(w);
        if (name)
            text_format(w->out, "subprog[%s]", name);
        else
            text_format(w->out, "subprog[%+d]", w->insn->imm);
        break;
    default:
        if (name)
            text_format(w->out, "map[%s]", name);
        else
            text_format(w->out, "map[%s:%d]", w->row->src <= LDDW_SRC_MAP_VALUE ? "fd" : "idx", w->insn->imm);
        if (value)
            text_format(w->out, "[0]+%u", (unsigned)w->next);
        break;
    }
}

static void call(const struct writer *w)
{
    const char *name;

    text_string(w->out, "call ");
    switch ((enum isa_form)w->row->form) {
    case FORM_CALL_LOCAL:
        name = subprogram_name(w);
        if (name)
            text_string(w->out, name);
        else if (llvm(w))
            number(w, w->insn->imm);
        else
            distance(w, w->insn->imm);
        break;
    case FORM_CALL_KFUNC:
        if (llvm(w))
            number(w, w->insn->imm);
        else
            text_format(w->out, "kernel-function#%d", w->insn->imm);
        break;
    default:
        name = helper_name(w);
        if (llvm(w))
            number(w, w->insn->imm);
        else
            text_format(w->out, "%s#%d", name ? name : "unknown", w->insn->imm);
        break;
    }
}

static void write_c(const struct writer *w)
{
    const struct insn *insn = w->insn;
    const struct isa_row *row = w->row;
    unsigned dst = insn_dst(insn), src = insn_src(insn);

    switch ((enum isa_form)row->form) {
    case FORM_ALU_IMM:
        reg(w, dst);
        text_format(w->out, " %s ", row->symbol);
        number(w, insn->imm);
        break;
    case FORM_ALU_REG:
        reg(w, dst);
        text_format(w->out, " %s ", row->symbol);
        reg(w, src);
        break;
    case FORM_MOVSX:
        reg(w, dst);
        text_format(w->out, " = %s", row->symbol);
        reg(w, src);
        break;
    case FORM_ALU1:
        reg(w, dst);
        text_string(w->out, " = -");
        reg(w, dst);
        break;
    case FORM_END: text_format(w->out, "r%u = %s r%u", dst, row->symbol, dst); break;
    case FORM_JMP_IMM:
    case FORM_JMP_REG:
        text_string(w->out, "if ");
        reg(w, dst);
        text_format(w->out, " %s ", row->symbol);
        if (row->form == FORM_JMP_REG)
            reg(w, src);
        else if (llvm(w))
            number(w, insn->imm);
        else
            text_format(w->out, "0x%x", (unsigned)insn->imm);
        text_string(w->out, " goto ");
        distance(w, insn->off);
        break;
    case FORM_LDX:
        data(w, dst);
        text_string(w->out, " = ");
        memory(w, src);
        break;
    case FORM_ST:
        memory(w, dst);
        text_string(w->out, " = ");
        number(w, insn->imm);
        break;
    case FORM_STX:
        memory(w, dst);
        text_string(w->out, " = ");
        data(w, src);
        break;
    case FORM_ATOMIC:
    case FORM_XCHG:
    case FORM_CMPXCHG:
    case FORM_LDACQ:
    case FORM_STREL: atomic(w); break;
    case FORM_LDDW: lddw(w); break;
    case FORM_LEGACY:
        text_format(w->out, "r0 = *(u%u *)skb[", row->bits);
        if (row->signed_)
            text_format(w->out, "r%u", src);
        if (row->signed_ && !llvm(w))
            text_string(w->out, " + ");
        if (!row->signed_ || !llvm(w))
            number(w, insn->imm);
        text_char(w->out, ']');
        break;
    case FORM_JA:
        text_string(w->out, "goto ");
        distance(w, insn->off);
        break;
    case FORM_JA32:
        text_string(w->out, "gotol ");
        distance(w, insn->imm);
        break;
    case FORM_MAY_GOTO:
        text_string(w->out, "may_goto ");
        distance(w, insn->off);
        break;
    case FORM_CALL_HELPER:
    case FORM_CALL_LOCAL:
    case FORM_CALL_KFUNC: call(w); break;
    case FORM_CALLX: text_format(w->out, "callx r%u", dst); break;
    case FORM_EXIT: text_string(w->out, "exit"); break;
    default: break;
    }
}

size_t isa_disassemble(const struct insn *insns, size_t count, size_t at, enum isa_syntax syntax,
                       const struct isa_names *names, struct text *out)
{
    const struct insn *insn = &insns[at], *second = insn + 1;
    enum isa_op op = isa_decode(insn);
    struct writer w = {.insn = insn, .row = isa_row(op), .at = at, .syntax = syntax, .names = names, .out = out};
    size_t slots = 1;

    if (w.row->form == FORM_LDDW) {
        if (count - at < 2 || second->code || second->regs || second->off) {
            op = ISA_INVALID;
        } else {
            w.next = second->imm;
            w.wide = (uint64_t)(uint32_t)second->imm << 32 | (uint32_t)insn->imm;
            slots = 2;
        }
    }
    if (op == ISA_INVALID) {
        unsigned long long bits = (unsigned long long)(uint32_t)insn->imm << 32 |
                                  (unsigned long long)(uint16_t)insn->off << 16 | (unsigned)insn->regs << 8 |
                                  insn->code;
        text_format(out, ".8byte 0x%llx", bits);
    } else if (syntax == ISA_SYNTAX_RFC) {
        write_rfc(&w);
    } else {
        write_c(&w);
    }
    return slots;
}

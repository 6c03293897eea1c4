/* SPDX-License-Identifier: MIT
 *
 * Two passes: the first writes every instruction's replacement and so learns where each one begins, the second sets
 * the distances of jumps, calls and code addresses, and moves the records of functions and lines.  A jump never leads
 * into the middle of a replacement.
 *
 * Numbers are little-endian, so byte p of a visible field is byte p of the provider's.  A field that is wider at the
 * provider's holds the visible value zero-extended; of one that is narrower there, the missing bytes read as zero.
 */
#include <string.h>
#include "base/checked.h"
#include "isa/isa.h"
#include "lower/lower.h"

enum { CLASS_LD, CLASS_LDX, CLASS_ST, CLASS_STX };
enum { MODE = 0xe0, MODE_MEM = 0x60, MODE_MEMSX = 0x80 };
enum { CODE_CALL = 0x85, CODE_EXIT = 0x95, CODE_JA = 0x05, CODE_JA32 = 0x06, CODE_MOV64_IMM = 0xb7 };
enum { WIDEST = 8 }; /* instructions that one becomes */

struct lowering {
    const struct image *image;
    const struct program_contract *contract;
    const struct context_layout *layout;
    const uint8_t *flags;
    const struct diag *diag;
    struct insn *insns;
    uint32_t *to_new, *to_old;
    uint32_t count, at; /* written; the old instruction under way */
};

static unsigned size_of(uint8_t code)
{
    static const uint8_t sizes[] = {4, 2, 1, 8};
    return sizes[code >> 3 & 3];
}

static uint8_t size_code(unsigned size)
{
    return size == 8 ? 0x18 : size == 4 ? 0x00 : size == 2 ? 0x08 : 0x10;
}

static void put(struct lowering *l, struct insn insn)
{
    l->to_old[l->count] = l->at;
    l->insns[l->count++] = insn;
}

static enum result refuse(const struct lowering *l, const char *why)
{
    diag_error(l->diag, "insn %u: %s of %s", l->at, why, l->contract->name);
    return RESULT_NOT_SUPPORTED;
}

static bool is_power_of_two(unsigned n)
{
    return n && !(n & (n - 1));
}

/* dst = the visible bytes [part, part + size) of a number that the provider keeps in real_size bytes at `from`. */
static enum result load_number(struct lowering *l, struct insn insn, unsigned part, unsigned size, unsigned from,
                               unsigned real_size)
{
    if (part + size <= real_size) {
        insn.off = (int16_t)(from + part);
        put(l, insn);
    } else if (part >= real_size) {
        put(l, insn_make(CODE_MOV64_IMM, insn_dst(&insn), 0, 0, 0));
    } else if (is_power_of_two(real_size - part)) { /* its upper bytes are zero: so is its sign */
        put(l, insn_make(CLASS_LDX | MODE_MEM | size_code(real_size - part), insn_dst(&insn), insn_src(&insn),
                         (int16_t)(from + part), 0));
    } else {
        return refuse(l, "a part of a number of odd size in the context");
    }
    return RESULT_OK;
}

/* Does the provider keep the field where an instruction can reach it, in a size that makes sense? */
static bool reachable(const struct lowering *l, const struct context_field *f)
{
    uint32_t end = (uint32_t)f->real_offset + f->real_size;
    if (!f->real_size || end > INT16_MAX || (l->contract->real_size && end > l->contract->real_size))
        return false;
    return f->kind == FIELD_BYTES ? f->real_size >= f->size : f->real_size <= 8;
}

static enum result load_context(struct lowering *l, struct insn insn)
{
    unsigned size = size_of(insn.code), mode = insn.code & MODE;
    const struct context_field *f = contract_field(l->layout, insn.off, size, false);
    if (!f || (mode != MODE_MEM && mode != MODE_MEMSX))
        return refuse(l, "not a field of the context");
    if (!reachable(l, f))
        return refuse(l, "a field that is out of reach in the provider's context");
    unsigned part = (unsigned)(insn.off - f->offset);
    switch (f->kind) {
    case FIELD_SCALAR: return load_number(l, insn, part, size, f->real_offset, f->real_size);
    case FIELD_BYTES:
        insn.off = (int16_t)(f->real_offset + part);
        put(l, insn);
        return RESULT_OK;
    default:
        if (f->real_size != 8 || mode == MODE_MEMSX)
            return refuse(l, "a pointer that is none in the provider's context");
        insn.code = CLASS_LDX | MODE_MEM | 0x18;
        insn.off = (int16_t)f->real_offset;
        put(l, insn);
        return RESULT_OK;
    }
}

static enum result store_context(struct lowering *l, struct insn insn)
{
    unsigned size = size_of(insn.code);
    const struct context_field *f = contract_field(l->layout, insn.off, size, true);
    if (!f || (insn.code & MODE) != MODE_MEM || (f->kind != FIELD_SCALAR && f->kind != FIELD_BYTES))
        return refuse(l, "not a field of the context that may be stored to");
    if (!reachable(l, f))
        return refuse(l, "a field that is out of reach in the provider's context");
    if (f->kind == FIELD_BYTES) {
        insn.off = (int16_t)(insn.off - f->offset + f->real_offset);
        put(l, insn);
        return RESULT_OK;
    }
    if (f->real_size < size) { /* as much as the provider keeps */
        if (!is_power_of_two(f->real_size))
            return refuse(l, "a number of odd size in the context");
        size = f->real_size;
        insn.code = (uint8_t)((insn.code & ~0x18u) | size_code(size));
    }
    insn.off = (int16_t)f->real_offset;
    put(l, insn);
    for (unsigned at = size; at < f->real_size;) { /* zeros above, in the largest aligned pieces */
        unsigned piece = at & (0u - at);
        while (piece > f->real_size - at || piece > 8)
            piece /= 2;
        put(l,
            insn_make(CLASS_ST | MODE_MEM | size_code(piece), insn_dst(&insn), 0, (int16_t)(f->real_offset + at), 0));
        at += piece;
    }
    return RESULT_OK;
}

static enum result lower_one(struct lowering *l)
{
    const struct insn *insn = &l->image->insns[l->at];
    uint8_t flags = l->flags[l->at], class = insn->code & 7;
    if (!(flags & LOWER_SEEN)) {
        put(l, insn_make(CODE_JA, 0, 0, -1, 0));
        return RESULT_OK;
    }
    if (flags & LOWER_OBJECT)
        return refuse(l, "an object that has no layout here, in a program");
    if (flags & LOWER_CONTEXT && class == CLASS_LDX)
        return load_context(l, *insn);
    if (flags & LOWER_CONTEXT && (class == CLASS_ST || class == CLASS_STX))
        return store_context(l, *insn);
    put(l, *insn);
    if (insn_is_lddw(insn)) {
        l->at++;
        put(l, l->image->insns[l->at]);
    }
    return RESULT_OK;
}

static enum result write_all(struct lowering *l)
{
    for (l->at = 0; l->at < l->image->insn_count; l->at++) {
        uint32_t old = l->at;
        if (l->count > ISA_MAX_INSNS)
            break;
        l->to_new[old] = l->count;
        enum result result = lower_one(l);
        if (result)
            return result;
        if (l->at > old)
            l->to_new[l->at] = l->count - 1;
    }
    if (l->count > ISA_MAX_INSNS) {
        diag_error(l->diag, "more than a million instructions for the provider's context");
        return RESULT_TOO_BIG;
    }
    l->to_new[l->image->insn_count] = l->count;
    return RESULT_OK;
}

/* The new distance of what leads from old instruction `at` to the one at + 1 + `off`. */
static int64_t distance(const struct lowering *l, uint32_t at, int64_t off)
{
    return (int64_t)l->to_new[(int64_t)at + 1 + off] - (int64_t)l->to_new[at] - 1;
}

/* Control stays one instruction, so the old one's place is its own. */
static enum result link_one(struct lowering *l, uint32_t old)
{
    struct insn *insn = &l->insns[l->to_new[old]];
    uint8_t class = insn->code & 7;
    int64_t off;
    if (!(l->flags[old] & LOWER_SEEN))
        return RESULT_OK;
    if (insn_is_lddw(insn)) {
        if (insn_src(insn) == LDDW_SRC_CODE)
            insn->imm = (int32_t)distance(l, old, insn->imm);
        return RESULT_OK;
    }
    if (class != 5 && class != 6)
        return RESULT_OK;
    if (insn->code == CODE_CALL) {
        if (insn_src(insn) == CALL_SRC_LOCAL)
            insn->imm = (int32_t)distance(l, old, insn->imm);
        return RESULT_OK;
    }
    if (insn->code == CODE_EXIT || (insn->code & 0xf0) == 0x80) /* exit; calls through a register */
        return RESULT_OK;
    if (insn->code == CODE_JA32) {
        insn->imm = (int32_t)distance(l, old, insn->imm);
        return RESULT_OK;
    }
    off = distance(l, old, insn->off);
    if (off >= INT16_MIN && off <= INT16_MAX) {
        insn->off = (int16_t)off;
    } else if (insn->code == CODE_JA) {
        *insn = insn_make(CODE_JA32, 0, 0, 0, (int32_t)off);
    } else {
        diag_error(l->diag, "insn %u: the jump no longer reaches its target in the program for the provider's context",
                   old);
        return RESULT_TOO_BIG;
    }
    return RESULT_OK;
}

static enum result move_records(struct lowering *l, struct arena *arena, struct image *image)
{
    const struct image *from = l->image;
    struct image_func *funcs = arena_array(arena, from->func_count, sizeof *funcs);
    struct image_line *lines = arena_array(arena, from->line_count, sizeof *lines);
    if (!funcs || !lines)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < from->func_count; i++) {
        funcs[i] = from->funcs[i];
        funcs[i].insn = l->to_new[funcs[i].insn];
    }
    for (uint32_t i = 0; i < from->line_count; i++) {
        lines[i] = from->lines[i];
        lines[i].insn = l->to_new[lines[i].insn];
    }
    image->funcs = funcs;
    image->lines = lines;
    return RESULT_OK;
}

/* Room for all replacements: stores to the context may grow. */
static uint32_t room_for(const struct image *image, const uint8_t *flags)
{
    uint32_t room = image->insn_count + WIDEST;
    for (uint32_t i = 0; i < image->insn_count && room <= ISA_MAX_INSNS; i++) {
        uint8_t class = image->insns[i].code & 7;
        if (flags[i] & LOWER_CONTEXT && (class == CLASS_ST || class == CLASS_STX))
            room += WIDEST - 1;
    }
    return room + WIDEST;
}

enum result lower(const struct image *image, const struct program_contract *contract, const uint8_t *insns,
                  struct arena *arena, const struct diag *diag, struct lowered *out)
{
    struct lowering l = {.image = image, .contract = contract, .flags = insns, .diag = diag};
    uint32_t room = room_for(image, insns);
    memset(out, 0, sizeof *out);
    l.layout = contract_context(contract, image->personality, image->attach_type);
    l.insns = arena_array(arena, room, sizeof *l.insns);
    l.to_old = arena_array(arena, room, sizeof *l.to_old);
    l.to_new = arena_array(arena, (size_t)image->insn_count + 1, sizeof *l.to_new);
    if (!l.insns || !l.to_old || !l.to_new)
        return RESULT_NO_MEMORY;
    enum result result = write_all(&l);
    for (uint32_t i = 0; !result && i < image->insn_count; i++) {
        bool wide = insn_is_lddw(&image->insns[i]);
        result = link_one(&l, i);
        i += wide;
    }
    out->image = *image;
    out->image.insns = l.insns;
    out->image.insn_count = l.count;
    out->to_new = l.to_new;
    out->to_old = l.to_old;
    if (!result)
        result = move_records(&l, arena, &out->image);
    return result ? result : image_check(&out->image, diag);
}

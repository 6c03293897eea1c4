/* SPDX-License-Identifier: MIT
 *
 * The generator writes statements, each of them one operation of isa.def together with the instructions that give it
 * legal and telling operands.  What makes a program valid is kept as two sets of registers: *scalars*, the registers
 * that hold a number on every path to here, and *locked*, the registers that statements must not write (the buffer's
 * pointer, the context, loop counters).  A register in neither set may hold a pointer or nothing, and is only ever
 * overwritten.  Where paths join the scalars are intersected; at a loop's end the scalars it began with are restored.
 * Locked registers are among r6 to r9, so a call never destroys one.
 *
 * Termination of programs: jumps go forward but for loops of at most 4 turns, in them of 2 (the kernel's verifier walks
 * every turn); a function calls only functions behind it.
 */
#include <string.h>
#include "kernel/generate.h"

enum form_kind {
    FORM_NEVER,
    FORM_ALU_IMM,
    FORM_ALU_REG,
    FORM_UNARY, /* reads and writes dst */
    FORM_MOVE,  /* reads src, writes dst */
    FORM_JUMP_IMM,
    FORM_JUMP_REG,
    FORM_LOAD,
    FORM_STORE_IMM,
    FORM_STORE_REG,
    FORM_ATOMIC,
    FORM_ATOMIC_FETCH,
    FORM_COMPARE_EXCHANGE,
    FORM_LOAD_ACQUIRE,
    FORM_STORE_RELEASE,
    FORM_LDDW,
    FORM_LEGACY,
    FORM_OTHER,
};

/* An operation's fixed bits. */
struct form {
    uint8_t kind, code, bits, src;
    int16_t off;
    int32_t imm;
};

enum { MOVE_CODE = 0xb0 };

#define ALU_KIND(code, reg) ((reg) ? ((code) == MOVE_CODE ? FORM_MOVE : FORM_ALU_REG) : FORM_ALU_IMM)

static const struct form forms[ISA_OPS] = {
#define ALU(NAME, code, off, group, symbol, value)                                                                     \
    [ISA_##NAME##64_IMM] = {ALU_KIND(code, 0), 0x07 | (code), 64, 0, off, 0},                                          \
    [ISA_##NAME##64_REG] = {ALU_KIND(code, 1), 0x0f | (code), 64, 0, off, 0},                                          \
    [ISA_##NAME##32_IMM] = {ALU_KIND(code, 0), 0x04 | (code), 32, 0, off, 0},                                          \
    [ISA_##NAME##32_REG] = {ALU_KIND(code, 1), 0x0c | (code), 32, 0, off, 0},
#define ALU1(NAME, code, group, symbol, value)                                                                         \
    [ISA_##NAME##64] = {FORM_UNARY, 0x07 | (code), 64, 0, 0, 0},                                                       \
    [ISA_##NAME##32] = {FORM_UNARY, 0x04 | (code), 32, 0, 0, 0},
#define MOVSX(NAME, bits, group)                                                                                       \
    [ISA_##NAME##_64] = {FORM_MOVE, 0xbf, 64, 0, bits, 0},                                                             \
    [ISA_##NAME##_32] = {(bits) < 32 ? FORM_MOVE : FORM_NEVER, 0xbc, 32, 0, bits, 0},
#define END(NAME, code, bits, group, symbol, value) [ISA_##NAME] = {FORM_UNARY, code, 64, 0, 0, bits},
#define JMP(NAME, code, group, symbol, condition)                                                                      \
    [ISA_##NAME##64_IMM] = {FORM_JUMP_IMM, 0x05 | (code), 64, 0, 0, 0},                                                \
    [ISA_##NAME##64_REG] = {FORM_JUMP_REG, 0x0d | (code), 64, 0, 0, 0},                                                \
    [ISA_##NAME##32_IMM] = {FORM_JUMP_IMM, 0x06 | (code), 32, 0, 0, 0},                                                \
    [ISA_##NAME##32_REG] = {FORM_JUMP_REG, 0x0e | (code), 32, 0, 0, 0},
#define LDX(NAME, code, bits, signed_, group) [ISA_##NAME] = {FORM_LOAD, code, bits, 0, 0, 0},
#define ST(NAME, code, bits)                  [ISA_##NAME] = {FORM_STORE_IMM, code, bits, 0, 0, 0},
#define STX(NAME, code, bits)                 [ISA_##NAME] = {FORM_STORE_REG, code, bits, 0, 0, 0},
#define ATOMIC(NAME, imm, fetch, symbol, value)                                                                        \
    [ISA_##NAME##64] = {(fetch) ? FORM_ATOMIC_FETCH : FORM_ATOMIC, 0xdb, 64, 0, 0, imm},                               \
    [ISA_##NAME##32] = {(fetch) ? FORM_ATOMIC_FETCH : FORM_ATOMIC, 0xc3, 32, 0, 0, imm},
#define ATOMIC2(NAME, imm)                                                                                             \
    [ISA_##NAME##64] = {(imm) == 0xf1 ? FORM_COMPARE_EXCHANGE : FORM_ATOMIC_FETCH, 0xdb, 64, 0, 0, imm},               \
    [ISA_##NAME##32] = {(imm) == 0xf1 ? FORM_COMPARE_EXCHANGE : FORM_ATOMIC_FETCH, 0xc3, 32, 0, 0, imm},
#define LDACQ(NAME, code, bits)            [ISA_##NAME] = {FORM_LOAD_ACQUIRE, code, bits, 0, 0, 0x100},
#define STREL(NAME, code, bits)            [ISA_##NAME] = {FORM_STORE_RELEASE, code, bits, 0, 0, 0x110},
#define LDDW(NAME, src, text)              [ISA_##NAME] = {FORM_LDDW, 0x18, 64, src, 0, 0},
#define LEGACY(NAME, code, bits, indirect) [ISA_##NAME] = {FORM_LEGACY, code, bits, indirect, 0, 0},
#define OTHER(NAME, code, src, text)       [ISA_##NAME] = {FORM_OTHER, code, 64, src, 0, 0},
#include "isa/isa.def"
};

enum { MAIN_STACK = 128, CALLEE_STACK = 32, MOST_CALLS = 64, DEEPEST = 4, NO_REGISTER = 16 };

/* How a function takes its pointers: the numbers of the registers that carry the buffer and, or 0, 8 bytes of the
 * caller's stack. */
struct signature {
    unsigned buffer, lent;
    bool called;
};

struct fixup {
    uint32_t at;
    unsigned function;
};

struct generator {
    struct program *out;
    uint64_t random;
    enum isa_op about;
    uint32_t end;             /* no new statement from this slot on */
    unsigned scalars, locked; /* sets of registers */
    unsigned buffer, lent;    /* registers of the function's pointers; lent may be NO_REGISTER */
    unsigned function, functions;
    int stack; /* bytes of scalars below r10; the buffer's pointer is spilled below them */
    unsigned depth, loops;
    bool certain, legacy, chain;
    struct signature signatures[PROGRAM_FUNCTIONS];
    struct fixup fixups[MOST_CALLS];
    unsigned fixup_count;
};

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint32_t below(struct generator *g, uint32_t n)
{
    return (uint32_t)((random_next(&g->random) >> 32) * n >> 32);
}

static bool one_in(struct generator *g, uint32_t n)
{
    return below(g, n) == 0;
}

/* Values where carries, signs and truncations change. */
static uint64_t telling_u64(uint64_t *state)
{
    static const uint64_t edges[] = {
        0,
        1,
        2,
        3,
        7,
        0x7f,
        0x80,
        0xff,
        0x100,
        0x7fff,
        0x8000,
        0xffff,
        0x10000,
        0x7ffffffe,
        0x7fffffff,
        0x80000000,
        0x80000001,
        0xfffffffe,
        0xffffffff,
        0x100000000,
        0x1ffffffff,
        0x123456789abcdef0,
        0x7fffffffffffffff,
        0x8000000000000000,
        0x8000000000000001,
        0xffffffff00000000,
        0xffffffff7fffffff,
        0xffffffff80000000,
        0xffffffffffff8000,
        0xffffffffffffff80,
        0xfffffffffffffffe,
        0xffffffffffffffff,
    };
    uint64_t pick = random_next(state), value = random_next(state);
    switch (pick & 7) {
    case 0: return value;
    case 1: return value >> (pick >> 8 & 63);
    case 2: return (uint64_t)1 << (pick >> 8 & 63);
    case 3: return ((uint64_t)1 << (pick >> 8 & 63)) - (value & 3) + 1;
    default: return edges[(pick >> 8) % (sizeof(edges) / sizeof(edges[0]))];
    }
}

static int32_t telling_imm(struct generator *g)
{
    if (one_in(g, 4))
        return (int32_t)below(g, 256) - 128;
    return (int32_t)telling_u64(&g->random);
}

static uint32_t put(struct generator *g, enum isa_op op, unsigned dst, unsigned src, int off, int32_t imm)
{
    struct program *out = g->out;
    const struct form *form = &forms[op];
    uint32_t at = out->count;
    if (at + 2 > PROGRAM_CAPACITY)
        return at;
    if (form->kind == FORM_LDDW || form->kind == FORM_OTHER)
        src |= form->src;
    out->insns[out->count++] = insn_make(form->code, dst, src, off | form->off, imm | form->imm);
    uint8_t use = g->certain ? USE_CERTAIN : USE_POSSIBLE;
    if (out->used[op] < use)
        out->used[op] = use;
    return at;
}

static void put_lddw(struct generator *g, enum isa_op op, unsigned dst, int32_t imm, int32_t next)
{
    put(g, op, dst, 0, 0, imm);
    g->out->insns[g->out->count++] = insn_make(0, 0, 0, 0, next);
}

static void wrote(struct generator *g, unsigned reg)
{
    g->scalars |= 1u << reg;
}

/* A register of the set; NO_REGISTER if it is empty. */
static unsigned choose(struct generator *g, unsigned set)
{
    unsigned count = 0;
    for (unsigned r = 0; r < 10; r++)
        count += set >> r & 1;
    if (!count)
        return NO_REGISTER;
    unsigned n = below(g, count);
    for (unsigned r = 0;; r++)
        if (set >> r & 1 && !n--)
            return r;
}

/* A register that may be overwritten, none of `except`. */
static unsigned target(struct generator *g, unsigned except)
{
    return choose(g, 0x3ff & ~g->locked & ~except);
}

static void load_constant(struct generator *g, unsigned reg, uint64_t value)
{
    if (value == (uint64_t)(int64_t)(int32_t)value && !one_in(g, 4))
        put(g, ISA_MOV64_IMM, reg, 0, 0, (int32_t)value);
    else if (value == (uint32_t)value && one_in(g, 2))
        put(g, ISA_MOV32_IMM, reg, 0, 0, (int32_t)value);
    else
        put_lddw(g, ISA_LDDW_IMM, reg, (int32_t)value, (int32_t)(value >> 32));
    wrote(g, reg);
}

/* Gives the register a number: an edge value, or one that only running tells. */
static void refresh(struct generator *g, unsigned reg)
{
    if (one_in(g, 2)) {
        put(g, ISA_LDXDW, reg, g->buffer, (int)below(g, WORLD_BUFFER - 7), 0);
        wrote(g, reg);
    } else {
        load_constant(g, reg, telling_u64(&g->random));
    }
}

/* A register to read a number from. */
static unsigned source(struct generator *g)
{
    unsigned reg = choose(g, g->scalars);
    if (reg == NO_REGISTER)
        refresh(g, reg = 0);
    return reg;
}

/* A register to read and overwrite, none of `except`. */
static unsigned operand(struct generator *g, unsigned except)
{
    unsigned reg = choose(g, g->scalars & ~g->locked & ~except);
    if (reg == NO_REGISTER || one_in(g, 6))
        refresh(g, reg = target(g, except));
    return reg;
}

struct place {
    unsigned base;
    int off;
};

/* A pointer in a register of its own, from here on no number. */
static unsigned pointer(struct generator *g, unsigned except, unsigned from)
{
    unsigned reg = target(g, except);
    put(g, ISA_MOV64_REG, reg, from, 0, 0);
    g->scalars &= ~(1u << reg);
    return reg;
}

/* A number from 0 to `mask` that only running tells, in a register of its own. */
static unsigned masked(struct generator *g, unsigned except, int32_t mask)
{
    unsigned from = source(g), reg = target(g, except);
    put(g, one_in(g, 4) ? ISA_MOV32_REG : ISA_MOV64_REG, reg, from, 0, 0);
    put(g, one_in(g, 2) ? ISA_AND32_IMM : ISA_AND64_IMM, reg, 0, 0, mask);
    wrote(g, reg);
    return reg;
}

/* An offset in [0, room - size], a multiple of `align`.  Often among the first 32, so that accesses overlap. */
static int within(struct generator *g, int room, int size, int align)
{
    if (room > 64 && one_in(g, 2))
        room = 32 + size;
    return (int)below(g, (uint32_t)((room - size) / align + 1)) * align;
}

/* base register + variable offset, both new: `room` bytes begin at from + start. */
static struct place variable_place(struct generator *g, unsigned except, unsigned from, int start, int room, int size,
                                   int align)
{
    int32_t mask = (int32_t)((8u << below(g, 5)) - 1);
    if (one_in(g, 4))
        mask &= (int32_t)below(g, 256);
    while (mask + size > room)
        mask >>= 1;
    mask &= ~(align - 1);
    int rest = within(g, room - mask, size, align);
    unsigned index = masked(g, except, mask);
    except |= 1u << index;
    struct place place;
    if (from < 10 && one_in(g, 4)) { /* a number plus a pointer is a pointer, too */
        place.base = target(g, except);
        put(g, ISA_MOV64_REG, place.base, index, 0, 0);
        put(g, ISA_ADD64_REG, place.base, from, 0, 0);
        place.off = start + rest;
    } else if (!g->out->kernel && one_in(g, 3)) { /* the kernel subtracts only constants from pointers */
        place.base = pointer(g, except, from);
        put(g, ISA_ADD64_IMM, place.base, 0, 0, mask + start);
        put(g, ISA_SUB64_REG, place.base, index, 0, 0);
        place.off = rest;
    } else {
        place.base = pointer(g, except, from);
        put(g, ISA_ADD64_REG, place.base, index, 0, 0);
        place.off = start + rest;
    }
    g->scalars &= ~(1u << place.base);
    return place;
}

/* Memory of `size` bytes to read and write.  The instructions that make its address leave the registers `except`
 * alone.  On the stack only aligned places are legal, elsewhere too with `aligned`. */
static struct place memory(struct generator *g, unsigned except, int size, bool aligned)
{
    struct place place = {g->buffer, 0};
    int align = aligned ? size : 1;
    unsigned kind = below(g, 12);
    if (kind == 8 && aligned && g->out->kernel) /* no atomics there */
        kind = 7;
    switch (kind) {
    default: place.off = within(g, WORLD_BUFFER, size, align); break;
    case 3:
    case 4:
        place.base = 10;
        place.off = within(g, g->stack, size, size) - g->stack;
        break;
    case 5:
    case 6: place = variable_place(g, except, g->buffer, 0, WORLD_BUFFER, size, align); break;
    case 7: {
        int at = within(g, g->stack, size, size) - g->stack, part = (int)below(g, 64) - 32;
        place.base = pointer(g, except, 10);
        if (g->out->kernel || one_in(g, 2)) /* the kernel subtracts nothing from a pointer to the stack */
            put(g, ISA_ADD64_IMM, place.base, 0, 0, at - part);
        else
            put(g, ISA_SUB64_IMM, place.base, 0, 0, part - at);
        place.off = part;
        break;
    }
    case 8: place = variable_place(g, except, 10, -g->stack, g->stack, size, size); break;
    case 9:
        place.base = target(g, except);
        put(g, ISA_LDXDW, place.base, 10, -g->stack - 8, 0);
        g->scalars &= ~(1u << place.base);
        place.off = within(g, WORLD_BUFFER, size, align);
        if (one_in(g, 2)) {
            int part = (int)below(g, 64) - 32;
            put(g, ISA_SUB64_IMM, place.base, 0, 0, part);
            place.off += part;
        }
        break;
    case 10:
        if (g->lent != NO_REGISTER) {
            place.base = g->lent;
            place.off = within(g, 8, size, size);
        } else {
            place.off = within(g, WORLD_BUFFER, size, align);
        }
        break;
    case 11: {
        int at = (int)below(g, (uint32_t)(WORLD_BUFFER - size + 1)) & ~(align - 1);
        int part = (int)below(g, (uint32_t)at + 1);
        place.base = target(g, except);
        put_lddw(g, ISA_LDDW_MAP_INDEX_VALUE, place.base, 0, part);
        g->scalars &= ~(1u << place.base);
        place.off = at - part;
        break;
    }
    }
    return place;
}

static void statement(struct generator *g);

static void block(struct generator *g, unsigned most)
{
    unsigned n = 1 + below(g, most);
    g->depth++;
    while (n-- && g->out->count < g->end)
        statement(g);
    g->depth--;
}

static void patch(struct generator *g, uint32_t at, uint32_t to)
{
    struct insn *insn = &g->out->insns[at];
    int distance = (int)to - (int)at - 1;
    if (insn->code == 0x06)
        insn->imm = distance;
    else
        insn->off = (int16_t)distance;
}

static uint32_t put_goto(struct generator *g)
{
    return put(g, g->about == ISA_JA || (g->about != ISA_JA32 && one_in(g, 2)) ? ISA_JA : ISA_JA32, 0, 0, 0, 0);
}

/* What a conditional jump at `jump` may skip; `scalars` held at the jump. */
static void conditional(struct generator *g, uint32_t jump, bool wants_goto)
{
    bool certain = g->certain;
    unsigned before = g->scalars;
    g->certain = false;
    if (!wants_goto && one_in(g, 24)) { /* leave the function early */
        unsigned reg = source(g);
        put(g, ISA_MOV64_REG, 0, reg, 0, 0);
        put(g, ISA_EXIT, 0, 0, 0, 0);
        patch(g, jump, g->out->count);
        g->scalars = before;
        return; /* what follows is no longer certain to run */
    }
    block(g, 3);
    if (wants_goto || one_in(g, 3)) {
        uint32_t over = put_goto(g);
        unsigned first = g->scalars;
        patch(g, jump, g->out->count);
        g->scalars = before;
        block(g, 3);
        patch(g, over, g->out->count);
        g->scalars &= first;
    } else {
        patch(g, jump, g->out->count);
    }
    g->scalars &= before;
    g->certain = certain;
}

/* Makes the operands of a comparison close to each other, so that < and <= differ, and for a comparison of 32 bits
 * lets their upper halves differ. */
static void approach(struct generator *g, unsigned dst, unsigned src, int32_t imm, const struct form *form)
{
    if (form->kind == FORM_JUMP_REG)
        put(g, ISA_MOV64_REG, dst, src, 0, 0);
    else
        put(g, ISA_MOV64_IMM, dst, 0, 0, imm);
    int32_t step = (int32_t)below(g, 3) - 1;
    if (step)
        put(g, ISA_ADD64_IMM, dst, 0, 0, step);
    if (form->bits == 32 && one_in(g, 2)) {
        unsigned high = target(g, 1u << dst | 1u << src);
        load_constant(g, high, telling_u64(&g->random));
        put(g, ISA_LSH64_IMM, high, 0, 0, 32);
        put(g, ISA_XOR64_REG, dst, high, 0, 0);
    }
}

static void jump(struct generator *g, enum isa_op op, bool wants_goto)
{
    const struct form *form = &forms[op];
    unsigned dst, src = 0;
    int32_t imm = 0;
    if (form->kind == FORM_JUMP_REG) {
        src = source(g);
        if (one_in(g, 3)) {
            dst = target(g, 1u << src);
            approach(g, dst, src, 0, form);
            wrote(g, dst);
        } else {
            dst = source(g);
        }
    } else {
        imm = telling_imm(g);
        if (one_in(g, 3)) {
            dst = target(g, 0);
            approach(g, dst, dst, imm, form);
            wrote(g, dst);
        } else {
            dst = source(g);
        }
    }
    conditional(g, put(g, op, dst, src, 0, imm), wants_goto);
}

static void may_goto(struct generator *g)
{
    uint32_t at = put(g, ISA_MAY_GOTO, 0, 0, 0, 0);
    unsigned before = g->scalars;
    block(g, 3);
    g->scalars &= before;
    patch(g, at, g->out->count);
}

/* A loop whose counter is a locked register.  Tested at the bottom by a conditional jump back, or at the top with a
 * goto back; a may_goto may watch over it. */
static void loop(struct generator *g)
{
    unsigned counter = choose(g, 0x3c0 & ~g->locked);
    if (counter == NO_REGISTER || g->loops >= 2 || g->depth >= 3)
        return;
    int32_t turns = 1 + (int32_t)below(g, g->loops ? 2 : 4);
    bool down = one_in(g, 2), top = one_in(g, 2);
    put(g, one_in(g, 2) ? ISA_MOV64_IMM : ISA_MOV32_IMM, counter, 0, 0, down ? turns : 0);
    wrote(g, counter);
    g->locked |= 1u << counter;
    g->loops++;
    unsigned entry = g->scalars;
    uint32_t start = g->out->count, leave = 0, budget = 0;
    bool watched = g->function == 0 && (g->about == ISA_MAY_GOTO || one_in(g, 6));
    if (watched)
        budget = put(g, ISA_MAY_GOTO, 0, 0, 0, 0);
    if (top) {
        static const enum isa_op up_ops[] = {ISA_JGE64_IMM, ISA_JEQ64_IMM, ISA_JSGE32_IMM, ISA_JGE32_IMM};
        static const enum isa_op down_ops[] = {ISA_JEQ64_IMM, ISA_JSLE64_IMM, ISA_JEQ32_IMM, ISA_JLT64_IMM};
        unsigned form = below(g, 4);
        leave = put(g, down ? down_ops[form] : up_ops[form], counter, 0, 0, down ? (form == 3 ? 1 : 0) : turns);
    }
    unsigned depth = g->depth, loops = g->loops;
    if (watched) { /* no branches: the kernel's verifier widens what changes here and may not come to an end */
        g->depth = DEEPEST;
        g->loops = 2;
    }
    block(g, 4);
    g->depth = depth;
    g->loops = loops;
    for (unsigned r = 0; r < 10; r++)
        if (entry >> r & 1 && !(g->scalars >> r & 1))
            refresh(g, r);
    put(g, one_in(g, 2) ? ISA_ADD64_IMM : ISA_ADD32_IMM, counter, 0, 0, down ? -1 : 1);
    if (top) {
        patch(g, put_goto(g), start);
        patch(g, leave, g->out->count);
    } else {
        static const enum isa_op up_ops[] = {ISA_JLT64_IMM, ISA_JNE64_IMM, ISA_JSLT32_IMM, ISA_JLT32_IMM};
        static const enum isa_op down_ops[] = {ISA_JNE64_IMM, ISA_JSGT64_IMM, ISA_JNE32_IMM, ISA_JGT64_IMM};
        unsigned form = below(g, 4);
        patch(g, put(g, down ? down_ops[form] : up_ops[form], counter, 0, 0, down ? 0 : turns), start);
    }
    if (watched)
        patch(g, budget, g->out->count);
    g->scalars = entry;
    g->loops--;
    g->locked &= ~(1u << counter);
}

/* A key of the table on the stack, and a pointer to it in r2. */
static void key_argument(struct generator *g, unsigned entries)
{
    int at = within(g, g->stack, 4, 4) - g->stack;
    if (one_in(g, 3)) {
        put(g, ISA_STW, 10, 0, at, (int32_t)below(g, entries + entries / 2));
    } else {
        unsigned reg = masked(g, 0, (int32_t)(entries * 2 - 1));
        put(g, ISA_STXW, 10, reg, at, 0);
    }
    put(g, ISA_MOV64_REG, 2, 10, 0, 0);
    put(g, ISA_ADD64_IMM, 2, 0, 0, at);
}

static void called(struct generator *g)
{
    g->scalars &= ~0x3eu;
    wrote(g, 0);
}

static void access_by(struct generator *g, enum isa_op op, struct place place, unsigned except);

static void call_helper(struct generator *g)
{
    enum world_helper which = (enum world_helper)below(g, WORLD_HELPERS + 2);
    if (which == WORLD_CSUM_DIFF) {
        for (unsigned argument = 1; argument < 5; argument += 2) {
            int size = (int)below(g, 5) * 4;
            bool stack = size && size <= g->stack && one_in(g, 2);
            int at = stack ? within(g, g->stack, size, 4) - g->stack : within(g, WORLD_BUFFER, size, 1);
            if (size || one_in(g, 2)) {
                put(g, ISA_MOV64_REG, argument, stack ? 10 : g->buffer, 0, 0);
                put(g, ISA_ADD64_IMM, argument, 0, 0, at);
            } else {
                put(g, ISA_MOV64_IMM, argument, 0, 0, 0);
            }
            put(g, ISA_MOV64_IMM, argument + 1, 0, 0, size);
        }
        g->scalars &= ~0x1eu;
        g->scalars |= 1u << 2 | 1u << 4;
        unsigned seed = source(g);
        put(g, ISA_MOV64_REG, 5, seed, 0, 0);
        put(g, ISA_CALL_HELPER, 0, 0, 0, WORLD_CSUM_DIFF);
        called(g);
        return;
    }
    bool table = which >= WORLD_LOOKUP && (which == WORLD_UPDATE || which == WORLD_DELETE || !one_in(g, 4));
    if (which == WORLD_UPDATE) { /* flags: any, no-exist, exist, or none the map knows */
        if (one_in(g, 2)) {
            put(g, ISA_MOV64_IMM, 4, 0, 0, one_in(g, 4) ? (int32_t)below(g, 6) : 2 * (int32_t)below(g, 2));
        } else {
            unsigned reg = masked(g, 0, one_in(g, 2) ? 3 : 2);
            put(g, ISA_MOV64_REG, 4, reg, 0, 0);
        }
        g->scalars |= 1u << 4;
    }
    g->locked |= 1u << 4;
    key_argument(g, table ? WORLD_ENTRIES : 1);
    g->locked &= ~(1u << 4);
    put_lddw(g, ISA_LDDW_MAP_INDEX, 1, table ? 1 : 0, 0);
    if (which == WORLD_UPDATE) {
        if (g->stack >= WORLD_VALUE && one_in(g, 2)) {
            put(g, ISA_MOV64_REG, 3, 10, 0, 0);
            put(g, ISA_ADD64_IMM, 3, 0, 0, within(g, g->stack, WORLD_VALUE, 8) - g->stack);
        } else {
            put(g, ISA_MOV64_REG, 3, g->buffer, 0, 0);
            put(g, ISA_ADD64_IMM, 3, 0, 0, within(g, WORLD_BUFFER, WORLD_VALUE, 1));
        }
    }
    if (which == WORLD_UPDATE || which == WORLD_DELETE) {
        put(g, ISA_CALL_HELPER, 0, 0, 0, (int32_t)which);
        called(g);
        return;
    }
    put(g, ISA_CALL_HELPER, 0, 0, 0, WORLD_LOOKUP);
    called(g);
    g->scalars &= ~1u;
    if (!g->scalars)
        refresh(g, target(g, 1u));
    /* r0 is a value or NULL: in the one case use it, and make it a number; in the other it is 0. */
    unsigned before = g->scalars | 1u;
    bool certain = g->certain;
    uint32_t null = put(g, ISA_JEQ64_IMM, 0, 0, 0, 0), skip = 0;
    bool negated = one_in(g, 3);
    if (negated) {
        g->out->insns[null].code = forms[ISA_JNE64_IMM].code;
        skip = put_goto(g);
        patch(g, null, g->out->count);
    }
    g->certain = false;
    static const enum isa_op accesses[] = {ISA_LDXDW,   ISA_LDXW,   ISA_LDXSB,        ISA_STXDW,
                                           ISA_STXW,    ISA_STH,    ISA_ATOMIC_ADD64, ISA_ATOMIC_FETCH_XOR32,
                                           ISA_LDACQ16, ISA_STREL64};
    int limit = table ? WORLD_VALUE : WORLD_BUFFER;
    for (unsigned n = 1 + below(g, 3); n; n--) {
        enum isa_op op = accesses[below(g, sizeof(accesses) / sizeof(accesses[0]))];
        int size = forms[op].bits / 8;
        access_by(g, op, (struct place){0, within(g, limit, size, size)}, 1u);
    }
    refresh(g, 0);
    patch(g, negated ? skip : null, g->out->count);
    g->scalars &= before;
    g->certain = certain;
}

/* A call of a function behind this one; through a register where the kernel need not take the program. */
static void call_local(struct generator *g, bool through_register)
{
    unsigned callee = g->function + 1;
    if (callee >= g->functions || g->fixup_count == MOST_CALLS)
        return;
    if (!g->chain)
        callee += below(g, g->functions - callee);
    struct signature *signature = &g->signatures[callee];
    for (unsigned r = 1; r < 6; r++) {
        if (r == signature->buffer || r == signature->lent)
            continue;
        if (g->scalars >> r & 1 && one_in(g, 2))
            continue;
        if (one_in(g, 3)) {
            refresh(g, r);
        } else {
            unsigned from = source(g);
            put(g, one_in(g, 3) ? ISA_MOV32_REG : ISA_MOV64_REG, r, from, 0, 0);
            wrote(g, r);
        }
    }
    put(g, ISA_MOV64_REG, signature->buffer, g->buffer, 0, 0);
    g->scalars &= ~(1u << signature->buffer);
    if (signature->lent) {
        g->scalars &= ~(1u << signature->lent);
        put(g, ISA_MOV64_REG, signature->lent, 10, 0, 0);
        put(g, ISA_ADD64_IMM, signature->lent, 0, 0, within(g, g->stack, 8, 8) - g->stack);
    }
    if (through_register && !g->out->kernel) {
        unsigned reg = choose(g, 0x3c1 & ~g->locked);
        if (reg == NO_REGISTER)
            return;
        g->fixups[g->fixup_count++] = (struct fixup){g->out->count, callee};
        put_lddw(g, ISA_LDDW_CODE, reg, 0, 0);
        g->scalars &= ~(1u << reg);
        put(g, ISA_CALLX, reg, 0, 0, 0);
    } else {
        g->fixups[g->fixup_count++] = (struct fixup){g->out->count, callee};
        put(g, ISA_CALL_LOCAL, 0, 0, 0, 0);
    }
    signature->called = true;
    called(g);
}

static void legacy(struct generator *g, enum isa_op op)
{
    const struct form *form = &forms[op];
    bool outside = one_in(g, 32);
    int32_t imm = outside ? WORLD_PACKET - 3 + (int32_t)below(g, 8) : (int32_t)below(g, WORLD_PACKET / 2 - 3);
    if (form->src) {
        unsigned index = masked(g, 0, WORLD_PACKET / 2 - 1);
        put(g, op, 0, index, 0, imm);
    } else {
        put(g, op, 0, 0, 0, imm);
    }
    if (outside)
        g->certain = false;
    called(g);
}

/* A load, store or atomic at `place`. */
static void access_by(struct generator *g, enum isa_op op, struct place place, unsigned except)
{
    const struct form *form = &forms[op];
    unsigned reg;
    switch (form->kind) {
    case FORM_LOAD:
    case FORM_LOAD_ACQUIRE:
        reg = target(g, except);
        put(g, op, reg, place.base, place.off, 0);
        wrote(g, reg);
        break;
    case FORM_STORE_IMM: put(g, op, place.base, 0, place.off, telling_imm(g)); break;
    case FORM_ATOMIC_FETCH:
        reg = choose(g, g->scalars & ~g->locked & ~except);
        if (reg == NO_REGISTER)
            refresh(g, reg = target(g, except));
        put(g, op, place.base, reg, place.off, 0);
        wrote(g, reg);
        break;
    default:
        reg = source(g);
        put(g, op, place.base, reg, place.off, 0);
        break;
    }
}

/* Linux 6.18's verifier does not count what an atomic fetches from the stack as read: it may prune a path on which the
 * slot held something else, and then remove branches that the fetched number decides.  So it must not know the number.
 */
static void hide(struct generator *g, unsigned reg, struct place place)
{
    if (!g->out->kernel || place.base == g->buffer)
        return;
    unsigned unknown = target(g, 1u << reg);
    put(g, ISA_LDXDW, unknown, g->buffer, (int)below(g, WORLD_BUFFER - 7), 0);
    put(g, ISA_XOR64_REG, reg, unknown, 0, 0);
    wrote(g, unknown);
}

static void access_memory(struct generator *g, enum isa_op op)
{
    const struct form *form = &forms[op];
    int size = form->bits / 8;
    unsigned reg;
    struct place place;
    switch (form->kind) {
    case FORM_LOAD:
    case FORM_LOAD_ACQUIRE:
        place = memory(g, 0, size, form->kind == FORM_LOAD_ACQUIRE);
        reg = target(g, 0);
        put(g, op, reg, place.base, place.off, 0);
        wrote(g, reg);
        break;
    case FORM_STORE_IMM:
        place = memory(g, 0, size, false);
        put(g, op, place.base, 0, place.off, telling_imm(g));
        break;
    case FORM_ATOMIC_FETCH:
        reg = operand(g, 0);
        place = memory(g, 1u << reg, size, true);
        put(g, op, place.base, reg, place.off, 0);
        hide(g, reg, place);
        break;
    case FORM_COMPARE_EXCHANGE:
        reg = operand(g, 1u);
        if (!(g->scalars & 1u))
            refresh(g, 0);
        place = memory(g, 1u << reg | 1u, size, true);
        if (one_in(g, 2)) /* so that it succeeds */
            put(g, size == 8 ? ISA_LDXDW : ISA_LDXW, 0, place.base, place.off, 0);
        if (size == 4 && one_in(g, 2)) { /* the upper half of r0 has no say */
            unsigned high = target(g, 1u << reg | 1u | (place.base < 10 ? 1u << place.base : 0));
            load_constant(g, high, telling_u64(&g->random));
            put(g, ISA_LSH64_IMM, high, 0, 0, 32);
            put(g, ISA_XOR64_REG, 0, high, 0, 0);
        }
        put(g, op, place.base, reg, place.off, 0);
        /* RFC 9669 zero-extends r0.  Linux 6.18 keeps the upper half of r0 when the exchange succeeds and the path
         * to r0's next reader was pruned (its verifier then does not know that somebody reads all of r0). */
        if (size == 4 && g->out->kernel)
            put(g, ISA_MOV32_REG, 0, 0, 0, 0);
        hide(g, 0, place);
        break;
    default: /* STX, atomics without fetch, store-release */
        reg = source(g);
        place = memory(g, 1u << reg, size, form->kind != FORM_STORE_REG);
        put(g, op, place.base, reg, place.off, 0);
        break;
    }
}

static bool is_shift(enum isa_op op)
{
    unsigned code = forms[op].code & 0xf0;
    return code == 0x60 || code == 0x70 || code == 0xc0;
}

static bool is_division(enum isa_op op)
{
    unsigned code = forms[op].code & 0xf0;
    return code == 0x30 || code == 0x90;
}

static void arithmetic(struct generator *g, enum isa_op op)
{
    const struct form *form = &forms[op];
    unsigned dst, src;
    int32_t imm;
    switch (form->kind) {
    case FORM_UNARY:
        dst = operand(g, 0);
        put(g, op, dst, 0, 0, 0);
        break;
    case FORM_MOVE:
        src = source(g);
        dst = target(g, 0);
        put(g, op, dst, src, 0, 0);
        wrote(g, dst);
        break;
    case FORM_ALU_IMM:
        imm = telling_imm(g);
        if (is_shift(op) && (g->out->kernel || one_in(g, 2)))
            imm &= form->bits - 1;
        if (is_division(op) && g->out->kernel && !imm)
            imm = -1;
        if ((form->code & 0xf0) == MOVE_CODE) {
            dst = target(g, 0);
            put(g, op, dst, 0, 0, imm);
            wrote(g, dst);
        } else {
            dst = operand(g, 0);
            put(g, op, dst, 0, 0, imm);
        }
        break;
    default:
        dst = operand(g, 0);
        src = source(g);
        if (one_in(g, 5))
            refresh(g, src = target(g, 1u << dst));
        put(g, op, dst, src, 0, 0);
        break;
    }
}

const char *program_cannot_hold(enum isa_op op)
{
    switch (op) {
    case ISA_INVALID: return "no operation";
    case ISA_MOVSX32_32: return "no instruction decodes to it: tests/isa";
    case ISA_LDDW_MAP_FD:
    case ISA_LDDW_MAP_VALUE: return "the loader turns handles into indices, the oracle does the reverse: tests/image";
    case ISA_LDDW_VARIABLE: return "the ELF reader resolves it, no image holds it: tests/elf, tests/image";
    case ISA_CALL_KFUNC: return "no engine offers kernel functions; all refuse it: tests/conformance";
    default: return NULL;
    }
}

static void emit(struct generator *g, enum isa_op op)
{
    switch (forms[op].kind) {
    case FORM_NEVER: return;
    case FORM_ALU_IMM:
    case FORM_ALU_REG:
    case FORM_UNARY:
    case FORM_MOVE: arithmetic(g, op); return;
    case FORM_JUMP_IMM:
    case FORM_JUMP_REG:
        if (g->depth < DEEPEST)
            jump(g, op, false);
        return;
    case FORM_LEGACY:
        if (g->legacy && g->function == 0)
            legacy(g, op);
        return;
    case FORM_LDDW:
        if (op == ISA_LDDW_IMM) {
            unsigned reg = target(g, 0);
            uint64_t value = telling_u64(&g->random);
            put_lddw(g, op, reg, (int32_t)value, (int32_t)(value >> 32));
            wrote(g, reg);
        } else if (op == ISA_LDDW_MAP_INDEX) {
            call_helper(g);
        } else if (op == ISA_LDDW_MAP_INDEX_VALUE) {
            unsigned reg = target(g, 0);
            int part = (int)below(g, WORLD_BUFFER - 7);
            put_lddw(g, op, reg, 0, part);
            put(g, ISA_LDXDW, reg, reg, within(g, WORLD_BUFFER - part, 8, 1), 0);
            wrote(g, reg);
        } else if (op == ISA_LDDW_CODE) {
            call_local(g, true);
        }
        return;
    case FORM_OTHER:
        switch ((int)op) {
        case ISA_JA:
        case ISA_JA32:
            if (g->depth < DEEPEST) {
                enum isa_op about = g->about;
                g->about = op; /* put_goto picks this form */
                jump(g, below(g, 2) ? ISA_JLT64_REG : ISA_JSET32_IMM, true);
                g->about = about;
            }
            return;
        case ISA_MAY_GOTO:
            if (g->function == 0 && g->depth < DEEPEST && !g->loops)
                may_goto(g);
            return;
        case ISA_CALL_HELPER: call_helper(g); return;
        case ISA_CALL_LOCAL: call_local(g, false); return;
        case ISA_CALLX: call_local(g, true); return;
        default: return; /* EXIT: every program has one */
        }
    default: access_memory(g, op); return;
    }
}

/* What compilers write and engines therefore treat specially: each is a few plain operations, sometimes with one
 * number off, so that the special treatment must not apply. */
static void idiom(struct generator *g)
{
    unsigned x = source(g), a = target(g, 1u << x), b = target(g, 1u << x | 1u << a);
    bool wide = one_in(g, 2), near = one_in(g, 4);
    int32_t width = wide ? 64 : 32, k = 1 + (int32_t)below(g, (uint32_t)width - 1), rest = width - k;
    if (near)
        rest = (int32_t)below(g, (uint32_t)width);
    enum isa_op move = wide ? ISA_MOV64_REG : ISA_MOV32_REG;
    switch (below(g, 9)) {
    case 0: { /* rotate */
        static const enum isa_op joins[2][3] = {{ISA_OR32_REG, ISA_XOR32_REG, ISA_ADD32_REG},
                                                {ISA_OR64_REG, ISA_XOR64_REG, ISA_ADD64_REG}};
        bool left = one_in(g, 2);
        put(g, move, a, x, 0, 0);
        put(g, wide ? ISA_LSH64_IMM : ISA_LSH32_IMM, a, 0, 0, k);
        put(g, near && one_in(g, 2) ? ISA_MOV64_REG : move, b, x, 0, 0);
        put(g, wide ? ISA_RSH64_IMM : ISA_RSH32_IMM, b, 0, 0, rest);
        put(g, joins[wide][below(g, 3)], left ? a : b, left ? b : a, 0, 0);
        break;
    }
    case 1: /* zero or sign extension by two shifts */
        put(g, move, a, x, 0, 0);
        put(g, wide ? ISA_LSH64_IMM : ISA_LSH32_IMM, a, 0, 0, near ? k : width / 2);
        put(g, one_in(g, 2) ? (wide ? ISA_ARSH64_IMM : ISA_ARSH32_IMM) : (wide ? ISA_RSH64_IMM : ISA_RSH32_IMM), a, 0,
            0, width / 2);
        load_constant(g, b, telling_u64(&g->random));
        break;
    case 2: { /* a number put together from bytes */
        int at = within(g, WORLD_BUFFER, 8, 1);
        put(g, ISA_LDXB, a, g->buffer, at, 0);
        put(g, near ? ISA_LDXSB : ISA_LDXB, b, g->buffer, at + 1, 0);
        if (one_in(g, 3)) /* one of them changes after it was read */
            put(g, ISA_STH, g->buffer, 0, at, telling_imm(g));
        put(g, ISA_LSH64_IMM, b, 0, 0, 8);
        put(g, ISA_OR64_REG, a, b, 0, 0);
        break;
    }
    case 3: { /* read, change, write back; what was read is used after the write */
        static const enum isa_op changes[] = {ISA_ADD64_REG, ISA_SUB64_REG, ISA_XOR64_REG,
                                              ISA_OR32_REG,  ISA_AND64_REG, ISA_ADD32_REG};
        static const enum isa_op loads[] = {ISA_LDXDW, ISA_LDXW, ISA_LDXH, ISA_LDXSW};
        static const enum isa_op stores[] = {ISA_STXDW, ISA_STXW, ISA_STXH, ISA_STXW};
        unsigned form = below(g, 4);
        int size = forms[loads[form]].bits / 8;
        struct place place = {g->buffer, within(g, WORLD_BUFFER, size, 1)};
        if (one_in(g, 2))
            place = (struct place){10, within(g, g->stack, size, size) - g->stack};
        put(g, loads[form], a, place.base, place.off, 0);
        put(g, loads[form], b, place.base, place.off, 0);
        put(g, changes[below(g, 6)], a, x, 0, 0);
        put(g, stores[form], place.base, a, place.off, 0);
        put(g, changes[below(g, 6)], a, b, 0, 0);
        break;
    }
    case 4: /* a copy, whose original changes before the copy is used */
        put(g, move, a, x, 0, 0);
        put(g, ISA_MOV64_REG, b, a, 0, 0);
        put(g, one_in(g, 2) ? ISA_ADD64_IMM : ISA_SUB32_IMM, a, 0, 0, telling_imm(g));
        put(g, one_in(g, 2) ? ISA_ADD64_REG : ISA_SUB64_REG, b, a, 0, 0);
        break;
    case 5: { /* a truth value */
        static const enum isa_op jumps[] = {ISA_JEQ64_REG,  ISA_JGT64_REG, ISA_JSLT32_REG,
                                            ISA_JSET64_REG, ISA_JLE32_REG, ISA_JSGE64_REG};
        unsigned y = source(g);
        load_constant(g, a, near ? telling_u64(&g->random) : 1);
        patch(g, put(g, jumps[below(g, 6)], x, y == a ? x : y, 0, 0), g->out->count + 1);
        put(g, ISA_MOV64_IMM, a, 0, 0, 0);
        put(g, ISA_MOV64_REG, b, a, 0, 0);
        break;
    }
    case 6: /* swapped, masked, then compared or used */
        put(g, ISA_LDXW, a, g->buffer, within(g, WORLD_BUFFER, 4, 1), 0);
        put(g, one_in(g, 2) ? ISA_BE32 : ISA_BSWAP32, a, 0, 0, 0);
        put(g, ISA_MOV64_REG, b, a, 0, 0);
        put(g, ISA_RSH64_IMM, b, 0, 0, 8 * (int32_t)below(g, 4));
        put(g, ISA_AND64_IMM, b, 0, 0, one_in(g, 2) ? 0xff : 0xffff);
        put(g, ISA_XOR64_REG, a, b, 0, 0);
        break;
    case 7: /* quotient and remainder by one constant */
        put(g, move, a, x, 0, 0);
        put(g, move, b, x, 0, 0);
        k = near ? telling_imm(g) : (int32_t)below(g, 1000) + 1;
        k = k ? k : 10;
        put(g, wide ? ISA_DIV64_IMM : ISA_DIV32_IMM, a, 0, 0, k);
        put(g, wide ? ISA_MOD64_IMM : ISA_MOD32_IMM, b, 0, 0, k);
        break;
    case 8: /* base + index * 2^k + constant */
        put(g, move, a, x, 0, 0);
        put(g, wide ? ISA_LSH64_IMM : ISA_LSH32_IMM, a, 0, 0, (int32_t)below(g, 5));
        put(g, ISA_MOV64_REG, b, x, 0, 0);
        put(g, wide || near ? ISA_ADD64_REG : ISA_ADD32_REG, a, b, 0, 0);
        put(g, wide ? ISA_ADD64_IMM : ISA_ADD32_IMM, a, 0, 0, telling_imm(g));
        put(g, one_in(g, 2) ? ISA_ADD64_IMM : ISA_SUB64_IMM, a, 0, 0, telling_imm(g));
        break;
    }
    wrote(g, a);
    wrote(g, b);
}

static void statement(struct generator *g)
{
    if (g->about != ISA_INVALID && one_in(g, 2))
        emit(g, g->about);
    else if (one_in(g, 20))
        loop(g);
    else if (one_in(g, 8))
        idiom(g);
    else
        emit(g, (enum isa_op)(1 + below(g, ISA_OPS - 1)));
}

/* Makes the frame: the buffer's pointer in its register and spilled, the stack's scalars written, some registers
 * set. */
static void prologue(struct generator *g, unsigned set)
{
    for (int at = 8; at <= g->stack; at += 8) {
        if (g->scalars && one_in(g, 2)) {
            unsigned reg = source(g);
            put(g, ISA_STXDW, 10, reg, -at, 0);
        } else {
            put(g, ISA_STDW, 10, 0, -at, telling_imm(g));
        }
    }
    put(g, ISA_STXDW, 10, g->buffer, -g->stack - 8, 0);
    for (unsigned r = 0; r < 10; r++)
        if (set >> r & 1 && !(g->locked >> r & 1) && !(g->scalars >> r & 1))
            refresh(g, r);
}

static void main_function(struct generator *g)
{
    struct program *out = g->out;
    g->function = 0;
    g->locked = 0;
    g->scalars = 0;
    g->lent = NO_REGISTER;
    g->stack = 16 + 8 * (int)below(g, (MAIN_STACK - 16) / 8 + 1);
    if (g->legacy) {
        put(g, ISA_MOV64_REG, 6, 1, 0, 0);
        g->locked |= 1u << 6;
    }
    g->buffer = choose(g, 0x3c0 & ~g->locked);
    g->locked |= 1u << g->buffer;
    put_lddw(g, ISA_LDDW_MAP_INDEX_VALUE, g->buffer, 0, 0);
    prologue(g, below(g, 1024));
    while (out->count < g->end)
        statement(g);
    if (g->chain)
        call_local(g, one_in(g, 2));
    for (unsigned r = 0; r < 10; r++)
        if (g->scalars >> r & 1)
            put(g, ISA_STXDW, g->buffer, r, WORLD_RESULTS + 8 * (int)r, 0);
    if (!(g->scalars & 1u) || one_in(g, 3)) {
        unsigned reg = source(g);
        put(g, ISA_MOV64_REG, 0, reg, 0, 0);
    }
    put(g, ISA_EXIT, 0, 0, 0, 0);
}

static void local_function(struct generator *g, unsigned number)
{
    struct signature *signature = &g->signatures[number];
    g->function = number;
    g->certain = false;
    g->scalars = 0x3e & ~(1u << signature->buffer);
    g->locked = 0;
    g->lent = NO_REGISTER;
    g->stack = 8 + 8 * (int)below(g, CALLEE_STACK / 8);
    g->buffer = choose(g, 0x3c0);
    g->locked |= 1u << g->buffer;
    put(g, ISA_MOV64_REG, g->buffer, signature->buffer, 0, 0);
    if (signature->lent) {
        g->scalars &= ~(1u << signature->lent);
        g->lent = choose(g, 0x3c0 & ~g->locked);
        g->locked |= 1u << g->lent;
        put(g, ISA_MOV64_REG, g->lent, signature->lent, 0, 0);
    }
    prologue(g, below(g, 1024));
    g->end = g->out->count + 2 + below(g, g->chain ? 8 : 30);
    while (g->out->count < g->end)
        statement(g);
    if (g->chain)
        call_local(g, one_in(g, 2));
    if (!(g->scalars & 1u) || one_in(g, 4)) {
        unsigned reg = source(g);
        put(g, ISA_MOV64_REG, 0, reg, 0, 0);
    }
    put(g, ISA_EXIT, 0, 0, 0, 0);
}

void program_generate(struct program *program, uint64_t seed, enum isa_op about)
{
    struct generator g = {.out = program, .random = seed, .about = about, .certain = true};
    memset(program->used, 0, sizeof(program->used));
    program->seed = seed;
    program->count = 0;
    program->function_count = 0;
    program->kernel = about != ISA_CALLX && about != ISA_LDDW_CODE && !one_in(&g, 16);
    g.legacy = forms[about].kind == FORM_LEGACY || one_in(&g, 4);
    bool calls = about == ISA_CALLX || about == ISA_LDDW_CODE || about == ISA_CALL_LOCAL;
    g.chain = one_in(&g, 32);
    g.functions = g.chain ? PROGRAM_FUNCTIONS : 1 + below(&g, 4);
    if (calls && g.functions == 1)
        g.functions = 2;
    for (unsigned n = 1; n < g.functions; n++) {
        g.signatures[n].buffer = 1 + below(&g, 5);
        g.signatures[n].lent = one_in(&g, 2) ? 1 + below(&g, 5) : 0;
        if (g.signatures[n].lent == g.signatures[n].buffer)
            g.signatures[n].lent = 0;
    }
    g.end = 5 + below(&g, about != ISA_INVALID ? 60 : one_in(&g, 4) ? 180 : 80);

    uint32_t starts[PROGRAM_FUNCTIONS] = {0};
    program->functions[program->function_count++] = 0;
    main_function(&g);
    for (unsigned n = 1; n < g.functions; n++) {
        if (!g.signatures[n].called) /* the kernel refuses code that cannot be reached */
            continue;
        starts[n] = program->functions[program->function_count++] = program->count;
        local_function(&g, n);
    }
    for (unsigned i = 0; i < g.fixup_count; i++) {
        const struct fixup *fixup = &g.fixups[i];
        program->insns[fixup->at].imm = (int32_t)starts[fixup->function] - (int32_t)fixup->at - 1;
    }
}

void program_replace(struct program *program, enum isa_op op, enum isa_op as)
{
    const struct form *form = &forms[as];
    for (uint32_t at = 0; at < program->count; at++) {
        struct insn *insn = &program->insns[at];
        bool wide = insn_is_lddw(insn);
        if (isa_decode(insn) == op) {
            insn->code = form->code;
            if (form->kind == FORM_ALU_IMM || form->kind == FORM_ALU_REG || form->kind == FORM_MOVE)
                insn->off = form->off;
            if (form->imm)
                insn->imm = form->imm;
            if (form->kind == FORM_ATOMIC || form->kind == FORM_ATOMIC_FETCH)
                insn->imm = form->imm;
        }
        at += wide;
    }
}

void world_fill(uint64_t seed, uint8_t memory_[WORLD_MEMORY], uint8_t packet[WORLD_PACKET])
{
    uint64_t state = seed;
    for (size_t at = 0; at + 8 <= WORLD_MEMORY; at += 8) {
        uint64_t value = telling_u64(&state);
        memcpy(memory_ + at, &value, 8);
    }
    for (size_t at = 0; at + 8 <= WORLD_PACKET; at += 8) {
        uint64_t value = random_next(&state);
        memcpy(packet + at, &value, 8);
    }
}

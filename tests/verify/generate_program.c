/* SPDX-License-Identifier: MIT
 *
 * See generate_program.h.  The generator keeps a rough idea of what each register and stack slot holds, so that most of
 * what it writes makes sense; one choice in `wild` ignores it.
 */
#include <string.h>
#include "isa/isa.h"
#include "verify/generate_program.h"

enum kind { K_NONE, K_NUMBER, K_CONTEXT, K_PACKET, K_END, K_META, K_MEMORY, K_RECORD };

struct reg {
    enum kind kind;
    int32_t room; /* bytes behind the pointer that exist, as far as was checked */
    bool read_only;
};

enum { SLOTS = 64, CALLS = 16 };

struct generator {
    struct recipe *recipe;
    uint64_t random;
    const uint8_t *choices; /* come before random ones */
    size_t choice_count;
    unsigned wild; /* one choice in so many ignores what registers hold */
    struct reg regs[10];
    struct reg slots[SLOTS]; /* slot s: 8 bytes at r10 - 8 * (s + 1) */
    uint16_t locked;         /* registers not to be written */
    unsigned depth, loops;
    bool daring;          /* does what is wrong as a rule, not by accident */
    bool function, exits; /* in a subprogram; may end the program here */
    uint32_t call_count, calls[CALLS], callee[CALLS];
};

uint64_t recipe_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t recipe_edge(uint64_t *state)
{
    uint64_t r = recipe_random(state), kind = r % 8, other = recipe_random(state);
    switch (kind) {
    case 0: return other;
    case 1: return other & UINT32_MAX;
    case 2: return other >> (r >> 8 & 63);
    case 3: return (1ull << (r >> 8 & 63)) + other % 3 - 1;
    case 4: return ~(other >> (r >> 8 & 63));
    case 5: return (uint64_t)-1 - other % 3;
    default: return other % 16;
    }
}

/* ---- the world's numbers ---- */

static const struct {
    int32_t id[WORLD_TYPES];
} helpers[] = {
#define HELPER(NAME, linux_id, xdp_id, bind_id) {{linux_id, xdp_id, bind_id}},
#include "verify/generate_helpers.def"
};

int32_t world_helper_id(enum world_type type, enum world_helper helper)
{
    return helpers[helper].id[type];
}

enum personality world_personality(enum world_type type)
{
    return type == WORLD_LINUX_XDP ? PERSONALITY_LINUX : PERSONALITY_EFW;
}

uint32_t world_prog_type(enum world_type type)
{
    static const uint32_t numbers[WORLD_TYPES] = {6, 1, 2};
    return numbers[type];
}

/* ---- choices ---- */

static uint32_t below(struct generator *g, uint32_t n)
{
    if (g->choice_count) {
        g->choice_count--;
        return *g->choices++ % n;
    }
    return (uint32_t)(recipe_random(&g->random) % n);
}

static bool chance(struct generator *g, uint32_t n)
{
    return below(g, n) == 0;
}

static bool wild(struct generator *g)
{
    return below(g, g->wild) == 0;
}

static bool full(const struct generator *g)
{
    return g->recipe->count + 160 > RECIPE_INSNS;
}

static uint32_t emit(struct generator *g, unsigned code, unsigned dst, unsigned src, int off, int64_t imm)
{
    struct recipe *r = g->recipe;
    if (r->count < RECIPE_INSNS)
        r->insns[r->count++] = insn_make(code, dst, src, off, (int32_t)imm);
    return r->count - 1;
}

static void land(struct generator *g, uint32_t jump)
{
    g->recipe->insns[jump].off = (int16_t)(g->recipe->count - jump - 1);
}

static void tune(struct generator *g, uint32_t at, bool is_imm, int step)
{
    struct recipe *r = g->recipe;
    if (r->tune_count < RECIPE_TUNES)
        r->tunes[r->tune_count++] = (struct tune){at, is_imm, (int8_t)step};
}

static void set(struct generator *g, unsigned reg, enum kind kind, int32_t room)
{
    g->regs[reg] = (struct reg){kind, room, false};
}

/* A register of a kind, or 10 for none. */
static unsigned find(struct generator *g, enum kind kind)
{
    unsigned from = below(g, 10);
    if (wild(g))
        return from;
    for (unsigned i = 0; i < 10; i++)
        if (g->regs[(from + i) % 10].kind == kind)
            return (from + i) % 10;
    return 10;
}

static unsigned room_for_new(struct generator *g)
{
    for (int i = 0; i < 40; i++) {
        unsigned reg = below(g, 10);
        /* pointers live longer than numbers */
        if (!(g->locked >> reg & 1) && (i > 25 || g->regs[reg].kind <= K_NUMBER || chance(g, 4)))
            return reg;
    }
    return 0;
}

/* ---- numbers ---- */

static const uint8_t alu_codes[] = {0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xa0, 0xb0, 0xc0};

static int64_t constant(struct generator *g)
{
    return chance(g, 3) ? (int32_t)recipe_edge(&g->random) : (int64_t)below(g, 64);
}

static unsigned size_code(unsigned size)
{
    return size == 4 ? 0x00 : size == 2 ? 0x08 : size == 1 ? 0x10 : 0x18;
}

static unsigned some_size(struct generator *g)
{
    return 1u << below(g, 4);
}

static int wrong_by(struct generator *g)
{
    return wild(g) ? (int)below(g, 17) - 8 : 0;
}

/* dst = some bytes of the memory behind `base`. */
static void load_from(struct generator *g, unsigned dst, unsigned base)
{
    unsigned size = some_size(g);
    int32_t room = g->regs[base].room;
    while (size > 1 && (int32_t)size > room)
        size /= 2;
    int off = room > (int32_t)size ? (int)below(g, (uint32_t)(room - (int32_t)size + 1)) : 0;
    bool is_signed = size < 8 && chance(g, 5);
    uint32_t at = emit(g, (is_signed ? 0x81 : 0x61) | size_code(size), dst, base, off + wrong_by(g), 0);
    if (chance(g, 2))
        tune(g, at, false, chance(g, 4) ? -1 : 1);
    set(g, dst, K_NUMBER, 0);
}

static unsigned number(struct generator *g);

/* Something goes into the memory behind `base`. */
static void store_to(struct generator *g, unsigned base)
{
    unsigned ctx = g->recipe->type == WORLD_EFW_BIND && chance(g, 4) ? find(g, K_CONTEXT) : 10;
    if (ctx < 10 && g->regs[ctx].kind == K_CONTEXT) { /* the address that may be written there */
        unsigned bytes = some_size(g);
        emit(g, 0x63 | size_code(bytes), ctx, number(g), 24 + (int)below(g, 17 - bytes) + wrong_by(g), 0);
        return;
    }
    unsigned size = some_size(g);
    int32_t room = g->regs[base].room;
    uint32_t at;
    while (size > 1 && (int32_t)size > room)
        size /= 2;
    int off = room > (int32_t)size ? (int)below(g, (uint32_t)(room - (int32_t)size + 1)) : 0;
    off += wrong_by(g);
    if (chance(g, 3))
        at = emit(g, 0x62 | size_code(size), base, 0, off, constant(g));
    else {
        unsigned source = number(g);
        if (source == base && !wild(g))
            return;
        at = emit(g, 0x63 | size_code(size), base, source, off, 0);
    }
    if (chance(g, 2))
        tune(g, at, false, chance(g, 4) ? -1 : 1);
}

static unsigned context(struct generator *g)
{
    unsigned reg = find(g, K_CONTEXT);
    for (unsigned s = 0; reg > 9 && s < SLOTS; s++)
        if (g->slots[s].kind == K_CONTEXT) {
            reg = room_for_new(g);
            emit(g, 0x79, reg, 10, -8 * (int)(s + 1), 0);
            set(g, reg, K_CONTEXT, 0);
        }
    return reg;
}

static void load_context(struct generator *g, unsigned dst)
{
    static const struct {
        int16_t off;
        uint8_t size;
    } fields[WORLD_TYPES][4] = {{{12, 4}, {16, 4}, {20, 4}, {12, 4}},
                                {{24, 4}, {24, 4}, {24, 4}, {24, 4}},
                                {{16, 8}, {28, 2}, {24, 1}, {44, 4}}};
    unsigned ctx = context(g), n = below(g, 4);
    if (ctx > 9)
        emit(g, 0xb7, dst, 0, 0, constant(g));
    else
        emit(g, 0x61 | size_code(fields[g->recipe->type][n].size), dst, ctx,
             fields[g->recipe->type][n].off + wrong_by(g), 0);
    set(g, dst, K_NUMBER, 0);
}

static void slot_number(struct generator *g, unsigned s)
{
    g->slots[s] = (struct reg){K_NUMBER, 0, false};
}

/* dst = what some stack bytes hold. */
static bool load_stack(struct generator *g, unsigned dst)
{
    unsigned from = below(g, SLOTS);
    for (unsigned i = 0; i < SLOTS; i++) {
        unsigned s = (from + i) % SLOTS;
        if (g->slots[s].kind == K_NONE && !wild(g))
            continue;
        if (g->slots[s].kind != K_NUMBER) {
            emit(g, 0x79, dst, 10, -8 * (int)(s + 1), 0);
            g->regs[dst] = g->slots[s];
            return true;
        }
        unsigned size = some_size(g), off = size == 8 ? 0 : below(g, 9 - size);
        if (s && g->slots[s - 1].kind == K_NUMBER && chance(g, 6))
            off = 1 + below(g, 7); /* across two */
        emit(g, (size < 8 && chance(g, 4) ? 0x81 : 0x61) | size_code(size), dst, 10, -8 * (int)(s + 1) + (int)off, 0);
        set(g, dst, K_NUMBER, 0);
        return true;
    }
    return false;
}

static void new_number(struct generator *g, unsigned dst)
{
    unsigned base;
    switch (below(g, 8)) {
    case 0: load_context(g, dst); return;
    case 1:
    case 2:
    case 3:
        base = find(g, chance(g, 2) ? K_PACKET : K_MEMORY);
        if (base < 10 && (g->regs[base].room > 0 || wild(g))) {
            load_from(g, dst, base);
            return;
        }
        break;
    case 4:
        if (load_stack(g, dst) && g->regs[dst].kind == K_NUMBER)
            return;
        break;
    case 5: {
        uint64_t v = recipe_edge(&g->random);
        emit(g, 0x18, dst, 0, 0, (int32_t)(uint32_t)v);
        emit(g, 0, 0, 0, 0, (int32_t)(uint32_t)(v >> 32));
        set(g, dst, K_NUMBER, 0);
        return;
    }
    default: break;
    }
    emit(g, chance(g, 4) ? 0xb4 : 0xb7, dst, 0, 0, constant(g));
    set(g, dst, K_NUMBER, 0);
}

static unsigned number(struct generator *g)
{
    unsigned reg = find(g, K_NUMBER);
    if (reg > 9) {
        reg = room_for_new(g);
        new_number(g, reg);
    }
    return reg;
}

/* A register with a number that may be written. */
static unsigned own_number(struct generator *g)
{
    unsigned reg = number(g);
    if (g->locked >> reg & 1) {
        unsigned copy = room_for_new(g);
        emit(g, chance(g, 4) ? 0xbc : 0xbf, copy, reg, 0, 0);
        set(g, copy, K_NUMBER, 0);
        return copy;
    }
    return reg;
}

/* Asks about register `x`, 10: some number. */
static void site_of(struct generator *g, unsigned x)
{
    struct recipe *r = g->recipe;
    unsigned t = find(g, K_NUMBER);
    if (x > 9)
        x = find(g, K_NUMBER);
    if (g->function || r->site_count == RECIPE_SITES || x > 9 || g->regs[x].kind != K_NUMBER)
        return;
    if (t > 9 || t == x || g->locked >> t & 1 || g->regs[t].kind != K_NUMBER) {
        t = room_for_new(g);
        if (t == x)
            return;
        emit(g, 0xb7, t, 0, 0, 0);
        set(g, t, K_NUMBER, 0);
    }
    r->sites[r->site_count++] = (struct site){r->count, (uint8_t)x, (uint8_t)t};
    for (int i = 0; i < SITE_INSNS; i++)
        emit(g, 0x05, 0, 0, 0, 0);
}

static void site(struct generator *g)
{
    site_of(g, 10);
}

static void arithmetic(struct generator *g)
{
    unsigned dst = own_number(g), op = alu_codes[below(g, sizeof alu_codes)], wide = chance(g, 3) ? 4 : 7;
    switch (below(g, 16)) {
    case 0: emit(g, 0x80 | wide, dst, 0, 0, 0); return;
    case 1: { /* byte order */
        static const uint8_t codes[] = {0xd4, 0xdc, 0xd7};
        emit(g, codes[below(g, 3)], dst, 0, 0, 16 << below(g, 3));
        return;
    }
    case 2: { /* sign-extending copy */
        unsigned src = number(g), bits = 8u << below(g, wide == 7 ? 3 : 2);
        emit(g, 0xb8 | wide, dst, src, (int)bits, 0);
        return;
    }
    case 3: { /* the compiler's way to extend */
        int by = chance(g, 2) ? 32 : 8 * (int)below(g, 8);
        emit(g, 0x67, dst, 0, 0, by);
        emit(g, chance(g, 2) ? 0x77 : 0xc7, dst, 0, 0, by);
        if (chance(g, 4))
            site_of(g, dst);
        return;
    }
    case 4: {
        unsigned copy = room_for_new(g);
        emit(g, chance(g, 4) ? 0xbc : 0xbf, copy, dst, 0, 0);
        set(g, copy, K_NUMBER, 0);
        return;
    }
    default: break;
    }
    int off = (op == 0x30 || op == 0x90) && chance(g, 3);
    if (chance(g, 2)) {
        unsigned src = number(g);
        emit(g, op | 8 | wide, dst, src, op == 0xb0 ? 0 : off, 0);
    } else {
        int64_t imm = constant(g);
        if (op == 0x60 || op == 0x70 || op == 0xc0)
            imm = below(g, wide == 7 ? 64 : 32);
        uint32_t at = emit(g, op | wide, dst, 0, off, imm);
        if (op == 0x50)
            tune(g, at, true, 1);
    }
    if (chance(g, 12))
        site_of(g, dst);
}

static const uint8_t jump_codes[] = {0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0};

static uint32_t compare(struct generator *g)
{
    unsigned dst = number(g), op = jump_codes[below(g, sizeof jump_codes)], wide = chance(g, 3) ? 6 : 5;
    if (chance(g, 3)) {
        unsigned src = number(g);
        return emit(g, op | 8 | wide, dst, src, 0, 0);
    }
    uint32_t at = emit(g, op | wide, dst, 0, 0, constant(g));
    if (chance(g, 3))
        tune(g, at, true, chance(g, 2) ? 1 : -1);
    return at;
}

/* ---- structure ---- */

static void statements(struct generator *g, unsigned count);

static void end_program(struct generator *g)
{
    if ((chance(g, 2) || g->regs[0].kind != K_NUMBER) && !wild(g))
        emit(g, 0xb7, 0, 0, 0, below(g, 4));
    emit(g, 0x95, 0, 0, 0, 0);
}

struct snapshot {
    struct reg regs[10], slots[SLOTS];
};

static void keep(const struct generator *g, struct snapshot *s)
{
    memcpy(s->regs, g->regs, sizeof s->regs);
    memcpy(s->slots, g->slots, sizeof s->slots);
}

static void join_one(struct reg *a, const struct reg *b)
{
    if (a->kind != b->kind)
        a->kind = K_NONE;
    if (b->room < a->room)
        a->room = b->room;
    a->read_only |= b->read_only;
}

static void join(struct generator *g, const struct snapshot *s)
{
    for (unsigned i = 0; i < 10; i++)
        join_one(&g->regs[i], &s->regs[i]);
    for (unsigned i = 0; i < SLOTS; i++)
        join_one(&g->slots[i], &s->slots[i]);
}

static void restore(struct generator *g, const struct snapshot *s)
{
    memcpy(g->regs, s->regs, sizeof s->regs);
    memcpy(g->slots, s->slots, sizeof s->slots);
}

static void branch(struct generator *g)
{
    struct snapshot before, other;
    uint32_t jump = compare(g);
    keep(g, &before);
    g->depth++;
    statements(g, 1 + below(g, 3));
    if (chance(g, 3)) {
        if (g->exits && chance(g, 4)) {
            end_program(g);
            land(g, jump);
            restore(g, &before);
        } else {
            uint32_t over = emit(g, 0x05, 0, 0, 0, 0);
            land(g, jump);
            keep(g, &other);
            restore(g, &before);
            statements(g, 1 + below(g, 3));
            land(g, over);
            join(g, &other);
        }
    } else {
        land(g, jump);
        join(g, &before);
    }
    g->depth--;
}

/* A number below `most`, in a register that may be written. */
static unsigned bounded(struct generator *g, uint32_t most, uint32_t skips[2], unsigned *skip_count)
{
    unsigned reg = room_for_new(g);
    uint32_t at;
    new_number(g, reg);
    if (wild(g))
        most += below(g, 4);
    switch (below(g, 6)) {
    case 0: /* a mask */
        at = emit(g, chance(g, 3) ? 0x54 : 0x57, reg, 0, 0, most - 1);
        tune(g, at, true, 1);
        break;
    case 1:
        at = emit(g, chance(g, 3) ? 0x94 : 0x97, reg, 0, 0, most);
        tune(g, at, true, 1);
        break;
    case 2: /* a comparison */
        at = emit(g, 0x25 + chance(g, 3), reg, 0, 0, most - 1);
        skips[(*skip_count)++] = at;
        tune(g, at, true, 1);
        if ((g->recipe->insns[at].code & 7) == 6)
            emit(g, 0xbc, reg, reg, 0, 0);
        break;
    case 3:
        at = emit(g, 0x35, reg, 0, 0, most);
        skips[(*skip_count)++] = at;
        tune(g, at, true, 1);
        break;
    case 4: /* signed, from both sides */
        at = emit(g, 0x65, reg, 0, 0, most - 1);
        skips[(*skip_count)++] = at;
        tune(g, at, true, 1);
        at = emit(g, 0xc5, reg, 0, 0, 0);
        skips[(*skip_count)++] = at;
        tune(g, at, true, -1);
        break;
    default: { /* by shifting */
        unsigned bits = 0;
        while (2u << bits <= most)
            bits++;
        at = emit(g, 0x77, reg, 0, 0, 64 - bits);
        tune(g, at, true, -1);
        break;
    }
    }
    return reg;
}

static void note_bounds(struct generator *g, unsigned reg)
{
    if (chance(g, 3) && !full(g))
        statements(g, 1);
    (void)reg;
}

static unsigned packet_offset(const struct generator *g, bool end)
{
    switch (g->recipe->type) {
    case WORLD_LINUX_XDP: return end ? 4 : 0;
    default: return end ? 8 : 0;
    }
}

/* Jumps away if less than `room` bytes follow `pointer`; returns the jump. */
static uint32_t check_room(struct generator *g, unsigned pointer, unsigned end, unsigned t, int32_t room,
                           uint32_t *second)
{
    uint32_t at;
    *second = UINT32_MAX;
    emit(g, 0xbf, t, pointer, 0, 0);
    at = emit(g, 0x07, t, 0, 0, room + wrong_by(g));
    tune(g, at, true, -1);
    switch (below(g, 7)) {
    case 0:
    case 1: return emit(g, 0x2d, t, end, 0, 0); /* t > end */
    case 2: return emit(g, 0xad, end, t, 0, 0); /* end < t */
    case 3: return emit(g, 0x3d, t, end, 0, 0); /* t >= end */
    case 4: return emit(g, 0xbd, end, t, 0, 0); /* end <= t */
    case 5: /* t <= end: over the jump away */ emit(g, 0xbd, t, end, 1, 0); return emit(g, 0x05, 0, 0, 0, 0);
    default: emit(g, 0x3d, end, t, 1, 0); return emit(g, 0x05, 0, 0, 0, 0);
    }
}

static void set_packet(struct generator *g, unsigned reg, int32_t room)
{
    set(g, reg, K_PACKET, room);
    g->regs[reg].read_only = g->recipe->type == WORLD_EFW_BIND;
}

static void packet(struct generator *g)
{
    unsigned ctx = context(g);
    if (ctx > 9)
        return;
    uint16_t locked = g->locked;
    g->locked |= (uint16_t)(1u << ctx);
    unsigned p = find(g, K_PACKET), e = find(g, K_END), t;
    bool again = p > 9 || e > 9 || p == e || chance(g, 3);
    bool wide = g->recipe->type != WORLD_LINUX_XDP;
    if (again) {
        p = room_for_new(g);
        g->locked |= (uint16_t)(1u << p);
        e = room_for_new(g);
        emit(g, wide ? 0x79 : 0x61, p, ctx, (int)packet_offset(g, false), 0);
        emit(g, wide ? 0x79 : 0x61, e, ctx, (int)packet_offset(g, true), 0);
        set_packet(g, p, 0);
        set(g, e, K_END, 0);
    }
    g->locked |= (uint16_t)(1u << p | 1u << e);
    t = room_for_new(g);
    if (t == p || t == e || t == ctx) {
        g->locked = locked;
        return;
    }
    int32_t room = 1 + (int32_t)below(g, chance(g, 3) ? 80 : 24), old = g->regs[p].room;
    uint32_t skip, second = UINT32_MAX;
    if (chance(g, 6)) { /* by length */
        emit(g, 0xbf, t, e, 0, 0);
        emit(g, 0x1f, t, p, 0, 0);
        set(g, t, K_NUMBER, 0);
        uint32_t at = emit(g, 0xa5 + (chance(g, 3) ? 0x20 : 0), t, 0, 0, room + wrong_by(g));
        tune(g, at, true, -1);
        skip = at;
    } else {
        skip = check_room(g, p, e, t, room, &second);
        set_packet(g, t, 0);
    }
    struct snapshot before;
    keep(g, &before);
    if (room > old)
        g->regs[p].room = room;
    g->locked = locked | (uint16_t)(chance(g, 2) ? 1u << p : 0);
    g->depth++;
    for (unsigned n = 1 + below(g, 2); n--;) {
        unsigned dst = room_for_new(g);
        if (dst != p)
            load_from(g, dst, p);
    }
    if (!g->regs[p].read_only && chance(g, 2))
        store_to(g, p);
    statements(g, 1 + below(g, 3));
    if (g->exits && chance(g, 3)) {
        uint32_t over = emit(g, 0x05, 0, 0, 0, 0);
        land(g, skip);
        emit(g, 0xb7, 0, 0, 0, below(g, 3));
        emit(g, 0x95, 0, 0, 0, 0);
        land(g, over);
    } else {
        land(g, skip);
        join(g, &before);
    }
    g->locked = locked;
    g->depth--;
}

static void stack_pointer(struct generator *g);
static void direct(struct generator *g);

/* A variable offset into packet or memory. */
static void variable(struct generator *g)
{
    uint32_t skips[4];
    unsigned count = 0, base = find(g, chance(g, 2) ? K_PACKET : K_MEMORY), e = find(g, K_END);
    uint16_t locked = g->locked;
    if (base > 9) {
        if (chance(g, 2))
            stack_pointer(g);
        else
            direct(g);
        base = find(g, K_MEMORY);
    }
    if (base > 9)
        return;
    bool in_packet = g->regs[base].kind == K_PACKET;
    if (in_packet && e > 9)
        return;
    g->locked |= (uint16_t)(1u << base | (e < 10 ? 1u << e : 0));
    int32_t room = g->regs[base].room;
    uint32_t most = in_packet ? 1u << below(g, 9) : room > 8 ? (uint32_t)room - below(g, 8) : 1;
    unsigned v = bounded(g, most, skips, &count);
    g->locked |= (uint16_t)(1u << v);
    if (g->daring && chance(g, 4))
        emit(g, 0x17, v, 0, 0, 1 + below(g, 4));
    note_bounds(g, v);
    unsigned q = room_for_new(g);
    if (q == base || q == v || (in_packet && q == e)) {
        for (unsigned i = 0; i < count; i++)
            land(g, skips[i]);
        g->locked = locked;
        return;
    }
    bool read_only = g->regs[base].read_only;
    if (chance(g, 5)) {
        emit(g, 0xbf, q, v, 0, 0);
        emit(g, 0x0f, q, base, 0, 0);
    } else {
        emit(g, 0xbf, q, base, 0, 0);
        if (chance(g, 5))
            emit(g, 0x07, q, 0, 0, below(g, 16));
        emit(g, chance(g, 12) ? 0x1f : 0x0f, q, v, 0, 0);
    }
    int32_t behind = in_packet ? 1 + (int32_t)below(g, 20) : room - (int32_t)most + 1;
    if (in_packet) {
        g->locked |= (uint16_t)(1u << q);
        unsigned t = room_for_new(g);
        uint32_t second, skip;
        if (t != q && t != base && t != e && t != v) {
            skip = check_room(g, q, e, t, behind, &second);
            skips[count++] = skip;
            set_packet(g, t, 0);
        }
        set_packet(g, q, behind);
    } else {
        g->regs[q] = g->regs[base];
        g->regs[q].room = behind;
    }
    g->regs[q].read_only = read_only;
    if (count > 3)
        count = 3;
    struct snapshot before;
    keep(g, &before);
    unsigned dst = room_for_new(g);
    if (dst != q)
        load_from(g, dst, q);
    if (!read_only && chance(g, 2))
        store_to(g, q);
    g->depth++;
    if (chance(g, 2))
        statements(g, 1);
    g->depth--;
    for (unsigned i = 0; i < count; i++)
        land(g, skips[i]);
    join(g, &before);
    if (count && !in_packet)
        g->regs[q].kind = K_NONE; /* not on the way around */
    if (count && in_packet)
        g->regs[q].kind = K_NONE;
    g->locked = locked;
}

/* ---- the stack ---- */

static void spill(struct generator *g)
{
    unsigned s = below(g, chance(g, 8) ? SLOTS : 12), reg = below(g, 10);
    if (g->regs[reg].kind == K_NONE && !wild(g))
        reg = number(g);
    if (g->regs[reg].kind != K_NUMBER) {
        if (g->regs[reg].kind == K_RECORD && !wild(g))
            return;
        emit(g, 0x7b, 10, reg, -8 * (int)(s + 1), 0);
        g->slots[s] = g->regs[reg];
        return;
    }
    unsigned size = some_size(g), off = size == 8 ? 0 : below(g, 9 - size);
    if (size > 1 && s && chance(g, 8))
        off = 9 - size + below(g, size - 1); /* into the next slot */
    if (g->slots[s].kind > K_NUMBER || (off + size > 8 && g->slots[s - 1].kind > K_NUMBER))
        if (!wild(g) && !(g->daring && chance(g, 4)))
            return;
    if (chance(g, 4))
        emit(g, 0x62 | size_code(size), 10, 0, -8 * (int)(s + 1) + (int)off, constant(g));
    else
        emit(g, 0x63 | size_code(size), 10, reg, -8 * (int)(s + 1) + (int)off, 0);
    if (size == 8 && off == 0)
        slot_number(g, s);
}

static void fill(struct generator *g)
{
    unsigned dst = room_for_new(g);
    (void)load_stack(g, dst);
}

/* Slots first..first+count-1 hold numbers, or some of them if `most`. */
static unsigned area(struct generator *g, unsigned count, bool all)
{
    unsigned first = below(g, 12);
    for (unsigned s = first; s < first + count; s++) {
        if (!all && chance(g, 6))
            continue;
        if (g->slots[s].kind == K_NUMBER && !chance(g, 3))
            continue;
        if (chance(g, 2))
            emit(g, 0x7a, 10, 0, -8 * (int)(s + 1), constant(g));
        else
            emit(g, 0x7b, 10, number(g), -8 * (int)(s + 1), 0);
        slot_number(g, s);
    }
    return first + count; /* 8 * this below the frame pointer */
}

static void stack_pointer(struct generator *g)
{
    unsigned count = 1 + below(g, 4), low = area(g, count, !wild(g)), q = room_for_new(g);
    emit(g, 0xbf, q, 10, 0, 0);
    emit(g, 0x07, q, 0, 0, -8 * (int)low);
    set(g, q, K_MEMORY, 8 * (int32_t)count);
}

/* ---- maps and helpers ---- */

static void load_map(struct generator *g, unsigned dst, enum world_map map)
{
    emit(g, 0x18, dst, LDDW_SRC_MAP_INDEX, 0, map);
    emit(g, 0, 0, 0, 0, 0);
    set(g, dst, K_NONE, 0);
}

static void direct(struct generator *g)
{
    unsigned dst = room_for_new(g);
    bool frozen = chance(g, 3);
    uint32_t size = frozen ? WORLD_CONST_SIZE : WORLD_GLOBAL_SIZE, off = below(g, size);
    emit(g, 0x18, dst, LDDW_SRC_MAP_INDEX_VALUE, 0, frozen ? WORLD_CONST : WORLD_GLOBAL);
    uint32_t at = emit(g, 0, 0, 0, 0, off);
    if (chance(g, 2))
        tune(g, at, true, 1);
    set(g, dst, K_MEMORY, (int32_t)(size - off));
    g->regs[dst].read_only = frozen && !(g->daring && chance(g, 3));
}

static bool has(const struct generator *g, enum world_helper helper)
{
    return world_helper_id(g->recipe->type, helper) >= 0;
}

static void call(struct generator *g, enum world_helper helper)
{
    emit(g, 0x85, 0, 0, 0, helper);
    for (unsigned i = 0; i <= 5; i++)
        set(g, i, K_NONE, 0);
    set(g, 0, K_NUMBER, 0);
}

static void packet_gone(struct generator *g)
{
    for (unsigned i = 0; i < 10; i++)
        if (g->regs[i].kind == K_PACKET || g->regs[i].kind == K_END || g->regs[i].kind == K_META)
            if (!wild(g))
                g->regs[i].kind = K_NONE;
    for (unsigned i = 0; i < SLOTS; i++)
        if (g->slots[i].kind == K_PACKET || g->slots[i].kind == K_END)
            if (!wild(g))
                g->slots[i].kind = K_NONE;
}

/* r`reg` = pointer to `size` bytes of initialized stack. */
static void pass_stack(struct generator *g, unsigned reg, unsigned size)
{
    uint16_t locked = g->locked;
    unsigned low = area(g, (size + 7) / 8, !wild(g));
    (void)locked;
    emit(g, 0xbf, reg, 10, 0, 0);
    uint32_t at = emit(g, 0x07, reg, 0, 0, -8 * (int)low + wrong_by(g));
    if (chance(g, 4))
        tune(g, at, true, chance(g, 2) ? 1 : -1);
    set(g, reg, K_MEMORY, (int32_t)size);
}

static bool arguments_free(const struct generator *g)
{
    return !(g->locked & 0x3f);
}

static void lookup(struct generator *g)
{
    enum world_map map = chance(g, 2) ? WORLD_ARRAY : chance(g, 8) ? WORLD_OUTER : WORLD_HASH;
    if (!arguments_free(g))
        return;
    if (map == WORLD_ARRAY && chance(g, 2)) {
        unsigned s = below(g, 12);
        emit(g, 0x62, 10, 0, -8 * (int)(s + 1), below(g, 5));
        emit(g, 0xbf, 2, 10, 0, 0);
        emit(g, 0x07, 2, 0, 0, -8 * (int)(s + 1));
    } else {
        pass_stack(g, 2, map == WORLD_HASH ? 8 : 4);
    }
    load_map(g, 1, map);
    call(g, WORLD_LOOKUP);
    if (map == WORLD_OUTER) {
        uint32_t none = emit(g, 0x15, 0, 0, 0, 0);
        emit(g, 0xbf, 1, 0, 0, 0);
        unsigned low = 8;
        emit(g, 0x62, 10, 0, -(int)low, below(g, 5));
        emit(g, 0xbf, 2, 10, 0, 0);
        emit(g, 0x07, 2, 0, 0, -(int)low);
        call(g, WORLD_LOOKUP);
        land(g, none);
    }
    int32_t size = map == WORLD_HASH ? WORLD_HASH_SIZE : WORLD_ARRAY_SIZE;
    if (g->daring && chance(g, 10)) {
        emit(g, 0xbf, 2, 0, 0, 0);
        load_map(g, 1, WORLD_RING);
        emit(g, 0xb7, 3, 0, 0, 8);
        emit(g, 0xb7, 4, 0, 0, 0);
        call(g, WORLD_RING_OUTPUT);
        return;
    }
    bool unasked = wild(g) || (g->daring && map == WORLD_ARRAY && chance(g, 3));
    uint32_t none = unasked ? UINT32_MAX : emit(g, chance(g, 4) ? 0x1d : 0x15, 0, 0, 0, 0);
    if (none != UINT32_MAX && g->recipe->insns[none].code == 0x1d) {
        g->recipe->insns[none] = insn_make(0x55, 0, 0, 1, 0);
        none = emit(g, 0x05, 0, 0, 0, 0);
    }
    struct snapshot before;
    keep(g, &before);
    set(g, 0, K_MEMORY, size);
    unsigned copy = room_for_new(g);
    if (chance(g, 2) && copy != 0) {
        emit(g, 0xbf, copy, 0, 0, 0);
        g->regs[copy] = g->regs[0];
    }
    g->depth++;
    unsigned dst = 1 + below(g, 5);
    if (!(g->locked >> dst & 1))
        load_from(g, dst, 0);
    if (chance(g, 2))
        store_to(g, 0);
    statements(g, 1 + below(g, 3));
    g->depth--;
    if (none != UINT32_MAX) {
        land(g, none);
        join(g, &before);
        set(g, 0, K_NONE, 0);
        if (copy != 0)
            set(g, copy, K_NONE, 0);
    }
}

static void ring(struct generator *g)
{
    uint32_t size = 8 + below(g, 32);
    bool exits = g->exits;
    if (!arguments_free(g))
        return;
    if (!has(g, WORLD_RING_RESERVE) || chance(g, 2)) {
        uint32_t skips[4];
        unsigned count = 0;
        pass_stack(g, 2, 32);
        if (chance(g, 2)) {
            g->locked |= 4;
            unsigned v = bounded(g, 33, skips, &count);
            g->locked &= (uint16_t)~4u;
            emit(g, 0xbf, 3, v, 0, 0);
        } else {
            uint32_t at = emit(g, 0xb7, 3, 0, 0, 1 + below(g, 32));
            tune(g, at, true, 1);
        }
        load_map(g, 1, WORLD_RING);
        emit(g, 0xb7, 4, 0, 0, 0);
        call(g, WORLD_RING_OUTPUT);
        for (unsigned i = 0; i < count; i++)
            land(g, skips[i]);
        for (unsigned i = 0; i <= 5; i++)
            if (count)
                set(g, i, K_NONE, 0);
        return;
    }
    load_map(g, 1, WORLD_RING);
    emit(g, 0xb7, 2, 0, 0, size);
    emit(g, 0xb7, 3, 0, 0, 0);
    call(g, WORLD_RING_RESERVE);
    unsigned record = 6 + below(g, 4);
    if (g->locked >> record & 1 || g->regs[record].kind == K_CONTEXT)
        record = 0;
    uint32_t none = wild(g) ? UINT32_MAX : emit(g, 0x15, 0, 0, 0, 0);
    struct snapshot before;
    keep(g, &before);
    if (record)
        emit(g, 0xbf, record, 0, 0, 0);
    set(g, record, K_RECORD, (int32_t)size);
    g->exits = wild(g) && exits;
    for (unsigned n = below(g, 3); n--;)
        store_to(g, record);
    if (record) {
        uint16_t locked = g->locked;
        g->locked |= (uint16_t)(1u << record);
        g->depth++;
        statements(g, below(g, 2));
        g->depth--;
        g->locked = locked;
    }
    if (record)
        emit(g, 0xbf, 1, record, 0, 0);
    else
        emit(g, 0xbf, 1, 0, 0, 0);
    emit(g, 0xb7, 2, 0, 0, 0);
    if (g->daring && chance(g, 16))
        emit(g, 0x07, 1, 0, 0, 8);
    if (!(g->daring && chance(g, 8)))
        call(g, chance(g, 2) ? WORLD_RING_SUBMIT : WORLD_RING_DISCARD);
    if (record && g->daring && chance(g, 8))
        store_to(g, record);
    if (none != UINT32_MAX) {
        land(g, none);
        join(g, &before);
    }
    for (unsigned i = 0; i <= 5; i++)
        set(g, i, K_NONE, 0);
    set(g, record, K_NONE, 0);
    g->exits = exits;
}

/* r`reg` = a size of 1 to `most`. */
static void pass_size(struct generator *g, unsigned reg, unsigned most)
{
    uint32_t at = emit(g, 0xb7, reg, 0, 0, 1 + below(g, most));
    tune(g, at, true, chance(g, 3) ? -1 : 1);
}

static void helper(struct generator *g)
{
    unsigned ctx;
    if (!arguments_free(g))
        return;
    switch (below(g, 13)) {
    case 0: call(g, WORLD_PRANDOM); return;
    case 1: call(g, WORLD_KTIME); return;
    case 2: call(g, WORLD_CPU); return;
    case 3:
        pass_stack(g, 2, 8);
        pass_stack(g, 3, WORLD_HASH_SIZE);
        load_map(g, 1, WORLD_HASH);
        emit(g, 0xb7, 4, 0, 0, 0);
        call(g, WORLD_UPDATE);
        return;
    case 4:
        pass_stack(g, 2, 8);
        load_map(g, 1, WORLD_HASH);
        call(g, WORLD_DELETE);
        return;
    case 5:
        if ((ctx = context(g)) > 9)
            return;
        emit(g, 0xbf, 1, ctx, 0, 0);
        load_map(g, 2, WORLD_TAILS);
        emit(g, 0xb7, 3, 0, 0, below(g, 5));
        call(g, WORLD_TAIL_CALL);
        return;
    case 6:
    case 7:
    case 8: {
        enum world_helper which = (enum world_helper)(WORLD_ADJUST_HEAD + below(g, 3));
        if (!has(g, which) || (ctx = context(g)) > 9)
            return;
        unsigned kept = 6 + below(g, 4), p = find(g, K_PACKET);
        bool keep = p < 10 && g->regs[p].kind == K_PACKET && !(g->locked >> kept & 1) &&
                    g->regs[kept].kind <= K_NUMBER && g->daring;
        if (keep) {
            emit(g, 0xbf, kept, p, 0, 0);
            g->regs[kept] = g->regs[p];
        }
        emit(g, 0xbf, 1, ctx, 0, 0);
        emit(g, 0xb7, 2, 0, 0, (int)below(g, 65) - 32);
        call(g, which);
        if (keep) /* it is not what it was */
            load_from(g, 1 + below(g, 4), kept);
        packet_gone(g);
        return;
    }
    case 9: {
        unsigned memory = find(g, chance(g, 2) ? K_PACKET : K_MEMORY);
        bool on_stack = memory > 9 || g->regs[memory].room < 4;
        if (on_stack) {
            pass_stack(g, 1, 16);
        } else {
            emit(g, 0xbf, 1, memory, 0, 0);
        }
        uint32_t at = emit(g, 0xb7, 2, 0, 0, 4);
        tune(g, at, true, 4);
        pass_stack(g, 3, 8);
        emit(g, 0xb7, 4, 0, 0, 8);
        emit(g, 0xb7, 5, 0, 0, 0);
        call(g, WORLD_CSUM_DIFF);
        return;
    }
    case 10:
        if (has(g, WORLD_MEMSET)) {
            unsigned low = 2 + below(g, 8), count = 1 + below(g, low);
            emit(g, 0xbf, 1, 10, 0, 0);
            emit(g, 0x07, 1, 0, 0, -8 * (int)low);
            pass_size(g, 2, 8 * count);
            emit(g, 0xb7, 3, 0, 0, 0);
            call(g, WORLD_MEMSET);
            return;
        }
        /* fall through */
    case 11:
        if (has(g, WORLD_LOAD_BYTES) && (ctx = context(g)) < 10) {
            unsigned low = 2 + below(g, 8), size = 1 + below(g, 16);
            uint32_t skips[4];
            unsigned count = 0;
            emit(g, 0xbf, 1, ctx, 0, 0);
            emit(g, 0xb7, 2, 0, 0, below(g, 64));
            emit(g, 0xbf, 3, 10, 0, 0);
            emit(g, 0x07, 3, 0, 0, -8 * (int)low);
            if (chance(g, 2)) {
                uint16_t locked = g->locked;
                g->locked |= 0x0e;
                unsigned v = bounded(g, 17, skips, &count);
                g->locked = locked;
                emit(g, 0xbf, 4, v, 0, 0);
                emit(g, 0x15, 4, 0, 1, 0); /* a size of zero is none */
                emit(g, 0x05, 0, 0, 1, 0);
                emit(g, 0xb7, 4, 0, 0, 1);
                if (chance(g, 3)) /* what may have been written is not what was */
                    slot_number(g, low - 1);
            } else {
                pass_size(g, 4, 16);
                for (unsigned s = low - size / 8; s < low; s++)
                    slot_number(g, s);
            }
            call(g, chance(g, 3) ? WORLD_STORE_BYTES : WORLD_LOAD_BYTES);
            if (chance(g, 2)) /* some of what was written */
                emit(g, 0x61 | size_code(some_size(g)), 0, 10, -8 * (int)low, 0);
            for (unsigned i = 0; i < count; i++)
                land(g, skips[i]);
            for (unsigned i = 0; count && i <= 5; i++)
                set(g, i, K_NONE, 0);
        }
        return;
    default:
        if (has(g, WORLD_MEMCPY)) {
            pass_stack(g, 3, 24);
            emit(g, 0xbf, 1, 10, 0, 0);
            emit(g, 0x07, 1, 0, 0, -8 * (int)(3 + below(g, 6)));
            pass_size(g, 2, 24);
            pass_size(g, 4, 24);
            call(g, WORLD_MEMCPY);
        } else if ((ctx = context(g)) < 10) {
            emit(g, 0xbf, 1, ctx, 0, 0);
            emit(g, 0xb7, 2, 0, 0, 0);
            pass_stack(g, 3, 4);
            emit(g, 0xb7, 4, 0, 0, 0);
            emit(g, 0xb7, 5, 0, 0, 0);
            call(g, WORLD_CHECK_MTU);
        }
        return;
    }
}

static void atomic(struct generator *g)
{
    static const uint8_t ops[] = {0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0x51, 0xa1, 0xe1, 0xf1};
    uint8_t op = ops[below(g, sizeof ops)];
    unsigned wide = chance(g, 2), src = number(g), base = find(g, K_MEMORY);
    if (chance(g, 6)) { /* load-acquire, store-release */
        unsigned size = some_size(g), low = area(g, 1, true), dst = room_for_new(g);
        int off = -8 * (int)low + (int)(below(g, 8 / size) * size) + wrong_by(g);
        if (chance(g, 2)) {
            emit(g, 0xc3 | size_code(size), dst, 10, off, 0x100);
            set(g, dst, K_NUMBER, 0);
        } else {
            emit(g, 0xc3 | size_code(size), 10, number(g), off, 0x110);
        }
        return;
    }
    if (op & 1 && g->locked >> src & 1)
        return;
    if (op == 0xf1 && (g->regs[0].kind != K_NUMBER || g->locked & 1))
        return;
    if (chance(g, 2) || base > 9 || g->regs[base].read_only || g->regs[base].room < 16) {
        unsigned low = area(g, 1, true);
        emit(g, wide ? 0xdb : 0xc3, 10, src, -8 * (int)low, op);
    } else {
        emit(g, wide ? 0xdb : 0xc3, base, src, 8 * (int)below(g, (uint32_t)g->regs[base].room / 8) + wrong_by(g), op);
    }
}

static void to_function(struct generator *g)
{
    if (g->function || !arguments_free(g) || g->call_count == CALLS || !g->recipe->func_count)
        return;
    pass_stack(g, 2, 16);
    uint16_t locked = g->locked;
    g->locked |= 4;
    unsigned v = number(g);
    g->locked = locked;
    if (v != 1)
        emit(g, 0xbf, 1, v, 0, 0);
    g->callee[g->call_count] = 1 + below(g, GENERATED_FUNCS - 1);
    if (chance(g, 8)) { /* through a register */
        unsigned reg = chance(g, 2) ? 3 : 0;
        g->calls[g->call_count++] = emit(g, 0x18, reg, LDDW_SRC_CODE, 0, 0);
        emit(g, 0, 0, 0, 0, 0);
        emit(g, 0x8d, reg, 0, 0, 0);
    } else {
        g->calls[g->call_count++] = emit(g, 0x85, 0, CALL_SRC_LOCAL, 0, 0);
    }
    for (unsigned i = 0; i <= 5; i++)
        set(g, i, K_NONE, 0);
    set(g, 0, K_NUMBER, 0);
}

/* ---- loops ---- */

static void loop(struct generator *g)
{
    uint16_t locked = g->locked;
    unsigned counter = 6 + below(g, 4), how = below(g, 8);
    if (g->loops >= 3 || locked >> counter & 1 || (g->regs[counter].kind > K_NUMBER && !chance(g, 4)))
        return;
    int64_t rounds = chance(g, 6) ? 1 + below(g, 300) : 1 + below(g, 12);
    int64_t step = 1 + (chance(g, 3) ? below(g, 3) : 0);
    uint32_t skips[4], leave = UINT32_MAX;
    unsigned count = 0;
    unsigned limit = 10;
    if (how == 3) {
        limit = bounded(g, (uint32_t)rounds + 1, skips, &count);
        if (limit == counter)
            return;
        g->locked |= (uint16_t)(1u << limit);
    }
    struct snapshot outside;
    keep(g, &outside);
    emit(g, 0xb7, counter, 0, 0, how == 4 ? rounds : 0);
    set(g, counter, K_NUMBER, 0);
    g->locked |= (uint16_t)(1u << counter);
    for (unsigned r = 6; r < 10; r++)
        if (g->regs[r].kind > K_NUMBER)
            g->locked |= (uint16_t)(1u << r);
    if (!wild(g))
        for (unsigned r = 0; r < 6; r++)
            if (g->regs[r].kind > K_NUMBER || !chance(g, 3))
                if (r != limit)
                    set(g, r, K_NONE, 0);
    int slot = -8 * (int)(1 + below(g, 12));
    if (how == 2)
        emit(g, 0x7b, 10, counter, slot, 0);
    struct snapshot before;
    keep(g, &before);
    uint32_t head = g->recipe->count;
    if (how == 3)
        leave = emit(g, 0x3d, counter, limit, 0, 0);
    if (how == 5) {
        leave = emit(g, 0x35, counter, 0, 0, rounds);
        tune(g, leave, true, 1);
    }
    g->depth++;
    g->loops++;
    statements(g, 1 + below(g, 3));
    g->depth--;
    g->loops--;
    unsigned back = 0x05;
    if (chance(g, 64) && leave == UINT32_MAX) /* a budget of rounds */
        leave = emit(g, 0xe5, 0, 0, 0, 0);
    if (how == 6) { /* may not end */
        uint32_t at = compare(g);
        g->recipe->insns[at].off = (int16_t)((int)head - (int)at - 1);
    } else if (how == 2) { /* counted on the stack */
        emit(g, 0x79, counter, 10, slot, 0);
        emit(g, 0x07, counter, 0, 0, step);
        emit(g, 0x7b, 10, counter, slot, 0);
        uint32_t at = emit(g, 0xa5, counter, 0, 0, rounds);
        g->recipe->insns[at].off = (int16_t)((int)head - (int)at - 1);
        tune(g, at, true, 1);
    } else if (how == 4) { /* down */
        emit(g, 0x07, counter, 0, 0, -1);
        uint32_t at = emit(g, chance(g, 3) ? 0x65 : 0x55, counter, 0, 0, 0);
        g->recipe->insns[at].off = (int16_t)((int)head - (int)at - 1);
    } else {
        uint32_t at;
        if (!wild(g))
            emit(g, chance(g, 4) ? 0x04 : 0x07, counter, 0, 0, step);
        if (how == 3 || how == 5) {
            at = emit(g, chance(g, 8) ? 0x06 : back, 0, 0, 0, 0);
        } else {
            static const uint8_t codes[] = {0xa5, 0xb5, 0xc5, 0xa6, 0x55};
            unsigned code = codes[below(g, 5)];
            at = emit(g, code, counter, 0, 0, code == 0x55 ? rounds * step : rounds);
            tune(g, at, true, 1);
        }
        if (g->recipe->insns[at].code == 0x06)
            g->recipe->insns[at].imm = (int32_t)((int)head - (int)at - 1);
        else
            g->recipe->insns[at].off = (int16_t)((int)head - (int)at - 1);
    }
    if (leave != UINT32_MAX)
        land(g, leave);
    join(g, &before);
    for (unsigned i = 0; i < count; i++)
        land(g, skips[i]);
    join(g, &outside);
    set(g, counter, count ? K_NONE : K_NUMBER, 0);
    g->locked = locked;
}

/* while (p + c <= end) p += …: the walk over headers. */
static void walk(struct generator *g)
{
    unsigned p = find(g, K_PACKET), e = find(g, K_END), q, t, v;
    uint16_t locked = g->locked;
    if (p > 9 || e > 9 || p == e || g->loops >= 2)
        return;
    g->locked |= (uint16_t)(1u << p | 1u << e);
    q = room_for_new(g);
    g->locked |= (uint16_t)(1u << q);
    t = room_for_new(g);
    g->locked |= (uint16_t)(1u << t);
    v = room_for_new(g);
    g->locked = locked;
    if (q == p || q == e || t == p || t == e || t == q || v == t || v == q || v == p || v == e)
        return;
    int32_t c = 1 + (int32_t)below(g, 16);
    emit(g, 0xbf, q, p, 0, 0);
    uint32_t head = emit(g, 0xbf, t, q, 0, 0), at;
    at = emit(g, 0x07, t, 0, 0, c);
    tune(g, at, true, -1);
    uint32_t leave = emit(g, 0x2d, t, e, 0, 0);
    set_packet(g, q, c);
    set_packet(g, t, 0);
    load_from(g, v, q);
    if (chance(g, 2)) {
        emit(g, 0xbf, q, t, 0, 0);
    } else {
        emit(g, 0x57, v, 0, 0, 1 + below(g, 31));
        if (!wild(g))
            emit(g, 0x07, v, 0, 0, 1 + below(g, 8));
        emit(g, 0x0f, q, v, 0, 0);
    }
    at = emit(g, 0x05, 0, 0, 0, 0);
    g->recipe->insns[at].off = (int16_t)((int)head - (int)at - 1);
    land(g, leave);
    set_packet(g, q, 0);
    set(g, v, K_NONE, 0);
    set_packet(g, t, 0);
}

/* A pointer moved by a constant, or compared, or subtracted. */
static void pointer(struct generator *g)
{
    unsigned p = find(g, chance(g, 2) ? K_PACKET : K_MEMORY), q = room_for_new(g);
    if (p > 9 || q == p)
        return;
    emit(g, 0xbf, q, p, 0, 0);
    g->regs[q] = g->regs[p];
    switch (below(g, 4)) {
    case 0: {
        int by = (int)below(g, 16) - (wild(g) ? 8 : 0);
        emit(g, chance(g, 8) ? 0x17 : 0x07, q, 0, 0, by);
        g->regs[q].room -= by;
        break;
    }
    case 1:
        if (g->regs[p].kind == K_PACKET) {
            emit(g, 0x1f, q, p, 0, 0);
            set(g, q, K_NUMBER, 0);
        }
        break;
    default: break;
    }
    if (g->regs[q].room < 0)
        g->regs[q].kind = K_NONE;
}

static void anything(struct generator *g)
{
    /* any instruction at all, now and then */
    static const uint8_t codes[] = {0x0f, 0x1f, 0x79, 0x61, 0x71, 0x7b, 0x73, 0xbf, 0xbc, 0x07, 0x57, 0xdb, 0x85};
    unsigned code = codes[below(g, sizeof codes)], dst = below(g, 10), src = below(g, 11);
    if (g->locked >> dst & 1)
        return;
    if (code == 0x85) {
        if (!arguments_free(g))
            return;
        call(g, (enum world_helper)below(g, WORLD_GENERATED));
        return;
    }
    if (code == 0xdb)
        emit(g, code, dst, src, 8 * ((int)below(g, 8) - 8), below(g, 2) ? 0 : 1);
    else if (code & 4 && !(code & 8))
        emit(g, code, dst, 0, 0, constant(g));
    else if (code == 0xbf || code == 0xbc || (code & 7) == 7)
        emit(g, code, dst, src, 0, 0);
    else
        emit(g, code, dst, src, (int)below(g, 32) - 16, 0);
    g->regs[dst].kind = g->regs[dst].kind > K_NUMBER ? K_NONE : g->regs[dst].kind;
}

/* What is true of one way and not of the other, behind both. */
static void special(struct generator *g)
{
    uint32_t jump, skip, over;
    unsigned a = 6 + below(g, 4), b = 6 + below(g, 4), base = 1 + below(g, 5);
    if (a == b || g->locked >> a & 1 || g->locked >> b & 1 || !arguments_free(g) || g->regs[a].kind == K_CONTEXT ||
        g->regs[b].kind == K_CONTEXT)
        return;
    uint16_t locked = g->locked;
    switch (below(g, 12)) {
    case 0: /* two numbers, perhaps one */
        g->locked |= (uint16_t)(1u << a | 1u << b);
        if (chance(g, 3))
            new_number(g, a);
        else
            load_context(g, a);
        load_context(g, b);
        jump = compare(g);
        emit(g, 0xbf, b, a, 0, 0);
        land(g, jump);
        if (chance(g, 3))
            emit(g, 0x5f, a, number(g), 0, 0);
        skip = emit(g, 0x25, a, 0, 0, WORLD_GLOBAL_SIZE - 1);
        emit(g, 0x18, base, LDDW_SRC_MAP_INDEX_VALUE, 0, WORLD_GLOBAL);
        emit(g, 0, 0, 0, 0, 0);
        emit(g, 0x0f, base, chance(g, 2) ? a : b, 0, 0);
        emit(g, 0x71, base, base, 0, 0);
        land(g, skip);
        set(g, base, K_NONE, 0);
        break;
    case 1: /* two lookups, one question */
    case 2: /* one lookup, perhaps a question */
    case 3: {
        bool two = chance(g, 2);
        for (int i = 0; i < (two ? 2 : 1); i++) {
            pass_stack(g, 2, 8);
            load_map(g, 1, WORLD_HASH);
            call(g, WORLD_LOOKUP);
            emit(g, 0xbf, i ? b : a, 0, 0, 0);
            g->locked |= (uint16_t)(1u << (i ? b : a));
            set(g, i ? b : a, K_NONE, 0);
        }
        set(g, 0, K_NONE, 0);
        jump = two ? UINT32_MAX : compare(g);
        if (chance(g, 4)) {
            skip = emit(g, chance(g, 2) ? 0x15 : 0x55, a, 0, 0, 0); /* or the wrong way around */
        } else {
            emit(g, 0x55, a, 0, 1, 0);
            skip = emit(g, 0x05, 0, 0, 0, 0);
        }
        if (jump != UINT32_MAX)
            land(g, jump);
        emit(g, 0x79, base, two && chance(g, 2) ? b : a, 8 * (int)below(g, 6), 0);
        land(g, skip);
        set(g, base, K_NONE, 0);
        set(g, a, K_NONE, 0);
        set(g, b, K_NONE, 0);
        break;
    }
    case 4: { /* a bound on the packet on one way only, then the packet anew */
        unsigned ctx = context(g), size = 1 + below(g, 16);
        bool wide = g->recipe->type != WORLD_LINUX_XDP;
        if (ctx > 9 || ctx == a || ctx == b || ctx == base)
            break;
        unsigned t = base == 5 ? 4 : base + 1;
        if (t == ctx)
            break;
        g->locked |= (uint16_t)(1u << ctx);
        jump = compare(g);
        emit(g, wide ? 0x79 : 0x61, a, ctx, (int)packet_offset(g, false), 0);
        emit(g, wide ? 0x79 : 0x61, b, ctx, (int)packet_offset(g, true), 0);
        emit(g, 0xbf, t, a, 0, 0);
        emit(g, 0x07, t, 0, 0, size);
        emit(g, 0xbd, t, b, 1, 0);
        over = emit(g, 0x05, 0, 0, 0, 0);
        if (chance(g, 2)) {
            emit(g, 0x05, 0, 0, 1, 0);
            land(g, jump);
            emit(g, 0xb7, a, 0, 0, 0);
        } else {
            land(g, jump);
        }
        emit(g, wide ? 0x79 : 0x61, base, ctx, (int)packet_offset(g, false), 0);
        emit(g, 0x71, base, base, (int)size - 1, 0);
        land(g, over);
        set(g, a, K_NONE, 0);
        set(g, b, K_NONE, 0);
        set(g, t, K_NONE, 0);
        set(g, base, K_NONE, 0);
        break;
    }
    case 5: { /* a loop whose steps differ */
        int one = (int)below(g, 7) - 2, two = (int)below(g, 7) - 2;
        uint32_t rounds = 1 + below(g, 24);
        if (g->loops)
            break;
        emit(g, 0xb7, a, 0, 0, 0);
        set(g, a, K_NUMBER, 0);
        set(g, b, K_NONE, 0);
        g->locked |= (uint16_t)(1u << a | 1u << b);
        uint32_t head = g->recipe->count;
        call(g, WORLD_PRANDOM);
        if (chance(g, 2))
            emit(g, 0xbf, b, 0, 0, 0);
        jump = emit(g, 0x25, 0, 0, 0, constant(g));
        emit(g, 0x07, a, 0, 0, one);
        over = emit(g, 0x05, 0, 0, 0, 0);
        land(g, jump);
        emit(g, 0x07, a, 0, 0, two);
        land(g, over);
        skip = emit(g, chance(g, 2) ? 0xc5 : 0xa5, a, 0, 0, rounds);
        g->recipe->insns[skip].off = (int16_t)((int)head - (int)skip - 1);
        set(g, 0, K_NONE, 0);
        break;
    }
    case 6: { /* proven of the packet's start, used of a place behind it */
        unsigned ctx = context(g), size = 1 + below(g, 16), t = base == 5 ? 4 : base + 1;
        bool wide = g->recipe->type != WORLD_LINUX_XDP;
        if (ctx > 9 || ctx == a || ctx == b || ctx == base || t == ctx)
            break;
        g->locked |= (uint16_t)(1u << ctx | 1u << a | 1u << b);
        new_number(g, t);
        emit(g, 0x57, t, 0, 0, 1 + below(g, 31));
        emit(g, wide ? 0x79 : 0x61, a, ctx, (int)packet_offset(g, false), 0);
        emit(g, wide ? 0x79 : 0x61, b, ctx, (int)packet_offset(g, true), 0);
        emit(g, 0xbf, base, a, 0, 0);
        emit(g, 0x0f, base, t, 0, 0);
        emit(g, 0x07, a, 0, 0, size);
        skip = emit(g, 0x2d, a, b, 0, 0);
        emit(g, 0x71, base, base, (int)size - 1, 0);
        land(g, skip);
        set(g, a, K_NONE, 0);
        set(g, b, K_NONE, 0);
        set(g, t, K_NONE, 0);
        set(g, base, K_NONE, 0);
        break;
    }
    case 7: { /* a buffer of which who knows how much is written */
        unsigned ctx = context(g), low = 40 + below(g, 16);
        if (!has(g, WORLD_LOAD_BYTES) || ctx > 9)
            break;
        emit(g, 0xbf, a, ctx, 0, 0);
        set(g, a, K_CONTEXT, 0);
        call(g, WORLD_PRANDOM);
        emit(g, 0x57, 0, 0, 0, 15);
        emit(g, 0x07, 0, 0, 0, 1);
        emit(g, 0xbf, 4, 0, 0, 0);
        emit(g, 0xbf, 1, a, 0, 0);
        emit(g, 0xb7, 2, 0, 0, 0);
        emit(g, 0xbf, 3, 10, 0, 0);
        emit(g, 0x07, 3, 0, 0, -8 * (int)low);
        call(g, WORLD_LOAD_BYTES);
        emit(g, 0x61 | size_code(some_size(g)), 0, 10, -8 * (int)low + (int)below(g, 9), 0);
        set(g, 0, K_NUMBER, 0);
        break;
    }
    case 8: /* a record kept on the way that is looked at second */
        if (!has(g, WORLD_RING_RESERVE) || !g->exits)
            break;
        jump = compare(g);
        over = emit(g, 0x05, 0, 0, 0, 0);
        land(g, jump);
        load_map(g, 1, WORLD_RING);
        emit(g, 0xb7, 2, 0, 0, 16);
        emit(g, 0xb7, 3, 0, 0, 0);
        call(g, WORLD_RING_RESERVE);
        land(g, over);
        for (unsigned r = 0; r <= 5; r++)
            set(g, r, K_NONE, 0);
        break;
    case 9: /* a place further on on that way */
        emit(g, 0x18, a, LDDW_SRC_MAP_INDEX_VALUE, 0, WORLD_GLOBAL);
        emit(g, 0, 0, 0, 0, 0);
        set(g, a, K_NONE, 0);
        g->locked |= (uint16_t)(1u << a);
        jump = compare(g);
        over = emit(g, 0x05, 0, 0, 0, 0);
        land(g, jump);
        emit(g, 0x07, a, 0, 0, (int)below(g, WORLD_GLOBAL_SIZE));
        land(g, over);
        emit(g, 0x79, base, a, (int)below(g, WORLD_GLOBAL_SIZE - 7), 0);
        set(g, base, K_NUMBER, 0);
        break;
    case 10: /* two names of one lookup, or two lookups */
        pass_stack(g, 2, 8);
        load_map(g, 1, WORLD_HASH);
        call(g, WORLD_LOOKUP);
        emit(g, 0xbf, a, 0, 0, 0);
        emit(g, 0xbf, b, 0, 0, 0);
        set(g, a, K_NONE, 0);
        set(g, b, K_NONE, 0);
        set(g, 0, K_NONE, 0);
        g->locked |= (uint16_t)(1u << a | 1u << b);
        jump = compare(g);
        over = emit(g, 0x05, 0, 0, 0, 0);
        land(g, jump);
        pass_stack(g, 2, 8);
        load_map(g, 1, WORLD_HASH);
        call(g, WORLD_LOOKUP);
        emit(g, 0xbf, b, 0, 0, 0);
        land(g, over);
        skip = emit(g, 0x15, a, 0, 0, 0);
        emit(g, 0x79, base, b, 8 * (int)below(g, 6), 0);
        land(g, skip);
        for (unsigned r = 0; r <= 5; r++)
            set(g, r, K_NONE, 0);
        break;
    default: /* written on one way only */
        jump = compare(g);
        emit(g, 0xbf, a, number(g), 0, 0);
        if (chance(g, 2))
            emit(g, 0x7b, 10, a, -8 * 20, 0);
        land(g, jump);
        if (chance(g, 2))
            emit(g, 0x79, base, 10, -8 * 20, 0);
        else
            emit(g, 0x07, a, 0, 0, 1);
        set(g, a, K_NONE, 0);
        set(g, base, K_NONE, 0);
        break;
    }
    g->locked = locked;
}

static void statement(struct generator *g)
{
    unsigned n = below(g, g->daring ? 74 : 64);
    if (n >= 64) {
        special(g);
        return;
    }
    if (g->depth > 5 && n >= 44)
        n = below(g, 30);
    if (n < 12)
        arithmetic(g);
    else if (n < 15)
        new_number(g, room_for_new(g));
    else if (n < 20)
        site(g);
    else if (n < 23)
        spill(g);
    else if (n < 26)
        fill(g);
    else if (n < 27)
        stack_pointer(g);
    else if (n < 28)
        direct(g);
    else if (n < 30)
        pointer(g);
    else if (n < 32)
        atomic(g);
    else if (n < 35)
        helper(g);
    else if (n < 39)
        variable(g);
    else if (n < 40) {
        if (wild(g))
            anything(g);
        else
            site(g);
    } else if (n < 43)
        to_function(g);
    else if (n < 49)
        branch(g);
    else if (n < 53)
        packet(g);
    else if (n < 56)
        lookup(g);
    else if (n < 58)
        ring(g);
    else if (n < 62)
        loop(g);
    else
        walk(g);
}

static void statements(struct generator *g, unsigned count)
{
    while (count-- && !full(g))
        statement(g);
}

static void function(struct generator *g, bool main)
{
    memset(g->regs, 0, sizeof g->regs);
    memset(g->slots, 0, sizeof g->slots);
    g->locked = 0;
    g->depth = g->loops = 0;
    g->function = !main;
    g->exits = true;
    if (main) {
        set(g, 1, K_CONTEXT, 0);
        if (!chance(g, 8)) {
            emit(g, 0xbf, 6, 1, 0, 0);
            set(g, 6, K_CONTEXT, 0);
            g->locked = chance(g, 4) ? 0 : 1u << 6;
        } else {
            emit(g, 0x7b, 10, 1, -8 * 14, 0);
            g->slots[13] = g->regs[1];
        }
        if (chance(g, 2))
            packet(g);
        statements(g, 3 + below(g, 8));
    } else {
        set(g, 1, K_NUMBER, 0);
        set(g, 2, K_MEMORY, 16);
        g->depth = 3;
        statements(g, 1 + below(g, 4));
    }
    end_program(g);
}

void recipe_generate(struct recipe *recipe, uint64_t seed)
{
    recipe_generate_from(recipe, seed, NULL, 0);
}

void recipe_generate_from(struct recipe *recipe, uint64_t seed, const uint8_t *choices, size_t count)
{
    struct generator g;
    memset(&g, 0, sizeof g);
    g.choices = choices;
    g.choice_count = count;
    memset(recipe, 0, sizeof *recipe);
    g.recipe = recipe;
    g.random = seed;
    g.daring = chance(&g, 2);
    g.wild = (g.daring ? 12u : 32u) << below(&g, 5);
    recipe->seed = seed;
    recipe->type = chance(&g, 3) ? (enum world_type)below(&g, WORLD_TYPES) : WORLD_LINUX_XDP;
    recipe->func_count = 1;
    function(&g, true);
    if (g.call_count) {
        for (uint32_t f = 1; f < GENERATED_FUNCS; f++) {
            recipe->funcs[f] = recipe->count;
            function(&g, false);
        }
        recipe->func_count = GENERATED_FUNCS;
        for (uint32_t i = 0; i < g.call_count; i++)
            recipe->insns[g.calls[i]].imm = (int32_t)(recipe->funcs[g.callee[i]] - g.calls[i] - 1);
    }
}

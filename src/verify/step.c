/* SPDX-License-Identifier: MIT
 *
 * One instruction: what it asks of the state before, and the state after.
 */
#include <stdarg.h>
#include <string.h>
#include "isa/isa.h"
#include "verify/state.h"

enum { WINDOW = 1 << 29, DISTANCE = 1 << 30 };

bool refuse(struct verifier *v, enum verify_reason reason, const char *format, ...)
{
    struct text text;
    va_list arguments;
    v->reason = reason;
    text_init(&text, v->message, sizeof v->message);
    va_start(arguments, format);
    text_vformat(&text, format, arguments);
    va_end(arguments);
    return false;
}

static const struct value *read_reg(struct verifier *v, unsigned reg)
{
    static const struct value none;
    if (v->now.regs[reg].kind != V_NONE)
        return &v->now.regs[reg];
    if (v->now.regs[reg].index)
        (void)refuse(v, REASON_UNINIT_REGISTER,
                     "r%u cannot be used: it does not hold the same kind of value on every path", reg);
    else
        (void)refuse(v, REASON_UNINIT_REGISTER, "r%u was never written", reg);
    return &none;
}

/* An operand by value; r10 is the stack pointer. */
static bool operand(struct verifier *v, unsigned reg, struct value *value, uint64_t *deps)
{
    if (reg == 10) {
        *value = value_pointer(V_STACK, v->now.depth - 1, 0);
        *deps = 0;
        return true;
    }
    *value = *read_reg(v, reg);
    *deps = v->now.reg_deps[reg];
    return value->kind != V_NONE;
}

static bool leaks(const struct verifier *v)
{
    return v->input->flags & VERIFY_POINTER_LEAKS;
}

static bool same_scalar(const struct scalar *a, const struct scalar *b)
{
    return !memcmp(a, b, sizeof *a);
}

/* value + [low, high]: its distance from its anchor follows, if it can be told. */
static void move_anchor(struct value *value, int64_t low, int64_t high)
{
    if (!value->anchor)
        return;
    low += value->lo;
    high += value->hi;
    if (low < -DISTANCE || high > DISTANCE) {
        value->anchor = 0;
        low = high = 0;
    }
    value->lo = (int32_t)low;
    value->hi = (int32_t)high;
}

static void drop_anchor(struct value *value)
{
    value->anchor = 0;
    value->lo = value->hi = 0;
}

static bool may_move(struct verifier *v, const struct value *p, const char *what)
{
    static const char *const names[V_KINDS] = {[V_MAP] = "a map",       [V_PACKET_END] = "the end of a packet",
                                               [V_CODE] = "a function", [V_OBJECT] = "a socket",
                                               [V_BTF] = NULL,          [V_DYNPTR] = "a dynptr",
                                               [V_ITER] = "an iterator"};
    if (p->flags & VALUE_NULLABLE)
        return refuse(v, REASON_NULL_POINTER, "%s on a pointer that may be NULL: compare it with NULL first", what);
    if (names[p->kind])
        return refuse(v, REASON_POINTER_ARITHMETIC, "%s on a pointer to %s", what, names[p->kind]);
    return true;
}

/* pointer + number (negative: pointer - number). */
static bool move_pointer(struct verifier *v, unsigned dst, struct value p, const struct value *number, uint64_t deps,
                         bool negative)
{
    struct scalar n = number->n;
    if (!may_move(v, &p, "arithmetic"))
        return false;
    mark_precise(v, deps);
    if (negative)
        n = scalar_neg(true, &n);
    if (scalar_is_const(&n)) {
        int64_t by = (int64_t)n.umin, off = (int64_t)p.off + by;
        if (by <= -WINDOW || by >= WINDOW || off <= -WINDOW || off >= WINDOW)
            return refuse(v, REASON_POINTER_OFFSET, "offset %lld is too far from the pointer's start", (long long)by);
        p.off = (int32_t)off;
        move_anchor(&p, by, by);
        set_reg(v, dst, &p, 0);
        return true;
    }
    if (p.kind == V_CONTEXT)
        return refuse(v, REASON_POINTER_ARITHMETIC, "a variable offset is added to the context");
    if (n.smin <= -WINDOW || n.smax >= WINDOW) {
        /* such a pointer cannot be used; it is harmless until it is */
        p.n = scalar_any;
        drop_anchor(&p);
    } else {
        p.n = scalar_alu(OP_ADD, true, &p.n, &n);
        move_anchor(&p, n.smin, n.smax);
    }
    if (p.kind == V_PACKET) {
        p.id = fresh_id(v);
        p.limit = n.smin >= 0 && n.smax < (int64_t)p.limit ? p.limit - (uint32_t)n.smax : 0;
    }
    set_reg(v, dst, &p, 0);
    return true;
}

/* Do both point into the same memory, so that their offsets can be compared? */
static bool same_base(const struct value *a, const struct value *b)
{
    if (a->kind != b->kind || a->index != b->index || (a->flags | b->flags) & VALUE_NULLABLE)
        return false;
    return a->kind == V_STACK || a->kind == V_PACKET ||
           ((a->kind == V_MAP_VALUE || a->kind == V_MEMORY || a->kind == V_RECORD) && a->id && a->id == b->id);
}

static struct scalar offset_of(const struct value *p)
{
    struct scalar by = scalar_const((uint64_t)(int64_t)p->off);
    return scalar_alu(OP_ADD, true, &p->n, &by);
}

/* A packet pointer and the end of its region: which of them is on the left? */
static bool is_end_of(const struct value *end, const struct value *p)
{
    if (p->kind != V_PACKET)
        return false;
    if (end->kind == V_PACKET_END)
        return p->index == REGION_META ? false
                                       : end->index == (p->index == REGION_PACKET ? REGION_PACKET : REGION_MEMORY);
    return end->kind == V_PACKET && end->index == REGION_PACKET && !end->id && !end->off && p->index == REGION_META;
}

static bool pointer_alu(struct verifier *v, enum scalar_op op, bool wide, unsigned dst, const struct value *d,
                        const struct value *s, uint64_t deps)
{
    struct value any = value_number(wide ? scalar_any : scalar_bits(32));
    bool dp = value_is_pointer(d), sp = value_is_pointer(s);
    if (wide && op == OP_ADD && dp != sp)
        return move_pointer(v, dst, dp ? *d : *s, dp ? s : d, deps, false);
    if (wide && op == OP_SUB && dp && !sp)
        return move_pointer(v, dst, *d, s, deps, true);
    if (wide && op == OP_SUB && dp && sp) {
        if (same_base(d, s)) {
            struct scalar a = offset_of(d), b = offset_of(s);
            if (d->kind == V_PACKET && d->id && d->id == s->id)
                any = value_number(scalar_const((uint64_t)((int64_t)d->off - s->off)));
            else
                any = value_number(scalar_alu(OP_SUB, true, &a, &b));
            set_reg(v, dst, &any, 0);
            return true;
        }
        if (is_end_of(d, s)) { /* what is left of the packet */
            if (!s->id) {
                any.n = scalar_srange(-(int64_t)s->off, CONTRACT_REGION_MOST - (int64_t)s->off);
                if (s->limit > (uint32_t)s->off && s->off >= 0)
                    any.n = scalar_srange((int64_t)s->limit - s->off, CONTRACT_REGION_MOST - (int64_t)s->off);
            }
            any.flags = VALUE_LENGTH;
            any.index = s->index;
            any.id = s->id;
            any.off = s->off;
            set_reg(v, dst, &any, 0);
            return true;
        }
        if (is_end_of(s, d)) {
            set_reg(v, dst, &any, 0);
            return true;
        }
    }
    if (!leaks(v))
        return refuse(v, REASON_POINTER_ARITHMETIC, "%s arithmetic %s", wide ? "64-bit" : "32-bit",
                      op == OP_ADD || op == OP_SUB ? "of this kind on a pointer would leak it"
                                                   : "other than + and - on a pointer would leak it");
    if ((op != OP_SUB && op != OP_ADD && wide) || (dp && !sp && d->flags & VALUE_NULLABLE && wide))
        return refuse(v, REASON_POINTER_ARITHMETIC, "arithmetic other than + and - on a pointer");
    set_reg(v, dst, &any, 0);
    return true;
}

static enum scalar_op op_of(const struct insn *insn)
{
    switch (insn->code & 0xf0) {
    case 0x00: return OP_ADD;
    case 0x10: return OP_SUB;
    case 0x20: return OP_MUL;
    case 0x30: return insn->off ? OP_SDIV : OP_DIV;
    case 0x40: return OP_OR;
    case 0x50: return OP_AND;
    case 0x60: return OP_LSH;
    case 0x70: return OP_RSH;
    case 0x90: return insn->off ? OP_SMOD : OP_MOD;
    case 0xa0: return OP_XOR;
    default: return OP_ARSH;
    }
}

/* A copy of a number: from now on what is said of one is said of the other. */
static void copy_number(struct verifier *v, unsigned dst, unsigned src)
{
    struct value *s = &v->now.regs[src];
    if (!s->anchor && !scalar_is_const(&s->n)) {
        s->anchor = fresh_id(v);
        v->now.reg_node[src] = NODE_DIRTY;
    }
    set_reg(v, dst, s, v->now.reg_deps[src]);
    v->now.reg_node[dst] = v->now.reg_node[src];
}

static bool move(struct verifier *v, const struct insn *insn, bool wide)
{
    unsigned dst = insn_dst(insn), src = insn_src(insn);
    struct value s, r;
    uint64_t deps;
    if (!(insn->code & 8)) {
        r = value_number(scalar_const(wide ? (uint64_t)(int64_t)insn->imm : (uint32_t)insn->imm));
        set_reg(v, dst, &r, 0);
        return true;
    }
    if (!operand(v, src, &s, &deps))
        return false;
    if (insn->off) { /* sign-extending */
        if (value_is_pointer(&s)) {
            if (!leaks(v))
                return refuse(v, REASON_POINTER_LEAK, "part of a pointer is copied");
            s = value_number(scalar_any);
        }
        r = value_number(scalar_sext(&s.n, (unsigned)insn->off));
        if (wide && same_scalar(&r.n, &s.n)) {
            copy_number(v, dst, src);
            return true;
        }
        if (!wide)
            r.n = scalar_zext(&r.n, 32);
        set_reg(v, dst, &r, deps);
        return true;
    }
    if (wide) {
        if (s.kind == V_NUMBER) {
            copy_number(v, dst, src);
        } else {
            set_reg(v, dst, &s, deps);
        }
        return true;
    }
    if (value_is_pointer(&s)) {
        if (!leaks(v))
            return refuse(v, REASON_POINTER_LEAK, "half of a pointer is copied");
        r = value_number(scalar_bits(32));
        set_reg(v, dst, &r, 0);
        return true;
    }
    if (s.n.umax <= UINT32_MAX) {
        copy_number(v, dst, src);
        return true;
    }
    r = value_number(scalar_zext(&s.n, 32));
    struct scalar top = scalar_bits(32);
    set_reg(v, dst, &r, same_scalar(&r.n, &top) ? 0 : deps);
    return true;
}

static bool arithmetic(struct verifier *v, const struct insn *insn)
{
    bool wide = (insn->code & 7) == 7;
    uint8_t code = insn->code & 0xf0;
    unsigned dst = insn_dst(insn), src = insn_src(insn);
    struct value d, s, r;
    uint64_t deps = 0, s_deps = 0;
    if (code == 0xb0)
        return move(v, insn, wide);
    if (!operand(v, dst, &d, &deps))
        return false;
    if (code == 0x80 || code == 0xd0) { /* negation, byte order */
        if (value_is_pointer(&d)) {
            if (!leaks(v))
                return refuse(v, REASON_POINTER_ARITHMETIC, "arithmetic other than + and - on a pointer");
            d = value_number(scalar_any);
        }
        if (code == 0x80)
            r = value_number(scalar_neg(wide, &d.n));
        else if (insn->code == 0xd4)
            r = value_number(insn->imm == 64 ? d.n : scalar_zext(&d.n, (unsigned)insn->imm));
        else
            r = value_number(scalar_swap(&d.n, (unsigned)insn->imm));
        set_reg(v, dst, &r, scalar_is_any(&r.n) ? 0 : deps);
        return true;
    }
    enum scalar_op op = op_of(insn);
    if (insn->code & 8) {
        if (!operand(v, src, &s, &s_deps))
            return false;
    } else {
        s = value_number(scalar_const(wide ? (uint64_t)(int64_t)insn->imm : (uint32_t)insn->imm));
    }
    if (value_is_pointer(&d) || value_is_pointer(&s))
        return pointer_alu(v, op, wide, dst, &d, &s, value_is_pointer(&d) ? s_deps : deps);
    /* r ^= r, r -= r: zero whatever it was */
    if ((insn->code & 8) && dst == src && (op == OP_XOR || op == OP_SUB)) {
        r = value_number(scalar_zero);
        set_reg(v, dst, &r, 0);
        return true;
    }
    r = value_number(scalar_alu(op, wide, &d.n, &s.n));
    deps |= s_deps;
    if (op == OP_ADD || op == OP_SUB) {
        const struct value *from = &d;
        int64_t low = s.n.smin, high = s.n.smax;
        if (op == OP_ADD && !d.anchor && s.anchor) {
            from = &s;
            low = d.n.smin;
            high = d.n.smax;
        } else if (op == OP_SUB) {
            int64_t swap = low;
            low = high == INT64_MIN ? INT64_MIN : -high;
            high = swap == INT64_MIN ? INT64_MAX : -swap;
        }
        if (!wide) { /* the addend as the signed number that it is meant as */
            if (low >= INT32_MAX && high <= UINT32_MAX) {
                low = (int32_t)(uint32_t)low;
                high = (int32_t)(uint32_t)high;
            } else if (op == OP_SUB && high <= -(int64_t)INT32_MAX && low >= -(int64_t)UINT32_MAX) {
                low += (int64_t)UINT32_MAX + 1;
                high += (int64_t)UINT32_MAX + 1;
            }
        }
        if (from->anchor && low > -DISTANCE && high < DISTANCE &&
            (wide || (from->n.umax <= UINT32_MAX && (int64_t)from->n.umin + low >= 0 &&
                      (int64_t)from->n.umax + high <= (int64_t)UINT32_MAX))) {
            r.anchor = from->anchor;
            r.lo = from->lo;
            r.hi = from->hi;
            move_anchor(&r, low, high);
        }
    } else if (op == OP_LSH && wide && !(insn->code & 8)) {
        v->unshifted = d;
        v->shifted_at = v->insn;
    } else if ((op == OP_RSH || op == OP_ARSH) && wide && !(insn->code & 8) && v->insn &&
               v->shifted_at == v->insn - 1 && !v->flow[v->insn].join) {
        const struct insn *before = insn - 1;
        if (before->code == 0x67 && insn_dst(before) == dst && before->imm == insn->imm && insn->imm > 0 &&
            insn->imm < 64) {
            struct scalar whole = op == OP_RSH ? scalar_zext(&v->unshifted.n, 64 - (unsigned)insn->imm)
                                               : scalar_sext(&v->unshifted.n, 64 - (unsigned)insn->imm);
            if (same_scalar(&whole, &v->unshifted.n))
                r = v->unshifted;
            else
                (void)scalar_meet(&r.n, &whole);
        }
    } else if (op == OP_AND && same_scalar(&r.n, &d.n)) {
        uint64_t keep = s.n.bits.value;
        if (scalar_is_const(&s.n) && !(d.n.bits.mask & ~keep)) {
            r.anchor = d.anchor; /* nothing was cut off */
            r.lo = d.lo;
            r.hi = d.hi;
        }
    }
    /* A result that says no more than any operand would have given depends on none. */
    if (deps) {
        if (scalar_is_any(&r.n)) {
            deps = 0;
        } else if (!wide || op == OP_AND || op == OP_RSH || op == OP_MOD || op == OP_DIV) {
            struct scalar top = scalar_alu(op, wide, &scalar_any, (insn->code & 8) ? &scalar_any : &s.n);
            if (scalar_covers(&r.n, &top))
                deps = 0;
        }
    }
    set_reg(v, dst, &r, deps);
    return true;
}

/* ---- branches ---- */

static bool relation_of(const struct insn *insn, enum scalar_relation *r)
{
    switch (insn->code & 0xf0) {
    case 0x10: *r = REL_EQ; return true;
    case 0x20: *r = REL_UGT; return true;
    case 0x30: *r = REL_UGE; return true;
    case 0x40: *r = REL_SET; return true;
    case 0x50: *r = REL_NE; return true;
    case 0x60: *r = REL_SGT; return true;
    case 0x70: *r = REL_SGE; return true;
    case 0xa0: *r = REL_ULT; return true;
    case 0xb0: *r = REL_ULE; return true;
    case 0xc0: *r = REL_SLT; return true;
    case 0xd0: *r = REL_SLE; return true;
    default: return false;
    }
}

struct learnt { /* of a number, for its copies */
    uint32_t anchor;
    int32_t at;
    struct scalar n;
    uint64_t deps;
    bool impossible;
};

static bool learn_copy(struct verifier *v, void *self, struct value *value, uint64_t *deps)
{
    struct learnt *l = self;
    struct scalar n = l->n;
    (void)v;
    if (value->anchor != l->anchor || value->kind != V_NUMBER || value->lo != value->hi)
        return false;
    if (value->lo != l->at) {
        struct scalar by = scalar_const((uint64_t)((int64_t)value->lo - l->at));
        n = scalar_alu(OP_ADD, true, &n, &by);
    }
    struct scalar before = value->n;
    if (!scalar_meet(&value->n, &n)) {
        l->impossible = true;
        value->n = before;
        return false;
    }
    if (same_scalar(&before, &value->n))
        return false;
    *deps |= l->deps;
    return true;
}

struct proven {
    uint32_t id;
    uint16_t region;
    uint32_t limit;
};

static bool prove_packet(struct verifier *v, void *self, struct value *value, uint64_t *deps)
{
    const struct proven *p = self;
    (void)v;
    (void)deps;
    if (value->kind != V_PACKET || value->id != p->id || value->index != p->region || value->limit >= p->limit)
        return false;
    value->limit = p->limit;
    /* no region is longer than that, so its base is no closer to it than what follows it */
    int64_t last = CONTRACT_REGION_MOST - (int64_t)p->limit;
    if (value->n.smax > last) {
        struct scalar most = scalar_srange(INT64_MIN, last), n = value->n;
        if (scalar_meet(&n, &most))
            value->n = n;
    }
    return true;
}

/* `limit` bytes exist from the base that packet pointers of `id` share. */
static void prove(struct verifier *v, uint32_t id, uint16_t region, int64_t limit)
{
    if (limit > 0 && limit <= CONTRACT_REGION_MOST) {
        struct proven proven = {id, region, (uint32_t)limit};
        if (!id && region == REGION_PACKET && v->now.g.base_range < proven.limit)
            v->now.g.base_range = proven.limit;
        state_visit(v, prove_packet, &proven);
    }
}

/* Register `reg` holds a number of set `n` now. */
static bool learn(struct verifier *v, unsigned reg, const struct scalar *n, uint64_t deps)
{
    struct value *value = &v->now.regs[reg];
    if (same_scalar(&value->n, n))
        return true;
    value->n = *n;
    v->now.reg_deps[reg] |= deps;
    v->now.reg_node[reg] = NODE_DIRTY;
    if (value->flags & VALUE_LENGTH && n->smin > 0) {
        mark_precise(v, v->now.reg_deps[reg]);
        prove(v, value->id, value->index, value->off + n->smin);
    }
    if (value->anchor && value->lo == value->hi) {
        struct learnt l = {value->anchor, value->lo, *n, v->now.reg_deps[reg], false};
        state_visit(v, learn_copy, &l);
        return !l.impossible;
    }
    return true;
}

struct null_answer {
    uint32_t id, ref;
    bool null;
};

static bool answer_null(struct verifier *v, void *self, struct value *value, uint64_t *deps)
{
    const struct null_answer *answer = self;
    (void)v;
    (void)deps;
    if (!(value->flags & VALUE_NULLABLE) || value->id != answer->id || value->kind <= V_NUMBER)
        return false;
    if (answer->null) {
        *value = value_number(scalar_zero);
    } else {
        value->flags &= (uint8_t)~VALUE_NULLABLE;
        if (value->kind != V_MAP_VALUE && value->kind != V_MEMORY && value->kind != V_RECORD)
            value->id = 0;
    }
    return true;
}

static void settle_null(struct verifier *v, const struct value *value, bool null)
{
    struct null_answer answer = {value->id, value->ref, null};
    if (null && value->ref && value->flags & VALUE_OWNED) /* nothing was acquired */
        for (uint32_t i = 0; i < v->now.g.ref_count; i++)
            if (v->now.g.refs[i].id == value->ref)
                v->now.g.refs[i--] = v->now.g.refs[--v->now.g.ref_count];
    state_visit(v, answer_null, &answer);
}

/* Pointer `p` is at most the end, or below it. */
static void packet_below_end(struct verifier *v, const struct value *p, bool strictly)
{
    prove(v, p->id, p->index, (int64_t)p->off + strictly);
}

enum { KNOWN_NO, KNOWN_YES, UNKNOWN };

static int known(int decided)
{
    return decided < 0 ? UNKNOWN : decided ? KNOWN_YES : KNOWN_NO;
}

static bool never_null(const struct value *p)
{
    return !(p->flags & VALUE_NULLABLE) && p->n.smin > -WINDOW && p->n.smax < WINDOW && /* else: anywhere */
           (p->kind == V_STACK || p->kind == V_MAP_VALUE || p->kind == V_MAP || p->kind == V_MEMORY ||
            p->kind == V_RECORD || p->kind == V_OBJECT || p->kind == V_CONTEXT || p->kind == V_MAP_KEY);
}

struct comparison {
    enum scalar_relation r;
    bool wide, reg;
    unsigned dst, src;
    struct value d, s;
    uint64_t d_deps, s_deps;
};

static bool comparison_of(struct verifier *v, const struct insn *insn, struct comparison *c)
{
    c->wide = (insn->code & 7) == 5;
    c->reg = insn->code & 8;
    c->dst = insn_dst(insn);
    c->src = insn_src(insn);
    c->s_deps = 0;
    if (!relation_of(insn, &c->r))
        return refuse(v, REASON_INSTRUCTION, "unknown jump");
    if (!operand(v, c->dst, &c->d, &c->d_deps))
        return false;
    if (c->reg)
        return operand(v, c->src, &c->s, &c->s_deps);
    c->s = value_number(scalar_const(c->wide ? (uint64_t)(int64_t)insn->imm : (uint32_t)insn->imm));
    return true;
}

/* Does it hold?  Refuses what may not be compared. */
static int decide(struct verifier *v, const struct comparison *c)
{
    const struct value *d = &c->d, *s = &c->s;
    if (d->kind == V_NUMBER && s->kind == V_NUMBER) {
        int decided;
        if (c->reg && c->dst == c->src)
            return c->r == REL_SET ? UNKNOWN
                                   : known(c->r == REL_EQ || c->r == REL_ULE || c->r == REL_UGE || c->r == REL_SLE ||
                                           c->r == REL_SGE);
        decided = scalar_decide(c->r, c->wide, &d->n, &s->n);
        if (decided < 0 && c->wide && d->anchor && d->anchor == s->anchor && d->lo == d->hi && s->lo == s->hi &&
            (c->r == REL_EQ || c->r == REL_NE))
            decided = (d->lo == s->lo) == (c->r == REL_EQ);
        if (decided >= 0)
            mark_precise(v, c->d_deps | c->s_deps);
        return known(decided);
    }
    const struct value *pointer = value_is_pointer(d) ? d : s, *other = pointer == d ? s : d;
    if (value_is_null(other) && c->wide && (c->r == REL_EQ || c->r == REL_NE)) {
        mark_precise(v, pointer == d ? c->s_deps : c->d_deps);
        if (never_null(pointer))
            return c->r == REL_NE;
        return UNKNOWN;
    }
    if (c->wide && value_is_pointer(other) && c->r != REL_SET) {
        if (is_end_of(s, d) || is_end_of(d, s)) {
            const struct value *p = is_end_of(s, d) ? d : s;
            /* what was proven once stays so */
            if (p->off >= 0 && p->limit >= (uint32_t)p->off) {
                bool strict = p->limit > (uint32_t)p->off;
                bool left = p == d;
                switch (c->r) {
                case REL_UGT:
                    if (left)
                        return KNOWN_NO;
                    else if (strict)
                        return KNOWN_YES;
                    break;
                case REL_ULE:
                    if (left)
                        return KNOWN_YES;
                    else if (strict)
                        return KNOWN_NO;
                    break;
                case REL_ULT:
                    if (!left)
                        return KNOWN_NO;
                    else if (strict)
                        return KNOWN_YES;
                    break;
                case REL_UGE:
                    if (!left)
                        return KNOWN_YES;
                    else if (strict)
                        return KNOWN_NO;
                    break;
                case REL_EQ:
                    if (strict)
                        return KNOWN_NO;
                    break;
                case REL_NE:
                    if (strict)
                        return KNOWN_YES;
                    break;
                default: break;
                }
            }
            return UNKNOWN;
        }
        if (same_base(d, s)) {
            struct scalar a = offset_of(d), b = offset_of(s);
            if (a.smin > -WINDOW && a.smax < WINDOW && b.smin > -WINDOW && b.smax < WINDOW) {
                /* the same order as of the addresses: no object spans the end of the address space */
                enum scalar_relation r = c->r == REL_ULT   ? REL_SLT
                                         : c->r == REL_ULE ? REL_SLE
                                         : c->r == REL_UGT ? REL_SGT
                                         : c->r == REL_UGE ? REL_SGE
                                                           : c->r;
                return known(scalar_decide(r, true, &a, &b));
            }
            return UNKNOWN;
        }
    }
    if (!leaks(v) && !(d->kind == s->kind && d->kind == V_MAP_VALUE)) {
        (void)refuse(v, REASON_POINTER_COMPARE, "a pointer is compared with %s",
                     value_is_pointer(other) ? "a pointer into other memory" : "a number");
        return -1;
    }
    return UNKNOWN;
}

bool assume_branch(struct verifier *v, bool taken)
{
    const struct insn *insn = &v->image->insns[v->insn];
    struct comparison c;
    if (insn->code == 0xe5)
        return true;
    if (!comparison_of(v, insn, &c))
        return false;
    enum scalar_relation r = taken ? c.r : scalar_negate(c.r);
    if (c.d.kind == V_NUMBER && c.s.kind == V_NUMBER) {
        struct scalar a = c.d.n, b = c.s.n;
        if (c.reg && c.dst == c.src)
            return true;
        if (!scalar_assume(r, c.wide, &a, &b)) {
            mark_precise(v, c.d_deps | c.s_deps);
            return false;
        }
        bool one = learn(v, c.dst, &a, c.s_deps);
        bool two = !c.reg || learn(v, c.src, &b, c.d_deps);
        if (!one || !two)
            mark_precise(v, c.d_deps | c.s_deps);
        return one && two;
    }
    bool left = value_is_pointer(&c.d);
    const struct value *pointer = left ? &c.d : &c.s, *other = left ? &c.s : &c.d;
    if (value_is_null(other) && c.wide && (r == REL_EQ || r == REL_NE)) {
        if (pointer->flags & VALUE_NULLABLE)
            settle_null(v, pointer, r == REL_EQ);
        return true;
    }
    if (!c.wide || !value_is_pointer(other))
        return true;
    if (is_end_of(&c.s, &c.d) || is_end_of(&c.d, &c.s)) {
        left = is_end_of(&c.s, &c.d);
        const struct value *p = left ? &c.d : &c.s;
        if ((left && r == REL_ULE) || (!left && r == REL_UGE) || r == REL_EQ)
            packet_below_end(v, p, false);
        else if ((left && r == REL_ULT) || (!left && r == REL_UGT))
            packet_below_end(v, p, true);
        return true;
    }
    if (same_base(&c.d, &c.s)) {
        struct scalar a = offset_of(&c.d), b = offset_of(&c.s);
        if (a.smin <= -WINDOW || a.smax >= WINDOW || b.smin <= -WINDOW || b.smax >= WINDOW)
            return true;
        r = r == REL_ULT ? REL_SLT : r == REL_ULE ? REL_SLE : r == REL_UGT ? REL_SGT : r == REL_UGE ? REL_SGE : r;
        if (!scalar_assume(r, true, &a, &b))
            return false;
        for (int i = 0; i < 2; i++) {
            unsigned reg = i ? c.src : c.dst;
            if (reg == 10)
                continue;
            struct value *value = &v->now.regs[reg];
            struct scalar by = scalar_const((uint64_t) - (int64_t)value->off);
            struct scalar n = scalar_alu(OP_ADD, true, i ? &b : &a, &by);
            if (!scalar_is_const(&value->n) && scalar_meet(&n, &value->n)) {
                value->n = n;
                v->now.reg_node[reg] = NODE_DIRTY;
            }
        }
    }
    return true;
}

static enum flow_result jump(struct verifier *v, const struct insn *insn)
{
    uint32_t target = v->insn + 1 + (uint32_t)(insn->code == 0x06 ? insn->imm : insn->off);
    struct comparison c;
    if (insn->code == 0x05 || insn->code == 0x06) {
        v->insn = target;
        return FLOW_JUMPED;
    }
    v->branches++;
    if (v->replay && insn->code == 0xe5) {
        bool taken = replay_taken(v);
        v->now.g.may_gotos += !taken;
        v->insn = taken ? target : v->insn + 1;
        return FLOW_JUMPED;
    }
    if (insn->code == 0xe5) { /* may_goto: either way, and so often only */
        if (!push_pending(v))
            return FLOW_ERROR;
        v->now.g.may_gotos++;
        v->insn++;
        return FLOW_JUMPED;
    }
    if (!comparison_of(v, insn, &c))
        return FLOW_ERROR;
    int decided = decide(v, &c);
    if (decided < 0)
        return FLOW_ERROR;
    if (decided == UNKNOWN && v->replay) {
        bool taken = replay_taken(v);
        if (!assume_branch(v, taken))
            return FLOW_END;
        v->insn = taken ? target : v->insn + 1;
        return FLOW_JUMPED;
    }
    if (decided == UNKNOWN) {
        if (!push_pending(v))
            return FLOW_ERROR;
        if (!assume_branch(v, false))
            return v->reason ? FLOW_ERROR : FLOW_END;
        v->insn++;
        return FLOW_JUMPED;
    }
    v->insn = decided == KNOWN_YES ? target : v->insn + 1;
    return FLOW_JUMPED;
}

/* ---- the rest ---- */

static bool load_wide(struct verifier *v, const struct insn *insn)
{
    unsigned dst = insn_dst(insn);
    struct value r;
    uint32_t map = (uint32_t)insn->imm;
    switch (insn_src(insn)) {
    case LDDW_SRC_MAP_INDEX: r = value_pointer(V_MAP, map, 0); break;
    case LDDW_SRC_MAP_INDEX_VALUE:
        if ((uint32_t)insn[1].imm > v->image->maps[map].value_size)
            return refuse(v, REASON_MAP_VALUE_BOUNDS, "address of offset %u in a map value, which has %u",
                          (uint32_t)insn[1].imm, v->image->maps[map].value_size);
        r = value_pointer(V_MAP_VALUE, map, insn[1].imm);
        r.id = 0x80000000u | map; /* one value, wherever it is named */
        break;
    case LDDW_SRC_CODE: r = value_pointer(V_CODE, v->func_of[v->insn + 1 + (uint32_t)insn->imm], 0); break;
    default: r = value_number(scalar_const((uint32_t)insn->imm | (uint64_t)(uint32_t)insn[1].imm << 32)); break;
    }
    set_reg(v, dst, &r, 0);
    return true;
}

static unsigned size_of(uint8_t code)
{
    switch (code & 0x18) {
    case 0x00: return 4;
    case 0x08: return 2;
    case 0x10: return 1;
    default: return 8;
    }
}

static bool legacy_load(struct verifier *v, const struct insn *insn)
{
    struct value none = value_none(), r;
    const struct value *context = read_reg(v, 6);
    if (context->kind == V_NONE)
        return false;
    if (!(v->contract->flags & CONTRACT_LEGACY_LOADS))
        return refuse(v, REASON_LEGACY_LOAD, "programs of type %s have no packet loads of classic BPF",
                      v->contract->name);
    if (context->kind != V_CONTEXT || context->off || !scalar_is_const(&context->n) || context->n.umin)
        return refuse(v, REASON_LEGACY_LOAD, "r6 must be the context");
    if (v->now.g.ref_count || v->now.g.lock_map)
        return refuse(v, REASON_LEGACY_LOAD, "a packet load may end the program while it holds a reference");
    if ((insn->code & 0xe0) == 0x40) {
        const struct value *index = read_reg(v, insn_src(insn));
        if (index->kind == V_NONE)
            return false;
        if (index->kind != V_NUMBER)
            return refuse(v, REASON_LEGACY_LOAD, "the index of a packet load is an address");
    }
    v->seen[v->insn] |= INSN_CONTEXT;
    for (unsigned reg = 1; reg <= 5; reg++)
        set_reg(v, reg, &none, 0);
    r = value_number(scalar_bits(size_of(insn->code) * 8));
    set_reg(v, 0, &r, 0);
    return true;
}

static bool store(struct verifier *v, const struct insn *insn)
{
    unsigned size = size_of(insn->code);
    struct value value;
    uint64_t deps = 0;
    if ((insn->code & 7) == 2) {
        value = value_number(scalar_const((uint64_t)(int64_t)insn->imm));
    } else {
        unsigned src = insn_src(insn);
        if (!operand(v, src, &value, &deps))
            return false;
        /* what is kept and what is in the register stay copies of each other */
        if (value.kind == V_NUMBER && !value.anchor && !scalar_is_const(&value.n) && insn_dst(insn) == 10) {
            value.anchor = v->now.regs[src].anchor = fresh_id(v);
            v->now.reg_node[src] = NODE_DIRTY;
        }
    }
    return memory_store(v, insn_dst(insn), insn->off, size, &value, deps);
}

/* Where load-acquire and store-release work: aligned, and not on what a load gives another meaning than its bytes.
 * (Linux lets them move pointers to and from the stack; no other atomic may, here these neither.) */
static bool ordered_place(struct verifier *v, unsigned reg, int32_t off, unsigned size)
{
    struct value base;
    uint64_t deps;
    if (!operand(v, reg, &base, &deps))
        return false;
    if (base.kind == V_CONTEXT || base.kind == V_PACKET || base.kind == V_OBJECT || base.kind == V_BTF)
        return refuse(v, REASON_ATOMIC_MEMORY, "load-acquire and store-release do not work on this memory");
    struct scalar by = scalar_const((uint64_t)((int64_t)base.off + off)), at = scalar_alu(OP_ADD, true, &base.n, &by);
    if ((at.bits.value | at.bits.mask) & (size - 1))
        return refuse(v, REASON_ALIGNMENT, "address is not known to be a multiple of %u", size);
    return true;
}

static bool store_class(struct verifier *v, const struct insn *insn)
{
    if ((insn->code & 0xe0) != 0xc0)
        return store(v, insn);
    unsigned size = size_of(insn->code), dst = insn_dst(insn), src = insn_src(insn);
    if (insn->imm == 0x100) {
        if (!ordered_place(v, src, insn->off, size) || !memory_load(v, dst, src, insn->off, size, false))
            return false;
        return !value_is_pointer(&v->now.regs[dst]) ||
               refuse(v, REASON_SPILLED_POINTER, "an atomic load of an address from the stack");
    }
    if (insn->imm == 0x110) {
        if (src == 10 || value_is_pointer(&v->now.regs[src]))
            return refuse(v, REASON_POINTER_LEAK, "an atomic operation would store an address");
        return ordered_place(v, dst, insn->off, size) && store(v, insn);
    }
    return memory_atomic(v, insn, size);
}

static enum flow_result call(struct verifier *v, const struct insn *insn)
{
    if (insn->code == 0x8d) {
        const struct value *target = read_reg(v, insn_dst(insn));
        if (target->kind == V_NONE)
            return FLOW_ERROR;
        if (target->kind != V_CODE || target->off || target->n.umax) {
            (void)refuse(v, REASON_CALL_REGISTER, "r%u holds no function of this program", insn_dst(insn));
            return FLOW_ERROR;
        }
        return call_local(v, v->image->funcs[target->index].insn);
    }
    switch (insn_src(insn)) {
    case CALL_SRC_HELPER: return call_helper(v, insn);
    case CALL_SRC_LOCAL: return call_local(v, v->insn + 1 + (uint32_t)insn->imm);
    default: (void)refuse(v, REASON_KFUNC, "kernel function of BTF id %d is not here", insn->imm); return FLOW_ERROR;
    }
}

enum flow_result step(struct verifier *v)
{
    const struct insn *insn = &v->image->insns[v->insn];
    uint8_t class = insn->code & 7;
    bool fine;
    v->seen[v->insn] |= INSN_SEEN;
    switch (class) {
    case 0:
        if (insn->code == 0x18) {
            v->seen[v->insn + 1] |= INSN_SEEN;
            fine = load_wide(v, insn);
            v->insn += fine;
        } else {
            fine = legacy_load(v, insn);
        }
        break;
    case 1: {
        unsigned mode = insn->code & 0xe0;
        fine = memory_load(v, insn_dst(insn), insn_src(insn), insn->off, size_of(insn->code), mode == 0x80);
        break;
    }
    case 2:
    case 3: fine = store_class(v, insn); break;
    case 5:
    case 6:
        if (insn->code == 0x95)
            return call_exit(v);
        if (insn->code == 0x85 || insn->code == 0x8d)
            return call(v, insn);
        return jump(v, insn);
    default: fine = arithmetic(v, insn); break;
    }
    if (!fine)
        return FLOW_ERROR;
    v->insn++;
    return FLOW_NEXT;
}

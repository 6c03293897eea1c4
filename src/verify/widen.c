/* SPDX-License-Identifier: MIT
 *
 * Generalizing a state (Cousot & Cousot 1977): from an older state at the same place and the current one to a state
 * that contains the current one and, so one hopes, the next arrivals too.  Whether it was too much to assume shows when
 * it is walked: a generalization is a guess that a refusal below takes back (walk.c), so nothing here need be right,
 * only to contain the current state.
 *
 * Bounds that grow jump to the next constant that the loop compares with (widening with thresholds, Blanchet et al.,
 * PLDI 2003), or the bound of some other number at hand, before they give up.  What is a pointer once and a number
 * another time becomes unusable, save that NULL and a pointer become a pointer that may be NULL.
 */
#include <string.h>
#include "verify/state.h"

enum { THRESHOLDS = 192, GROUPS = 64 };

struct group { /* values that were copies of each other in both states */
    uint32_t old, now;
    int32_t shift;
    uint32_t name;
};

struct widening {
    struct verifier *v;
    bool widen;
    struct ranking *ranking;
    const struct ranking
        *before;    /* the older state's, if that was a loop's head in an earlier round of the loops around */
    uint32_t count; /* thresholds, sorted */
    uint64_t thresholds[THRESHOLDS];
    uint32_t id_count, anchor_count;
    struct group ids[GROUPS], anchors[GROUPS];
};

static void add_threshold(struct widening *w, uint64_t t)
{
    uint32_t at = 0;
    while (at < w->count && w->thresholds[at] < t)
        at++;
    if (w->count == THRESHOLDS || (at < w->count && w->thresholds[at] == t))
        return;
    memmove(&w->thresholds[at + 1], &w->thresholds[at], (w->count - at) * sizeof *w->thresholds);
    w->thresholds[at] = t;
    w->count++;
}

static void add_bound(struct widening *w, const struct value *value)
{
    if (value->kind == V_NUMBER && value->n.umax <= UINT32_MAX) {
        add_threshold(w, value->n.umax);
        add_threshold(w, value->n.umax + 1);
    }
}

/* What the loop compares with: constants in its text, and numbers at hand that stay as they are. */
static void find_thresholds(struct widening *w, const struct saved *old)
{
    const node_t *nodes = saved_nodes(old);
    struct verifier *v = w->v;
    const struct place *place = &v->places[v->flow[v->insn].place];
    uint32_t from = place->loop_begin, to = place->loop_end;
    static const uint64_t usual[] = {
        0, 0xffff, CONTRACT_REGION_MOST, 2 * CONTRACT_REGION_MOST + 1, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        add_threshold(w, usual[i]);
    for (uint32_t i = from; i <= to && i < v->image->insn_count && w->count + 16 < THRESHOLDS; i++) {
        const struct insn *insn = &v->image->insns[i];
        uint8_t class = insn->code & 7, op = insn->code & 0xf0;
        if ((class != 5 && class != 6) || (insn->code & 8) || op == 0 || op == 0x80 || op == 0x90 || op == 0xe0)
            continue;
        uint64_t c = class == 6 ? (uint32_t)insn->imm : (uint64_t)(int64_t)insn->imm;
        add_threshold(w, c - 1);
        add_threshold(w, c);
        add_threshold(w, c + 1);
    }
    for (unsigned r = 0; r < 10; r++)
        if (!memcmp(&v->now.regs[r].n, &node_value(v, nodes[r])->n, sizeof v->now.regs[r].n))
            add_bound(w, &v->now.regs[r]);
    for (uint32_t f = 0; f < v->now.depth; f++) {
        uint32_t base = saved_slot_base(old, f);
        for (uint32_t s = 0; s < v->now.frames[f].slots && s < old->words[4 * f + 3]; s++) {
            node_t node = v->now.frames[f].slot[s];
            if (node && !(node & NODE_SPLIT) && node == nodes[base + s])
                add_bound(w, node_value(v, node));
        }
    }
}

static uint64_t at_least(const struct widening *w, uint64_t bound)
{
    for (uint32_t i = 0; i < w->count; i++)
        if (w->thresholds[i] >= bound)
            return w->thresholds[i];
    return UINT64_MAX;
}

static uint64_t at_most(const struct widening *w, uint64_t bound)
{
    for (uint32_t i = w->count; i-- > 0;)
        if (w->thresholds[i] <= bound)
            return w->thresholds[i];
    return 0;
}

static int64_t signed_at_least(const struct widening *w, int64_t bound)
{
    int64_t best = INT64_MAX;
    for (uint32_t i = 0; i < w->count; i++)
        if ((int64_t)w->thresholds[i] >= bound && (int64_t)w->thresholds[i] < best)
            best = (int64_t)w->thresholds[i];
    return best;
}

static int64_t signed_at_most(const struct widening *w, int64_t bound)
{
    int64_t best = INT64_MIN;
    for (uint32_t i = 0; i < w->count; i++)
        if ((int64_t)w->thresholds[i] <= bound && (int64_t)w->thresholds[i] > best)
            best = (int64_t)w->thresholds[i];
    return best;
}

static struct scalar join(const struct widening *w, const struct scalar *old, const struct scalar *now)
{
    struct scalar s;
    if (scalar_covers(old, now))
        return *old;
    s = scalar_hull(old, now);
    if (!w->widen)
        return s;
    uint64_t differ = s.bits.mask & ~old->bits.mask;
    if (differ)
        s.bits.mask |= ~((differ & (0 - differ)) - 1);
    s.bits.value &= ~s.bits.mask;
    if (now->umin < old->umin)
        s.umin = at_most(w, now->umin);
    if (now->umax > old->umax)
        s.umax = at_least(w, now->umax);
    if (now->smin < old->smin)
        s.smin = signed_at_most(w, now->smin);
    if (now->smax > old->smax)
        s.smax = signed_at_least(w, now->smax);
    if (now->u32min < old->u32min || now->u32max > old->u32max) {
        s.u32min = 0;
        s.u32max = UINT32_MAX;
    }
    if (now->s32min < old->s32min || now->s32max > old->s32max) {
        s.s32min = INT32_MIN;
        s.s32max = INT32_MAX;
    }
    (void)scalar_sync(&s);
    return s;
}

static uint32_t group_name(struct widening *w, struct group *groups, uint32_t *count, uint32_t old, uint32_t now,
                           int32_t shift)
{
    for (uint32_t i = 0; i < *count; i++)
        if (groups[i].old == old && groups[i].now == now && groups[i].shift == shift)
            return groups[i].name;
    uint32_t name = fresh_id(w->v);
    if (*count < GROUPS)
        groups[(*count)++] = (struct group){old, now, shift, name};
    return name;
}

static struct value mixed(void)
{
    struct value v = value_none();
    v.index = 1;
    return v;
}

static bool may_be_null(const struct value *value)
{
    return value->kind == V_MAP_VALUE || value->kind == V_MEMORY || value->kind == V_OBJECT || value->kind == V_MAP ||
           value->kind == V_BTF;
}

/* Where both are measured from one anchor, so is the result; in loops give_anchor() has the last word. */
static void join_distance(struct value *r, const struct value *old, const struct value *now)
{
    if (old->anchor && old->anchor == now->anchor) {
        r->lo = old->lo < now->lo ? old->lo : now->lo;
        r->hi = old->hi > now->hi ? old->hi : now->hi;
    } else {
        r->anchor = 0;
        r->lo = r->hi = 0;
    }
}

/* Both numbers. */
static struct value join_number(struct widening *w, const struct value *old, const struct value *now, bool precise)
{
    struct value r = *now;
    r.n = precise ? join(w, &old->n, &now->n) : scalar_any;
    if (!(old->flags & now->flags & VALUE_LENGTH) || old->index != now->index || old->id != now->id ||
        old->off != now->off) {
        r.flags = 0;
        r.index = 0;
        r.id = 0;
        r.off = 0;
    }
    join_distance(&r, old, now);
    return r;
}

static struct value join_value(struct widening *w, const struct value *old, const struct value *now, bool precise)
{
    struct value r = *now;
    if (!memcmp(old, now, sizeof *old))
        return r;
    if (old->kind == V_NONE || now->kind == V_NONE)
        return old->index && old->kind == V_NONE ? *old : now->index && now->kind == V_NONE ? *now : mixed();
    if (old->kind == V_NUMBER && now->kind == V_NUMBER)
        return join_number(w, old, now, precise);
    if (value_is_null(now) && may_be_null(old) && !old->ref) {
        r = *old;
        r.flags |= VALUE_NULLABLE;
        r.id = group_name(w, w->ids, &w->id_count, old->id, UINT32_MAX, 0);
        return r;
    }
    if (value_is_null(old) && may_be_null(now) && !now->ref) {
        r.flags |= VALUE_NULLABLE;
        r.id = group_name(w, w->ids, &w->id_count, UINT32_MAX, now->id, 0);
        return r;
    }
    if (old->kind != now->kind || old->index != now->index || old->ref != now->ref ||
        ((old->flags ^ now->flags) & (uint8_t)~VALUE_NULLABLE) ||
        ((old->kind == V_DYNPTR || old->kind == V_ITER) && memcmp(old, now, sizeof *old)))
        return mixed();
    int64_t shift = (int64_t)now->off - old->off;
    struct scalar by = scalar_const((uint64_t)shift), moved = scalar_alu(OP_ADD, true, &now->n, &by);
    bool same_place = !shift && !memcmp(&old->n, &now->n, sizeof old->n);
    r.off = old->off;
    r.n = join(w, &old->n, &moved);
    r.flags |= old->flags & VALUE_NULLABLE;
    join_distance(&r, old, now);
    if (old->kind == V_PACKET) {
        int64_t limit = (int64_t)now->limit - shift;
        r.limit = limit < 0 ? 0 : limit < old->limit ? (uint32_t)limit : old->limit;
        struct scalar most = scalar_srange(INT64_MIN, CONTRACT_REGION_MOST - (int64_t)r.limit), n = r.n;
        if (r.limit && scalar_meet(&n, &most)) /* these bytes exist, and no region is longer */
            r.n = n;
        r.id = same_place && !old->id && !now->id
                   ? 0
                   : group_name(w, w->ids, &w->id_count, old->id, now->id, (int32_t)shift);
        return r;
    }
    if (old->kind == V_MEMORY || old->kind == V_RECORD)
        r.limit = old->limit < now->limit ? old->limit : now->limit;
    if (old->id != now->id || (r.flags & VALUE_NULLABLE))
        r.id = r.flags & VALUE_NULLABLE ? group_name(w, w->ids, &w->id_count, old->id, now->id, 0) : 0;
    return r;
}

/* In a loop, whatever may move has an anchor to be measured from; copies in both states share it.  Where it stands
 * relative to the anchors of the loops around is claimed as far as the two states tell. */
static void give_anchor(struct widening *w, const struct value *old, const struct value *now, struct value *r)
{
    struct ranking *ranking = w->ranking;
    uint32_t name, i, before = w->before ? old->anchor - w->before->first : 0;
    bool number = r->kind == V_NUMBER;
    int32_t at = 0;
    if (!ranking ||
        !(number || r->kind == V_PACKET || r->kind == V_MAP_VALUE || r->kind == V_MEMORY || r->kind == V_STACK))
        return;
    if (scalar_is_const(&r->n))
        return;
    if (w->before ? now->anchor && before >= w->before->count : !memcmp(old, now, sizeof *old)) {
        r->anchor = now->anchor; /* the loop does not move it */
        r->lo = now->lo;
        r->hi = now->hi;
        if (r->anchor)
            return;
    }
    if (number && now->anchor && now->lo == now->hi && old->anchor && old->lo == old->hi && now->lo == old->lo) {
        name = group_name(w, w->anchors, &w->anchor_count, old->anchor, now->anchor, 0);
        at = now->lo;
    } else {
        name = fresh_id(w->v);
    }
    r->anchor = name;
    r->lo = r->hi = at;
    i = name - ranking->first;
    if (i >= CANDIDATE_MAY_GOTO || !now->anchor || at)
        return;
    if (w->before && before < w->before->count) {
        int64_t step = w->before->least_step[before];
        if (step) {
            ranking->parent[i] = now->anchor;
            ranking->low[i] = step > 0 ? now->lo : -FAR;
            ranking->high[i] = step < 0 ? now->hi : FAR;
        }
    } else if (old->anchor == now->anchor) {
        ranking->parent[i] = now->anchor;
        ranking->low[i] = now->lo < old->lo ? -FAR : old->lo;
        ranking->high[i] = now->hi > old->hi ? FAR : old->hi;
    }
}

static node_t join_node(struct widening *w, node_t old, node_t now, bool precise)
{
    struct verifier *v = w->v;
    if (old == now && !w->ranking)
        return now;
    if (old == NODE_MIXED || now == NODE_MIXED)
        return NODE_MIXED;
    if (old == NODE_NONE || now == NODE_NONE) {
        node_t other = old == NODE_NONE ? now : old;
        bool number = other == NODE_NONE || (other & NODE_SPLIT) || node_value(v, other)->kind == V_NUMBER;
        return number ? NODE_NONE : NODE_MIXED;
    }
    if (!((old | now) & NODE_SPLIT)) {
        struct value a = *node_value(v, old), b = *node_value(v, now), r = join_value(w, &a, &b, precise);
        give_anchor(w, &a, &b, &r);
        return node_make(v, &r);
    }
    /* piece by piece of the older one */
    struct split from, to = {{0}, {0}};
    if (old & NODE_SPLIT) {
        from = *node_split(v, old);
    } else {
        if (node_value(v, old)->kind != V_NUMBER)
            return NODE_MIXED;
        /* the newer one's pieces then */
        from = *node_split(v, now);
        for (unsigned i = 0; i < 8; i++)
            if (from.size[i]) {
                struct value part;
                if (slot_get(v, old, i, from.size[i], &part) != SLOT_VALUE)
                    return NODE_MIXED;
                from.piece[i] = node_make(v, &part);
            }
    }
    for (unsigned i = 0; i < 8; i++)
        if (from.size[i]) {
            struct value a = *node_value(v, from.piece[i]), b;
            switch (slot_get(v, now, i, from.size[i], &b)) {
            case SLOT_VALUE: {
                struct value r = join_value(w, &a, &b, precise);
                if (r.kind == V_NUMBER && !precise)
                    r.n = scalar_bits(from.size[i] * 8u);
                give_anchor(w, &a, &b, &r);
                to.piece[i] = node_make(v, &r);
                to.size[i] = from.size[i];
                break;
            }
            case SLOT_UNINIT: break;
            default: return NODE_MIXED;
            }
        }
    return node_make_split(v, &to);
}

void generalize(struct verifier *v, const struct checkpoint *older, bool widen, bool by_marks, bool stale,
                struct ranking *ranking)
{
    struct state *now = &v->now;
    const struct saved *old = older->state;
    const node_t *nodes = saved_nodes(old);
    uint64_t precise = by_marks ? older->precise : UINT64_MAX;
    uint32_t location = 10;
    struct widening w;
    w.v = v;
    w.widen = widen;
    w.ranking = ranking;
    w.before = ranking && stale ? older->ranking : NULL;
    w.count = w.id_count = w.anchor_count = 0;
    if (widen)
        find_thresholds(&w, old);
    if (ranking) {
        memset(ranking, 0, sizeof *ranking);
        ranking->first = v->next_id + 1;
    }
    for (unsigned r = 0; r < 10; r++) {
        struct value a = *node_value(v, nodes[r]), b = now->regs[r], result;
        if (!(v->flow[v->insn].live >> r & 1)) {
            now->regs[r] = value_none();
            now->reg_node[r] = NODE_NONE;
            continue;
        }
        result = join_value(&w, &a, &b, precise >> r & 1);
        give_anchor(&w, &a, &b, &result);
        now->regs[r] = result;
        now->reg_node[r] = NODE_DIRTY;
    }
    for (uint32_t f = 0; f + 1 < now->depth; f++)
        for (unsigned r = 0; r < SAVED_REGS; r++, location++) {
            struct value a = *node_value(v, nodes[location]), b = *node_value(v, now->frames[f].saved[r]), result;
            result = join_value(&w, &a, &b, (precise & LOCATION_BIT(location)) != 0);
            give_anchor(&w, &a, &b, &result);
            now->frames[f].saved[r] = node_make(v, &result);
        }
    for (uint32_t f = 0; f < now->depth; f++) {
        struct frame *frame = &now->frames[f];
        uint32_t slots = old->words[4 * f + 3];
        for (uint32_t s = 0; s < frame->slots; s++) {
            node_t there = s < slots ? nodes[location + s] : NODE_NONE;
            bool exact = s >= slots || (precise & LOCATION_BIT(location + s));
            frame->slot[s] = join_node(&w, there, frame->slot[s], exact);
        }
        location += slots;
    }
    if (old->base_range < now->g.base_range)
        now->g.base_range = old->base_range;
    if (ranking) {
        ranking->count = v->next_id + 1 - ranking->first;
        if (ranking->count > CANDIDATE_MAY_GOTO)
            ranking->count = CANDIDATE_MAY_GOTO;
    }
}

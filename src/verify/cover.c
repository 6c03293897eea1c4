/* SPDX-License-Identifier: MIT
 *
 * Is the current state one of those that a checkpoint stands for?
 *
 * Every location that may still be read is held against the checkpoint's: registers by static liveness, stack slots by
 * the marks of the checkpoint's own walk.  A number that never mattered there may be any number here.  Names that the
 * walks made up (identities of pointers, references, anchors) are translated as the comparison goes: what was equal
 * there must be equal here; what happens to be equal here need not be there.
 *
 * Inside a generalized loop a checkpoint has been done relative to the loop's head: it may lead back there, and the
 * claim that a candidate moved on that way is the checkpoint's, not ours.  So a candidate stays one only if each
 * location has here a distance from it that lies within the one it had there; the last candidate is not given up.
 */
#include "verify/state.h"

enum { NAMES = 64, HEADS = 16 };

struct name {
    uint32_t old, now;
    int32_t shift;
};

struct cover {
    struct verifier *v;
    struct checkpoint *c;
    bool all;
    uint32_t name_count, ref_count, head_count;
    struct name names[NAMES];
    struct name refs[REFS];
    struct checkpoint *heads[HEADS]; /* active loop heads that the checkpoint leads back to */
    uint64_t dropped[HEADS];
};

/* `old` there is `now` here, `shift` further. */
static bool same_name(struct cover *k, uint32_t old, uint32_t now, int32_t shift)
{
    for (uint32_t i = 0; i < k->name_count; i++)
        if (k->names[i].old == old)
            return now && k->names[i].now == now && k->names[i].shift == shift;
    if (k->name_count == NAMES)
        return false;
    k->names[k->name_count++] = (struct name){old, now, shift};
    return true;
}

static bool same_ref(struct cover *k, uint32_t old, uint32_t now)
{
    if (!old || !now)
        return old == now;
    for (uint32_t i = 0; i < k->ref_count; i++)
        if (k->refs[i].old == old || k->refs[i].now == now)
            return k->refs[i].old == old && k->refs[i].now == now;
    if (k->ref_count == REFS)
        return false;
    k->refs[k->ref_count++] = (struct name){old, now, 0};
    return true;
}

static int64_t far_plus(int64_t a, int64_t b)
{
    if (a <= -FAR || a >= FAR)
        return a;
    if (b <= -FAR || b >= FAR)
        return b;
    return a + b;
}

static const struct ranking *ranking_of(const struct verifier *v, uint32_t anchor)
{
    uint32_t low = 0, high = v->ranking_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (v->rankings[middle]->first <= anchor)
            low = middle + 1;
        else
            high = middle;
    }
    const struct ranking *r = low ? v->rankings[low - 1] : NULL;
    return r && anchor - r->first < r->count ? r : NULL;
}

bool anchor_resolve(const struct verifier *v, const struct ranking *head, uint32_t *anchor, int64_t *lo, int64_t *hi)
{
    while (*anchor) {
        const struct ranking *r;
        uint32_t i = *anchor - head->first;
        if (i < head->count)
            return true;
        r = ranking_of(v, *anchor);
        if (!r || r->first < head->first)
            return false;
        i = *anchor - r->first;
        *lo = far_plus(*lo, r->low[i]);
        *hi = far_plus(*hi, r->high[i]);
        *anchor = r->parent[i];
    }
    return false;
}

static void check_progress(struct cover *k, const struct value *old, const struct value *now)
{
    for (uint32_t h = 0; h < k->head_count; h++) {
        const struct ranking *head = k->heads[h]->ranking;
        uint32_t a = old->anchor, b = now->anchor;
        int64_t old_lo = old->lo, old_hi = old->hi, lo = now->lo, hi = now->hi;
        if (!anchor_resolve(k->v, head, &a, &old_lo, &old_hi))
            continue;
        if (!anchor_resolve(k->v, head, &b, &lo, &hi) || a != b || (old_lo > -FAR && lo < old_lo) ||
            (old_hi < FAR && hi > old_hi))
            k->dropped[h] |= 1ull << (a - head->first);
    }
}

/* `a` contains b + shift. */
static bool covers_shifted(const struct scalar *a, const struct scalar *b, int64_t shift)
{
    if (!shift)
        return scalar_covers(a, b);
    struct scalar by = scalar_const((uint64_t)shift), moved = scalar_alu(OP_ADD, true, b, &by);
    return scalar_covers(a, &moved);
}

static bool cover_value(struct cover *k, const struct value *old, const struct value *now, bool precise)
{
    if (old->kind == V_NONE)
        return true;
    if (old->anchor)
        check_progress(k, old, now);
    if (old->kind == V_NUMBER) {
        if (now->kind != V_NUMBER)
            return false;
        if (old->flags & VALUE_LENGTH) {
            if (!(now->flags & VALUE_LENGTH) || old->index != now->index)
                return false;
            if (old->id ? !same_name(k, old->id, now->id ? now->id : UINT32_MAX, now->off - old->off)
                        : now->id || now->off != old->off)
                return false;
        }
        if (!precise)
            return true;
        if (!scalar_covers(&old->n, &now->n))
            return false;
        /* copies there must be copies here */
        return !old->anchor || old->lo != old->hi || scalar_is_const(&old->n) ||
               same_name(k, old->anchor, now->lo == now->hi ? now->anchor : 0, now->lo - old->lo);
    }
    if ((old->flags & VALUE_NULLABLE) && value_is_null(now) && !old->ref)
        return same_name(k, old->id, UINT32_MAX, 0);
    if (old->kind != now->kind || old->index != now->index || ((old->flags ^ now->flags) & (uint8_t)~VALUE_NULLABLE) ||
        (now->flags & ~old->flags & VALUE_NULLABLE) || !same_ref(k, old->ref, now->ref))
        return false;
    switch (old->kind) {
    case V_PACKET: {
        int32_t shift = now->off - old->off; /* a pointer there is `shift` further from its base here */
        if (!covers_shifted(&old->n, &now->n, shift))
            return false;
        if ((int64_t)now->limit - shift < (int64_t)old->limit)
            return false;
        return old->id ? same_name(k, old->id, now->id ? now->id : UINT32_MAX, shift) : !now->id && !shift;
    }
    case V_MEMORY:
    case V_RECORD:
        if (now->limit < old->limit)
            return false;
        break;
    case V_DYNPTR:
    case V_ITER:
        if (now->limit != old->limit || now->off != old->off)
            return false;
        break;
    default: break;
    }
    if (!covers_shifted(&old->n, &now->n, (int64_t)now->off - old->off))
        return false;
    if ((now->flags & VALUE_NULLABLE) || (old->id && !(old->flags & VALUE_NULLABLE)))
        return same_name(k, old->id, now->id, 0);
    return true;
}

static bool plain_number(const struct verifier *v, node_t node)
{
    return node == NODE_NONE || (node != NODE_MIXED && ((node & NODE_SPLIT) || node_value(v, node)->kind == V_NUMBER));
}

static bool cover_slot(struct cover *k, node_t old, node_t now, bool precise)
{
    const struct verifier *v = k->v;
    bool uninit = v->input->flags & VERIFY_UNINIT_STACK;
    if (old == NODE_MIXED)
        return true;
    if (old == NODE_NONE)
        return !uninit || plain_number(v, now);
    if (old == now && old <= NODE_MIXED)
        return true;
    if (!(old & NODE_SPLIT)) {
        const struct value *value = node_value(v, old);
        struct value here;
        if (value->kind != V_NUMBER)
            return !(now & NODE_SPLIT) && now != NODE_NONE && cover_value(k, value, node_value(v, now), precise);
        switch (slot_get(v, now, 0, 8, &here)) {
        case SLOT_VALUE: return cover_value(k, value, &here, precise);
        case SLOT_UNINIT: return uninit && now != NODE_MIXED && (!precise || scalar_is_any(&value->n));
        default: return false;
        }
    }
    const struct split *split = node_split(v, old);
    uint8_t have = 0;
    for (unsigned i = 0; i < 8; i++)
        if (split->size[i]) {
            struct value here;
            const struct value *value = node_value(v, split->piece[i]);
            have |= (uint8_t)(((1u << split->size[i]) - 1) << i);
            switch (slot_get(v, now, i, split->size[i], &here)) {
            case SLOT_VALUE:
                if (!cover_value(k, value, &here, precise))
                    return false;
                break;
            case SLOT_UNINIT: {
                struct scalar any = scalar_bits(split->size[i] * 8u);
                if (!uninit || now == NODE_MIXED || (precise && !scalar_covers(&value->n, &any)))
                    return false;
                break;
            }
            default: return false;
            }
        }
    return have == 0xff || !uninit || plain_number(v, now);
}

static bool cover_globals(struct cover *k)
{
    const struct globals *g = &k->v->now.g;
    const struct saved *old = k->c->state;
    const uint32_t *refs = saved_refs(old);
    if (old->ref_count != g->ref_count || old->lock_map != g->lock_map)
        return false;
    for (uint32_t i = 0; i < old->ref_count; i++)
        if (!same_ref(k, refs[2 * i], g->refs[i].id))
            return false;
    if (old->lock_id && !same_name(k, old->lock_id, g->lock_id, 0))
        return false;
    return !(k->all || k->v->notes || k->c->base_range_used) || g->base_range >= old->base_range;
}

static void find_heads(struct cover *k)
{
    if (k->all) { /* back to its own head: the loops around go on from there */
        for (struct checkpoint *c = k->c->guess_below; c; c = c->guess_below)
            if (c->ranking && k->head_count < HEADS)
                k->heads[k->head_count++] = c;
        return;
    }
    for (const struct worst *w = k->c->worst; w; w = w->next)
        if (w->head && w->head->active && w->head->ranking && k->head_count < HEADS)
            k->heads[k->head_count++] = w->head;
}

bool cover(struct verifier *v, struct checkpoint *c, bool all)
{
    const struct saved *old = c->state;
    struct state *now = &v->now;
    struct cover k;
    k.v = v;
    k.c = c;
    k.all = all;
    k.name_count = k.ref_count = k.head_count = 0;
    if (old->depth != now->depth)
        return false;
    for (uint32_t f = 0; f < now->depth; f++)
        if (old->words[4 * f + 1] != now->frames[f].callsite || old->words[4 * f] != now->frames[f].func)
            return false;
    const node_t *nodes = saved_nodes(old);
    uint32_t live = v->flow[c->insn].live, location = 10;
    bool exact = all || v->notes; /* what is noted of `c` is said of the current state too */
    uint64_t precise = exact ? UINT64_MAX : c->precise;
    /* what made the difference last time probably does again */
    if (!all && c->differed < 10 && live >> c->differed & 1 &&
        !cover_value(&k, node_value(v, nodes[c->differed]), &now->regs[c->differed], precise >> c->differed & 1))
        return false;
    if (!all && c->differed >= 10) {
        uint32_t f = (c->differed - 10u) / SLOTS, s = (c->differed - 10u) % SLOTS;
        if (f < old->depth && (exact || c->read[f] >> s & 1) && s < old->words[4 * f + 3]) {
            uint32_t at = saved_slot_base(old, f) + s;
            node_t here = s < now->frames[f].slots ? now->frames[f].slot[s] : NODE_NONE;
            if (!cover_slot(&k, nodes[at], here, (precise & LOCATION_BIT(at)) != 0))
                return false;
        }
    }
    k.name_count = k.ref_count = 0;
    if (v->ranking_count)
        find_heads(&k);
    for (uint32_t h = 0; h < k.head_count; h++)
        k.dropped[h] = 0;
    if (!cover_globals(&k))
        return false;
    for (unsigned r = 0; r < 10; r++)
        if (live >> r & 1) {
            if (nodes[r] == NODE_ANY && now->regs[r].kind == V_NUMBER)
                continue;
            if (!cover_value(&k, node_value(v, nodes[r]), &now->regs[r], precise >> r & 1)) {
                c->differed = (uint16_t)r;
                return false;
            }
        }
    for (uint32_t f = 0; f + 1 < now->depth; f++)
        for (unsigned r = 0; r < SAVED_REGS; r++, location++)
            if (nodes[location] != NODE_NONE &&
                !cover_value(&k, node_value(v, nodes[location]), node_value(v, now->frames[f].saved[r]),
                             (precise & LOCATION_BIT(location)) != 0))
                return false;
    for (uint32_t f = 0; f < now->depth; f++) {
        const struct frame *frame = &now->frames[f];
        uint32_t slots = old->words[4 * f + 3], most = slots > frame->slots ? slots : frame->slots;
        uint64_t read = exact ? UINT64_MAX : c->read[f];
        for (uint32_t s = 0; s < most; s++) {
            if (!(read >> s & 1))
                continue;
            node_t there = s < slots ? nodes[location + s] : NODE_NONE;
            node_t here = s < frame->slots ? frame->slot[s] : NODE_NONE;
            if (!cover_slot(&k, there, here, s >= slots || (precise & LOCATION_BIT(location + s)) != 0)) {
                c->differed = (uint16_t)(10 + f * SLOTS + s);
                return false;
            }
        }
        location += slots;
    }
    for (uint32_t h = 0; h < k.head_count; h++)
        if (now->g.may_gotos < old->may_gotos)
            k.dropped[h] |= 1ull << CANDIDATE_MAY_GOTO;
    for (uint32_t h = 0; h < k.head_count; h++)
        if (!k.heads[h]->iterations && !(k.heads[h]->ranking->candidates & ~k.dropped[h]))
            return false;
    for (uint32_t h = 0; h < k.head_count; h++)
        k.heads[h]->ranking->candidates &= ~k.dropped[h];
    return true;
}

void cover_mark(struct verifier *v, const struct checkpoint *c, bool all)
{
    const struct state *now = &v->now;
    const struct saved *old = c->state;
    uint64_t precise = all ? UINT64_MAX : c->precise, deps = 0;
    uint32_t location = 10, live = v->flow[c->insn].live;
    for (unsigned r = 0; r < 10; r++)
        if ((live >> r & 1) && (precise >> r & 1))
            deps |= now->reg_deps[r];
    for (uint32_t f = 0; f + 1 < now->depth; f++)
        for (unsigned r = 0; r < SAVED_REGS; r++, location++)
            if (precise & LOCATION_BIT(location))
                deps |= now->frames[f].saved_deps[r];
    for (uint32_t f = 0; f < now->depth; f++) {
        uint32_t slots = old->words[4 * f + 3];
        for (uint32_t s = 0; s < SLOTS; s++) {
            bool read = all ? s < now->frames[f].slots || s < slots : c->read[f] >> s & 1;
            if (!read)
                continue;
            if (s < now->frames[f].slots && (s >= slots || precise & LOCATION_BIT(location + s)))
                deps |= now->frames[f].deps[s];
            mark_read(v, f, s);
        }
        location += slots;
    }
    mark_precise(v, deps);
    if (all || c->base_range_used)
        mark_base_range(v);
}

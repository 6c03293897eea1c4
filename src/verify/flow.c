/* SPDX-License-Identifier: MIT
 *
 * What can be said of a program before it is walked: where ways meet, which of these places a loop returns to, and
 * which registers may still be read from each instruction on (backward data flow; Aho, Lam, Sethi, Ullman 2006, 9.2.5).
 */
#include "isa/isa.h"
#include "verify/state.h"

struct effect {
    uint16_t use, def;
};

static unsigned argument_count(const struct helper_proto *proto)
{
    unsigned n = 0;
    if (!proto)
        return 5;
    for (unsigned i = 0; i < HELPER_ARGS; i++)
        if (proto->args[i] != ARG_NONE)
            n = i + 1;
    return n;
}

static bool calls_back(const struct helper_proto *proto)
{
    return proto && proto->flags & HELPER_CALLS_BACK && !(proto->flags & HELPER_ASYNC);
}

static const struct helper_proto *proto_of(const struct verifier *v, const struct insn *insn)
{
    return (uint32_t)insn->imm < v->image->helper_count ? v->input->helpers[insn->imm] : NULL;
}

static struct effect effect_of(const struct verifier *v, uint32_t at)
{
    const struct insn *insn = &v->image->insns[at];
    uint16_t dst = (uint16_t)(1u << insn_dst(insn)), src = (uint16_t)(1u << insn_src(insn));
    uint8_t code = insn->code, op = code & 0xf0;
    bool reg = code & 8;
    switch (code & 7) {
    case 0: /* lddw, packet loads */
        if (code == 0x18)
            return (struct effect){0, dst};
        return (struct effect){(uint16_t)(1u << 6 | ((code & 0xe0) == 0x40 ? src : 0)), 0x3f};
    case 1: return (struct effect){src, dst};
    case 2: return (struct effect){dst, 0};
    case 3:
        if ((code & 0xe0) != 0xc0)
            return (struct effect){dst | src, 0};
        if (insn->imm == 0x100)
            return (struct effect){src, dst};
        if (insn->imm == 0x110)
            return (struct effect){dst | src, 0};
        if (insn->imm == 0xf1)
            return (struct effect){dst | src | 1, 1};
        return (struct effect){dst | src, insn->imm & 1 ? src : 0};
    case 5:
    case 6:
        if (code == 0x05 || code == 0x06 || code == 0xe5)
            return (struct effect){0, 0};
        if (code == 0x95)
            return (struct effect){1, 0};
        if (code == 0x8d)
            return (struct effect){dst | 0x3e, 0x3f};
        if (code == 0x85) {
            if (insn_src(insn) == CALL_SRC_HELPER) {
                unsigned n = argument_count(proto_of(v, insn));
                return (struct effect){(uint16_t)(((1u << n) - 1) << 1), 0x3f};
            }
            if (insn_src(insn) == CALL_SRC_LOCAL) {
                uint32_t target = at + 1 + (uint32_t)insn->imm;
                return (struct effect){v->flow[target].live & 0x3e, 0x3f};
            }
            return (struct effect){0x3e, 0x3f};
        }
        return (struct effect){dst | (reg ? src : 0), 0};
    default: /* arithmetic */
        if (op == 0xb0)
            return (struct effect){reg ? src : 0, dst};
        if (op == 0x80 || op == 0xd0)
            return (struct effect){dst, dst};
        return (struct effect){dst | (reg ? src : 0), dst};
    }
}

static bool is_jump(const struct insn *insn, uint32_t at, uint32_t *target)
{
    uint8_t class = insn->code & 7;
    if ((class != 5 && class != 6) || insn->code == 0x85 || insn->code == 0x95 || insn->code == 0x8d)
        return false;
    *target = at + 1 + (uint32_t)(insn->code == 0x06 ? insn->imm : insn->off);
    return true;
}

static bool falls_through(const struct insn *insn)
{
    return insn->code != 0x05 && insn->code != 0x06 && insn->code != 0x95;
}

static void find_joins(struct verifier *v)
{
    const struct image *image = v->image;
    uint32_t func = 0;
    uint8_t *ways = v->seen; /* not in use yet */
    for (uint32_t i = 0; i < image->insn_count; i++) {
        const struct insn *insn = &image->insns[i];
        uint32_t width = insn_is_lddw(insn) ? 2 : 1, next = i + width, target;
        while (func + 1 < image->func_count && image->funcs[func + 1].insn <= i)
            func++;
        v->func_of[i] = func;
        if (width == 2)
            v->func_of[i + 1] = func;
        if (is_jump(insn, i, &target)) {
            if (ways[target] < 2)
                ways[target]++;
        }
        if (falls_through(insn) && next < image->insn_count && ways[next] < 2)
            ways[next]++;
        if (insn->code == 0x85 && insn_src(insn) == CALL_SRC_LOCAL)
            v->flow[next].join = 1;
        if (insn->code == 0x85 && insn_src(insn) == CALL_SRC_HELPER && calls_back(proto_of(v, insn)))
            v->flow[i].join = v->flow[next].join = 1;
        i += width - 1;
    }
    for (uint32_t i = 0; i < image->insn_count; i++) {
        if (ways[i] > 1)
            v->flow[i].join = 1;
        ways[i] = 0;
    }
}

static void find_live(struct verifier *v)
{
    const struct image *image = v->image;
    bool changed = true;
    while (changed) {
        changed = false;
        for (uint32_t i = image->insn_count; i-- > 0;) {
            const struct insn *insn = &image->insns[i];
            uint32_t target;
            if (i > 0 && insn_is_lddw(&image->insns[i - 1]) && insn->code == 0)
                continue; /* the second slot of a lddw */
            struct effect effect = effect_of(v, i);
            uint16_t out = 0;
            uint32_t next = i + (insn_is_lddw(insn) ? 2 : 1);
            if (falls_through(insn) && next < image->insn_count)
                out = v->flow[next].live;
            if (is_jump(insn, i, &target))
                out |= v->flow[target].live;
            uint16_t live = (uint16_t)((out & ~effect.def) | effect.use);
            if (live != v->flow[i].live) {
                v->flow[i].live = live;
                changed = true;
            }
        }
    }
}

/* ---- loops ---- */

struct visit {
    uint32_t block;
    uint8_t next; /* successor to look at */
};

struct nest {
    struct verifier *v;
    uint32_t *depth;  /* per block's first instruction: place on the depth-first path + 1, 0: not on it */
    uint32_t *header; /* innermost loop head around it, IMAGE_NO_INDEX: none */
    uint8_t *met;
};

static void tag_header(struct nest *n, uint32_t block, uint32_t head)
{
    uint32_t a = block, b = head;
    if (head == IMAGE_NO_INDEX || a == b)
        return;
    while (n->header[a] != IMAGE_NO_INDEX) {
        uint32_t h = n->header[a];
        if (h == b)
            return;
        if (n->depth[h] < n->depth[b]) {
            n->header[a] = b;
            a = b;
            b = h;
        } else {
            a = h;
        }
    }
    n->header[a] = b;
}

static bool is_leader(const struct verifier *v, uint32_t at, uint32_t block)
{
    return at != block && (v->flow[at].join || v->seen[at]);
}

/* Blocks that control may go to from the block that starts at `block`: at most three. */
static unsigned successors(const struct verifier *v, uint32_t block, uint32_t *out)
{
    uint32_t at = block;
    unsigned count = 0;
    for (;;) {
        const struct insn *insn = &v->image->insns[at];
        uint32_t target, next = at + (insn_is_lddw(insn) ? 2 : 1);
        if (insn->code == 0x85 && insn_src(insn) == CALL_SRC_HELPER && calls_back(proto_of(v, insn)))
            out[count++] = at; /* a callback's rounds */
        if (is_jump(insn, at, &target))
            out[count++] = target;
        if (!falls_through(insn) || next >= v->image->insn_count)
            return count;
        if (count || is_leader(v, next, block)) {
            out[count++] = next;
            return count;
        }
        at = next;
    }
}

/* Loop heads and their nesting in one depth-first pass (Wei, Mao, Zou, Chen: A New Algorithm for Identifying Loops in
 * Decompilation, SAS 2007), over basic blocks; each cycle has a head, whatever its shape. */
static bool find_loops(struct verifier *v)
{
    uint32_t count = v->image->insn_count, depth = 0, capacity = 0;
    struct visit *stack = NULL;
    struct nest n = {v, arena_array(v->arena, count, sizeof *n.depth), arena_array(v->arena, count, sizeof *n.header),
                     arena_alloc(v->arena, count)};
    if (!n.depth || !n.header || !n.met) {
        v->out_of_memory = true;
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t target;
        n.header[i] = IMAGE_NO_INDEX;
        if (is_jump(&v->image->insns[i], i, &target)) {
            v->seen[target] = 1; /* block leaders, for now */
            if (i + 1 < count)
                v->seen[i + 1] = 1;
        }
        i += (uint32_t)insn_is_lddw(&v->image->insns[i]);
        if (i < count)
            n.header[i] = IMAGE_NO_INDEX;
    }
    for (uint32_t f = 0; f < v->image->func_count; f++) {
        uint32_t entry = v->image->funcs[f].insn;
        if (n.met[entry])
            continue;
        depth = 0;
        if (!capacity && !grow(v, &stack, &capacity, sizeof *stack))
            return false;
        stack[depth++] = (struct visit){entry, 0};
        n.met[entry] = 1;
        n.depth[entry] = depth;
        while (depth) {
            uint32_t block = stack[depth - 1].block, next[3];
            unsigned ways = successors(v, block, next);
            if (stack[depth - 1].next == ways) {
                n.depth[block] = 0;
                depth--;
                if (depth)
                    tag_header(&n, stack[depth - 1].block, n.header[block]);
                continue;
            }
            uint32_t to = next[stack[depth - 1].next++];
            if (!n.met[to]) {
                if (depth == capacity && !grow(v, &stack, &capacity, sizeof *stack))
                    return false;
                stack[depth++] = (struct visit){to, 0};
                n.met[to] = 1;
                n.depth[to] = depth;
            } else if (n.depth[to]) {
                v->flow[to].head = v->flow[to].join = 1;
                tag_header(&n, block, to);
            } else {
                uint32_t h = n.header[to];
                while (h != IMAGE_NO_INDEX && !n.depth[h])
                    h = n.header[h];
                if (h != IMAGE_NO_INDEX)
                    tag_header(&n, block, h);
            }
        }
    }
    for (uint32_t i = 0; i < count; i++)
        v->seen[i] = 0;
    v->around = n.header;
    return true;
}

bool flow_find(struct verifier *v)
{
    uint32_t count = v->image->insn_count;
    v->flow = arena_array(v->arena, count + 1, sizeof *v->flow);
    v->seen = arena_alloc(v->arena, count + 1);
    v->func_of = arena_array(v->arena, count + 1, sizeof *v->func_of);
    if (!v->flow || !v->seen || !v->func_of) {
        v->out_of_memory = true;
        return false;
    }
    find_joins(v);
    if (!find_loops(v))
        return false;
    find_live(v);
    uint32_t joins = 1; /* place 0 is of roots that are no joins */
    for (uint32_t i = 0; i < count; i++)
        if (v->flow[i].join)
            v->flow[i].place = joins++;
    v->places = arena_array(v->arena, joins + 1, sizeof *v->places);
    v->place_count = joins;
    if (!v->places) {
        v->out_of_memory = true;
        return false;
    }
    /* where each loop's jumps lie */
    uint32_t block = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t target;
        if (v->flow[i].join || v->around[i] != IMAGE_NO_INDEX)
            block = i;
        if (is_jump(&v->image->insns[i], i, &target)) {
            uint32_t h = v->flow[block].head ? block : v->around[block];
            for (; h != IMAGE_NO_INDEX; h = v->around[h]) {
                struct place *place = &v->places[v->flow[h].place];
                if (!place->loop_end || i < place->loop_begin)
                    place->loop_begin = i;
                if (i > place->loop_end)
                    place->loop_end = i;
            }
        }
        i += (uint32_t)insn_is_lddw(&v->image->insns[i]);
    }
    return true;
}

/* SPDX-License-Identifier: MIT
 *
 * The story behind a refusal: where the value that was refused came from, where it was last checked, which branches led
 * here.  The walk keeps only the branches of the path; the path is walked once more, along them, and each step leaves a
 * mark of what it changed.  The marks are read backwards (a dynamic slice: Korel and Laski, 1988) from the registers
 * and stack slots that the refusal is about: through copies, spills, calls and returns.  What was chosen is put into
 * words on a third walk.  Refusals are only reported for states that no guess is part of, so the path is a real one.
 */
#include <string.h>
#include "verify/state.h"

enum { LONGEST = 1 << 20, NO_REG = 0xff, NO_SLOT = 0xff, CHAIN = VERIFY_EVENTS - 4 };

enum {
    MARK_DECIDED = 1, /* a branch that could have gone both ways */
    MARK_HELD = 2,    /* references or locks changed */
    MARK_TAKEN = 4,
};

struct mark {
    uint64_t slots; /* of frame `frame`, changed */
    uint32_t insn;
    uint16_t regs;        /* of the newest frame: changed beside what the instruction says */
    uint8_t depth, after; /* frames before and after */
    uint8_t frame, flags;
    uint8_t load_frame, load_slot; /* a load of a stack slot */
};

struct chosen {
    uint32_t at; /* place on the path */
    uint8_t reg; /* whose value is told, NO_REG: none */
    uint8_t slot, frame;
};

struct slice {
    struct mark *path; /* oldest first */
    uint32_t count;
    struct chosen chosen[VERIFY_EVENTS]; /* newest first */
    uint32_t chosen_count;
    uint32_t regs[FRAMES];
    uint64_t slots[FRAMES];
};

static bool is_call(const struct insn *insn)
{
    return insn->code == 0x85 || insn->code == 0x8d;
}

static bool is_branch(const struct insn *insn)
{
    uint8_t class = insn->code & 7;
    return (class == 5 || class == 6) && !is_call(insn) && insn->code != 0x95 && insn->code != 0x05 &&
           insn->code != 0x06;
}

static unsigned width_of(uint8_t code)
{
    static const uint8_t widths[4] = {4, 2, 1, 8};
    return widths[code >> 3 & 3];
}

/* The stack slot at a register and offset, if that is known. */
static bool slot_behind(const struct verifier *v, unsigned reg, int32_t off, unsigned *frame, unsigned *slot)
{
    int64_t at = off;
    *frame = v->now.depth - 1;
    if (reg < 10) {
        const struct value *base = &v->now.regs[reg];
        if (base->kind != V_STACK || !scalar_is_const(&base->n))
            return false;
        *frame = base->index;
        at += base->off + (int64_t)base->n.umin;
    }
    if (at >= 0 || at < -8 * SLOTS || *frame >= v->now.depth)
        return false;
    *slot = (unsigned)((-at - 1) / 8);
    return true;
}

static void mark_before(const struct verifier *v, struct mark *m)
{
    const struct insn *insn = &v->image->insns[v->insn];
    uint8_t class = insn->code & 7;
    unsigned frame, slot;
    *m = (struct mark){0};
    m->insn = v->insn;
    m->depth = (uint8_t)v->now.depth;
    m->load_slot = NO_SLOT;
    if (class == 1 && slot_behind(v, insn_src(insn), insn->off, &frame, &slot)) {
        m->load_frame = (uint8_t)frame;
        m->load_slot = (uint8_t)slot;
    } else if ((class == 2 || class == 3) && slot_behind(v, insn_dst(insn), insn->off, &frame, &slot)) {
        m->frame = (uint8_t)frame;
        m->slots = 1ull << slot;
    }
}

/* What a branch or a helper's call did beyond what its text says. */
static void mark_after(const struct verifier *v, const struct value *regs, const node_t *slots, struct mark *m)
{
    uint32_t top = v->now.depth - 1;
    for (unsigned r = 0; r < 10; r++) /* a fresh anchor alone is no news */
        if (v->now.regs[r].kind != regs[r].kind || v->now.regs[r].flags != regs[r].flags ||
            v->now.regs[r].limit != regs[r].limit || memcmp(&v->now.regs[r].n, &regs[r].n, sizeof regs[r].n))
            m->regs |= (uint16_t)(1u << r);
    for (uint32_t s = 0; s < SLOTS && s < v->now.frames[top].slots; s++)
        if (v->now.frames[top].slot[s] != slots[s])
            m->slots |= 1ull << s;
    m->frame = (uint8_t)top;
}

static void write_event(struct verifier *v, const struct mark *m, const struct chosen *c, bool fine)
{
    struct verify_result *r = v->result;
    struct verify_event *event = &r->events[r->event_count++];
    const struct insn *insn = &v->image->insns[m->insn];
    struct text text;
    text_init(&text, event->text, sizeof event->text);
    event->insn = m->insn;
    if (is_branch(insn)) {
        text_string(&text, m->flags & MARK_DECIDED
                               ? m->flags & MARK_TAKEN ? "taken" : "not taken"
                               : (m->flags & MARK_TAKEN ? "always taken here" : "never taken here"));
        if (fine && c->reg < 10 && v->now.regs[c->reg].kind != V_NONE) {
            text_format(&text, ": r%u is then ", c->reg);
            value_text(v, &v->now.regs[c->reg], &text);
        }
        return;
    }
    if (!fine)
        return;
    if (m->after > m->depth) {
        const char *name = v->image->funcs[top_frame(v)->func].name;
        text_format(&text, "calls %s()", name && *name ? name : "a function of the program");
        if (c->reg < 10) {
            text_format(&text, ", r%u is ", c->reg);
            value_text(v, &v->now.regs[c->reg], &text);
        }
    } else if (c->slot != NO_SLOT) {
        const struct frame *frame = &v->now.frames[c->frame];
        node_t node = c->slot < frame->slots ? frame->slot[c->slot] : NODE_NONE;
        if (node & NODE_SPLIT) {
            text_format(&text, is_call(insn) ? "the call writes to r10-%u" : "writes to r10-%u and up",
                        8 * (c->slot + 1u));
        } else {
            text_format(&text, "r10-%u is ", 8 * (c->slot + 1u));
            value_text(v, node_value(v, node), &text);
        }
    } else if (m->flags & MARK_HELD && (c->reg > 9 || !value_is_pointer(&v->now.regs[c->reg]))) {
        if (v->now.g.lock_map)
            text_string(&text, "then a spin lock is held");
        else
            text_format(&text, "then %u reference%s held", v->now.g.ref_count,
                        v->now.g.ref_count == 1 ? " is" : "s are");
    } else if (c->reg < 10 && v->now.regs[c->reg].kind == V_NONE) {
        text_format(&text, is_call(insn) ? "the call leaves nothing in r%u" : "r%u is not usable", c->reg);
    } else if (c->reg < 10) {
        text_format(&text, "r%u is ", c->reg);
        value_text(v, &v->now.regs[c->reg], &text);
    }
}

/* Walks the path again; `marks`, if any, is filled; `s`, if any, is told. */
static uint32_t again(struct verifier *v, struct mark *marks, const struct slice *s)
{
    struct value regs[10];
    node_t slots[SLOTS];
    uint32_t count = 0, left = s ? s->chosen_count : 0;
    bool log = s && logs(v, VERIFY_LOG_PATH) && !logs(v, VERIFY_LOG_ALL);
    v->replay_at = 0;
    v->reason = REASON_NONE;
    walk_start(v, v->now.frames[0].func, v->root, v->story_map);
    if (log)
        log_begin(v);
    while (count < LONGEST) {
        uint32_t at = v->insn, replayed = v->replay_at, refs = v->now.g.ref_count, lock = v->now.g.lock_map;
        const struct insn *insn = &v->image->insns[at];
        struct mark *m = marks ? &marks[count] : NULL;
        bool compare = m && (is_branch(insn) || insn->code == 0x85);
        if (m)
            mark_before(v, m);
        if (compare) {
            memcpy(regs, v->now.regs, sizeof regs);
            memset(slots, 0, sizeof slots);
            memcpy(slots, top_frame(v)->slot, top_frame(v)->slots * sizeof *slots);
        }
        if (log)
            log_insn(v);
        enum flow_result flow = step(v);
        bool fine = flow != FLOW_ERROR && flow != FLOW_END;
        if (log && fine)
            log_effect(v, at);
        if (m) {
            m->after = (uint8_t)v->now.depth;
            m->flags = (uint8_t)((v->replay_at != replayed ? MARK_DECIDED : 0) |
                                 (v->now.g.ref_count != refs || v->now.g.lock_map != lock ? MARK_HELD : 0) |
                                 (v->insn != at + 1 ? MARK_TAKEN : 0));
            if (compare && fine && m->after == m->depth)
                mark_after(v, regs, slots, m);
        }
        if (left && s->chosen[left - 1].at == count) {
            left--;
            write_event(v, &s->path[count], &s->chosen[left], fine);
        }
        count++;
        if (!fine)
            break;
    }
    if (log)
        log_refusal(v);
    return count;
}

/* Registers that the refusal is about. */
static uint32_t blamed(const struct verifier *v, const struct insn *insn, enum verify_reason reason)
{
    uint32_t dst = 1u << insn_dst(insn), src = insn->code & 8 ? 1u << insn_src(insn) : 0;
    switch (insn->code & 7) {
    case 1: return 1u << insn_src(insn);
    case 2: return dst;
    case 3: return reason == REASON_POINTER_LEAK ? 1u << insn_src(insn) : dst;
    case 5:
    case 6:
        if (insn->code == 0x95)
            return reason == REASON_REFERENCE_LEAK || reason == REASON_LOCK ? 0 : 1;
        if (insn->code == 0x85)
            return insn_src(insn) == CALL_SRC_HELPER ? v->blamed : 0x3e;
        return dst | src;
    default: return dst | src;
    }
}

static bool choose(struct slice *s, uint32_t at, unsigned reg, unsigned slot, unsigned frame)
{
    if (s->chosen_count == CHAIN)
        return false;
    for (uint32_t i = 0; i < s->chosen_count; i++) /* a loop's rounds look alike: the newest will do */
        if (s->path[s->chosen[i].at].insn == s->path[at].insn)
            return true;
    s->chosen[s->chosen_count++] = (struct chosen){at, (uint8_t)reg, (uint8_t)slot, (uint8_t)frame};
    return true;
}

static unsigned lowest(uint32_t mask)
{
    unsigned r = 0;
    while (r < 10 && !(mask >> r & 1))
        r++;
    return r < 10 ? r : NO_REG;
}

static bool nothing_wanted(const struct slice *s)
{
    for (unsigned f = 0; f < FRAMES; f++)
        if (s->regs[f] || s->slots[f])
            return false;
    return true;
}

static void back_over_call(struct slice *s, uint32_t i, const struct insn *insn)
{
    const struct mark *m = &s->path[i];
    unsigned f = m->depth - 1u;
    if (m->after > m->depth) { /* into a function: what it was given */
        uint32_t given = insn_src(insn) == CALL_SRC_HELPER && insn->code == 0x85 ? 0 : s->regs[f + 1] & 0x3e;
        if (s->regs[f + 1])
            (void)choose(s, i, lowest(s->regs[f + 1]), NO_SLOT, 0);
        s->regs[f] |= given;
        s->regs[f + 1] = 0;
        s->slots[f + 1] = 0;
        return;
    }
    if (s->regs[f] & 0x3f)
        (void)choose(s, i, lowest(s->regs[f] & 0x3f), NO_SLOT, 0);
    s->regs[f] &= ~0x3fu;
    if (s->slots[m->frame] & m->slots) {
        unsigned slot = 0;
        while (!((s->slots[m->frame] & m->slots) >> slot & 1))
            slot++;
        (void)choose(s, i, NO_REG, slot, m->frame);
        s->slots[m->frame] &= ~m->slots;
    }
}

static void back_over_store(struct slice *s, uint32_t i, const struct insn *insn)
{
    const struct mark *m = &s->path[i];
    unsigned slot = 0;
    if (!(s->slots[m->frame] & m->slots))
        return;
    while (!(m->slots >> slot & 1))
        slot++;
    (void)choose(s, i, NO_REG, slot, m->frame);
    if (width_of(insn->code) == 8)
        s->slots[m->frame] &= ~m->slots;
    if ((insn->code & 7) == 3 && (insn->code & 0xe0) != 0xc0)
        s->regs[m->depth - 1] |= 1u << insn_src(insn) & 0x3ff;
}

static void back_over_branch(struct slice *s, uint32_t i, const struct insn *insn)
{
    const struct mark *m = &s->path[i];
    uint32_t named = 1u << insn_dst(insn) | (insn->code & 8 ? 1u << insn_src(insn) : 0);
    uint32_t wanted = s->regs[m->depth - 1];
    if (insn->code == 0xe5)
        named = 0;
    if (wanted & m->regs)
        (void)choose(s, i, lowest(wanted & m->regs), NO_SLOT, 0);
    else if (wanted & named)
        (void)choose(s, i, lowest(wanted & named), NO_SLOT, 0);
    else if (s->slots[m->frame] & m->slots)
        (void)choose(s, i, NO_REG, NO_SLOT, 0);
}

static void back_over_value(struct slice *s, uint32_t i, const struct insn *insn)
{
    const struct mark *m = &s->path[i];
    uint8_t class = insn->code & 7, op = insn->code & 0xf0;
    uint32_t *wanted = &s->regs[m->depth - 1], dst = 1u << insn_dst(insn), src = 1u << insn_src(insn) & 0x3ff;
    if (!(*wanted & dst))
        return;
    if (class == 1 && m->load_slot != NO_SLOT) {
        *wanted &= ~dst;
        s->slots[m->load_frame] |= 1ull << m->load_slot;
        return;
    }
    if (class >= 4 && op == 0xb0 && insn->code & 8 && !insn->off && insn_src(insn) != 10) { /* a copy is no news */
        *wanted = (*wanted & ~dst) | src;
        return;
    }
    (void)choose(s, i, insn_dst(insn), NO_SLOT, 0);
    if (class == 0 || class == 1 || op == 0xb0)
        *wanted &= ~dst;
    if (class >= 4 && insn->code & 8 && op != 0xd0)
        *wanted |= src;
}

static void read_backwards(struct verifier *v, struct slice *s, enum verify_reason reason)
{
    const struct mark *last = &s->path[s->count - 1];
    const struct insn *refused = &v->image->insns[last->insn];
    uint32_t decided = IMAGE_NO_INDEX;
    bool held = reason == REASON_REFERENCE_LEAK || reason == REASON_NO_REFERENCE || reason == REASON_LOCK;
    s->regs[last->depth - 1] = blamed(v, refused, reason) & 0x3ff;
    if (reason == REASON_UNINIT_STACK || reason == REASON_SPILLED_POINTER ||
        (reason == REASON_POINTER_LEAK && is_call(refused))) {
        s->slots[v->read_frame] = v->read_slots;
        s->regs[last->depth - 1] = 0;
    }
    for (uint32_t i = s->count - 1; i-- > 0;) {
        const struct mark *m = &s->path[i];
        const struct insn *insn = &v->image->insns[m->insn];
        uint8_t class = insn->code & 7;
        if (m->flags & MARK_DECIDED && decided == IMAGE_NO_INDEX)
            decided = i;
        if (held && m->flags & MARK_HELD)
            (void)choose(s, i, insn->code == 0x85 && m->after == m->depth ? 0 : NO_REG, NO_SLOT, 0);
        if (nothing_wanted(s)) {
            if (!held && decided != IMAGE_NO_INDEX)
                break;
            continue;
        }
        if (is_call(insn)) {
            back_over_call(s, i, insn);
        } else if (insn->code == 0x95) {
            unsigned f = m->depth - 1u;
            if (f && s->regs[f - 1] & 1 && m->after < m->depth) {
                (void)choose(s, i, 0, NO_SLOT, 0);
                s->regs[f - 1] &= ~1u;
                s->regs[f] = 1;
            }
        } else if (is_branch(insn)) {
            back_over_branch(s, i, insn);
        } else if ((class == 2 || class == 3) && m->slots) {
            back_over_store(s, i, insn);
        } else if (class == 0 || class == 1 || class == 4 || class == 7) {
            back_over_value(s, i, insn);
        }
    }
    if (decided == IMAGE_NO_INDEX)
        return;
    /* the newest branch that could have gone the other way, wherever it belongs in the order */
    uint32_t place = 0;
    while (place < s->chosen_count && s->chosen[place].at > decided)
        place++;
    for (uint32_t i = 0; i < s->chosen_count; i++)
        if (s->path[s->chosen[i].at].insn == s->path[decided].insn)
            return;
    memmove(&s->chosen[place + 1], &s->chosen[place], (s->chosen_count - place) * sizeof *s->chosen);
    s->chosen[place] = (struct chosen){decided, NO_REG, NO_SLOT, 0};
    s->chosen_count++;
}

void story_tell(struct verifier *v)
{
    struct slice s = {0};
    enum verify_reason reason = v->reason;
    uint8_t *seen = v->seen;
    uint32_t async = v->async_count;
    uint8_t *scratch = arena_alloc(v->arena, v->image->insn_count + 1u);
    uint32_t *branches = arena_array(v->arena, v->history_count + 1, sizeof *branches);
    if (!scratch || !branches)
        return; /* no memory for a story: the verdict stands without one */
    if (v->history_count)
        memcpy(branches, v->history, v->history_count * sizeof *branches);
    v->replay = branches;
    v->replay_count = v->history_count;
    v->seen = scratch;
    s.count = again(v, NULL, NULL);
    s.path = arena_array(v->arena, s.count, sizeof *s.path);
    if (s.path && s.count) {
        uint32_t *path = arena_array(v->arena, s.count, sizeof *path);
        (void)again(v, s.path, NULL);
        /* the same refusal at the same place, or it is not the story of this one */
        if (v->reason == reason) {
            read_backwards(v, &s, reason);
            (void)again(v, NULL, &s);
        }
        for (uint32_t i = 0; path && i < s.count; i++)
            path[i] = s.path[i].insn;
        v->result->path = path;
        v->result->path_count = path ? s.count : 0;
    }
    v->replay = NULL;
    v->seen = seen;
    v->reason = reason;
    v->async_count = async;
}

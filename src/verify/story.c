/* SPDX-License-Identifier: MIT
 *
 * The story behind a refusal: where the value that was refused came from, where it was last checked, which branches led
 * here.  The walk keeps only the branches of the path; the path is walked once more, along them, and read backwards
 * (a slice: Weiser, 1981, of one register).  Refusals are only reported for states that no guess is part of, so the
 * path is a real one.
 */
#include <string.h>
#include "verify/state.h"

enum { LONGEST = 1 << 20 };

struct slice {
    uint32_t *path; /* instructions walked, oldest first */
    uint32_t count;
    uint32_t chosen[VERIFY_EVENTS]; /* places on the path, newest first */
    uint32_t chosen_count;
};

static uint32_t again(struct verifier *v, uint32_t *path, const uint32_t *wanted, uint32_t wanted_count)
{
    struct verify_result *r = v->result;
    uint32_t count = 0, left = wanted_count;
    v->replay_at = 0;
    v->reason = REASON_NONE;
    walk_start(v, v->now.frames[0].func, v->root, v->story_map);
    while (count < LONGEST) {
        uint32_t at = v->insn;
        if (path)
            path[count] = at;
        bool show = left && wanted[left - 1] == count;
        count++;
        enum flow_result flow = step(v);
        if (show) {
            left--;
            struct verify_event *event = &r->events[r->event_count++];
            const struct insn *insn = &v->image->insns[at];
            uint8_t class = insn->code & 7;
            struct text text;
            event->insn = at;
            text_init(&text, event->text, sizeof event->text);
            if ((class == 5 || class == 6) && insn->code != 0x85) {
                text_string(&text, v->insn == at + 1 ? "not taken" : "taken");
                if (insn_dst(insn) < 10 && v->now.regs[insn_dst(insn)].kind != V_NONE) {
                    text_format(&text, ": then r%u is ", insn_dst(insn));
                    value_text(v, &v->now.regs[insn_dst(insn)], &text);
                }
            } else {
                unsigned reg = class == 5 ? 0 : insn_dst(insn);
                if (reg < 10) {
                    text_format(&text, "r%u is ", reg);
                    value_text(v, &v->now.regs[reg], &text);
                }
            }
        }
        if (flow == FLOW_ERROR || flow == FLOW_END)
            break;
    }
    return count;
}

/* Registers that the refusal is about. */
static uint32_t blamed(const struct insn *insn)
{
    uint8_t class = insn->code & 7;
    switch (class) {
    case 1: return 1u << insn_src(insn);
    case 2:
    case 3: return 1u << insn_dst(insn);
    case 5:
    case 6:
        if (insn->code == 0x95)
            return 1;
        if (insn->code == 0x85)
            return 0x3e;
        return 1u << insn_dst(insn) | ((insn->code & 8) ? 1u << insn_src(insn) : 0);
    default: return 1u << insn_dst(insn) | ((insn->code & 8) ? 1u << insn_src(insn) : 0);
    }
}

static void read_backwards(struct verifier *v, struct slice *s)
{
    uint32_t wanted = blamed(&v->image->insns[s->path[s->count - 1]]) & 0x3ff;
    for (uint32_t i = s->count - 1; i-- > 0 && wanted && s->chosen_count < VERIFY_EVENTS - 2;) {
        const struct insn *insn = &v->image->insns[s->path[i]];
        uint8_t class = insn->code & 7, op = insn->code & 0xf0;
        uint32_t dst = 1u << insn_dst(insn), src = 1u << insn_src(insn);
        if (class == 5 || class == 6) {
            bool call = insn->code == 0x85 || insn->code == 0x8d;
            if (insn->code == 0x95 || insn->code == 0x05 || insn->code == 0x06 || insn->code == 0xe5)
                continue;
            if (call ? wanted & 1 : wanted & (dst | ((insn->code & 8) ? src : 0))) {
                s->chosen[s->chosen_count++] = i;
                if (call)
                    wanted &= ~1u;
            }
            continue;
        }
        bool writes = class == 0 || class == 1 || class == 4 || class == 7;
        if (!writes || !(wanted & dst))
            continue;
        s->chosen[s->chosen_count++] = i;
        if (class == 0 || (class == 1) || (op == 0xb0)) {
            wanted &= ~dst;
            if (op == 0xb0 && class >= 4 && (insn->code & 8))
                wanted |= src;
        } else if (insn->code & 8) {
            wanted |= src;
        }
        wanted &= 0x3ff;
    }
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
    memcpy(branches, v->history, v->history_count * sizeof *branches);
    v->replay = branches;
    v->replay_count = v->history_count;
    v->seen = scratch;
    s.count = again(v, NULL, NULL, 0);
    s.path = arena_array(v->arena, s.count, sizeof *s.path);
    if (s.path && s.count) {
        (void)again(v, s.path, NULL, 0);
        read_backwards(v, &s);
        (void)again(v, NULL, s.chosen, s.chosen_count);
    }
    v->replay = NULL;
    v->seen = seen;
    v->reason = reason;
    v->async_count = async;
}

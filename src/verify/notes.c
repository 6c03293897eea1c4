/* SPDX-License-Identifier: MIT
 *
 * Invariants for people: before each instruction, the distinct states that the walk came by with, in words.
 *
 * While they are taken a state is pruned only where every value of it lies inside the older state's (cover.c), and not
 * by what mattered below: so what is noted holds for each run of the program, whichever path it takes.  A note below a
 * guess that is taken back is forgotten with it: notes lie on a stack, each with the number of checkpoints there were
 * before it, and the guess and what is above it go together.
 */
#include <string.h>
#include "verify/state.h"

enum { NOTE_TEXT = 400, NOTES_AN_INSN = 4 };

struct note {
    uint32_t insn, owner, next; /* index + 1 of the older one of the same instruction */
    const char *text;           /* NULL: there are more than are kept */
};

struct notes {
    struct note *all;
    uint32_t count, capacity;
    uint32_t *newest; /* per instruction: index + 1 */
};

static void add_slot(const struct verifier *v, uint32_t s, node_t node, struct text *text)
{
    if (node <= NODE_NONE || node == NODE_MIXED)
        return;
    if (!(node & NODE_SPLIT)) {
        text_format(text, "%s[r10-%u] = ", text->length ? ", " : "", 8 * (s + 1));
        value_text(v, node_value(v, node), text);
        return;
    }
    const struct split *split = node_split(v, node);
    for (unsigned i = 0; i < 8; i++)
        if (split->size[i]) {
            text_format(text, "%s[r10-%u:%u] = ", text->length ? ", " : "", 8 * (s + 1) - i, split->size[i]);
            value_text(v, node_value(v, split->piece[i]), text);
        }
}

static void write_state(struct verifier *v, struct text *text)
{
    const struct frame *frame = top_frame(v);
    uint32_t live = v->flow[v->insn].live;
    for (unsigned r = 0; r < 10; r++)
        if (live >> r & 1 && v->now.regs[r].kind != V_NONE) {
            text_format(text, "%sr%u = ", text->length ? ", " : "", r);
            value_text(v, &v->now.regs[r], text);
        }
    for (uint32_t s = 0; s < frame->slots; s++)
        add_slot(v, s, frame->slot[s], text);
    if (v->now.g.ref_count)
        text_format(text, "%s%u reference%s held", text->length ? ", " : "", v->now.g.ref_count,
                    v->now.g.ref_count > 1 ? "s" : "");
    if (v->now.g.lock_map)
        text_format(text, "%sa spin lock held", text->length ? ", " : "");
    if (!text->length)
        text_string(text, "nothing needed");
}

bool notes_init(struct verifier *v)
{
    if (!(v->input->flags & VERIFY_INVARIANTS))
        return true;
    v->notes = arena_alloc(v->arena, sizeof *v->notes);
    if (v->notes)
        v->notes->newest = arena_array(v->arena, v->image->insn_count, sizeof *v->notes->newest);
    if (v->notes && v->notes->newest)
        return true;
    v->notes = NULL;
    v->out_of_memory = true;
    return false;
}

void notes_add(struct verifier *v)
{
    struct notes *n = v->notes;
    char buffer[NOTE_TEXT];
    const char *kept = NULL;
    struct text text;
    uint32_t there = 0, at;
    for (at = n->newest[v->insn]; at; at = n->all[at - 1].next, there++)
        if (!n->all[at - 1].text)
            return;
    text_init(&text, buffer, sizeof buffer);
    write_state(v, &text);
    if (text_truncated(&text))
        memcpy(buffer + sizeof buffer - 5, " ...", 5);
    for (at = n->newest[v->insn]; at; at = n->all[at - 1].next)
        if (!strcmp(n->all[at - 1].text, buffer))
            return;
    if (n->count == n->capacity && !grow(v, &n->all, &n->capacity, sizeof *n->all))
        return;
    if (there < NOTES_AN_INSN) {
        kept = arena_text(v->arena, buffer, strlen(buffer));
        if (!kept) {
            v->out_of_memory = true;
            return;
        }
    }
    n->all[n->count++] = (struct note){v->insn, v->all_count, n->newest[v->insn], kept};
    n->newest[v->insn] = n->count;
}

void notes_forget(struct verifier *v)
{
    struct notes *n = v->notes;
    while (n->count && n->all[n->count - 1].owner > v->all_count) {
        n->count--;
        n->newest[n->all[n->count].insn] = n->all[n->count].next;
    }
}

void notes_conclude(struct verifier *v)
{
    static const char more[] = " | ...";
    struct notes *n = v->notes;
    const char **all;
    if (!n)
        return;
    all = arena_array(v->arena, v->image->insn_count, sizeof *all);
    if (!all)
        return;
    for (uint32_t i = 0; i < v->image->insn_count; i++) {
        const struct note *order[NOTES_AN_INSN + 1];
        uint32_t count = 0;
        size_t length = 1, used = 0;
        char *text;
        all[i] = "";
        for (uint32_t at = n->newest[i]; at; at = n->all[at - 1].next) {
            order[count++] = &n->all[at - 1];
            length += (order[count - 1]->text ? strlen(order[count - 1]->text) : 0) + sizeof more;
        }
        if (!count || !(text = arena_alloc(v->arena, length)))
            continue;
        while (count--) { /* oldest first */
            const char *part = order[count]->text;
            size_t size = part ? strlen(part) : sizeof more - 1;
            if (part && used) {
                memcpy(text + used, " | ", 3);
                used += 3;
            }
            memcpy(text + used, part ? part : more, size);
            used += size;
        }
        all[i] = text;
    }
    v->result->invariants = all;
}

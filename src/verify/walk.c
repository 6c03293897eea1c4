/* SPDX-License-Identifier: MIT
 *
 * The walk: every path of the program, depth first, each cut short where a checkpoint already answers for it.
 *
 * Joins.  An arrival at a join that a done checkpoint covers is over.  Otherwise it may become a checkpoint itself.
 *
 * Generalizing.  Where arrivals keep differing (at a loop's head from one round to the next, at a join again and again)
 * the state is replaced by a more general one, as a guess.  All that is found below a guess depends on it: if something
 * is refused there, the guess and everything below it is thrown away and the walk goes on from the state that was
 * really there.  So a refusal is only ever reported for a state that the program can be in as far as paths tell.  Each
 * failure at a place doubles the patience there, so that guessing costs no more than a constant factor.
 *
 * Loops.  Only a guess may end its own paths: an arrival at an active generalized head that the head covers is a back
 * edge, and holds by induction.  That the loop ends is another matter: some number or offset must, on every back edge,
 * have moved in one direction away from where it stood at the head, inside a bounded set.  The candidates are the
 * head's anchors; each back edge strikes out those that did not move (Colón & Sipma 2001 call such a quantity a ranking
 * function), and when none is left the guess has failed.  Plain heads never end a path of their own: such loops are
 * walked round by round.
 *
 * Length.  Each checkpoint knows the longest way to the program's end and back to each active head around it; a loop's
 * rounds are bounded by its candidates' sets.  This gives the longest run.
 */
#include <string.h>
#include "verify/state.h"

enum {
    STEP_INSNS = 8,     /* a checkpoint this far behind the last is worth its memory */
    FIRST_ROUNDS = 1,   /* of a loop walked before its head is generalized */
    FIRST_ARRIVALS = 6, /* at a join before it is generalized */
    MOST_FAILURES = 20,
};

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    return a && b > UINT64_MAX / a ? UINT64_MAX : a * b;
}

static bool add_worst(struct verifier *v, struct checkpoint *c, struct checkpoint *head, uint64_t count)
{
    for (struct worst *w = c->worst; w; w = w->next)
        if (w->head == head) {
            if (w->count < count)
                w->count = count;
            return true;
        }
    struct worst *w = pool_alloc(v, sizeof *w);
    if (!w)
        return false;
    *w = (struct worst){c->worst, head, count};
    c->worst = w;
    return true;
}

static struct checkpoint *newest(const struct verifier *v)
{
    return v->path[v->path_depth - 1];
}

/* The way on from a done checkpoint, for what leads to it. */
static bool continue_with(struct verifier *v, const struct checkpoint *c, uint64_t before)
{
    for (const struct worst *w = c->worst; w; w = w->next) {
        uint64_t count = plus(before, w->count);
        bool fine =
            !w->head || w->head->active ? add_worst(v, newest(v), w->head, count) : continue_with(v, w->head, count);
        if (!fine)
            return false;
    }
    return true;
}

static struct place *place_of(const struct verifier *v, const struct checkpoint *c)
{
    return &v->places[v->flow[c->insn].place];
}

static struct checkpoint *make_checkpoint(struct verifier *v)
{
    struct checkpoint *c = pool_alloc(v, sizeof *c);
    if (!c)
        return NULL;
    memset(c, 0, sizeof *c);
    if ((v->path_depth == v->path_capacity && !grow(v, &v->path, &v->path_capacity, sizeof *v->path)) ||
        (v->all_count == v->all_capacity && !grow(v, &v->all, &v->all_capacity, sizeof *v->all)))
        return NULL;
    c->state = state_save(v);
    c->deps = deps_save(v);
    if (!c->state || !c->deps)
        return NULL;
    c->insn = v->insn;
    c->distance = v->distance;
    c->active = true;
    c->path_index = v->path_depth;
    c->outer = place_of(v, c)->active;
    c->outer_general = c->outer && !c->outer->general ? c->outer->outer_general : c->outer;
    if (v->path_depth)
        c->guess_below = newest(v)->general ? newest(v) : newest(v)->guess_below;
    place_of(v, c)->active = c;
    v->path[v->path_depth++] = c;
    v->all[v->all_count++] = c;
    deps_reset(v);
    v->distance = 0;
    v->branches = 0;
    v->result->states++;
    return c;
}

static void unlist(struct verifier *v, struct checkpoint *c)
{
    struct checkpoint **at = &place_of(v, c)->done;
    if (!c->listed)
        return;
    while (*at && *at != c)
        at = &(*at)->next;
    if (*at)
        *at = c->next;
    c->listed = false;
}

static void free_checkpoint(struct verifier *v, struct checkpoint *c)
{
    saved_free(v, c->state);
    saved_free(v, c->original);
    deps_free(v, c->deps);
    deps_free(v, c->original_deps);
    while (c->worst) {
        struct worst *w = c->worst;
        c->worst = w->next;
        pool_free(v, w, sizeof *w);
    }
    pool_free(v, c->ranking, sizeof *c->ranking);
    pool_free(v, c, sizeof *c);
}

/* Rounds of a generalized loop: from its head's widest step to its set's other end. */
static uint64_t rounds_of(const struct checkpoint *c)
{
    uint64_t least = UINT64_MAX;
    const struct ranking *r = c->ranking;
    if (c->iterations)
        return c->iterations;
    for (uint32_t i = 0; r && i < CANDIDATES; i++)
        if (r->candidates >> i & 1) {
            int64_t step = r->least_step[i];
            uint64_t rounds = i == CANDIDATE_MAY_GOTO ? 8u << 20
                                                      : r->width[i] / (uint64_t)(step < 0 ? -step
                                                                                 : step   ? step
                                                                                          : 1) +
                                                            1;
            if (rounds < least)
                least = rounds;
        }
    return least;
}

static bool complete(struct verifier *v)
{
    struct checkpoint *c = newest(v);
    struct place *place = place_of(v, c);
    c->active = false;
    place->active = c->outer;
    v->path_depth--;
    if (c->general) {
        struct worst **at = &c->worst;
        uint64_t looped = 0;
        while (*at && (*at)->head != c)
            at = &(*at)->next;
        if (*at) {
            struct worst *own = *at;
            looped = times(rounds_of(c), own->count);
            *at = own->next;
            pool_free(v, own, sizeof *own);
        }
        for (struct worst *w = c->worst; w; w = w->next)
            w->count = plus(w->count, looped);
        saved_free(v, c->original);
        deps_free(v, c->original_deps);
        c->original = NULL;
        c->original_deps = NULL;
        v->result->joins++;
        if (!c->ranking && place->join_successes < 255)
            place->join_successes++;
    }
    deps_free(v, c->deps);
    c->deps = NULL;
    c->next = place->done;
    place->done = c;
    c->listed = true;
    place->done_count++;
    if (!v->path_depth)
        return true;
    for (struct worst *w = c->worst; w; w = w->next)
        if (!add_worst(v, newest(v), w->head, plus(c->distance, w->count)))
            return false;
    return true;
}

/* Throws a guess away with all that was found below it; the state that was really there is current again. */
static void take_back(struct verifier *v, struct checkpoint *guess)
{
    struct place *place = place_of(v, guess);
    while (v->pending_count > guess->pending_height) {
        struct pending *p = &v->pending[--v->pending_count];
        saved_free(v, p->state);
        deps_free(v, p->deps);
    }
    while (v->path_depth > guess->path_index) {
        struct checkpoint *c = v->path[--v->path_depth];
        place_of(v, c)->active = c->outer;
    }
    state_load(v, guess->original);
    deps_load(v, guess->original, guess->original_deps);
    v->insn = guess->insn;
    v->distance = guess->distance;
    v->branches = 2;
    v->history_count = guess->history;
    if (guess->ranking)
        place->loop_failures += place->loop_failures < MOST_FAILURES;
    else
        place->join_failures += place->join_failures < MOST_FAILURES;
    place->tried_at = place->done_count;
    while (v->all_count) {
        struct checkpoint *c = v->all[--v->all_count];
        bool last = c == guess;
        if (c->ranking)
            v->ranking_count--; /* made in the same order */
        unlist(v, c);
        free_checkpoint(v, c);
        if (last)
            break;
    }
    if (v->notes)
        notes_forget(v);
    v->plainly = true;
    v->reason = REASON_NONE;
    v->result->taken_back++;
}

/* Something was refused: takes back the newest guess on the path; false if there is none. */
static bool recover(struct verifier *v)
{
    struct checkpoint *c = v->path_depth ? newest(v) : NULL;
    if (c && !c->general)
        c = c->guess_below;
    if (!c)
        return false;
    take_back(v, c);
    return true;
}

/* ---- progress ---- */

struct progress {
    const struct verifier *v;
    const struct ranking *ranking;
    uint64_t moved;
    int64_t step[CANDIDATES];
};

static void compare_anchor(struct progress *p, const struct value *old, const struct value *now)
{
    uint32_t i = old->anchor - p->ranking->first, anchor = now->anchor;
    int64_t low = now->lo, high = now->hi, step;
    if (!old->anchor || i >= p->ranking->count || !anchor_resolve(p->v, p->ranking, &anchor, &low, &high) ||
        anchor != old->anchor)
        return;
    low -= old->lo;
    high -= old->hi;
    step = low > 0 ? low : high < 0 ? high : 0;
    if (!step || step <= -FAR || step >= FAR)
        return;
    p->moved |= 1ull << i;
    p->step[i] = step;
}

static void compare_nodes(const struct verifier *v, struct progress *p, node_t old, node_t now)
{
    struct value here;
    if (old <= NODE_MIXED)
        return;
    if (!(old & NODE_SPLIT)) {
        if (slot_get(v, now, 0, 8, &here) == SLOT_VALUE)
            compare_anchor(p, node_value(v, old), &here);
        return;
    }
    const struct split *split = node_split(v, old);
    for (unsigned i = 0; i < 8; i++)
        if (split->size[i] && slot_get(v, now, i, split->size[i], &here) == SLOT_VALUE)
            compare_anchor(p, node_value(v, split->piece[i]), &here);
}

/* Has a candidate moved on this way from the head back to it? */
static bool progressed(struct verifier *v, struct checkpoint *head)
{
    struct state *now = &v->now;
    const node_t *nodes = saved_nodes(head->state);
    struct progress p;
    uint32_t location = 10;
    if (head->iterations)
        return true;
    struct ranking *ranking = head->ranking;
    p.v = v;
    p.ranking = ranking;
    p.moved = 0;
    for (unsigned r = 0; r < 10; r++)
        compare_anchor(&p, node_value(v, nodes[r]), &now->regs[r]);
    for (uint32_t f = 0; f + 1 < now->depth; f++)
        for (unsigned r = 0; r < SAVED_REGS; r++, location++)
            compare_nodes(v, &p, nodes[location], now->frames[f].saved[r]);
    for (uint32_t f = 0; f < now->depth; f++) {
        uint32_t slots = head->state->words[4 * f + 3];
        for (uint32_t s = 0; s < slots && s < now->frames[f].slots; s++)
            compare_nodes(v, &p, nodes[location + s], now->frames[f].slot[s]);
        location += slots;
    }
    if (now->g.may_gotos > head->state->may_gotos) {
        p.moved |= 1ull << CANDIDATE_MAY_GOTO;
        p.step[CANDIDATE_MAY_GOTO] = 1;
    }
    p.moved &= ranking->candidates;
    for (uint32_t i = 0; i < CANDIDATES; i++)
        if (p.moved >> i & 1) {
            int64_t *least = &ranking->least_step[i];
            if (*least && (*least > 0) != (p.step[i] > 0))
                p.moved &= ~(1ull << i); /* up on one way, down on another */
        }
    if (!p.moved)
        return false;
    for (uint32_t i = 0; i < CANDIDATES; i++)
        if (p.moved >> i & 1) {
            int64_t *least = &ranking->least_step[i];
            if (!*least || (p.step[i] > 0 ? p.step[i] < *least : p.step[i] > *least))
                *least = p.step[i];
        }
    ranking->candidates = p.moved;
    return true;
}

static void note_width(struct ranking *r, const struct value *value)
{
    uint32_t i = value->anchor - r->first;
    uint64_t width, other;
    if (!value->anchor || i >= r->count)
        return;
    width = value->n.umax - value->n.umin;
    other = (uint64_t)value->n.smax - (uint64_t)value->n.smin;
    if (other < width)
        width = other;
    if (width < 1ull << 62) {
        r->candidates |= 1ull << i;
        r->width[i] = width;
    }
}

static void note_widths(struct verifier *v, struct checkpoint *c)
{
    const node_t *nodes = saved_nodes(c->state);
    c->ranking->candidates = 1ull << CANDIDATE_MAY_GOTO;
    for (uint32_t i = 0; i < c->state->locations; i++) {
        if (nodes[i] <= NODE_MIXED)
            continue;
        if (!(nodes[i] & NODE_SPLIT)) {
            note_width(c->ranking, node_value(v, nodes[i]));
        } else {
            const struct split *split = node_split(v, nodes[i]);
            for (unsigned b = 0; b < 8; b++)
                if (split->size[b])
                    note_width(c->ranking, node_value(v, split->piece[b]));
        }
    }
}

/* ---- arrivals ---- */

enum arrival { ARRIVAL_NEW, ARRIVAL_COVERED, ARRIVAL_FAILED };

static bool same_calls(const struct verifier *v, const struct checkpoint *c)
{
    if (c->state->depth != v->now.depth)
        return false;
    for (uint32_t f = 0; f < v->now.depth; f++)
        if (c->state->words[4 * f] != v->now.frames[f].func || c->state->words[4 * f + 1] != v->now.frames[f].callsite)
            return false;
    return true;
}

/* Where on the path the current round of the loops around this head began: what is below is of an earlier round. */
static uint32_t round_start(const struct verifier *v)
{
    uint32_t start = 0;
    for (uint32_t h = v->around[v->insn]; h != IMAGE_NO_INDEX; h = v->around[h])
        for (const struct checkpoint *c = v->places[v->flow[h].place].active; c; c = c->outer)
            if (same_calls(v, c)) {
                if (c->path_index > start)
                    start = c->path_index;
                break;
            }
    return start;
}

static bool guess(struct verifier *v, const struct checkpoint *older, bool widen, bool loop, bool stale)
{
    struct ranking *ranking = NULL;
    struct saved *original = state_save(v);
    struct saved_deps *deps = deps_save(v);
    const struct place *place = &v->places[v->flow[v->insn].place];
    struct checkpoint *c;
    if (!original || !deps)
        return false;
    if (loop) {
        ranking = pool_alloc(v, sizeof *ranking);
        if (!ranking || (v->ranking_count == v->ranking_capacity &&
                         !grow(v, &v->rankings, &v->ranking_capacity, sizeof *v->rankings)))
            return false;
    }
    generalize(v, older, widen, !loop || !(place->loop_failures & 1), stale, ranking);
    c = v->out_of_memory ? NULL : make_checkpoint(v);
    if (!c)
        return false;
    c->general = true;
    c->ranking = ranking;
    c->original = original;
    c->original_deps = deps;
    c->pending_height = v->pending_count;
    c->history = v->history_count;
    if (ranking) {
        ranking->head = c;
        v->rankings[v->ranking_count++] = ranking;
        note_widths(v, c);
    }
    return true;
}

static bool same_value(const struct value *a, const struct value *b)
{
    return a->kind == b->kind && a->off == b->off && a->limit == b->limit && !memcmp(&a->n, &b->n, sizeof a->n);
}

/* Is nothing different from what it was, so that the program may come here like this for ever? */
static bool nothing_changed(const struct verifier *v, const struct checkpoint *c)
{
    const node_t *nodes = saved_nodes(c->state);
    for (unsigned r = 0; r < 10; r++)
        if (v->flow[c->insn].live >> r & 1 && !same_value(node_value(v, nodes[r]), &v->now.regs[r]))
            return false;
    for (uint32_t f = 0; f < v->now.depth; f++) {
        uint32_t base = saved_slot_base(c->state, f), slots = c->state->words[4 * f + 3];
        for (uint32_t s = 0; s < slots && s < v->now.frames[f].slots; s++) {
            node_t a = nodes[base + s], b = v->now.frames[f].slot[s];
            if (a != b && ((a | b) & NODE_SPLIT || !same_value(node_value(v, a), node_value(v, b))))
                return false;
        }
    }
    return true;
}

static enum arrival arrive(struct verifier *v)
{
    const struct insn_flow *flow = &v->flow[v->insn];
    struct place *place = &v->places[flow->place];
    struct checkpoint *nearest = NULL, *stale = NULL, **at = &place->done;
    bool plainly = v->plainly;
    uint32_t start = flow->head && place->active ? round_start(v) : 0;
    v->plainly = false;
    for (unsigned r = 0; r < 10; r++)
        if (!(flow->live >> r & 1) && v->now.reg_node[r] != NODE_NONE) {
            v->now.regs[r] = *node_value(v, NODE_NONE);
            v->now.reg_node[r] = NODE_NONE;
            v->now.reg_deps[r] = 0;
        }
    if (!plainly) {
        while (*at) {
            struct checkpoint *c = *at;
            if (cover(v, c, false)) {
                c->hits += c->hits < UINT16_MAX;
                cover_mark(v, c, false);
                return continue_with(v, c, v->distance) ? ARRIVAL_COVERED : ARRIVAL_FAILED;
            }
            c->misses += c->misses < UINT16_MAX;
            if (c->misses > 3u * c->hits + 24u) { /* it costs more than it saves */
                *at = c->next;
                c->listed = false;
                continue;
            }
            at = &c->next;
        }
        for (struct checkpoint *c = place->active; c; c = nearest ? c->outer_general : c->outer) {
            if (!same_calls(v, c))
                continue;
            if (c->path_index < start) {
                if (!nearest && c->ranking)
                    stale = c;
                break;
            }
            if (!nearest)
                nearest = c;
            if (!c->ranking || !cover(v, c, true))
                continue;
            if (progressed(v, c)) {
                cover_mark(v, c, true);
                return add_worst(v, newest(v), c, v->distance) ? ARRIVAL_COVERED : ARRIVAL_FAILED;
            }
            (void)refuse(v, REASON_LOOP, "no number or offset is known to move on in every round of this loop");
            /* guesses around this one at the same head were too narrow to hold by themselves: below them every round
             * would be walked, without their ends, so they go as well */
            for (struct checkpoint *o = c->outer; o && o->path_index >= start; o = o->outer)
                if (o->ranking && same_calls(v, o))
                    c = o;
            take_back(v, c);
            return ARRIVAL_FAILED;
        }
    } else {
        for (struct checkpoint *c = place->active; c && !nearest; c = c->outer)
            if (same_calls(v, c) && c->path_index >= start)
                nearest = c;
    }
    if (stale && !place->loop_failures) /* as it was in the round before, only more so */
        return guess(v, stale, true, true, true) ? ARRIVAL_NEW : ARRIVAL_FAILED;
    if (flow->head && nearest) {
        uint32_t visits = nearest->general ? MOST_FAILURES : nearest->visits + 1;
        uint64_t limit = nearest->general ? 1 : (uint64_t)FIRST_ROUNDS << place->loop_failures;
        bool same = !nearest->general && (visits < limit || plainly) && cover(v, nearest, true);
        if (same && (plainly || place->loop_failures) && nothing_changed(v, nearest)) {
            (void)refuse(v, REASON_LOOP, "the loop comes back to this instruction with nothing changed");
            return ARRIVAL_FAILED;
        }
        if (!plainly && (visits >= limit || (same && !place->loop_failures)))
            return guess(v, nearest, true, true, false) ? ARRIVAL_NEW : ARRIVAL_FAILED;
    } else if (!plainly && place->done &&
               place->done_count - place->tried_at >= (uint32_t)FIRST_ARRIVALS << place->join_failures) {
        struct checkpoint *c = place->done;
        while (c && !same_calls(v, c))
            c = c->next;
        place->tried_at = place->done_count;
        if (c)
            return guess(v, c, place->join_successes > 1, false, false) ? ARRIVAL_NEW : ARRIVAL_FAILED;
    }
    if (flow->head || v->distance >= STEP_INSNS || v->branches >= 2) {
        struct checkpoint *c = make_checkpoint(v);
        if (!c)
            return ARRIVAL_FAILED;
        c->visits = nearest && !nearest->general ? nearest->visits + 1 : 0;
    }
    return ARRIVAL_NEW;
}

/* ---- paths ---- */

static bool note_branch(struct verifier *v, bool taken)
{
    if (v->history_count == v->history_capacity && !grow(v, &v->history, &v->history_capacity, sizeof *v->history))
        return false;
    v->history[v->history_count++] = v->insn << 1 | taken;
    return true;
}

bool push_pending(struct verifier *v)
{
    struct pending *p;
    if (v->pending_count == v->pending_capacity && !grow(v, &v->pending, &v->pending_capacity, sizeof *v->pending))
        return false;
    p = &v->pending[v->pending_count];
    p->state = state_save(v);
    p->deps = deps_save(v);
    if (!p->state || !p->deps)
        return false;
    p->insn = v->insn;
    p->path_depth = v->path_depth;
    p->distance = v->distance;
    p->history = v->history_count;
    v->pending_count++;
    return note_branch(v, false);
}

enum next { NEXT_GO, NEXT_DONE, NEXT_FAILED };

static enum next next_path(struct verifier *v)
{
    while (v->pending_count) {
        struct pending p = v->pending[--v->pending_count];
        const struct insn *insn = &v->image->insns[p.insn];
        while (v->path_depth > p.path_depth)
            if (!complete(v))
                return NEXT_FAILED;
        state_load(v, p.state);
        deps_load(v, p.state, p.deps);
        saved_free(v, p.state);
        deps_free(v, p.deps);
        v->insn = p.insn;
        v->distance = p.distance;
        v->branches = 1;
        v->history_count = p.history;
        if (!note_branch(v, true))
            return NEXT_FAILED;
        if (insn->code == 0x85) {
            if (!call_enter_callback(v))
                return NEXT_FAILED;
            if (logs(v, VERIFY_LOG_ALL))
                log_from(v, p.insn);
            return NEXT_GO;
        }
        if (assume_branch(v, true)) {
            v->insn += 1 + (uint32_t)insn->off;
            if (logs(v, VERIFY_LOG_ALL))
                log_from(v, p.insn);
            return NEXT_GO;
        }
        if (v->reason)
            return NEXT_FAILED;
    }
    while (v->path_depth)
        if (!complete(v))
            return NEXT_FAILED;
    return NEXT_DONE;
}

static enum flow_result logged_step(struct verifier *v)
{
    uint32_t at = v->insn;
    log_insn(v);
    enum flow_result result = step(v);
    if (result != FLOW_ERROR)
        log_effect(v, at);
    return result;
}

/* True when every path from the current state is walked; false after a refusal, or with a budget exceeded. */
static bool walk(struct verifier *v, uint64_t *worst)
{
    struct verify_result *result = v->result;
    struct checkpoint *root = make_checkpoint(v);
    bool first = true;
    if (!root)
        return false;
    if (logs(v, VERIFY_LOG_ALL))
        log_begin(v);
    for (;;) {
        bool fine = true;
        if (v->flow[v->insn].join && !first) {
            switch (arrive(v)) {
            case ARRIVAL_COVERED:
                if (logs(v, VERIFY_LOG_ALL))
                    log_safe(v);
                switch (next_path(v)) {
                case NEXT_DONE: goto done;
                case NEXT_GO: continue;
                default: fine = false; break;
                }
                break;
            case ARRIVAL_FAILED: fine = false; break;
            default: break;
            }
        }
        if (fine) {
            first = false;
            if (++result->steps > v->max_steps) {
                v->reason = REASON_STEPS;
                return false;
            }
            v->visits[v->insn]++;
            v->distance++;
            if (v->notes)
                notes_add(v);
            switch (logs(v, VERIFY_LOG_ALL) ? logged_step(v) : step(v)) {
            case FLOW_NEXT:
            case FLOW_JUMPED: continue;
            case FLOW_END:
                if (!add_worst(v, newest(v), NULL, v->distance)) {
                    fine = false;
                    break;
                }
                switch (next_path(v)) {
                case NEXT_DONE: goto done;
                case NEXT_GO: continue;
                default: fine = false; break;
                }
                break;
            default: fine = false; break;
            }
        }
        if (v->out_of_memory)
            return false;
        if (v->reason != REASON_NONE && !recover(v))
            return false;
    }
done:
    *worst = 0;
    for (const struct worst *w = root->worst; w; w = w->next)
        if (!w->head)
            *worst = w->count;
    return !v->out_of_memory;
}

/* ---- roots ---- */

void walk_start(struct verifier *v, uint32_t func, enum root root, uint32_t map)
{
    struct value context = value_pointer(V_CONTEXT, 0, 0), none = value_none();
    struct signature signature;
    v->root = root;
    v->story_map = map;
    memset(&v->now.g, 0, sizeof v->now.g);
    v->now.depth = 1;
    v->now.frames[0].func = func;
    v->now.frames[0].callsite = IMAGE_NO_INDEX;
    v->now.frames[0].callback = CALLBACK_NONE;
    v->now.frames[0].slots = 0;
    v->now.frames[0].written = UINT64_MAX;
    for (unsigned r = 0; r < 10; r++)
        set_reg(v, r, &none, 0);
    if (root == ROOT_PROGRAM) {
        set_reg(v, 1, &context, 0);
    } else if (root == ROOT_ASYNC) {
        struct value m = value_pointer(V_MAP, map, 0), k = value_pointer(V_MAP_KEY, map, 0),
                     value = value_pointer(V_MAP_VALUE, map, 0);
        value.id = fresh_id(v);
        set_reg(v, 1, &m, 0);
        set_reg(v, 2, &k, 0);
        set_reg(v, 3, &value, 0);
    } else if (call_signature(v, func, &signature)) {
        for (unsigned i = 0; i < signature.count; i++) {
            struct value a =
                signature.kind[i] == V_NUMBER ? value_number(scalar_any) : value_pointer(signature.kind[i], 0, 0);
            if (signature.kind[i] == V_MEMORY) {
                a.limit = signature.size[i];
                a.flags = VALUE_NULLABLE;
                a.id = fresh_id(v);
            }
            set_reg(v, i + 1, &a, 0);
        }
    }
    v->insn = v->image->funcs[func].insn;
    v->distance = 0;
    v->branches = 0;
    v->path_depth = v->pending_count = v->history_count = 0;
    v->shifted_at = UINT32_MAX - 1;
    v->plainly = false;
}

/* Forgets a walk that failed. */
static void forget(struct verifier *v, uint32_t all)
{
    while (v->path_depth) {
        struct checkpoint *c = v->path[--v->path_depth];
        place_of(v, c)->active = c->outer;
    }
    while (v->all_count > all) {
        struct checkpoint *c = v->all[--v->all_count];
        v->ranking_count -= c->ranking != NULL;
        unlist(v, c);
    }
    if (v->notes)
        notes_forget(v);
    v->pending_count = 0;
}

static bool walk_root(struct verifier *v, uint32_t func, enum root root, uint32_t map, uint64_t *worst)
{
    walk_start(v, func, root, map);
    return walk(v, worst);
}

/* Calls of one function, found in its text; each global one below is verified first. */
static bool walk_globals(struct verifier *v, uint32_t func, uint8_t *state)
{
    const struct image *image = v->image;
    uint32_t end = func + 1 < image->func_count ? image->funcs[func + 1].insn : image->insn_count;
    state[func] = 1;
    for (uint32_t i = image->funcs[func].insn; i < end; i++) {
        const struct insn *insn = &image->insns[i];
        uint32_t callee;
        if (insn_is_lddw(insn)) {
            if (insn_src(insn) != LDDW_SRC_CODE) {
                i++;
                continue;
            }
            callee = v->func_of[i + 1 + (uint32_t)insn->imm];
            i++;
        } else if (insn->code == 0x85 && insn_src(insn) == CALL_SRC_LOCAL) {
            callee = v->func_of[i + 1 + (uint32_t)insn->imm];
        } else {
            if (insn->code == 0x85 && insn_src(insn) == CALL_SRC_HELPER) {
                const struct helper_proto *proto = v->input->helpers[insn->imm];
                if (proto && proto->flags & HELPER_CHANGES_PACKET)
                    v->functions[func].changes_packet = true;
            }
            continue;
        }
        if (state[callee] == 1)
            continue; /* recursion: the walk will say so */
        if (!state[callee] && !walk_globals(v, callee, state))
            return false;
        if (v->functions[callee].changes_packet)
            v->functions[func].changes_packet = true;
    }
    state[func] = 2;
    struct signature signature;
    if (func != v->input->func && call_signature(v, func, &signature)) {
        uint32_t all = v->all_count;
        uint64_t before = v->result->steps;
        if (walk_root(v, func, ROOT_GLOBAL, 0, &v->functions[func].worst)) {
            v->functions[func].alone = true;
        } else {
            if (v->out_of_memory || v->result->steps >= v->max_steps)
                return false;
            /* not on its own: then with its callers */
            forget(v, all);
            v->reason = REASON_NONE;
            v->result->steps = before;
        }
    }
    return true;
}

static uint32_t busiest(const struct verifier *v)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < v->image->insn_count; i++)
        if (v->visits[i] > v->visits[at])
            at = i;
    return at;
}

static void conclude(struct verifier *v, bool fine, uint64_t worst)
{
    struct verify_result *r = v->result;
    struct text text;
    text_init(&text, r->message, sizeof r->message);
    r->worst_case = UINT64_MAX;
    if (fine) {
        r->worst_case = worst;
        if (v->input->max_insns && worst > v->input->max_insns) {
            r->verdict = VERIFY_TOO_LONG;
            r->reason = REASON_WORST_CASE;
            r->insn = busiest(v);
            if (worst == UINT64_MAX)
                text_string(&text, "no bound is known for how many instructions the program runs");
            else
                text_format(&text, "the program may run %llu instructions, %llu are allowed", (unsigned long long)worst,
                            (unsigned long long)v->input->max_insns);
        }
        return;
    }
    if (v->out_of_memory || v->reason == REASON_STEPS) {
        r->verdict = VERIFY_TOO_COMPLEX;
        r->reason = v->out_of_memory ? REASON_BYTES : REASON_STEPS;
        r->insn = busiest(v);
        text_format(&text, "gave up after %llu steps and %llu bytes; instruction %u was walked most often, %u times",
                    (unsigned long long)r->steps, (unsigned long long)v->arena->used, r->insn, v->visits[r->insn]);
        return;
    }
    r->verdict = VERIFY_REJECT;
    r->reason = v->reason;
    r->insn = v->insn;
    text_string(&text, v->message);
    if (logs(v, VERIFY_LOG_ALL))
        log_refusal(v);
    story_tell(v);
}

enum result verify(const struct verify_input *input, struct arena *arena, struct verify_result *result)
{
    const struct image *image = input->image;
    struct verifier *v = arena_alloc(arena, sizeof *v);
    uint64_t worst = 0, other;
    memset(result, 0, sizeof *result);
    result->max_irql = UINT8_MAX;
    result->worst_case = UINT64_MAX;
    if (!image->insn_count || !image->func_count || input->func >= image->func_count || !input->contract ||
        (image->helper_count && !input->helpers))
        return RESULT_INVALID;
    if (!v)
        return RESULT_NO_MEMORY;
    v->input = input;
    v->image = image;
    v->contract = input->contract;
    v->context = contract_context(input->contract, image->personality, image->attach_type);
    v->arena = arena;
    v->result = result;
    v->max_steps = input->max_steps ? input->max_steps : VERIFY_STEPS;
    v->visits = arena_array(arena, image->insn_count, sizeof *v->visits);
    v->functions = arena_array(arena, image->func_count, sizeof *v->functions);
    v->maps = arena_array(arena, image->map_count, sizeof *v->maps);
    uint8_t *order = arena_alloc(arena, image->func_count);
    if (!v->visits || !v->functions || !v->maps || !order)
        v->out_of_memory = true;
    bool fine = !v->out_of_memory && state_init(v) && flow_find(v) && notes_init(v) &&
                walk_globals(v, input->func, order) && walk_root(v, input->func, ROOT_PROGRAM, 0, &worst);
    while (fine && v->async_done < v->async_count) {
        uint32_t entry = v->asynchronous[v->async_done++];
        fine = walk_root(v, entry >> 12, ROOT_ASYNC, entry & 4095, &other);
    }
    if (v->out_of_memory && !v->visits)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; v->places && i < v->place_count; i++)
        if (v->places[i].done_count > result->most_states)
            result->most_states = v->places[i].done_count;
    conclude(v, fine, worst);
    notes_conclude(v);
    result->insns = v->seen;
    result->peak_bytes = arena->used;
    return RESULT_OK;
}

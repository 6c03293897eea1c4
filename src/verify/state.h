/* SPDX-License-Identifier: MIT
 *
 * The verifier's working memory, for the files of this room.
 *
 * The *current state* is mutable: registers by value, stack slots and callers' registers as *nodes*, immutable values
 * in a pool.  A *saved state* is nodes alone, so that saving costs what has changed and two saved states share the
 * rest. A *checkpoint* is a saved state at a join; it is active while something below it is still to be walked, and
 * done afterwards: done checkpoints answer for every state that they cover.
 *
 * What a done checkpoint needed is remembered by two marks a location: *read* (stack slots; for registers static
 * liveness says it) and *precise* (the set of numbers mattered, not only that it was a number).  Marks need no
 * backtracking: each location of the current state carries, as a mask of 64 bits, which locations of the newest active
 * checkpoint its value derives from.  A location's bit is its index up to 10, a hash above: two that share a bit are
 * marked together, which costs precision of pruning and no soundness.
 *
 * Locations of a state are numbered: r0 to r9 of the newest frame, then r1 to r9 of each older frame, then the stack
 * slots of each frame from the oldest; slot s is the 8 bytes at frame pointer - 8 * (s + 1).
 */
#ifndef WINBPF_VERIFY_STATE_H
#define WINBPF_VERIFY_STATE_H

#include "base/annotate.h"
#include "base/arena.h"
#include "base/text.h"
#include "verify/value.h"
#include "verify/verify.h"

enum {
    FRAMES = 8,
    SLOTS = 64,
    REFS = 32,
    STACK_TOTAL = 512, /* bytes over a chain of calls, as Linux has it for programs without private stacks */
    SAVED_REGS = 9,    /* r1 to r9: a callback returns to its call, which runs again */
};

typedef uint32_t node_t;
enum { NODE_NONE = 0, NODE_ANY = 1, NODE_ZERO = 2, NODE_MIXED = 3, NODE_SPLIT = 0x80000000u, NODE_DIRTY = 0x7fffffffu };

/* NODE_MIXED is a slot of which nothing is known, not even that it holds no pointer: it may not be read at all. */

/* A slot that holds several values: piece i starts at byte i and has size[i] bytes, 0: none starts there. */
struct split {
    uint8_t size[8];
    node_t piece[8];
};

struct ref {
    uint32_t id, insn;
};

enum callback_kind { CALLBACK_NONE, CALLBACK_LOOP, CALLBACK_EACH, CALLBACK_FIND, CALLBACK_ASYNC, CALLBACK_DRAIN };

struct frame {
    uint32_t func;
    uint32_t callsite;        /* the call, in the caller's code; IMAGE_NO_INDEX in the first */
    uint32_t callback;        /* enum callback_kind */
    uint32_t slots;           /* slots from here on are V_NONE */
    node_t saved[SAVED_REGS]; /* r1 to r9 of this frame while a callee runs */
    uint64_t saved_deps[SAVED_REGS];
    node_t slot[SLOTS];
    uint64_t deps[SLOTS];
    uint64_t written; /* slots wholly written since the newest checkpoint */
};

/* What is of the state besides locations; compared as a whole. */
struct globals {
    uint32_t lock_map, lock_id; /* spin lock held: map index + 1 and the value's id; 0: none */
    uint32_t base_range;        /* packet bytes proven from data itself */
    uint32_t may_gotos;         /* passed on this path */
    uint32_t ref_count;
    struct ref refs[REFS];
};

struct state {
    struct value regs[10];
    node_t reg_node[10]; /* NODE_DIRTY: not saved since it changed */
    uint64_t reg_deps[10];
    uint32_t depth; /* frames in use, at least 1 */
    struct frame frames[FRAMES];
    struct globals g;
};

/* A state at rest: words[] has each location's node, callsites before them. */
struct saved {
    uint32_t bytes;
    uint32_t depth, locations, ref_count;
    uint32_t lock_map, lock_id, base_range, may_gotos;
    uint32_t words[]; /* per frame func, callsite, callback, slots; per reference id, insn; then the nodes */
};

/* Dependencies of a saved state's locations, and per frame the slots written since. */
struct saved_deps {
    uint32_t bytes;
    uint64_t masks[]; /* per location; then per frame `written` */
};

struct checkpoint;

/* Most instructions from a checkpoint to the program's end (head NULL) or back to an active loop head. */
struct worst {
    struct worst *next;
    struct checkpoint *head;
    uint64_t count;
};

/* Locations that may prove a loop's end; the last stands for the budget of may_goto, which bounds all loops through it.
 */
enum { CANDIDATES = 64, CANDIDATE_MAY_GOTO = CANDIDATES - 1 };

/* Distances this far or farther are unbounded. */
enum { FAR = 1 << 30 };

/* A generalized loop head's anchors, numbered from `first`, and what they are good for.  An anchor may itself stand at
 * a claimed distance from an anchor of a loop around: parent + low <= anchor <= parent + high in every round. */
struct ranking {
    struct checkpoint *head;
    uint32_t first, count;
    uint64_t candidates;            /* bit i: first + i moved on every way back so far */
    int64_t least_step[CANDIDATES]; /* 0: no way back yet */
    uint64_t width[CANDIDATES];     /* members of the anchor's own set less one */
    uint32_t parent[CANDIDATES];
    int32_t low[CANDIDATES], high[CANDIDATES];
};

struct checkpoint {
    struct checkpoint *next;          /* of the same instruction, newest first */
    struct checkpoint *outer;         /* active one of the same instruction below it on the path */
    struct checkpoint *outer_general; /* the first generalized one among these */
    struct checkpoint *guess_below;   /* newest generalized one below it on the path */
    struct saved *state;
    struct saved_deps *deps; /* while active: relative to the checkpoint below it on the path */
    struct worst *worst;
    uint64_t precise;
    uint64_t read[FRAMES];
    uint32_t insn;
    uint64_t distance; /* instructions from the checkpoint below to this */
    uint32_t visits;   /* arrivals at this loop head on the path since the last generalization */
    uint16_t hits, misses;
    uint16_t differed; /* location that last made a difference: register, or 10 + frame * SLOTS + slot */
    bool active, general, listed, base_range_used;
    /* generalized: */
    struct saved *original; /* the state it stands for */
    struct saved_deps *original_deps;
    uint32_t pending_height, history;
    uint32_t path_index;     /* place on the path while active */
    struct ranking *ranking; /* of a loop's head; NULL: generalized as a join */
    uint64_t iterations;     /* bound of the loop's rounds known otherwise (callbacks), 0: not */
};

/* The other side of a branch, to be walked later. */
struct pending {
    struct saved *state;
    struct saved_deps *deps;
    uint64_t distance;
    uint32_t insn, path_depth, history; /* the jump at insn is taken, or the callback at insn called */
};

/* Where a map's values have what plain code may not touch; -1: nowhere. */
struct map_info {
    bool known;
    int32_t lock, timer;
};

/* Per instruction, found before the walk. */
struct insn_flow {
    uint16_t live;  /* registers whose value may be read from here on */
    uint8_t join;   /* more than one way leads here */
    uint8_t head;   /* a loop's head */
    uint32_t place; /* of a join: index into places */
};

struct place { /* per join */
    struct checkpoint *done, *active;
    uint32_t done_count, tried_at;
    uint32_t loop_begin, loop_end; /* of a loop head: the first and the last jump in its loop */
    uint8_t loop_failures, join_failures, join_successes;
};

/* What a walk starts from. */
enum root { ROOT_PROGRAM, ROOT_GLOBAL, ROOT_ASYNC };

struct function {
    bool alone, changes_packet; /* verified on its own: called by its signature */
    uint64_t worst;
};

struct verifier {
    const struct verify_input *input;
    const struct image *image;
    const struct program_contract *contract;
    const struct context_layout *context;
    struct arena *arena;
    struct verify_result *result;
    bool out_of_memory;

    struct insn_flow *flow;
    struct place *places;
    uint32_t place_count;
    uint32_t *around; /* per block's first instruction: head of the innermost loop around it, IMAGE_NO_INDEX: none */
    uint8_t *seen;
    struct function *functions; /* per image function */
    enum root root;
    uint32_t *func_of; /* function index by instruction */

    struct value **chunks;
    uint32_t node_count, chunk_capacity;
    struct split **split_chunks;
    uint32_t split_count, split_capacity;
    node_t cache[1024];
    void *free_blocks[512];

    struct map_info *maps; /* per image map, found when first asked for */

    struct state now;
    struct value unshifted; /* what `r <<= k` at shifted_at made of: `r >>= k` behind it may give it back */
    uint32_t shifted_at;
    uint32_t insn;
    uint64_t distance; /* instructions since the newest checkpoint */
    uint32_t branches; /* decided since then */
    uint32_t next_id;

    struct checkpoint **path;
    uint32_t path_depth, path_capacity;
    struct checkpoint **all;
    uint32_t all_count, all_capacity;
    struct ranking **rankings; /* of all generalized heads, by first anchor */
    uint32_t ranking_count, ranking_capacity;
    struct pending *pending;
    uint32_t pending_count, pending_capacity;

    uint32_t *visits;  /* per instruction */
    bool plainly;      /* the arrival under way must not be generalized: that was tried */
    uint32_t *history; /* branches taken on this path: instruction * 2 + taken */
    uint32_t history_count, history_capacity;
    uint32_t asynchronous[32]; /* callbacks that run on their own, still to be verified */
    uint32_t async_count, async_done;

    enum verify_reason reason; /* of the refusal under way */
    char message[VERIFY_MESSAGE];
    uint32_t blamed;     /* registers that the call's check under way is about */
    uint32_t read_frame; /* the newest read of the stack: what a refusal of it is about */
    uint64_t read_slots;
    struct notes *notes;    /* invariants under way; NULL: not asked for */
    uint32_t logged;        /* characters of the log's line under way */
    const uint32_t *replay; /* branches to follow while events are gathered, oldest first; NULL: walking */
    uint32_t replay_count, replay_at, story_map;
    uint64_t max_steps;
};

#define LOCATION_BIT(i) (1ull << ((i) < 10 ? (i) : 10 + ((i)-10) % 54))

/* state.c: memory.  Each sets out_of_memory where it fails. */
void *pool_alloc(struct verifier *v, size_t size); /* not zeroed */
void pool_free(struct verifier *v, void *memory, size_t size);
/* Doubles an arena array; the old one's memory stays with the arena. */
bool grow(struct verifier *v, void *array_pointer, uint32_t *capacity, size_t size);

static inline const struct value *node_value(const struct verifier *v, node_t node)
{
    return &v->chunks[node >> 8][node & 255];
}

static inline const struct split *node_split(const struct verifier *v, node_t node)
{
    node &= ~NODE_SPLIT;
    return &v->split_chunks[node >> 8][node & 255];
}

node_t node_make(struct verifier *v, const struct value *value);
node_t node_make_split(struct verifier *v, const struct split *split);

/* state.c: the current state. */
bool state_init(struct verifier *v);
struct saved *state_save(struct verifier *v);
struct saved_deps *deps_save(struct verifier *v);
void state_load(struct verifier *v, const struct saved *saved);
void deps_load(struct verifier *v, const struct saved *saved, const struct saved_deps *deps);
/* Every location derives from itself: a checkpoint was made of the current state. */
void deps_reset(struct verifier *v);
void saved_free(struct verifier *v, struct saved *saved);
void deps_free(struct verifier *v, struct saved_deps *deps);

static inline const uint32_t *saved_frames(const struct saved *s)
{
    return s->words;
}
static inline const uint32_t *saved_refs(const struct saved *s)
{
    return s->words + 4 * s->depth;
}
static inline node_t *saved_nodes(const struct saved *s)
{
    return (node_t *)(s->words + 4 * s->depth + 2 * s->ref_count);
}

/* Index of the first slot of `frame` among the locations of a state with these frames. */
static inline uint32_t saved_slot_base(const struct saved *s, uint32_t frame)
{
    uint32_t base = 10 + SAVED_REGS * (s->depth - 1);
    for (uint32_t f = 0; f < frame; f++)
        base += s->words[4 * f + 3];
    return base;
}

static inline struct frame *top_frame(struct verifier *v)
{
    return &v->now.frames[v->now.depth - 1];
}

static inline void set_reg(struct verifier *v, unsigned reg, const struct value *value, uint64_t deps)
{
    v->now.regs[reg] = *value;
    v->now.reg_node[reg] = NODE_DIRTY;
    v->now.reg_deps[reg] = deps;
}

static inline uint32_t fresh_id(struct verifier *v)
{
    return ++v->next_id;
}

/* A pointer that died: whoever may see addresses may read its bytes, nobody may use it. */
static inline void value_forget(const struct verifier *v, struct value *value)
{
    bool plain = value->kind < V_DYNPTR && v->input->flags & VERIFY_POINTER_LEAKS;
    *value = plain ? value_number(scalar_any) : value_none();
    value->index = !plain;
}

/* Sets slot `s` of `frame`; `whole`: all eight bytes are written. */
void slot_set(struct verifier *v, uint32_t frame, uint32_t s, node_t node, uint64_t deps, bool whole);

/* marks */
void mark_precise(struct verifier *v, uint64_t deps);
void mark_read(struct verifier *v, uint32_t frame, uint32_t slot);
void mark_base_range(struct verifier *v);

/* Calls visit for every value in the current state: registers, callers' registers, slots and pieces of slots; where it
 * returns true the value has been changed in place and is stored. */
typedef bool (*visit_fn)(struct verifier *v, void *self, struct value *value, uint64_t *deps);
void state_visit(struct verifier *v, visit_fn visit, void *self);

/* flow.c */
bool flow_find(struct verifier *v);

/* memory.c: `size` bytes at byte `off` of a slot as one value. */
enum slot_content { SLOT_VALUE, SLOT_UNINIT, SLOT_POINTER };
enum slot_content slot_get(const struct verifier *v, node_t node, unsigned off, unsigned size, struct value *value);

/* cover.c: is the current state one of those that `c` stands for?  `all`: by every location that may be read, not by
 * the marks. */
bool cover(struct verifier *v, struct checkpoint *c, bool all);
/* Is value `anchor` + [*lo, *hi] at a known distance from an anchor of `head`?  Then these become that.  cover.c */
bool anchor_resolve(const struct verifier *v, const struct ranking *head, uint32_t *anchor, int64_t *lo, int64_t *hi);
/* What `c` needed to know, the ways to it needed too: it covered the current state. */
void cover_mark(struct verifier *v, const struct checkpoint *c, bool all);

/* widen.c: makes the current state a more general one, from it and an older one at the same place.  `widen`: bounds
 * that grow jump to thresholds, else they become the hull.  `by_marks`: a number that never mattered below the older
 * state, as far as it was walked, becomes any number.  `ranking`: of a loop's head, filled with an anchor for all that
 * may move; `stale`: the older state is of an earlier round of a loop around. */
void generalize(struct verifier *v, const struct checkpoint *older, bool widen, bool by_marks, bool stale,
                struct ranking *ranking);

/* step.c: refusals. */
WINBPF_PRINTF(3, 4)
bool refuse(struct verifier *v, enum verify_reason reason, const char *format, ...);

/* memory.c: each false after refuse(). */
enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_ATOMIC };
bool memory_load(struct verifier *v, unsigned dst, unsigned base, int32_t off, unsigned size, bool is_signed);
bool memory_store(struct verifier *v, unsigned base, int32_t off, unsigned size, const struct value *value,
                  uint64_t deps);
bool memory_atomic(struct verifier *v, const struct insn *insn, unsigned size);
/* `size` bytes at a pointer with an optional extra offset set: may they be read or written?  For helpers. */
bool memory_range(struct verifier *v, const char *who, const struct value *pointer, uint64_t deps, uint64_t size,
                  bool write, bool needs_init);
/* A helper wrote `size` bytes there. */
void memory_written(struct verifier *v, const struct value *pointer, uint64_t size);
/* May plain code touch these bytes of a map value, or are locks and timers there?  map.c */
bool map_special(struct verifier *v, const struct value *base, int32_t off, uint64_t size, const char *does);
const struct map_info *map_info(struct verifier *v, uint32_t map);
/* Packet pointers die. */
void memory_packet_changed(struct verifier *v);
bool memory_read_stack(struct verifier *v, const char *who, uint32_t frame, int64_t offset, unsigned size,
                       struct value *value, uint64_t *deps);

/* call.c */
struct signature {
    uint32_t count;
    enum value_kind kind[HELPER_ARGS]; /* V_NUMBER, V_CONTEXT or V_MEMORY of `size` bytes */
    uint32_t size[HELPER_ARGS];
};
/* The arguments of a global function by its BTF; false: it is walked with its callers. */
bool call_signature(struct verifier *v, uint32_t func, struct signature *out);
bool call_enter_callback(struct verifier *v);
enum flow_result { FLOW_NEXT, FLOW_JUMPED, FLOW_END, FLOW_ERROR };
enum flow_result call_helper(struct verifier *v, const struct insn *insn);
enum flow_result call_local(struct verifier *v, uint32_t target);
enum flow_result call_exit(struct verifier *v);

/* step.c: walks the instruction at v->insn, leaves v->insn at the next. */
enum flow_result step(struct verifier *v);
/* What follows from the jump at v->insn being taken or not; false: it cannot be. */
bool assume_branch(struct verifier *v, bool taken);
/* walk.c: keeps the current state for later: the other side of the instruction at v->insn. */
bool push_pending(struct verifier *v);

/* text.c: a value in words, "packet + 14 (64 bytes proven)". */
void value_text(const struct verifier *v, const struct value *value, struct text *out);
/* The way that the next undecided branch took on the path that is walked again. */
static inline bool replay_taken(struct verifier *v)
{
    return v->replay_at < v->replay_count && (v->replay[v->replay_at++] & 1);
}

/* story.c: walks the path of a refusal again and fills in the result's events and path. */
void story_tell(struct verifier *v);

/* notes.c: what is known before each instruction.  A state that a guess led to is forgotten with the guess. */
bool notes_init(struct verifier *v);
void notes_add(struct verifier *v);
void notes_forget(struct verifier *v);
void notes_conclude(struct verifier *v);

/* log_linux.c: the instruction at v->insn and what is known of its values when it has been walked; the way on. */
void log_begin(struct verifier *v);
void log_insn(struct verifier *v);
void log_effect(struct verifier *v, uint32_t at);
void log_from(struct verifier *v, uint32_t from);
void log_safe(struct verifier *v);
void log_refusal(struct verifier *v);
static inline bool logs(const struct verifier *v, uint32_t level)
{
    return v->input->log && (v->input->log->level & level);
}

/* walk.c */
void walk_start(struct verifier *v, uint32_t func, enum root root, uint32_t map);

#endif

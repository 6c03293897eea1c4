/* SPDX-License-Identifier: MIT
 *
 * Nodes, saved states and marks; see state.h.  Pool blocks are recycled by size, so that walking a long program takes
 * memory for what is still needed and not for what was.
 */
#include <string.h>
#include "verify/state.h"

enum { BLOCK = 64, CLASSES = 512, CHUNK = 256 };

void *pool_alloc(struct verifier *v, size_t size)
{
    size_t class = (size + BLOCK - 1) / BLOCK;
    void *memory;
    if (class < CLASSES && v->free_blocks[class]) {
        memory = v->free_blocks[class];
        memcpy(&v->free_blocks[class], memory, sizeof(void *));
        return memory;
    }
    memory = arena_alloc(v->arena, class * BLOCK);
    if (!memory)
        v->out_of_memory = true;
    return memory;
}

void pool_free(struct verifier *v, void *memory, size_t size)
{
    size_t class = (size + BLOCK - 1) / BLOCK;
    if (!memory || class >= CLASSES)
        return;
    memcpy(memory, &v->free_blocks[class], sizeof(void *));
    v->free_blocks[class] = memory;
}

bool grow(struct verifier *v, void *array_pointer, uint32_t *capacity, size_t size)
{
    void **array = array_pointer;
    uint32_t wanted = *capacity ? *capacity * 2 : 64;
    void *bigger = wanted > *capacity ? arena_array(v->arena, wanted, size) : NULL;
    if (!bigger) {
        v->out_of_memory = true;
        return false;
    }
    if (*capacity)
        memcpy(bigger, *array, *capacity * size);
    *array = bigger;
    *capacity = wanted;
    return true;
}

static uint32_t hash_value(const struct value *value)
{
    const uint64_t *words = (const uint64_t *)(const void *)value;
    uint64_t h = 0;
    for (size_t i = 0; i < sizeof *value / 8; i++)
        h = (h ^ words[i]) * 0x9e3779b97f4a7c15ull;
    return (uint32_t)(h >> 54);
}

_Static_assert(sizeof(struct value) % 8 == 0, "values are hashed by 64-bit words");
_Static_assert(sizeof(struct value) == 96, "a value has no padding: nodes are compared as bytes");

node_t node_make(struct verifier *v, const struct value *value)
{
    uint32_t h = hash_value(value);
    node_t node = v->cache[h];
    if (node && !memcmp(node_value(v, node), value, sizeof *value))
        return node;
    if (value->kind == V_NONE)
        return value->index ? NODE_MIXED : NODE_NONE;
    if ((v->node_count & (CHUNK - 1)) == 0) {
        uint32_t chunk = v->node_count / CHUNK;
        if (chunk == v->chunk_capacity && !grow(v, &v->chunks, &v->chunk_capacity, sizeof *v->chunks))
            return NODE_NONE;
        v->chunks[chunk] = arena_alloc(v->arena, CHUNK * sizeof(struct value));
        if (!v->chunks[chunk]) {
            v->out_of_memory = true;
            return NODE_NONE;
        }
    }
    node = v->node_count++;
    v->chunks[node / CHUNK][node % CHUNK] = *value;
    return v->cache[h] = node;
}

node_t node_make_split(struct verifier *v, const struct split *split)
{
    if ((v->split_count & (CHUNK - 1)) == 0) {
        uint32_t chunk = v->split_count / CHUNK;
        if (chunk == v->split_capacity && !grow(v, &v->split_chunks, &v->split_capacity, sizeof *v->split_chunks))
            return NODE_NONE;
        v->split_chunks[chunk] = arena_alloc(v->arena, CHUNK * sizeof(struct split));
        if (!v->split_chunks[chunk]) {
            v->out_of_memory = true;
            return NODE_NONE;
        }
    }
    v->split_chunks[v->split_count / CHUNK][v->split_count % CHUNK] = *split;
    return v->split_count++ | NODE_SPLIT;
}

bool state_init(struct verifier *v)
{
    struct value value = value_none();
    if (!grow(v, &v->chunks, &v->chunk_capacity, sizeof *v->chunks))
        return false;
    v->chunks[0] = arena_alloc(v->arena, CHUNK * sizeof value);
    if (!v->chunks[0]) {
        v->out_of_memory = true;
        return false;
    }
    v->chunks[0][NODE_NONE] = value;
    v->chunks[0][NODE_ANY] = value_number(scalar_any);
    v->chunks[0][NODE_ZERO] = value_number(scalar_zero);
    value.index = 1;
    v->chunks[0][NODE_MIXED] = value;
    v->node_count = 4;
    v->cache[hash_value(&v->chunks[0][NODE_ANY])] = NODE_ANY;
    v->cache[hash_value(&v->chunks[0][NODE_ZERO])] = NODE_ZERO;
    return true;
}

static uint32_t location_count(const struct state *now)
{
    uint32_t count = 10 + SAVED_REGS * (now->depth - 1);
    for (uint32_t f = 0; f < now->depth; f++)
        count += now->frames[f].slots;
    return count;
}

struct saved *state_save(struct verifier *v)
{
    struct state *now = &v->now;
    uint32_t locations = location_count(now);
    uint32_t words = 4 * now->depth + 2 * now->g.ref_count + locations;
    size_t bytes = sizeof(struct saved) + words * sizeof(uint32_t);
    struct saved *saved = pool_alloc(v, bytes);
    uint32_t *at;
    if (!saved)
        return NULL;
    saved->bytes = (uint32_t)bytes;
    saved->depth = now->depth;
    saved->locations = locations;
    saved->ref_count = now->g.ref_count;
    saved->lock_map = now->g.lock_map;
    saved->lock_id = now->g.lock_id;
    saved->base_range = now->g.base_range;
    saved->may_gotos = now->g.may_gotos;
    at = saved->words;
    for (uint32_t f = 0; f < now->depth; f++) {
        *at++ = now->frames[f].func;
        *at++ = now->frames[f].callsite;
        *at++ = now->frames[f].callback;
        *at++ = now->frames[f].slots;
    }
    for (uint32_t i = 0; i < now->g.ref_count; i++) {
        *at++ = now->g.refs[i].id;
        *at++ = now->g.refs[i].insn;
    }
    for (unsigned r = 0; r < 10; r++) {
        if (now->reg_node[r] == NODE_DIRTY)
            now->reg_node[r] = node_make(v, &now->regs[r]);
        *at++ = now->reg_node[r];
    }
    for (uint32_t f = 0; f + 1 < now->depth; f++)
        for (unsigned r = 0; r < SAVED_REGS; r++)
            *at++ = now->frames[f].saved[r];
    for (uint32_t f = 0; f < now->depth; f++) {
        memcpy(at, now->frames[f].slot, now->frames[f].slots * sizeof(node_t));
        at += now->frames[f].slots;
    }
    return saved;
}

struct saved_deps *deps_save(struct verifier *v)
{
    struct state *now = &v->now;
    size_t bytes = sizeof(struct saved_deps) + (location_count(now) + now->depth) * sizeof(uint64_t);
    struct saved_deps *deps = pool_alloc(v, bytes);
    uint64_t *at;
    if (!deps)
        return NULL;
    deps->bytes = (uint32_t)bytes;
    at = deps->masks;
    memcpy(at, now->reg_deps, sizeof now->reg_deps);
    at += 10;
    for (uint32_t f = 0; f + 1 < now->depth; f++, at += SAVED_REGS)
        memcpy(at, now->frames[f].saved_deps, sizeof now->frames[f].saved_deps);
    for (uint32_t f = 0; f < now->depth; f++) {
        memcpy(at, now->frames[f].deps, now->frames[f].slots * sizeof *at);
        at += now->frames[f].slots;
    }
    for (uint32_t f = 0; f < now->depth; f++)
        *at++ = now->frames[f].written;
    return deps;
}

void state_load(struct verifier *v, const struct saved *saved)
{
    struct state *now = &v->now;
    const uint32_t *at = saved->words;
    now->depth = saved->depth;
    now->g.ref_count = saved->ref_count;
    now->g.lock_map = saved->lock_map;
    now->g.lock_id = saved->lock_id;
    now->g.base_range = saved->base_range;
    now->g.may_gotos = saved->may_gotos;
    for (uint32_t f = 0; f < now->depth; f++) {
        struct frame *frame = &now->frames[f];
        frame->func = *at++;
        frame->callsite = *at++;
        frame->callback = *at++;
        frame->slots = *at++;
    }
    for (uint32_t i = 0; i < now->g.ref_count; i++) {
        now->g.refs[i].id = *at++;
        now->g.refs[i].insn = *at++;
    }
    for (unsigned r = 0; r < 10; r++) {
        now->reg_node[r] = *at++;
        now->regs[r] = *node_value(v, now->reg_node[r]);
    }
    for (uint32_t f = 0; f + 1 < now->depth; f++)
        for (unsigned r = 0; r < SAVED_REGS; r++)
            now->frames[f].saved[r] = *at++;
    for (uint32_t f = 0; f < now->depth; f++) {
        memcpy(now->frames[f].slot, at, now->frames[f].slots * sizeof(node_t));
        at += now->frames[f].slots;
    }
}

void deps_load(struct verifier *v, const struct saved *saved, const struct saved_deps *deps)
{
    struct state *now = &v->now;
    const uint64_t *at = deps->masks;
    (void)saved;
    memcpy(now->reg_deps, at, sizeof now->reg_deps);
    at += 10;
    for (uint32_t f = 0; f + 1 < now->depth; f++, at += SAVED_REGS)
        memcpy(now->frames[f].saved_deps, at, sizeof now->frames[f].saved_deps);
    for (uint32_t f = 0; f < now->depth; f++) {
        memcpy(now->frames[f].deps, at, now->frames[f].slots * sizeof *at);
        at += now->frames[f].slots;
    }
    for (uint32_t f = 0; f < now->depth; f++)
        now->frames[f].written = *at++;
}

void deps_reset(struct verifier *v)
{
    struct state *now = &v->now;
    uint32_t location = 10;
    for (unsigned r = 0; r < 10; r++)
        now->reg_deps[r] = now->regs[r].kind == V_NUMBER && scalar_is_any(&now->regs[r].n) ? 0 : 1ull << r;
    for (uint32_t f = 0; f + 1 < now->depth; f++)
        for (unsigned r = 0; r < SAVED_REGS; r++, location++)
            now->frames[f].saved_deps[r] = LOCATION_BIT(location);
    for (uint32_t f = 0; f < now->depth; f++) {
        for (uint32_t s = 0; s < now->frames[f].slots; s++, location++)
            now->frames[f].deps[s] = LOCATION_BIT(location);
        now->frames[f].written = 0;
    }
}

void saved_free(struct verifier *v, struct saved *saved)
{
    if (saved)
        pool_free(v, saved, saved->bytes);
}

void deps_free(struct verifier *v, struct saved_deps *deps)
{
    if (deps)
        pool_free(v, deps, deps->bytes);
}

void slot_set(struct verifier *v, uint32_t f, uint32_t s, node_t node, uint64_t deps, bool whole)
{
    struct frame *frame = &v->now.frames[f];
    if (frame->slots <= s) {
        uint32_t bytes = 0;
        while (frame->slots <= s) {
            frame->slot[frame->slots] = NODE_NONE;
            frame->deps[frame->slots++] = 0;
        }
        for (uint32_t i = 0; i < v->now.depth; i++)
            bytes += 8 * v->now.frames[i].slots;
        if (bytes > v->result->stack_depth)
            v->result->stack_depth = bytes;
    }
    frame->slot[s] = node;
    if (whole) {
        frame->deps[s] = deps;
        frame->written |= 1ull << s;
    } else {
        frame->deps[s] |= deps;
    }
}

void mark_precise(struct verifier *v, uint64_t deps)
{
    for (uint32_t k = v->path_depth; k-- > 0 && deps;) {
        struct checkpoint *c = v->path[k];
        uint64_t new = deps & ~c->precise;
        uint64_t next = 0;
        if (!new)
            return;
        c->precise |= new;
        for (uint32_t i = 0; i < 10; i++)
            if (new >> i & 1)
                next |= c->deps->masks[i];
        if (new >> 10)
            for (uint32_t i = 10; i < c->state->locations; i++)
                if (new &LOCATION_BIT(i))
                    next |= c->deps->masks[i];
        deps = next;
    }
}

void mark_read(struct verifier *v, uint32_t f, uint32_t slot)
{
    uint64_t bit = 1ull << slot;
    if (v->now.frames[f].written & bit)
        return;
    for (uint32_t k = v->path_depth; k-- > 0;) {
        struct checkpoint *c = v->path[k];
        if (f >= c->state->depth || c->read[f] & bit)
            return;
        c->read[f] |= bit;
        if (c->deps->masks[c->state->locations + f] & bit)
            return;
    }
}

void mark_base_range(struct verifier *v)
{
    for (uint32_t k = v->path_depth; k-- > 0 && !v->path[k]->base_range_used;)
        v->path[k]->base_range_used = true;
}

static node_t visit_node(struct verifier *v, visit_fn visit, void *self, node_t node, uint64_t *deps)
{
    if (node <= NODE_MIXED)
        return node;
    if (node & NODE_SPLIT) {
        struct split split = *node_split(v, node);
        bool changed = false;
        for (unsigned i = 0; i < 8; i++)
            if (split.size[i]) {
                node_t piece = visit_node(v, visit, self, split.piece[i], deps);
                changed |= piece != split.piece[i];
                split.piece[i] = piece;
            }
        return changed ? node_make_split(v, &split) : node;
    }
    struct value value = *node_value(v, node);
    return visit(v, self, &value, deps) ? node_make(v, &value) : node;
}

void state_visit(struct verifier *v, visit_fn visit, void *self)
{
    struct state *now = &v->now;
    for (unsigned r = 0; r < 10; r++)
        if (now->regs[r].kind != V_NONE && visit(v, self, &now->regs[r], &now->reg_deps[r]))
            now->reg_node[r] = NODE_DIRTY;
    for (uint32_t f = 0; f + 1 < now->depth; f++)
        for (unsigned r = 0; r < SAVED_REGS; r++)
            now->frames[f].saved[r] =
                visit_node(v, visit, self, now->frames[f].saved[r], &now->frames[f].saved_deps[r]);
    for (uint32_t f = 0; f < now->depth; f++)
        for (uint32_t s = 0; s < now->frames[f].slots; s++)
            now->frames[f].slot[s] = visit_node(v, visit, self, now->frames[f].slot[s], &now->frames[f].deps[s]);
}

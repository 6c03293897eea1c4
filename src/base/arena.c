/* SPDX-License-Identifier: MIT
 *
 * Blocks double from 4 KiB to 1 MiB; a larger request gets a block of its own size.  Invariant: used is the sum of
 * the sizes of all blocks and never exceeds limit.
 */
#include <string.h>
#include "base/arena.h"
#include "base/checked.h"

enum { ARENA_ALIGN = 16, ARENA_FIRST = 4096, ARENA_LARGEST = 1 << 20 };

struct arena_block {
    struct arena_block *older;
    size_t size;
};

enum { ARENA_HEADER = (sizeof(struct arena_block) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1) };

void arena_init(struct arena *arena, const struct allocator *allocator, size_t limit)
{
    memset(arena, 0, sizeof *arena);
    arena->allocator = allocator;
    arena->limit = limit;
}

static int grow(struct arena *arena, size_t need)
{
    size_t size = arena->block ? arena->block->size * 2 : ARENA_FIRST;
    if (size > ARENA_LARGEST)
        size = ARENA_LARGEST;
    if (!checked_add_size(need, ARENA_HEADER, &need))
        return 0;
    if (size < need)
        size = need;
    size_t left = arena->limit - arena->used;
    if (size > left)
        size = left;
    if (size < need)
        return 0;
    struct arena_block *block = arena->allocator->alloc(arena->allocator->self, size);
    if (!block) {
        arena->refused = 1;
        return 0;
    }
    block->older = arena->block;
    block->size = size;
    arena->block = block;
    arena->used += size;
    arena->next = (uint8_t *)block + ARENA_HEADER;
    arena->end = (uint8_t *)block + size;
    return 1;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (!checked_align_size(size ? size : 1, ARENA_ALIGN, &size))
        return NULL;
    if ((!arena->next || (size_t)(arena->end - arena->next) < size) && !grow(arena, size))
        return NULL;
    void *memory = arena->next;
    arena->next += size;
    return memset(memory, 0, size);
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    return checked_mul_size(count, size, &total) ? arena_alloc(arena, total) : NULL;
}

char *arena_text(struct arena *arena, const char *text, size_t length)
{
    size_t size;
    char *copy = checked_add_size(length, 1, &size) ? arena_alloc(arena, size) : NULL;
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

void arena_release(struct arena *arena)
{
    struct arena_block *block = arena->block;
    while (block) {
        struct arena_block *older = block->older;
        arena->allocator->free(arena->allocator->self, block, block->size);
        block = older;
    }
    arena->block = NULL;
    arena->next = arena->end = NULL;
    arena->used = 0;
}

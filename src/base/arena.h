/* SPDX-License-Identifier: MIT
 *
 * An arena: memory that is taken piece by piece and given back all at once.  The pure rooms (isa to engine) own
 * nothing else, so none of their failure paths can leak.  It grows in blocks from an allocator that the caller
 * supplies and never past a byte limit, so hostile input cannot make it grow without bound.
 * Not thread-safe: one arena serves one job.
 */
#ifndef WINBPF_BASE_ARENA_H
#define WINBPF_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

/* Where memory comes from.  alloc returns 16-byte aligned memory (content undefined) or NULL; free takes what alloc
 * gave, with the same size. */
struct allocator {
    void *(*alloc)(void *self, size_t size);
    void (*free)(void *self, void *memory, size_t size);
    void *self;
};

struct arena_block;

struct arena {
    const struct allocator *allocator;
    struct arena_block *block; /* newest first */
    uint8_t *next, *end;       /* free part of the newest block */
    size_t used;               /* bytes taken from the allocator */
    size_t limit;              /* most bytes to take from it */
    int refused;               /* the allocator once did, before the limit would have */
};

/* `limit`: bytes the arena may take from `allocator` in all, its own headers included. */
void arena_init(struct arena *arena, const struct allocator *allocator, size_t limit);

/* Zeroed memory, 16-byte aligned, valid until arena_release; NULL when the allocator or the limit refuses.
 * A size of 0 gives a valid unique pointer. */
void *arena_alloc(struct arena *arena, size_t size);

/* `count` × `size` bytes, zeroed; NULL on overflow too. */
void *arena_array(struct arena *arena, size_t count, size_t size);

/* A NUL-terminated copy of `length` bytes of `text`. */
char *arena_text(struct arena *arena, const char *text, size_t length);

/* Gives everything back.  The arena may be used again afterwards. */
void arena_release(struct arena *arena);

#endif

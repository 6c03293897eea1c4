/* SPDX-License-Identifier: MIT
 *
 * Memory of a process, on every system: what is counted and refused.  Small requests go to the C library; aligned ones
 * come from the system's own file (aligned.h).
 *
 * Every allocation is counted in a shard of the CPU it happened on, so that counting never shares a line between
 * CPUs; the sums are exact when nothing is being allocated, which is when tests look.
 */
#include <stdlib.h>
#include "platform/os.h"
#include "platform/user/aligned.h"

enum { SHARDS = 64 };

static struct shard {
    uint64_t allocated, freed; /* blocks */
    uint64_t bytes;            /* live, modulo 2^64: memory may be freed on another CPU than it was allocated on */
    uint64_t pad[5];
} shards[SHARDS];

static uint64_t fail_armed, fail_left; /* the dial: fail_left counts down to the one that fails */
static uint64_t counted_from;

static struct shard *shard(void)
{
    return &shards[os_cpu_current() % SHARDS];
}

static bool refused(void)
{
    return unlikely(os_load(&fail_armed)) && os_fetch_sub(&fail_left, 1) == 1;
}

static void count_in(size_t size)
{
    struct shard *s = shard();
    __atomic_fetch_add(&s->allocated, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&s->bytes, size, __ATOMIC_RELAXED);
}

static void count_out(size_t size)
{
    struct shard *s = shard();
    __atomic_fetch_add(&s->freed, 1, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&s->bytes, size, __ATOMIC_RELAXED);
}

static uint64_t allocated(void)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < SHARDS; i++)
        n += os_load(&shards[i].allocated);
    return n;
}

void *os_alloc(size_t size, uint32_t tag)
{
    if (refused()) {
        count_in(0);
        count_out(0);
        return NULL;
    }
    void *memory = calloc(1, size ? size : 1);
    if (memory)
        count_in(size);
    return memory;
}

void os_free(void *memory, size_t size, uint32_t tag)
{
    if (!memory)
        return;
    free(memory);
    count_out(size);
}

void *os_alloc_aligned(size_t size, uint32_t tag)
{
    if (refused()) {
        count_in(0);
        count_out(0);
        return NULL;
    }
    void *memory = aligned_take(size);
    if (memory)
        count_in(size);
    return memory;
}

void os_free_aligned(void *memory, size_t size, uint32_t tag)
{
    if (!memory)
        return;
    aligned_give(memory, size);
    count_out(size);
}

static void *arena_take(void *self, size_t size)
{
    return os_alloc(size, OS_TAG('a', 'r', 'n', 'a'));
}

static void arena_give(void *self, void *memory, size_t size)
{
    os_free(memory, size, OS_TAG('a', 'r', 'n', 'a'));
}

const struct allocator os_allocator = {arena_take, arena_give, NULL};

void os_alloc_fail(uint64_t nth)
{
    os_store(&fail_armed, 0);
    os_store(&fail_left, nth);
    os_store(&counted_from, allocated());
    os_store(&fail_armed, nth != 0);
}

uint64_t os_alloc_count(void)
{
    return allocated() - os_load(&counted_from);
}

void os_alloc_live(uint64_t *blocks, uint64_t *bytes)
{
    *blocks = *bytes = 0;
    for (unsigned i = 0; i < SHARDS; i++) {
        *blocks += os_load(&shards[i].allocated) - os_load(&shards[i].freed);
        *bytes += os_load(&shards[i].bytes);
    }
}

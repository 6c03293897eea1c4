/* SPDX-License-Identifier: MIT
 *
 * Memory.  Small requests go to the C library; aligned ones of 128 KiB and more are pages of their own, untouched until
 * used (a map of a million entries costs what it holds) and huge where that pays.
 *
 * Every allocation is counted in a shard of the CPU it happened on, so that counting never shares a line between
 * CPUs; the sums are exact when nothing is being allocated, which is when tests look.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/checked.h"
#include "platform/os.h"

enum { SHARDS = 64, PAGED_FROM = 128 << 10, HUGE_FROM = 2 << 20 };

static struct shard {
    uint64_t allocated, freed; /* blocks */
    uint64_t bytes;            /* live, modulo 2^64: memory may be freed on another CPU than it was allocated on */
    uint64_t pad[5];
} shards[SHARDS];

static uint64_t fail_armed, fail_left; /* the dial: fail_left counts down to the one that fails */
static uint64_t counted_from;

static struct shard *shard(void)
{
    return &shards[(unsigned)sched_getcpu() % SHARDS];
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

static void *pages(size_t size)
{
    size_t align = size >= HUGE_FROM ? HUGE_FROM : 0, total;
    if (!checked_add_size(size, align, &total))
        return NULL;
    uint8_t *base = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    if (!align)
        return base;
    size_t before = (HUGE_FROM - (uintptr_t)base % HUGE_FROM) % HUGE_FROM;
    if (before)
        munmap(base, before);
    if (align - before)
        munmap(base + before + size, align - before);
    madvise(base + before, size, MADV_HUGEPAGE);
    return base + before;
}

void *os_alloc_aligned(size_t size, uint32_t tag)
{
    size_t rounded;
    void *memory = NULL;
    if (refused()) {
        count_in(0);
        count_out(0);
        return NULL;
    }
    if (size >= PAGED_FROM) {
        if (checked_align_size(size, os_page_size(), &rounded))
            memory = pages(rounded);
    } else {
        rounded = (size + 63) & ~(size_t)63;
        memory = aligned_alloc(64, rounded ? rounded : 64);
        if (memory)
            memset(memory, 0, rounded);
    }
    if (memory)
        count_in(size);
    return memory;
}

void os_free_aligned(void *memory, size_t size, uint32_t tag)
{
    if (!memory)
        return;
    if (size >= PAGED_FROM)
        munmap(memory, (size + os_page_size() - 1) & ~(os_page_size() - 1));
    else
        free(memory);
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

size_t os_page_size(void)
{
    static size_t size;
    size_t known = os_load(&size);
    if (!known)
        os_store(&size, known = (size_t)sysconf(_SC_PAGESIZE));
    return known;
}

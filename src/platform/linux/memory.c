/* SPDX-License-Identifier: MIT
 *
 * Aligned memory and pages.  What is large is pages of their own, untouched until used (a map of a million entries
 * costs what it holds) and huge where that pays.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/checked.h"
#include "platform/os.h"
#include "platform/user/aligned.h"

enum { HUGE_FROM = 2 << 20 };

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

void *aligned_take(size_t size)
{
    size_t rounded;
    if (size >= PAGED_FROM)
        return checked_align_size(size, os_page_size(), &rounded) ? pages(rounded) : NULL;
    rounded = (size + 63) & ~(size_t)63;
    void *memory = aligned_alloc(64, rounded ? rounded : 64);
    if (memory)
        memset(memory, 0, rounded);
    return memory;
}

void aligned_give(void *memory, size_t size)
{
    if (size >= PAGED_FROM)
        munmap(memory, (size + os_page_size() - 1) & ~(os_page_size() - 1));
    else
        free(memory);
}

size_t os_page_size(void)
{
    static size_t size;
    size_t known = os_load(&size);
    if (!known)
        os_store(&size, known = (size_t)sysconf(_SC_PAGESIZE));
    return known;
}

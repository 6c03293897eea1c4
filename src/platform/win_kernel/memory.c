/* SPDX-License-Identifier: MIT
 *
 * Memory is non-paged pool that cannot be executed, with our tags.  (ExAllocatePoolWithTag, NonPagedPoolNx, IRQL: <=
 * DISPATCH_LEVEL.)  Pool is aligned to 16 bytes; for cache lines we take more and keep the block's own address in front
 * of what we hand out.
 */
#include <string.h>
#include "base/checked.h"
#include "platform/win_kernel/kernel.h"

enum { LINE = 64 };

void *os_alloc(size_t size, uint32_t tag)
{
    size = size ? size : 1;
    void *memory = ExAllocatePoolWithTag(NonPagedPoolNx, size, tag);
    if (memory)
        memset(memory, 0, size);
    return memory;
}

void os_free(void *memory, size_t size, uint32_t tag)
{
    if (memory)
        ExFreePoolWithTag(memory, tag);
}

void *os_alloc_aligned(size_t size, uint32_t tag)
{
    size_t total;
    if (!checked_add_size(size, 2 * LINE, &total))
        return NULL;
    uint8_t *block = os_alloc(total, tag);
    if (!block)
        return NULL;
    uintptr_t place =
        ((uintptr_t)block + LINE) & ~(uintptr_t)(LINE - 1); /* 16 bytes behind the block's start or more */
    memcpy((uint8_t *)place - sizeof block, &block, sizeof block);
    return (void *)place;
}

void os_free_aligned(void *memory, size_t size, uint32_t tag)
{
    void *block;
    if (!memory)
        return;
    memcpy(&block, (uint8_t *)memory - sizeof block, sizeof block);
    ExFreePoolWithTag(block, tag);
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

size_t os_page_size(void)
{
    return PAGE_SIZE;
}

/* No routine that was documented for Windows 10 1607 reads any kernel address without the risk of a stop. */
bool os_probe_read(void *to, uint64_t from, size_t size)
{
    return false;
}

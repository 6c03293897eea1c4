/* SPDX-License-Identifier: MIT
 *
 * Aligned memory and pages.  What is large is pages of their own, untouched until used.
 */
#include <malloc.h>
#include <string.h>
#include "platform/user/aligned.h"
#include "platform/win_user/user.h"

enum { GRANULARITY = 64 << 10 };

void *aligned_take(size_t size)
{
    if (size >= PAGED_FROM)
        return VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    size_t rounded = size ? (size + 63) & ~(size_t)63 : 64;
    void *memory = _aligned_malloc(rounded, 64);
    if (memory)
        memset(memory, 0, rounded);
    return memory;
}

void aligned_give(void *memory, size_t size)
{
    if (size >= PAGED_FROM)
        bug_if(!VirtualFree(memory, 0, MEM_RELEASE));
    else
        _aligned_free(memory);
}

/* What can be mapped by itself: the system places views of sections at multiples of 64 KiB. */
size_t os_page_size(void)
{
    return GRANULARITY;
}

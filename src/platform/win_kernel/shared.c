/* SPDX-License-Identifier: MIT
 *
 * Pages that clients may map.  They are physical pages of ours for as long as the ring lives, so programs may touch
 * them at DISPATCH_LEVEL.  A second list (MDL) names the pages in the order in which they are to be seen, the data
 * pages twice; every mapping, the kernel's and each client's, is a mapping of such a list, or of a part of it.
 * (MmAllocatePagesForMdlEx, MmFreePagesFromMdl: we call them at PASSIVE_LEVEL.  MmMapLockedPagesSpecifyCache, IRQL: <=
 * DISPATCH_LEVEL for system space, <= APC_LEVEL for user space.)
 */
#include <string.h>
#include "base/checked.h"
#include "platform/win_kernel/kernel.h"
#include "platform/win_kernel/shared.h"

enum { TAG = OS_TAG('s', 'h', 'r', 'd') };

struct os_shared {
    PMDL pages;
    size_t size, twice_from;
    PMDL seen; /* the pages as they are seen; NULL before the first mapping */
    void *mapped;
};

enum result os_shared_create(size_t size, struct os_shared **out)
{
    PHYSICAL_ADDRESS low = {.QuadPart = 0}, high = {.QuadPart = MAXLONGLONG}, skip = {.QuadPart = 0};
    if (!size || size % PAGE_SIZE || size > MAXLONG)
        return RESULT_INVALID;
    struct os_shared *shared = os_alloc(sizeof *shared, TAG);
    if (!shared)
        return RESULT_NO_MEMORY;
    shared->size = shared->twice_from = size;
    /* Without flags the pages are zeroed, and fewer may come than were asked for. */
    shared->pages = MmAllocatePagesForMdlEx(low, high, skip, size, MmCached, 0);
    if (shared->pages && MmGetMdlByteCount(shared->pages) == size) {
        *out = shared;
        return RESULT_OK;
    }
    os_shared_destroy(shared);
    return RESULT_NO_MEMORY;
}

void os_shared_destroy(struct os_shared *shared)
{
    if (!shared)
        return;
    if (shared->mapped)
        MmUnmapLockedPages(shared->mapped, shared->seen);
    if (shared->seen)
        IoFreeMdl(shared->seen);
    if (shared->pages) {
        MmFreePagesFromMdl(shared->pages);
        ExFreePool(shared->pages);
    }
    os_free(shared, sizeof *shared, TAG);
}

/* A list of the pages [offset, offset + length) of what is seen: the pages, then those from `twice_from` on again. */
static PMDL list_pages(const struct os_shared *shared, size_t offset, size_t length)
{
    size_t count = length / PAGE_SIZE, first = offset / PAGE_SIZE, all = shared->size / PAGE_SIZE;
    PMDL mdl = IoAllocateMdl(NULL, (ULONG)length, FALSE, FALSE, NULL); /* IRQL: <= DISPATCH_LEVEL */
    if (!mdl)
        return NULL;
    const PFN_NUMBER *from = MmGetMdlPfnArray(shared->pages);
    PFN_NUMBER *to = MmGetMdlPfnArray(mdl);
    for (size_t i = 0; i < count; i++) {
        size_t page = first + i;
        to[i] = from[page < all ? page : shared->twice_from / PAGE_SIZE + (page - all)];
    }
    mdl->MdlFlags |= MDL_PAGES_LOCKED; /* they are ours and stay where they are */
    return mdl;
}

enum result os_shared_map(struct os_shared *shared, size_t twice_from, void **out)
{
    size_t total = shared->size + (shared->size - twice_from);
    if (twice_from > shared->size || twice_from % PAGE_SIZE || shared->seen || total > MAXLONG)
        return RESULT_INVALID;
    shared->twice_from = twice_from;
    shared->seen = list_pages(shared, 0, total);
    if (shared->seen)
        shared->mapped = MmMapLockedPagesSpecifyCache(shared->seen, KernelMode, MmCached, NULL, FALSE,
                                                      NormalPagePriority | MAP_NO_EXECUTE);
    if (!shared->mapped)
        return RESULT_NO_MEMORY; /* os_shared_destroy() frees the list */
    *out = shared->mapped;
    return RESULT_OK;
}

/* The kernel's mapping goes with the pages. */
void os_shared_unmap(void *memory, size_t length) {}

enum result os_shared_map_client(struct os_shared *shared, size_t offset, size_t length, bool writable, void **out)
{
    return RESULT_NOT_SUPPORTED; /* a client's mapping is taken back with its handle: shared_view_map() */
}

enum result shared_view_map(struct os_shared *shared, size_t offset, size_t length, bool writable,
                            struct shared_view *view)
{
    size_t total = shared->size + (shared->size - shared->twice_from);
    if (!length || offset % PAGE_SIZE || !checked_align_size(length, PAGE_SIZE, &length) ||
        !range_within(offset, length, total))
        return RESULT_INVALID;
    view->pages = list_pages(shared, offset, length);
    if (!view->pages)
        return RESULT_NO_MEMORY;
    view->address = kernel_map_user(view->pages, NormalPagePriority | MAP_NO_EXECUTE | (writable ? 0 : MAP_NO_WRITE));
    if (!view->address) {
        IoFreeMdl(view->pages);
        return RESULT_NO_MEMORY;
    }
    return RESULT_OK;
}

void shared_view_unmap(struct shared_view *view)
{
    MmUnmapLockedPages(view->address, view->pages);
    IoFreeMdl(view->pages);
}

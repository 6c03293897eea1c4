/* SPDX-License-Identifier: MIT
 *
 * Pages that more than one mapping shows: a section backed by the paging file.  A ring's data pages appear twice in a
 * row, so that a record that runs over the end reads on at the beginning.  Two views side by side need a free range of
 * addresses: one is reserved, given back, and the views are put there; whoever took a part of it meanwhile makes us
 * look for another.  (Placeholders, which close that gap, came with Windows 10 1803.)
 */
#include "base/checked.h"
#include "platform/win_user/user.h"

struct os_shared {
    HANDLE section;
    size_t size;
    size_t twice_from; /* size: nothing twice */
};

enum { TAG = OS_TAG('s', 'h', 'r', 'd'), ATTEMPTS = 20 };

enum result os_shared_create(size_t size, struct os_shared **out)
{
    if (!size || size % os_page_size())
        return RESULT_INVALID;
    struct os_shared *shared = os_alloc(sizeof *shared, TAG);
    if (!shared)
        return RESULT_NO_MEMORY;
    shared->size = shared->twice_from = size;
    shared->section = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, (DWORD)((uint64_t)size >> 32),
                                         (DWORD)size, NULL);
    if (!shared->section) {
        os_free(shared, sizeof *shared, TAG);
        return RESULT_NO_MEMORY;
    }
    *out = shared;
    return RESULT_OK;
}

void os_shared_destroy(struct os_shared *shared)
{
    if (!shared)
        return;
    CloseHandle(shared->section);
    os_free(shared, sizeof *shared, TAG);
}

static void *view(struct os_shared *shared, size_t offset, size_t length, bool writable, void *place)
{
    return MapViewOfFileEx(shared->section, writable ? FILE_MAP_READ | FILE_MAP_WRITE : FILE_MAP_READ,
                           (DWORD)((uint64_t)offset >> 32), (DWORD)offset, length, place);
}

/* The section as one sees it with its tail appended once more: [offset, offset + length) of that. */
static enum result map_range(struct os_shared *shared, size_t offset, size_t length, bool writable, void **out)
{
    size_t first = offset < shared->size ? shared->size - offset : 0;
    if (first > length)
        first = length;
    size_t again = shared->twice_from + (offset + first - shared->size), rest = length - first;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        uint8_t *base = VirtualAlloc(NULL, length, MEM_RESERVE, PAGE_NOACCESS);
        if (!base)
            break;
        VirtualFree(base, 0, MEM_RELEASE);
        if (first && !view(shared, offset, first, writable, base))
            continue;
        if (!rest || view(shared, again, rest, writable, base + first)) {
            *out = base;
            return RESULT_OK;
        }
        if (first)
            UnmapViewOfFile(base);
    }
    return RESULT_NO_MEMORY;
}

enum result os_shared_map(struct os_shared *shared, size_t twice_from, void **out)
{
    if (twice_from > shared->size || twice_from % os_page_size())
        return RESULT_INVALID;
    shared->twice_from = twice_from;
    return map_range(shared, 0, shared->size + (shared->size - twice_from), true, out);
}

enum result os_shared_map_client(struct os_shared *shared, size_t offset, size_t length, bool writable, void **out)
{
    size_t page = os_page_size(), total = shared->size + (shared->size - shared->twice_from);
    if (!length || offset % page || !checked_align_size(length, page, &length) || !range_within(offset, length, total))
        return RESULT_INVALID;
    return map_range(shared, offset, length, writable, out);
}

void os_shared_unmap(void *memory, size_t length)
{
    uint8_t *at = memory, *end = at + length;
    while (memory && at < end) {
        MEMORY_BASIC_INFORMATION pages;
        if (!VirtualQuery(at, &pages, sizeof pages) || !UnmapViewOfFile(at))
            return;
        at += pages.RegionSize;
    }
}

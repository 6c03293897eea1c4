/* SPDX-License-Identifier: MIT
 *
 * Pages that more than one mapping shows: a memfd.  A ring's data pages appear twice in a row, so that a record that
 * runs over the end reads on at the beginning; both the core's mapping and a client's may have them so.
 */
#include <sys/mman.h>
#include <unistd.h>
#include "base/checked.h"
#include "platform/os.h"

struct os_shared {
    int fd;
    size_t size;
    size_t twice_from; /* size: nothing twice */
};

enum { TAG = OS_TAG('s', 'h', 'r', 'd') };

enum result os_shared_create(size_t size, struct os_shared **out)
{
    if (!size || size % os_page_size())
        return RESULT_INVALID;
    struct os_shared *shared = os_alloc(sizeof *shared, TAG);
    if (!shared)
        return RESULT_NO_MEMORY;
    shared->size = shared->twice_from = size;
    shared->fd = memfd_create("winbpf", MFD_CLOEXEC);
    if (shared->fd < 0)
        goto fail_memory;
    if (ftruncate(shared->fd, (off_t)size))
        goto fail_fd;
    *out = shared;
    return RESULT_OK;
fail_fd:
    close(shared->fd);
fail_memory:
    os_free(shared, sizeof *shared, TAG);
    return RESULT_NO_MEMORY;
}

void os_shared_destroy(struct os_shared *shared)
{
    if (!shared)
        return;
    close(shared->fd);
    os_free(shared, sizeof *shared, TAG);
}

/* The file as one sees it with its tail appended once more: [offset, offset + length) of that. */
static enum result map_range(struct os_shared *shared, size_t offset, size_t length, int protection, void **out)
{
    size_t size = shared->size, tail = shared->twice_from;
    uint8_t *base = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return RESULT_NO_MEMORY;
    size_t first = offset < size ? size - offset : 0;
    if (first > length)
        first = length;
    if (first && mmap(base, first, protection, MAP_SHARED | MAP_FIXED, shared->fd, (off_t)offset) == MAP_FAILED)
        goto fail;
    if (first < length) {
        size_t again = tail + (offset + first - size);
        if (mmap(base + first, length - first, protection, MAP_SHARED | MAP_FIXED, shared->fd, (off_t)again) ==
            MAP_FAILED)
            goto fail;
    }
    *out = base;
    return RESULT_OK;
fail:
    munmap(base, length);
    return RESULT_NO_MEMORY;
}

enum result os_shared_map(struct os_shared *shared, size_t twice_from, void **out)
{
    if (twice_from > shared->size || twice_from % os_page_size())
        return RESULT_INVALID;
    shared->twice_from = twice_from;
    return map_range(shared, 0, shared->size + (shared->size - twice_from), PROT_READ | PROT_WRITE, out);
}

enum result os_shared_map_client(struct os_shared *shared, size_t offset, size_t length, bool writable, void **out)
{
    size_t page = os_page_size(), total = shared->size + (shared->size - shared->twice_from);
    if (!length || offset % page || !checked_align_size(length, page, &length) || !range_within(offset, length, total))
        return RESULT_INVALID;
    return map_range(shared, offset, length, writable ? PROT_READ | PROT_WRITE : PROT_READ, out);
}

void os_shared_unmap(void *memory, size_t length)
{
    if (memory)
        munmap(memory, length);
}

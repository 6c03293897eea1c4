/* SPDX-License-Identifier: MIT
 *
 * Executable memory: pages of our own, mapped for writing and then made read-and-execute for good
 * (MmAllocatePagesForMdlEx, MmMapLockedPagesSpecifyCache, MmProtectMdlSystemAddress; we call them at PASSIVE_LEVEL).
 * One mapping has one protection here, so the slot pages in front of the code are executable too, but no page is ever
 * writable and executable at once.  A system that protects kernel code by its hypervisor (HVCI) refuses the last step;
 * seal() then says RESULT_NOT_SUPPORTED and the program runs in an interpreter.
 */
#include "platform/win_kernel/kernel.h"

enum { TAG = OS_TAG('e', 'x', 'e', 'c') };

struct area {
    struct area *next;
    void *memory;
    PMDL pages;
};

static struct os_spin_lock lock;
static struct area *areas;

static struct area **place_of(const void *memory)
{
    struct area **place = &areas;
    while (*place && (*place)->memory != memory)
        place = &(*place)->next;
    return place;
}

static void *executable_alloc(void *self, size_t size)
{
    PHYSICAL_ADDRESS low = {.QuadPart = 0}, high = {.QuadPart = MAXLONGLONG}, skip = {.QuadPart = 0};
    if (!size || size > MAXLONG - PAGE_SIZE)
        return NULL;
    size = (size + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1);
    struct area *area = os_alloc(sizeof *area, TAG);
    if (!area)
        return NULL;
    area->pages = MmAllocatePagesForMdlEx(low, high, skip, size, MmCached, 0);
    if (!area->pages)
        goto fail_area;
    if (MmGetMdlByteCount(area->pages) < size)
        goto fail_pages;
    area->memory = MmMapLockedPagesSpecifyCache(area->pages, KernelMode, MmCached, NULL, FALSE,
                                                NormalPagePriority | MAP_NO_EXECUTE);
    if (!area->memory)
        goto fail_pages;
    os_irql irql = os_spin_acquire(&lock);
    area->next = areas;
    areas = area;
    os_spin_release(&lock, irql);
    return area->memory;
fail_pages:
    MmFreePagesFromMdl(area->pages);
    ExFreePool(area->pages);
fail_area:
    os_free(area, sizeof *area, TAG);
    return NULL;
}

static enum result executable_seal(void *self, void *memory, size_t size, size_t data_size)
{
    os_irql irql = os_spin_acquire(&lock);
    struct area *area = *place_of(memory);
    os_spin_release(&lock, irql);
    if (!area || data_size % PAGE_SIZE)
        return RESULT_INVALID;
    return NT_SUCCESS(MmProtectMdlSystemAddress(area->pages, PAGE_EXECUTE_READ)) ? RESULT_OK : RESULT_NOT_SUPPORTED;
}

static void executable_free(void *self, void *memory, size_t size)
{
    if (!memory)
        return;
    os_irql irql = os_spin_acquire(&lock);
    struct area **place = place_of(memory), *area = *place;
    bug_if(!area);
    *place = area->next;
    os_spin_release(&lock, irql);
    MmUnmapLockedPages(area->memory, area->pages);
    MmFreePagesFromMdl(area->pages);
    ExFreePool(area->pages);
    os_free(area, sizeof *area, TAG);
}

const struct executable os_executable = {executable_alloc, executable_seal, executable_free, NULL};

/* SPDX-License-Identifier: MIT
 *
 * Copies to and from addresses that may be anything: the system copies from our own process, and says so instead of
 * faulting.  Handles live in a client's table (core/client.h), so there is nothing to sweep, and nobody forks.
 */
#include "platform/handle.h"
#include "platform/win_user/user.h"

/* Is every page there, with one of these modes?  (Asked first, because WriteProcessMemory makes pages writable to write
 * to them, and Wine's ReadProcessMemory reads what may not be read.) */
static bool pages_have(uint64_t address, size_t size, DWORD modes)
{
    MEMORY_BASIC_INFORMATION pages;
    for (uint64_t at = address; at < address + size; at = (uint64_t)(uintptr_t)pages.BaseAddress + pages.RegionSize) {
        if (!VirtualQuery((const void *)(uintptr_t)at, &pages, sizeof pages) || pages.State != MEM_COMMIT ||
            !(pages.Protect & modes) || pages.Protect & PAGE_GUARD)
            return false;
    }
    return true;
}

enum {
    WRITABLE = PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY,
    READABLE = WRITABLE | PAGE_READONLY | PAGE_EXECUTE_READ,
};

bool os_probe_read(void *to, uint64_t from, size_t size)
{
    SIZE_T got = 0;
    return size <= UINT64_MAX - from && pages_have(from, size, READABLE) &&
           ReadProcessMemory(GetCurrentProcess(), (const void *)(uintptr_t)from, to, size, &got) && got == size;
}

enum result os_memory_read(void *to, uint64_t from, size_t size)
{
    if (!size)
        return RESULT_OK;
    return os_memory_plausible(from, size) && os_probe_read(to, from, size) ? RESULT_OK : RESULT_FAULT;
}

enum result os_memory_write(uint64_t to, const void *from, size_t size)
{
    SIZE_T put = 0;
    if (!size)
        return RESULT_OK;
    if (!os_memory_plausible(to, size) || !pages_have(to, size, WRITABLE))
        return RESULT_FAULT;
    return WriteProcessMemory(GetCurrentProcess(), (void *)(uintptr_t)to, from, size, &put) && put == size
               ? RESULT_OK
               : RESULT_FAULT;
}

void os_handles_sweep(void) {}

void os_handles_stop(void) {}

bool os_forked(void)
{
    return false;
}

/* SPDX-License-Identifier: MIT
 *
 * Executable memory: private pages that are writable until they are sealed, executable from then on, and never both
 * (W^X).  Control flow guard counts every address of such pages as one that may be called.
 */
#include "base/checked.h"
#include "platform/win_user/user.h"

enum { PAGE = 4096 };

static void *executable_alloc(void *self, size_t size)
{
    return size ? VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) : NULL;
}

static enum result executable_seal(void *self, void *memory, size_t size, size_t data_size)
{
    DWORD before;
    size_t total;
    if (!checked_align_size(size, PAGE, &total) || !total || data_size % PAGE || data_size > total)
        return RESULT_INVALID;
    if (data_size && !VirtualProtect(memory, data_size, PAGE_READONLY, &before))
        return RESULT_NO_MEMORY;
    if (total - data_size &&
        !VirtualProtect((uint8_t *)memory + data_size, total - data_size, PAGE_EXECUTE_READ, &before))
        return RESULT_ACCESS; /* a process that may have no code of its own making */
    FlushInstructionCache(GetCurrentProcess(), memory, total);
    return RESULT_OK;
}

static void executable_free(void *self, void *memory, size_t size)
{
    if (memory)
        bug_if(!VirtualFree(memory, 0, MEM_RELEASE));
}

const struct executable os_executable = {executable_alloc, executable_seal, executable_free, NULL};

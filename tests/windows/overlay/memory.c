/* SPDX-License-Identifier: MIT
 *
 * MDLs whose pages are sections of this process, so that they can be mapped again, locked, and made executable but
 * never writable and executable at once.  Rules: MmAllocatePagesForMdlEx and mapping up to DISPATCH_LEVEL (mapping a
 * user address: APC_LEVEL); an MDL is unmapped before it is freed; MmProtectMdlSystemAddress refuses a system mapping
 * that is not there.
 */
#include "overlay.h"

#define W(name) wine_routine(name)

struct pages {
    MDL mdl;
    HANDLE section;
};

enum { PAGES_MARK = 0x4d44 /* in MDL.AllocationProcessorNumber's place, unused by Wine */ };

/* Our own MDLs are known by their address in this list. */
static struct pages *known[4096];
static volatile LONG known_lock;

static struct pages **find(PMDL mdl)
{
    for (int i = 0; i < 4096; i++)
        if (known[i] && &known[i]->mdl == mdl)
            return &known[i];
    return NULL;
}

PMDL NTAPI shim_MmAllocatePagesForMdlEx(PHYSICAL_ADDRESS low, PHYSICAL_ADDRESS high, PHYSICAL_ADDRESS skip, SIZE_T size,
                                        MEMORY_CACHING_TYPE cache, ULONG flags);
PMDL NTAPI shim_MmAllocatePagesForMdlEx(PHYSICAL_ADDRESS low, PHYSICAL_ADDRESS high, PHYSICAL_ADDRESS skip, SIZE_T size,
                                        MEMORY_CACHING_TYPE cache, ULONG flags)
{
    require_irql("MmAllocatePagesForMdlEx", DISPATCH_LEVEL, CALLER);
    if (allocation_fails(CALLER))
        return NULL;
    size = (size + 4095) & ~(SIZE_T)4095;
    struct pages *pages = VirtualAlloc(NULL, sizeof *pages, 0x3000, 4);
    if (!pages)
        return NULL;
    pages->mdl.Size = sizeof(MDL);
    pages->mdl.MdlFlags = MDL_PAGES_LOCKED;
    pages->mdl.ByteCount = (ULONG)size;
    pages->section =
        CreateFileMappingW((HANDLE)-1, NULL, 0x40 /* PAGE_EXECUTE_READWRITE */, (ULONG)(size >> 32), (ULONG)size, NULL);
    while (InterlockedExchange(&known_lock, 1))
        Sleep(0);
    int placed = 0;
    for (int i = 0; i < 4096 && !placed; i++)
        if (!known[i]) {
            known[i] = pages;
            placed = 1;
        }
    InterlockedExchange(&known_lock, 0);
    InterlockedIncrement64(&judge->mappings);
    return &pages->mdl;
}

PVOID NTAPI shim_MmMapLockedPagesSpecifyCache(PMDL mdl, KPROCESSOR_MODE mode, MEMORY_CACHING_TYPE cache, PVOID base,
                                              ULONG bug, ULONG priority);
PVOID NTAPI shim_MmMapLockedPagesSpecifyCache(PMDL mdl, KPROCESSOR_MODE mode, MEMORY_CACHING_TYPE cache, PVOID base,
                                              ULONG bug, ULONG priority)
{
    require_irql("MmMapLockedPagesSpecifyCache", mode == KernelMode ? DISPATCH_LEVEL : APC_LEVEL, CALLER);
    struct pages **place = find(mdl);
    ULONG old;
    if (!(mdl->MdlFlags & (MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL | MDL_PARTIAL)))
        violation(CALLER, "MmMapLockedPagesSpecifyCache of an MDL whose pages are not locked");
    if (bug)
        violation(CALLER, "MmMapLockedPagesSpecifyCache with BugCheckOnFailure");
    if (!(priority & 0x40000000) && mode == KernelMode)
        violation(CALLER, "MmMapLockedPagesSpecifyCache without MdlMappingNoExecute");
    if (allocation_fails(CALLER))
        return NULL;
    if (!place)
        return (char *)mdl->StartVa + mdl->ByteOffset;
    void *view = MapViewOfFile((*place)->section, 0xf001f | 0x20, 0, 0, 0);
    if (!view)
        return NULL;
    VirtualProtect(view, mdl->ByteCount, 4, &old);
    mdl->MappedSystemVa = view;
    mdl->MdlFlags |= MDL_MAPPED_TO_SYSTEM_VA;
    return view;
}

VOID NTAPI shim_MmUnmapLockedPages(PVOID view, PMDL mdl);
VOID NTAPI shim_MmUnmapLockedPages(PVOID view, PMDL mdl)
{
    require_irql("MmUnmapLockedPages", DISPATCH_LEVEL, CALLER);
    if (find(mdl)) {
        if (!(mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA) || mdl->MappedSystemVa != view)
            violation(CALLER, "MmUnmapLockedPages of what is not mapped");
        UnmapViewOfFile(view);
    }
    mdl->MdlFlags &= (CSHORT)~MDL_MAPPED_TO_SYSTEM_VA;
}

VOID NTAPI shim_MmFreePagesFromMdl(PMDL mdl);
VOID NTAPI shim_MmFreePagesFromMdl(PMDL mdl)
{
    struct pages **place = find(mdl);
    require_irql("MmFreePagesFromMdl", DISPATCH_LEVEL, CALLER);
    if (!place || !(*place)->section) {
        violation(CALLER, "MmFreePagesFromMdl of pages that are not allocated");
        return;
    }
    if (mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA)
        violation(CALLER, "MmFreePagesFromMdl of pages that are still mapped");
    CloseHandle((*place)->section);
    (*place)->section = NULL;
    InterlockedDecrement64(&judge->mappings);
}

/* The page of MmFreePagesFromMdl: the caller then frees the MDL itself with ExFreePool. */
VOID NTAPI shim_IoFreeMdl(PMDL mdl);
VOID NTAPI shim_IoFreeMdl(PMDL mdl)
{
    static VOID(NTAPI * real)(PMDL);
    require_irql("IoFreeMdl", DISPATCH_LEVEL, CALLER);
    if (!real)
        real = (VOID(NTAPI *)(PMDL))W("IoFreeMdl");
    if (watched(CALLER))
        InterlockedDecrement64(&judge->references);
    real(mdl);
}

PMDL NTAPI shim_IoAllocateMdl(PVOID address, ULONG length, BOOLEAN secondary, BOOLEAN quota, PIRP irp);
PMDL NTAPI shim_IoAllocateMdl(PVOID address, ULONG length, BOOLEAN secondary, BOOLEAN quota, PIRP irp)
{
    static PMDL(NTAPI * real)(PVOID, ULONG, BOOLEAN, BOOLEAN, PIRP);
    require_irql("IoAllocateMdl", DISPATCH_LEVEL, CALLER);
    if (allocation_fails(CALLER))
        return NULL;
    if (!real)
        real = (PMDL(NTAPI *)(PVOID, ULONG, BOOLEAN, BOOLEAN, PIRP))W("IoAllocateMdl");
    PMDL mdl = real(address, length, secondary, quota, irp);
    if (mdl && watched(CALLER))
        InterlockedIncrement64(&judge->references);
    return mdl;
}

VOID NTAPI shim_MmProbeAndLockPages(PMDL mdl, KPROCESSOR_MODE mode, LOCK_OPERATION operation);
VOID NTAPI shim_MmProbeAndLockPages(PMDL mdl, KPROCESSOR_MODE mode, LOCK_OPERATION operation)
{
    require_irql("MmProbeAndLockPages", APC_LEVEL, CALLER);
    mdl->MdlFlags |= MDL_PAGES_LOCKED;
    InterlockedIncrement64(&judge->mappings);
}

VOID NTAPI shim_MmUnlockPages(PMDL mdl);
VOID NTAPI shim_MmUnlockPages(PMDL mdl)
{
    require_irql("MmUnlockPages", DISPATCH_LEVEL, CALLER);
    if (!(mdl->MdlFlags & MDL_PAGES_LOCKED))
        violation(CALLER, "MmUnlockPages of pages that are not locked");
    mdl->MdlFlags &= (CSHORT)~MDL_PAGES_LOCKED;
    InterlockedDecrement64(&judge->mappings);
}

NTSTATUS NTAPI shim_MmProtectMdlSystemAddress(PMDL mdl, ULONG protection);
NTSTATUS NTAPI shim_MmProtectMdlSystemAddress(PMDL mdl, ULONG protection)
{
    ULONG old;
    require_irql("MmProtectMdlSystemAddress", DISPATCH_LEVEL, CALLER);
    if (!(mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA))
        return STATUS_NOT_MAPPED_VIEW;
    if (protection == 0x40 /* PAGE_EXECUTE_READWRITE */) {
        violation(CALLER, "MmProtectMdlSystemAddress makes pages writable and executable at once");
        return STATUS_INVALID_PAGE_PROTECTION;
    }
    return VirtualProtect(mdl->MappedSystemVa, mdl->ByteCount, protection, &old) ? STATUS_SUCCESS
                                                                                 : STATUS_INVALID_PAGE_PROTECTION;
}

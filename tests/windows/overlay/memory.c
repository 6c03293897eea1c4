/* SPDX-License-Identifier: MIT
 *
 * Physical memory: pages of one file without a name, so that any page can be mapped anywhere, more than once, in this
 * process and in a client's.  A page frame number is an index into the file; neighbours in an allocation are no
 * neighbours in memory, so a list (MDL) is believed page by page.  A system mapping is made over reserved addresses of
 * ours, a user mapping over reserved addresses of the client by a few instructions that run there.
 *
 * Rules: MmAllocatePagesForMdlEx up to DISPATCH_LEVEL; mapping up to DISPATCH_LEVEL, into a process up to APC_LEVEL,
 * and there refusal is an exception; the list names pages that are allocated; a mapping is unmapped with its list, in
 * its process, before the pages go (pages of MmFreePagesFromMdl and MmUnmapLockedPages); the caller frees the list
 * itself, with ExFreePool or IoFreeMdl; MmProtectMdlSystemAddress changes a system mapping that is there and never
 * makes it writable and executable at once.
 */
#include "overlay.h"
#include "linux.h"

#define W(name) wine_routine(name)
WINBASE void __stdcall RtlRaiseStatus(NTSTATUS status);
WINBASE void *__stdcall VirtualAllocEx(HANDLE, void *, SIZE_T, ULONG, ULONG);
WINBASE int __stdcall VirtualFreeEx(HANDLE, void *, SIZE_T, ULONG);
WINBASE int __stdcall WriteProcessMemory(HANDLE, void *, const void *, SIZE_T, SIZE_T *);
WINBASE HANDLE __stdcall CreateRemoteThread(HANDLE, void *, SIZE_T, void *, void *, ULONG, ULONG *);
WINBASE ULONG __stdcall WaitForMultipleObjects(ULONG, const HANDLE *, int, ULONG);
WINBASE int __stdcall GetExitCodeThread(HANDLE, ULONG *);

enum { PAGE = 4096, FRAMES = 1 << 18, MAPPINGS = 4096, NO_EXECUTE = 0x40000000 };
#define NO_WRITE 0x80000000u

static volatile LONG lock_word;
static LONG file = -1;
static struct frame {
    USHORT allocated, mapped; /* how often */
    const void *caller;
} * frames;
static ULONG frame_next;

static struct mapping {
    PMDL mdl;
    void *view;
    SIZE_T size;
    ULONG process; /* 0: the system's */
    const void *caller;
    ULONG count;
    const PFN_NUMBER *list; /* a copy */
} mappings[MAPPINGS];

static void hold(void)
{
    while (InterlockedExchange(&lock_word, 1))
        Sleep(0);
}

static void let_go(void)
{
    InterlockedExchange(&lock_word, 0);
}

/* Holding the lock. */
static int start(void)
{
    if (frames)
        return 1;
    file = (LONG)linux_call(LINUX_MEMFD_CREATE, (LONG_PTR) "physical", 0, 0, 0, 0, 0);
    if (file < 0 || linux_call(LINUX_FTRUNCATE, file, (LONG64)FRAMES * PAGE, 0, 0, 0, 0) < 0)
        return 0;
    frames = VirtualAlloc(NULL, FRAMES * sizeof *frames, 0x3000, 4);
    return frames != NULL;
}

static ULONG pages_of(const MDL *mdl)
{
    return (mdl->ByteOffset + mdl->ByteCount + PAGE - 1) / PAGE;
}

/* A list of pages, not of an address range: nothing has said where it lies. */
static int lists_pages(const MDL *mdl)
{
    return !mdl->StartVa && !(mdl->MdlFlags & MDL_SOURCE_IS_NONPAGED_POOL);
}

PMDL NTAPI shim_MmAllocatePagesForMdlEx(PHYSICAL_ADDRESS low, PHYSICAL_ADDRESS high, PHYSICAL_ADDRESS skip, SIZE_T size,
                                        MEMORY_CACHING_TYPE cache, ULONG flags);
PMDL NTAPI shim_MmAllocatePagesForMdlEx(PHYSICAL_ADDRESS low, PHYSICAL_ADDRESS high, PHYSICAL_ADDRESS skip, SIZE_T size,
                                        MEMORY_CACHING_TYPE cache, ULONG flags)
{
    require_irql("MmAllocatePagesForMdlEx", DISPATCH_LEVEL, CALLER);
    if (allocation_fails(CALLER))
        return NULL;
    ULONG count = (ULONG)((size + PAGE - 1) / PAGE), found = 0;
    PMDL mdl = pool_take(sizeof *mdl + count * sizeof(PFN_NUMBER), 0x206c644d /* "Mdl " */, CALLER);
    if (!mdl)
        return NULL;
    RtlZeroMemory(mdl, sizeof *mdl);
    mdl->Size = (CSHORT)(sizeof *mdl + count * sizeof(PFN_NUMBER));
    mdl->MdlFlags = MDL_PAGES_LOCKED;
    PFN_NUMBER *list = (PFN_NUMBER *)(mdl + 1);
    hold();
    if (start())
        for (ULONG tries = 0; tries < FRAMES && found < count; tries++) {
            frame_next = (frame_next + 7919) % FRAMES; /* a prime: all of them, and never the next one */
            if (!frames[frame_next].allocated && frame_next) {
                frames[frame_next].allocated = 1;
                frames[frame_next].caller = CALLER;
                list[found++] = frame_next;
            }
        }
    let_go();
    mdl->ByteCount = found * PAGE; /* fewer may come */
    InterlockedExchangeAdd64(&judge->mappings, found);
    return mdl;
}

VOID NTAPI shim_MmFreePagesFromMdl(PMDL mdl);
VOID NTAPI shim_MmFreePagesFromMdl(PMDL mdl)
{
    const PFN_NUMBER *list = (const PFN_NUMBER *)(mdl + 1);
    int unknown = 0, mapped = 0;
    require_irql("MmFreePagesFromMdl", DISPATCH_LEVEL, CALLER);
    hold();
    for (ULONG i = 0; i < pages_of(mdl); i++) {
        if (!frames || list[i] >= FRAMES || !frames[list[i]].allocated) {
            unknown = 1;
            continue;
        }
        mapped |= frames[list[i]].mapped != 0;
        frames[list[i]].allocated = 0;
        linux_call(LINUX_FALLOCATE, file, LINUX_PUNCH_HOLE, (LONG64)list[i] * PAGE, PAGE, 0, 0); /* zeroes it */
        InterlockedDecrement64(&judge->mappings);
    }
    let_go();
    if (unknown)
        violation(CALLER, "MmFreePagesFromMdl of pages that are not allocated");
    if (mapped)
        violation(CALLER, "MmFreePagesFromMdl of pages that are still mapped");
}

/* What runs in the client's process.  rcx: struct remote. */
struct remote {
    char path[64]; /* of the file, as Linux names it there */
    void *view;
    ULONG64 count, protection;
    PFN_NUMBER list[];
};
_Static_assert(sizeof(struct remote) == 88, "remote_map knows where things are");
extern const char remote_map[], remote_map_end[];
__asm__(".text\n"
        ".globl remote_map, remote_map_end\n"
        "remote_map:\n"
        "    push %rbx\n"
        "    push %rbp\n"
        "    push %rdi\n"
        "    push %rsi\n"
        "    push %r12\n"
        "    mov %rcx, %rbx\n"
        "    mov %rcx, %rdi\n"
        "    mov $2, %esi\n" /* O_RDWR */
        "    xor %edx, %edx\n"
        "    mov $2, %eax\n" /* open */
        "    syscall\n"
        "    test %rax, %rax\n"
        "    js 3f\n"
        "    mov %rax, %rbp\n"
        "    xor %r12d, %r12d\n"
        "1:  cmp 72(%rbx), %r12\n"
        "    jae 2f\n"
        "    mov %r12, %rdi\n"
        "    shl $12, %rdi\n"
        "    add 64(%rbx), %rdi\n"
        "    mov $4096, %esi\n"
        "    mov 80(%rbx), %rdx\n"
        "    mov $0x11, %r10d\n" /* MAP_SHARED | MAP_FIXED */
        "    mov %rbp, %r8\n"
        "    mov 88(%rbx, %r12, 8), %r9\n"
        "    shl $12, %r9\n"
        "    mov $9, %eax\n" /* mmap */
        "    syscall\n"
        "    cmp $-4096, %rax\n"
        "    ja 3f\n"
        "    inc %r12\n"
        "    jmp 1b\n"
        "2:  mov %rbp, %rdi\n"
        "    mov $3, %eax\n" /* close */
        "    syscall\n"
        "    mov $1, %eax\n"
        "    jmp 4f\n"
        "3:  xor %eax, %eax\n"
        "4:  pop %r12\n"
        "    pop %rsi\n"
        "    pop %rdi\n"
        "    pop %rbp\n"
        "    pop %rbx\n"
        "    ret\n"
        "remote_map_end:\n");

static void put_text(char **at, const char *text)
{
    while (*text)
        *(*at)++ = *text++;
}

static void put_number(char **at, ULONG64 number)
{
    if (number >= 10)
        put_number(at, number / 10);
    *(*at)++ = (char)('0' + number % 10);
}

/* Work in another process, done by a thread of its own: Wine may never answer for a process that ends meanwhile.  Then
 * thread and job stay behind, in this process, which ends with its drivers. */
struct job {
    HANDLE process;
    void *view; /* map: out; unmap: in, NULL afterwards */
    ULONG count;
    int unmap, writable;
    PFN_NUMBER list[];
};

static void map_remotely(struct job *job)
{
    SIZE_T size = sizeof(struct remote) + job->count * sizeof(PFN_NUMBER), code = (SIZE_T)(remote_map_end - remote_map);
    struct remote *here = VirtualAlloc(NULL, size, 0x3000, 4);
    char *there = VirtualAllocEx(job->process, NULL, size + 64 + code, 0x3000, 0x40), *path;
    void *view = there ? VirtualAllocEx(job->process, NULL, (SIZE_T)job->count * PAGE, 0x2000, 1) : NULL;
    ULONG done = 0;
    if (here && view) {
        path = here->path;
        put_text(&path, "/proc/");
        put_number(&path, (ULONG64)linux_call(LINUX_GETPID, 0, 0, 0, 0, 0, 0));
        put_text(&path, "/fd/");
        put_number(&path, (ULONG64)file);
        *path = 0;
        here->view = view;
        here->count = job->count;
        here->protection = LINUX_READ | (job->writable ? LINUX_WRITE : 0);
        for (ULONG i = 0; i < job->count; i++)
            here->list[i] = job->list[i];
        SIZE_T code_at = (size + 63) & ~(SIZE_T)63;
        if (WriteProcessMemory(job->process, there, here, size, NULL) &&
            WriteProcessMemory(job->process, there + code_at, remote_map, code, NULL)) {
            HANDLE thread = CreateRemoteThread(job->process, NULL, 0, there + code_at, there, 0, NULL);
            if (thread && WaitForSingleObject(thread, 10000) == 0)
                GetExitCodeThread(thread, &done);
            if (thread)
                CloseHandle(thread);
        }
    }
    if (here)
        VirtualFree(here, 0, MEM_RELEASE_);
    if (there)
        VirtualFreeEx(job->process, there, 0, MEM_RELEASE_);
    if (view && done != 1)
        VirtualFreeEx(job->process, view, 0, MEM_RELEASE_);
    job->view = done == 1 ? view : NULL;
}

static ULONG __stdcall job_body(void *argument)
{
    struct job *job = argument;
    if (job->unmap)
        VirtualFreeEx(job->process, job->view, 0, MEM_RELEASE_);
    else
        map_remotely(job);
    return 0;
}

/* The view that was mapped; NULL when there is none, or the process has ended. */
static void *in_process(ULONG process_id, const PFN_NUMBER *list, ULONG count, int writable, void *unmap)
{
    HANDLE process = OpenProcess(0x1f0fff, 0, process_id);
    struct job *job = process ? VirtualAlloc(NULL, sizeof *job + count * sizeof *list, 0x3000, 4) : NULL;
    if (!job)
        return NULL;
    job->process = process;
    job->view = unmap;
    job->count = count;
    job->unmap = unmap != NULL;
    job->writable = writable;
    for (ULONG i = 0; i < count; i++)
        job->list[i] = list[i];
    HANDLE waits[2] = {CreateThread(NULL, 0, job_body, job, 0, NULL), process};
    void *view = NULL;
    if (waits[0] && WaitForMultipleObjects(2, waits, 0, 0xffffffff) == 0) {
        view = job->view;
        VirtualFree(job, 0, MEM_RELEASE_);
        CloseHandle(process);
    }
    if (waits[0])
        CloseHandle(waits[0]);
    return view;
}

static void *map_here(const PFN_NUMBER *list, ULONG count)
{
    char *view = VirtualAlloc(NULL, (SIZE_T)count * PAGE, 0x2000, 1);
    for (ULONG i = 0; view && i < count; i++)
        if (linux_call(LINUX_MMAP, (LONG64)(view + (SIZE_T)i * PAGE), PAGE, LINUX_READ | LINUX_WRITE,
                       LINUX_SHARED_FIXED, file, (LONG64)list[i] * PAGE) < 0) {
            VirtualFree(view, 0, MEM_RELEASE_);
            return NULL;
        }
    return view;
}

/* Whose addresses the thread sees: the client's that it serves, or of the process that it is attached to. */
static ULONG current_process(void)
{
    static HANDLE(NTAPI * current)(void);
    if (attached_now())
        return attached_now();
    if (!current)
        current = (HANDLE(NTAPI *)(void))W("PsGetCurrentProcessId");
    return (ULONG)(ULONG_PTR)current();
}

/* The pages go up or down by one mapping; 0 where the list names one that is not allocated. */
static int count_mapped(const PFN_NUMBER *list, ULONG count, int up)
{
    for (ULONG i = 0; i < count; i++)
        if (!frames || list[i] >= FRAMES || (up && !frames[list[i]].allocated))
            return 0;
    for (ULONG i = 0; i < count; i++)
        frames[list[i]].mapped = (USHORT)(frames[list[i]].mapped + (up ? 1 : -1));
    return 1;
}

static void *refuse(KPROCESSOR_MODE mode)
{
    if (mode == UserMode)
        RtlRaiseStatus(STATUS_INSUFFICIENT_RESOURCES);
    return NULL;
}

PVOID NTAPI shim_MmMapLockedPagesSpecifyCache(PMDL mdl, KPROCESSOR_MODE mode, MEMORY_CACHING_TYPE cache, PVOID base,
                                              ULONG bug, ULONG priority);
PVOID NTAPI shim_MmMapLockedPagesSpecifyCache(PMDL mdl, KPROCESSOR_MODE mode, MEMORY_CACHING_TYPE cache, PVOID base,
                                              ULONG bug, ULONG priority)
{
    require_irql("MmMapLockedPagesSpecifyCache", mode == KernelMode ? DISPATCH_LEVEL : APC_LEVEL, CALLER);
    ULONG count = pages_of(mdl);
    if (!(mdl->MdlFlags & (MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL | MDL_PARTIAL)))
        violation(CALLER, "MmMapLockedPagesSpecifyCache of an MDL whose pages are not locked");
    if (mode == KernelMode && mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA)
        violation(CALLER, "MmMapLockedPagesSpecifyCache of an MDL that is mapped");
    if (bug && mode == KernelMode)
        violation(CALLER, "MmMapLockedPagesSpecifyCache with BugCheckOnFailure");
    if (!(priority & NO_EXECUTE))
        violation(CALLER, "MmMapLockedPagesSpecifyCache without MdlMappingNoExecute");
    if (allocation_fails(CALLER))
        return refuse(mode);
    if (!lists_pages(mdl))
        return (char *)mdl->StartVa + mdl->ByteOffset;
    PFN_NUMBER *list = VirtualAlloc(NULL, count * sizeof *list, 0x3000, 4);
    if (!list)
        return refuse(mode);
    for (ULONG i = 0; i < count; i++)
        list[i] = ((const PFN_NUMBER *)(mdl + 1))[i];
    hold();
    int known = count_mapped(list, count, 1);
    let_go();
    if (!known) {
        violation(CALLER, "MmMapLockedPagesSpecifyCache of a page that is not allocated");
        VirtualFree(list, 0, MEM_RELEASE_);
        return refuse(mode);
    }
    ULONG process = mode == UserMode ? current_process() : 0;
    void *view =
        mode == UserMode ? in_process(process, list, count, !(priority & NO_WRITE), NULL) : map_here(list, count);
    int placed = 0;
    hold();
    for (int i = 0; view && i < MAPPINGS && !placed; i++)
        if (!mappings[i].view) {
            mappings[i] = (struct mapping){mdl, view, (SIZE_T)count * PAGE, process, CALLER, count, list};
            placed = 1;
        }
    if (!placed)
        count_mapped(list, count, 0);
    let_go();
    if (!placed)
        return refuse(mode);
    InterlockedIncrement64(&judge->mappings);
    if (mode == KernelMode) {
        mdl->MappedSystemVa = view;
        mdl->MdlFlags |= MDL_MAPPED_TO_SYSTEM_VA;
    }
    return view;
}

VOID NTAPI shim_MmUnmapLockedPages(PVOID view, PMDL mdl);
VOID NTAPI shim_MmUnmapLockedPages(PVOID view, PMDL mdl)
{
    struct mapping found = {0};
    require_irql("MmUnmapLockedPages", DISPATCH_LEVEL, CALLER);
    if (!lists_pages(mdl))
        return;
    hold();
    for (int i = 0; i < MAPPINGS; i++)
        if (mappings[i].view == view && mappings[i].mdl == mdl) {
            found = mappings[i];
            mappings[i].view = NULL;
            count_mapped(found.list, found.count, 0);
            break;
        }
    let_go();
    if (!found.view) {
        violation(CALLER, "MmUnmapLockedPages of what is not mapped");
        return;
    }
    InterlockedDecrement64(&judge->mappings);
    VirtualFree((void *)(ULONG_PTR)found.list, 0, MEM_RELEASE_);
    if (!found.process) {
        mdl->MdlFlags &= (CSHORT)~MDL_MAPPED_TO_SYSTEM_VA;
        VirtualFree(view, 0, MEM_RELEASE_);
        return;
    }
    require_irql("MmUnmapLockedPages of a user address", APC_LEVEL, CALLER);
    if (found.process != current_process())
        violation(CALLER, "MmUnmapLockedPages in another process than the mapping's");
    in_process(found.process, NULL, 0, 0, view); /* it may be gone, and the mapping with it */
}

NTSTATUS NTAPI shim_MmProtectMdlSystemAddress(PMDL mdl, ULONG protection);
NTSTATUS NTAPI shim_MmProtectMdlSystemAddress(PMDL mdl, ULONG protection)
{
    require_irql("MmProtectMdlSystemAddress", DISPATCH_LEVEL, CALLER);
    if (!(mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA))
        return STATUS_NOT_MAPPED_VIEW;
    if (protection != PAGE_EXECUTE_READ && protection != PAGE_READONLY && protection != PAGE_READWRITE) {
        violation(CALLER, "MmProtectMdlSystemAddress makes pages writable and executable at once");
        return STATUS_INVALID_PAGE_PROTECTION;
    }
    if (judge->refuse_executable && protection == PAGE_EXECUTE_READ) /* as a hypervisor that guards kernel code does */
        return STATUS_INVALID_PAGE_PROTECTION;
    int bits = protection == PAGE_EXECUTE_READ ? LINUX_READ | LINUX_EXEC
               : protection == PAGE_READONLY   ? LINUX_READ
                                               : LINUX_READ | LINUX_WRITE;
    return linux_call(LINUX_MPROTECT, (LONG64)(ULONG_PTR)mdl->MappedSystemVa, (LONG64)pages_of(mdl) * PAGE, bits, 0, 0,
                      0)
               ? STATUS_INVALID_PAGE_PROTECTION
               : STATUS_SUCCESS;
}

/* An MDL of a driver is a pool block like any other, so that it cannot stay behind unseen; one that hangs on a request
 * is Wine's, which frees it with the request. */
PMDL NTAPI shim_IoAllocateMdl(PVOID address, ULONG length, BOOLEAN secondary, BOOLEAN quota, PIRP irp);
PMDL NTAPI shim_IoAllocateMdl(PVOID address, ULONG length, BOOLEAN secondary, BOOLEAN quota, PIRP irp)
{
    static PMDL(NTAPI * real)(PVOID, ULONG, BOOLEAN, BOOLEAN, PIRP);
    require_irql("IoAllocateMdl", DISPATCH_LEVEL, CALLER);
    if (allocation_fails(CALLER))
        return NULL;
    if (irp) {
        if (!real)
            real = (PMDL(NTAPI *)(PVOID, ULONG, BOOLEAN, BOOLEAN, PIRP))W("IoAllocateMdl");
        return real(address, length, secondary, quota, irp);
    }
    ULONG offset = (ULONG)(ULONG_PTR)address & (PAGE - 1), count = (offset + length + PAGE - 1) / PAGE;
    PMDL mdl = pool_take(sizeof *mdl + count * sizeof(PFN_NUMBER), 0x206c644d, CALLER);
    if (!mdl)
        return NULL;
    RtlZeroMemory(mdl, sizeof *mdl);
    mdl->Size = (CSHORT)(sizeof *mdl + count * sizeof(PFN_NUMBER));
    mdl->StartVa = (char *)address - offset;
    mdl->ByteOffset = offset;
    mdl->ByteCount = length;
    return mdl;
}

VOID NTAPI shim_IoFreeMdl(PMDL mdl);
VOID NTAPI shim_IoFreeMdl(PMDL mdl)
{
    require_irql("IoFreeMdl", DISPATCH_LEVEL, CALLER);
    hold();
    int mapped = 0;
    for (int i = 0; i < MAPPINGS; i++)
        mapped |= mappings[i].view && mappings[i].mdl == mdl;
    let_go();
    if (mapped)
        violation(CALLER, "IoFreeMdl of an MDL that is still mapped"); /* kept, so that the mapping can be undone */
    else
        pool_give(mdl, CALLER);
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

void memory_report(void *base)
{
    void *from;
    ULONG left = 0;
    const void *who = NULL;
    hold();
    for (int i = 0; i < MAPPINGS; i++)
        if (mappings[i].view && driver_of(mappings[i].caller, &from, NULL) && from == base) {
            violation(mappings[i].caller, "left at unload: a mapping of %lu pages", mappings[i].count);
            count_mapped(mappings[i].list, mappings[i].count, 0);
            mappings[i].view = NULL;
            InterlockedDecrement64(&judge->mappings);
        }
    for (ULONG i = 0; frames && i < FRAMES; i++)
        if (frames[i].allocated && driver_of(frames[i].caller, &from, NULL) && from == base) {
            who = frames[i].caller;
            frames[i].allocated = 0;
            left++;
            InterlockedDecrement64(&judge->mappings);
        }
    let_go();
    if (left)
        violation(who, "left at unload: %lu pages", left);
}

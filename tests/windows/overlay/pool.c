/* SPDX-License-Identifier: MIT
 *
 * Pool with a guard page behind every block and nothing left behind after a free, so that a step past the end or a late
 * use faults where it happens.  Rules (ExAllocatePoolWithTag): NonPagedPoolNx up to DISPATCH_LEVEL, paged pool below
 * it, no executable pool, no zero size, no zero tag; ExFreePoolWithTag with the tag of the allocation.
 */
#include "overlay.h"

struct block {
    struct block *next, *previous;
    void *mapping;
    SIZE_T size;
    const void *caller;
    ULONG tag, magic;
};

enum { BLOCK_MAGIC = 0x4b434c42, PAGE = 4096 };

static struct block head = {&head, &head, 0, 0, 0, 0, 0};
static volatile LONG head_lock;

static void hold(void)
{
    while (InterlockedExchange(&head_lock, 1))
        Sleep(0);
}

static void *allocate(POOL_TYPE type, SIZE_T size, ULONG tag, const void *caller, int judged)
{
    int counted = watched(caller);
    if (counted && judged) {
        int paged = (type & 1) != 0;
        require_irql(paged ? "ExAllocatePoolWithTag(PagedPool)" : "ExAllocatePoolWithTag",
                     paged ? APC_LEVEL : DISPATCH_LEVEL, caller);
        if (!paged && !(type & 512))
            violation(caller, "executable pool: ExAllocatePoolWithTag(NonPagedPool); use NonPagedPoolNx");
        if (!size)
            violation(caller, "ExAllocatePoolWithTag of 0 bytes");
        if (!tag)
            violation(caller, "ExAllocatePoolWithTag without a tag");
        if (allocation_fails(caller))
            return NULL;
    }
    /* The block ends at the guard page (16-byte aligned); a page or more begins on a page, as on Windows. */
    SIZE_T room = size >= PAGE ? (size + PAGE - 1) & ~(SIZE_T)(PAGE - 1) : (size + 15) & ~(SIZE_T)15;
    SIZE_T pages = (room + sizeof(struct block) + PAGE - 1) & ~(SIZE_T)(PAGE - 1);
    char *mapping = VirtualAlloc(NULL, pages + PAGE, 0x2000 /* MEM_RESERVE */, 1 /* PAGE_NOACCESS */);
    if (!mapping || !VirtualAlloc(mapping, pages, 0x1000 /* MEM_COMMIT */, type & 512 || type & 1 ? 4 : 0x40))
        return NULL;
    char *memory = mapping + pages - room;
    struct block *block = (struct block *)memory - 1;
    for (SIZE_T i = 0; i < size; i++)
        memory[i] = (char)0xcd;
    block->mapping = mapping;
    block->size = size;
    block->caller = caller;
    block->tag = tag;
    block->magic = BLOCK_MAGIC;
    hold();
    block->next = head.next;
    block->previous = &head;
    head.next->previous = block;
    head.next = block;
    InterlockedExchange(&head_lock, 0);
    if (counted) {
        InterlockedIncrement64(&judge->pool_blocks);
        InterlockedExchangeAdd64(&judge->pool_bytes, (LONG64)size);
    }
    return memory;
}

PVOID NTAPI shim_ExAllocatePoolWithTag(POOL_TYPE type, SIZE_T size, ULONG tag);
PVOID NTAPI shim_ExAllocatePoolWithTag(POOL_TYPE type, SIZE_T size, ULONG tag)
{
    return allocate(type, size, tag, CALLER, 1);
}

void *pool_take(SIZE_T size, ULONG tag, const void *caller)
{
    return allocate(512, size, tag, caller, 0);
}

PVOID NTAPI shim_ExAllocatePool(POOL_TYPE type, SIZE_T size);
PVOID NTAPI shim_ExAllocatePool(POOL_TYPE type, SIZE_T size)
{
    return allocate(type, size, 0x656e6f4e, CALLER, 1);
}

static void release(void *memory, ULONG tag, const void *caller)
{
    struct block *block = (struct block *)memory - 1;
    if (!memory) {
        violation(caller, "ExFreePool of NULL");
        return;
    }
    require_irql("ExFreePoolWithTag", DISPATCH_LEVEL, caller);
    /* Wine's own code allocates below us too; what we did not make is its business. */
    if (((ULONG_PTR)memory & 15) || block->magic != BLOCK_MAGIC) {
        static void(NTAPI * wine_free)(PVOID, ULONG);
        if (!wine_free)
            wine_free = (void(NTAPI *)(PVOID, ULONG))wine_routine("ExFreePoolWithTag");
        wine_free(memory, tag);
        return;
    }
    if (tag && tag != block->tag)
        violation(caller, "ExFreePoolWithTag with another tag than at allocation");
    check_freed(memory, block->size, caller);
    hold();
    block->next->previous = block->previous;
    block->previous->next = block->next;
    InterlockedExchange(&head_lock, 0);
    if (block->caller && watched(block->caller)) {
        InterlockedDecrement64(&judge->pool_blocks);
        InterlockedExchangeAdd64(&judge->pool_bytes, -(LONG64)block->size);
    }
    VirtualFree(block->mapping, 0, MEM_RELEASE_);
}

VOID NTAPI shim_ExFreePoolWithTag(PVOID memory, ULONG tag);
VOID NTAPI shim_ExFreePoolWithTag(PVOID memory, ULONG tag)
{
    release(memory, tag, CALLER);
}

VOID NTAPI shim_ExFreePool(PVOID memory);
VOID NTAPI shim_ExFreePool(PVOID memory)
{
    release(memory, 0, CALLER);
}

void pool_give(void *memory, const void *caller)
{
    release(memory, 0, caller);
}

void pool_report(void *base, const wchar_t *name)
{
    int shown = 0;
    hold();
    for (struct block *block = head.next; block != &head; block = block->next) {
        void *from;
        if (!driver_of(block->caller, &from, NULL) || from != base)
            continue;
        InterlockedDecrement64(&judge->pool_blocks);
        InterlockedExchangeAdd64(&judge->pool_bytes, -(LONG64)block->size);
        if (shown++ < 20)
            violation(block->caller, "left at unload: %llu bytes of pool, tag %.4s", (unsigned long long)block->size,
                      (const char *)&block->tag);
        block->caller = NULL; /* counted once */
    }
    InterlockedExchange(&head_lock, 0);
}

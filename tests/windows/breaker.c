/* SPDX-License-Identifier: MIT
 *
 * A driver that breaks one rule of the overlay on request, so that the judge is judged: IOCTL function 0x800 + n breaks
 * rule n of the list, and test_judge.c expects a violation (or a crash, or something left at unload) whose text holds
 * the rule's words.  0 and 23 break nothing; 24 tries the failure dial.
 */
#include <ntifs.h>

/* Through the import table rather than mingw's inline CR8, so that the overlay sees them; Windows exports them too. */
extern KIRQL(NTAPI *imp_KfRaiseIrql)(KIRQL to) __asm__("__imp_KfRaiseIrql");
extern VOID(NTAPI *imp_KeLowerIrql)(KIRQL to) __asm__("__imp_KeLowerIrql");
extern KIRQL(NTAPI *imp_KeAcquireSpinLockRaiseToDpc)(PKSPIN_LOCK lock) __asm__("__imp_KeAcquireSpinLockRaiseToDpc");
extern VOID(NTAPI *imp_KeReleaseSpinLock)(PKSPIN_LOCK lock, KIRQL irql) __asm__("__imp_KeReleaseSpinLock");

static UNICODE_STRING device_name = RTL_CONSTANT_STRING(L"\\Device\\WinbpfBreaker");
static UNICODE_STRING link_name = RTL_CONSTANT_STRING(L"\\DosDevices\\WinbpfBreaker");
static KSPIN_LOCK lock;
static FAST_MUTEX mutex;
static KDPC dpc;
static KTIMER timer;
static KEVENT event;
static volatile LONG dpc_ran;
static BOOLEAN leak_dpc_irql;
static PDEVICE_OBJECT breaker;

static VOID NTAPI on_dpc(PKDPC self, PVOID context, PVOID one, PVOID two)
{
    InterlockedIncrement(&dpc_ran);
    if (leak_dpc_irql)
        imp_KfRaiseIrql(HIGH_LEVEL);
}

static LARGE_INTEGER in_ms(LONG ms)
{
    LARGE_INTEGER due;
    due.QuadPart = -10000ll * ms;
    return due;
}

static VOID NTAPI on_work(PDEVICE_OBJECT device, PVOID context)
{
    KeSetEvent(context, 0, FALSE);
}

static VOID NTAPI on_raised_work(PDEVICE_OBJECT device, PVOID context)
{
    KeSetEvent(context, 0, FALSE);
    imp_KfRaiseIrql(APC_LEVEL);
}

static VOID NTAPI on_region_thread(PVOID context)
{
    KeEnterCriticalRegion();
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* More stack than a driver may take. */
static ULONG use_stack(ULONG n)
{
    volatile UCHAR room[4096];
    for (ULONG i = 0; i < sizeof room; i += 512)
        room[i] = (UCHAR)n;
    return n ? use_stack(n - 1) + room[512] : room[0];
}

static VOID NTAPI on_process(HANDLE parent, HANDLE process, BOOLEAN created) {}

static VOID NTAPI on_thread(PVOID context)
{
    KeSetEvent(context, 0, FALSE);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* A work item, a thread, its handle and a reference to it, each given back. */
static NTSTATUS use_objects(void)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle;
    PVOID thread;
    KEVENT done;
    KeInitializeEvent(&done, SynchronizationEvent, FALSE);
    PIO_WORKITEM item = IoAllocateWorkItem(breaker);
    if (!item)
        return STATUS_INSUFFICIENT_RESOURCES;
    IoQueueWorkItem(item, on_work, DelayedWorkQueue, &done);
    KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
    IoFreeWorkItem(item);
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    NTSTATUS status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, &attributes, NULL, NULL, on_thread, &done);
    if (!NT_SUCCESS(status))
        return status;
    status = ObReferenceObjectByHandle(handle, SYNCHRONIZE, (POBJECT_TYPE)PsThreadType, KernelMode, &thread, NULL);
    ZwClose(handle);
    if (!NT_SUCCESS(status))
        return status;
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
    return STATUS_SUCCESS;
}

/* Runs `routine` as a work item, until it says so. */
static NTSTATUS run_work(PIO_WORKITEM_ROUTINE routine)
{
    LARGE_INTEGER pause = in_ms(20);
    KEVENT done;
    KeInitializeEvent(&done, SynchronizationEvent, FALSE);
    PIO_WORKITEM item = IoAllocateWorkItem(breaker);
    if (!item)
        return STATUS_INSUFFICIENT_RESOURCES;
    IoQueueWorkItem(item, routine, DelayedWorkQueue, &done);
    KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
    KeDelayExecutionThread(KernelMode, FALSE, &pause); /* until it has returned */
    IoFreeWorkItem(item);
    return STATUS_SUCCESS;
}

static NTSTATUS run_thread(PKSTART_ROUTINE routine)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle;
    PVOID thread;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    NTSTATUS status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, &attributes, NULL, NULL, routine, NULL);
    if (!NT_SUCCESS(status))
        return status;
    status = ObReferenceObjectByHandle(handle, SYNCHRONIZE, (POBJECT_TYPE)PsThreadType, KernelMode, &thread, NULL);
    ZwClose(handle);
    if (!NT_SUCCESS(status))
        return status;
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
    return STATUS_SUCCESS;
}

/* Which of sixteen allocations failed, a bit each: what the failure dial is tested with. */
static ULONG allocate_sixteen(void)
{
    void *blocks[16];
    ULONG failed = 0;
    for (int i = 0; i < 16; i++) {
        blocks[i] = ExAllocatePoolWithTag(NonPagedPoolNx, 32, 'laiD');
        failed |= (ULONG)!blocks[i] << i;
    }
    for (int i = 0; i < 16; i++)
        if (blocks[i])
            ExFreePoolWithTag(blocks[i], 'laiD');
    return failed;
}

static void wait_for_dpc(LONG before)
{
    LARGE_INTEGER pause = in_ms(1);
    for (int i = 0; i < 1000 && dpc_ran == before; i++)
        KeDelayExecutionThread(KernelMode, FALSE, &pause);
}

/* Two pages, listed as first, second, second: what is written in one place is seen in the other. */
static BOOLEAN sees_a_page_twice(void)
{
    PHYSICAL_ADDRESS low = {0}, high, skip = {0};
    BOOLEAN seen = FALSE;
    high.QuadPart = -1;
    PMDL pages = MmAllocatePagesForMdlEx(low, high, skip, 2 * 4096, MmCached, 0);
    PMDL list = IoAllocateMdl(NULL, 3 * 4096, FALSE, FALSE, NULL);
    if (pages && list) {
        MmGetMdlPfnArray(list)[0] = MmGetMdlPfnArray(pages)[0];
        MmGetMdlPfnArray(list)[1] = MmGetMdlPfnArray(list)[2] = MmGetMdlPfnArray(pages)[1];
        list->MdlFlags |= MDL_PAGES_LOCKED;
        char *memory =
            MmMapLockedPagesSpecifyCache(list, KernelMode, MmCached, NULL, FALSE, NormalPagePriority | 0x40000000);
        if (memory) {
            memory[4096 + 5] = 1;
            memory[2 * 4096 + 6] = 2;
            seen = memory[2 * 4096 + 5] == 1 && memory[4096 + 6] == 2 && !memory[5] && !memory[6];
            MmUnmapLockedPages(memory, list);
        }
    }
    if (list)
        IoFreeMdl(list);
    if (pages) {
        MmFreePagesFromMdl(pages);
        ExFreePool(pages);
    }
    return seen;
}

/* Breaks rule `number`; returns STATUS_SUCCESS when it has. */
static NTSTATUS break_rule(ULONG number)
{
    PHYSICAL_ADDRESS low = {0}, high, skip = {0};
    OBJECT_ATTRIBUTES attributes;
    LARGE_INTEGER size;
    HANDLE handle;
    KIRQL old;
    PMDL mdl;
    char *memory, *again;
    LONG before = dpc_ran;
    KAPC_STATE apc;
    EX_RUNDOWN_REF rundown;
    high.QuadPart = -1;
    size.QuadPart = 4096;
    switch (number) {
    case 0: /* nothing wrong: a bit of everything, by the rules */
        memory = ExAllocatePoolWithTag(NonPagedPoolNx, 100, 'kaeB');
        if (!memory)
            return STATUS_INSUFFICIENT_RESOURCES;
        ExFreePoolWithTag(memory, 'kaeB');
        old = imp_KeAcquireSpinLockRaiseToDpc(&lock);
        KeSetEvent(&event, 0, FALSE);
        imp_KeReleaseSpinLock(&lock, old);
        KeInsertQueueDpc(&dpc, NULL, NULL);
        wait_for_dpc(before);
        KeSetTimer(&timer, in_ms(2), &dpc);
        wait_for_dpc(before + 1);
        ExAcquireFastMutex(&mutex);
        ExReleaseFastMutex(&mutex);
        ExInitializeRundownProtection(&rundown);
        if (!ExAcquireRundownProtection(&rundown))
            return STATUS_UNSUCCESSFUL;
        ExReleaseRundownProtection(&rundown);
        ExWaitForRundownProtectionRelease(&rundown);
        InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
        if (!NT_SUCCESS(
                ZwCreateSection(&handle, SECTION_ALL_ACCESS, &attributes, &size, PAGE_READWRITE, SEC_COMMIT, NULL)))
            return STATUS_INSUFFICIENT_RESOURCES;
        ZwClose(handle);
        mdl = MmAllocatePagesForMdlEx(low, high, skip, 4096, MmCached, 0);
        if (!mdl)
            return STATUS_INSUFFICIENT_RESOURCES;
        memory = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority | 0x40000000);
        if (memory) {
            memory[0] = (char)0xc3; /* ret */
            NTSTATUS status = MmProtectMdlSystemAddress(mdl, PAGE_EXECUTE_READ);
            if (NT_SUCCESS(status))
                ((void (*)(void))(ULONG_PTR)memory)();
            MmUnmapLockedPages(memory, mdl);
        }
        MmFreePagesFromMdl(mdl);
        ExFreePool(mdl);
        KeEnterCriticalRegion();
        ExAcquireFastMutexUnsafe(&mutex);
        ExReleaseFastMutexUnsafe(&mutex);
        KeLeaveCriticalRegion();
        if (!sees_a_page_twice())
            return STATUS_UNSUCCESSFUL;
        return dpc_ran == before + 2 ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
    case 1: /* a passive routine at DISPATCH_LEVEL */
        old = imp_KfRaiseIrql(DISPATCH_LEVEL);
        IoDeleteSymbolicLink(&link_name);
        imp_KeLowerIrql(old);
        return IoCreateSymbolicLink(&link_name, &device_name);
    case 2: /* waiting at DISPATCH_LEVEL */
        old = imp_KfRaiseIrql(DISPATCH_LEVEL);
        KeSetEvent(&event, 0, FALSE);
        {
            LARGE_INTEGER pause = in_ms(1);
            KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &pause);
        }
        imp_KeLowerIrql(old);
        return STATUS_SUCCESS;
    case 3: /* executable pool */
        memory = ExAllocatePoolWithTag(NonPagedPool, 16, 'kaeB');
        ExFreePoolWithTag(memory, 'kaeB');
        return STATUS_SUCCESS;
    case 4: /* paged pool at DISPATCH_LEVEL */
        old = imp_KfRaiseIrql(DISPATCH_LEVEL);
        memory = ExAllocatePoolWithTag(PagedPool, 16, 'kaeB');
        imp_KeLowerIrql(old);
        ExFreePoolWithTag(memory, 'kaeB');
        return STATUS_SUCCESS;
    case 5: /* another tag at free */
        memory = ExAllocatePoolWithTag(NonPagedPoolNx, 16, 'kaeB');
        ExFreePoolWithTag(memory, 'eslE');
        return STATUS_SUCCESS;
    case 6: /* a spin lock twice */
        old = imp_KeAcquireSpinLockRaiseToDpc(&lock);
        imp_KeAcquireSpinLockRaiseToDpc(&lock);
        imp_KeReleaseSpinLock(&lock, old);
        return STATUS_SUCCESS;
    case 7: /* releasing what is not held */
        old = imp_KfRaiseIrql(DISPATCH_LEVEL);
        imp_KeReleaseSpinLock(&lock, old);
        return STATUS_SUCCESS;
    case 8: /* lowering that raises */
        imp_KeLowerIrql(DISPATCH_LEVEL);
        imp_KeLowerIrql(PASSIVE_LEVEL);
        return STATUS_SUCCESS;
    case 9: /* back from dispatch at a raised IRQL */ imp_KfRaiseIrql(APC_LEVEL); return STATUS_SUCCESS;
    case 10: /* memory freed with a queued DPC in it */
        memory = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(KTIMER), 'kaeB');
        KeInitializeTimer((PKTIMER)memory);
        KeSetTimer((PKTIMER)memory, in_ms(60000), &dpc);
        ExFreePoolWithTag(memory, 'kaeB');
        KeCancelTimer((PKTIMER)memory);
        return STATUS_SUCCESS;
    case 11: /* a DPC that keeps its IRQL */
        leak_dpc_irql = TRUE;
        KeInsertQueueDpc(&dpc, NULL, NULL);
        wait_for_dpc(before);
        KeFlushQueuedDpcs(); /* until it has returned */
        leak_dpc_irql = FALSE;
        return STATUS_SUCCESS;
    case 12: /* a handle in whatever process is current */
        InitializeObjectAttributes(&attributes, NULL, 0, NULL, NULL);
        ZwCreateSection(&handle, SECTION_ALL_ACCESS, &attributes, &size, PAGE_READWRITE, SEC_COMMIT, NULL);
        ZwClose(handle);
        return STATUS_SUCCESS;
    case 13: /* writable and executable at once */
        mdl = MmAllocatePagesForMdlEx(low, high, skip, 4096, MmCached, 0);
        memory = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority | 0x40000000);
        MmProtectMdlSystemAddress(mdl, PAGE_EXECUTE_READWRITE);
        MmUnmapLockedPages(memory, mdl);
        MmFreePagesFromMdl(mdl);
        ExFreePool(mdl);
        return STATUS_SUCCESS;
    case 14: /* pages freed while mapped */
        mdl = MmAllocatePagesForMdlEx(low, high, skip, 4096, MmCached, 0);
        memory = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority | 0x40000000);
        MmFreePagesFromMdl(mdl);
        MmUnmapLockedPages(memory, mdl);
        ExFreePool(mdl);
        return STATUS_SUCCESS;
    case 15: /* an executable mapping */
        mdl = MmAllocatePagesForMdlEx(low, high, skip, 4096, MmCached, 0);
        memory = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
        MmUnmapLockedPages(memory, mdl);
        MmFreePagesFromMdl(mdl);
        ExFreePool(mdl);
        return STATUS_SUCCESS;
    case 16: /* rundown released more often than acquired */
        ExInitializeRundownProtection(&rundown);
        ExReleaseRundownProtection(&rundown);
        return STATUS_SUCCESS;
    case 17: /* a fast mutex released by who does not hold it */
        ExReleaseFastMutex(&mutex);
        ExInitializeFastMutex(&mutex);
        imp_KfRaiseIrql(APC_LEVEL);
        imp_KeLowerIrql(PASSIVE_LEVEL);
        return STATUS_SUCCESS;
    case 18: /* left at unload: pool */
        return ExAllocatePoolWithTag(NonPagedPoolNx, 4096, 'kaeL') ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
    case 19: /* left at unload: a handle */
        InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
        return ZwCreateSection(&handle, SECTION_ALL_ACCESS, &attributes, &size, PAGE_READWRITE, SEC_COMMIT, NULL);
    case 20: /* left at unload: a timer */ KeSetTimer(&timer, in_ms(3600000), &dpc); return STATUS_SUCCESS;
    case 21: /* a step past the end */
        memory = ExAllocatePoolWithTag(NonPagedPoolNx, 4096, 'kaeB');
        ((volatile char *)memory)[4096] = 1;
        return STATUS_SUCCESS;
    case 22: /* use after free */
        memory = ExAllocatePoolWithTag(NonPagedPoolNx, 64, 'kaeB');
        ExFreePoolWithTag(memory, 'kaeB');
        ((volatile char *)memory)[0] = 1;
        return STATUS_SUCCESS;
    case 23: return use_objects();
    case 25: /* back from dispatch in a critical region */ KeEnterCriticalRegion(); return STATUS_SUCCESS;
    case 26: /* out of a critical region that was not entered */ KeLeaveCriticalRegion(); return STATUS_SUCCESS;
    case 27: /* a fast mutex where a kernel APC may come */
        ExAcquireFastMutexUnsafe(&mutex);
        ExReleaseFastMutexUnsafe(&mutex);
        return STATUS_SUCCESS;
    case 28: /* a list freed while its pages are mapped */
        mdl = MmAllocatePagesForMdlEx(low, high, skip, 4096, MmCached, 0);
        memory = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority | 0x40000000);
        IoFreeMdl(mdl);
        MmUnmapLockedPages(memory, mdl);
        MmFreePagesFromMdl(mdl);
        ExFreePool(mdl);
        return STATUS_SUCCESS;
    case 29: /* a list of a page that is nobody's */
        mdl = IoAllocateMdl(NULL, 4096, FALSE, FALSE, NULL);
        MmGetMdlPfnArray(mdl)[0] = 77;
        mdl->MdlFlags |= MDL_PAGES_LOCKED;
        MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority | 0x40000000);
        IoFreeMdl(mdl);
        return STATUS_SUCCESS;
    case 30: /* a list mapped twice */
        mdl = MmAllocatePagesForMdlEx(low, high, skip, 4096, MmCached, 0);
        memory = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority | 0x40000000);
        again = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority | 0x40000000);
        MmUnmapLockedPages(again, mdl);
        mdl->MdlFlags |= MDL_MAPPED_TO_SYSTEM_VA;
        mdl->MappedSystemVa = memory;
        MmUnmapLockedPages(memory, mdl);
        MmFreePagesFromMdl(mdl);
        ExFreePool(mdl);
        return STATUS_SUCCESS;
    case 31: /* left at unload: pages */
        mdl = MmAllocatePagesForMdlEx(low, high, skip, 3 * 4096, MmCached, 0);
        ExFreePool(mdl);
        return STATUS_SUCCESS;
    case 32: /* unmapping what is not mapped */
        mdl = MmAllocatePagesForMdlEx(low, high, skip, 4096, MmCached, 0);
        MmUnmapLockedPages((PVOID)0x10000, mdl);
        MmFreePagesFromMdl(mdl);
        ExFreePool(mdl);
        return STATUS_SUCCESS;
    case 33: /* an object's handle in whatever process is current */
        if (!NT_SUCCESS(ObOpenObjectByPointer(breaker, 0, NULL, READ_CONTROL, NULL, KernelMode, &handle)))
            return STATUS_UNSUCCESSFUL;
        return ZwClose(handle);
    case 34: /* left at unload: a mapping */
        mdl = MmAllocatePagesForMdlEx(low, high, skip, 4096, MmCached, 0);
        memory = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority | 0x40000000);
        return memory ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
    case 35: /* a work item that keeps its IRQL */ return run_work(on_raised_work);
    case 36: /* a thread that ends in a critical region */ return run_thread(on_region_thread);
    case 37: /* detached, and not attached */ KeUnstackDetachProcess(&apc); return STATUS_SUCCESS;
    case 38: /* attached twice */
        KeStackAttachProcess((PVOID)PsGetCurrentProcess(), &apc);
        KeStackAttachProcess((PVOID)PsGetCurrentProcess(), &apc);
        KeUnstackDetachProcess(&apc);
        return STATUS_SUCCESS;
    case 39: /* a callback removed that is not registered */ return PsSetCreateProcessNotifyRoutine(on_process, TRUE);
    case 40: /* pages freed twice */
        mdl = MmAllocatePagesForMdlEx(low, high, skip, 4096, MmCached, 0);
        MmFreePagesFromMdl(mdl);
        MmFreePagesFromMdl(mdl);
        ExFreePool(mdl);
        return STATUS_SUCCESS;
    case 42: /* too much stack */ return use_stack(5) == 15 ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
    default: return STATUS_INVALID_PARAMETER;
    }
}

static VOID NTAPI on_cancel(PDEVICE_OBJECT device, PIRP irp)
{
    IoReleaseCancelSpinLock(irp->CancelIrql);
}

static NTSTATUS finish(PIRP irp, NTSTATUS status)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS NTAPI on_open_or_close(PDEVICE_OBJECT device, PIRP irp)
{
    return finish(irp, STATUS_SUCCESS);
}

static NTSTATUS NTAPI on_control(PDEVICE_OBJECT device, PIRP irp)
{
    ULONG code = IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.IoControlCode;
    ULONG number = (code >> 2 & 0xfff) - 0x800;
    if (number == 24) {
        if (IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.OutputBufferLength < sizeof(ULONG))
            return finish(irp, STATUS_BUFFER_TOO_SMALL);
        *(ULONG *)irp->AssociatedIrp.SystemBuffer = allocate_sixteen();
        irp->IoStatus.Status = STATUS_SUCCESS;
        irp->IoStatus.Information = sizeof(ULONG);
        IoCompleteRequest(irp, IO_NO_INCREMENT);
        return STATUS_SUCCESS;
    }
    if (number == 41) /* completed with a cancel routine */
        IoSetCancelRoutine(irp, on_cancel);
    return finish(irp, number == 41 ? STATUS_SUCCESS : break_rule(number));
}

static VOID NTAPI on_unload(PDRIVER_OBJECT driver)
{
    IoDeleteSymbolicLink(&link_name);
    IoDeleteDevice(driver->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry);
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry)
{
    PDEVICE_OBJECT device;
    KeInitializeSpinLock(&lock);
    ExInitializeFastMutex(&mutex);
    KeInitializeEvent(&event, SynchronizationEvent, FALSE);
    KeInitializeDpc(&dpc, on_dpc, NULL);
    KeInitializeTimer(&timer);
    driver->DriverUnload = on_unload;
    driver->MajorFunction[IRP_MJ_CREATE] = driver->MajorFunction[IRP_MJ_CLEANUP] = on_open_or_close;
    driver->MajorFunction[IRP_MJ_CLOSE] = on_open_or_close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = on_control;
    NTSTATUS status =
        IoCreateDevice(driver, 0, &device_name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&link_name, &device_name);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    breaker = device;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

/* SPDX-License-Identifier: MIT
 *
 * What runs later: DPCs, timers, work items, system threads.  Wine queues no DPC and its timers run none.  Ours run on
 * one thread a DPC target, at DISPATCH_LEVEL, one after the other.  Rules: a queued DPC or a set timer may not lie in
 * freed memory or outlive its driver (KeFlushQueuedDpcs, KeCancelTimer); a DPC routine returns at the IRQL it was
 * called at.
 */
#include "overlay.h"

/* A DPC's DpcData is non-NULL while it is queued, as on Windows (KeInsertQueueDpc returns FALSE then). */
enum { QUEUE = 1024 };
static struct queued {
    PKDPC dpc;
    PVOID one, two;
} queue[QUEUE];
static volatile LONG queue_lock, queue_count, queue_running;
static HANDLE queue_event;

static struct set_timer {
    struct set_timer *next;
    PKTIMER timer;
    PKDPC dpc;
    LONG64 due; /* performance-counter ticks */
    LONG period;
} * timers;

static void hold(void)
{
    while (InterlockedExchange(&queue_lock, 1))
        Sleep(0);
}

static void let_go(void)
{
    InterlockedExchange(&queue_lock, 0);
}

static LONG64 ticks(void)
{
    LARGE_INTEGER now;
    QueryPerformanceCounter(&now);
    return now.QuadPart;
}

static LONG64 ticks_from_100ns(LONG64 units)
{
    LARGE_INTEGER frequency;
    QueryPerformanceFrequency(&frequency);
    return (LONG64)((__int128)units * frequency.QuadPart / 10000000);
}

static void signal_timer(PKTIMER timer)
{
    static LONG(NTAPI * set_event)(PRKEVENT, KPRIORITY, BOOLEAN);
    (void)set_event;
    timer->Header.SignalState = 1;
}

static int insert(PKDPC dpc, PVOID one, PVOID two)
{
    int done = 0;
    hold();
    if (!dpc->DpcData && queue_count < QUEUE) {
        queue[queue_count++] = (struct queued){dpc, one, two};
        dpc->DpcData = &queue;
        done = 1;
        InterlockedIncrement64(&judge->dpcs);
    }
    let_go();
    SetEvent(queue_event);
    return done;
}

static ULONG __stdcall pump(void *unused)
{
    for (;;) {
        struct queued next = {0};
        LONG64 now = ticks();
        hold();
        for (struct set_timer **at = &timers; *at;) {
            struct set_timer *timer = *at;
            if (timer->due > now) {
                at = &timer->next;
                continue;
            }
            signal_timer(timer->timer);
            if (timer->dpc && !timer->dpc->DpcData && queue_count < QUEUE) {
                queue[queue_count++] = (struct queued){timer->dpc, NULL, NULL};
                timer->dpc->DpcData = &queue;
                InterlockedIncrement64(&judge->dpcs);
            }
            if (timer->period) {
                timer->due = now + ticks_from_100ns((LONG64)timer->period * 10000);
                at = &timer->next;
            } else {
                *at = timer->next;
                InterlockedDecrement64(&judge->timers);
                VirtualFree(timer, 0, MEM_RELEASE_);
            }
        }
        if (queue_count) {
            next = queue[0];
            for (LONG i = 1; i < queue_count; i++)
                queue[i - 1] = queue[i];
            queue_count--;
            next.dpc->DpcData = NULL;
            queue_running = 1;
            InterlockedDecrement64(&judge->dpcs);
        }
        let_go();
        if (!next.dpc) {
            WaitForSingleObject(queue_event, timers ? 1 : 50);
            continue;
        }
        PKDEFERRED_ROUTINE routine = next.dpc->DeferredRoutine;
        irql_set(DISPATCH_LEVEL);
        routine(next.dpc, next.dpc->DeferredContext, next.one, next.two);
        if (irql_now() != DISPATCH_LEVEL)
            violation((void *)routine, "DPC routine returned at IRQL %u", irql_now());
        irql_set(PASSIVE_LEVEL);
        InterlockedExchange(&queue_running, 0);
    }
    return 0;
}

static void start(void)
{
    static volatile LONG started;
    if (InterlockedExchange(&started, 1))
        return;
    queue_event = CreateEventW(NULL, 0, 0, NULL);
    CloseHandle(CreateThread(NULL, 0, pump, NULL, 0, NULL));
}

VOID NTAPI shim_KeInitializeDpc(PKDPC dpc, PKDEFERRED_ROUTINE routine, PVOID context);
VOID NTAPI shim_KeInitializeDpc(PKDPC dpc, PKDEFERRED_ROUTINE routine, PVOID context)
{
    start();
    RtlZeroMemory(dpc, sizeof *dpc);
    dpc->Type = 19;
    dpc->DeferredRoutine = routine;
    dpc->DeferredContext = context;
}

VOID NTAPI shim_KeInitializeThreadedDpc(PKDPC dpc, PKDEFERRED_ROUTINE routine, PVOID context);
VOID NTAPI shim_KeInitializeThreadedDpc(PKDPC dpc, PKDEFERRED_ROUTINE routine, PVOID context)
{
    shim_KeInitializeDpc(dpc, routine, context);
}

BOOLEAN NTAPI shim_KeInsertQueueDpc(PRKDPC dpc, PVOID one, PVOID two);
BOOLEAN NTAPI shim_KeInsertQueueDpc(PRKDPC dpc, PVOID one, PVOID two)
{
    return (BOOLEAN)insert(dpc, one, two);
}

BOOLEAN NTAPI shim_KeRemoveQueueDpc(PRKDPC dpc);
BOOLEAN NTAPI shim_KeRemoveQueueDpc(PRKDPC dpc)
{
    BOOLEAN found = FALSE;
    hold();
    for (LONG i = 0; i < queue_count; i++)
        if (queue[i].dpc == dpc) {
            for (LONG k = i + 1; k < queue_count; k++)
                queue[k - 1] = queue[k];
            queue_count--;
            dpc->DpcData = NULL;
            InterlockedDecrement64(&judge->dpcs);
            found = TRUE;
            break;
        }
    let_go();
    return found;
}

CCHAR NTAPI shim_KeSetTargetProcessorDpc(PRKDPC dpc, CCHAR number);
CCHAR NTAPI shim_KeSetTargetProcessorDpc(PRKDPC dpc, CCHAR number)
{
    return number;
}

NTSTATUS NTAPI shim_KeSetTargetProcessorDpcEx(PRKDPC dpc, PPROCESSOR_NUMBER number);
NTSTATUS NTAPI shim_KeSetTargetProcessorDpcEx(PRKDPC dpc, PPROCESSOR_NUMBER number)
{
    return number->Reserved ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

VOID NTAPI shim_KeSetImportanceDpc(PRKDPC dpc, KDPC_IMPORTANCE importance);
VOID NTAPI shim_KeSetImportanceDpc(PRKDPC dpc, KDPC_IMPORTANCE importance) {}

VOID NTAPI shim_KeFlushQueuedDpcs(VOID);
VOID NTAPI shim_KeFlushQueuedDpcs(VOID)
{
    require_irql("KeFlushQueuedDpcs", PASSIVE_LEVEL, CALLER);
    while (queue_count || queue_running)
        Sleep(0);
}

/* Timers. */
VOID NTAPI shim_KeInitializeTimerEx(PKTIMER timer, TIMER_TYPE type);
VOID NTAPI shim_KeInitializeTimerEx(PKTIMER timer, TIMER_TYPE type)
{
    start();
    RtlZeroMemory(timer, sizeof *timer);
    timer->Header.Type = (UCHAR)(8 + type);
}

VOID NTAPI shim_KeInitializeTimer(PKTIMER timer);
VOID NTAPI shim_KeInitializeTimer(PKTIMER timer)
{
    shim_KeInitializeTimerEx(timer, NotificationTimer);
}

static BOOLEAN cancel(PKTIMER timer)
{
    for (struct set_timer **at = &timers; *at; at = &(*at)->next)
        if ((*at)->timer == timer) {
            struct set_timer *found = *at;
            *at = found->next;
            VirtualFree(found, 0, MEM_RELEASE_);
            InterlockedDecrement64(&judge->timers);
            return TRUE;
        }
    return FALSE;
}

BOOLEAN NTAPI shim_KeCancelTimer(PKTIMER timer);
BOOLEAN NTAPI shim_KeCancelTimer(PKTIMER timer)
{
    require_irql("KeCancelTimer", DISPATCH_LEVEL, CALLER);
    hold();
    BOOLEAN was = cancel(timer);
    let_go();
    return was;
}

static BOOLEAN set(PKTIMER timer, LARGE_INTEGER due, LONG period, PKDPC dpc)
{
    struct set_timer *entry = VirtualAlloc(NULL, sizeof *entry, 0x3000, 4);
    if (!entry)
        return FALSE;
    LONG64 relative = due.QuadPart < 0 ? -due.QuadPart : 0; /* an absolute time in the past fires at once */
    if (due.QuadPart > 0) {
        LARGE_INTEGER now;
        static VOID(NTAPI * query)(PLARGE_INTEGER);
        if (!query)
            query = (VOID(NTAPI *)(PLARGE_INTEGER))wine_routine("KeQuerySystemTime");
        query(&now);
        relative = due.QuadPart > now.QuadPart ? due.QuadPart - now.QuadPart : 0;
    }
    *entry = (struct set_timer){NULL, timer, dpc, ticks() + ticks_from_100ns(relative), period};
    hold();
    BOOLEAN was = cancel(timer);
    timer->Header.SignalState = 0;
    entry->next = timers;
    timers = entry;
    let_go();
    InterlockedIncrement64(&judge->timers);
    SetEvent(queue_event);
    return was;
}

BOOLEAN NTAPI shim_KeSetTimerEx(PKTIMER timer, LARGE_INTEGER due, LONG period, PKDPC dpc);
BOOLEAN NTAPI shim_KeSetTimerEx(PKTIMER timer, LARGE_INTEGER due, LONG period, PKDPC dpc)
{
    require_irql("KeSetTimerEx", DISPATCH_LEVEL, CALLER);
    return set(timer, due, period, dpc);
}

BOOLEAN NTAPI shim_KeSetTimer(PKTIMER timer, LARGE_INTEGER due, PKDPC dpc);
BOOLEAN NTAPI shim_KeSetTimer(PKTIMER timer, LARGE_INTEGER due, PKDPC dpc)
{
    require_irql("KeSetTimer", DISPATCH_LEVEL, CALLER);
    return set(timer, due, 0, dpc);
}

BOOLEAN NTAPI shim_KeSetCoalescableTimer(PKTIMER timer, LARGE_INTEGER due, ULONG period, ULONG tolerance, PKDPC dpc);
BOOLEAN NTAPI shim_KeSetCoalescableTimer(PKTIMER timer, LARGE_INTEGER due, ULONG period, ULONG tolerance, PKDPC dpc)
{
    require_irql("KeSetCoalescableTimer", DISPATCH_LEVEL, CALLER);
    return set(timer, due, (LONG)period, dpc);
}

void check_freed(const void *memory, SIZE_T size, const void *caller)
{
    const char *from = memory, *to = from + size;
    hold();
    for (LONG i = 0; i < queue_count; i++)
        if ((const char *)queue[i].dpc >= from && (const char *)queue[i].dpc < to)
            violation(caller, "frees memory with a queued DPC in it");
    for (struct set_timer *timer = timers; timer; timer = timer->next)
        if ((const char *)timer->timer >= from && (const char *)timer->timer < to)
            violation(caller, "frees memory with a set timer in it");
    let_go();
}

/* Work items and system threads are Wine's; we count them, and see how they return. */
struct work {
    PIO_WORKITEM_ROUTINE routine;
    PVOID context;
};

static volatile LONG work_running;

int work_items_run(void)
{
    return work_running != 0;
}

static VOID NTAPI work_body(PDEVICE_OBJECT device, PVOID argument)
{
    struct work work = *(struct work *)argument;
    VirtualFree(argument, 0, MEM_RELEASE_);
    irql_set(PASSIVE_LEVEL);
    void *mark = stack_mark();
    work.routine(device, work.context);
    stack_judge(mark, (void *)work.routine);
    if (irql_now() != PASSIVE_LEVEL || regions_now())
        violation((void *)work.routine, "work item routine returned at IRQL %u, inside %lu critical regions",
                  irql_now(), regions_now());
    irql_set(PASSIVE_LEVEL);
    regions_set(0);
    InterlockedDecrement(&work_running);
}

VOID NTAPI shim_IoQueueWorkItem(PIO_WORKITEM item, PIO_WORKITEM_ROUTINE routine, WORK_QUEUE_TYPE type, PVOID context);
VOID NTAPI shim_IoQueueWorkItem(PIO_WORKITEM item, PIO_WORKITEM_ROUTINE routine, WORK_QUEUE_TYPE type, PVOID context)
{
    static VOID(NTAPI * real)(PIO_WORKITEM, PIO_WORKITEM_ROUTINE, WORK_QUEUE_TYPE, PVOID);
    struct work *work = VirtualAlloc(NULL, sizeof *work, 0x3000, 4);
    require_irql("IoQueueWorkItem", DISPATCH_LEVEL, CALLER);
    if (!real)
        real =
            (VOID(NTAPI *)(PIO_WORKITEM, PIO_WORKITEM_ROUTINE, WORK_QUEUE_TYPE, PVOID))wine_routine("IoQueueWorkItem");
    *work = (struct work){routine, context};
    InterlockedIncrement(&work_running);
    real(item, work_body, type, work);
}

PIO_WORKITEM NTAPI shim_IoAllocateWorkItem(PDEVICE_OBJECT device);
PIO_WORKITEM NTAPI shim_IoAllocateWorkItem(PDEVICE_OBJECT device)
{
    static PIO_WORKITEM(NTAPI * real)(PDEVICE_OBJECT);
    require_irql("IoAllocateWorkItem", DISPATCH_LEVEL, CALLER);
    if (allocation_fails(CALLER))
        return NULL;
    if (!real)
        real = (PIO_WORKITEM(NTAPI *)(PDEVICE_OBJECT))wine_routine("IoAllocateWorkItem");
    PIO_WORKITEM item = real(device);
    if (item && watched(CALLER))
        InterlockedIncrement64(&judge->work_items);
    return item;
}

VOID NTAPI shim_IoFreeWorkItem(PIO_WORKITEM item);
VOID NTAPI shim_IoFreeWorkItem(PIO_WORKITEM item)
{
    static VOID(NTAPI * real)(PIO_WORKITEM);
    require_irql("IoFreeWorkItem", DISPATCH_LEVEL, CALLER);
    if (!real)
        real = (VOID(NTAPI *)(PIO_WORKITEM))wine_routine("IoFreeWorkItem");
    if (watched(CALLER))
        InterlockedDecrement64(&judge->work_items);
    real(item);
}

struct thread_start {
    PKSTART_ROUTINE routine;
    PVOID context;
};

static VOID NTAPI thread_body(PVOID argument)
{
    struct thread_start start_at = *(struct thread_start *)argument;
    VirtualFree(argument, 0, MEM_RELEASE_);
    irql_set(PASSIVE_LEVEL);
    start_at.routine(start_at.context);
    InterlockedDecrement64(&judge->threads);
    if (regions_now())
        violation((void *)start_at.routine, "system thread ended inside %lu critical regions", regions_now());
    if (irql_now() != PASSIVE_LEVEL)
        violation((void *)start_at.routine, "system thread ended at IRQL %u", irql_now());
}

NTSTATUS NTAPI shim_PsCreateSystemThread(PHANDLE handle, ULONG access, POBJECT_ATTRIBUTES attributes, HANDLE process,
                                         PCLIENT_ID client, PKSTART_ROUTINE routine, PVOID context);
NTSTATUS NTAPI shim_PsCreateSystemThread(PHANDLE handle, ULONG access, POBJECT_ATTRIBUTES attributes, HANDLE process,
                                         PCLIENT_ID client, PKSTART_ROUTINE routine, PVOID context)
{
    static NTSTATUS(NTAPI * real)(PHANDLE, ULONG, POBJECT_ATTRIBUTES, HANDLE, PCLIENT_ID, PKSTART_ROUTINE, PVOID);
    if (!real)
        real = (NTSTATUS(NTAPI *)(PHANDLE, ULONG, POBJECT_ATTRIBUTES, HANDLE, PCLIENT_ID, PKSTART_ROUTINE,
                                  PVOID))wine_routine("PsCreateSystemThread");
    require_irql("PsCreateSystemThread", PASSIVE_LEVEL, CALLER);
    if (!watched(CALLER))
        return real(handle, access, attributes, process, client, routine, context);
    if (allocation_fails(CALLER))
        return STATUS_INSUFFICIENT_RESOURCES;
    struct thread_start *argument = VirtualAlloc(NULL, sizeof *argument, 0x3000, 4);
    if (!argument)
        return STATUS_INSUFFICIENT_RESOURCES;
    *argument = (struct thread_start){routine, context};
    InterlockedIncrement64(&judge->threads);
    NTSTATUS status = real(handle, access, attributes, process, client, thread_body, argument);
    if (!NT_SUCCESS(status)) {
        InterlockedDecrement64(&judge->threads);
        VirtualFree(argument, 0, MEM_RELEASE_);
    } else {
        handle_opened(*handle, CALLER);
    }
    return status;
}

NTSTATUS NTAPI shim_PsTerminateSystemThread(NTSTATUS status);
NTSTATUS NTAPI shim_PsTerminateSystemThread(NTSTATUS status)
{
    static NTSTATUS(NTAPI * real)(NTSTATUS);
    if (!real)
        real = (NTSTATUS(NTAPI *)(NTSTATUS))wine_routine("PsTerminateSystemThread");
    if (irql_now() != PASSIVE_LEVEL)
        violation(CALLER, "PsTerminateSystemThread at IRQL %u", irql_now());
    if (regions_now())
        violation(CALLER, "PsTerminateSystemThread inside %lu critical regions", regions_now());
    if (watched(CALLER))
        InterlockedDecrement64(&judge->threads);
    return real(status);
}

void deferred_report(void *base, const wchar_t *name)
{
    void *from;
    hold();
    for (LONG i = 0; i < queue_count; i++)
        if (driver_of((void *)queue[i].dpc->DeferredRoutine, &from, NULL) && from == base)
            violation((void *)queue[i].dpc->DeferredRoutine, "left at unload: a queued DPC");
    for (struct set_timer *timer = timers; timer; timer = timer->next)
        if (timer->dpc && driver_of((void *)timer->dpc->DeferredRoutine, &from, NULL) && from == base)
            violation((void *)timer->dpc->DeferredRoutine, "left at unload: a set timer");
    let_go();
}

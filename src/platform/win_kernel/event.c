/* SPDX-License-Identifier: MIT
 *
 * Events: one set wakes one waiter, a thread or (kernel.h) one that listens without a thread.  A lock orders setting
 * and listening, so that no set falls between a look and a wait.  (KeSetEvent with Wait FALSE, KeWaitForSingleObject
 * with a zero timeout, IRQL: <= DISPATCH_LEVEL.)
 */
#include "platform/win_kernel/kernel.h"

struct os_event {
    KEVENT event; /* SynchronizationEvent */
    struct os_spin_lock lock;
    LIST_ENTRY waiters;
};

enum { TAG = OS_TAG('e', 'v', 'n', 't') };

enum result os_event_create(struct os_event **out)
{
    struct os_event *event = os_alloc(sizeof *event, TAG);
    if (!event)
        return RESULT_NO_MEMORY;
    KeInitializeEvent(&event->event, SynchronizationEvent, FALSE);
    InitializeListHead(&event->waiters);
    *out = event;
    return RESULT_OK;
}

void os_event_destroy(struct os_event *event)
{
    if (!event)
        return;
    bug_if(!IsListEmpty(&event->waiters)); /* a waiter keeps the event's owner alive */
    os_free(event, sizeof *event, TAG);
}

void os_event_set(struct os_event *event)
{
    struct os_event_waiter *waiter = NULL;
    os_irql irql = os_spin_acquire(&event->lock);
    if (IsListEmpty(&event->waiters)) {
        KeSetEvent(&event->event, IO_NO_INCREMENT, FALSE);
    } else {
        waiter = CONTAINING_RECORD(RemoveHeadList(&event->waiters), struct os_event_waiter, entry);
        waiter->waiting = false;
    }
    os_spin_release(&event->lock, irql);
    if (waiter)
        waiter->fired(waiter);
}

bool os_event_wait(struct os_event *event, uint64_t timeout_ns)
{
    LARGE_INTEGER limit;
    limit.QuadPart = timeout_ns / 100 > MAXLONGLONG ? -MAXLONGLONG : -(LONGLONG)(timeout_ns / 100);
    return KeWaitForSingleObject(&event->event, Executive, KernelMode, FALSE,
                                 timeout_ns == UINT64_MAX ? NULL : &limit) == STATUS_SUCCESS;
}

void os_event_listen(struct os_event *event, struct os_event_waiter *waiter)
{
    LARGE_INTEGER now = {.QuadPart = 0};
    os_irql irql = os_spin_acquire(&event->lock);
    bool set = KeWaitForSingleObject(&event->event, Executive, KernelMode, FALSE, &now) == STATUS_SUCCESS;
    waiter->waiting = !set;
    if (!set)
        InsertTailList(&event->waiters, &waiter->entry);
    os_spin_release(&event->lock, irql);
    if (set)
        waiter->fired(waiter);
}

bool os_event_unlisten(struct os_event *event, struct os_event_waiter *waiter)
{
    os_irql irql = os_spin_acquire(&event->lock);
    bool was = waiter->waiting;
    if (was)
        RemoveEntryList(&waiter->entry);
    waiter->waiting = false;
    os_spin_release(&event->lock, irql);
    return was;
}

int os_event_fd(struct os_event *event)
{
    return -1;
}

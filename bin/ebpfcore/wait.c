/* SPDX-License-Identifier: MIT
 *
 * Waiting without a thread: the request is kept and listens to the map's event.
 *
 * Three may end a wait: the event (any IRQL up to DISPATCH_LEVEL), the I/O manager's cancel routine, and the cleanup of
 * its session.  Whoever takes it off the event, os_event_set() by firing or one of the others by a successful
 * os_event_unlisten(), has ended it and hands it to the thread below.  The thread, at PASSIVE_LEVEL, drops references
 * and completes the request; before that it waits for the two who may still be looking at it: the thread that began it
 * (`armed` is its last word) and a cancel routine that has started (`cancel_done` is its last word).
 */
#include "core/map.h"
#include "driver.h"

enum { TAG = OS_TAG('w', 'a', 'i', 't') };

struct wait {
    struct os_event_waiter waiter; /* first */
    struct os_event *event;
    struct map *map;
    struct session *session;
    PIRP irp;
    LIST_ENTRY of_session; /* under the lock */
    struct wait *next;     /* in `ended` */
    NTSTATUS status;
    uint32_t cancelled, armed, cancel_done;
};

static struct {
    struct os_spin_lock lock;
    struct wait *ended;
    bool stopping;
    struct os_event *work;
    struct os_thread *thread;
} waits;

static void end(struct wait *wait, NTSTATUS status)
{
    wait->status = status;
    os_irql irql = os_spin_acquire(&waits.lock);
    wait->next = waits.ended;
    waits.ended = wait;
    os_spin_release(&waits.lock, irql);
    os_event_set(waits.work);
}

static void fired(struct os_event_waiter *waiter)
{
    end((struct wait *)waiter, STATUS_SUCCESS);
}

static void give_up(struct wait *wait)
{
    os_exchange(&wait->cancelled, 1); /* before looking: wait_begin() listens before it looks here */
    if (os_event_unlisten(wait->event, &wait->waiter))
        end(wait, STATUS_CANCELLED);
}

static VOID NTAPI on_cancel(PDEVICE_OBJECT device, PIRP irp)
{
    struct wait *wait = irp->Tail.Overlay.DriverContext[0];
    IoReleaseCancelSpinLock(irp->CancelIrql);
    give_up(wait);
    os_store_release(&wait->cancel_done, 1);
}

static void finish(struct wait *wait)
{
    PIRP irp = wait->irp;
    NTSTATUS status = wait->status;
    while (!os_load_acquire(&wait->armed))
        os_yield();
    if (!IoSetCancelRoutine(irp, NULL))
        while (!os_load_acquire(&wait->cancel_done))
            os_yield();
    os_irql irql = os_spin_acquire(&waits.lock);
    RemoveEntryList(&wait->of_session);
    os_spin_release(&waits.lock, irql);
    object_put(&wait->map->object, REF_LOOKUP);
    session_put(wait->session);
    os_free(wait, sizeof *wait, TAG);
    if (status == STATUS_SUCCESS) {
        struct wire_head *head = irp->AssociatedIrp.SystemBuffer;
        head->result = RESULT_OK;
        head->value = 0;
        request_complete(irp, status, sizeof *head);
    } else {
        request_complete(irp, status, 0);
    }
}

static void body(void *argument)
{
    for (;;) {
        os_event_wait(waits.work, UINT64_MAX);
        os_irql irql = os_spin_acquire(&waits.lock);
        struct wait *wait = waits.ended;
        bool stop = waits.stopping;
        waits.ended = NULL;
        os_spin_release(&waits.lock, irql);
        for (struct wait *next; wait; wait = next) {
            next = wait->next;
            finish(wait);
        }
        if (stop)
            return;
    }
}

NTSTATUS waits_start(void)
{
    enum result result = os_event_create(&waits.work);
    if (result)
        return status_from_result(result);
    waits.ended = NULL;
    waits.stopping = false;
    result = os_thread_start(body, NULL, &waits.thread);
    if (result)
        os_event_destroy(waits.work);
    return status_from_result(result);
}

void waits_stop(void)
{
    os_irql irql = os_spin_acquire(&waits.lock);
    waits.stopping = true;
    os_spin_release(&waits.lock, irql);
    os_event_set(waits.work);
    os_thread_join(waits.thread);
    os_event_destroy(waits.work);
}

NTSTATUS wait_begin(struct session *session, PIRP irp, struct wire_head *head)
{
    struct object *object;
    uint32_t flags;
    enum result result = session->client->ops->handle_get(session->client, (int)head->command, &object, &flags);
    if (result)
        return status_from_result(result);
    struct map *map = (struct map *)object;
    struct wait *wait = NULL;
    NTSTATUS status = STATUS_NOT_SUPPORTED;
    if (object->kind == OBJECT_MAP && map->ops->event) {
        wait = os_alloc(sizeof *wait, TAG);
        status = STATUS_INSUFFICIENT_RESOURCES;
    }
    if (!wait) {
        object_put(object, REF_LOOKUP);
        return status;
    }
    wait->waiter.fired = fired;
    wait->event = map->ops->event(map);
    wait->map = map;
    wait->session = session;
    wait->irp = irp;
    session_get(session);
    irp->Tail.Overlay.DriverContext[0] = wait;
    IoMarkIrpPending(irp);

    os_irql irql = os_spin_acquire(&waits.lock);
    InsertTailList(&session->waits, &wait->of_session);
    os_spin_release(&waits.lock, irql);
    os_event_listen(wait->event, &wait->waiter);
    /* Cancelled or cleaned up before the routine was there or while nobody listened: then it is ours to end. */
    IoSetCancelRoutine(irp, on_cancel);
    bool late = irp->Cancel && IoSetCancelRoutine(irp, NULL);
    if (late)
        os_store_release(&wait->cancel_done, 1);
    os_fence();
    if (late || os_load(&wait->cancelled) || os_load(&session->closed))
        give_up(wait);
    os_store_release(&wait->armed, 1);
    return STATUS_PENDING;
}

void waits_cancel(struct session *session)
{
    os_irql irql = os_spin_acquire(&waits.lock);
    struct wait *mine = NULL;
    for (PLIST_ENTRY entry = session->waits.Flink; entry != &session->waits; entry = entry->Flink) {
        struct wait *wait = CONTAINING_RECORD(entry, struct wait, of_session);
        os_exchange(&wait->cancelled, 1);
        if (os_event_unlisten(wait->event, &wait->waiter)) {
            wait->status = STATUS_CANCELLED;
            wait->next = mine;
            mine = wait;
        }
    }
    while (mine) {
        struct wait *next = mine->next;
        mine->next = waits.ended;
        waits.ended = mine;
        mine = next;
    }
    os_spin_release(&waits.lock, irql);
    os_event_set(waits.work);
}

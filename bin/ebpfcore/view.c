/* SPDX-License-Identifier: MIT
 *
 * Views: parts of a map's pages mapped into the process that asked.  A view belongs to a session and lies in a process;
 * it keeps the map alive.  It is taken back in its process: when the client asks, when the session's last handle goes
 * (IRP_MJ_CLEANUP), or when the process ends while somebody else still has the handle, before its addresses go
 * (PsSetCreateProcessNotifyRoutine: called in the ending process, at PASSIVE_LEVEL).  Whoever takes a view off the
 * list, under the lock, is the one to unmap it; the lock is held meanwhile, so that a process does not end half-way.
 *
 * Of a ring a client may write page 0, its own position; everything behind it is read-only for it.  An array that was
 * made to be mapped may be written unless it is frozen, and cannot be frozen while a view may write it.
 */
#include <linux/bpf.h>
#include "core/map.h"
#include "driver.h"
#include "platform/win_kernel/shared.h"

enum { TAG = OS_TAG('v', 'i', 'e', 'w') };

struct view {
    struct view *next;
    struct session *session;
    struct map *map;
    PEPROCESS process;
    HANDLE process_id;
    bool writable;
    struct shared_view shared;
};

static struct os_lock lock;
static struct view *views;

/* May the client have this view?  A writable one has then entered the map. */
static enum result admit(struct map *map, uint32_t flags, const struct wire_head *head, bool writable)
{
    if (map->object.kind != OBJECT_MAP || !map->ops->shared || !map->ops->shared(map))
        return RESULT_NOT_SUPPORTED;
    if (flags & BPF_F_WRONLY || (writable && flags & BPF_F_RDONLY))
        return RESULT_NOT_PERMITTED;
    if (writable && map->kind == BPF_MAP_TYPE_RINGBUF && (head->argument[0] || head->argument[1] > PAGE_SIZE))
        return RESULT_NOT_PERMITTED;
    return writable ? map_writable_enter(map) : RESULT_OK;
}

/* argument: offset, length, writable; value: the address. */
enum result view_map(struct session *session, struct wire_head *head)
{
    struct object *object;
    uint32_t flags;
    bool writable = head->argument[2] != 0;
    enum result result = session->client->ops->handle_get(session->client, (int)head->command, &object, &flags);
    if (result)
        return result;
    struct map *map = (struct map *)object;
    struct view *view = NULL;
    result = admit(map, flags, head, writable);
    if (result) {
        object_put(object, REF_LOOKUP);
        return result;
    }
    result = RESULT_NO_MEMORY;
    view = os_alloc(sizeof *view, TAG);
    if (!view)
        goto fail;
    view->map = map;
    view->writable = writable;
    view->session = session;
    view->process = PsGetCurrentProcess();
    view->process_id = PsGetCurrentProcessId();
    os_lock_acquire(&lock);
    result = os_load(&session->closed) ? RESULT_BAD_HANDLE
                                       : shared_view_map(map->ops->shared(map), (size_t)head->argument[0],
                                                         (size_t)head->argument[1], writable, &view->shared);
    if (!result) {
        ObReferenceObject(view->process);
        view->next = views;
        views = view;
        head->value = (int64_t)(uintptr_t)view->shared.address;
    }
    os_lock_release(&lock);
    if (!result)
        return RESULT_OK;
fail:
    if (writable)
        map_writable_leave(map);
    os_free(view, sizeof *view, TAG);
    object_put(object, REF_LOOKUP);
    return result;
}

/* Holding the lock: unmaps and forgets the view at *place. */
static void release(struct view **place)
{
    struct view *view = *place;
    KAPC_STATE state;
    bool elsewhere = view->process != PsGetCurrentProcess();
    *place = view->next;
    if (elsewhere)
        KeStackAttachProcess((PVOID)view->process, &state); /* IRQL: <= APC_LEVEL */
    shared_view_unmap(&view->shared);
    if (elsewhere)
        KeUnstackDetachProcess(&state);
    ObDereferenceObject(view->process);
    if (view->writable)
        map_writable_leave(view->map);
    object_put(&view->map->object, REF_LOOKUP);
    os_free(view, sizeof *view, TAG);
}

/* argument[0]: the address. */
enum result view_unmap(struct session *session, struct wire_head *head)
{
    os_lock_acquire(&lock);
    struct view **place = &views;
    while (*place && ((uintptr_t)(*place)->shared.address != head->argument[0] ||
                      (*place)->process != PsGetCurrentProcess() || (*place)->session != session))
        place = &(*place)->next;
    bool found = *place != NULL;
    if (found)
        release(place);
    os_lock_release(&lock);
    return found ? RESULT_OK : RESULT_INVALID;
}

void views_close(struct session *session)
{
    os_lock_acquire(&lock);
    for (struct view **place = &views; *place;)
        if ((*place)->session == session)
            release(place);
        else
            place = &(*place)->next;
    os_lock_release(&lock);
}

static VOID NTAPI on_process(HANDLE parent, HANDLE process, BOOLEAN created)
{
    if (created)
        return;
    os_lock_acquire(&lock);
    for (struct view **place = &views; *place;)
        if ((*place)->process_id == process)
            release(place);
        else
            place = &(*place)->next;
    os_lock_release(&lock);
}

NTSTATUS views_start(void)
{
    os_lock_init(&lock);
    views = NULL;
    return PsSetCreateProcessNotifyRoutine(on_process, FALSE); /* IRQL: PASSIVE_LEVEL */
}

void views_stop(void)
{
    PsSetCreateProcessNotifyRoutine(on_process, TRUE); /* waits for one that runs */
    os_lock_destroy(&lock);
}

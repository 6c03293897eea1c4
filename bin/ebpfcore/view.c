/* SPDX-License-Identifier: MIT
 *
 * Views: parts of a ring mapped into the process that asked.  A view belongs to the session and to the process it lies
 * in, and is taken back there: by the client, or when the client's last handle to the device goes (IRP_MJ_CLEANUP comes
 * in that process).  It keeps the ring alive.
 *
 * A client may write page 0, its own position; everything behind it is read-only for it.
 */
#include "core/map.h"
#include "driver.h"
#include "platform/win_kernel/shared.h"

enum { TAG = OS_TAG('v', 'i', 'e', 'w') };

struct view {
    struct view *next;
    struct map *map;
    PEPROCESS process;
    struct shared_view shared;
};

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
    result = RESULT_NOT_SUPPORTED;
    if (object->kind != OBJECT_MAP || !map->ops->shared)
        goto fail;
    result = RESULT_NOT_PERMITTED;
    if (writable && (head->argument[0] || head->argument[1] > PAGE_SIZE))
        goto fail;
    result = RESULT_NO_MEMORY;
    view = os_alloc(sizeof *view, TAG);
    if (!view)
        goto fail;
    view->map = map;
    view->process = PsGetCurrentProcess();
    os_lock_acquire(&session->view_lock);
    result = os_load(&session->closed) ? RESULT_BAD_HANDLE
                                       : shared_view_map(map->ops->shared(map), (size_t)head->argument[0],
                                                         (size_t)head->argument[1], writable, &view->shared);
    if (!result) {
        ObReferenceObject(view->process);
        view->next = session->views;
        session->views = view;
        head->value = (int64_t)(uintptr_t)view->shared.address;
    }
    os_lock_release(&session->view_lock);
    if (!result)
        return RESULT_OK;
fail:
    os_free(view, sizeof *view, TAG);
    object_put(object, REF_LOOKUP);
    return result;
}

static void release(struct view *view)
{
    KAPC_STATE state;
    bool elsewhere = view->process != PsGetCurrentProcess();
    if (elsewhere)
        KeStackAttachProcess((PVOID)view->process, &state); /* IRQL: <= APC_LEVEL */
    shared_view_unmap(&view->shared);
    if (elsewhere)
        KeUnstackDetachProcess(&state);
    ObDereferenceObject(view->process);
    object_put(&view->map->object, REF_LOOKUP);
    os_free(view, sizeof *view, TAG);
}

/* argument[0]: the address. */
enum result view_unmap(struct session *session, struct wire_head *head)
{
    os_lock_acquire(&session->view_lock);
    struct view **place = &session->views;
    while (*place &&
           ((uintptr_t)(*place)->shared.address != head->argument[0] || (*place)->process != PsGetCurrentProcess()))
        place = &(*place)->next;
    struct view *view = *place;
    if (view)
        *place = view->next;
    os_lock_release(&session->view_lock);
    if (!view)
        return RESULT_INVALID;
    release(view);
    return RESULT_OK;
}

void views_close(struct session *session)
{
    os_lock_acquire(&session->view_lock);
    struct view *view = session->views;
    session->views = NULL;
    os_lock_release(&session->view_lock);
    for (struct view *next; view; view = next) {
        next = view->next;
        release(view);
    }
}

/* SPDX-License-Identifier: MIT
 *
 * Inside the driver: a *session* is one open of the device, with a handle table of its own.  Whoever works for it, a
 * request that is being served or one that waits, holds a reference; the last one closes its handles.
 */
#ifndef WINBPF_EBPFCORE_DRIVER_H
#define WINBPF_EBPFCORE_DRIVER_H

#include "core/client.h"
#include "platform/win_kernel/kernel.h"
#include "wire/wire.h"

struct session {
    struct client *client;
    uint32_t references;
    uint32_t closed;  /* IRP_MJ_CLEANUP has come: nothing may begin to wait */
    LIST_ENTRY waits; /* under the waits' lock */
};

NTSTATUS session_create(struct session **out);
void session_get(struct session *session);
/* IRQL: PASSIVE_LEVEL. */
void session_put(struct session *session);

/* What the request answers, and that it is done.  IRQL: <= DISPATCH_LEVEL. */
NTSTATUS request_complete(PIRP irp, NTSTATUS status, size_t information);
NTSTATUS status_from_result(enum result result);

/* Requests that wait (wait.c). */
NTSTATUS waits_start(void);
void waits_stop(void);
/* Takes the request over and returns STATUS_PENDING, or fails without having touched it. */
NTSTATUS wait_begin(struct session *session, PIRP irp, struct wire_head *head);
/* Ends every wait of the session with STATUS_CANCELLED. */
void waits_cancel(struct session *session);

/* Maps' pages in the client's process (view.c). */
NTSTATUS views_start(void);
void views_stop(void);
enum result view_map(struct session *session, struct wire_head *head);
enum result view_unmap(struct session *session, struct wire_head *head);
void views_close(struct session *session);

/* The device's protection (security.c): SYSTEM and Administrators, all access; nobody else. */
NTSTATUS device_protect(PDEVICE_OBJECT device);

#endif

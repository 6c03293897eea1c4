/* SPDX-License-Identifier: MIT
 *
 * ebpfcore.sys: the core in a driver.  This file is its table of contents: what is started, in order; what is undone,
 * in reverse; what a request is.
 *
 * There is one request, a device control that carries a wire message (wire/wire.h) in a buffer of the system's
 * (METHOD_BUFFERED): the client cannot change it while we read it, and its memory is never touched.  Commands run in
 * the caller's thread; a test run goes to a worker, because it may be long and the caller may want to give up; a wait
 * is kept until there is something to read.
 *
 * When the driver may be unloaded every session is closed (the I/O manager keeps us while a file object lives), so
 * there is no request, no handle and no program running; what is left, pins and what hangs on them, goes with the core.
 */
#include "compose.h"
#include "driver.h"
#include "engine/engine.h"
#include "wire/server.h"

#include <linux/bpf.h>

enum { TAG_SESSION = OS_TAG('s', 'e', 's', 's'), TAG_WORK = OS_TAG('w', 'o', 'r', 'k') };

static UNICODE_STRING device_name = RTL_CONSTANT_STRING(L"\\Device\\EbpfIoDevice");
static UNICODE_STRING link_name = RTL_CONSTANT_STRING(L"\\DosDevices\\EbpfIoDevice");

NTSTATUS status_from_result(enum result result)
{
    switch (result) {
    case RESULT_OK: return STATUS_SUCCESS;
    case RESULT_NO_MEMORY: return STATUS_INSUFFICIENT_RESOURCES;
    case RESULT_ACCESS:
    case RESULT_NOT_PERMITTED: return STATUS_ACCESS_DENIED;
    case RESULT_NOT_SUPPORTED:
    case RESULT_NOT_SUPP: return STATUS_NOT_SUPPORTED;
    case RESULT_BAD_HANDLE: return STATUS_INVALID_HANDLE;
    default: return STATUS_INVALID_PARAMETER;
    }
}

NTSTATUS request_complete(PIRP irp, NTSTATUS status, size_t information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

/* A client's memory is its messages: whoever uses the table itself has none. */
static enum result no_read(void *self, void *to, uint64_t from, size_t size)
{
    return RESULT_FAULT;
}

static enum result no_write(void *self, uint64_t to, const void *from, size_t size)
{
    return RESULT_FAULT;
}

NTSTATUS session_create(struct session **out)
{
    static const struct client_memory memory = {no_read, no_write, NULL};
    struct session *session = os_alloc(sizeof *session, TAG_SESSION);
    if (!session)
        return STATUS_INSUFFICIENT_RESOURCES;
    /* The device's protection let only administrators in. */
    enum result result = client_table_create(&memory, true, &session->client);
    if (result) {
        os_free(session, sizeof *session, TAG_SESSION);
        return status_from_result(result);
    }
    session->references = 1;
    InitializeListHead(&session->waits);
    *out = session;
    return STATUS_SUCCESS;
}

void session_get(struct session *session)
{
    os_fetch_add(&session->references, 1);
}

void session_put(struct session *session)
{
    if (os_fetch_sub(&session->references, 1) != 1)
        return;
    client_table_destroy(session->client);
    os_free(session, sizeof *session, TAG_SESSION);
}

static struct session *session_of(PIRP irp)
{
    return IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext;
}

static NTSTATUS NTAPI on_create(PDEVICE_OBJECT device, PIRP irp)
{
    struct session *session;
    PFILE_OBJECT file = IoGetCurrentIrpStackLocation(irp)->FileObject;
    if (file->FileName.Length) /* there is nothing below the device */
        return request_complete(irp, STATUS_OBJECT_NAME_NOT_FOUND, 0);
    NTSTATUS status = session_create(&session);
    if (NT_SUCCESS(status))
        file->FsContext = session;
    return request_complete(irp, status, 0);
}

/* The last handle to the file object is closed; requests may still be under way. */
static NTSTATUS NTAPI on_cleanup(PDEVICE_OBJECT device, PIRP irp)
{
    struct session *session = session_of(irp);
    os_exchange(&session->closed, 1);
    waits_cancel(session);
    views_close(session);
    return request_complete(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI on_close(PDEVICE_OBJECT device, PIRP irp)
{
    session_put(session_of(irp));
    return request_complete(irp, STATUS_SUCCESS, 0);
}

/* Has the client given the request up: cancelled it, or closed its handle?  (IoCancelIrp sets Cancel for requests
 * without a cancel routine too.) */
static bool given_up(void *irp)
{
    return *(volatile BOOLEAN *)&((PIRP)irp)->Cancel || os_load(&session_of(irp)->closed);
}

/* Serves a message that needs no waiting; the answer replaces it. */
static NTSTATUS serve(PIRP irp, void *message, size_t size, size_t *answer)
{
    struct wire_head *head = message;
    struct session *session = session_of(irp);
    const struct wire_patience patience = {given_up, irp};
    if (head->kind != WIRE_RING_MAP && head->kind != WIRE_RING_UNMAP)
        return status_from_result(wire_serve(session->client, &patience, message, size, answer));
    *answer = wire_answer_size(message);
    head->value = 0;
    enum result result = head->kind == WIRE_RING_MAP ? view_map(session, head) : view_unmap(session, head);
    head->result = (int32_t)result;
    return STATUS_SUCCESS;
}

struct work {
    PIO_WORKITEM item;
    PIRP irp;
    struct session *session;
    size_t size;
};

static VOID NTAPI run_work(PDEVICE_OBJECT device, PVOID context)
{
    struct work *work = context;
    PIRP irp = work->irp;
    size_t answer = 0;
    NTSTATUS status = serve(irp, irp->AssociatedIrp.SystemBuffer, work->size, &answer);
    if (NT_SUCCESS(status) && ((struct wire_head *)irp->AssociatedIrp.SystemBuffer)->result == RESULT_INTERRUPTED &&
        given_up(irp))
        status = STATUS_CANCELLED;
    session_put(work->session);
    IoFreeWorkItem(work->item);
    os_free(work, sizeof *work, TAG_WORK);
    request_complete(irp, status, NT_SUCCESS(status) ? answer : 0); /* the last thing: then we may be unloaded */
}

static NTSTATUS queue_work(PDEVICE_OBJECT device, struct session *session, PIRP irp, size_t size)
{
    struct work *work = os_alloc(sizeof *work, TAG_WORK);
    if (!work)
        return STATUS_INSUFFICIENT_RESOURCES;
    *work = (struct work){IoAllocateWorkItem(device), irp, session, size};
    if (!work->item) {
        os_free(work, sizeof *work, TAG_WORK);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    session_get(session);
    IoMarkIrpPending(irp);
    IoQueueWorkItem(work->item, run_work, DelayedWorkQueue, work);
    return STATUS_PENDING;
}

static NTSTATUS NTAPI on_control(PDEVICE_OBJECT device, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    struct session *session = session_of(irp);
    struct wire_head *head = irp->AssociatedIrp.SystemBuffer;
    size_t size = stack->Parameters.DeviceIoControl.InputBufferLength, answer = 0;
    NTSTATUS status;
    if (stack->Parameters.DeviceIoControl.IoControlCode != (ULONG)WIRE_IOCTL)
        return request_complete(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    if (wire_check(head, size))
        return request_complete(irp, STATUS_INVALID_PARAMETER, 0);
    if (wire_answer_size(head) > stack->Parameters.DeviceIoControl.OutputBufferLength)
        return request_complete(irp, STATUS_BUFFER_TOO_SMALL, 0);
    if (os_load(&session->closed))
        return request_complete(irp, STATUS_FILE_CLOSED, 0);
    if (head->kind == WIRE_WAIT)
        status = wait_begin(session, irp, head);
    else if (head->kind == WIRE_COMMAND && head->command == BPF_PROG_TEST_RUN)
        status = queue_work(device, session, irp, size);
    else
        status = serve(irp, head, size, &answer);
    if (status == STATUS_PENDING)
        return status;
    return request_complete(irp, status, NT_SUCCESS(status) ? answer : 0);
}

static VOID NTAPI on_unload(PDRIVER_OBJECT driver)
{
    IoDeleteSymbolicLink(&link_name);
    IoDeleteDevice(driver->DeviceObject);
    views_stop();
    waits_stop();
    compose_stop();
    kernel_stop();
}

DRIVER_INITIALIZE DriverEntry;
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    static const struct core_options options = {.engine = &engine_checked};
    PDEVICE_OBJECT device;
    NTSTATUS status = status_from_result(kernel_start());
    if (!NT_SUCCESS(status))
        return status;
    status = status_from_result(compose_start(&options));
    if (!NT_SUCCESS(status))
        goto stop_platform;
    status = waits_start();
    if (!NT_SUCCESS(status))
        goto stop_core;
    status = views_start();
    if (!NT_SUCCESS(status))
        goto stop_waits;
    status = IoCreateDevice(driver, 0, &device_name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE, &device);
    if (!NT_SUCCESS(status))
        goto stop_views;
    status = device_protect(device);
    if (NT_SUCCESS(status))
        status = IoCreateSymbolicLink(&link_name, &device_name);
    if (!NT_SUCCESS(status))
        goto delete_device;
    driver->MajorFunction[IRP_MJ_CREATE] = on_create;
    driver->MajorFunction[IRP_MJ_CLEANUP] = on_cleanup;
    driver->MajorFunction[IRP_MJ_CLOSE] = on_close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = on_control;
    driver->DriverUnload = on_unload;
    device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING; /* from here on it can be opened */
    return STATUS_SUCCESS;
delete_device:
    IoDeleteDevice(device);
stop_views:
    views_stop();
stop_waits:
    waits_stop();
stop_core:
    compose_stop();
stop_platform:
    kernel_stop();
    return status;
}

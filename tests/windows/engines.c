/* SPDX-License-Identifier: MIT
 *
 * engines.sys: the engines in a driver, as ebpfcore.sys has them, with a door for raw programs (engines.h).  Programs
 * are compiled at PASSIVE_LEVEL and run at DISPATCH_LEVEL, with the memory that a packet's program has.
 */
#include <stdio.h>
#include <stdlib.h>
#include "platform/win_kernel/kernel.h"

static void *aligned(size_t size)
{
    return os_alloc_aligned(size, OS_TAG('t', 'r', 'u', 'n'));
}

static void release(void *memory)
{
    os_free_aligned(memory, 0, OS_TAG('t', 'r', 'u', 'n'));
}

#define RAW_ALLOC(size)  aligned(size)
#define RAW_FREE(memory) release(memory)
#include "conformance/raw.h"
#include "engines.h"

static UNICODE_STRING device_name = RTL_CONSTANT_STRING(L"\\Device\\WinbpfEngines");
static UNICODE_STRING link_name = RTL_CONSTANT_STRING(L"\\DosDevices\\WinbpfEngines");

enum { TAG = OS_TAG('t', 'e', 'n', 'g'), VALUES = 4096 };

/* Everything that is large, for a kernel stack is not. */
struct work {
    struct raw_map given[RAW_MAPS];
    struct raw_maps maps;
    struct raw raw, tail;
    struct code_fault fault;
};

static void keep_line(void *self, enum diag_level level, const char *line)
{
    char *reason = self;
    size_t length = strlen(line);
    memcpy(reason, line, length < 199 ? length : 199);
    reason[length < 199 ? length : 199] = 0;
}

static bool use_maps(struct work *work, const struct engines_request *request)
{
    for (uint32_t i = 0; i < request->map_count; i++) {
        struct raw_map *map = &work->given[i];
        map->kind = request->maps[i].kind;
        map->key_size = request->maps[i].key_size;
        map->value_size = request->maps[i].value_size;
        map->max_entries = request->maps[i].max_entries;
        map->flags = request->maps[i].flags;
        if ((uint64_t)map->value_size * map->max_entries > VALUES || !(map->values = os_alloc(VALUES, TAG)))
            return false;
    }
    raw_maps_make(&work->maps, work->given, request->map_count);
    return true;
}

static void execute(struct work *work, struct engines_request *request, const struct insn *insns)
{
    static const struct engine *const engines[] = {&engine_interp, &engine_checked, &engine_jit};
    const struct diag diag = {keep_line, request->reason, NULL};
    const struct engine *engine = engines[request->engine];
    request->opened = (int32_t)raw_open(&work->raw, engine, insns, request->count, &work->maps, &diag);
    if (request->opened)
        return;
    if (request->tail_count) {
        request->opened =
            (int32_t)raw_open(&work->tail, engine, insns + request->count, request->tail_count, &work->maps, &diag);
        if (request->opened) {
            raw_close(&work->raw);
            return;
        }
        size_t size;
        work->maps.tail[0].code = work->tail.code;
        work->maps.tail[0].jit_entry = code_machine(work->tail.code, &size);
        work->maps.slots[0] = &work->maps.tail[0];
    }
    os_irql irql = os_cpu_pin();
    request->ran = (int32_t)raw_run(&work->raw, request->memory, request->memory_length, &request->r0, &work->fault);
    os_cpu_unpin(irql);
    if (request->ran)
        keep_line(request->reason, DIAG_ERROR, work->fault.reason);
    if (request->tail_count)
        raw_close(&work->tail);
    raw_close(&work->raw);
}

static NTSTATUS serve(struct engines_request *request, size_t size)
{
    if (size < sizeof *request || request->engine > 2 || request->memory_length > ENGINES_MEMORY ||
        request->map_count > RAW_MAPS || request->count > ENGINES_INSNS || request->tail_count > ENGINES_INSNS ||
        size != sizeof *request + ((size_t)request->count + request->tail_count) * sizeof(struct insn))
        return STATUS_INVALID_PARAMETER;
    struct work *work = os_alloc(sizeof *work, TAG);
    if (!work)
        return STATUS_INSUFFICIENT_RESOURCES;
    bool ready = use_maps(work, request);
    if (ready)
        execute(work, request, (const struct insn *)(request + 1));
    for (uint32_t i = 0; i < request->map_count; i++)
        os_free(work->given[i].values, VALUES, TAG);
    os_free(work, sizeof *work, TAG);
    return ready ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

static NTSTATUS finish(PIRP irp, NTSTATUS status, size_t information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS NTAPI on_open_or_close(PDEVICE_OBJECT device, PIRP irp)
{
    return finish(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI on_control(PDEVICE_OBJECT device, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    if (stack->Parameters.DeviceIoControl.IoControlCode != (ULONG)ENGINES_IOCTL ||
        stack->Parameters.DeviceIoControl.OutputBufferLength < sizeof(struct engines_request))
        return finish(irp, STATUS_INVALID_PARAMETER, 0);
    NTSTATUS status = serve(irp->AssociatedIrp.SystemBuffer, stack->Parameters.DeviceIoControl.InputBufferLength);
    return finish(irp, status, NT_SUCCESS(status) ? sizeof(struct engines_request) : 0);
}

static VOID NTAPI on_unload(PDRIVER_OBJECT driver)
{
    IoDeleteSymbolicLink(&link_name);
    IoDeleteDevice(driver->DeviceObject);
    kernel_stop();
}

DRIVER_INITIALIZE DriverEntry;
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry)
{
    PDEVICE_OBJECT device;
    if (kernel_start())
        return STATUS_INSUFFICIENT_RESOURCES;
    NTSTATUS status =
        IoCreateDevice(driver, 0, &device_name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&link_name, &device_name);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    driver->DriverUnload = on_unload;
    driver->MajorFunction[IRP_MJ_CREATE] = driver->MajorFunction[IRP_MJ_CLEANUP] = on_open_or_close;
    driver->MajorFunction[IRP_MJ_CLOSE] = on_open_or_close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = on_control;
    device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

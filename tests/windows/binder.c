/* SPDX-License-Identifier: MIT
 *
 * A driver that is a provider and a client of one NPI, so that the registrar (netio/netio.c) is judged: IOCTL function
 * 0x800 + n does the n-th thing below; test_nmr.c expects a line of the judge, or none.
 */
#include "netio/nmr.h"

extern KIRQL(NTAPI *imp_KfRaiseIrql)(KIRQL to) __asm__("__imp_KfRaiseIrql");
extern VOID(NTAPI *imp_KeLowerIrql)(KIRQL to) __asm__("__imp_KeLowerIrql");

static UNICODE_STRING device_name = RTL_CONSTANT_STRING(L"\\Device\\WinbpfBinder");
static UNICODE_STRING link_name = RTL_CONSTANT_STRING(L"\\DosDevices\\WinbpfBinder");

static NPIID npi = {0x5a1d0a01, 0x7be4, 0x4c7e, {0x9d, 0x11, 0x42, 0x0f, 0x60, 0x5c, 0x33, 0x10}};
static NPIID other_npi = {0x5a1d0a02, 0x7be4, 0x4c7e, {0x9d, 0x11, 0x42, 0x0f, 0x60, 0x5c, 0x33, 0x10}};
static NPI_MODULEID module_id = {sizeof module_id, 1, {{1, 2, 3, {4}}}};

/* What the callbacks saw, and how they are to answer. */
static struct {
    ULONG client_attach, provider_attach, client_detach, provider_detach, client_cleanup, provider_cleanup;
    int pend, lie;
    HANDLE binding;
    PVOID provider_binding;
    const VOID *provider_dispatch, *client_dispatch;
} seen;
static const int client_table = 11, provider_table = 22;
static int client_binding, provider_binding;

static NTSTATUS NTAPI client_attach(HANDLE binding, PVOID context, PNPI_REGISTRATION_INSTANCE provider)
{
    seen.client_attach++;
    seen.binding = binding;
    if (seen.lie)
        return STATUS_SUCCESS;
    return NmrClientAttachProvider(binding, &client_binding, &client_table, &seen.provider_binding,
                                   &seen.provider_dispatch);
}

static NTSTATUS NTAPI client_detach(PVOID context)
{
    seen.client_detach += context == &client_binding;
    return seen.pend ? STATUS_PENDING : STATUS_SUCCESS;
}

static VOID NTAPI client_cleanup(PVOID context)
{
    seen.client_cleanup += context == &client_binding;
}

static NTSTATUS NTAPI provider_attach(HANDLE binding, PVOID context, PNPI_REGISTRATION_INSTANCE client,
                                      PVOID client_context, const VOID *dispatch, PVOID *own, const VOID **own_dispatch)
{
    seen.provider_attach += client_context == &client_binding;
    seen.client_dispatch = dispatch;
    *own = &provider_binding;
    *own_dispatch = &provider_table;
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI provider_detach(PVOID context)
{
    seen.provider_detach += context == &provider_binding;
    return STATUS_SUCCESS;
}

static VOID NTAPI provider_cleanup(PVOID context)
{
    seen.provider_cleanup += context == &provider_binding;
}

static NPI_CLIENT_CHARACTERISTICS client = {0,
                                            sizeof client,
                                            client_attach,
                                            client_detach,
                                            client_cleanup,
                                            {0, sizeof(NPI_REGISTRATION_INSTANCE), &npi, &module_id, 1, NULL}};
static NPI_CLIENT_CHARACTERISTICS stranger = {0,
                                              sizeof stranger,
                                              client_attach,
                                              client_detach,
                                              client_cleanup,
                                              {0, sizeof(NPI_REGISTRATION_INSTANCE), &other_npi, &module_id, 1, NULL}};
static NPI_PROVIDER_CHARACTERISTICS provider = {0,
                                                sizeof provider,
                                                provider_attach,
                                                provider_detach,
                                                provider_cleanup,
                                                {0, sizeof(NPI_REGISTRATION_INSTANCE), &npi, &module_id, 2, NULL}};

/* Both orders of registering, both of leaving; a module of another interface is not bound. */
static NTSTATUS by_the_rules(void)
{
    HANDLE c, p, s;
    for (int i = 0; i < 4; i++) {
        RtlZeroMemory(&seen, sizeof seen);
        seen.pend = i & 1;
        NmrRegisterClient(&stranger, NULL, &s);
        if (i & 2)
            NmrRegisterProvider(&provider, NULL, &p);
        NmrRegisterClient(&client, NULL, &c);
        if (!(i & 2))
            NmrRegisterProvider(&provider, NULL, &p);
        if (seen.client_attach != 1 || seen.provider_attach != 1 || seen.provider_binding != &provider_binding ||
            seen.provider_dispatch != &provider_table || seen.client_dispatch != &client_table)
            return STATUS_UNSUCCESSFUL;
        if (i & 2)
            NmrDeregisterClient(c);
        else
            NmrDeregisterProvider(p);
        if (seen.client_detach != 1 || seen.provider_detach != 1 || seen.client_cleanup != !seen.pend)
            return STATUS_UNSUCCESSFUL;
        if (seen.pend)
            NmrClientDetachProviderComplete(seen.binding);
        if (seen.client_cleanup != 1 || seen.provider_cleanup != 1)
            return STATUS_UNSUCCESSFUL;
        if (i & 2)
            NmrDeregisterProvider(p);
        else
            NmrDeregisterClient(c);
        NmrDeregisterClient(s);
        if (NmrWaitForClientDeregisterComplete(c) || NmrWaitForProviderDeregisterComplete(p) ||
            NmrWaitForClientDeregisterComplete(s) || seen.client_detach != 1)
            return STATUS_UNSUCCESSFUL;
    }
    return STATUS_SUCCESS;
}

static void leave(HANDLE c, HANDLE p)
{
    if (c && NmrDeregisterClient(c) == STATUS_PENDING)
        NmrWaitForClientDeregisterComplete(c);
    if (p && NmrDeregisterProvider(p) == STATUS_PENDING)
        NmrWaitForProviderDeregisterComplete(p);
}

static NTSTATUS act(ULONG number)
{
    HANDLE c = NULL, p = NULL;
    KIRQL old;
    RtlZeroMemory(&seen, sizeof seen);
    switch (number) {
    case 0: return by_the_rules();
    case 1: /* registering at DISPATCH_LEVEL */
        old = imp_KfRaiseIrql(DISPATCH_LEVEL);
        NmrRegisterProvider(&provider, NULL, &p);
        imp_KeLowerIrql(old);
        leave(NULL, p);
        return STATUS_SUCCESS;
    case 2: /* left at unload: a registration that was not waited for */
        NmrRegisterProvider(&provider, NULL, &p);
        return NmrDeregisterProvider(p) == STATUS_PENDING ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
    case 3: /* a detach completed that was not pending */
        NmrRegisterProvider(&provider, NULL, &p);
        NmrRegisterClient(&client, NULL, &c);
        NmrClientDetachProviderComplete(seen.binding);
        leave(c, p);
        return STATUS_SUCCESS;
    case 4: /* attached, it says, and is not */
        seen.lie = 1;
        NmrRegisterProvider(&provider, NULL, &p);
        NmrRegisterClient(&client, NULL, &c);
        leave(c, p);
        return STATUS_SUCCESS;
    case 5: /* deregistered twice */
        NmrRegisterProvider(&provider, NULL, &p);
        NmrDeregisterProvider(p);
        NmrDeregisterProvider(p);
        return NmrWaitForProviderDeregisterComplete(p);
    case 6: /* waiting at DISPATCH_LEVEL */
        NmrRegisterProvider(&provider, NULL, &p);
        NmrDeregisterProvider(p);
        old = imp_KfRaiseIrql(DISPATCH_LEVEL);
        NmrWaitForProviderDeregisterComplete(p);
        imp_KeLowerIrql(old);
        return STATUS_SUCCESS;
    default: return STATUS_INVALID_PARAMETER;
    }
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
    return finish(irp, act((code >> 2 & 0xfff) - 0x800));
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
    driver->DriverUnload = on_unload;
    driver->MajorFunction[IRP_MJ_CREATE] = driver->MajorFunction[IRP_MJ_CLEANUP] = on_open_or_close;
    driver->MajorFunction[IRP_MJ_CLOSE] = on_open_or_close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = on_control;
    NTSTATUS status =
        IoCreateDevice(driver, 0, &device_name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE, &device);
    if (NT_SUCCESS(status))
        status = IoCreateSymbolicLink(&link_name, &device_name);
    return status;
}

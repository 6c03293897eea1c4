/* SPDX-License-Identifier: MIT
 *
 * The life of a driver: loading (DriverEntry at PASSIVE_LEVEL and back), each dispatch routine (entered and left at
 * PASSIVE_LEVEL with the lock count it came with), the life of a file object, and unload, after which nothing of the
 * driver may be left.  Handles and references that a driver takes are counted here too.
 *
 * Wine's file objects differ from Windows' (pages of IRP_MJ_CLEANUP and IRP_MJ_CLOSE), which is made good here: a
 * refused IRP_MJ_CREATE ends the file object, so nothing else comes for it; IRP_MJ_CLEANUP comes when the last handle
 * goes, or the client ends (a thread watches for that), even while requests are pending; IRP_MJ_CLOSE comes when every
 * request of the file object is completed; and a driver is unloaded when its file objects and work items are gone.
 */
#include "overlay.h"

#define W(name) wine_routine(name)

enum { DRIVERS = 64 };
static struct driver {
    PDRIVER_OBJECT object;
    PDRIVER_DISPATCH dispatch[IRP_MJ_MAXIMUM_FUNCTION + 1];
    PDRIVER_UNLOAD unload;
} drivers[DRIVERS];
static LONG driver_count;

static struct driver *driver_find(PDRIVER_OBJECT object)
{
    for (LONG i = driver_count - 1; i >= 0; i--)
        if (drivers[i].object == object)
            return &drivers[i];
    return NULL;
}

static NTSTATUS judged(struct driver *driver, UCHAR major, PDEVICE_OBJECT device, PIRP irp)
{
    irql_set(PASSIVE_LEVEL);
    void *mark = stack_mark();
    NTSTATUS status = driver->dispatch[major](device, irp);
    stack_judge(mark, (void *)driver->dispatch[major]);
    if (irql_now() != PASSIVE_LEVEL) {
        violation((void *)driver->dispatch[major], "dispatch of IRP major %u returned at IRQL %u", major, irql_now());
        irql_set(PASSIVE_LEVEL);
    }
    if (regions_now()) {
        violation((void *)driver->dispatch[major], "dispatch of IRP major %u returned inside %lu critical regions",
                  major, regions_now());
        regions_set(0);
    }
    return status;
}

static NTSTATUS NTAPI cleanup_done(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    ((VOID(NTAPI *)(PIRP))W("IoFreeIrp"))(irp);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

enum { FILES = 1024 };
static struct open_file {
    PFILE_OBJECT file;
    struct driver *driver;
    PDEVICE_OBJECT device;
    PETHREAD thread;
    HANDLE client; /* its process */
    int refused;
    LONG pending; /* requests that the driver has and has not completed */
    enum { IN_USE, BEING_CLEANED, CLEANED } state;
} files[FILES];
static volatile LONG files_lock;

static void files_hold(void)
{
    while (InterlockedExchange(&files_lock, 1))
        Sleep(0);
}

static void files_let_go(void)
{
    InterlockedExchange(&files_lock, 0);
}

/* Holding the lock. */
static struct open_file *file_find(PFILE_OBJECT file)
{
    for (int i = 0; i < FILES; i++)
        if (files[i].file == file)
            return &files[i];
    return NULL;
}

static void send_cleanup(const struct open_file *open)
{
    PIRP irp = ((PIRP(NTAPI *)(CCHAR, BOOLEAN))W("IoAllocateIrp"))(open->device->StackSize, FALSE);
    if (!irp)
        return;
    PIO_STACK_LOCATION stack = IoGetNextIrpStackLocation(irp);
    stack->MajorFunction = IRP_MJ_CLEANUP;
    stack->FileObject = open->file;
    irp->Tail.Overlay.OriginalFileObject = open->file;
    irp->Tail.Overlay.Thread = open->thread;
    irp->RequestorMode = UserMode;
    IoSetCompletionRoutine(irp, cleanup_done, NULL, TRUE, TRUE, TRUE);
    ((NTSTATUS(NTAPI *)(PDEVICE_OBJECT, PIRP))W("IoCallDriver"))(open->device, irp);
    InterlockedIncrement64(&judge->cleanups);
}

/* The next file whose client has ended and whose cleanup has not come; it has now. */
static int next_orphan(struct open_file *out)
{
    int found = 0;
    files_hold();
    for (int i = 0; i < FILES && !found; i++)
        if (files[i].file && files[i].client && !files[i].refused && files[i].state == IN_USE &&
            WaitForSingleObject(files[i].client, 0) == 0) {
            files[i].state = BEING_CLEANED;
            found = 1;
            *out = files[i];
        }
    files_let_go();
    return found;
}

static ULONG __stdcall watch_clients(void *unused)
{
    struct open_file orphan;
    for (;;)
        if (next_orphan(&orphan)) {
            send_cleanup(&orphan);
            files_hold();
            file_find(orphan.file)->state = CLEANED;
            files_let_go();
        } else {
            Sleep(10);
        }
    return 0;
}

/* A request goes to the driver, or comes back. */
static void count_pending(PFILE_OBJECT file, LONG change)
{
    files_hold();
    struct open_file *place = file ? file_find(file) : NULL;
    if (place)
        place->pending += change;
    files_let_go();
}

static int counts(UCHAR major)
{
    return major != IRP_MJ_CREATE && major != IRP_MJ_CLEANUP && major != IRP_MJ_CLOSE;
}

VOID FASTCALL shim_IofCompleteRequest(PIRP irp, CCHAR boost);
VOID FASTCALL shim_IofCompleteRequest(PIRP irp, CCHAR boost)
{
    static VOID(FASTCALL * real)(PIRP, CCHAR);
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    PFILE_OBJECT file = watched(CALLER) && counts(stack->MajorFunction) ? stack->FileObject : NULL;
    if (!real)
        real = (VOID(FASTCALL *)(PIRP, CCHAR))W("IofCompleteRequest");
    require_irql("IofCompleteRequest", DISPATCH_LEVEL, CALLER);
    if (irp->CancelRoutine)
        violation(CALLER, "IoCompleteRequest of a request that still has a cancel routine");
    real(irp, boost);
    count_pending(file, -1);
}

/* Until the driver has completed every request of the file. */
static void wait_for_requests(PFILE_OBJECT file, const struct driver *driver)
{
    for (int tries = 0; tries < 2000; tries++) {
        files_hold();
        const struct open_file *place = file_find(file);
        LONG pending = place ? place->pending : 0;
        files_let_go();
        if (!pending)
            return;
        Sleep(5);
    }
    violation((void *)driver->dispatch[IRP_MJ_CLOSE], "a request is not completed after IRP_MJ_CLEANUP");
}

static NTSTATUS create(struct driver *driver, PDEVICE_OBJECT device, PIRP irp)
{
    static volatile LONG watching;
    PFILE_OBJECT file = IoGetCurrentIrpStackLocation(irp)->FileObject;
    struct open_file open = {file, driver, device, irp->Tail.Overlay.Thread, NULL, 0, 0, IN_USE};
    ULONG client = (ULONG)(ULONG_PTR)((HANDLE(NTAPI *)(void))W("PsGetCurrentProcessId"))();
    if (!InterlockedExchange(&watching, 1))
        CloseHandle(CreateThread(NULL, 0, watch_clients, NULL, 0, NULL));
    NTSTATUS status = judged(driver, IRP_MJ_CREATE, device, irp);
    open.refused = !NT_SUCCESS(status);
    open.client = OpenProcess(0x100000 /* SYNCHRONIZE */, 0, client);
    files_hold();
    struct open_file *place = file_find(NULL);
    if (place)
        *place = open;
    files_let_go();
    return status;
}

static NTSTATUS complete(PIRP irp, NTSTATUS status)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = 0;
    ((VOID(FASTCALL *)(PIRP, CCHAR))W("IofCompleteRequest"))(irp, 0);
    return status;
}

static NTSTATUS NTAPI dispatch(PDEVICE_OBJECT device, PIRP irp)
{
    struct driver *driver = driver_find(device->DriverObject);
    UCHAR major = IoGetCurrentIrpStackLocation(irp)->MajorFunction;
    struct open_file open = {0};
    if (major == IRP_MJ_CREATE)
        return create(driver, device, irp);
    struct open_file *place;
    for (;;) {
        files_hold();
        place = file_find(IoGetCurrentIrpStackLocation(irp)->FileObject);
        if (!place || major != IRP_MJ_CLOSE || place->state != BEING_CLEANED)
            break;
        files_let_go();
        Sleep(1);
    }
    if (place) {
        open = *place;
        if (major == IRP_MJ_CLOSE)
            place->state = CLEANED;
    }
    files_let_go();
    if (major == IRP_MJ_CLOSE) {
        if (place && !open.refused && open.state == IN_USE && driver->dispatch[IRP_MJ_CLEANUP])
            send_cleanup(&open);
        if (open.client)
            CloseHandle(open.client);
        if (place)
            wait_for_requests(open.file, driver);
    } else if (place && !open.refused && counts(major)) {
        count_pending(open.file, 1);
    }
    NTSTATUS status = open.refused ? complete(irp, major == IRP_MJ_CLOSE ? STATUS_SUCCESS : STATUS_INVALID_HANDLE)
                                   : judged(driver, major, device, irp);
    if (major == IRP_MJ_CLOSE && place) { /* only now may the driver be unloaded */
        files_hold();
        place->file = NULL;
        files_let_go();
    }
    return status;
}

/* A driver is not unloaded while one of its file objects is there; Wine does not wait. */
static void wait_for_files(const struct driver *driver)
{
    for (int tries = 0, found = 1; found && tries < 2000; tries++) {
        found = 0;
        files_hold();
        for (int i = 0; i < FILES; i++)
            found |= files[i].file && files[i].driver == driver;
        files_let_go();
        found |= work_items_run();
        if (found)
            Sleep(5);
        if (found && tries == 1999)
            violation((void *)driver->unload, "DriverUnload while a file object or a work item stays");
    }
}

/* For the test netio.sys. */
VOID NTAPI shim_JudgeIrql(const char *api, ULONG highest, const void *caller);
VOID NTAPI shim_JudgeIrql(const char *api, ULONG highest, const void *caller)
{
    require_irql(api, (KIRQL)highest, caller);
}

VOID NTAPI shim_JudgeViolation(const char *text, const void *caller);
VOID NTAPI shim_JudgeViolation(const char *text, const void *caller)
{
    violation(caller, "%s", text);
}

static void registrar_report(void *base)
{
    void *netio = GetModuleHandleW(L"netio.sys"), *from;
    const void *(NTAPI * registration)(ULONG) =
        netio ? (const void *(NTAPI *)(ULONG))GetProcAddress(netio, "NetioRegistration") : NULL;
    const void *caller;
    for (ULONG i = 0; registration && (caller = registration(i)); i++)
        if (driver_of(caller, &from, NULL) && from == base)
            violation(caller, "left at unload: a registration with the NMR");
}

static VOID NTAPI unload(PDRIVER_OBJECT object)
{
    struct driver *driver = driver_find(object);
    void *base = NULL;
    const wchar_t *name = L"?";
    if (!driver || !driver->unload)
        return;
    void *routine = (void *)driver->unload;
    driver_of(routine, &base, &name);
    irql_set(PASSIVE_LEVEL);
    wait_for_files(driver);
    driver->unload(object);
    if (irql_now() != PASSIVE_LEVEL)
        violation(routine, "DriverUnload returned at IRQL %u", irql_now());
    irql_set(PASSIVE_LEVEL);
    deferred_report(base, name);
    handles_report(base, name);
    registrar_report(base);
    memory_report(base);
    pool_report(base, name);
    driver->object = NULL;
    InterlockedIncrement64(&judge->unloads);
}

NTSTATUS NTAPI shim_ZwLoadDriver(PUNICODE_STRING service);
NTSTATUS NTAPI shim_ZwLoadDriver(PUNICODE_STRING service)
{
    wchar_t path[256] = L"\\Driver\\";
    UNICODE_STRING object_name;
    PDRIVER_OBJECT object = NULL;
    irql_set(PASSIVE_LEVEL);
    NTSTATUS status = ((NTSTATUS(NTAPI *)(PUNICODE_STRING))W("ZwLoadDriver"))(service);
    if (!NT_SUCCESS(status))
        return status;
    const wchar_t *end = service->Buffer + service->Length / sizeof(wchar_t), *last = end;
    while (last > service->Buffer && last[-1] != L'\\')
        last--;
    int length = 8;
    while (last < end && length < 250)
        path[length++] = *last++;
    object_name.Buffer = path;
    object_name.Length = (USHORT)(length * 2);
    object_name.MaximumLength = sizeof path;
    NTSTATUS found = ((NTSTATUS(NTAPI *)(PUNICODE_STRING, ULONG, PVOID, ULONG, PVOID, char, PVOID, PVOID *))W(
        "ObReferenceObjectByName"))(&object_name, 0, NULL, 0, NULL, 0, NULL, (void **)&object);
    void *base;
    if (NT_SUCCESS(found) && driver_count < DRIVERS &&
        driver_of((void *)object->MajorFunction[IRP_MJ_CREATE], &base, NULL)) {
        struct driver *driver = &drivers[driver_count++];
        driver->object = object;
        driver->unload = object->DriverUnload;
        for (int i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++)
            if (driver_of((void *)object->MajorFunction[i], &base, NULL)) {
                driver->dispatch[i] = object->MajorFunction[i];
                object->MajorFunction[i] = dispatch;
            }
        if (object->DriverUnload)
            object->DriverUnload = unload;
        else
            violation((void *)driver->dispatch[IRP_MJ_CREATE], "the driver has no DriverUnload");
    }
    if (NT_SUCCESS(found))
        ((VOID(FASTCALL *)(PVOID))W("ObfDereferenceObject"))(object);
    return status;
}

/* Handles that a driver opened, and who did. */
enum { HANDLES = 4096 };
static struct open_handle {
    HANDLE handle;
    const void *caller;
} open_handles[HANDLES];
static volatile LONG handles_lock;

void handle_opened(HANDLE handle, const void *caller)
{
    if (!watched(caller))
        return;
    while (InterlockedExchange(&handles_lock, 1))
        Sleep(0);
    for (int i = 0; i < HANDLES; i++)
        if (!open_handles[i].handle) {
            open_handles[i].handle = handle;
            open_handles[i].caller = caller;
            break;
        }
    InterlockedExchange(&handles_lock, 0);
    InterlockedIncrement64(&judge->handles);
}

void handles_report(void *base, const wchar_t *name)
{
    while (InterlockedExchange(&handles_lock, 1))
        Sleep(0);
    for (int i = 0; i < HANDLES; i++) {
        void *from;
        if (open_handles[i].handle && driver_of(open_handles[i].caller, &from, NULL) && from == base) {
            violation(open_handles[i].caller, "left at unload: a handle");
            open_handles[i].handle = NULL;
            InterlockedDecrement64(&judge->handles);
        }
    }
    InterlockedExchange(&handles_lock, 0);
}

NTSTATUS NTAPI shim_ZwClose(HANDLE handle);
NTSTATUS NTAPI shim_ZwClose(HANDLE handle)
{
    static NTSTATUS(NTAPI * real)(HANDLE);
    if (!real)
        real = (NTSTATUS(NTAPI *)(HANDLE))W("ZwClose");
    require_irql("ZwClose", PASSIVE_LEVEL, CALLER);
    if (watched(CALLER)) {
        while (InterlockedExchange(&handles_lock, 1))
            Sleep(0);
        for (int i = 0; i < HANDLES; i++)
            if (open_handles[i].handle == handle) {
                open_handles[i].handle = NULL;
                break;
            }
        InterlockedExchange(&handles_lock, 0);
        InterlockedDecrement64(&judge->handles);
    }
    return real(handle);
}

/* OBJ_KERNEL_HANDLE: without it a handle lands in whatever process is current (page of InitializeObjectAttributes). */
static void kernel_handle(const char *api, POBJECT_ATTRIBUTES attributes, const void *caller)
{
    if (watched(caller) && (!attributes || !(attributes->Attributes & OBJ_KERNEL_HANDLE)))
        violation(caller, "%s without OBJ_KERNEL_HANDLE", api);
}

NTSTATUS NTAPI shim_ZwCreateSection(PHANDLE handle, ACCESS_MASK access, POBJECT_ATTRIBUTES attributes,
                                    PLARGE_INTEGER size, ULONG protection, ULONG kind, HANDLE file);
NTSTATUS NTAPI shim_ZwCreateSection(PHANDLE handle, ACCESS_MASK access, POBJECT_ATTRIBUTES attributes,
                                    PLARGE_INTEGER size, ULONG protection, ULONG kind, HANDLE file)
{
    static NTSTATUS(NTAPI * real)(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, PLARGE_INTEGER, ULONG, ULONG, HANDLE);
    if (!real)
        real = (NTSTATUS(NTAPI *)(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, PLARGE_INTEGER, ULONG, ULONG, HANDLE))W(
            "ZwCreateSection");
    require_irql("ZwCreateSection", PASSIVE_LEVEL, CALLER);
    kernel_handle("ZwCreateSection", attributes, CALLER);
    if (allocation_fails(CALLER))
        return STATUS_INSUFFICIENT_RESOURCES;
    NTSTATUS status = real(handle, access, attributes, size, protection, kind, file);
    if (NT_SUCCESS(status))
        handle_opened(*handle, CALLER);
    return status;
}

NTSTATUS NTAPI shim_ZwOpenKey(PHANDLE handle, ACCESS_MASK access, POBJECT_ATTRIBUTES attributes);
NTSTATUS NTAPI shim_ZwOpenKey(PHANDLE handle, ACCESS_MASK access, POBJECT_ATTRIBUTES attributes)
{
    static NTSTATUS(NTAPI * real)(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
    if (!real)
        real = (NTSTATUS(NTAPI *)(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES))W("ZwOpenKey");
    require_irql("ZwOpenKey", PASSIVE_LEVEL, CALLER);
    kernel_handle("ZwOpenKey", attributes, CALLER);
    if (allocation_fails(CALLER))
        return STATUS_INSUFFICIENT_RESOURCES;
    NTSTATUS status = real(handle, access, attributes);
    if (NT_SUCCESS(status))
        handle_opened(*handle, CALLER);
    return status;
}

NTSTATUS NTAPI shim_ObOpenObjectByPointer(PVOID object, ULONG attributes, PACCESS_STATE passed, ACCESS_MASK access,
                                          POBJECT_TYPE type, KPROCESSOR_MODE mode, PHANDLE handle);
NTSTATUS NTAPI shim_ObOpenObjectByPointer(PVOID object, ULONG attributes, PACCESS_STATE passed, ACCESS_MASK access,
                                          POBJECT_TYPE type, KPROCESSOR_MODE mode, PHANDLE handle)
{
    static NTSTATUS(NTAPI * real)(PVOID, ULONG, PACCESS_STATE, ACCESS_MASK, POBJECT_TYPE, KPROCESSOR_MODE, PHANDLE);
    if (!real)
        real = (NTSTATUS(NTAPI *)(PVOID, ULONG, PACCESS_STATE, ACCESS_MASK, POBJECT_TYPE, KPROCESSOR_MODE, PHANDLE))W(
            "ObOpenObjectByPointer");
    require_irql("ObOpenObjectByPointer", PASSIVE_LEVEL, CALLER);
    if (watched(CALLER) && !(attributes & OBJ_KERNEL_HANDLE))
        violation(CALLER, "ObOpenObjectByPointer without OBJ_KERNEL_HANDLE");
    if (allocation_fails(CALLER))
        return STATUS_INSUFFICIENT_RESOURCES;
    NTSTATUS status = real(object, attributes, passed, access, type, mode, handle);
    if (NT_SUCCESS(status))
        handle_opened(*handle, CALLER);
    return status;
}

/* Links in the object name space: made as often as removed. */
NTSTATUS NTAPI shim_IoCreateSymbolicLink(PUNICODE_STRING link, PUNICODE_STRING target);
NTSTATUS NTAPI shim_IoCreateSymbolicLink(PUNICODE_STRING link, PUNICODE_STRING target)
{
    static NTSTATUS(NTAPI * real)(PUNICODE_STRING, PUNICODE_STRING);
    if (!real)
        real = (NTSTATUS(NTAPI *)(PUNICODE_STRING, PUNICODE_STRING))W("IoCreateSymbolicLink");
    require_irql("IoCreateSymbolicLink", PASSIVE_LEVEL, CALLER);
    if (allocation_fails(CALLER))
        return STATUS_INSUFFICIENT_RESOURCES;
    NTSTATUS status = real(link, target);
    if (NT_SUCCESS(status) && watched(CALLER))
        InterlockedIncrement64(&judge->links);
    return status;
}

NTSTATUS NTAPI shim_IoDeleteSymbolicLink(PUNICODE_STRING link);
NTSTATUS NTAPI shim_IoDeleteSymbolicLink(PUNICODE_STRING link)
{
    static NTSTATUS(NTAPI * real)(PUNICODE_STRING);
    if (!real)
        real = (NTSTATUS(NTAPI *)(PUNICODE_STRING))W("IoDeleteSymbolicLink");
    require_irql("IoDeleteSymbolicLink", PASSIVE_LEVEL, CALLER);
    NTSTATUS status = real(link);
    if (NT_SUCCESS(status) && watched(CALLER))
        InterlockedDecrement64(&judge->links);
    return status;
}

NTSTATUS NTAPI shim_ObReferenceObjectByHandle(HANDLE handle, ACCESS_MASK access, POBJECT_TYPE type,
                                              KPROCESSOR_MODE mode, PVOID *object,
                                              POBJECT_HANDLE_INFORMATION information);
NTSTATUS NTAPI shim_ObReferenceObjectByHandle(HANDLE handle, ACCESS_MASK access, POBJECT_TYPE type,
                                              KPROCESSOR_MODE mode, PVOID *object,
                                              POBJECT_HANDLE_INFORMATION information)
{
    static NTSTATUS(NTAPI * real)(HANDLE, ACCESS_MASK, POBJECT_TYPE, KPROCESSOR_MODE, PVOID *,
                                  POBJECT_HANDLE_INFORMATION);
    static HANDLE(NTAPI * current)(void);
    HANDLE copy = handle;
    if (!real) {
        current = (HANDLE(NTAPI *)(void))W("PsGetCurrentProcessId");
        real = (NTSTATUS(NTAPI *)(HANDLE, ACCESS_MASK, POBJECT_TYPE, KPROCESSOR_MODE, PVOID *,
                                  POBJECT_HANDLE_INFORMATION))W("ObReferenceObjectByHandle");
    }
    require_irql("ObReferenceObjectByHandle", PASSIVE_LEVEL, CALLER);
    if (mode == UserMode) { /* the handle is the client's: bring a copy here, then resolve that */
        HANDLE process = OpenProcess(0x40 /* PROCESS_DUP_HANDLE */, 0, (ULONG)(ULONG_PTR)current());
        int copied = process && DuplicateHandle(process, handle, GetCurrentProcess(), &copy, 0, 0, 2);
        if (process)
            CloseHandle(process);
        if (!copied)
            return STATUS_INVALID_HANDLE;
    }
    NTSTATUS status = real(copy, access, type, KernelMode, object, information);
    if (mode == UserMode)
        CloseHandle(copy);
    if (NT_SUCCESS(status) && watched(CALLER))
        InterlockedIncrement64(&judge->references);
    return status;
}

LONG_PTR FASTCALL shim_ObfReferenceObject(PVOID object);
LONG_PTR FASTCALL shim_ObfReferenceObject(PVOID object)
{
    static LONG_PTR(FASTCALL * real)(PVOID);
    if (!real)
        real = (LONG_PTR(FASTCALL *)(PVOID))W("ObfReferenceObject");
    require_irql("ObfReferenceObject", DISPATCH_LEVEL, CALLER);
    if (watched(CALLER))
        InterlockedIncrement64(&judge->references);
    return real(object);
}

LONG_PTR FASTCALL shim_ObfDereferenceObject(PVOID object);
LONG_PTR FASTCALL shim_ObfDereferenceObject(PVOID object)
{
    static LONG_PTR(FASTCALL * real)(PVOID);
    if (!real)
        real = (LONG_PTR(FASTCALL *)(PVOID))W("ObfDereferenceObject");
    require_irql("ObfDereferenceObject", DISPATCH_LEVEL, CALLER);
    if (watched(CALLER))
        InterlockedDecrement64(&judge->references);
    return real(object);
}

NTSTATUS NTAPI shim_IoCreateDevice(PDRIVER_OBJECT driver, ULONG extension, PUNICODE_STRING name, DEVICE_TYPE type,
                                   ULONG characteristics, BOOLEAN exclusive, PDEVICE_OBJECT *device);
NTSTATUS NTAPI shim_IoCreateDevice(PDRIVER_OBJECT driver, ULONG extension, PUNICODE_STRING name, DEVICE_TYPE type,
                                   ULONG characteristics, BOOLEAN exclusive, PDEVICE_OBJECT *device)
{
    static NTSTATUS(NTAPI * real)(PDRIVER_OBJECT, ULONG, PUNICODE_STRING, DEVICE_TYPE, ULONG, BOOLEAN,
                                  PDEVICE_OBJECT *);
    if (!real)
        real = (NTSTATUS(NTAPI *)(PDRIVER_OBJECT, ULONG, PUNICODE_STRING, DEVICE_TYPE, ULONG, BOOLEAN,
                                  PDEVICE_OBJECT *))W("IoCreateDevice");
    require_irql("IoCreateDevice", APC_LEVEL, CALLER);
    if (watched(CALLER)) {
        if (!(characteristics & FILE_DEVICE_SECURE_OPEN))
            violation(CALLER, "IoCreateDevice without FILE_DEVICE_SECURE_OPEN");
        if (allocation_fails(CALLER))
            return STATUS_INSUFFICIENT_RESOURCES;
        InterlockedIncrement64(&judge->devices);
    }
    NTSTATUS status = real(driver, extension, name, type, characteristics, exclusive, device);
    if (!NT_SUCCESS(status) && watched(CALLER))
        InterlockedDecrement64(&judge->devices);
    return status;
}

VOID NTAPI shim_IoDeleteDevice(PDEVICE_OBJECT device);
VOID NTAPI shim_IoDeleteDevice(PDEVICE_OBJECT device)
{
    static VOID(NTAPI * real)(PDEVICE_OBJECT);
    if (!real)
        real = (VOID(NTAPI *)(PDEVICE_OBJECT))W("IoDeleteDevice");
    require_irql("IoDeleteDevice", APC_LEVEL, CALLER);
    if (watched(CALLER))
        InterlockedDecrement64(&judge->devices);
    real(device);
}

/* Attaching to a process: another process's addresses are seen until detached (KeStackAttachProcess, IRQL <=
 * APC_LEVEL); not nested here. */
VOID NTAPI shim_KeStackAttachProcess(PVOID process, PVOID state);
VOID NTAPI shim_KeStackAttachProcess(PVOID process, PVOID state)
{
    require_irql("KeStackAttachProcess", APC_LEVEL, CALLER);
    if (attached_now())
        violation(CALLER, "KeStackAttachProcess while attached");
    attached_set((ULONG)(ULONG_PTR)((HANDLE(NTAPI *)(PVOID))W("PsGetProcessId"))(process));
}

VOID NTAPI shim_KeUnstackDetachProcess(PVOID state);
VOID NTAPI shim_KeUnstackDetachProcess(PVOID state)
{
    require_irql("KeUnstackDetachProcess", APC_LEVEL, CALLER);
    if (!attached_now())
        violation(CALLER, "KeUnstackDetachProcess while not attached");
    attached_set(0);
}

/* Callbacks of a driver that would be called after its code is gone. */
static volatile LONG64 process_callbacks;

NTSTATUS NTAPI shim_PsSetCreateProcessNotifyRoutine(PVOID routine, BOOLEAN remove);
NTSTATUS NTAPI shim_PsSetCreateProcessNotifyRoutine(PVOID routine, BOOLEAN remove)
{
    require_irql("PsSetCreateProcessNotifyRoutine", PASSIVE_LEVEL, CALLER);
    if (!remove && allocation_fails(CALLER))
        return STATUS_INSUFFICIENT_RESOURCES;
    if (remove && process_callbacks <= 0)
        violation(CALLER, "PsSetCreateProcessNotifyRoutine removes what is not registered");
    InterlockedExchangeAdd64(&process_callbacks, remove ? -1 : 1);
    InterlockedExchangeAdd64(&judge->callbacks, remove ? -1 : 1);
    return STATUS_SUCCESS;
}

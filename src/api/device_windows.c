/* SPDX-License-Identifier: MIT
 *
 * The device on Windows: opened for overlapped use, so that any number of threads have requests under way, each with an
 * event from a small store.
 *
 * A wait is one request and a thread-pool callback on its event.  The callback sets the application's event and sends
 * the request again; once `ended` is set, the request is cancelled and sent no more.
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <errno.h>
#include <stdlib.h>
#include "api/device.h"
#include "base/annotate.h"

enum { EVENTS_KEPT = 16 };

static HANDLE device = INVALID_HANDLE_VALUE;
static struct os_spin_lock events_lock;
static HANDLE events[EVENTS_KEPT];
static unsigned events_kept;

static BOOL CALLBACK init_lock(PINIT_ONCE once, void *argument, void **context)
{
    os_lock_init(argument);
    return TRUE;
}

void device_once(struct os_lock *lock)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    InitOnceExecuteOnce(&once, init_lock, lock, NULL);
}

enum result device_open(void)
{
    if (device != INVALID_HANDLE_VALUE)
        return RESULT_OK;
    device = CreateFileW(L"\\\\.\\EbpfIoDevice", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                         OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
    if (device != INVALID_HANDLE_VALUE)
        return RESULT_OK;
    return GetLastError() == ERROR_ACCESS_DENIED ? RESULT_ACCESS : RESULT_NO_DEVICE;
}

void device_close(void)
{
    if (device != INVALID_HANDLE_VALUE)
        CloseHandle(device);
    device = INVALID_HANDLE_VALUE;
}

static HANDLE event_take(void)
{
    HANDLE event = NULL;
    os_irql irql = os_spin_acquire(&events_lock);
    if (events_kept)
        event = events[--events_kept];
    os_spin_release(&events_lock, irql);
    return event ? event : CreateEventW(NULL, TRUE, FALSE, NULL);
}

static void event_give(HANDLE event)
{
    os_irql irql = os_spin_acquire(&events_lock);
    bool keep = events_kept < EVENTS_KEPT;
    if (keep)
        events[events_kept++] = event;
    os_spin_release(&events_lock, irql);
    if (!keep)
        CloseHandle(event);
}

static enum result result_from_error(DWORD error)
{
    switch (error) {
    case ERROR_SUCCESS: return RESULT_OK;
    case ERROR_OPERATION_ABORTED: return RESULT_CANCELED;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_NO_SYSTEM_RESOURCES: return RESULT_NO_MEMORY;
    case ERROR_ACCESS_DENIED: return RESULT_ACCESS;
    case ERROR_INVALID_HANDLE: return RESULT_BAD_HANDLE;
    case ERROR_NOT_SUPPORTED: return RESULT_NOT_SUPPORTED;
    case ERROR_INVALID_PARAMETER: return RESULT_INVALID;
    default: return RESULT_IO;
    }
}

enum result device_exchange(void *self, struct wire_head *message)
{
    DWORD got = 0, error = ERROR_SUCCESS, before = GetLastError();
    if (message->size > UINT32_MAX)
        return RESULT_TOO_BIG;
    DWORD size = (DWORD)message->size;
    OVERLAPPED request = {.hEvent = event_take()};
    if (!request.hEvent)
        return RESULT_NO_MEMORY;
    if (!DeviceIoControl(device, (DWORD)WIRE_IOCTL, message, size, message, size, NULL, &request))
        error = GetLastError();
    if (error == ERROR_SUCCESS || error == ERROR_IO_PENDING)
        error = GetOverlappedResult(device, &request, &got, TRUE) ? ERROR_SUCCESS : GetLastError();
    event_give(request.hEvent);
    SetLastError(before);
    if (!error && got < sizeof *message)
        return RESULT_PROTOCOL;
    return result_from_error(error);
}

void device_error(bool known)
{
    if (!known)
        SetLastError(ERROR_CALL_NOT_IMPLEMENTED);
}

/* The C runtimes that may be in the process, each with an errno of its own.  One that is not there now may come later.
 */
void device_set_errno(int error)
{
    typedef int *(__cdecl * place)(void);
    static const wchar_t *const names[] = {L"ucrtbase.dll", L"msvcrt.dll"};
    static place places[sizeof names / sizeof *names];
    DWORD before = GetLastError();
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        place known = os_load(&places[i]);
        if (!known) {
            HMODULE runtime = GetModuleHandleW(names[i]);
            known = runtime ? (place)(void (*)(void))GetProcAddress(runtime, "_errno") : NULL;
            os_store(&places[i], known);
        }
        if (known)
            *known() = error;
    }
    errno = error;
    SetLastError(before);
}

struct device_event {
    HANDLE handle;
};

enum result device_event_create(struct device_event **out)
{
    struct device_event *event = malloc(sizeof *event);
    if (!event)
        return RESULT_NO_MEMORY;
    event->handle = CreateEventW(NULL, FALSE, FALSE, NULL);
    if (!event->handle) {
        free(event);
        return RESULT_NO_MEMORY;
    }
    *out = event;
    return RESULT_OK;
}

void device_event_destroy(struct device_event *event)
{
    if (!event)
        return;
    CloseHandle(event->handle);
    free(event);
}

bool device_event_wait(struct device_event *event, int timeout_ms)
{
    return WaitForSingleObject(event->handle, timeout_ms < 0 ? INFINITE : (DWORD)timeout_ms) == WAIT_OBJECT_0;
}

intptr_t device_event_handle(const struct device_event *event)
{
    return (intptr_t)event->handle;
}

struct device_wait {
    OVERLAPPED request;
    struct wire_head message;
    PTP_WAIT callback;
    HANDLE set;
    int handle;
    SRWLOCK lock;
    bool ended, pending; /* under the lock */
};

/* Holding the lock. */
static DWORD send(struct device_wait *wait)
{
    HANDLE event = wait->request.hEvent;
    DWORD error = ERROR_SUCCESS;
    wait->message = (struct wire_head){.magic = WIRE_MAGIC,
                                       .version = WIRE_VERSION,
                                       .kind = WIRE_WAIT,
                                       .command = (uint32_t)wait->handle,
                                       .size = sizeof wait->message};
    wait->request = (OVERLAPPED){.hEvent = event};
    ResetEvent(event);
    wait->pending = true;
    SetThreadpoolWait(wait->callback, event, NULL);
    if (!DeviceIoControl(device, (DWORD)WIRE_IOCTL, &wait->message, sizeof wait->message, &wait->message,
                         sizeof wait->message, NULL, &wait->request))
        error = GetLastError();
    if (error == ERROR_SUCCESS || error == ERROR_IO_PENDING)
        return ERROR_SUCCESS;
    SetThreadpoolWait(wait->callback, NULL, NULL);
    wait->pending = false;
    return error;
}

/* The request has ended. */
static void CALLBACK done(PTP_CALLBACK_INSTANCE instance, void *context, PTP_WAIT callback, TP_WAIT_RESULT cause)
{
    struct device_wait *wait = context;
    DWORD got;
    bool good = GetOverlappedResult(device, &wait->request, &got, FALSE);
    AcquireSRWLockExclusive(&wait->lock);
    wait->pending = false;
    if (!wait->ended) {
        /* Sent first: what comes between this end and the application's look sets the event again.  A request that the
         * driver refuses is not repeated. */
        if (good)
            send(wait);
        SetEvent(wait->set);
    }
    ReleaseSRWLockExclusive(&wait->lock);
}

enum result device_wait_begin_handle(int handle, intptr_t event, struct device_wait **out)
{
    struct device_wait *wait = calloc(1, sizeof *wait);
    if (!wait)
        return RESULT_NO_MEMORY;
    InitializeSRWLock(&wait->lock);
    wait->handle = handle;
    wait->set = (HANDLE)event;
    wait->request.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    wait->callback = CreateThreadpoolWait(done, wait, NULL);
    enum result result = wait->request.hEvent && wait->callback ? RESULT_OK : RESULT_NO_MEMORY;
    if (!result) {
        AcquireSRWLockExclusive(&wait->lock);
        result = result_from_error(send(wait));
        ReleaseSRWLockExclusive(&wait->lock);
    }
    if (result) {
        device_wait_end(wait);
        return result;
    }
    *out = wait;
    return RESULT_OK;
}

enum result device_wait_begin(int handle, struct device_event *event, struct device_wait **out)
{
    return device_wait_begin_handle(handle, (intptr_t)event->handle, out);
}

void device_wait_end(struct device_wait *wait)
{
    DWORD got;
    if (!wait)
        return;
    AcquireSRWLockExclusive(&wait->lock);
    wait->ended = true;
    bool pending = wait->pending;
    if (pending)
        CancelIoEx(device, &wait->request);
    ReleaseSRWLockExclusive(&wait->lock);
    if (wait->callback) {
        SetThreadpoolWait(wait->callback, NULL, NULL);
        WaitForThreadpoolWaitCallbacks(wait->callback, TRUE);
        CloseThreadpoolWait(wait->callback);
    }
    if (pending)
        GetOverlappedResult(device, &wait->request, &got, TRUE); /* its memory is the system's until then */
    if (wait->request.hEvent)
        CloseHandle(wait->request.hEvent);
    free(wait);
}

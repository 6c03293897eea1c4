/* SPDX-License-Identifier: MIT
 *
 * Threads, and auto-reset events.
 */
#include <process.h>
#include "platform/win_user/user.h"

struct os_thread {
    HANDLE handle;
    void (*body)(void *);
    void *argument;
};

struct os_event {
    HANDLE handle;
};

enum { TAG_THREAD = OS_TAG('t', 'h', 'r', 'd'), TAG_EVENT = OS_TAG('e', 'v', 'n', 't') };

static unsigned __stdcall entry(void *argument)
{
    struct os_thread *thread = argument;
    thread->body(thread->argument);
    return 0;
}

enum result os_thread_start(void (*body)(void *), void *argument, struct os_thread **out)
{
    struct os_thread *thread = os_alloc(sizeof *thread, TAG_THREAD);
    if (!thread)
        return RESULT_NO_MEMORY;
    thread->body = body;
    thread->argument = argument;
    thread->handle = (HANDLE)_beginthreadex(NULL, 0, entry, thread, 0, NULL);
    if (!thread->handle) {
        os_free(thread, sizeof *thread, TAG_THREAD);
        return RESULT_NO_MEMORY;
    }
    *out = thread;
    return RESULT_OK;
}

void os_thread_join(struct os_thread *thread)
{
    bug_if(WaitForSingleObject(thread->handle, INFINITE) != WAIT_OBJECT_0);
    CloseHandle(thread->handle);
    os_free(thread, sizeof *thread, TAG_THREAD);
}

enum result os_event_create(struct os_event **out)
{
    struct os_event *event = os_alloc(sizeof *event, TAG_EVENT);
    if (!event)
        return RESULT_NO_MEMORY;
    event->handle = CreateEventW(NULL, FALSE, FALSE, NULL);
    if (!event->handle) {
        os_free(event, sizeof *event, TAG_EVENT);
        return RESULT_NO_MEMORY;
    }
    *out = event;
    return RESULT_OK;
}

void os_event_destroy(struct os_event *event)
{
    if (!event)
        return;
    CloseHandle(event->handle);
    os_free(event, sizeof *event, TAG_EVENT);
}

void os_event_set(struct os_event *event)
{
    SetEvent(event->handle);
}

/* Milliseconds are what the system counts in; a part of one is waited for as a whole one. */
static DWORD milliseconds(uint64_t ns)
{
    uint64_t ms = ns / 1000000 + (ns % 1000000 != 0);
    return ms < INFINITE ? (DWORD)ms : INFINITE - 1;
}

bool os_event_wait(struct os_event *event, uint64_t timeout_ns)
{
    DWORD timeout = timeout_ns == UINT64_MAX ? INFINITE : milliseconds(timeout_ns);
    return WaitForSingleObject(event->handle, timeout) == WAIT_OBJECT_0;
}

int os_event_fd(struct os_event *event)
{
    return -1;
}

void os_sleep_ns(uint64_t ns)
{
    Sleep(milliseconds(ns));
}

void os_yield(void)
{
    SwitchToThread();
}

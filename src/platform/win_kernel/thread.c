/* SPDX-License-Identifier: MIT
 *
 * Threads of the system process, waited for by their object, so that none runs in our image once the wait is over.
 * (PsCreateSystemThread, PsTerminateSystemThread, ObReferenceObjectByHandle, IRQL: PASSIVE_LEVEL.)
 */
#include "platform/win_kernel/kernel.h"

struct os_thread {
    PVOID object;
    void (*body)(void *);
    void *argument;
};

enum { TAG = OS_TAG('t', 'h', 'r', 'd') };

static VOID NTAPI entry(PVOID argument)
{
    struct os_thread *thread = argument;
    thread->body(thread->argument);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

enum result os_thread_start(void (*body)(void *), void *argument, struct os_thread **out)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle;
    struct os_thread *thread = os_alloc(sizeof *thread, TAG);
    if (!thread)
        return RESULT_NO_MEMORY;
    thread->body = body;
    thread->argument = argument;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    NTSTATUS status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, &attributes, NULL, NULL, entry, thread);
    if (!NT_SUCCESS(status)) {
        os_free(thread, sizeof *thread, TAG);
        return kernel_result(status);
    }
    /* A valid kernel handle with full access: this cannot fail. */
    bug_if(!NT_SUCCESS(
        ObReferenceObjectByHandle(handle, SYNCHRONIZE, (POBJECT_TYPE)PsThreadType, KernelMode, &thread->object, NULL)));
    ZwClose(handle);
    *out = thread;
    return RESULT_OK;
}

void os_thread_join(struct os_thread *thread)
{
    KeWaitForSingleObject(thread->object, Executive, KernelMode, FALSE, NULL); /* IRQL: <= APC_LEVEL when waiting */
    ObDereferenceObject(thread->object);
    os_free(thread, sizeof *thread, TAG);
}

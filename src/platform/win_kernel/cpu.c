/* SPDX-License-Identifier: MIT
 *
 * CPUs are the possible ones of all processor groups, numbered by the system's index; so one that is added while we run
 * has its place already.  (KeQueryMaximumProcessorCountEx and KeGetCurrentProcessorNumberEx, IRQL: any.)
 */
#include "platform/win_kernel/kernel.h"

enum { CPUS_MOST = 4096 };

uint32_t os_cpu_count(void)
{
    static uint32_t count;
    uint32_t known = os_load(&count);
    if (likely(known))
        return known;
    known = KeQueryMaximumProcessorCountEx(ALL_PROCESSOR_GROUPS);
    if (!known || known > CPUS_MOST)
        known = known ? CPUS_MOST : 1;
    os_store(&count, known);
    return known;
}

uint32_t os_cpu_current(void)
{
    ULONG cpu = KeGetCurrentProcessorNumberEx(NULL);
    return likely(cpu < os_cpu_count()) ? cpu : 0;
}

os_irql os_cpu_pin(void)
{
    return import_raise(DISPATCH_LEVEL); /* KeRaiseIrql, to a level not below the current one */
}

void os_cpu_unpin(os_irql before)
{
    import_lower(before);
}

bool os_may_wait(void)
{
    KIRQL now = import_raise(DISPATCH_LEVEL); /* callers are at DISPATCH_LEVEL at most */
    import_lower(now);
    return now < DISPATCH_LEVEL;
}

uintptr_t os_thread_self(void)
{
    return (uintptr_t)PsGetCurrentThreadId(); /* IRQL: <= DISPATCH_LEVEL */
}

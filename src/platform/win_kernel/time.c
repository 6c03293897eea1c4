/* SPDX-License-Identifier: MIT
 *
 * Clocks.  Interrupt time counts units of 100 ns since the system started, with the precision of the performance
 * counter; "unbiased" leaves out the time asleep.  (KeQueryInterruptTimePrecise and
 * KeQueryUnbiasedInterruptTimePrecise, IRQL: any.)  They are looked up by name, because the import library lacks them;
 * where the system has none, the performance counter serves as both.
 */
#include "platform/win_kernel/kernel.h"

typedef ULONGLONG(NTAPI *clock_routine)(PULONG64 counter);
static clock_routine unbiased, biased;

static clock_routine find(const wchar_t *name)
{
    UNICODE_STRING text;
    RtlInitUnicodeString(&text, name);
    return (clock_routine)(ULONG_PTR)MmGetSystemRoutineAddress(&text); /* IRQL: PASSIVE_LEVEL */
}

void kernel_time_start(void);
void kernel_time_start(void)
{
    unbiased = find(L"KeQueryUnbiasedInterruptTimePrecise");
    biased = find(L"KeQueryInterruptTimePrecise");
}

static uint64_t read_clock(clock_routine clock)
{
    ULONG64 counter;
    if (clock)
        return clock(&counter) * 100;
    LARGE_INTEGER frequency, now = KeQueryPerformanceCounter(&frequency); /* IRQL: any */
    uint64_t ticks = (uint64_t)now.QuadPart, hz = (uint64_t)frequency.QuadPart;
    return ticks / hz * 1000000000u + ticks % hz * 1000000000u / hz;
}

uint64_t os_time_monotonic(void)
{
    return read_clock(unbiased);
}

uint64_t os_time_boot(void)
{
    return read_clock(biased);
}

uint64_t os_time_coarse(void)
{
    return read_clock(unbiased);
}

void os_sleep_ns(uint64_t ns)
{
    LARGE_INTEGER interval;
    interval.QuadPart = -(LONGLONG)(ns / 100);
    KeDelayExecutionThread(KernelMode, FALSE, &interval); /* IRQL: <= APC_LEVEL */
}

void os_yield(void)
{
    os_sleep_ns(0);
}

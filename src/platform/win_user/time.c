/* SPDX-License-Identifier: MIT
 *
 * Clocks.  Interrupt time counts units of 100 ns since the system started; "unbiased" leaves out the time asleep.  The
 * precise forms are looked up by name (kernelbase.dll has them since Windows 10); where there are none, the performance
 * counter serves as all clocks.
 */
#include "platform/win_user/user.h"

typedef void(WINAPI *clock_routine)(PULONGLONG time);

static struct {
    clock_routine unbiased, biased;
} clocks;

static BOOL CALLBACK find(PINIT_ONCE once, void *argument, void **context)
{
    HMODULE base = GetModuleHandleW(L"kernelbase.dll");
    if (base) {
        clock_routine unbiased =
            (clock_routine)(void (*)(void))GetProcAddress(base, "QueryUnbiasedInterruptTimePrecise");
        clock_routine biased = (clock_routine)(void (*)(void))GetProcAddress(base, "QueryInterruptTimePrecise");
        if (unbiased && biased) {
            clocks.unbiased = unbiased;
            clocks.biased = biased;
        }
    }
    return TRUE;
}

static uint64_t read_clock(bool biased)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    InitOnceExecuteOnce(&once, find, NULL, NULL);
    ULONGLONG time;
    LARGE_INTEGER frequency, now;
    if (clocks.unbiased) {
        (biased ? clocks.biased : clocks.unbiased)(&time);
        return time * 100;
    }
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&now);
    uint64_t ticks = (uint64_t)now.QuadPart, hz = (uint64_t)frequency.QuadPart;
    return ticks / hz * 1000000000u + ticks % hz * 1000000000u / hz;
}

uint64_t os_time_monotonic(void)
{
    return read_clock(false);
}

uint64_t os_time_boot(void)
{
    return read_clock(true);
}

uint64_t os_time_coarse(void)
{
    return read_clock(false);
}

/* SPDX-License-Identifier: MIT
 *
 * Clocks, read through the vDSO.
 */
#include <sched.h>
#include <time.h>
#include "platform/os.h"

static uint64_t read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t os_time_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t os_time_boot(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

uint64_t os_time_coarse(void)
{
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

void os_sleep_ns(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    nanosleep(&t, NULL);
}

void os_yield(void)
{
    sched_yield();
}

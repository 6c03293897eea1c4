/* SPDX-License-Identifier: MIT
 *
 * Clocks.  Nanoseconds since boot, without or with the time spent suspended; the coarse clock is the one without, as of
 * the last tick.  efW has milliseconds too.
 */
#include "helpers/answer.h"
#include "helpers/helpers.h"
#include "platform/os.h"

enum { JIFFIES_A_SECOND = 250, NS_A_MS = 1000000 };

static uint64_t ktime_get_ns(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return os_time_monotonic();
}

static uint64_t ktime_get_boot_ns(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return os_time_boot();
}

static uint64_t ktime_get_coarse_ns(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return os_time_coarse();
}

static uint64_t ktime_get_ms(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return os_time_monotonic() / NS_A_MS;
}

static uint64_t ktime_get_boot_ms(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return os_time_boot() / NS_A_MS;
}

/* A count that grows by JIFFIES_A_SECOND in a second; where it began means nothing, on Linux neither. */
static uint64_t jiffies64(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return os_time_coarse() / (1000000000u / JIFFIES_A_SECOND);
}

const struct helper time_helpers[] = {
    {{"ktime_get_ns", {5, 9}, RET_INTEGER, {ARG_NONE}, 0, 0, 2}, ktime_get_ns},
    {{"ktime_get_boot_ns", {125, 7}, RET_INTEGER, {ARG_NONE}, 0, 0, 2}, ktime_get_boot_ns},
    {{"ktime_get_coarse_ns", {160, -1}, RET_INTEGER, {ARG_NONE}, 0, 0, 2}, ktime_get_coarse_ns},
    {{"ktime_get_ms", {-1, 31}, RET_INTEGER, {ARG_NONE}, 0, 0, 2}, ktime_get_ms},
    {{"ktime_get_boot_ms", {-1, 30}, RET_INTEGER, {ARG_NONE}, 0, 0, 2}, ktime_get_boot_ms},
    {{"jiffies64", {118, -1}, RET_INTEGER, {ARG_NONE}, 0, 0, 2}, jiffies64},
    {{NULL, {-1, -1}, RET_VOID, {ARG_NONE}, 0, 0, 0}, NULL},
};

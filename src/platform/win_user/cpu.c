/* SPDX-License-Identifier: MIT
 *
 * CPUs are the possible ones of all processor groups, as the driver counts them: values of per-CPU maps are sized by
 * it on both sides.
 */
#include "platform/win_user/user.h"

enum { CPUS_MOST = 4096, GROUP_CPUS = 64 };

uint32_t os_cpu_count(void)
{
    static uint32_t count;
    uint32_t known = os_load(&count);
    if (likely(known))
        return known;
    known = GetMaximumProcessorCount(ALL_PROCESSOR_GROUPS);
    if (!known || known > CPUS_MOST)
        known = known ? CPUS_MOST : 1;
    os_store(&count, known);
    return known;
}

uint32_t os_cpu_current(void)
{
    PROCESSOR_NUMBER number;
    uint32_t before = 0;
    GetCurrentProcessorNumberEx(&number);
    for (WORD group = 0; group < number.Group; group++)
        before += GetMaximumProcessorCount(group);
    uint32_t cpu = before + number.Number;
    return likely(cpu < os_cpu_count()) ? cpu : 0;
}

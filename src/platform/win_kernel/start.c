/* SPDX-License-Identifier: MIT
 *
 * What the platform needs once, and the parts of the user-mode platform that a kernel has no use for: a client's
 * handles live in its table (core/client.h), and nobody forks.
 */
#include "platform/win_kernel/kernel.h"
#include "platform/handle.h"

void kernel_time_start(void);
enum result kernel_random_start(void);

enum result kernel_start(void)
{
    kernel_time_start();
    return kernel_random_start();
}

void kernel_stop(void) {}

enum result kernel_result(NTSTATUS status)
{
    if (NT_SUCCESS(status))
        return RESULT_OK;
    switch (status) {
    case STATUS_INSUFFICIENT_RESOURCES:
    case STATUS_NO_MEMORY: return RESULT_NO_MEMORY;
    case STATUS_ACCESS_DENIED: return RESULT_ACCESS;
    default: return RESULT_NOT_SUPPORTED;
    }
}

void os_handles_sweep(void) {}

void os_handles_stop(void) {}

bool os_forked(void)
{
    return false;
}

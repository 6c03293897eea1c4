/* SPDX-License-Identifier: MIT
 *
 * Our own mistakes stop the system, before a wrong state spreads: MANUALLY_INITIATED_CRASH1 with the condition, the
 * file and the line as parameters.  (KeBugCheckEx, IRQL: any.)
 */
#include "platform/win_kernel/kernel.h"

void os_bug(const char *condition, const char *file, int line)
{
    KeBugCheckEx(0xDEADDEAD, (ULONG_PTR)condition, (ULONG_PTR)file, (ULONG_PTR)line, 0);
}

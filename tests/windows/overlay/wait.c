/* SPDX-License-Identifier: MIT
 *
 * Waiting: at DISPATCH_LEVEL only with a timeout of zero (KeWaitForSingleObject, KeWaitForMultipleObjects); a wait is
 * where a thread that still holds a spin lock or a raised IRQL shows.
 */
#include "overlay.h"

NTSTATUS NTAPI shim_KeWaitForSingleObject(PVOID object, KWAIT_REASON reason, KPROCESSOR_MODE mode, BOOLEAN alertable,
                                          PLARGE_INTEGER timeout);
NTSTATUS NTAPI shim_KeWaitForSingleObject(PVOID object, KWAIT_REASON reason, KPROCESSOR_MODE mode, BOOLEAN alertable,
                                          PLARGE_INTEGER timeout)
{
    static NTSTATUS(NTAPI * real)(PVOID, KWAIT_REASON, KPROCESSOR_MODE, BOOLEAN, PLARGE_INTEGER);
    if (!real)
        real = (NTSTATUS(NTAPI *)(PVOID, KWAIT_REASON, KPROCESSOR_MODE, BOOLEAN, PLARGE_INTEGER))wine_routine(
            "KeWaitForSingleObject");
    require_irql("KeWaitForSingleObject", timeout && timeout->QuadPart == 0 ? DISPATCH_LEVEL : APC_LEVEL, CALLER);
    return real(object, reason, mode, alertable, timeout);
}

NTSTATUS NTAPI shim_KeWaitForMultipleObjects(ULONG count, PVOID objects[], WAIT_TYPE type, KWAIT_REASON reason,
                                             KPROCESSOR_MODE mode, BOOLEAN alertable, PLARGE_INTEGER timeout,
                                             PKWAIT_BLOCK blocks);
NTSTATUS NTAPI shim_KeWaitForMultipleObjects(ULONG count, PVOID objects[], WAIT_TYPE type, KWAIT_REASON reason,
                                             KPROCESSOR_MODE mode, BOOLEAN alertable, PLARGE_INTEGER timeout,
                                             PKWAIT_BLOCK blocks)
{
    static NTSTATUS(NTAPI * real)(ULONG, PVOID[], WAIT_TYPE, KWAIT_REASON, KPROCESSOR_MODE, BOOLEAN, PLARGE_INTEGER,
                                  PKWAIT_BLOCK);
    if (!real)
        real = (NTSTATUS(NTAPI *)(ULONG, PVOID[], WAIT_TYPE, KWAIT_REASON, KPROCESSOR_MODE, BOOLEAN, PLARGE_INTEGER,
                                  PKWAIT_BLOCK))wine_routine("KeWaitForMultipleObjects");
    require_irql("KeWaitForMultipleObjects", timeout && timeout->QuadPart == 0 ? DISPATCH_LEVEL : APC_LEVEL, CALLER);
    return real(count, objects, type, reason, mode, alertable, timeout, blocks);
}

/* SPDX-License-Identifier: MIT
 *
 * Waiting that Wine lacks: rundown protection, precise time, processor callbacks.  Rules: rundown protection is
 * released as often as it was acquired, and waited for at APC_LEVEL or below.
 */
#include "overlay.h"

/* Rundown protection: 2 per holder, bit 0 once somebody waits. */
VOID NTAPI shim_ExInitializeRundownProtection(volatile LONG64 *run);
VOID NTAPI shim_ExInitializeRundownProtection(volatile LONG64 *run)
{
    *run = 0;
}

VOID NTAPI shim_ExReInitializeRundownProtection(volatile LONG64 *run);
VOID NTAPI shim_ExReInitializeRundownProtection(volatile LONG64 *run)
{
    if (*run != 1)
        violation(CALLER, "ExReInitializeRundownProtection before the rundown completed");
    *run = 0;
}

VOID NTAPI shim_ExRundownCompleted(volatile LONG64 *run);
VOID NTAPI shim_ExRundownCompleted(volatile LONG64 *run)
{
    *run = 1;
}

BOOLEAN NTAPI shim_ExAcquireRundownProtection(volatile LONG64 *run);
BOOLEAN NTAPI shim_ExAcquireRundownProtection(volatile LONG64 *run)
{
    require_irql("ExAcquireRundownProtection", DISPATCH_LEVEL, CALLER);
    for (;;) {
        LONG64 count = *run;
        if (count & 1)
            return FALSE;
        if (InterlockedCompareExchange64(run, count + 2, count) == count)
            return TRUE;
    }
}

VOID NTAPI shim_ExReleaseRundownProtection(volatile LONG64 *run);
VOID NTAPI shim_ExReleaseRundownProtection(volatile LONG64 *run)
{
    if (InterlockedExchangeAdd64(run, -2) < 2)
        violation(CALLER, "ExReleaseRundownProtection without a matching acquire");
}

VOID NTAPI shim_ExWaitForRundownProtectionRelease(volatile LONG64 *run);
VOID NTAPI shim_ExWaitForRundownProtectionRelease(volatile LONG64 *run)
{
    require_irql("ExWaitForRundownProtectionRelease", APC_LEVEL, CALLER);
    for (;;) {
        LONG64 count = *run;
        if (InterlockedCompareExchange64(run, count | 1, count) == count)
            break;
    }
    for (ULONG spins = 0; *run != 1; spins++) {
        Sleep(1);
        if (spins == 20000)
            violation(CALLER, "rundown protection is never released");
    }
}

ULONG64 NTAPI shim_KeQueryInterruptTimePrecise(PULONG64 counter);
ULONG64 NTAPI shim_KeQueryInterruptTimePrecise(PULONG64 counter)
{
    LARGE_INTEGER now, frequency;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&frequency);
    if (counter)
        *counter = (ULONG64)now.QuadPart;
    return (ULONG64)((__int128)now.QuadPart * 10000000 / frequency.QuadPart);
}

ULONG64 NTAPI shim_KeQueryUnbiasedInterruptTimePrecise(PULONG64 counter);
ULONG64 NTAPI shim_KeQueryUnbiasedInterruptTimePrecise(PULONG64 counter)
{
    return shim_KeQueryInterruptTimePrecise(counter);
}

/* Processor hot-add never happens here; the callback hears of the processors that are there when it asks to. */
typedef struct {
    ULONG state, number;
    NTSTATUS status;
    PROCESSOR_NUMBER processor;
} change_context;
typedef VOID(NTAPI *change_callback)(PVOID, change_context *, PNTSTATUS);

PVOID NTAPI shim_KeRegisterProcessorChangeCallback(change_callback callback, PVOID context, ULONG flags);
PVOID NTAPI shim_KeRegisterProcessorChangeCallback(change_callback callback, PVOID context, ULONG flags)
{
    static char registration;
    static ULONG(NTAPI * count)(USHORT);
    require_irql("KeRegisterProcessorChangeCallback", PASSIVE_LEVEL, CALLER);
    if (allocation_fails(CALLER))
        return NULL;
    if (!count)
        count = (ULONG(NTAPI *)(USHORT))wine_routine("KeQueryActiveProcessorCountEx");
    if (flags & 1) /* KE_PROCESSOR_CHANGE_ADD_EXISTING */
        for (ULONG i = 0; i < count(0xffff); i++)
            for (ULONG state = 0; state < 2; state++) {
                change_context change = {state, i, 0, {0, (UCHAR)i, 0}};
                NTSTATUS status = STATUS_SUCCESS;
                callback(context, &change, &status);
                if (!NT_SUCCESS(status))
                    return NULL;
            }
    return &registration;
}

VOID NTAPI shim_KeDeregisterProcessorChangeCallback(PVOID registration);
VOID NTAPI shim_KeDeregisterProcessorChangeCallback(PVOID registration)
{
    require_irql("KeDeregisterProcessorChangeCallback", PASSIVE_LEVEL, CALLER);
}

/* SPDX-License-Identifier: MIT
 *
 * IRQL is a number of each thread, and spin locks know their owner.  Rules judged here: raising never lowers and
 * lowering never raises (KeRaiseIrql, KeLowerIrql); a spin lock is taken once, released by who holds it, and at
 * DISPATCH_LEVEL (KeAcquireSpinLock, KeReleaseSpinLock, KeAcquireSpinLockAtDpcLevel, KeReleaseSpinLockFromDpcLevel).
 */
#include "overlay.h"

KIRQL NTAPI shim_KeGetCurrentIrql(void);
KIRQL NTAPI shim_KeGetCurrentIrql(void)
{
    return irql_now();
}

static KIRQL raise(KIRQL to, const void *caller)
{
    KIRQL from = irql_now();
    if (to < from)
        violation(caller, "KeRaiseIrql to %u from %u lowers", to, from);
    irql_set(to);
    return from;
}

KIRQL NTAPI shim_KfRaiseIrql(KIRQL to);
KIRQL NTAPI shim_KfRaiseIrql(KIRQL to)
{
    return raise(to, CALLER);
}

KIRQL NTAPI shim_KeRaiseIrqlToDpcLevel(void);
KIRQL NTAPI shim_KeRaiseIrqlToDpcLevel(void)
{
    return raise(DISPATCH_LEVEL, CALLER);
}

static void lower(KIRQL to, const void *caller)
{
    KIRQL from = irql_now();
    if (to > from)
        violation(caller, "KeLowerIrql to %u from %u raises", to, from);
    irql_set(to);
}

VOID NTAPI shim_KeLowerIrql(KIRQL to);
VOID NTAPI shim_KeLowerIrql(KIRQL to)
{
    lower(to, CALLER);
}

static void lock(volatile ULONG_PTR *spin, const void *caller)
{
    ULONG_PTR me = (ULONG_PTR)GetCurrentThreadId() << 1 | 1, spins = 0;
    if (*spin == me) {
        violation(caller, "spin lock %p taken twice by one thread: deadlock", (void *)spin);
        return;
    }
    while (InterlockedCompareExchange64((volatile LONG64 *)spin, (LONG64)me, 0)) {
        if (++spins > 200)
            Sleep(0);
        if (spins == 2000000)
            violation(caller, "spin lock %p is not released", (void *)spin);
    }
}

static void unlock(volatile ULONG_PTR *spin, const void *caller)
{
    ULONG_PTR me = (ULONG_PTR)GetCurrentThreadId() << 1 | 1;
    if (*spin != me)
        violation(caller, *spin ? "spin lock %p released by another thread" : "spin lock %p released but not held",
                  (void *)spin);
    if (irql_now() < DISPATCH_LEVEL)
        violation(caller, "spin lock %p released at IRQL %u", (void *)spin, irql_now());
    InterlockedExchange64((volatile LONG64 *)spin, 0);
}

KIRQL NTAPI shim_KeAcquireSpinLockRaiseToDpc(volatile ULONG_PTR *spin);
KIRQL NTAPI shim_KeAcquireSpinLockRaiseToDpc(volatile ULONG_PTR *spin)
{
    if (irql_now() > DISPATCH_LEVEL)
        violation(CALLER, "KeAcquireSpinLock called at IRQL %u", irql_now());
    KIRQL old = raise(DISPATCH_LEVEL, CALLER);
    lock(spin, CALLER);
    return old;
}

VOID NTAPI shim_KeReleaseSpinLock(volatile ULONG_PTR *spin, KIRQL old);
VOID NTAPI shim_KeReleaseSpinLock(volatile ULONG_PTR *spin, KIRQL old)
{
    unlock(spin, CALLER);
    lower(old, CALLER);
}

VOID NTAPI shim_KeAcquireSpinLockAtDpcLevel(volatile ULONG_PTR *spin);
VOID NTAPI shim_KeAcquireSpinLockAtDpcLevel(volatile ULONG_PTR *spin)
{
    if (irql_now() < DISPATCH_LEVEL)
        violation(CALLER, "KeAcquireSpinLockAtDpcLevel called at IRQL %u, needs at least 2", irql_now());
    lock(spin, CALLER);
}

VOID NTAPI shim_KeReleaseSpinLockFromDpcLevel(volatile ULONG_PTR *spin);
VOID NTAPI shim_KeReleaseSpinLockFromDpcLevel(volatile ULONG_PTR *spin)
{
    unlock(spin, CALLER);
}

BOOLEAN NTAPI shim_KeTryToAcquireSpinLockAtDpcLevel(volatile ULONG_PTR *spin);
BOOLEAN NTAPI shim_KeTryToAcquireSpinLockAtDpcLevel(volatile ULONG_PTR *spin)
{
    if (irql_now() < DISPATCH_LEVEL)
        violation(CALLER, "KeTryToAcquireSpinLockAtDpcLevel called at IRQL %u, needs at least 2", irql_now());
    ULONG_PTR me = (ULONG_PTR)GetCurrentThreadId() << 1 | 1;
    return InterlockedCompareExchange64((volatile LONG64 *)spin, (LONG64)me, 0) == 0;
}

VOID NTAPI shim_KeInitializeSpinLock(volatile ULONG_PTR *spin);
VOID NTAPI shim_KeInitializeSpinLock(volatile ULONG_PTR *spin)
{
    *spin = 0;
}

/* FAST_MUTEX: raises to APC_LEVEL; not recursive (ExAcquireFastMutex).  Ours spins politely: the driver process has few
 * threads. */
VOID FASTCALL shim_ExAcquireFastMutex(PFAST_MUTEX mutex);
VOID FASTCALL shim_ExAcquireFastMutex(PFAST_MUTEX mutex)
{
    if (irql_now() > APC_LEVEL)
        violation(CALLER, "ExAcquireFastMutex called at IRQL %u, allowed up to 1", irql_now());
    void *me = (void *)(ULONG_PTR)GetCurrentThreadId();
    if (mutex->Owner == me)
        violation(CALLER, "fast mutex %p acquired twice by one thread: deadlock", (void *)mutex);
    KIRQL old = irql_now();
    for (ULONG spins = 0; InterlockedCompareExchange((volatile LONG *)&mutex->Count, 0, 1) != 1; spins++)
        Sleep(spins > 50);
    irql_set(APC_LEVEL);
    mutex->Owner = me;
    mutex->OldIrql = old;
}

VOID FASTCALL shim_ExReleaseFastMutex(PFAST_MUTEX mutex);
VOID FASTCALL shim_ExReleaseFastMutex(PFAST_MUTEX mutex)
{
    if (mutex->Owner != (void *)(ULONG_PTR)GetCurrentThreadId())
        violation(CALLER, "fast mutex %p released by another thread or not held", (void *)mutex);
    KIRQL old = (KIRQL)mutex->OldIrql;
    mutex->Owner = NULL;
    InterlockedExchange((volatile LONG *)&mutex->Count, 1);
    lower(old, CALLER);
}

/* Critical regions: normal kernel APCs are disabled between the two (KeEnterCriticalRegion, IRQL <= APC_LEVEL). */
VOID NTAPI shim_KeEnterCriticalRegion(VOID);
VOID NTAPI shim_KeEnterCriticalRegion(VOID)
{
    require_irql("KeEnterCriticalRegion", APC_LEVEL, CALLER);
    regions_set(regions_now() + 1);
}

VOID NTAPI shim_KeLeaveCriticalRegion(VOID);
VOID NTAPI shim_KeLeaveCriticalRegion(VOID)
{
    require_irql("KeLeaveCriticalRegion", APC_LEVEL, CALLER);
    if (!regions_now())
        violation(CALLER, "KeLeaveCriticalRegion without KeEnterCriticalRegion");
    else
        regions_set(regions_now() - 1);
}

/* The same mutex without raising: its holder must already be where no normal kernel APC comes. */
VOID FASTCALL shim_ExAcquireFastMutexUnsafe(PFAST_MUTEX mutex);
VOID FASTCALL shim_ExAcquireFastMutexUnsafe(PFAST_MUTEX mutex)
{
    void *me = (void *)(ULONG_PTR)GetCurrentThreadId();
    require_irql("ExAcquireFastMutexUnsafe", APC_LEVEL, CALLER);
    if (irql_now() < APC_LEVEL && !regions_now())
        violation(CALLER, "ExAcquireFastMutexUnsafe while kernel APCs are enabled");
    if (mutex->Owner == me) {
        violation(CALLER, "fast mutex %p acquired twice by one thread: deadlock", (void *)mutex);
        return;
    }
    for (ULONG spins = 0; InterlockedCompareExchange((volatile LONG *)&mutex->Count, 0, 1) != 1; spins++)
        Sleep(spins > 50);
    mutex->Owner = me;
}

VOID FASTCALL shim_ExReleaseFastMutexUnsafe(PFAST_MUTEX mutex);
VOID FASTCALL shim_ExReleaseFastMutexUnsafe(PFAST_MUTEX mutex)
{
    require_irql("ExReleaseFastMutexUnsafe", APC_LEVEL, CALLER);
    if (mutex->Owner != (void *)(ULONG_PTR)GetCurrentThreadId())
        violation(CALLER, "fast mutex %p released by another thread or not held", (void *)mutex);
    mutex->Owner = NULL;
    InterlockedExchange((volatile LONG *)&mutex->Count, 1);
}

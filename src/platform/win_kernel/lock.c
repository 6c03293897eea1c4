/* SPDX-License-Identifier: MIT
 *
 * A lock that may sleep is a fast mutex taken inside a critical region: its holder stays at PASSIVE_LEVEL, where it may
 * wait and touch files, and cannot be suspended.  (ExAcquireFastMutexUnsafe, IRQL: <= APC_LEVEL, all normal kernel APCs
 * disabled; KeEnterCriticalRegion, IRQL: <= APC_LEVEL.)
 */
#include "platform/win_kernel/kernel.h"

_Static_assert(sizeof(FAST_MUTEX) <= sizeof(struct os_lock), "a fast mutex fits the opaque lock");
_Static_assert(sizeof(KSPIN_LOCK) == sizeof(struct os_spin_lock), "a spin lock is the system's");

void os_lock_init(struct os_lock *lock)
{
    ExInitializeFastMutex((PFAST_MUTEX)lock);
}

void os_lock_destroy(struct os_lock *lock) {}

void os_lock_acquire(struct os_lock *lock)
{
    KeEnterCriticalRegion();
    ExAcquireFastMutexUnsafe((PFAST_MUTEX)lock);
}

void os_lock_release(struct os_lock *lock)
{
    ExReleaseFastMutexUnsafe((PFAST_MUTEX)lock);
    KeLeaveCriticalRegion();
}

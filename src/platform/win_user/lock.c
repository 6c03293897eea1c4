/* SPDX-License-Identifier: MIT
 *
 * Locks that sleep are slim reader/writer locks, held exclusively; spin locks wait here.
 */
#include "platform/win_user/user.h"

_Static_assert(sizeof(SRWLOCK) <= sizeof(struct os_lock), "a slim lock fits the opaque lock");

void os_lock_init(struct os_lock *lock)
{
    InitializeSRWLock((SRWLOCK *)lock);
}

void os_lock_destroy(struct os_lock *lock) {}

void os_lock_acquire(struct os_lock *lock)
{
    AcquireSRWLockExclusive((SRWLOCK *)lock);
}

void os_lock_release(struct os_lock *lock)
{
    ReleaseSRWLockExclusive((SRWLOCK *)lock);
}

NOINLINE void os_spin_wait(struct os_spin_lock *lock)
{
    enum { SPINS = 100 };
    do {
        for (unsigned i = 0; os_load(&lock->opaque); i++) {
            if (i < SPINS)
                os_relax();
            else
                SwitchToThread();
        }
    } while (__atomic_exchange_n(&lock->opaque, 1, __ATOMIC_ACQUIRE));
}

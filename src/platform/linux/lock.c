/* SPDX-License-Identifier: MIT
 *
 * Locks that sleep are the C library's mutexes; spin locks wait here.
 */
#include <pthread.h>
#include <sched.h>
#include "platform/os.h"

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(struct os_lock), "a mutex fits the opaque lock");

void os_lock_init(struct os_lock *lock)
{
    bug_if(pthread_mutex_init((pthread_mutex_t *)lock, NULL));
}

void os_lock_destroy(struct os_lock *lock)
{
    bug_if(pthread_mutex_destroy((pthread_mutex_t *)lock));
}

void os_lock_acquire(struct os_lock *lock)
{
    bug_if(pthread_mutex_lock((pthread_mutex_t *)lock));
}

void os_lock_release(struct os_lock *lock)
{
    bug_if(pthread_mutex_unlock((pthread_mutex_t *)lock));
}

NOINLINE void os_spin_wait(struct os_spin_lock *lock)
{
    enum { SPINS = 100 };
    do {
        for (unsigned i = 0; os_load(&lock->opaque); i++) {
            if (i < SPINS)
                os_relax();
            else
                sched_yield();
        }
    } while (__atomic_exchange_n(&lock->opaque, 1, __ATOMIC_ACQUIRE));
}

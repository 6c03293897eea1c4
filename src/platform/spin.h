/* SPDX-License-Identifier: MIT
 *
 * Spin locks, inline because a map update is little else.  Test and test-and-set: the common case is one exchange; a
 * waiter reads the line until the lock looks free and, in user mode where a holder can lose its CPU, yields now and
 * then.  Zero-initialised is unlocked.  A spin lock protects a few instructions; nothing sleeps under it.
 */
#ifndef WINBPF_PLATFORM_SPIN_H
#define WINBPF_PLATFORM_SPIN_H

#include "base/annotate.h"
#include "platform/atomic.h"

struct os_spin_lock {
    uint32_t opaque;
};

/* What to go back to: the kernel's interrupt level; nothing in user mode. */
typedef uint8_t os_irql;

/* Waits for a lock that another holds, and takes it. */
void os_spin_wait(struct os_spin_lock *lock);

/* The returned state goes to release. */
static inline os_irql os_spin_acquire(struct os_spin_lock *lock)
{
    if (unlikely(__atomic_exchange_n(&lock->opaque, 1, __ATOMIC_ACQUIRE)))
        os_spin_wait(lock);
    return 0;
}

static inline void os_spin_release(struct os_spin_lock *lock, os_irql state)
{
    (void)state;
    os_store_release(&lock->opaque, 0);
}

#endif

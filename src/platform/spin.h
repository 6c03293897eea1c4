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

#ifdef WINBPF_KERNEL
/* The system's own, so that the verifier and the debugger know it, and so that its holder runs at DISPATCH_LEVEL.
 * (KeAcquireSpinLockRaiseToDpc and KeReleaseSpinLock: "IRQL <= DISPATCH_LEVEL" and "DISPATCH_LEVEL".)  The names are
 * those of the import table: shared rooms do not see the system's headers. */
struct os_spin_lock {
    uintptr_t opaque;
};
typedef uint8_t os_irql;
extern os_irql (*const os_import_spin_acquire)(uintptr_t *lock) __asm__("__imp_KeAcquireSpinLockRaiseToDpc");
extern void (*const os_import_spin_release)(uintptr_t *lock, os_irql irql) __asm__("__imp_KeReleaseSpinLock");

static inline os_irql os_spin_acquire(struct os_spin_lock *lock)
{
    return os_import_spin_acquire(&lock->opaque);
}

static inline void os_spin_release(struct os_spin_lock *lock, os_irql state)
{
    os_import_spin_release(&lock->opaque, state);
}
#else

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

#endif

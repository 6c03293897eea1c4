/* SPDX-License-Identifier: MIT
 *
 * Epochs: readers without locks, memory freed only when no reader can still see it (Fraser 2004, "Practical lock
 * freedom", section 5.2.3; our departures are in epoch.c).  A program's invocation is a reader.  Sections nest, need no
 * registration and may end on another thread or CPU than they began; those with a CPU slot end on the thread they
 * began.
 */
#ifndef WINBPF_CORE_EPOCH_H
#define WINBPF_CORE_EPOCH_H

#include <stdint.h>
#include "base/result.h"

/* Caller-owned, on the stack; the size is part of the extension contract. */
struct epoch_state {
    uint64_t opaque[4];
};

/* Embedded in what is to be freed later. */
struct epoch_entry {
    struct epoch_entry *next;
    void (*reclaim)(struct epoch_entry *entry);
    uint64_t epoch;
};

enum result epoch_start(void);
/* After the last reader: runs every pending reclaim. */
void epoch_stop(void);

void epoch_enter(struct epoch_state *state);
void epoch_leave(struct epoch_state *state);

/* Takes part in an invocation: enters an epoch *and* leases a CPU slot for its length (user mode: exclusive; home slot
 * first; kernel mode at DISPATCH_LEVEL: the CPU itself).  Nested invocations on one thread keep the outer's slot. */
uint32_t epoch_enter_cpu(struct epoch_state *state);
void epoch_leave_cpu(struct epoch_state *state);

/* Calls entry->reclaim once every section entered before now has left.  The caller has already unlinked it.  Callable
 * inside a section and under spin locks; reclaim runs at PASSIVE or DISPATCH, outside any section, and may retire more.
 */
void epoch_retire(struct epoch_entry *entry, void (*reclaim)(struct epoch_entry *entry));

/* Reclaims what no reader can see any more, if much is waiting; cheap otherwise.  Not inside a section, no spin lock
 * held.  epoch_leave() and epoch_leave_cpu() do the same, so only those who retire outside of sections need it. */
void epoch_poll(void);

/* Reclaims all that no reader holds back, without waiting for any, and what that retires in turn.  Not inside a
 * section. */
void epoch_flush(void);

/* Entries retired and not yet reclaimed, for tests. */
uint64_t epoch_pending(void);

/* Waits until everything retired before the call has been reclaimed.  Not inside a section. */
void epoch_synchronize(void);

#endif

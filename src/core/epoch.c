/* SPDX-License-Identifier: MIT
 *
 * A global epoch counts up.  A reader publishes in a *slot* (a cache line of its own) the epoch it saw when it entered;
 * 0 means that the slot is free.  Entering is one compare-and-exchange of 0 to the epoch, leaving one store of 0.
 * What is retired is stamped with the epoch of that moment.
 *
 *   Claim: an entry stamped r may be reclaimed once a scan, begun after the entry was retired, finds no slot with a
 * value in 1 … r.  A reader that the scan saw with e > r read the epoch after it had moved past r, hence after the
 * unlinking, which came before the stamp was read; it cannot find the object.  A reader that the scan did not see
 * published later than the scan, hence after the unlinking, too.  (Publication, stamp and scan are sequentially
 * consistent.) A reader delayed between reading the epoch and publishing it shows an old number, which only blocks
 * more.
 *
 * Departures from Fraser: the epoch may advance at any time, not only when all have seen it (stamps are compared with
 * the slots' own values, never with "two ago"); there are no limbo lists per epoch, a batch is sorted as it is scanned.
 *
 * Slots: one per CPU that epoch_enter_cpu() leases (exclusive, so that per-CPU data has one user), and SLOTS_PER_CPU
 * more for plain sections.  When a plain reader finds its CPU's slots taken it goes to the *overflow*: counted readers
 * under a lock, in two halves that take turns, each standing for the epoch at which it was last opened.  So entering
 * never fails and never waits for another section, and nesting cannot deadlock.  A CPU lease does wait when every CPU
 * is leased; its holder nests without a second lease, so some holder always runs on.
 *
 * Retired entries go to a stack per CPU (one exchange).  There is no background thread: a stack grown past THRESHOLD
 * raises a flag, and the next to leave a section, or epoch_poll(), takes all stacks, scans once and reclaims.  One
 * does so at a time; what is still visible is kept for the next time, which comes after as many new entries again.
 */
#include <string.h>
#include "core/epoch.h"
#include "platform/os.h"

enum { SLOTS_PER_CPU = 4, THRESHOLD = 64, SPINS_BEFORE_YIELD = 64, TAG = OS_TAG('e', 'p', 'o', 'c') };

struct slot {
    uint64_t epoch;
    uint64_t pad[7];
};

struct stack {
    struct epoch_entry *top;
    uint64_t count; /* pushed since last taken; approximate */
    uint64_t pad[6];
};

static struct {
    uint64_t now;
    uint64_t pad0[7];
    bool wanted; /* somebody should reclaim; read on every leave, so away from what is written often */
    uint32_t cpus;
    struct slot *leases;  /* cpus */
    struct slot *plain;   /* cpus * SLOTS_PER_CPU */
    struct stack *stacks; /* cpus */
    uint64_t pad1[4];

    struct os_spin_lock overflow_lock;
    uint32_t overflow_current;
    struct overflow {
        uint64_t readers, epoch;
    } overflow[2];
    uint64_t pad2[2];

    uint32_t reclaiming;      /* lock: the rest is its holder's */
    struct epoch_entry *kept; /* taken from the stacks, still visible to someone */
    uint64_t kept_count;
    uint64_t rounds; /* scans begun, for epoch_synchronize */
} epochs;

/* CPU slot this thread has leased, plus one; 0: none. */
static OS_THREAD_LOCAL uint32_t leased;

enum result epoch_start(void)
{
    uint32_t cpus = os_cpu_count();
    memset(&epochs, 0, sizeof epochs);
    epochs.now = 1;
    epochs.cpus = cpus;
    epochs.leases = os_alloc_aligned(cpus * sizeof(struct slot), TAG);
    epochs.plain = os_alloc_aligned(cpus * SLOTS_PER_CPU * sizeof(struct slot), TAG);
    epochs.stacks = os_alloc_aligned(cpus * sizeof(struct stack), TAG);
    if (epochs.leases && epochs.plain && epochs.stacks)
        return RESULT_OK;
    epoch_stop();
    return RESULT_NO_MEMORY;
}

static bool take_slot(struct slot *slot)
{
    uint64_t empty = 0;
    return !os_load(&slot->epoch) && os_compare_exchange(&slot->epoch, &empty, os_load_acquire(&epochs.now));
}

static NOINLINE uint64_t overflow_enter(void)
{
    os_irql irql = os_spin_acquire(&epochs.overflow_lock);
    uint64_t now = os_load_acquire(&epochs.now);
    uint32_t half = epochs.overflow_current;
    if (epochs.overflow[half].readers && epochs.overflow[half].epoch != now && !epochs.overflow[!half].readers)
        epochs.overflow_current = half = !half; /* lets the older half run empty */
    if (!epochs.overflow[half].readers)
        os_exchange(&epochs.overflow[half].epoch, now);
    epochs.overflow[half].readers++;
    os_spin_release(&epochs.overflow_lock, irql);
    return half;
}

static NOINLINE void overflow_leave(uint64_t half)
{
    os_irql irql = os_spin_acquire(&epochs.overflow_lock);
    bug_if(!epochs.overflow[half].readers);
    if (!--epochs.overflow[half].readers)
        os_store_release(&epochs.overflow[half].epoch, 0);
    os_spin_release(&epochs.overflow_lock, irql);
}

void epoch_enter(struct epoch_state *state)
{
    struct slot *slot = epochs.plain + os_cpu_current() * SLOTS_PER_CPU;
    for (unsigned i = 0; i < SLOTS_PER_CPU; i++, slot++) {
        if (take_slot(slot)) {
            state->opaque[0] = (uintptr_t)slot;
            return;
        }
    }
    state->opaque[0] = 0;
    state->opaque[1] = overflow_enter();
}

static bool reclaim(bool wait);

void epoch_leave(struct epoch_state *state)
{
    struct slot *slot = (struct slot *)(uintptr_t)state->opaque[0];
    if (likely(slot != NULL))
        os_store_release(&slot->epoch, 0);
    else
        overflow_leave(state->opaque[1]);
    if (unlikely(os_load(&epochs.wanted)))
        reclaim(false);
}

static NOINLINE uint32_t lease_other(uint32_t home)
{
    for (unsigned tries = 0;; tries++) {
        for (uint32_t i = 0, cpu = home; i < epochs.cpus; i++) {
            if (take_slot(&epochs.leases[cpu]))
                return cpu;
            cpu = cpu + 1 == epochs.cpus ? 0 : cpu + 1;
        }
        if (tries % SPINS_BEFORE_YIELD == SPINS_BEFORE_YIELD - 1)
            os_yield();
        else
            os_relax();
    }
}

uint32_t epoch_enter_cpu(struct epoch_state *state)
{
    uint32_t lease = leased;
    if (unlikely(lease)) {
        state->opaque[0] = 0;
        return lease - 1;
    }
    uint32_t cpu = os_cpu_current();
    if (unlikely(!take_slot(&epochs.leases[cpu])))
        cpu = lease_other(cpu);
    leased = cpu + 1;
    state->opaque[0] = cpu + 1;
    return cpu;
}

void epoch_leave_cpu(struct epoch_state *state)
{
    if (!state->opaque[0])
        return; /* nested */
    bug_if(leased != state->opaque[0]);
    leased = 0;
    os_store_release(&epochs.leases[state->opaque[0] - 1].epoch, 0);
    if (unlikely(os_load(&epochs.wanted)))
        reclaim(false);
}

void epoch_retire(struct epoch_entry *entry, void (*function)(struct epoch_entry *entry))
{
    struct stack *stack = &epochs.stacks[os_cpu_current()];
    entry->reclaim = function;
    os_fence(); /* the unlinking before the stamp */
    entry->epoch = os_load_acquire(&epochs.now);
    struct epoch_entry *top = os_load(&stack->top);
    do
        entry->next = top;
    while (!os_compare_exchange(&stack->top, &top, entry));
    if (__atomic_fetch_add(&stack->count, 1, __ATOMIC_RELAXED) >= THRESHOLD && !os_load(&epochs.wanted))
        os_store(&epochs.wanted, true);
}

/* The oldest epoch that a reader is in; UINT64_MAX for none. */
static uint64_t oldest_reader(void)
{
    uint64_t oldest = UINT64_MAX;
    for (uint32_t i = 0; i < epochs.cpus * (1 + SLOTS_PER_CPU) + 2; i++) {
        uint64_t *where = i < epochs.cpus                         ? &epochs.leases[i].epoch
                          : i < epochs.cpus * (1 + SLOTS_PER_CPU) ? &epochs.plain[i - epochs.cpus].epoch
                                                                  : &epochs.overflow[i % 2].epoch;
        uint64_t epoch = __atomic_load_n(where, __ATOMIC_SEQ_CST);
        if (epoch && epoch < oldest)
            oldest = epoch;
    }
    return oldest;
}

/* Takes everything retired so far, reclaims what nobody sees.  False when another is at it (`wait`: waits instead). */
static NOINLINE bool reclaim(bool wait)
{
    uint32_t idle = 0;
    while (!os_compare_exchange(&epochs.reclaiming, &idle, 1)) {
        idle = 0;
        if (!wait)
            return false;
        os_yield();
    }
    os_store(&epochs.wanted, false);
    struct epoch_entry *all = epochs.kept, *entry, *next;
    for (uint32_t i = 0; i < epochs.cpus; i++) {
        os_store(&epochs.stacks[i].count, 0);
        if (!os_load(&epochs.stacks[i].top))
            continue;
        for (entry = os_exchange(&epochs.stacks[i].top, NULL); entry; entry = next) {
            next = entry->next;
            entry->next = all;
            all = entry;
            epochs.kept_count++;
        }
    }
    os_fetch_add(&epochs.now, 1);
    uint64_t oldest = oldest_reader();
    struct epoch_entry *ready = NULL, *kept = NULL;
    for (entry = all; entry; entry = next) {
        struct epoch_entry **list = entry->epoch < oldest ? &ready : &kept;
        next = entry->next;
        epochs.kept_count -= list == &ready;
        entry->next = *list;
        *list = entry;
    }
    epochs.kept = kept;
    for (entry = ready; entry; entry = next) {
        next = entry->next;
        entry->reclaim(entry);
    }
    os_store_release(&epochs.reclaiming, 0);
    return true;
}

void epoch_poll(void)
{
    if (unlikely(os_load(&epochs.wanted)))
        reclaim(false);
}

uint64_t epoch_pending(void)
{
    uint64_t pending = 0;
    while (os_exchange(&epochs.reclaiming, 1))
        os_yield();
    pending = epochs.kept_count;
    for (uint32_t i = 0; i < epochs.cpus; i++)
        pending += os_load(&epochs.stacks[i].count);
    os_store_release(&epochs.reclaiming, 0);
    return pending;
}

/* Has everything stamped up to `epoch` been reclaimed?  Only kept entries can be older: the stacks were just taken. */
static bool kept_none_up_to(uint64_t epoch)
{
    bool none = true;
    while (os_exchange(&epochs.reclaiming, 1))
        os_yield();
    for (struct epoch_entry *entry = epochs.kept; entry && none; entry = entry->next)
        none = entry->epoch > epoch;
    os_store_release(&epochs.reclaiming, 0);
    return none;
}

void epoch_synchronize(void)
{
    os_fence();
    uint64_t until = os_load_acquire(&epochs.now);
    for (unsigned tries = 0;; tries++) {
        reclaim(true);
        if (kept_none_up_to(until))
            return;
        if (tries < SPINS_BEFORE_YIELD)
            os_yield();
        else
            os_sleep_ns(50000);
    }
}

void epoch_stop(void)
{
    if (epochs.leases && epochs.plain && epochs.stacks) {
        while (epoch_pending())
            epoch_synchronize();
    }
    os_free_aligned(epochs.leases, epochs.cpus * sizeof(struct slot), TAG);
    os_free_aligned(epochs.plain, epochs.cpus * SLOTS_PER_CPU * sizeof(struct slot), TAG);
    os_free_aligned(epochs.stacks, epochs.cpus * sizeof(struct stack), TAG);
    memset(&epochs, 0, sizeof epochs);
}

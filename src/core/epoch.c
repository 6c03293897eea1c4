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
 * the slots' own values, never with "two ago"); waiting entries lie in batches, each judged by its newest stamp, so
 * that a scan costs the same however much is waiting.
 *
 * Slots: one per CPU that epoch_enter_cpu() leases (exclusive, so that per-CPU data has one user), and SLOTS_PER_CPU
 * more for plain sections.  When a plain reader finds its CPU's slots taken it goes to the *overflow*: counted readers
 * under a lock, in two halves that take turns, each standing for the epoch at which it was last opened.  So entering
 * never fails and never waits for another section, and nesting cannot deadlock.  A CPU lease does wait when every CPU
 * is leased; its holder nests without a second lease, so some holder always runs on.
 *
 * Retired entries go to a stack per CPU (one exchange).  In user mode there is no background thread: a stack grown past
 * THRESHOLD raises a flag, and the next to leave a section, or epoch_poll(), takes all stacks as one batch, scans once
 * and reclaims the batches that no reader holds back.  One does so at a time.  When threads retire faster than that one
 * reclaims, or a reader has lost its CPU inside its section, those who leave with BACKLOG entries waiting yield theirs
 * first: so memory stays bounded by what is retired during a section.  In a kernel sections are left at DISPATCH_LEVEL
 * too, where one may not reclaim, for that takes locks that sleep; there a thread is woken to do it.
 */
#include <string.h>
#include "core/epoch.h"
#include "platform/os.h"

enum {
    SLOTS_PER_CPU = 4,
    THRESHOLD = 64,
    BACKLOG = 4096,
    BATCHES = 8,
    SPINS_BEFORE_YIELD = 64,
    TAG = OS_TAG('e', 'p', 'o', 'c')
};

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

    uint32_t reclaiming; /* lock: the rest is its holder's */
    uint32_t batch_count;
    uint64_t kept_count; /* entries in batches */
    uint64_t sequence;   /* batches ever made */
    struct batch {
        struct epoch_entry *first, *last;
        uint64_t stamp;    /* newest */
        uint64_t sequence; /* of its making */
        uint64_t count;
    } batches[BATCHES]; /* oldest first */
} epochs;

#ifdef WINBPF_KERNEL
/* In a kernel the CPU itself is the lease: an invocation runs at DISPATCH_LEVEL, so a slot that is taken on arrival is
 * our own thread's, and `tenants` (per slot, its thread) only confirms it. */
static uintptr_t *tenants;
enum { YIELDS = false };
static struct {
    struct os_event *wake;
    struct os_thread *thread;
    uint32_t stopping;
} reclaimer;
static enum result reclaimer_start(void);
static void reclaimer_stop(void);
#else
enum { YIELDS = true };
/* CPU slot this thread has leased, plus one; 0: none. */
static OS_THREAD_LOCAL uint32_t leased;
#endif

enum result epoch_start(void)
{
    uint32_t cpus = os_cpu_count();
    memset(&epochs, 0, sizeof epochs);
    epochs.now = 1;
    epochs.cpus = cpus;
    epochs.leases = os_alloc_aligned(cpus * sizeof(struct slot), TAG);
    epochs.plain = os_alloc_aligned(cpus * SLOTS_PER_CPU * sizeof(struct slot), TAG);
    epochs.stacks = os_alloc_aligned(cpus * sizeof(struct stack), TAG);
#ifdef WINBPF_KERNEL
    tenants = os_alloc(cpus * sizeof *tenants, TAG);
    if (!tenants) {
        epoch_stop();
        return RESULT_NO_MEMORY;
    }
#endif
    enum result result = RESULT_NO_MEMORY;
    if (epochs.leases && epochs.plain && epochs.stacks)
        result = RESULT_OK;
#ifdef WINBPF_KERNEL
    if (!result)
        result = reclaimer_start();
#endif
    if (result)
        epoch_stop();
    return result;
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

static uint64_t reclaim(bool wait);

/* Somebody should reclaim, and we have just left a section. */
static NOINLINE void leave_slowly(void)
{
#ifdef WINBPF_KERNEL
    if (!os_may_wait()) {
        os_event_set(reclaimer.wake);
        return;
    }
#endif
    reclaim(false);
    if (os_load(&epochs.stacks[os_cpu_current()].count) > BACKLOG || os_load(&epochs.kept_count) > BACKLOG)
        os_yield();
}

void epoch_leave(struct epoch_state *state)
{
    struct slot *slot = (struct slot *)(uintptr_t)state->opaque[0];
    if (likely(slot != NULL))
        os_store_release(&slot->epoch, 0);
    else
        overflow_leave(state->opaque[1]);
    if (unlikely(os_load(&epochs.wanted)))
        leave_slowly();
}

static NOINLINE uint32_t lease_other(uint32_t home)
{
    for (unsigned tries = 0;; tries++) {
        for (uint32_t i = 0, cpu = home; i < epochs.cpus; i++) {
            if (take_slot(&epochs.leases[cpu]))
                return cpu;
            cpu = cpu + 1 == epochs.cpus ? 0 : cpu + 1;
        }
        if (YIELDS && tries % SPINS_BEFORE_YIELD == SPINS_BEFORE_YIELD - 1)
            os_yield();
        else
            os_relax();
    }
}

#ifdef WINBPF_KERNEL
uint32_t epoch_enter_cpu(struct epoch_state *state)
{
    state->opaque[1] = os_cpu_pin();
    uint32_t cpu = os_cpu_current();
    uintptr_t self = os_thread_self();
    if (unlikely(!take_slot(&epochs.leases[cpu]))) {
        if (os_load(&tenants[cpu]) == self) {
            state->opaque[0] = 0; /* nested */
            return cpu;
        }
        cpu = lease_other(cpu);
    }
    os_store(&tenants[cpu], self);
    state->opaque[0] = cpu + 1;
    return cpu;
}

void epoch_leave_cpu(struct epoch_state *state)
{
    uint64_t lease = state->opaque[0];
    if (lease) {
        os_store(&tenants[lease - 1], 0);
        os_store_release(&epochs.leases[lease - 1].epoch, 0);
    }
    os_cpu_unpin((os_irql)state->opaque[1]);
    if (unlikely(lease && os_load(&epochs.wanted)))
        leave_slowly();
}
#else
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
        leave_slowly();
}
#endif

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

/* Takes everything retired so far into a batch: the last one, when there is no place for another. */
static void take_stacks(void)
{
    struct batch taken = {NULL, NULL, 0, 0, 0};
    for (uint32_t i = 0; i < epochs.cpus; i++) {
        os_store(&epochs.stacks[i].count, 0);
        if (!os_load(&epochs.stacks[i].top))
            continue;
        for (struct epoch_entry *entry = os_exchange(&epochs.stacks[i].top, NULL), *next; entry; entry = next) {
            next = entry->next;
            entry->next = taken.first;
            taken.first = entry;
            if (!taken.last)
                taken.last = entry;
            taken.count++;
        }
    }
    taken.stamp = os_fetch_add(&epochs.now, 1); /* nothing taken has a newer one */
    if (!taken.first)
        return;
    os_store(&epochs.kept_count, epochs.kept_count + taken.count);
    if (epochs.batch_count < BATCHES) {
        taken.sequence = ++epochs.sequence;
        epochs.batches[epochs.batch_count++] = taken;
        return;
    }
    struct batch *last = &epochs.batches[BATCHES - 1];
    last->last->next = taken.first;
    last->last = taken.last;
    last->stamp = taken.stamp;
    last->count += taken.count;
}

static void lock_reclaiming(void)
{
    while (os_exchange(&epochs.reclaiming, 1))
        os_yield();
}

static void unlock_reclaiming(void)
{
    os_store_release(&epochs.reclaiming, 0);
}

/* Takes everything retired so far and reclaims what nobody sees.  Returns the number of the newest batch; when another
 * is at it and we do not `wait`, nothing is done. */
static NOINLINE uint64_t reclaim(bool wait)
{
    uint32_t idle = 0;
    if (wait)
        lock_reclaiming();
    else if (!os_compare_exchange(&epochs.reclaiming, &idle, 1))
        return 0;
    os_store(&epochs.wanted, false);
    take_stacks();
    uint64_t oldest = oldest_reader(), sequence = epochs.sequence;
    while (epochs.batch_count && epochs.batches[0].stamp < oldest) {
        struct batch ready = epochs.batches[0];
        epochs.batch_count--;
        memmove(epochs.batches, epochs.batches + 1, epochs.batch_count * sizeof *epochs.batches);
        for (struct epoch_entry *entry = ready.first, *next; entry; entry = next) {
            next = entry == ready.last ? NULL : entry->next;
            entry->reclaim(entry);
        }
        os_store(&epochs.kept_count, epochs.kept_count - ready.count);
    }
    unlock_reclaiming();
    return sequence;
}

void epoch_poll(void)
{
    if (unlikely(os_load(&epochs.wanted)))
        leave_slowly();
}

void epoch_flush(void)
{
    enum { ROUNDS = 8 }; /* what is reclaimed retires what it held: program, map, inner map … */
    for (int i = 0; i < ROUNDS && epoch_pending(); i++)
        reclaim(true);
}

uint64_t epoch_pending(void)
{
    lock_reclaiming();
    uint64_t pending = epochs.kept_count;
    for (uint32_t i = 0; i < epochs.cpus; i++)
        pending += os_load(&epochs.stacks[i].count);
    unlock_reclaiming();
    return pending;
}

void epoch_synchronize(void)
{
    uint64_t mine = reclaim(true);
    for (unsigned tries = 0;; tries++) {
        lock_reclaiming();
        bool done = !epochs.batch_count || epochs.batches[0].sequence > mine;
        unlock_reclaiming();
        if (done)
            return;
        if (tries < SPINS_BEFORE_YIELD)
            os_yield();
        else
            os_sleep_ns(50000);
        reclaim(true);
    }
}

#ifdef WINBPF_KERNEL
static void reclaimer_body(void *argument)
{
    for (;;) {
        os_event_wait(reclaimer.wake, UINT64_MAX);
        if (os_load(&reclaimer.stopping))
            return;
        if (os_load(&epochs.wanted))
            reclaim(false);
    }
}

static enum result reclaimer_start(void)
{
    reclaimer.stopping = 0;
    enum result result = os_event_create(&reclaimer.wake);
    return result ? result : os_thread_start(reclaimer_body, NULL, &reclaimer.thread);
}

/* Also of one that was not wholly started. */
static void reclaimer_stop(void)
{
    if (reclaimer.thread) {
        os_store(&reclaimer.stopping, 1);
        os_event_set(reclaimer.wake);
        os_thread_join(reclaimer.thread);
    }
    os_event_destroy(reclaimer.wake);
    memset(&reclaimer, 0, sizeof reclaimer);
}
#endif

void epoch_stop(void)
{
#ifdef WINBPF_KERNEL
    reclaimer_stop();
#endif
    if (epochs.leases && epochs.plain && epochs.stacks) {
        while (epoch_pending())
            epoch_synchronize();
    }
    os_free_aligned(epochs.leases, epochs.cpus * sizeof(struct slot), TAG);
    os_free_aligned(epochs.plain, epochs.cpus * SLOTS_PER_CPU * sizeof(struct slot), TAG);
    os_free_aligned(epochs.stacks, epochs.cpus * sizeof(struct stack), TAG);
#ifdef WINBPF_KERNEL
    os_free(tenants, epochs.cpus * sizeof *tenants, TAG);
    tenants = NULL;
#endif
    memset(&epochs, 0, sizeof epochs);
}

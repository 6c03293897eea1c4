/* SPDX-License-Identifier: MIT
 *
 * Epochs: nothing is reclaimed while a reader may see it, everything is in the end, and memory does not grow meanwhile.
 */
#include <string.h>
#include <time.h>
#include "check.h"
#include "core/epoch.h"
#include "platform/os.h"

static uint32_t reclaimed;

static void count_reclaim(struct epoch_entry *entry)
{
    os_fetch_add(&reclaimed, 1);
}

static bool nothing_left(void)
{
    uint64_t blocks, bytes;
    epoch_stop();
    os_alloc_live(&blocks, &bytes);
    return !blocks && !bytes;
}

TEST(reader_holds_back_reclaim)
{
    struct epoch_state reader, inner;
    static struct epoch_entry before, during;
    reclaimed = 0;
    REQUIRE(!epoch_start());
    epoch_retire(&before, count_reclaim);
    epoch_synchronize();
    CHECK_EQ(reclaimed, 1);
    epoch_enter(&reader);
    epoch_retire(&during, count_reclaim);
    epoch_enter(&inner);
    epoch_leave(&inner);
    epoch_poll();
    CHECK_EQ(reclaimed, 1);
    CHECK_EQ(epoch_pending(), 1);
    epoch_leave(&reader);
    epoch_synchronize();
    CHECK_EQ(reclaimed, 2);
    CHECK_EQ(epoch_pending(), 0);
    CHECK(nothing_left());
}

/* More sections at once than there are slots: the overflow holds back too. */
TEST(many_nested_sections)
{
    enum { SECTIONS = 1000 };
    static struct epoch_state states[SECTIONS];
    static struct epoch_entry entries[2];
    reclaimed = 0;
    REQUIRE(!epoch_start());
    for (unsigned i = 0; i < SECTIONS; i++)
        epoch_enter(&states[i]);
    epoch_retire(&entries[0], count_reclaim);
    for (unsigned i = 0; i + 1 < SECTIONS; i++)
        epoch_leave(&states[i]);
    for (unsigned i = 0; i < 200; i++)
        epoch_poll();
    CHECK_EQ(epoch_pending(), 1);
    CHECK_EQ(reclaimed, 0);
    epoch_leave(&states[SECTIONS - 1]);
    epoch_synchronize();
    CHECK_EQ(reclaimed, 1);
    CHECK(nothing_left());
}

TEST(cpu_slot_is_kept_when_nested)
{
    struct epoch_state outer, inner;
    REQUIRE(!epoch_start());
    uint32_t cpu = epoch_enter_cpu(&outer);
    CHECK(cpu < os_cpu_count());
    CHECK_EQ(epoch_enter_cpu(&inner), cpu);
    epoch_leave_cpu(&inner);
    static struct epoch_entry entry;
    reclaimed = 0;
    epoch_retire(&entry, count_reclaim);
    epoch_poll();
    CHECK_EQ(reclaimed, 0);
    epoch_leave_cpu(&outer);
    epoch_synchronize();
    CHECK_EQ(reclaimed, 1);
    CHECK(nothing_left());
}

/* Torture: writers replace a shared cell and retire the old one; reclaiming poisons it; a reader that sees poison has
 * been betrayed. */
enum { CELLS = 8, THREADS = 6 };
#define ALIVE 0x600d600d600d600dull
#define DEAD  0xdeaddeaddeaddeadull

struct cell {
    struct epoch_entry retired; /* first */
    uint64_t canary;
};

static struct cell *cells[CELLS];
static uint32_t betrayed, quit;
static uint64_t reads, writes, cpu_users[64];

static void cell_reclaim(struct epoch_entry *entry)
{
    struct cell *cell = (struct cell *)entry;
    os_store(&cell->canary, DEAD);
    os_free(cell, sizeof *cell, 0);
}

static void torture(void *argument)
{
    uint32_t x = (uint32_t)(uintptr_t)argument * 2654435761u + 1;
    uint64_t done_reads = 0, done_writes = 0;
    while (!os_load(&quit)) {
        struct epoch_state state;
        x ^= x << 13, x ^= x >> 17, x ^= x << 5;
        struct cell **place = &cells[x % CELLS];
        bool with_cpu = x >> 8 & 1;
        uint32_t cpu = 0;
        if (with_cpu) {
            cpu = epoch_enter_cpu(&state);
            if (os_fetch_add(&cpu_users[cpu], 1) != 0)
                os_fetch_add(&betrayed, 1);
        } else {
            epoch_enter(&state);
        }
        struct cell *cell = os_load_acquire(place);
        for (unsigned i = 0; i < (x >> 16) % 32; i++)
            if (os_load(&cell->canary) != ALIVE)
                os_fetch_add(&betrayed, 1);
        done_reads++;
        if ((x >> 24) % 4 == 0) {
            struct cell *fresh = os_alloc(sizeof *fresh, 0);
            if (fresh) {
                os_store(&fresh->canary, ALIVE);
                cell = os_exchange(place, fresh);
                epoch_retire(&cell->retired, cell_reclaim);
                done_writes++;
            }
        }
        if (with_cpu) {
            os_fetch_sub(&cpu_users[cpu], 1);
            epoch_leave_cpu(&state);
        } else {
            epoch_leave(&state);
        }
    }
    os_fetch_add(&reads, done_reads);
    os_fetch_add(&writes, done_writes);
}

TEST(torture)
{
    struct os_thread *threads[THREADS];
    uint64_t most = 0;
    const char *effort = getenv("WINBPF_EFFORT");
    unsigned ticks = effort && !strcmp(effort, "long") ? 3000 : 100;
    REQUIRE(!epoch_start());
    betrayed = quit = 0;
    for (unsigned i = 0; i < CELLS; i++) {
        cells[i] = os_alloc(sizeof *cells[i], 0);
        cells[i]->canary = ALIVE;
    }
    for (uintptr_t i = 0; i < THREADS; i++)
        REQUIRE(!os_thread_start(torture, (void *)(i + 1), &threads[i]));
    for (unsigned i = 0; i < ticks; i++) {
        os_sleep_ns(10000000);
        uint64_t pending = epoch_pending();
        most = pending > most ? pending : most;
        if (i % 10 == 0)
            epoch_synchronize();
    }
    os_store(&quit, 1);
    for (unsigned i = 0; i < THREADS; i++)
        os_thread_join(threads[i]);
    printf("%llu reads, %llu retired, at most %llu waiting\n", (unsigned long long)reads, (unsigned long long)writes,
           (unsigned long long)most);
    CHECK_EQ(betrayed, 0);
    CHECK(writes > 1000);
    CHECK(most < writes / 4);
    for (unsigned i = 0; i < CELLS; i++)
        os_free(cells[i], sizeof *cells[i], 0);
    CHECK(nothing_left());
}

/* One thread that enters, retires and leaves for ever keeps little waiting. */
TEST(memory_does_not_grow)
{
    uint64_t blocks, bytes, most = 0;
    REQUIRE(!epoch_start());
    for (unsigned i = 0; i < 100000; i++) {
        struct epoch_state state;
        struct cell *cell = os_alloc(sizeof *cell, 0);
        epoch_enter(&state);
        epoch_retire(&cell->retired, cell_reclaim);
        epoch_leave(&state);
        if (i % 64 == 0) {
            os_alloc_live(&blocks, &bytes);
            most = blocks > most ? blocks : most;
        }
    }
    CHECK(most < 2000);
    CHECK(nothing_left());
}

static double nanoseconds(void (*body)(unsigned), unsigned count)
{
    double best = 1e9;
    for (unsigned round = 0; round < 5; round++) {
        uint64_t begin = os_time_monotonic();
        body(count);
        double each = (double)(os_time_monotonic() - begin) / count;
        best = each < best ? each : best;
    }
    return best;
}

static void plain_sections(unsigned count)
{
    struct epoch_state state;
    while (count--) {
        epoch_enter(&state);
        epoch_leave(&state);
    }
}

static void cpu_sections(unsigned count)
{
    struct epoch_state state;
    while (count--) {
        epoch_enter_cpu(&state);
        epoch_leave_cpu(&state);
    }
}

TEST(cost)
{
    REQUIRE(!epoch_start());
    printf("enter and leave: %.1f ns; with a CPU slot: %.1f ns\n", nanoseconds(plain_sections, 1000000),
           nanoseconds(cpu_sections, 1000000));
    CHECK(nothing_left());
}

TEST_MAIN

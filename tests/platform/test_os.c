/* SPDX-License-Identifier: MIT
 *
 * The platform's vocabulary, each word once.
 */
#include <string.h>
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <process.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif
#include "check.h"
#include "platform/handle.h"
#include "platform/os.h"

enum { TAG = OS_TAG('t', 'e', 's', 't') };

static bool nothing_live(void)
{
    uint64_t blocks, bytes;
    os_alloc_live(&blocks, &bytes);
    return !blocks && !bytes;
}

static bool zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

TEST(memory)
{
    static const size_t sizes[] = {0, 1, 16, 4096, 127 << 10, 128 << 10, (128 << 10) + 1, 3 << 20, 5000001};
    uint64_t blocks, bytes;
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *plain = os_alloc(sizes[i], TAG), *aligned = os_alloc_aligned(sizes[i], TAG);
        REQUIRE(plain && aligned);
        CHECK_EQ((uintptr_t)plain % 16, 0);
        CHECK_EQ((uintptr_t)aligned % 64, 0);
        CHECK(zero(plain, sizes[i]) && zero(aligned, sizes[i]));
        memset(plain, 0xff, sizes[i]);
        memset(aligned, 0xff, sizes[i]);
        os_alloc_live(&blocks, &bytes);
        CHECK_EQ(blocks, 2);
        CHECK_EQ(bytes, 2 * sizes[i]);
        os_free(plain, sizes[i], TAG);
        os_free_aligned(aligned, sizes[i], TAG);
    }
    os_free(NULL, 10, TAG);
    os_free_aligned(NULL, 10, TAG);
    /* A terabyte of address space that nobody touches costs nothing; more than the machine addresses is refused. */
    void *large = os_alloc_aligned((size_t)1 << 40, TAG);
    if (large)
        os_free_aligned(large, (size_t)1 << 40, TAG);
    CHECK(!os_alloc_aligned(SIZE_MAX, TAG));
    CHECK(!os_alloc_aligned(SIZE_MAX - (4 << 20), TAG));
    CHECK(nothing_live());
}

TEST(failure_dial)
{
    void *kept[5];
    os_alloc_fail(3);
    for (unsigned i = 0; i < 5; i++)
        kept[i] = i % 2 ? os_alloc_aligned(8, TAG) : os_alloc(8, TAG);
    CHECK(kept[0] && kept[1] && !kept[2] && kept[3] && kept[4]);
    CHECK_EQ(os_alloc_count(), 5);
    os_alloc_fail(0);
    CHECK_EQ(os_alloc_count(), 0);
    for (unsigned i = 0; i < 5; i++)
        i % 2 ? os_free_aligned(kept[i], 8, TAG) : os_free(kept[i], 8, TAG);
    CHECK(nothing_live());
}

TEST(shared_pages)
{
    size_t page = os_page_size();
    struct os_shared *shared;
    void *core, *client;
    CHECK_EQ(os_shared_create(page + 1, &shared), RESULT_INVALID);
    CHECK_EQ(os_shared_create(0, &shared), RESULT_INVALID);
    REQUIRE(!os_shared_create(4 * page, &shared));
    REQUIRE(!os_shared_map(shared, 2 * page, &core));
    char *c = core;
    strcpy(c + 2 * page, "data");
    CHECK_STR(c + 4 * page, "data"); /* the data pages again */
    strcpy(c + 6 * page - 4, "end");
    CHECK_STR(c + 4 * page - 4, "end");
    c[4 * page - 1] = 'x'; /* a record over the edge is in a row */
    CHECK(!memcmp(c + 4 * page - 4, "endxdata", 8));
    REQUIRE(!os_shared_map_client(shared, page, 5 * page, false, &client));
    CHECK(!memcmp((char *)client + page, "data", 4) && !memcmp((char *)client + 3 * page, "data", 4));
    os_shared_unmap(client, 5 * page);
    REQUIRE(!os_shared_map_client(shared, 0, 10, true, &client));
    strcpy(client, "from a client");
    CHECK_STR(c, "from a client");
    os_shared_unmap(client, page);
    CHECK_EQ(os_shared_map_client(shared, page, 6 * page, false, &client), RESULT_INVALID);
    CHECK_EQ(os_shared_map_client(shared, 1, page, false, &client), RESULT_INVALID);
    CHECK_EQ(os_shared_map_client(shared, 0, 0, false, &client), RESULT_INVALID);
    os_shared_unmap(core, 6 * page);
    os_shared_destroy(shared);
    CHECK(nothing_live());
}

static struct os_spin_lock spin;
static struct os_lock lock;
static uint64_t guarded_by_spin, guarded_by_lock;

static void contend(void *argument)
{
    for (unsigned i = 0; i < 50000; i++) {
        os_irql irql = os_spin_acquire(&spin);
        guarded_by_spin++;
        os_spin_release(&spin, irql);
        os_lock_acquire(&lock);
        guarded_by_lock++;
        os_lock_release(&lock);
    }
}

TEST(locks)
{
    struct os_thread *threads[4];
    os_lock_init(&lock);
    for (unsigned i = 0; i < 4; i++)
        REQUIRE(!os_thread_start(contend, NULL, &threads[i]));
    for (unsigned i = 0; i < 4; i++)
        os_thread_join(threads[i]);
    CHECK_EQ(guarded_by_spin, 200000);
    CHECK_EQ(guarded_by_lock, 200000);
    os_lock_destroy(&lock);
    CHECK(nothing_live());
}

static void set_later(void *event)
{
    os_sleep_ns(20000000);
    os_event_set(event);
}

TEST(events)
{
    struct os_event *event;
    struct os_thread *thread;
    REQUIRE(!os_event_create(&event));
    uint64_t begin = os_time_monotonic();
    CHECK(!os_event_wait(event, 10000000));
    CHECK(os_time_monotonic() - begin >= 10000000);
    CHECK(!os_event_wait(event, 0));
    os_event_set(event);
    os_event_set(event);
    CHECK(os_event_wait(event, 0));
    CHECK(!os_event_wait(event, 0)); /* sets coalesce, and a wait takes them */
    REQUIRE(!os_thread_start(set_later, event, &thread));
    CHECK(os_event_wait(event, UINT64_MAX));
    os_thread_join(thread);
    os_event_destroy(event);
    CHECK(nothing_live());
}

TEST(clocks_cpus_identity)
{
    uint64_t a = os_time_monotonic(), b = os_time_monotonic();
    CHECK(b >= a);
    CHECK(os_time_boot() >= a);
    CHECK(os_time_coarse() <= os_time_monotonic());
    CHECK(os_cpu_count() >= 1);
    CHECK(os_cpu_current() < os_cpu_count());
    CHECK_EQ(os_current_pid_tgid() >> 32, getpid());
    char comm[16];
    os_current_comm(comm);
    CHECK(comm[0] && memchr(comm, 0, 16));
    uint8_t random[2][32] = {{0}};
    os_random(random[0], 32);
    os_random(random[1], 32);
    CHECK(memcmp(random[0], random[1], 32));
}

enum access { ACCESS_NONE, ACCESS_READ, ACCESS_WRITE };

/* Two pages for client_memory, and what may be done with them. */
static uint8_t *take_pages(size_t size)
{
#ifdef _WIN32
    return VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
#else
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
#endif
}

static void protect(uint8_t *pages, size_t size, enum access access)
{
#ifdef _WIN32
    static const DWORD modes[] = {PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE};
    DWORD before;
    CHECK(VirtualProtect(pages, size, modes[access], &before));
#else
    static const int modes[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
    CHECK(!mprotect(pages, size, modes[access]));
#endif
}

static void give_pages(uint8_t *pages, size_t size)
{
#ifdef _WIN32
    CHECK(VirtualFree(pages, 0, MEM_RELEASE));
#else
    munmap(pages, size);
#endif
}

TEST(client_memory)
{
    size_t page = os_page_size();
    uint8_t *pages = take_pages(2 * page), buffer[64];
    REQUIRE(pages);
    protect(pages + page, page, ACCESS_NONE);
    memset(pages, 7, page);
    uint64_t at = (uintptr_t)pages;
    CHECK_EQ(os_memory_read(buffer, at + page - 64, 64), RESULT_OK);
    CHECK_EQ(buffer[63], 7);
    CHECK_EQ(os_memory_read(buffer, at + page - 63, 64), RESULT_FAULT);
    CHECK_EQ(os_memory_write(at + page - 63, buffer, 64), RESULT_FAULT);
    CHECK_EQ(os_memory_write(at, buffer, 64), RESULT_OK);
    CHECK_EQ(os_memory_read(buffer, 0, 1), RESULT_FAULT);
    CHECK_EQ(os_memory_read(buffer, 8, 1), RESULT_FAULT);
    CHECK_EQ(os_memory_read(buffer, 0xffff800000000000u, 1), RESULT_FAULT);
    CHECK_EQ(os_memory_read(buffer, UINT64_MAX, 64), RESULT_FAULT);
    CHECK_EQ(os_memory_read(buffer, 0, 0), RESULT_OK);
    protect(pages, page, ACCESS_READ);
    CHECK_EQ(os_memory_write(at, buffer, 64), RESULT_FAULT);
    CHECK_EQ(pages[0], 7); /* and it was not written by force */
    give_pages(pages, 2 * page);
}

TEST_MAIN

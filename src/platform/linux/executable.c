/* SPDX-License-Identifier: MIT
 *
 * Executable memory: private pages that are writable until they are sealed, executable from then until they are freed,
 * and never both (W^X); the kernel keeps that promise, since each page has one mapping.
 *
 * Mapping and unmapping cost more than compiling a small program does (page faults, shootdowns), so freed blocks of up
 * to POOL_PAGES pages go back to read-write at once and wait in a short list for the next program of their size.
 * Invariant: a pooled block is read-write, so a stale pointer into it cannot run; what it holds is overwritten with
 * traps before the next seal by its new owner, and a block that could not be made writable is unmapped instead.
 *
 * Fork: the lock is held across it, and a child has its own copies of the pages and of the pool.
 */
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/checked.h"
#include "platform/os.h"

enum { POOL_PAGES = 16, POOL_BLOCKS = 128 };

struct block {
    struct block *next;
};

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t pool_once = PTHREAD_ONCE_INIT;
static struct block *pool[POOL_PAGES + 1];
static unsigned pool_blocks;
static size_t page_size;

static void lock_pool(void)
{
    pthread_mutex_lock(&pool_lock);
}

static void unlock_pool(void)
{
    pthread_mutex_unlock(&pool_lock);
}

static void prepare_pool(void)
{
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    pthread_atfork(lock_pool, unlock_pool, unlock_pool);
}

/* Whole pages that hold `size` bytes, 0 where there is no such number. */
static size_t pages_for(size_t size)
{
    size_t rounded;
    pthread_once(&pool_once, prepare_pool);
    return size && checked_align_size(size, page_size, &rounded) ? rounded / page_size : 0;
}

static void *executable_alloc(void *self, size_t size)
{
    size_t pages = pages_for(size);
    if (!pages)
        return NULL;
    if (pages <= POOL_PAGES) {
        lock_pool();
        struct block *block = pool[pages];
        if (block) {
            pool[pages] = block->next;
            pool_blocks--;
        }
        unlock_pool();
        if (block)
            return block;
    }
    void *memory = mmap(NULL, pages * page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static enum result executable_seal(void *self, void *memory, size_t size, size_t data_size)
{
    size_t pages = pages_for(size);
    if (!pages || data_size % page_size || data_size > pages * page_size)
        return RESULT_INVALID;
    if (data_size && mprotect(memory, data_size, PROT_READ))
        return RESULT_NO_MEMORY;
    size_t code = pages * page_size - data_size;
    if (code && mprotect((uint8_t *)memory + data_size, code, PROT_READ | PROT_EXEC))
        return RESULT_ACCESS;
    return RESULT_OK;
}

static void executable_free(void *self, void *memory, size_t size)
{
    size_t pages = pages_for(size);
    if (!memory || !pages)
        return;
    if (pages <= POOL_PAGES && !mprotect(memory, pages * page_size, PROT_READ | PROT_WRITE)) {
        struct block *block = memory;
        bool kept = false;
        lock_pool();
        if (pool_blocks < POOL_BLOCKS) {
            block->next = pool[pages];
            pool[pages] = block;
            pool_blocks++;
            kept = true;
        }
        unlock_pool();
        if (kept)
            return;
    }
    munmap(memory, pages * page_size);
}

const struct executable os_executable = {executable_alloc, executable_seal, executable_free, NULL};

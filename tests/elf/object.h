/* SPDX-License-Identifier: MIT
 *
 * What the tests of the pure rooms share: whole files in exact-size memory, an allocator that counts and can fail,
 * and diagnostics kept for comparison.
 */
#ifndef WINBPF_TESTS_ELF_OBJECT_H
#define WINBPF_TESTS_ELF_OBJECT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "elf/elf.h"

/* Counts what is out; fails the allocation numbered `fail_at` (from 1), and every later one when `fail_rest`. */
struct test_memory {
    unsigned long allocations, failures, fail_at;
    long out;
};

static inline void *test_alloc(void *self, size_t size)
{
    struct test_memory *memory = self;
    if (++memory->allocations == memory->fail_at) {
        memory->failures++;
        return NULL;
    }
    void *block = aligned_alloc(16, (size + 15) & ~(size_t)15);
    if (block) {
        memset(block, 0xa5, size);
        memory->out++;
    }
    return block;
}

static inline void test_free(void *self, void *block, size_t size)
{
    struct test_memory *memory = self;
    memset(block, 0x5a, size);
    memory->out--;
    free(block);
}

struct test_job {
    struct test_memory memory;
    struct allocator allocator;
    struct arena arena;
    struct diag diag;
    char error[1024], warning[1024];
    unsigned errors, warnings;
};

static inline void test_emit(void *self, enum diag_level level, const char *line)
{
    struct test_job *job = self;
    snprintf(level == DIAG_ERROR ? job->error : job->warning, sizeof job->error, "%s", line);
    job->errors += level == DIAG_ERROR;
    job->warnings += level == DIAG_WARNING;
}

static inline void test_begin(struct test_job *job, const char *file)
{
    memset(job, 0, sizeof *job);
    job->allocator = (struct allocator){test_alloc, test_free, &job->memory};
    job->diag = (struct diag){test_emit, job, file};
    arena_init(&job->arena, &job->allocator, (size_t)256 << 20);
}

static inline void test_end(struct test_job *job)
{
    arena_release(&job->arena);
}

/* The whole file, or data NULL.  The caller frees .data. */
static inline struct bytes test_file(const char *path)
{
    struct bytes bytes = {NULL, 0};
    FILE *file = fopen(path, "rb");
    if (!file)
        return bytes;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    if (data && size >= 0 && fread(data, 1, (size_t)size, file) == (size_t)size) {
        bytes.data = data;
        bytes.size = (size_t)size;
    } else
        free(data);
    fclose(file);
    return bytes;
}

static inline const char *test_shared(void)
{
    const char *path = getenv("WINBPF_SHARED");
    return path ? path : "../shared";
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * Verifying one program of an object, for tests: helpers and contract found as a load would find them, thread CPU time
 * from image and contract to verdict, in an arena of its own.
 */
#ifndef WINBPF_TESTS_VERIFY_SUBJECT_H
#define WINBPF_TESTS_VERIFY_SUBJECT_H

#include <stdlib.h>
#include <time.h>
#include "contract/contract.h"
#include "image/image.h"
#include "verify/verify.h"

struct subject {
    struct arena arena;
    struct verify_result result;
    const struct program_contract *contract;
    double microseconds;
    size_t peak;
};

static inline void *subject_alloc(void *self, size_t size)
{
    (void)self;
    return aligned_alloc(16, (size + 15) & ~(size_t)15);
}

static inline void subject_free(void *self, void *memory, size_t size)
{
    (void)self;
    (void)size;
    free(memory);
}

static const struct allocator subject_memory = {subject_alloc, subject_free, NULL};

/* false: the type is unknown.  subject_end() afterwards in any case. */
static inline bool subject_verify(struct subject *s, const struct image *image, const struct btf *btf, uint32_t func,
                                  uint32_t flags, uint64_t max_insns)
{
    struct timespec a, b;
    struct verify_input input = {.image = image, .btf = btf, .func = func, .flags = flags, .max_insns = max_insns};
    const struct helper_proto **protos;
    arena_init(&s->arena, &subject_memory, VERIFY_BYTES);
    s->contract = contract_program(image->personality, image->prog_type);
    if (!s->contract)
        return false;
    protos = arena_array(&s->arena, image->helper_count + 1, sizeof *protos);
    for (uint32_t i = 0; i < image->helper_count; i++)
        protos[i] = contract_helper_proto(image->personality, image->prog_type, image->helpers[i].id);
    input.contract = s->contract;
    input.helpers = protos;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    enum result result = verify(&input, &s->arena, &s->result);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    s->microseconds = (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
    return result == RESULT_OK;
}

static inline void subject_end(struct subject *s)
{
    arena_release(&s->arena);
}

#endif

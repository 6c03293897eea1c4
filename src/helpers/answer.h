/* SPDX-License-Identifier: MIT
 *
 * How helpers answer: 0 or a count, else a negative Linux errno in all 64 bits of r0.
 */
#ifndef WINBPF_HELPERS_ANSWER_H
#define WINBPF_HELPERS_ANSWER_H

#include "base/annotate.h"
#include "base/result.h"
#include "core/helper.h"

static inline uint64_t answer_errno(enum result result)
{
    return (uint64_t) - (int64_t)result_errno(result);
}

static inline uint64_t answer(enum result result)
{
    return likely(result == RESULT_OK) ? 0 : answer_errno(result);
}

static inline void *answer_pointer(uint64_t value)
{
    return (void *)(uintptr_t)value;
}

/* The CPU slot that the calling program runs on. */
static inline uint32_t answer_cpu(void *context)
{
    return (uint32_t)context_header(context)->cpu;
}

#endif

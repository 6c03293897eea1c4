/* SPDX-License-Identifier: MIT
 *
 * Arithmetic that says when it overflows.  Each returns false, with *out untouched, when the exact result does not
 * fit.  Plain C: the portable forms compile to one flag test with gcc and clang.
 */
#ifndef WINBPF_BASE_CHECKED_H
#define WINBPF_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool checked_add_size(size_t a, size_t b, size_t *out)
{
    if (b > SIZE_MAX - a)
        return false;
    *out = a + b;
    return true;
}

static inline bool checked_mul_size(size_t a, size_t b, size_t *out)
{
    if (a && b > SIZE_MAX / a)
        return false;
    *out = a * b;
    return true;
}

static inline bool checked_add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    if (b > UINT64_MAX - a)
        return false;
    *out = a + b;
    return true;
}

static inline bool checked_mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    if (a && b > UINT64_MAX / a)
        return false;
    *out = a * b;
    return true;
}

static inline bool checked_add_u32(uint32_t a, uint32_t b, uint32_t *out)
{
    if (b > UINT32_MAX - a)
        return false;
    *out = a + b;
    return true;
}

/* Does [offset, offset + length) lie inside [0, size)?  True for an empty range at the end. */
static inline bool range_within(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}

/* `value` rounded up to a power-of-two `align`; false on overflow. */
static inline bool checked_align_size(size_t value, size_t align, size_t *out)
{
    if (!checked_add_size(value, align - 1, &value))
        return false;
    *out = value & ~(align - 1);
    return true;
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * The memory operations of programs: loads and stores at any alignment, and the atomics of RFC 9669 section 5.3 at W =
 * 32 and 64.  A program's atomics are sequentially consistent on naturally aligned memory.
 */
#ifndef WINBPF_ENGINE_ATOMICS_H
#define WINBPF_ENGINE_ATOMICS_H

#include <stdint.h>
#include <string.h>
#include "base/annotate.h"

#define ATOMICS(BITS)                                                                                                  \
    static ALWAYS_INLINE uint64_t load_##BITS(uint64_t address)                                                        \
    {                                                                                                                  \
        uint##BITS##_t value;                                                                                          \
        memcpy(&value, (const void *)(uintptr_t)address, sizeof value);                                                \
        return value;                                                                                                  \
    }                                                                                                                  \
    static ALWAYS_INLINE uint64_t load_signed_##BITS(uint64_t address)                                                 \
    {                                                                                                                  \
        int##BITS##_t value;                                                                                           \
        memcpy(&value, (const void *)(uintptr_t)address, sizeof value);                                                \
        return (uint64_t)(int64_t)value;                                                                               \
    }                                                                                                                  \
    static ALWAYS_INLINE void store_##BITS(uint64_t address, uint64_t value)                                           \
    {                                                                                                                  \
        uint##BITS##_t narrow = (uint##BITS##_t)value;                                                                 \
        memcpy((void *)(uintptr_t)address, &narrow, sizeof narrow);                                                    \
    }                                                                                                                  \
    static ALWAYS_INLINE uint64_t load_acquire_##BITS(uint64_t address)                                                \
    {                                                                                                                  \
        return __atomic_load_n((const uint##BITS##_t *)(uintptr_t)address, __ATOMIC_ACQUIRE);                          \
    }                                                                                                                  \
    static ALWAYS_INLINE void store_release_##BITS(uint64_t address, uint64_t value)                                   \
    {                                                                                                                  \
        __atomic_store_n((uint##BITS##_t *)(uintptr_t)address, (uint##BITS##_t)value, __ATOMIC_RELEASE);               \
    }

ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)
#undef ATOMICS

/* Each returns the old value. */
#define ATOMICS(BITS)                                                                                                  \
    static ALWAYS_INLINE uint64_t atomic_add_##BITS(uint64_t address, uint64_t s)                                      \
    {                                                                                                                  \
        return __atomic_fetch_add((uint##BITS##_t *)(uintptr_t)address, (uint##BITS##_t)s, __ATOMIC_SEQ_CST);          \
    }                                                                                                                  \
    static ALWAYS_INLINE uint64_t atomic_exchange_##BITS(uint64_t address, uint64_t s)                                 \
    {                                                                                                                  \
        return __atomic_exchange_n((uint##BITS##_t *)(uintptr_t)address, (uint##BITS##_t)s, __ATOMIC_SEQ_CST);         \
    }                                                                                                                  \
    static ALWAYS_INLINE uint64_t atomic_compare_exchange_##BITS(uint64_t address, uint64_t expected, uint64_t s)      \
    {                                                                                                                  \
        uint##BITS##_t old = (uint##BITS##_t)expected;                                                                 \
        __atomic_compare_exchange_n((uint##BITS##_t *)(uintptr_t)address, &old, (uint##BITS##_t)s, 0,                  \
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                                               \
        return old;                                                                                                    \
    }

ATOMICS(32)
ATOMICS(64)
#undef ATOMICS

/* A read-modify-write whose value column is an expression over o and s. */
#define ATOMIC_UPDATE(BITS, address, value, old)                                                                       \
    do {                                                                                                               \
        uint##BITS##_t *cell = (uint##BITS##_t *)(uintptr_t)(address), o = __atomic_load_n(cell, __ATOMIC_RELAXED);    \
        while (!__atomic_compare_exchange_n(cell, &o, (uint##BITS##_t)(value), 1, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) \
            ;                                                                                                          \
        (old) = o;                                                                                                     \
    } while (0)

#endif

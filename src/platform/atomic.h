/* SPDX-License-Identifier: MIT
 *
 * Atomics with their order in the name.  gcc, clang and mingw have the __atomic builtins; the Windows driver builds use
 * the same compilers.
 */
#ifndef WINBPF_PLATFORM_ATOMIC_H
#define WINBPF_PLATFORM_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

/* `p` points at an integer or pointer object of natural alignment. */
#define os_load(p)             __atomic_load_n((p), __ATOMIC_RELAXED)
#define os_load_acquire(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define os_store(p, v)         __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define os_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* Read-modify-write: sequentially consistent, returning the old value. */
#define os_fetch_add(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define os_fetch_sub(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST)
#define os_exchange(p, v)  __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
/* Stores `desired` if *p is *expected, else puts what it found in *expected. */
#define os_compare_exchange(p, expected, desired)                                                                      \
    __atomic_compare_exchange_n((p), (expected), (desired), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define os_fence() __atomic_thread_fence(__ATOMIC_SEQ_CST)

static inline void os_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

#endif

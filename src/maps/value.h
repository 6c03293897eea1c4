/* SPDX-License-Identifier: MIT
 *
 * What the kinds share: how values are copied and which flags an update takes.
 *
 * Values have no lock.  A program reads and writes them through pointers while another CPU or user space copies them,
 * as on Linux, so a value longer than a word may be seen half old and half new.  Programs that mind use atomics.
 */
#ifndef WINBPF_MAPS_VALUE_H
#define WINBPF_MAPS_VALUE_H

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/annotate.h"
#include "base/checked.h"
#include "base/result.h"
#include "platform/atomic.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MAP_RACES_ARE_ATOMIC
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define MAP_RACES_ARE_ATOMIC
#endif

enum {
    MAP_PERCPU_VALUE_MOST = 32 << 10, /* bytes of one CPU's value, Linux's PCPU_MIN_UNIT_SIZE */
    MAP_ACCESS_FLAGS = BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG,
};

static inline size_t map_round8(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

/* A value's bytes, to or from the map's storage.  ThreadSanitizer takes the races named above for granted when both
 * sides are atomic; everywhere else this is memcpy. */
static ALWAYS_INLINE void value_copy(void *to, const void *from, size_t size)
{
#ifdef MAP_RACES_ARE_ATOMIC
    uint8_t *t = to;
    const uint8_t *f = from;
    for (; size >= 8 && !((uintptr_t)t % 8) && !((uintptr_t)f % 8); t += 8, f += 8, size -= 8)
        os_store((uint64_t *)t, os_load((const uint64_t *)f));
    for (; size; t++, f++, size--)
        os_store(t, os_load(f));
#else
    switch (size) {
    case 4: memcpy(to, from, 4); return;
    case 8: memcpy(to, from, 8); return;
    case 16: memcpy(to, from, 16); return;
    default: memcpy(to, from, size);
    }
#endif
}

/* Both of a pair of access flags that exclude each other? */
static inline bool map_access_flags_wrong(uint32_t flags)
{
    return (flags & (BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG)) == (BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG);
}

/* Flags of an update of a kind whose values hold no bpf_spin_lock. */
static inline bool map_update_flags_wrong(uint64_t flags)
{
    return flags > BPF_EXIST;
}

/* The user's flags of lookup_and_delete: only BPF_F_LOCK is known, and it needs a lock in the value. */
static inline bool map_take_flags_wrong(uint64_t flags)
{
    return flags != 0;
}

#endif

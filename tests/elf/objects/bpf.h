/* SPDX-License-Identifier: MIT
 *
 * The few macros that the test objects need; no header of any library, so that every compiler can build them.
 */
#ifndef WINBPF_TEST_OBJECT_BPF_H
#define WINBPF_TEST_OBJECT_BPF_H

#define SEC(name)          __attribute__((section(name), used))
#define __uint(name, val)  int(*name)[val]
#define __type(name, val)  typeof(val) *name
#define __array(name, val) typeof(val) *name[]
#define JOIN2(a, b)        a##b
#define JOIN(a, b)         JOIN2(a, b)
#define __ulong(name, val) enum { JOIN(unique_, __COUNTER__) = val } name
#define __weak             __attribute__((weak))
#define __kconfig          __attribute__((section(".kconfig")))
#define __ksym             __attribute__((section(".ksyms")))
#define noinline           __attribute__((noinline))

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct xdp_md {
    u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

#ifdef __clang__
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static u32 (*bpf_get_prandom_u32)(void) = (void *)7;
static long (*bpf_tail_call)(void *ctx, void *map, u32 index) = (void *)12;
static long (*bpf_loop)(u32 count, void *callback, void *ctx, u64 flags) = (void *)181;
#else
void *bpf_map_lookup_elem(void *map, const void *key) __attribute__((kernel_helper(1)));
long bpf_map_update_elem(void *map, const void *key, const void *value, u64 flags) __attribute__((kernel_helper(2)));
#endif

#endif

/* SPDX-License-Identifier: MIT
 *
 * A thousand operations on a map a run, on pseudo-random keys below `entries`.  `empty` is the loop alone; what it
 * costs is subtracted from the others.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define OPERATIONS 1000

__u32 entries = 10000; /* set before a run */
__u64 result;          /* keeps the compiler from leaving anything out */
__u32 turn;

#define MAP(name, kind, flags)                                                                                         \
    struct {                                                                                                           \
        __uint(type, BPF_MAP_TYPE_##kind);                                                                             \
        __uint(max_entries, 1);                                                                                        \
        __uint(map_flags, flags);                                                                                      \
        __type(key, __u32);                                                                                            \
        __type(value, __u64);                                                                                          \
    } name SEC(".maps")

MAP(array, ARRAY, 0);
MAP(percpu_array, PERCPU_ARRAY, 0);
MAP(hash, HASH, 0);
MAP(hash_sparse, HASH, BPF_F_NO_PREALLOC);
MAP(percpu_hash, PERCPU_HASH, 0);

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 64 << 20);
} ring SEC(".maps");

static inline __attribute__((always_inline)) __u32 next(__u32 *state)
{
    __u32 v = *state;
    v ^= v << 13;
    v ^= v >> 17;
    v ^= v << 5;
    *state = v;
    return v;
}

#define LOOP(name, ...)                                                                                                \
    SEC("xdp") int name(struct xdp_md *context)                                                                        \
    {                                                                                                                  \
        __u32 state = 2463534242u + turn, limit = entries;                                                             \
        __u64 sum = 0;                                                                                                 \
        turn += 7;                                                                                                     \
        for (__u32 i = 0; i < OPERATIONS; i++) {                                                                       \
            __u32 key = (__u64)next(&state) * limit >> 32;                                                             \
            __VA_ARGS__;                                                                                               \
            asm volatile("" : "+r"(i));                                                                                \
        }                                                                                                              \
        result += sum;                                                                                                 \
        return XDP_PASS;                                                                                               \
    }

#define LOOKUP(map)                                                                                                    \
    __u64 *value = bpf_map_lookup_elem(&map, &key);                                                                    \
    if (value)                                                                                                         \
    sum += *value
#define UPDATE(map)                                                                                                    \
    __u64 value = i;                                                                                                   \
    sum += bpf_map_update_elem(&map, &key, &value, BPF_ANY)
#define RECORD(size)                                                                                                   \
    __u64 *record = bpf_ringbuf_reserve(&ring, size, 0);                                                               \
    if (record) {                                                                                                      \
        *record = key;                                                                                                 \
        bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);                                                                  \
    }

LOOP(empty, { sum += key; })
LOOP(array_lookup, { LOOKUP(array); })
LOOP(array_update, { UPDATE(array); })
LOOP(hash_lookup, { LOOKUP(hash); })
LOOP(hash_miss, {
    key |= 0x80000000;
    LOOKUP(hash);
})
LOOP(hash_update, { UPDATE(hash); })
LOOP(hash_delete_insert, {
    bpf_map_delete_elem(&hash, &key);
    UPDATE(hash);
})
LOOP(hash_sparse_delete_insert, {
    bpf_map_delete_elem(&hash_sparse, &key);
    UPDATE(hash_sparse);
})
LOOP(percpu_array_lookup, { LOOKUP(percpu_array); })
LOOP(percpu_hash_lookup, { LOOKUP(percpu_hash); })
LOOP(percpu_hash_update, { UPDATE(percpu_hash); })
LOOP(ring_reserve_submit_8, { RECORD(8); })
LOOP(ring_reserve_submit_64, { RECORD(64); })
LOOP(ring_reserve_submit_256, { RECORD(256); })
LOOP(ring_output_64, {
    __u64 record[8] = {key};
    sum += bpf_ringbuf_output(&ring, record, sizeof record, BPF_RB_NO_WAKEUP);
})
LOOP(helper_prandom, { sum += bpf_get_prandom_u32(); })
LOOP(helper_ktime, { sum += bpf_ktime_get_ns(); })
LOOP(helper_smp_id, { sum += bpf_get_smp_processor_id(); })
LOOP(helper_csum_diff_64, {
    __u32 data[16] = {key};
    sum += bpf_csum_diff(0, 0, data, sizeof data, 0);
})

char _license[] SEC("license") = "GPL";

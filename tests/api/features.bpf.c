/* SPDX-License-Identifier: MIT
 *
 * What test_object.c loads: globals of every kind, a map of maps and a prog array with initialisers, two programs.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 limit = 10;
__u32 start = 5;
__u64 hits;

struct inner {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u64);
} first SEC(".maps"), second SEC(".maps");

int tail(struct xdp_md *context);

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 3);
    __uint(key_size, 4);
    __array(values, int(struct xdp_md *));
} jumps SEC(".maps") = {.values = {[2] = &tail}};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 5000);
} ring SEC(".maps");

SEC("xdp")
int entry(struct xdp_md *context)
{
    __u32 zero = 0;
    __u64 *value = bpf_map_lookup_elem(&first, &zero);
    hits++;
    if (value)
        *value += start;
    bpf_printk("hit %d", limit);
    bpf_ringbuf_output(&ring, &start, sizeof start, 0);
    if (hits >= limit)
        bpf_tail_call(context, &jumps, 2);
    return XDP_PASS;
}

SEC("xdp")
int tail(struct xdp_md *context)
{
    start++;
    return XDP_TX;
}

SEC("?xdp")
int optional(struct xdp_md *context)
{
    return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";

/* SPDX-License-Identifier: MIT
 *
 * Programs for tests of what `winbpf verify` shows: one that is refused at the end of a path with branches, a spill and
 * a call, one that leaks a record on one path, one that is fine and has a loop, and a function that is no program.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, __u64);
} hits SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} ring SEC(".maps");

static __attribute__((noinline)) int twice(int n)
{
    asm volatile("" : "+r"(n));
    return n * 2;
}

SEC("xdp") int short_check(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = data;
    __u32 key = twice(ctx->rx_queue_index);
    __u64 *n = bpf_map_lookup_elem(&hits, &key);
    if (n && *n > 4)
        *n += 1;
    if (data + 12 > end)
        return XDP_PASS;
    return eth->h_proto == 8 ? XDP_PASS : XDP_DROP;
}

SEC("xdp") int forgotten(struct xdp_md *ctx)
{
    __u64 *event = bpf_ringbuf_reserve(&ring, 8, 0);
    if (!event)
        return XDP_PASS;
    if (ctx->rx_queue_index > 3)
        return XDP_DROP;
    *event = 1;
    bpf_ringbuf_submit(event, 0);
    return XDP_PASS;
}

SEC("xdp") int fine(struct xdp_md *ctx)
{
    __u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    __u32 sum = 0;
    for (__u32 i = 0; i < 64 && data + 1 <= end; i++)
        sum += *data++;
    return sum & 1 ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";

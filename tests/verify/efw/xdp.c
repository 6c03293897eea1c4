// SPDX-License-Identifier: MIT
// XDP programs of efW's personality: good ones, and bad ones that are refused with the code in their name.
#include "ebpf_nethooks.h"
#include "bpf_helpers.h"

struct ethernet {
    uint8_t destination[6], source[6];
    uint16_t type;
};

struct ipv4 {
    uint8_t version_and_length, service;
    uint16_t length, id, fragment;
    uint8_t time_to_live, protocol;
    uint16_t checksum;
    uint32_t source, destination;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, uint32_t);
    __type(value, uint64_t);
    __uint(max_entries, 64);
} counts SEC(".maps");

// Counts by source address and drops UDP to port 9.
SEC("xdp")
int good_filter(xdp_md_t *ctx)
{
    uint8_t *data = ctx->data, *end = ctx->data_end;
    struct ethernet *ethernet = (void *)data;
    if (data + sizeof *ethernet + sizeof(struct ipv4) > end || ethernet->type != 0x0008)
        return XDP_PASS;
    struct ipv4 *ip = (void *)(ethernet + 1);
    uint32_t source = ip->source;
    uint64_t *count = bpf_map_lookup_elem(&counts, &source);
    if (count) {
        __sync_fetch_and_add(count, 1);
    } else {
        uint64_t one = 1;
        bpf_map_update_elem(&counts, &source, &one, BPF_ANY);
    }
    if (ip->protocol != 17)
        return XDP_PASS;
    uint8_t *udp = (uint8_t *)ip + (ip->version_and_length & 15) * 4;
    if (udp + 8 > end)
        return XDP_PASS;
    return *(uint16_t *)(udp + 2) == 0x0900 ? XDP_DROP : XDP_PASS;
}

// Looks at the length of the Ethernet header alone.
SEC("xdp")
int bad_0203_short(xdp_md_t *ctx)
{
    uint8_t *data = ctx->data, *end = ctx->data_end;
    struct ethernet *ethernet = (void *)data;
    if (data + sizeof *ethernet > end)
        return XDP_PASS;
    struct ipv4 *ip = (void *)(ethernet + 1);
    return ip->protocol == 17 ? XDP_DROP : XDP_PASS;
}

// Goes on with the frame that adjust_head moved.
SEC("xdp")
int bad_0101_moved(xdp_md_t *ctx)
{
    uint8_t *data = ctx->data, *end = ctx->data_end;
    if (data + 64 > end || bpf_xdp_adjust_head(ctx, 14) < 0)
        return XDP_DROP;
    return data[20] == 17 ? XDP_DROP : XDP_PASS;
}

// Reads the frame anew after adjust_head.
SEC("xdp")
int good_moved(xdp_md_t *ctx)
{
    if (bpf_xdp_adjust_head(ctx, 14) < 0)
        return XDP_DROP;
    uint8_t *data = ctx->data, *end = ctx->data_end;
    if (data + 64 > end)
        return XDP_DROP;
    return data[20] == 17 ? XDP_DROP : XDP_PASS;
}

// Forgets that a lookup may fail.
SEC("xdp")
int bad_0206_absent(xdp_md_t *ctx)
{
    uint32_t key = ctx->ingress_ifindex;
    uint64_t *count = bpf_map_lookup_elem(&counts, &key);
    return *count ? XDP_DROP : XDP_PASS;
}

// The sum of all bytes, in a loop that ends with the frame.
SEC("xdp")
int good_sum(xdp_md_t *ctx)
{
    uint8_t *at = ctx->data, *end = ctx->data_end;
    uint32_t sum = 0;
#pragma clang loop unroll(disable)
    for (; at + 1 <= end; at++)
        sum += *at;
    return sum & 1 ? XDP_DROP : XDP_PASS;
}

// SPDX-License-Identifier: MIT
// Socket operation programs of efW's personality: good ones, and bad ones that are refused with the code in their name.
#include "ebpf_nethooks.h"
#include "bpf_helpers.h"

struct event {
    uint64_t flow;
    uint32_t local, remote;
    uint32_t ports[2];
    uint8_t protocol, opened;
    uint8_t rest[6];
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 65536);
} events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, uint32_t);
    __type(value, uint64_t);
    __uint(max_entries, 3);
} counts SEC(".maps");

// Sends connections and their ends to user space.
SEC("sockops")
int good_monitor(bpf_sock_ops_t *ctx)
{
    struct event event = {0};
    switch (ctx->op) {
    case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
    case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB: event.opened = 1; break;
    case BPF_SOCK_OPS_CONNECTION_DELETED_CB: break;
    default: return 0;
    }
    event.flow = bpf_sock_ops_get_flow_id(ctx);
    event.local = ctx->local_ip4;
    event.remote = ctx->remote_ip4;
    event.ports[0] = ctx->local_port;
    event.ports[1] = ctx->remote_port;
    event.protocol = ctx->protocol;
    return bpf_ringbuf_output(&events, &event, sizeof event, 0);
}

// Counts by operation: the index is bounded first.
SEC("sockops")
int good_count(bpf_sock_ops_t *ctx)
{
    uint32_t op = ctx->op;
    uint64_t *count = bpf_map_lookup_elem(&counts, &op);
    if (count)
        *count += 1;
    return 0;
}

// Takes every operation to have a count.
SEC("sockops")
int bad_0206_count(bpf_sock_ops_t *ctx)
{
    uint32_t op = ctx->op;
    uint64_t *count = bpf_map_lookup_elem(&counts, &op);
    *count += 1;
    return 0;
}

// Changes where the connection goes.
SEC("sockops")
int bad_0202_remote(bpf_sock_ops_t *ctx)
{
    ctx->remote_ip4 = 0x0100007f;
    return 0;
}

// Looks up in a ring buffer.
SEC("sockops")
int bad_0404_events(bpf_sock_ops_t *ctx)
{
    uint32_t op = ctx->op;
    return bpf_map_lookup_elem(&events, &op) != NULL;
}

// Waits for a flow that may never come.
SEC("sockops")
int bad_0601_wait(bpf_sock_ops_t *ctx)
{
    while (bpf_sock_ops_get_flow_id(ctx) == 0)
        ;
    return 0;
}

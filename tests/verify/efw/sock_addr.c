// SPDX-License-Identifier: MIT
// Socket address programs of efW's personality, for every attach type: good ones, and bad ones that are refused with
// the code in their name.
#include "ebpf_nethooks.h"
#include "bpf_helpers.h"

struct address {
    uint32_t words[4];
    uint16_t port;
    uint16_t family;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __type(key, struct address);
    __type(value, uint32_t);
    __uint(max_entries, 64);
} policy SEC(".maps");

static __always_inline int judge(bpf_sock_addr_t *ctx)
{
    struct address address = {{ctx->user_ip4, 0, 0, 0}, ctx->user_port, (uint16_t)ctx->family};
    uint32_t *verdict = bpf_map_lookup_elem(&policy, &address);
    return verdict && *verdict ? BPF_SOCK_ADDR_VERDICT_REJECT : BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT;
}

static __always_inline int judge6(bpf_sock_addr_t *ctx)
{
    struct address address = {{ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]},
                              ctx->user_port,
                              (uint16_t)ctx->family};
    uint32_t *verdict = bpf_map_lookup_elem(&policy, &address);
    return verdict && *verdict ? BPF_SOCK_ADDR_VERDICT_REJECT : BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT;
}

SEC("cgroup/connect4")
int good_connect4(bpf_sock_addr_t *ctx)
{
    return judge(ctx);
}

SEC("cgroup/connect4")
int good_connect4_redirect(bpf_sock_addr_t *ctx)
{
    uint64_t who = bpf_sock_addr_get_current_pid_tgid(ctx);
    bpf_sock_addr_set_redirect_context(ctx, &who, sizeof who);
    ctx->user_ip4 = 0x0100007f;
    ctx->user_port = 0x901f;
    return BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT;
}

SEC("cgroup/connect4")
int bad_0202_connect4(bpf_sock_addr_t *ctx)
{
    ctx->protocol = 17;
    return BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT;
}

SEC("cgroup/connect6")
int good_connect6(bpf_sock_addr_t *ctx)
{
    return judge6(ctx);
}

SEC("cgroup/connect6")
int good_connect6_redirect(bpf_sock_addr_t *ctx)
{
    uint64_t who = bpf_sock_addr_get_current_pid_tgid(ctx);
    bpf_sock_addr_set_redirect_context(ctx, &who, sizeof who);
    ctx->user_ip6[3] = 0x01000000;
    ctx->user_port = 0x901f;
    return BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT;
}

SEC("cgroup/connect6")
int bad_0202_connect6(bpf_sock_addr_t *ctx)
{
    ctx->protocol = 17;
    return BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT;
}

SEC("cgroup/recv_accept4")
int good_recv_accept4(bpf_sock_addr_t *ctx)
{
    return judge(ctx);
}

SEC("cgroup/recv_accept4")
int bad_0202_recv_accept4(bpf_sock_addr_t *ctx)
{
    ctx->user_ip4 = 0x0100007f;
    return BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT;
}

SEC("cgroup/recv_accept6")
int good_recv_accept6(bpf_sock_addr_t *ctx)
{
    return judge6(ctx);
}

SEC("cgroup/recv_accept6")
int bad_0202_recv_accept6(bpf_sock_addr_t *ctx)
{
    ctx->user_ip6[3] = 0x01000000;
    return BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT;
}

SEC("cgroup/connect_authorization4")
int good_connect_authorization4(bpf_sock_addr_t *ctx)
{
    return judge(ctx);
}

SEC("cgroup/connect_authorization4")
int bad_0202_connect_authorization4(bpf_sock_addr_t *ctx)
{
    ctx->user_ip4 = 0x0100007f;
    return BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT;
}

SEC("cgroup/connect_authorization6")
int good_connect_authorization6(bpf_sock_addr_t *ctx)
{
    return judge6(ctx);
}

SEC("cgroup/connect_authorization6")
int bad_0202_connect_authorization6(bpf_sock_addr_t *ctx)
{
    ctx->user_ip6[3] = 0x01000000;
    return BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT;
}

SEC("cgroup/bind4")
int good_bind4(bpf_sock_addr_t *ctx)
{
    return judge(ctx);
}

SEC("cgroup/bind4")
int bad_0202_bind4(bpf_sock_addr_t *ctx)
{
    ctx->user_ip4 = 0x0100007f;
    return BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT;
}

SEC("cgroup/bind6")
int good_bind6(bpf_sock_addr_t *ctx)
{
    return judge6(ctx);
}

SEC("cgroup/bind6")
int bad_0202_bind6(bpf_sock_addr_t *ctx)
{
    ctx->user_ip6[3] = 0x01000000;
    return BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT;
}

SEC("cgroup/listen4")
int good_listen4(bpf_sock_addr_t *ctx)
{
    return judge(ctx);
}

SEC("cgroup/listen4")
int bad_0202_listen4(bpf_sock_addr_t *ctx)
{
    ctx->user_ip4 = 0x0100007f;
    return BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT;
}

SEC("cgroup/listen6")
int good_listen6(bpf_sock_addr_t *ctx)
{
    return judge6(ctx);
}

SEC("cgroup/listen6")
int bad_0202_listen6(bpf_sock_addr_t *ctx)
{
    ctx->user_ip6[3] = 0x01000000;
    return BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT;
}

// A redirection's data is read from more stack than was written.
SEC("cgroup/connect4")
int bad_0102_data(bpf_sock_addr_t *ctx)
{
    volatile uint64_t data[2];
    data[0] = ctx->user_port;
    bpf_sock_addr_set_redirect_context(ctx, (void *)data, sizeof data);
    return BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT;
}

// The network's description is written to more stack than there is.
SEC("cgroup/connect6")
int bad_0201_network(bpf_sock_addr_t *ctx)
{
    bpf_sock_addr_network_context_t network = {.version = BPF_SOCK_ADDR_NETWORK_CONTEXT_VERSION};
    bpf_sock_addr_get_network_context(ctx, &network, 4 * sizeof network);
    return network.tunnel_type ? BPF_SOCK_ADDR_VERDICT_REJECT : BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT;
}

SEC("cgroup/connect6")
int good_network(bpf_sock_addr_t *ctx)
{
    bpf_sock_addr_network_context_t network = {.version = BPF_SOCK_ADDR_NETWORK_CONTEXT_VERSION};
    bpf_sock_addr_get_network_context(ctx, &network, sizeof network);
    return network.tunnel_type ? BPF_SOCK_ADDR_VERDICT_REJECT : BPF_SOCK_ADDR_VERDICT_PROCEED_HARD;
}

// The address of the context is a verdict.
SEC("cgroup/listen4")
int bad_0702_address(bpf_sock_addr_t *ctx)
{
    return (int)(uintptr_t)ctx;
}

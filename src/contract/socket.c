/* SPDX-License-Identifier: MIT
 *
 * Linux's program types whose context is a socket or a call on one.  Three of them show other fields to programs of
 * other attach types: what context[] has is what all have in common, and `attach_contexts` has the rest.
 */
#include <linux/bpf.h>
#include "contract/fields.h"

/* ---- cgroup_sock: struct bpf_sock ---- */

#define SOCK_COMMON                                                                                                    \
    START(bpf_sock, family), START(bpf_sock, type), START(bpf_sock, protocol), PARTS(bpf_sock, dst_port),              \
        WHOLE_AT("dst_port", offsetof(struct bpf_sock, dst_port), 4), PARTS(bpf_sock, dst_ip4),                        \
        EACH(PARTS, bpf_sock, dst_ip6), START(bpf_sock, state), START(bpf_sock, rx_queue_mapping)

static const struct context_field sock_any[] = {SOCK_COMMON};
static const struct context_field sock_create[] = {
    SOCK_COMMON,
    READ_WRITE(bpf_sock, bound_dev_if),
    READ_WRITE(bpf_sock, mark),
    READ_WRITE(bpf_sock, priority),
};
static const struct context_field sock_bind4[] = {SOCK_COMMON, PARTS(bpf_sock, src_ip4), START(bpf_sock, src_port)};
static const struct context_field sock_bind6[] = {
    SOCK_COMMON,
    EACH(PARTS, bpf_sock, src_ip6),
    START(bpf_sock, src_port),
};

enum { SOCK_SIZE = sizeof(struct bpf_sock) };
static const struct attach_context sock_contexts[] = {
    {PERSONALITY_LINUX, BPF_CGROUP_INET_INGRESS, LAYOUT(SOCK_SIZE, sock_create)}, /* 0: the type's first */
    {PERSONALITY_LINUX, BPF_CGROUP_INET_SOCK_CREATE, LAYOUT(SOCK_SIZE, sock_create)},
    {PERSONALITY_LINUX, BPF_CGROUP_INET_SOCK_RELEASE, LAYOUT(SOCK_SIZE, sock_create)},
    {PERSONALITY_LINUX, BPF_CGROUP_INET4_POST_BIND, LAYOUT(SOCK_SIZE, sock_bind4)},
    {PERSONALITY_LINUX, BPF_CGROUP_INET6_POST_BIND, LAYOUT(SOCK_SIZE, sock_bind6)},
};

/* ---- cgroup_sock_addr ---- */

#define ADDR_STORE(member)      PARTS(bpf_sock_addr, member), STORE(bpf_sock_addr, member)
#define ADDR_EACH(type, member) PARTS(type, member), STORE(type, member)
/* Two words of an address at once, from the one that is aligned so. */
#define ADDR_PAIR(member)                                                                                              \
    ROW(#member, FIELD_SCALAR, AT(offsetof(struct bpf_sock_addr, member), 8), FIELD_READ | FIELD_WRITE, -1)
#define ADDR_COMMON                                                                                                    \
    WHOLE(bpf_sock_addr, user_family), ADDR_STORE(user_port), WHOLE(bpf_sock_addr, family),                            \
        WHOLE(bpf_sock_addr, type), WHOLE(bpf_sock_addr, protocol), POINTER(FIELD_SOCKET, bpf_sock_addr, sk, -1)
#define ADDR_4 ADDR_COMMON, ADDR_STORE(user_ip4)
#define ADDR_6 ADDR_COMMON, EACH(ADDR_EACH, bpf_sock_addr, user_ip6), ADDR_PAIR(user_ip6[0]), ADDR_PAIR(user_ip6[2])

static const struct context_field addr_any[] = {ADDR_COMMON};
static const struct context_field addr_4[] = {ADDR_4};
static const struct context_field addr_6[] = {ADDR_6};
static const struct context_field addr_send4[] = {ADDR_4, ADDR_STORE(msg_src_ip4)};
static const struct context_field addr_send6[] = {
    ADDR_6,
    EACH(ADDR_EACH, bpf_sock_addr, msg_src_ip6),
    ADDR_PAIR(msg_src_ip6[1]),
};

enum { ADDR_SIZE = sizeof(struct bpf_sock_addr) };
#define ADDR_CONTEXT(attach, rows)                                                                                     \
    {                                                                                                                  \
        PERSONALITY_LINUX, attach, LAYOUT(ADDR_SIZE, rows)                                                             \
    }
static const struct attach_context addr_contexts[] = {
    ADDR_CONTEXT(BPF_CGROUP_INET4_BIND, addr_4),        ADDR_CONTEXT(BPF_CGROUP_INET6_BIND, addr_6),
    ADDR_CONTEXT(BPF_CGROUP_INET4_CONNECT, addr_4),     ADDR_CONTEXT(BPF_CGROUP_INET6_CONNECT, addr_6),
    ADDR_CONTEXT(BPF_CGROUP_UDP4_SENDMSG, addr_send4),  ADDR_CONTEXT(BPF_CGROUP_UDP6_SENDMSG, addr_send6),
    ADDR_CONTEXT(BPF_CGROUP_UDP4_RECVMSG, addr_4),      ADDR_CONTEXT(BPF_CGROUP_UDP6_RECVMSG, addr_6),
    ADDR_CONTEXT(BPF_CGROUP_INET4_GETPEERNAME, addr_4), ADDR_CONTEXT(BPF_CGROUP_INET6_GETPEERNAME, addr_6),
    ADDR_CONTEXT(BPF_CGROUP_INET4_GETSOCKNAME, addr_4), ADDR_CONTEXT(BPF_CGROUP_INET6_GETSOCKNAME, addr_6),
};

#define ADDR_RETURNS(attach, lowest, highest)                                                                          \
    {                                                                                                                  \
        PERSONALITY_LINUX, attach,                                                                                     \
        {                                                                                                              \
            lowest, highest                                                                                            \
        }                                                                                                              \
    }
/* Bind may ask for more than a verdict (bit 1: let privileged ports pass); what is only reported cannot be refused. */
static const struct attach_returns addr_returns[] = {
    ADDR_RETURNS(BPF_CGROUP_INET4_BIND, 0, 3),        ADDR_RETURNS(BPF_CGROUP_INET6_BIND, 0, 3),
    ADDR_RETURNS(BPF_CGROUP_UDP4_RECVMSG, 1, 1),      ADDR_RETURNS(BPF_CGROUP_UDP6_RECVMSG, 1, 1),
    ADDR_RETURNS(BPF_CGROUP_UNIX_RECVMSG, 1, 1),      ADDR_RETURNS(BPF_CGROUP_INET4_GETPEERNAME, 1, 1),
    ADDR_RETURNS(BPF_CGROUP_INET6_GETPEERNAME, 1, 1), ADDR_RETURNS(BPF_CGROUP_UNIX_GETPEERNAME, 1, 1),
    ADDR_RETURNS(BPF_CGROUP_INET4_GETSOCKNAME, 1, 1), ADDR_RETURNS(BPF_CGROUP_INET6_GETSOCKNAME, 1, 1),
    ADDR_RETURNS(BPF_CGROUP_UNIX_GETSOCKNAME, 1, 1),
};

/* ---- sockopt ---- */

/* The value is the option's buffer; its rows come first, optval's partner is row 1. */
#define OPT_COMMON                                                                                                     \
    POINTER(FIELD_PACKET, bpf_sockopt, optval, 1), POINTER(FIELD_PACKET_END, bpf_sockopt, optval_end, -1),             \
        POINTER(FIELD_SOCKET, bpf_sockopt, sk, -1), READ_WRITE(bpf_sockopt, optlen)
static const struct context_field opt_any[] = {OPT_COMMON, WHOLE(bpf_sockopt, level), WHOLE(bpf_sockopt, optname)};
static const struct context_field opt_get[] = {
    OPT_COMMON,
    WHOLE(bpf_sockopt, level),
    WHOLE(bpf_sockopt, optname),
    READ_WRITE(bpf_sockopt, retval),
};
static const struct context_field opt_set[] = {OPT_COMMON, READ_WRITE(bpf_sockopt, level),
                                               READ_WRITE(bpf_sockopt, optname)};

enum { OPT_SIZE = sizeof(struct bpf_sockopt) };
static const struct attach_context opt_contexts[] = {
    {PERSONALITY_LINUX, BPF_CGROUP_GETSOCKOPT, LAYOUT(OPT_SIZE, opt_get)},
    {PERSONALITY_LINUX, BPF_CGROUP_SETSOCKOPT, LAYOUT(OPT_SIZE, opt_set)},
};

/* ---- sock_ops ---- */

#define OPS(member) WHOLE(bpf_sock_ops, member)
static const struct context_field sock_ops_fields[] = {
    POINTER(FIELD_PACKET, bpf_sock_ops, skb_data, 1),
    POINTER(FIELD_PACKET_END, bpf_sock_ops, skb_data_end, -1),
    POINTER(FIELD_SOCKET_OR_NULL, bpf_sock_ops, sk, -1),
    OPS(op),
    EACH(WHOLE, bpf_sock_ops, args),
    STORE(bpf_sock_ops, reply),
    OPS(family),
    OPS(remote_ip4),
    OPS(local_ip4),
    EACH(WHOLE, bpf_sock_ops, remote_ip6),
    EACH(WHOLE, bpf_sock_ops, local_ip6),
    OPS(remote_port),
    OPS(local_port),
    OPS(is_fullsock),
    OPS(snd_cwnd),
    OPS(srtt_us),
    OPS(bpf_sock_ops_cb_flags),
    OPS(state),
    OPS(rtt_min),
    OPS(snd_ssthresh),
    OPS(rcv_nxt),
    OPS(snd_nxt),
    OPS(snd_una),
    OPS(mss_cache),
    OPS(ecn_flags),
    OPS(rate_delivered),
    OPS(rate_interval_us),
    OPS(packets_out),
    OPS(retrans_out),
    OPS(total_retrans),
    OPS(segs_in),
    OPS(data_segs_in),
    OPS(segs_out),
    OPS(data_segs_out),
    OPS(lost_out),
    OPS(sacked_out),
    READ_WRITE(bpf_sock_ops, sk_txhash),
    OPS(bytes_received),
    OPS(bytes_acked),
    OPS(skb_len),
    START(bpf_sock_ops, skb_tcp_flags),
    OPS(skb_hwtstamp),
};

/* ---- sk_msg, sk_reuseport, sk_lookup ---- */

#define MSG(member) WHOLE(sk_msg_md, member)
static const struct context_field sk_msg_fields[] = {
    POINTER(FIELD_PACKET, sk_msg_md, data, 1),
    POINTER(FIELD_PACKET_END, sk_msg_md, data_end, -1),
    MSG(family),
    MSG(remote_ip4),
    MSG(local_ip4),
    EACH(WHOLE, sk_msg_md, remote_ip6),
    EACH(WHOLE, sk_msg_md, local_ip6),
    MSG(remote_port),
    MSG(local_port),
    MSG(size),
    POINTER(FIELD_SOCKET, sk_msg_md, sk, -1),
};

static const struct context_field sk_reuseport_fields[] = {
    POINTER(FIELD_PACKET, sk_reuseport_md, data, 1),
    POINTER(FIELD_PACKET_END, sk_reuseport_md, data_end, -1),
    PARTS(sk_reuseport_md, len),
    WHOLE(sk_reuseport_md, eth_protocol),
    WHOLE_AT("eth_protocol", offsetof(struct sk_reuseport_md, eth_protocol), 2),
    WHOLE_AT("eth_protocol", offsetof(struct sk_reuseport_md, eth_protocol) + 2, 2),
    PARTS(sk_reuseport_md, ip_protocol),
    PARTS(sk_reuseport_md, bind_inany),
    WHOLE(sk_reuseport_md, hash),
    POINTER(FIELD_SOCKET, sk_reuseport_md, sk, -1),
    POINTER(FIELD_SOCK_COMMON_OR_NULL, sk_reuseport_md, migrating_sk, -1),
};

#define LOOKUP(member) PARTS(bpf_sk_lookup, member)
static const struct context_field sk_lookup_fields[] = {
    POINTER(FIELD_SOCKET_OR_NULL, bpf_sk_lookup, sk, -1),
    LOOKUP(family),
    LOOKUP(protocol),
    LOOKUP(remote_ip4),
    EACH(PARTS, bpf_sk_lookup, remote_ip6),
    AREA("remote_port", offsetof(struct bpf_sk_lookup, remote_port), 4), /* with its padding, which is 0 */
    LOOKUP(local_ip4),
    EACH(PARTS, bpf_sk_lookup, local_ip6),
    LOOKUP(local_port),
    LOOKUP(ingress_ifindex),
};

const struct program_contract contracts_socket[] = {
    {VERIFIED("cgroup_sock", BPF_PROG_TYPE_CGROUP_SOCK, SOCK_SIZE, sock_any, RANGE(0, 1), 0),
     .attach_contexts = sock_contexts, .attach_contexts_count = COUNT(sock_contexts)},
    {VERIFIED("cgroup_sock_addr", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, ADDR_SIZE, addr_any, RANGE(0, 1), 0),
     .attach_returns = addr_returns, .attach_returns_count = COUNT(addr_returns), .attach_contexts = addr_contexts,
     .attach_contexts_count = COUNT(addr_contexts)},
    {VERIFIED("cgroup_sockopt", BPF_PROG_TYPE_CGROUP_SOCKOPT, OPT_SIZE, opt_any, RANGE(0, 1), CONTRACT_PACKET_WRITE),
     .attach_contexts = opt_contexts, .attach_contexts_count = COUNT(opt_contexts)},
    {VERIFIED("sock_ops", BPF_PROG_TYPE_SOCK_OPS, sizeof(struct bpf_sock_ops), sock_ops_fields, RANGE(0, 1), 0)},
    {ANYTHING("sk_msg", BPF_PROG_TYPE_SK_MSG, sizeof(struct sk_msg_md), sk_msg_fields, CONTRACT_PACKET_WRITE)},
    {ANYTHING("sk_reuseport", BPF_PROG_TYPE_SK_REUSEPORT, sizeof(struct sk_reuseport_md), sk_reuseport_fields, 0)},
    {VERIFIED("sk_lookup", BPF_PROG_TYPE_SK_LOOKUP, sizeof(struct bpf_sk_lookup), sk_lookup_fields, RANGE(0, 1), 0)},
    {0},
};

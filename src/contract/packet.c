/* SPDX-License-Identifier: MIT
 *
 * Linux's program types whose context is a packet: those that see struct __sk_buff, each another part of it, and
 * netfilter's.  Numbers may be loaded in parts, pointers and addresses only whole; cb, the program's own 20 bytes, may
 * be stored to in parts.
 */
#include <linux/bpf.h>
#include "contract/fields.h"

#define SKB(member) PARTS(__sk_buff, member)
#define CB          offsetof(struct __sk_buff, cb), sizeof(((struct __sk_buff *)0)->cb)

/* What all but the flow dissector see; mark apart, which a socket's parser does not. */
#define COMMON                                                                                                         \
    SKB(len), SKB(pkt_type), SKB(queue_mapping), SKB(protocol), SKB(vlan_present), SKB(vlan_tci), SKB(vlan_proto),     \
        SKB(priority), SKB(ingress_ifindex), SKB(ifindex), SKB(tc_index), AREA_OF("cb", CB), SKB(hash), SKB(napi_id),  \
        SKB(gso_segs), SKB(gso_size), POINTER(FIELD_SOCK_COMMON_OR_NULL, __sk_buff, sk, -1)
#define AREA_OF(name, place)       AREA(name, place)
#define STORE_AREA_OF(name, place) STORE_AREA(name, place)
/* First in a table: data's partner is row 1, data_meta's row 0. */
#define DATA      POINTER(FIELD_PACKET, __sk_buff, data, 1), POINTER(FIELD_PACKET_END, __sk_buff, data_end, -1)
#define DATA_META POINTER(FIELD_PACKET_META, __sk_buff, data_meta, 0)
#define ADDRESSES                                                                                                      \
    SKB(family), WHOLE(__sk_buff, remote_ip4), WHOLE(__sk_buff, local_ip4), EACH(WHOLE, __sk_buff, remote_ip6),        \
        EACH(WHOLE, __sk_buff, local_ip6), SKB(remote_port), SKB(local_port)
#define STORE_CB STORE_AREA_OF("cb", CB)

static const struct context_field socket_filter_fields[] = {COMMON, SKB(mark), STORE_CB};

static const struct context_field sched_fields[] = {
    DATA,
    DATA_META,
    COMMON,
    SKB(mark),
    SKB(tc_classid),
    READ_WRITE(__sk_buff, tstamp),
    SKB(wire_len),
    WHOLE(__sk_buff, tstamp_type),
    WHOLE(__sk_buff, hwtstamp),
    STORE(__sk_buff, mark),
    STORE(__sk_buff, queue_mapping),
    STORE(__sk_buff, priority),
    STORE(__sk_buff, tc_index),
    STORE(__sk_buff, tc_classid),
    STORE_CB,
};

static const struct context_field cgroup_skb_fields[] = {
    DATA,
    COMMON,
    SKB(mark),
    ADDRESSES,
    READ_WRITE(__sk_buff, tstamp),
    WHOLE(__sk_buff, hwtstamp),
    STORE(__sk_buff, mark),
    STORE(__sk_buff, priority),
    STORE_CB,
};

static const struct context_field lwt_fields[] = {
    DATA, COMMON, SKB(mark), STORE(__sk_buff, mark), STORE(__sk_buff, priority), STORE_CB,
};

static const struct context_field sk_skb_fields[] = {
    DATA, COMMON, ADDRESSES, STORE(__sk_buff, tc_index), STORE(__sk_buff, priority),
};

static const struct context_field flow_dissector_fields[] = {
    DATA,
    POINTER(FIELD_FLOW_KEYS, __sk_buff, flow_keys, -1),
};

/* struct bpf_nf_ctx: pointers to the kernel's own objects, numbers here. */
static const struct context_field netfilter_fields[] = {WHOLE_AT("state", 0, 8), WHOLE_AT("skb", 8, 8)};

static const struct attach_returns cgroup_skb_returns[] = {
    {PERSONALITY_LINUX, BPF_CGROUP_INET_EGRESS, {0, 3}}, /* bit 1: the network is congested */
};

enum { SKB_SIZE = sizeof(struct __sk_buff) };

const struct program_contract contracts_packet[] = {
    {ANYTHING("socket_filter", BPF_PROG_TYPE_SOCKET_FILTER, SKB_SIZE, socket_filter_fields, CONTRACT_LEGACY_LOADS)},
    {ANYTHING("sched_cls", BPF_PROG_TYPE_SCHED_CLS, SKB_SIZE, sched_fields,
              CONTRACT_LEGACY_LOADS | CONTRACT_PACKET_WRITE)},
    {ANYTHING("sched_act", BPF_PROG_TYPE_SCHED_ACT, SKB_SIZE, sched_fields,
              CONTRACT_LEGACY_LOADS | CONTRACT_PACKET_WRITE)},
    {VERIFIED("cgroup_skb", BPF_PROG_TYPE_CGROUP_SKB, SKB_SIZE, cgroup_skb_fields, RANGE(0, 1), 0),
     .attach_returns = cgroup_skb_returns, .attach_returns_count = COUNT(cgroup_skb_returns)},
    {ANYTHING("lwt_in", BPF_PROG_TYPE_LWT_IN, SKB_SIZE, lwt_fields, 0)},
    {ANYTHING("lwt_out", BPF_PROG_TYPE_LWT_OUT, SKB_SIZE, lwt_fields, 0)},
    {ANYTHING("lwt_xmit", BPF_PROG_TYPE_LWT_XMIT, SKB_SIZE, lwt_fields, CONTRACT_PACKET_WRITE)},
    {ANYTHING("lwt_seg6local", BPF_PROG_TYPE_LWT_SEG6LOCAL, SKB_SIZE, lwt_fields, 0)},
    {ANYTHING("sk_skb", BPF_PROG_TYPE_SK_SKB, SKB_SIZE, sk_skb_fields, CONTRACT_PACKET_WRITE)},
    {ANYTHING("flow_dissector", BPF_PROG_TYPE_FLOW_DISSECTOR, SKB_SIZE, flow_dissector_fields, 0)},
    {VERIFIED("netfilter", BPF_PROG_TYPE_NETFILTER, 16, netfilter_fields, RANGE(0, 1), 0)},
    {0},
};

/* SPDX-License-Identifier: MIT
 *
 * What sockets and flow keys look like through a pointer.  Nothing of a socket may be stored to, and of a socket of
 * unknown kind (sock_common) the fields that only full sockets have are hidden.
 */
#include <linux/bpf.h>
#include "contract/fields.h"

#define COMMON_HEAD WHOLE(bpf_sock, bound_dev_if), START(bpf_sock, family)
/* Behind dst_port's two bytes is padding: part of a word, but not to be loaded alone. */
#define COMMON_TAIL                                                                                                    \
    PARTS(bpf_sock, src_ip4), EACH(PARTS, bpf_sock, src_ip6), START(bpf_sock, src_port), PARTS(bpf_sock, dst_port),    \
        WHOLE_AT("dst_port", offsetof(struct bpf_sock, dst_port), 4), PARTS(bpf_sock, dst_ip4),                        \
        EACH(PARTS, bpf_sock, dst_ip6), START(bpf_sock, state), START(bpf_sock, rx_queue_mapping)

static const struct context_field sock_common_fields[] = {COMMON_HEAD, COMMON_TAIL};

static const struct context_field sock_fields[] = {
    COMMON_HEAD,           START(bpf_sock, type),     START(bpf_sock, protocol),
    WHOLE(bpf_sock, mark), WHOLE(bpf_sock, priority), COMMON_TAIL,
};

#define TCP(member) WHOLE(bpf_tcp_sock, member)
static const struct context_field tcp_sock_fields[] = {
    TCP(snd_cwnd),         TCP(srtt_us),          TCP(rtt_min),      TCP(snd_ssthresh),  TCP(rcv_nxt),
    TCP(snd_nxt),          TCP(snd_una),          TCP(mss_cache),    TCP(ecn_flags),     TCP(rate_delivered),
    TCP(packets_out),      TCP(rate_interval_us), TCP(retrans_out),  TCP(total_retrans), TCP(segs_in),
    TCP(data_segs_in),     TCP(segs_out),         TCP(lost_out),     TCP(data_segs_out), TCP(sacked_out),
    TCP(bytes_received),   TCP(bytes_acked),      TCP(delivered_ce), TCP(dsack_dups),    TCP(delivered),
    TCP(icsk_retransmits),
};

/* Plain memory, all of it the program's to fill. */
static const struct context_field flow_keys_fields[] = {
    ROW("flow_keys", FIELD_BYTES, AT(0, sizeof(struct bpf_flow_keys)), FIELD_READ | FIELD_WRITE, -1),
};

const struct context_layout *contract_object_layout(enum contract_object object)
{
    static const struct context_layout layouts[CONTRACT_OBJECTS] = {
        [CONTRACT_SOCK_COMMON] = LAYOUT(sizeof(struct bpf_sock), sock_common_fields),
        [CONTRACT_SOCK] = LAYOUT(sizeof(struct bpf_sock), sock_fields),
        [CONTRACT_TCP_SOCK] = LAYOUT(sizeof(struct bpf_tcp_sock), tcp_sock_fields),
        [CONTRACT_FLOW_KEYS] = LAYOUT(sizeof(struct bpf_flow_keys), flow_keys_fields),
    };

    return (unsigned)object < CONTRACT_OBJECTS ? &layouts[object] : NULL;
}

/* SPDX-License-Identifier: MIT
 *
 * What sockets and flow keys look like through a pointer: struct bpf_sock, struct bpf_tcp_sock, struct bpf_flow_keys of
 * <linux/bpf.h>.  Nothing of a socket may be stored to, and of a socket of unknown kind (sock_common) the fields that
 * only full sockets have are hidden.
 */
#include "contract/fields.h"

#define COMMON_HEAD WHOLE("bound_dev_if", 0, 4), START("family", 4)
/* The upper half of dst_port is padding: part of the word, but not to be loaded alone. */
#define COMMON_TAIL                                                                                                    \
    PARTS("src_ip4", 24, 4), PARTS_IP6("src_ip6", 28), START("src_port", 44), WHOLE("dst_port", 48, 4),                \
        PARTS("dst_port", 48, 2), PARTS("dst_ip4", 52, 4), PARTS_IP6("dst_ip6", 56), START("state", 72),               \
        START("rx_queue_mapping", 76)

static const struct context_field sock_common_fields[] = {COMMON_HEAD, COMMON_TAIL};

static const struct context_field sock_fields[] = {
    COMMON_HEAD, START("type", 8), START("protocol", 12), WHOLE("mark", 16, 4), WHOLE("priority", 20, 4), COMMON_TAIL,
};

static const struct context_field tcp_sock_fields[] = {
    WHOLE("snd_cwnd", 0, 4),          WHOLE("srtt_us", 4, 4),
    WHOLE("rtt_min", 8, 4),           WHOLE("snd_ssthresh", 12, 4),
    WHOLE("rcv_nxt", 16, 4),          WHOLE("snd_nxt", 20, 4),
    WHOLE("snd_una", 24, 4),          WHOLE("mss_cache", 28, 4),
    WHOLE("ecn_flags", 32, 4),        WHOLE("rate_delivered", 36, 4),
    WHOLE("rate_interval_us", 40, 4), WHOLE("packets_out", 44, 4),
    WHOLE("retrans_out", 48, 4),      WHOLE("total_retrans", 52, 4),
    WHOLE("segs_in", 56, 4),          WHOLE("data_segs_in", 60, 4),
    WHOLE("segs_out", 64, 4),         WHOLE("data_segs_out", 68, 4),
    WHOLE("lost_out", 72, 4),         WHOLE("sacked_out", 76, 4),
    WHOLE("bytes_received", 80, 8),   WHOLE("bytes_acked", 88, 8),
    WHOLE("dsack_dups", 96, 4),       WHOLE("delivered", 100, 4),
    WHOLE("delivered_ce", 104, 4),    WHOLE("icsk_retransmits", 108, 4),
};

/* Plain memory, all of it the program's to fill. */
static const struct context_field flow_keys_fields[] = {
    ROW("flow_keys", FIELD_BYTES, 0, 56, FIELD_READ | FIELD_WRITE, -1),
};

const struct context_layout *contract_object_layout(enum contract_object object)
{
    static const struct context_layout layouts[CONTRACT_OBJECTS] = {
        [CONTRACT_SOCK_COMMON] = LAYOUT(80, sock_common_fields),
        [CONTRACT_SOCK] = LAYOUT(80, sock_fields),
        [CONTRACT_TCP_SOCK] = LAYOUT(112, tcp_sock_fields),
        [CONTRACT_FLOW_KEYS] = LAYOUT(56, flow_keys_fields),
    };

    return (unsigned)object < CONTRACT_OBJECTS ? &layouts[object] : NULL;
}

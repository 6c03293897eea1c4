/* SPDX-License-Identifier: MIT
 *
 * The network hooks' contexts, verdicts and helpers, as programs of efW's personality see them.
 */
#ifndef WINBPF_EBPF_NETHOOKS_H
#define WINBPF_EBPF_NETHOOKS_H

#include "ebpf_structs.h"
#include "xdp_hooks.h"

/* SEC("bind"): a socket gets a local address, or gives it up. */
typedef enum _bind_operation {
    BIND_OPERATION_BIND,
    BIND_OPERATION_POST_BIND,
    BIND_OPERATION_UNBIND,
} bind_operation_t;

typedef struct _bind_md {
    uint8_t *app_id_start; /* the application's name, UTF-16, not terminated */
    uint8_t *app_id_end;
    uint64_t process_id;
    uint8_t socket_address[16]; /* a redirecting program writes here */
    uint8_t socket_address_length;
    bind_operation_t operation;
    uint8_t protocol;
} bind_md_t;

/* A hard permission is one that no other filter may take back. */
typedef enum _bind_action {
    BIND_PERMIT_SOFT,
    BIND_DENY,
    BIND_REDIRECT,
    BIND_PERMIT_HARD,
    BIND_PERMIT = 0,
} bind_action_t;

typedef bind_action_t bind_hook_t(bind_md_t *context);

/* SEC("cgroup/connect4"), …: a connection is made, accepted, or an address taken.  Addresses and ports are in network
 * order; "user" is the remote side of a connect, the local one of an accept. */
typedef struct bpf_sock_addr {
    uint32_t family;
    union {
        uint32_t msg_src_ip4;
        uint32_t msg_src_ip6[4];
    };
    uint16_t msg_src_port;
    union {
        uint32_t user_ip4;
        uint32_t user_ip6[4];
    };
    uint16_t user_port;
    uint32_t protocol;
    uint32_t compartment_id;
    uint64_t interface_luid;
} bpf_sock_addr_t;

typedef enum _ebpf_sock_addr_verdict {
    BPF_SOCK_ADDR_VERDICT_REJECT,
    BPF_SOCK_ADDR_VERDICT_PROCEED_SOFT,
    BPF_SOCK_ADDR_VERDICT_PROCEED_HARD,
} ebpf_sock_addr_verdict_t;

typedef ebpf_sock_addr_verdict_t sock_addr_hook_t(bpf_sock_addr_t *context);

/* How a connection will leave; `version` is the asker's. */
typedef struct _bpf_sock_addr_network_context {
    uint32_t version;
    uint32_t interface_type;
    uint32_t tunnel_type;
    uint64_t next_hop_interface_luid;
    uint32_t sub_interface_index;
} bpf_sock_addr_network_context_t;
#define BPF_SOCK_ADDR_NETWORK_CONTEXT_VERSION 1

typedef enum ebpf_sock_addr_helper_id_t {
    BPF_FUNC_sock_addr_get_current_pid_tgid = 65536,
    BPF_FUNC_sock_addr_set_redirect_context,
    BPF_FUNC_sock_addr_get_network_context,
} ebpf_sock_addr_helper_id_t;

/* SEC("sockops"): a connection begins or ends. */
typedef enum _bpf_sock_op_type {
    BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB,
    BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB,
    BPF_SOCK_OPS_CONNECTION_DELETED_CB,
} bpf_sock_op_type_t;

typedef struct _bpf_sock_ops {
    bpf_sock_op_type_t op;
    uint32_t family;
    struct {
        union {
            uint32_t local_ip4;
            uint32_t local_ip6[4];
        };
        uint32_t local_port;
    };
    struct {
        union {
            uint32_t remote_ip4;
            uint32_t remote_ip6[4];
        };
        uint32_t remote_port;
    };
    uint8_t protocol;
    uint32_t compartment_id;
    uint64_t interface_luid;
} bpf_sock_ops_t;

typedef int sock_ops_hook_t(bpf_sock_ops_t *context);

typedef enum ebpf_sock_ops_helper_id_t {
    BPF_FUNC_sock_ops_get_flow_id = 65536,
} ebpf_sock_ops_helper_id_t;

#if defined(__bpf__) || defined(__BPF__)
#include "bpf_helpers_platform.h"
EBPF_HELPER(BPF_FUNC_sock_addr_get_current_pid_tgid, uint64_t, bpf_sock_addr_get_current_pid_tgid,
            bpf_sock_addr_t *context);
/* Data for whoever accepts the redirected connection. */
EBPF_HELPER(BPF_FUNC_sock_addr_set_redirect_context, int, bpf_sock_addr_set_redirect_context, bpf_sock_addr_t *context,
            void *data, uint32_t data_size);
EBPF_HELPER(BPF_FUNC_sock_addr_get_network_context, int, bpf_sock_addr_get_network_context, bpf_sock_addr_t *context,
            void *network_context, uint32_t size);
EBPF_HELPER(BPF_FUNC_sock_ops_get_flow_id, uint64_t, bpf_sock_ops_get_flow_id, bpf_sock_ops_t *context);
#endif

#endif

/* SPDX-License-Identifier: MIT
 *
 * XDP as efW has it: pointers in the context, and verdicts that begin at 1.  A value that is no verdict drops.
 */
#ifndef WINBPF_XDP_HOOKS_H
#define WINBPF_XDP_HOOKS_H

#include "ebpf_structs.h"

typedef struct xdp_md_ {
    void *data;     /* first byte of the frame */
    void *data_end; /* past its last */
    uint64_t data_meta;
    uint32_t ingress_ifindex;
} xdp_md_t;

typedef enum _xdp_action {
    XDP_PASS = 1,
    XDP_DROP,
    XDP_TX,
} xdp_action_t;

typedef xdp_action_t xdp_hook_t(xdp_md_t *context);

typedef enum ebpf_nethook_helper_id_t {
    BPF_FUNC_xdp_adjust_head = 65536,
} ebpf_nethook_helper_id_t;

#if defined(__bpf__) || defined(__BPF__)
#include "bpf_helpers_platform.h"
/* Moves the frame's first byte by `delta`, forwards to take room away.  Pointers into the frame are to be read anew. */
EBPF_HELPER(BPF_FUNC_xdp_adjust_head, int, bpf_xdp_adjust_head, xdp_md_t *context, int delta);
#endif

#endif

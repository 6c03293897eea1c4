/* SPDX-License-Identifier: MIT
 *
 * XDP: programs that see a frame before the network stack does and say whether it passes, is dropped, or goes back.
 *
 * A frame lies in one buffer, like a packet in Linux's XDP: headroom, metadata, data, tailroom.
 *
 *     start        meta      data            end            limit
 *       | headroom | metadata | linear part   | tailroom      |
 *
 * start + XDP_RESERVED <= meta <= data, data + 14 <= end <= limit.  A program moves meta, data and end with helpers
 * and may not do more.  What a test run brings beyond the linear part (`rest`) is visible to the byte-copying helpers
 * alone, as it is in Linux for the fragments of a large frame.
 */
#ifndef WINBPF_HOOKS_XDP_H
#define WINBPF_HOOKS_XDP_H

#include <stddef.h>
#include <stdint.h>
#include "core/helper.h"
#include "core/hook.h"
#include "engine/engine.h"

enum {
    XDP_HEADROOM = 256,     /* bytes before the data of a fresh frame */
    XDP_RESERVED = 40,      /* of these, bytes no program can have: where Linux keeps its struct xdp_frame */
    XDP_TAILROOM = 320,     /* bytes no program can have at the end: where Linux keeps fragment descriptors */
    XDP_FRAME_MINIMUM = 14, /* an Ethernet header */
    XDP_META_MAX = 252,
};

/* Verdicts as the provider reads them: Linux's numbers. */
enum xdp_verdict { XDP_VERDICT_ABORTED, XDP_VERDICT_DROP, XDP_VERDICT_PASS, XDP_VERDICT_TX, XDP_VERDICT_REDIRECT };

/* The provider's context (contract_xdp): efW's xdp_md_t, longer at its end. */
struct xdp_context {
    uint8_t *data, *data_end;
    uint64_t data_meta; /* an address */
    uint32_t ingress_ifindex, rx_queue_index, egress_ifindex;
    uint32_t reserved;
};

struct xdp_frame {
    struct context_header header; /* must come right before the context */
    struct xdp_context context;
    uint8_t *start, *limit;
    uint8_t *rest; /* continues the data after context.data_end; NULL for none */
    uint32_t rest_size;
    uint32_t redirect; /* interface index after XDP_VERDICT_REDIRECT */
};

/* Lays a frame out in `buffer` of `size` bytes (at most CONTRACT_REGION_MOST), whose data (length bytes) begins at
 * `headroom`.  No metadata. */
void xdp_frame_init(struct xdp_frame *frame, void *buffer, size_t size, size_t headroom, size_t length);

/* Runs `prog` once on the frame.  The caller is inside epoch_enter_cpu(), whose CPU is `cpu`. */
_Requires_epoch_held_
enum xdp_verdict xdp_run(struct prog *prog, uint32_t cpu, struct xdp_frame *frame, struct code_fault *fault);

/* Helpers that only XDP programs call. */
extern const struct helper xdp_helpers[];

/* Where frames come from and go to: set by the platform's provider (xdp_af_packet.c), or none. */
struct xdp_provider {
    /* Frames arriving at interface `ifindex` go through link->prog from now on. RESULT_NO_DEVICE: no such interface. */
    enum result (*attach)(struct link *link, uint32_t ifindex, uint32_t flags);
    /* After it returns no invocation through this link begins, and none is going on. */
    void (*detach)(struct link *link);
    /* Is there an interface of this index, with at least `queue` + 1 receive queues? RESULT_NO_DEVICE, RESULT_INVALID.
     */
    enum result (*check)(uint32_t ifindex, uint32_t queue);
};
void xdp_provider_set(const struct xdp_provider *provider);

#endif

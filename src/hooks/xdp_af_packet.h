/* SPDX-License-Identifier: MIT
 *
 * XDP in Linux user mode: joins two interfaces like a cable with a program in it.
 */
#ifndef WINBPF_HOOKS_XDP_AF_PACKET_H
#define WINBPF_HOOKS_XDP_AF_PACKET_H

#include <stdint.h>
#include "base/result.h"
#include "engine/engine.h"

/* What happened to the frames that came in at one interface. */
struct xdp_counts {
    uint64_t received, passed, dropped, aborted, returned, redirected;
    uint64_t lost;   /* could not be sent, or was no frame that can be handled */
    uint64_t faults; /* of the aborted: stopped by the checked interpreter */
};

/* From now on every frame that arrives at either interface leaves by the other, unless a program attached to the
 * interface it came in by decides otherwise.  Needs CAP_NET_RAW; one join an interface.  RESULT_NO_DEVICE: no such
 * interface; RESULT_BUSY: already joined. */
enum result xdp_join(uint32_t ifindex_a, uint32_t ifindex_b);

/* Ends a join made by xdp_join; frames on their way are finished first.  Attached programs stay attached to nothing. */
enum result xdp_leave(uint32_t ifindex_a, uint32_t ifindex_b);

/* Ends every join. */
void xdp_leave_all(void);

/* Frames that came in by this interface.  RESULT_NO_DEVICE where it is not joined. */
enum result xdp_counts_read(uint32_t ifindex, struct xdp_counts *out);

/* Who hears of a program that the checked interpreter stopped; called on a worker, NULL for nobody. */
void xdp_fault_listen(void (*listener)(void *self, uint32_t ifindex, const struct code_fault *fault), void *self);

/* Makes this the provider of hook_xdp. */
void xdp_af_packet_start(void);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What libbpf has no words for: where XDP gets its frames from in Linux user mode.  Functions return 0, or -errno with
 * errno set.
 */
#ifndef WINBPF_WINBPF_H
#define WINBPF_WINBPF_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Joins two network interfaces, by index, like a cable: every frame that comes in at one leaves by the other, unless an
 * XDP program attached to the interface it came in by says otherwise.  Needs CAP_NET_RAW.  -ENODEV, -EBUSY. */
__attribute__((visibility("default"))) int winbpf_xdp_join(unsigned int ifindex_a, unsigned int ifindex_b);

/* Ends it; frames already received are finished first. */
__attribute__((visibility("default"))) int winbpf_xdp_leave(unsigned int ifindex_a, unsigned int ifindex_b);

/* Frames that came in at an interface so far, by fate.  `size` is sizeof(struct winbpf_xdp_counts). */
struct winbpf_xdp_counts {
    uint64_t received, passed, dropped, aborted, returned, redirected;
    uint64_t lost;   /* could not be sent on, or were no frames */
    uint64_t faults; /* of the aborted: the program did what it may not */
};
__attribute__((visibility("default"))) int winbpf_xdp_counts(unsigned int ifindex, struct winbpf_xdp_counts *counts,
                                                             uint32_t size);

#ifdef __cplusplus
}
#endif

#endif

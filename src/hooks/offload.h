/* SPDX-License-Identifier: MIT
 *
 * Undoing what a sender left to its network card.  A frame taken from a virtual interface may still lack its checksum
 * (partial: the field holds the pseudo-header's sum) and may be a whole train of segments in one; programs and the
 * wire expect complete frames of at most the link's size.
 */
#ifndef WINBPF_HOOKS_OFFLOAD_H
#define WINBPF_HOOKS_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is still to be done, as Linux's struct virtio_net_hdr says it; offsets count from the frame's first byte. */
struct offload {
    bool needs_checksum;
    uint16_t checksum_start, checksum_offset;
    enum offload_train { TRAIN_NONE, TRAIN_TCP4, TRAIN_TCP6, TRAIN_UDP, TRAIN_OTHER } train;
    uint16_t segment; /* payload bytes of each segment of a train */
};

/* The Internet checksum's sum (RFC 1071) of `size` bytes onto `sum`, unfolded. */
uint64_t checksum_add(uint64_t sum, const void *data, size_t size);
/* Folded and complemented, in network order as it is stored. */
uint16_t checksum_finish(uint64_t sum);

/* Completes a partial checksum in place.  False when the offsets do not lie inside the frame. */
bool offload_checksum(uint8_t *frame, size_t size, const struct offload *offload);

/* Cuts a train into complete frames, each built in `out` (room for `capacity` bytes) and given to `each`.  False, with
 * nothing said, when the train's headers make no sense or a segment does not fit. */
bool offload_segments(const uint8_t *frame, size_t size, const struct offload *offload, uint8_t *out, size_t capacity,
                      void (*each)(void *self, size_t size), void *self);

#endif

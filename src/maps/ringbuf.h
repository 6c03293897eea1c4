/* SPDX-License-Identifier: MIT
 *
 * What producers do with a ring buffer map; the helpers of src/helpers/ringbuf.c are these.
 */
#ifndef WINBPF_MAPS_RINGBUF_H
#define WINBPF_MAPS_RINGBUF_H

#include "core/map.h"

/* Room for a record of `size` bytes, 8-aligned and of undefined content, or NULL when there is none.  Must be given up
 * by exactly one ringbuf_commit. */
void *ringbuf_reserve(struct map *map, uint64_t size);

/* Shows the record to the consumer, or with `discard` makes the consumer skip it.  `flags`: BPF_RB_NO_WAKEUP,
 * BPF_RB_FORCE_WAKEUP. */
void ringbuf_commit(void *record, uint64_t flags, bool discard);

/* A copy of `size` bytes as one record.  RESULT_AGAIN when there is no room. */
enum result ringbuf_output(struct map *map, const void *data, uint64_t size, uint64_t flags);

/* BPF_RB_AVAIL_DATA, RING_SIZE, CONS_POS, PROD_POS; 0 for anything else. */
uint64_t ringbuf_query(struct map *map, uint64_t what);

#endif

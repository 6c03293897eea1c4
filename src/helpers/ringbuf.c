/* SPDX-License-Identifier: MIT
 *
 * Ring buffers from a program: reserve, fill in, submit or discard; or output a copy.  The ring is src/maps/ringbuf.c.
 */
#include <linux/bpf.h>
#include "helpers/answer.h"
#include "helpers/helpers.h"
#include "maps/ringbuf.h"

#define RINGBUF (1ull << BPF_MAP_TYPE_RINGBUF)

static uint64_t output(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return answer(ringbuf_output(answer_pointer(r1), answer_pointer(r2), r3, r4));
}

static uint64_t reserve(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return r3 ? 0 : (uint64_t)(uintptr_t)ringbuf_reserve(answer_pointer(r1), r2);
}

static uint64_t submit(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    ringbuf_commit(answer_pointer(r1), r2, false);
    return 0;
}

static uint64_t discard(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    ringbuf_commit(answer_pointer(r1), r2, true);
    return 0;
}

static uint64_t query(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return ringbuf_query(answer_pointer(r1), r2);
}

const struct helper ringbuf_helpers[] = {
    {{"ringbuf_output",
      {130, 11},
      RET_INTEGER,
      {ARG_CONST_MAP, ARG_MEM, ARG_SIZE_OR_ZERO, ARG_ANYTHING},
      0,
      RINGBUF,
      2},
     output},
    {{"ringbuf_reserve",
      {131, -1},
      RET_RECORD_OR_NULL,
      {ARG_CONST_MAP, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING},
      0,
      RINGBUF,
      2},
     reserve},
    {{"ringbuf_submit", {132, -1}, RET_VOID, {ARG_RECORD, ARG_ANYTHING}, 0, RINGBUF, 2}, submit},
    {{"ringbuf_discard", {133, -1}, RET_VOID, {ARG_RECORD, ARG_ANYTHING}, 0, RINGBUF, 2}, discard},
    {{"ringbuf_query", {134, -1}, RET_INTEGER, {ARG_CONST_MAP, ARG_ANYTHING}, 0, RINGBUF, 2}, query},
    {{NULL, {-1, -1}, RET_VOID, {ARG_NONE}, 0, 0, 0}, NULL},
};

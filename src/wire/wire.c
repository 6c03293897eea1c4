/* SPDX-License-Identifier: MIT
 *
 * The shape of a message, checked before anything in it is believed.  OUT segments come first and without gaps in the
 * table's order, then the rest: so overlaps cannot be said, and the answer is a prefix.
 */
#include "wire/wire.h"
#include "base/checked.h"

static bool place(const struct wire_segment *segment, bool out, uint64_t size, uint64_t *at)
{
    size_t room;
    if (!!(segment->direction & WIRE_OUT) != out)
        return true;
    if (segment->offset != *at || !range_within(*at, segment->length, size) ||
        !checked_align_size((size_t)segment->length, WIRE_ALIGN, &room) || !range_within(*at, room, size))
        return false;
    *at += room;
    return true;
}

enum result wire_check(const void *message, size_t size)
{
    const struct wire_head *head = message;
    const struct wire_segment *segments = (const struct wire_segment *)(head + 1);
    if (size < sizeof *head || head->magic != WIRE_MAGIC || head->version != WIRE_VERSION || head->size != size ||
        head->kind >= WIRE_KINDS || head->segment_count > WIRE_SEGMENTS_MOST)
        return RESULT_INVALID;
    uint64_t at = sizeof *head + head->segment_count * sizeof *segments;
    if (at > size || (head->kind == WIRE_COMMAND) != (head->segment_count != 0))
        return RESULT_INVALID;
    for (uint32_t i = 0; i < head->segment_count; i++) {
        const struct wire_segment *segment = &segments[i];
        if (!segment->direction || segment->direction & ~(uint32_t)(WIRE_IN | WIRE_OUT) || segment->reserved ||
            segment->length > UINT64_MAX - segment->address)
            return RESULT_INVALID;
    }
    for (uint32_t i = 0; i < head->segment_count; i++)
        if (!place(&segments[i], true, size, &at))
            return RESULT_INVALID;
    for (uint32_t i = 0; i < head->segment_count; i++)
        if (!place(&segments[i], false, size, &at))
            return RESULT_INVALID;
    return at == size ? RESULT_OK : RESULT_INVALID;
}

size_t wire_answer_size(const void *message)
{
    const struct wire_head *head = message;
    const struct wire_segment *segments = (const struct wire_segment *)(head + 1);
    size_t size = sizeof *head + head->segment_count * sizeof *segments;
    for (uint32_t i = 0; i < head->segment_count; i++)
        if (segments[i].direction & WIRE_OUT)
            size += ((size_t)segments[i].length + WIRE_ALIGN - 1) & ~(size_t)(WIRE_ALIGN - 1);
    return size;
}

/* SPDX-License-Identifier: MIT
 *
 * A file of messages, as the wire's fuzzer, the library and the driver are given it:
 *
 *   repeated { length: 2 bytes, little endian; a message (wire/wire.h) of that many bytes }
 *
 * A test run may be repeated four thousand million times, and a map may have as many entries; nobody here has time for
 * that, so these numbers are made small.
 */
#ifndef WINBPF_TESTS_FUZZ_WIRE_MESSAGES_H
#define WINBPF_TESTS_FUZZ_WIRE_MESSAGES_H

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "wire/wire.h"

/* Keeps the low `bits` bits of a field of the attr, as much of it as is there. */
static inline void wire_message_limit(uint8_t *attr, size_t length, size_t field, unsigned bits)
{
    for (unsigned i = 0; i<4; i++, bits = bits> 8 ? bits - 8 : 0)
        if (field + i < length)
            attr[field + i] &= (uint8_t)(bits >= 8 ? 0xff : (1u << bits) - 1);
}

static inline void wire_message_hasten(uint8_t *message, size_t size)
{
    struct wire_head *head = (struct wire_head *)message;
    const struct wire_segment *segment = (const struct wire_segment *)(head + 1);
    if (wire_check(message, size) || head->kind != WIRE_COMMAND)
        return;
    uint8_t *attr = message + segment->offset;
    if (head->command == BPF_PROG_TEST_RUN)
        wire_message_limit(attr, segment->length, offsetof(union bpf_attr, test.repeat), 8);
    if (head->command == BPF_MAP_CREATE) {
        wire_message_limit(attr, segment->length, offsetof(union bpf_attr, value_size), 12);
        wire_message_limit(attr, segment->length, offsetof(union bpf_attr, max_entries), 13);
    }
}

/* Calls `each` for every message; it may write to its copy of it. */
static inline void wire_messages(const uint8_t *data, size_t size,
                                 void (*each)(void *self, uint8_t *message, size_t length), void *self)
{
    for (size_t at = 0; at + 2 <= size;) {
        size_t length = data[at] | (size_t)data[at + 1] << 8;
        at += 2;
        if (length > size - at)
            length = size - at;
        uint8_t *copy = malloc(length ? length : 1); /* exact, so that a sanitizer sees any step past the end */
        if (!copy)
            abort();
        memcpy(copy, data + at, length);
        wire_message_hasten(copy, length);
        each(self, copy, length);
        free(copy);
        at += length;
    }
}

/* Is the answer to a message that was sent as `sent` (of `size` bytes) one that the wire allows? */
static inline int wire_answer_allowed(const uint8_t *sent, const uint8_t *answer, size_t size)
{
    const struct wire_head *before = (const struct wire_head *)sent, *head = (const struct wire_head *)answer;
    const struct wire_segment *was = (const struct wire_segment *)(before + 1),
                              *is = (const struct wire_segment *)(head + 1);
    if (head->result < 0 || head->result >= 64 || head->kind != before->kind ||
        head->segment_count != before->segment_count)
        return 0;
    for (uint32_t i = 0; i < head->segment_count; i++)
        if (is[i].address != was[i].address || is[i].length != was[i].length || is[i].offset != was[i].offset ||
            is[i].direction != was[i].direction || is[i].written > is[i].length ||
            (!(is[i].direction & WIRE_OUT) && is[i].written))
            return 0;
    return 1;
}

#endif

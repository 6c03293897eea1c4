/* SPDX-License-Identifier: MIT
 *
 * bpf() across a border: a client's command and all memory it means, in one message.
 *
 * A message is a head, a table of *segments* and their bytes.  A segment is a piece of the client's memory: its address
 * there, its length, whether the command may read it (IN) or write it (OUT).  wire.def says for each command which
 * pieces its attr points at and how long they are, so both sides agree; the server hands the message to
 * core_command() as a client whose memory is the segments and nothing else.  An address that no segment holds is one
 * that the client does not have.
 *
 * The answer is the message's own beginning: head, table and the OUT bytes, which lie in front of the bytes that are
 * only IN.  Each OUT segment says how much of it was written.
 *
 *   head | segments | bytes of OUT segments | bytes of IN segments        (all parts at multiples of 8)
 *
 * Other kinds of message are the *controls*: what a handle is, closing one, a second handle, ring memory and waiting.
 * The border is one machine's: the byte order is the processor's.
 */
#ifndef WINBPF_WIRE_WIRE_H
#define WINBPF_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/result.h"

enum {
    WIRE_MAGIC = 0x46504257, /* "WBPF" */
    WIRE_VERSION = 1,
    WIRE_ALIGN = 8,
    WIRE_SEGMENTS_MOST = 24,
    WIRE_LOG_MOST = 16 << 20,    /* bytes of a log, its NUL among them */
    WIRE_TEST_GROWTH = 64 << 10, /* a test run's output can exceed its input by this much */
    WIRE_UNKNOWN_COMMAND = 1,    /* argument[1] of an answer: there is no such command here */
    /* Commands beside bpf()'s own, for what Linux leaves to a file system.  UNPIN: attr.pathname goes away.  NEXT_PIN:
     * attr.key is a path, attr.value gets the one after it (attr.map_fd bytes of room); the value is its object's kind.
     */
    WIRE_UNPIN = 1 << 16,
    WIRE_NEXT_PIN,
    /* Device control code: CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_READ_DATA | FILE_WRITE_DATA). */
    WIRE_IOCTL = 0x22 << 16 | 3 << 14 | 0x801 << 2 | 0,
};

enum wire_kind {
#define CONTROL(name, text) WIRE_##name,
#include "wire/wire.def"
#undef CONTROL
    WIRE_KINDS
};

enum wire_direction { WIRE_IN = 1, WIRE_OUT = 2 };

struct wire_head {
    uint32_t magic, version;
    uint32_t kind;          /* enum wire_kind */
    uint32_t command;       /* WIRE_COMMAND: bpf()'s; else the handle that the control is about */
    uint64_t size;          /* of the whole message */
    uint32_t segment_count; /* WIRE_COMMAND: the first one is the attr */
    int32_t result;         /* answer: enum result */
    int64_t value;          /* answer: what bpf() returns */
    /* Of controls, both ways.  Of a command: [0] whose numbers its attr speaks (enum personality_of_caller); in the
     * answer, [1] holds flags. */
    uint64_t argument[3];
};

struct wire_segment {
    uint64_t address, length; /* in the client's memory */
    uint64_t offset;          /* of the bytes in the message */
    uint32_t direction;
    uint32_t reserved;
    uint64_t written; /* answer: bytes from the segment's start on that are to be copied back */
};

/* Where the answer to a message ends: head, table and OUT bytes.  The message has been checked. */
size_t wire_answer_size(const void *message);

/* Is this a well-formed message of exactly `size` bytes?  Everything else here relies on it. */
enum result wire_check(const void *message, size_t size);

#endif

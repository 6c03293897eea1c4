/* SPDX-License-Identifier: MIT
 *
 * Little-endian loads and stores at any alignment, and a view of bytes that came from outside.
 * A view never owns its bytes; every access to it is checked against its size.
 */
#ifndef WINBPF_BASE_BYTES_H
#define WINBPF_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/checked.h"

struct bytes {
    const uint8_t *data;
    size_t size;
};

static inline uint16_t load_le16(const void *p)
{
    const uint8_t *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t load_le32(const void *p)
{
    const uint8_t *b = p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t load_le64(const void *p)
{
    return (uint64_t)load_le32(p) | (uint64_t)load_le32((const uint8_t *)p + 4) << 32;
}

static inline void store_le16(void *p, uint16_t v)
{
    uint8_t *b = p;
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}

static inline void store_le32(void *p, uint32_t v)
{
    store_le16(p, (uint16_t)v);
    store_le16((uint8_t *)p + 2, (uint16_t)(v >> 16));
}

static inline void store_le64(void *p, uint64_t v)
{
    store_le32(p, (uint32_t)v);
    store_le32((uint8_t *)p + 4, (uint32_t)(v >> 32));
}

/* The part [offset, offset + length) of a view; false when it does not lie inside. */
static inline bool bytes_slice(struct bytes from, uint64_t offset, uint64_t length, struct bytes *out)
{
    if (!range_within(offset, length, from.size))
        return false;
    out->data = from.data ? from.data + offset : NULL;
    out->size = (size_t)length;
    return true;
}

/* The string at `offset`, which must end by a NUL inside the view; NULL otherwise. */
static inline const char *bytes_string(struct bytes from, uint64_t offset)
{
    if (offset >= from.size || !memchr(from.data + offset, 0, from.size - (size_t)offset))
        return NULL;
    return (const char *)from.data + offset;
}

#endif

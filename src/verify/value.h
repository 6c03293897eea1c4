/* SPDX-License-Identifier: MIT
 *
 * What the verifier knows of one register or stack slot.
 *
 * A number is a set of numbers (scalar).  A pointer is a kind of memory, a constant offset and a variable one (scalar).
 * Both may be relative to an *anchor*: value = anchor + d with lo <= d <= hi.  Two values with the same anchor and
 * exact distances are copies of each other: what a branch says of one, it says of both.  At a generalized loop head the
 * anchors are fresh, so that the distance of a value at the loop's end from its own beginning is there to be read: a
 * loop ends when some location always moves away from its anchor in one direction inside a bounded set.
 */
#ifndef WINBPF_VERIFY_VALUE_H
#define WINBPF_VERIFY_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include "verify/scalar.h"

enum value_kind {
    V_NONE, /* never written, or destroyed */
    V_NUMBER,
    V_CONTEXT,
    V_STACK,      /* index: frame; offset from its top */
    V_PACKET,     /* index: region; `limit`: bytes from its base that exist */
    V_PACKET_END, /* index: region */
    V_MAP,        /* index: image map; inner: the map found in it */
    V_MAP_VALUE,  /* index: image map */
    V_MAP_KEY,    /* index: image map: a callback's key */
    V_MEMORY,     /* limit: bytes */
    V_RECORD,     /* limit: bytes, reference */
    V_OBJECT,     /* index: enum contract_object */
    V_CODE,       /* index: function */
    V_BTF,        /* kernel object, opaque */
    V_DYNPTR,     /* a stack slot that is half of one: index 0 or 1; limit: enum dynptr_kind */
    V_ITER,       /* the same for a numeric iterator */
    V_KINDS
};

/* Packet regions. */
enum { REGION_PACKET, REGION_META, REGION_MEMORY, REGIONS };

enum {
    VALUE_NULLABLE = 1u << 0,
    VALUE_READ_ONLY = 1u << 1,
    VALUE_INNER = 1u << 2, /* V_MAP: an element of a map of maps, shaped like the inner template; V_MAP_VALUE: of it */
    VALUE_UNTRUSTED = 1u << 3, /* V_OBJECT: bytes only, not for helpers */
    VALUE_OWNED = 1u << 4,     /* reference must be released */
    VALUE_LENGTH = 1u << 5,    /* V_NUMBER: bytes from a packet pointer (index, id, off) to the end of its region */
};

struct value {
    struct scalar n; /* a number, or the variable part of a pointer's offset */
    uint8_t kind, flags;
    uint16_t index;
    int32_t off;     /* constant part of a pointer's offset */
    uint32_t id;     /* nullable pointers: copies share it; V_PACKET: those with the same variable base share it */
    uint32_t ref;    /* reference held, 0 for none */
    uint32_t limit;  /* see the kinds */
    uint32_t anchor; /* 0: none */
    int32_t lo, hi;
};

static inline struct value value_none(void)
{
    struct value v = {{{0, 0}, 0, 0, 0, 0, 0, 0, 0, 0}, V_NONE, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    return v;
}

static inline struct value value_number(struct scalar n)
{
    struct value v = value_none();
    v.n = n;
    v.kind = V_NUMBER;
    return v;
}

static inline struct value value_pointer(enum value_kind kind, unsigned index, int32_t off)
{
    struct value v = value_none();
    v.kind = (uint8_t)kind;
    v.index = (uint16_t)index;
    v.off = off;
    return v;
}

/* The least and the greatest offset of `off` bytes behind a pointer; they wrap where the variable part is not bounded,
 * which is to be asked first. */
static inline int64_t value_low(const struct value *v, int64_t off)
{
    return (int64_t)((uint64_t)v->n.smin + (uint64_t)((int64_t)v->off + off));
}

static inline int64_t value_high(const struct value *v, int64_t off)
{
    return (int64_t)((uint64_t)v->n.smax + (uint64_t)((int64_t)v->off + off));
}

static inline bool value_is_pointer(const struct value *v)
{
    return v->kind > V_NUMBER;
}

static inline bool value_is_null(const struct value *v)
{
    return v->kind == V_NUMBER && v->n.umax == 0;
}

static inline bool value_is_const(const struct value *v, uint64_t *number)
{
    if (v->kind != V_NUMBER || !scalar_is_const(&v->n))
        return false;
    *number = v->n.umin;
    return true;
}

#endif

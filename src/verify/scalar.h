/* SPDX-License-Identifier: MIT
 *
 * Sets of 64-bit numbers: the number half of the verifier's abstract domain.
 *
 * A set is the meet of five approximations: which bits are known (a tristate number, Vishwanathan et al., CGO 2022), an
 * unsigned and a signed interval of the whole, an unsigned and a signed interval of the low half.  None is needed for
 * soundness of another, each loses what another keeps: masks keep alignment, intervals keep order, the halves keep
 * what 32-bit comparisons say of a register whose upper half is unknown.  scalar_sync lets each narrow the others.
 *
 * Every operation is sound: the result contains f(a, b) for all members a and b, with RFC 9669's meaning of f
 * (division by zero gives zero, shifts are masked).  tests/verify/test_scalar.c holds each to that by enumeration.
 */
#ifndef WINBPF_VERIFY_SCALAR_H
#define WINBPF_VERIFY_SCALAR_H

#include <stdbool.h>
#include <stdint.h>

/* A bit is unknown where mask has it, else it is value's.  value & mask is 0. */
struct tnum {
    uint64_t value, mask;
};

struct scalar {
    struct tnum bits;
    uint64_t umin, umax;
    int64_t smin, smax;
    uint32_t u32min, u32max;
    int32_t s32min, s32max;
};

extern const struct scalar scalar_any; /* every number */
extern const struct scalar scalar_zero;

struct scalar scalar_const(uint64_t value);
struct scalar scalar_urange(uint64_t min, uint64_t max); /* min <= max */
struct scalar scalar_srange(int64_t min, int64_t max);
/* What a zero-extended load of `bits` gives, `bits` 1 to 64. */
struct scalar scalar_bits(unsigned bits);

static inline bool scalar_is_const(const struct scalar *s)
{
    return s->umin == s->umax;
}

static inline bool scalar_is_any(const struct scalar *s)
{
    return s->bits.mask == UINT64_MAX && s->umin == 0 && s->umax == UINT64_MAX && s->smin == INT64_MIN &&
           s->smax == INT64_MAX && s->u32min == 0 && s->u32max == UINT32_MAX && s->s32min == INT32_MIN &&
           s->s32max == INT32_MAX;
}

/* Lets every approximation narrow the others.  False: no number is left. */
bool scalar_sync(struct scalar *s);

/* Is every member of `b` one of `a`, as far as the approximations tell? */
bool scalar_covers(const struct scalar *a, const struct scalar *b);
/* The least set that has all of both. */
struct scalar scalar_hull(const struct scalar *a, const struct scalar *b);
/* Members of both; false: none. */
bool scalar_meet(struct scalar *a, const struct scalar *b);

enum scalar_op {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_SDIV,
    OP_OR,
    OP_AND,
    OP_LSH,
    OP_RSH,
    OP_MOD,
    OP_SMOD,
    OP_XOR,
    OP_ARSH,
    OP_MOV,
};

/* a op b, of 64 bits or of the low 32 with the upper half zero. */
struct scalar scalar_alu(enum scalar_op op, bool wide, const struct scalar *a, const struct scalar *b);
struct scalar scalar_neg(bool wide, const struct scalar *a);
/* The low `bits` (8, 16, 32) as a number, zero-extended or sign-extended. */
struct scalar scalar_zext(const struct scalar *a, unsigned bits);
struct scalar scalar_sext(const struct scalar *a, unsigned bits);
/* The low `bits` (16, 32, 64) with their bytes in reverse. */
struct scalar scalar_swap(const struct scalar *a, unsigned bits);

enum scalar_relation {
    REL_EQ,
    REL_NE,
    REL_SET,
    REL_UNSET,
    REL_ULT,
    REL_ULE,
    REL_UGT,
    REL_UGE,
    REL_SLT,
    REL_SLE,
    REL_SGT,
    REL_SGE
};

static inline enum scalar_relation scalar_negate(enum scalar_relation r)
{
    static const uint8_t negated[] = {REL_NE,  REL_EQ,  REL_UNSET, REL_SET, REL_UGE, REL_UGT,
                                      REL_ULE, REL_ULT, REL_SGE,   REL_SGT, REL_SLE, REL_SLT};
    return (enum scalar_relation)negated[r];
}

/* 1: holds for all members; 0: for none; -1: unknown. */
int scalar_decide(enum scalar_relation r, bool wide, const struct scalar *a, const struct scalar *b);
/* Narrows both to the members for which it may hold; false: it never does. */
bool scalar_assume(enum scalar_relation r, bool wide, struct scalar *a, struct scalar *b);

#endif

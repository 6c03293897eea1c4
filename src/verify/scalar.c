/* SPDX-License-Identifier: MIT
 *
 * See scalar.h.  A 32-bit operation is done on the zero-extended halves in 64 bits and cut again; what the signed view
 * of the halves says more is added.  Comparisons work on a view of one width (bits, unsigned and signed interval), so
 * that both widths share one body.
 */
#include <stddef.h>
#include "isa/isa.h"
#include "verify/scalar.h"

const struct scalar scalar_any = {{0, UINT64_MAX}, 0,         UINT64_MAX, INT64_MIN, INT64_MAX, 0,
                                  UINT32_MAX,      INT32_MIN, INT32_MAX};
const struct scalar scalar_zero;

#define LOW32 0xffffffffull

static inline uint64_t minu(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}
static inline uint64_t maxu(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}
static inline int64_t mins(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static inline int64_t maxs(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* All bits below and at the highest one of v. */
static uint64_t fill(uint64_t v)
{
    v |= v >> 1;
    v |= v >> 2;
    v |= v >> 4;
    v |= v >> 8;
    v |= v >> 16;
    return v | v >> 32;
}

static struct tnum tnum_range(uint64_t min, uint64_t max)
{
    uint64_t differ = fill(min ^ max);
    return (struct tnum){min & ~differ, differ};
}

/* Members of both, where they have one in common: else `a`'s value wins and the intervals will tell. */
static struct tnum tnum_meet(struct tnum a, struct tnum b)
{
    uint64_t value = a.value | b.value, mask = a.mask & b.mask;
    return (struct tnum){value & ~mask, mask};
}

struct scalar scalar_const(uint64_t v)
{
    return (struct scalar){
        {v, 0}, v, v, (int64_t)v, (int64_t)v, (uint32_t)v, (uint32_t)v, (int32_t)(uint32_t)v, (int32_t)(uint32_t)v};
}

struct scalar scalar_urange(uint64_t min, uint64_t max)
{
    struct scalar s = scalar_any;
    s.umin = min;
    s.umax = max;
    (void)scalar_sync(&s);
    return s;
}

struct scalar scalar_srange(int64_t min, int64_t max)
{
    struct scalar s = scalar_any;
    s.smin = min;
    s.smax = max;
    (void)scalar_sync(&s);
    return s;
}

struct scalar scalar_bits(unsigned bits)
{
    static const struct scalar byte = {{0, 0xff}, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff};
    static const struct scalar half = {{0, 0xffff}, 0, 0xffff, 0, 0xffff, 0, 0xffff, 0, 0xffff};
    static const struct scalar word = {{0, LOW32}, 0, LOW32, 0, LOW32, 0, UINT32_MAX, INT32_MIN, INT32_MAX};
    switch (bits) {
    case 8: return byte;
    case 16: return half;
    case 32: return word;
    case 64: return scalar_any;
    default: return scalar_urange(0, UINT64_MAX >> (64 - bits));
    }
}

/* Moves an interval's ends to the nearest numbers inside whose low bits are those that are known. */
static void align_ends(struct scalar *s)
{
    uint64_t low = (s->bits.mask & (0 - s->bits.mask)) - 1, want = s->bits.value & low, end;
    uint32_t low32 = (uint32_t)low, want32 = (uint32_t)want, end32;
    if (!s->bits.mask || !low)
        return;
    end = (s->umin & ~low) | want;
    s->umin = end < s->umin && end <= UINT64_MAX - low - 1 ? end + low + 1 : maxu(end, s->umin);
    end = (s->umax & ~low) | want;
    s->umax = end > s->umax && end > low ? end - low - 1 : minu(end, s->umax);
    if (low >= UINT32_MAX)
        return;
    end32 = (s->u32min & ~low32) | want32;
    s->u32min =
        end32 < s->u32min && end32 <= UINT32_MAX - low32 - 1 ? end32 + low32 + 1 : (uint32_t)maxu(end32, s->u32min);
    end32 = (s->u32max & ~low32) | want32;
    s->u32max = end32 > s->u32max && end32 > low32 ? end32 - low32 - 1 : (uint32_t)minu(end32, s->u32max);
}

bool scalar_sync(struct scalar *s)
{
    for (int pass = 0; pass < 2; pass++) {
        uint64_t value = s->bits.value, mask = s->bits.mask;
        uint64_t sign = 1ull << 63;
        uint32_t value32 = (uint32_t)value, mask32 = (uint32_t)mask;
        /* bits -> intervals */
        s->umin = maxu(s->umin, value);
        s->umax = minu(s->umax, value | mask);
        s->smin = maxs(s->smin, (int64_t)(value | (mask & sign)));
        s->smax = mins(s->smax, (int64_t)(value | (mask & ~sign)));
        s->u32min = (uint32_t)maxu(s->u32min, value32);
        s->u32max = (uint32_t)minu(s->u32max, value32 | mask32);
        s->s32min = (int32_t)maxs(s->s32min, (int32_t)(value32 | (mask32 & 0x80000000u)));
        s->s32max = (int32_t)mins(s->s32max, (int32_t)(value32 | (mask32 & 0x7fffffffu)));
        /* unsigned <-> signed: one sign, one order */
        if ((int64_t)s->umin <= (int64_t)s->umax) {
            s->smin = maxs(s->smin, (int64_t)s->umin);
            s->smax = mins(s->smax, (int64_t)s->umax);
        }
        if ((s->smin < 0) == (s->smax < 0)) {
            s->umin = maxu(s->umin, (uint64_t)s->smin);
            s->umax = minu(s->umax, (uint64_t)s->smax);
        }
        if ((int32_t)s->u32min <= (int32_t)s->u32max) {
            s->s32min = (int32_t)maxs(s->s32min, (int32_t)s->u32min);
            s->s32max = (int32_t)mins(s->s32max, (int32_t)s->u32max);
        }
        if ((s->s32min < 0) == (s->s32max < 0)) {
            s->u32min = (uint32_t)maxu(s->u32min, (uint32_t)s->s32min);
            s->u32max = (uint32_t)minu(s->u32max, (uint32_t)s->s32max);
        }
        /* whole -> low half, where the upper half is one number */
        if (s->umin >> 32 == s->umax >> 32) {
            s->u32min = (uint32_t)maxu(s->u32min, (uint32_t)s->umin);
            s->u32max = (uint32_t)minu(s->u32max, (uint32_t)s->umax);
        }
        if (s->smin >= INT32_MIN && s->smax <= INT32_MAX) {
            s->s32min = (int32_t)maxs(s->s32min, s->smin);
            s->s32max = (int32_t)mins(s->s32max, s->smax);
        }
        /* low half -> whole */
        s->umin = maxu(s->umin, (s->umin & ~LOW32) | s->u32min);
        s->umax = minu(s->umax, (s->umax & ~LOW32) | s->u32max);
        if (s->smin >= INT32_MIN && s->smax <= INT32_MAX) {
            s->smin = maxs(s->smin, s->s32min);
            s->smax = mins(s->smax, s->s32max);
        }
        align_ends(s);
        if (s->umin > s->umax || s->smin > s->smax || s->u32min > s->u32max || s->s32min > s->s32max)
            return false;
        /* intervals -> bits */
        struct tnum range = tnum_range(s->umin, s->umax);
        struct tnum low = tnum_range(s->u32min, s->u32max);
        low.mask |= ~LOW32;
        if ((value ^ range.value) & ~mask & ~range.mask || (value ^ low.value) & ~mask & ~low.mask)
            return false;
        s->bits = tnum_meet(tnum_meet(s->bits, range), low);
        if (s->bits.value == value && s->bits.mask == mask && pass)
            break;
    }
    if (s->umin == s->umax) { /* all views agree on the one that is left */
        uint64_t one = s->umin;
        bool member = !((one ^ s->bits.value) & ~s->bits.mask) && s->smin <= (int64_t)one && s->smax >= (int64_t)one &&
                      s->u32min <= (uint32_t)one && s->u32max >= (uint32_t)one && s->s32min <= (int32_t)(uint32_t)one &&
                      s->s32max >= (int32_t)(uint32_t)one;
        if (member)
            *s = scalar_const(one);
        return member;
    }
    return s->umin <= s->umax && s->smin <= s->smax;
}

bool scalar_covers(const struct scalar *a, const struct scalar *b)
{
    return a->umin <= b->umin && a->umax >= b->umax && a->smin <= b->smin && a->smax >= b->smax &&
           a->u32min <= b->u32min && a->u32max >= b->u32max && a->s32min <= b->s32min && a->s32max >= b->s32max &&
           !(b->bits.mask & ~a->bits.mask) && !((a->bits.value ^ b->bits.value) & ~a->bits.mask);
}

struct scalar scalar_hull(const struct scalar *a, const struct scalar *b)
{
    struct scalar s;
    s.bits.mask = a->bits.mask | b->bits.mask | (a->bits.value ^ b->bits.value);
    s.bits.value = a->bits.value & ~s.bits.mask;
    s.umin = minu(a->umin, b->umin);
    s.umax = maxu(a->umax, b->umax);
    s.smin = mins(a->smin, b->smin);
    s.smax = maxs(a->smax, b->smax);
    s.u32min = (uint32_t)minu(a->u32min, b->u32min);
    s.u32max = (uint32_t)maxu(a->u32max, b->u32max);
    s.s32min = (int32_t)mins(a->s32min, b->s32min);
    s.s32max = (int32_t)maxs(a->s32max, b->s32max);
    return s;
}

bool scalar_meet(struct scalar *a, const struct scalar *b)
{
    if ((a->bits.value ^ b->bits.value) & ~a->bits.mask & ~b->bits.mask)
        return false;
    a->bits = tnum_meet(a->bits, b->bits);
    a->umin = maxu(a->umin, b->umin);
    a->umax = minu(a->umax, b->umax);
    a->smin = maxs(a->smin, b->smin);
    a->smax = mins(a->smax, b->smax);
    a->u32min = (uint32_t)maxu(a->u32min, b->u32min);
    a->u32max = (uint32_t)minu(a->u32max, b->u32max);
    a->s32min = (int32_t)maxs(a->s32min, b->s32min);
    a->s32max = (int32_t)mins(a->s32max, b->s32max);
    return scalar_sync(a);
}

/* Exact results, from the instruction table. */
/* clang-format off */
static uint64_t exact64(enum scalar_op op, uint64_t d, uint64_t s)
{
    typedef uint64_t UW;
    typedef int64_t SW;
    enum { W = 64 };
    switch (op) {
#define ALU(NAME, code, off, group, symbol, value) case OP_##NAME: return value;
#include "isa/isa.def"
    default: return s;
    }
}
/* clang-format on */

/* clang-format off */
static uint32_t exact32(enum scalar_op op, uint32_t d, uint32_t s)
{
    typedef uint32_t UW;
    typedef int32_t SW;
    enum { W = 32 };
    switch (op) {
#define ALU(NAME, code, off, group, symbol, value) case OP_##NAME: return value;
#include "isa/isa.def"
    default: return s;
    }
}
/* clang-format on */

static struct scalar from_bits(struct tnum bits)
{
    struct scalar s = scalar_any;
    s.bits = bits;
    (void)scalar_sync(&s);
    return s;
}

static struct scalar add(const struct scalar *a, const struct scalar *b)
{
    struct scalar s = scalar_any;
    /* Carries can only come from unknown bits: sum the lowest and the highest, what differs is unknown. */
    uint64_t value = a->bits.value + b->bits.value, sigma = a->bits.mask + b->bits.mask + value;
    uint64_t unknown = (sigma ^ value) | a->bits.mask | b->bits.mask;
    s.bits = (struct tnum){value & ~unknown, unknown};
    /* Both ends wrap or neither does. */
    if ((a->umin + b->umin < a->umin) == (a->umax + b->umax < a->umax)) {
        s.umin = a->umin + b->umin;
        s.umax = a->umax + b->umax;
    }
    bool low = b->smin < 0 ? a->smin < INT64_MIN - b->smin : a->smin > INT64_MAX - b->smin;
    bool high = b->smax < 0 ? a->smax < INT64_MIN - b->smax : a->smax > INT64_MAX - b->smax;
    if (!low && !high) {
        s.smin = a->smin + b->smin;
        s.smax = a->smax + b->smax;
    }
    (void)scalar_sync(&s);
    return s;
}

static struct scalar sub(const struct scalar *a, const struct scalar *b)
{
    struct scalar s = scalar_any;
    uint64_t value = a->bits.value - b->bits.value;
    uint64_t alpha = value + a->bits.mask, beta = value - b->bits.mask;
    uint64_t unknown = (alpha ^ beta) | a->bits.mask | b->bits.mask;
    s.bits = (struct tnum){value & ~unknown, unknown};
    if ((a->umin < b->umax) == (a->umax < b->umin)) {
        s.umin = a->umin - b->umax;
        s.umax = a->umax - b->umin;
    }
    bool low = b->smax > 0 ? a->smin < INT64_MIN + b->smax : a->smin > INT64_MAX + b->smax;
    bool high = b->smin > 0 ? a->smax < INT64_MIN + b->smin : a->smax > INT64_MAX + b->smin;
    if (!low && !high) {
        s.smin = a->smin - b->smax;
        s.smax = a->smax - b->smin;
    }
    (void)scalar_sync(&s);
    return s;
}

/* Trailing bits that are known to be zero. */
static unsigned zeros(struct tnum bits)
{
    uint64_t some = bits.value | bits.mask;
    unsigned n = 0;
    while (n < 64 && !(some >> n & 1))
        n++;
    return n;
}

static struct scalar mul(const struct scalar *a, const struct scalar *b)
{
    struct scalar s = scalar_any;
    unsigned low = zeros(a->bits) + zeros(b->bits);
    s.bits = low >= 64 ? (struct tnum){0, 0} : (struct tnum){0, UINT64_MAX << low};
    if (a->umax <= LOW32 && b->umax <= LOW32) {
        s.umin = a->umin * b->umin;
        s.umax = a->umax * b->umax;
    } else if (b->umax == 0 || a->umax <= UINT64_MAX / b->umax) {
        s.umin = a->umin * b->umin;
        s.umax = a->umax * b->umax;
    }
    if (a->smin >= INT32_MIN && a->smax <= INT32_MAX && b->smin >= INT32_MIN && b->smax <= INT32_MAX) {
        int64_t c[4] = {a->smin * b->smin, a->smin * b->smax, a->smax * b->smin, a->smax * b->smax};
        s.smin = mins(mins(c[0], c[1]), mins(c[2], c[3]));
        s.smax = maxs(maxs(c[0], c[1]), maxs(c[2], c[3]));
    }
    (void)scalar_sync(&s);
    return s;
}

static struct scalar shift_left(const struct scalar *a, unsigned by)
{
    struct scalar s = scalar_any;
    s.bits = (struct tnum){a->bits.value << by, a->bits.mask << by};
    if (a->umax <= UINT64_MAX >> by) {
        s.umin = a->umin << by;
        s.umax = a->umax << by;
    }
    if (a->smin >= INT64_MIN >> by && a->smax <= INT64_MAX >> by) {
        s.smin = (int64_t)((uint64_t)a->smin << by);
        s.smax = (int64_t)((uint64_t)a->smax << by);
    }
    (void)scalar_sync(&s);
    return s;
}

static struct scalar shift_right(const struct scalar *a, unsigned by)
{
    struct scalar s = scalar_any;
    s.bits = (struct tnum){a->bits.value >> by, a->bits.mask >> by};
    s.umin = a->umin >> by;
    s.umax = a->umax >> by;
    (void)scalar_sync(&s);
    return s;
}

static struct scalar shift_arithmetic(const struct scalar *a, unsigned by)
{
    struct scalar s = scalar_any;
    /* An unknown sign bit shifts in unknown bits: value and mask both shift as signed numbers. */
    s.bits = (struct tnum){(uint64_t)((int64_t)a->bits.value >> by), (uint64_t)((int64_t)a->bits.mask >> by)};
    s.smin = a->smin >> by;
    s.smax = a->smax >> by;
    (void)scalar_sync(&s);
    return s;
}

/* By an unknown amount between b's bounds, inside the width. */
static struct scalar shift(enum scalar_op op, unsigned width, const struct scalar *a, const struct scalar *b)
{
    if (scalar_is_const(b)) {
        unsigned by = (unsigned)b->umin & (width - 1);
        return op == OP_LSH ? shift_left(a, by) : op == OP_RSH ? shift_right(a, by) : shift_arithmetic(a, by);
    }
    unsigned least = 0, most = width - 1;
    if (b->umax < width) {
        least = (unsigned)b->umin;
        most = (unsigned)b->umax;
    }
    if (op == OP_LSH) {
        if (a->umax > UINT64_MAX >> most)
            return from_bits((struct tnum){0, UINT64_MAX << minu(63, zeros(a->bits) + least)});
        return scalar_urange(a->umin << least, a->umax << most);
    }
    if (op == OP_RSH)
        return scalar_urange(a->umin >> most, a->umax >> least);
    return scalar_srange(a->smin < 0 ? a->smin >> least : a->smin >> most,
                         a->smax < 0 ? a->smax >> most : a->smax >> least);
}

static struct scalar bitwise(enum scalar_op op, const struct scalar *a, const struct scalar *b)
{
    struct scalar s = scalar_any;
    uint64_t av = a->bits.value, am = a->bits.mask, bv = b->bits.value, bm = b->bits.mask;
    if (op == OP_AND) {
        uint64_t maybe = (av | am) & (bv | bm);
        s.bits = (struct tnum){av & bv, maybe & ~(av & bv)};
        s.umax = minu(a->umax, b->umax);
    } else if (op == OP_OR) {
        uint64_t value = av | bv;
        s.bits = (struct tnum){value, (am | bm) & ~value};
        s.umin = maxu(a->umin, b->umin);
        s.umax = fill(a->umax | b->umax);
    } else {
        uint64_t mask = am | bm;
        s.bits = (struct tnum){(av ^ bv) & ~mask, mask};
        s.umax = fill(a->umax | b->umax);
    }
    (void)scalar_sync(&s);
    return s;
}

static struct scalar divide(const struct scalar *a, const struct scalar *b)
{
    if (b->umax == 0)
        return scalar_zero;
    uint64_t least = b->umin ? a->umin / b->umax : 0; /* a zero divisor gives zero */
    return scalar_urange(least, a->umax / maxu(1, b->umin));
}

static struct scalar modulo(const struct scalar *a, const struct scalar *b)
{
    if (b->umax == 0)
        return *a;
    if (b->umin && a->umax < b->umin)
        return *a;
    if (b->umin) {
        /* a power of two keeps the low bits */
        if (scalar_is_const(b) && !(b->umin & (b->umin - 1))) {
            struct scalar mask = scalar_const(b->umin - 1);
            return bitwise(OP_AND, a, &mask);
        }
        return scalar_urange(0, minu(a->umax, b->umax - 1));
    }
    return scalar_urange(0, a->umax);
}

/* The signed ones are bounded by the dividend's size. */
static struct scalar signed_division(enum scalar_op op, const struct scalar *a, const struct scalar *b)
{
    if (a->smin >= 0 && b->smin >= 0)
        return op == OP_SDIV ? divide(a, b) : modulo(a, b);
    if (op == OP_SDIV && scalar_is_const(b) && b->smin > 0)
        return scalar_srange(a->smin / b->smin, a->smax / b->smin);
    if (a->smin == INT64_MIN)
        return scalar_any;
    int64_t most = maxs(a->smax, -a->smin);
    if (op == OP_SDIV)
        return scalar_srange(-most, most);
    if (scalar_is_const(b) && b->smin != INT64_MIN && b->smin != 0)
        most = mins(most, (b->smin < 0 ? -b->smin : b->smin) - 1);
    return scalar_srange(a->smin < 0 ? -most : 0, a->smax > 0 ? most : 0);
}

static struct scalar apply(enum scalar_op op, unsigned width, const struct scalar *a, const struct scalar *b)
{
    switch (op) {
    case OP_ADD: return add(a, b);
    case OP_SUB: return sub(a, b);
    case OP_MUL: return mul(a, b);
    case OP_DIV: return divide(a, b);
    case OP_MOD: return modulo(a, b);
    case OP_SDIV:
    case OP_SMOD: return signed_division(op, a, b);
    case OP_LSH:
    case OP_RSH:
    case OP_ARSH: return shift(op, width, a, b);
    default: return bitwise(op, a, b);
    }
}

struct scalar scalar_alu(enum scalar_op op, bool wide, const struct scalar *a, const struct scalar *b)
{
    if (wide) {
        if (scalar_is_const(a) && scalar_is_const(b))
            return scalar_const(exact64(op, a->umin, b->umin));
        return apply(op, 64, a, b);
    }
    if (a->u32min == a->u32max && b->u32min == b->u32max)
        return scalar_const(exact32(op, a->u32min, b->u32min));
    struct scalar za = scalar_zext(a, 32), zb = scalar_zext(b, 32), r;
    bool is_signed = op == OP_SDIV || op == OP_SMOD || op == OP_ARSH;
    if (is_signed) {
        struct scalar sa = scalar_sext(a, 32), sb = op == OP_ARSH ? zb : scalar_sext(b, 32);
        r = apply(op, 32, &sa, &sb);
        return scalar_zext(&r, 32);
    }
    r = apply(op, 32, &za, &zb);
    r = scalar_zext(&r, 32);
    if (op == OP_ADD || op == OP_SUB || op == OP_MUL) {
        struct scalar sa = scalar_sext(a, 32), sb = scalar_sext(b, 32);
        struct scalar s = apply(op, 32, &sa, &sb);
        if (s.smin >= INT32_MIN && s.smax <= INT32_MAX) {
            r.s32min = (int32_t)maxs(r.s32min, s.smin);
            r.s32max = (int32_t)mins(r.s32max, s.smax);
            (void)scalar_sync(&r);
        }
    }
    return r;
}

struct scalar scalar_neg(bool wide, const struct scalar *a)
{
    return scalar_alu(OP_SUB, wide, &scalar_zero, a);
}

struct scalar scalar_zext(const struct scalar *a, unsigned bits)
{
    uint64_t mask = UINT64_MAX >> (64 - bits);
    struct scalar s;
    if (a->umax <= mask)
        return *a;
    s = scalar_any;
    s.bits = (struct tnum){a->bits.value & mask, a->bits.mask & mask};
    if (bits == 32) {
        s.u32min = a->u32min;
        s.u32max = a->u32max;
        s.s32min = a->s32min;
        s.s32max = a->s32max;
    } else if (a->umin >> bits == a->umax >> bits) {
        s.umin = a->umin & mask;
        s.umax = a->umax & mask;
    }
    (void)scalar_sync(&s);
    return s;
}

struct scalar scalar_sext(const struct scalar *a, unsigned bits)
{
    int64_t low = -(1ll << (bits - 1)), high = (1ll << (bits - 1)) - 1;
    struct scalar s;
    if (a->smin >= low && a->smax <= high)
        return *a;
    s = scalar_any;
    s.smin = low;
    s.smax = high;
    if (bits == 32) {
        s.smin = a->s32min;
        s.smax = a->s32max;
    }
    unsigned by = 64 - bits;
    s.bits = (struct tnum){(uint64_t)((int64_t)(a->bits.value << by) >> by),
                           (uint64_t)((int64_t)(a->bits.mask << by) >> by)};
    (void)scalar_sync(&s);
    return s;
}

struct scalar scalar_swap(const struct scalar *a, unsigned bits)
{
    struct tnum t = a->bits;
    switch (bits) {
    case 16: t = (struct tnum){isa_swap16(t.value), isa_swap16(t.mask)}; break;
    case 32: t = (struct tnum){isa_swap32(t.value), isa_swap32(t.mask)}; break;
    default: t = (struct tnum){isa_swap64(t.value), isa_swap64(t.mask)}; break;
    }
    if (scalar_is_const(a))
        return scalar_const(t.value);
    return from_bits(t);
}

/* One width of a set. */
struct view {
    struct tnum bits;
    uint64_t umin, umax;
    int64_t smin, smax;
};

static struct view view_of(const struct scalar *s, bool wide)
{
    if (wide)
        return (struct view){s->bits, s->umin, s->umax, s->smin, s->smax};
    return (struct view){{(uint32_t)s->bits.value, (uint32_t)s->bits.mask}, s->u32min, s->u32max, s->s32min, s->s32max};
}

static bool view_back(struct scalar *s, bool wide, const struct view *v)
{
    if (wide) {
        s->bits = v->bits;
        s->umin = v->umin;
        s->umax = v->umax;
        s->smin = v->smin;
        s->smax = v->smax;
    } else {
        s->bits.value = (s->bits.value & ~LOW32) | v->bits.value;
        s->bits.mask = (s->bits.mask & ~LOW32) | v->bits.mask;
        if (v->umin > UINT32_MAX || v->umax > UINT32_MAX)
            return false;
        s->u32min = (uint32_t)v->umin;
        s->u32max = (uint32_t)v->umax;
        s->s32min = (int32_t)v->smin;
        s->s32max = (int32_t)v->smax;
    }
    return scalar_sync(s);
}

int scalar_decide(enum scalar_relation r, bool wide, const struct scalar *sa, const struct scalar *sb)
{
    struct view a = view_of(sa, wide), b = view_of(sb, wide);
    switch (r) {
    case REL_EQ:
        if (a.umin == a.umax && b.umin == b.umax)
            return a.umin == b.umin;
        if (a.umin > b.umax || a.umax < b.umin || a.smin > b.smax || a.smax < b.smin ||
            (a.bits.value ^ b.bits.value) & ~a.bits.mask & ~b.bits.mask)
            return 0;
        return -1;
    case REL_SET:
        if (a.bits.value & b.bits.value)
            return 1;
        return (a.bits.value | a.bits.mask) & (b.bits.value | b.bits.mask) ? -1 : 0;
    case REL_ULT: return a.umax < b.umin ? 1 : a.umin >= b.umax ? 0 : -1;
    case REL_ULE: return a.umax <= b.umin ? 1 : a.umin > b.umax ? 0 : -1;
    case REL_SLT: return a.smax < b.smin ? 1 : a.smin >= b.smax ? 0 : -1;
    case REL_SLE: return a.smax <= b.smin ? 1 : a.smin > b.smax ? 0 : -1;
    default: {
        int negated = scalar_decide(scalar_negate(r), wide, sa, sb);
        return negated < 0 ? -1 : !negated;
    }
    }
}

/* Takes the one number `v` out of an interval's ends. */
static void exclude(struct view *a, uint64_t v, bool wide)
{
    int64_t s = wide ? (int64_t)v : (int32_t)(uint32_t)v;
    if (a->umin == v)
        a->umin++;
    if (a->umax == v)
        a->umax--;
    if (a->smin == s)
        a->smin++;
    if (a->smax == s)
        a->smax--;
}

bool scalar_assume(enum scalar_relation r, bool wide, struct scalar *sa, struct scalar *sb)
{
    struct view a, b;
    if (scalar_decide(r, wide, sa, sb) == 0)
        return false;
    switch (r) {
    case REL_UGT: return scalar_assume(REL_ULT, wide, sb, sa);
    case REL_UGE: return scalar_assume(REL_ULE, wide, sb, sa);
    case REL_SGT: return scalar_assume(REL_SLT, wide, sb, sa);
    case REL_SGE: return scalar_assume(REL_SLE, wide, sb, sa);
    default: break;
    }
    a = view_of(sa, wide);
    b = view_of(sb, wide);
    switch (r) {
    case REL_EQ:
        a.umin = b.umin = maxu(a.umin, b.umin);
        a.umax = b.umax = minu(a.umax, b.umax);
        a.smin = b.smin = maxs(a.smin, b.smin);
        a.smax = b.smax = mins(a.smax, b.smax);
        a.bits = b.bits = tnum_meet(a.bits, b.bits);
        break;
    case REL_NE:
        if (b.umin == b.umax && a.umin != a.umax)
            exclude(&a, b.umin, wide);
        else if (a.umin == a.umax && b.umin != b.umax)
            exclude(&b, a.umin, wide);
        break;
    case REL_SET:
        /* one bit asked for is one bit known */
        if (b.umin == b.umax && !(b.umin & (b.umin - 1))) {
            a.bits.value |= b.umin;
            a.bits.mask &= ~b.umin;
        }
        if (a.umin == 0)
            a.umin = 1;
        if (b.umin == 0)
            b.umin = 1;
        break;
    case REL_UNSET:
        if (b.umin == b.umax) {
            a.bits.mask &= ~b.umin;
            a.bits.value &= ~b.umin;
        }
        break;
    case REL_ULT:
        a.umax = minu(a.umax, b.umax - 1);
        b.umin = maxu(b.umin, a.umin + 1);
        break;
    case REL_ULE:
        a.umax = minu(a.umax, b.umax);
        b.umin = maxu(b.umin, a.umin);
        break;
    case REL_SLT:
        a.smax = mins(a.smax, b.smax - 1);
        b.smin = maxs(b.smin, a.smin + 1);
        break;
    default:
        a.smax = mins(a.smax, b.smax);
        b.smin = maxs(b.smin, a.smin);
        break;
    }
    bool some = view_back(sa, wide, &a);
    return view_back(sb, wide, &b) && some;
}

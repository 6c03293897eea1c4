/* SPDX-License-Identifier: MIT
 *
 * Sets of numbers: what an operation gives for two sets contains what the instruction gives for any member of each.
 *
 * All sets of 64-bit numbers are too many, so: every set that three bits and every interval of small numbers can
 * describe, and random ones.  A random set is made around a number at the edge of some width, which is a member of it
 * by construction; other members are found by moving that number inside the set.  The instruction's meaning is written
 * out here once more, since scalar.c takes its own from the instruction table.
 */
#include "check.h"
#include "verify/scalar.h"

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1du;
}

static uint64_t below(uint64_t n)
{
    return next() % n;
}

static uint64_t edge(void)
{
    static const uint64_t bases[] = {0,          1ull << 31, 1ull << 32, 1ull << 63,
                                     1ull << 16, 1ull << 15, 1ull << 8,  1ull << 7};
    switch (below(6)) {
    case 0: return next();
    case 1: return next() & UINT32_MAX;
    case 2: return next() >> below(64);
    case 3: return (1ull << below(64)) + below(3) - 1;
    default: return bases[below(sizeof bases / sizeof *bases)] + below(5) - 2;
    }
}

/* ---- sets ---- */

static bool contains(const struct scalar *s, uint64_t v)
{
    return !((v ^ s->bits.value) & ~s->bits.mask) && v >= s->umin && v <= s->umax && (int64_t)v >= s->smin &&
           (int64_t)v <= s->smax && (uint32_t)v >= s->u32min && (uint32_t)v <= s->u32max &&
           (int32_t)(uint32_t)v >= s->s32min && (int32_t)(uint32_t)v <= s->s32max;
}

static uint64_t lower(uint64_t v, uint64_t least)
{
    uint64_t by = below(3) ? below(20) : edge();
    return v - least < by ? least : v - by;
}

static uint64_t higher(uint64_t v, uint64_t most)
{
    uint64_t by = below(3) ? below(20) : edge();
    return most - v < by ? most : v + by;
}

static int64_t lower_signed(int64_t v, int64_t least)
{
    return (int64_t)(lower((uint64_t)v ^ 1ull << 63, (uint64_t)least ^ 1ull << 63) ^ 1ull << 63);
}

static int64_t higher_signed(int64_t v, int64_t most)
{
    return (int64_t)(higher((uint64_t)v ^ 1ull << 63, (uint64_t)most ^ 1ull << 63) ^ 1ull << 63);
}

/* A set that has `v`. */
static struct scalar around(uint64_t v)
{
    struct scalar s = scalar_any;
    unsigned what = (unsigned)below(64);
    if (below(8) == 0)
        return scalar_const(v);
    if (what & 1) {
        uint64_t mask = next() & next();
        if (below(2))
            mask = (1ull << below(64)) - 1;
        if (below(4) == 0)
            mask = ~mask;
        s.bits = (struct tnum){v & ~mask, mask};
    }
    if (what & 2) {
        s.umin = lower(v, 0);
        s.umax = higher(v, UINT64_MAX);
    }
    if (what & 4) {
        s.smin = lower_signed((int64_t)v, INT64_MIN);
        s.smax = higher_signed((int64_t)v, INT64_MAX);
    }
    if (what & 8) {
        s.u32min = (uint32_t)lower((uint32_t)v, 0);
        s.u32max = (uint32_t)higher((uint32_t)v, UINT32_MAX);
    }
    if (what & 16) {
        s.s32min = (int32_t)lower_signed((int32_t)(uint32_t)v, INT32_MIN);
        s.s32max = (int32_t)higher_signed((int32_t)(uint32_t)v, INT32_MAX);
    }
    CHECK(scalar_sync(&s));
    CHECK(contains(&s, v));
    return s;
}

static uint64_t member(const struct scalar *s, uint64_t v)
{
    uint64_t other;
    switch (below(8)) {
    case 0: other = s->umin; break;
    case 1: other = s->umax; break;
    case 2: other = (uint64_t)s->smin; break;
    case 3: other = (uint64_t)s->smax; break;
    case 4: other = v ^ (next() & s->bits.mask); break;
    case 5: other = (v & ~0xffffffffull) | (below(2) ? s->u32min : (uint32_t)s->s32max); break;
    case 6: other = v + below(9) - 4; break;
    default: return v;
    }
    return contains(s, other) ? other : v;
}

static void print_set(const char *name, const struct scalar *s)
{
    printf("  %s: bits %llx/%llx u %llx..%llx s %llx..%llx u32 %x..%x s32 %x..%x\n", name,
           (unsigned long long)s->bits.value, (unsigned long long)s->bits.mask, (unsigned long long)s->umin,
           (unsigned long long)s->umax, (unsigned long long)s->smin, (unsigned long long)s->smax, s->u32min, s->u32max,
           (unsigned)s->s32min, (unsigned)s->s32max);
}

static uint64_t checks;

static bool holds(bool condition, const char *what, int detail, const struct scalar *a, const struct scalar *b,
                  const struct scalar *r, uint64_t x, uint64_t y, uint64_t z)
{
    checks++;
    if (condition)
        return true;
    if (check_failures++ < 5) {
        printf("%s %d: %llx, %llx gives %llx\n", what, detail, (unsigned long long)x, (unsigned long long)y,
               (unsigned long long)z);
        print_set("a", a);
        if (b)
            print_set("b", b);
        if (r)
            print_set("result", r);
    }
    return false;
}

/* ---- what instructions mean ---- */

static uint64_t exact(enum scalar_op op, bool wide, uint64_t a, uint64_t b)
{
    unsigned width = wide ? 64 : 32;
    uint64_t r;
    if (!wide) {
        a &= UINT32_MAX;
        b &= UINT32_MAX;
    }
    int64_t sa = wide ? (int64_t)a : (int32_t)(uint32_t)a, sb = wide ? (int64_t)b : (int32_t)(uint32_t)b;
    unsigned by = (unsigned)(b % width);
    switch (op) {
    case OP_ADD: r = a + b; break;
    case OP_SUB: r = a - b; break;
    case OP_MUL: r = a * b; break;
    case OP_DIV: r = b ? a / b : 0; break;
    case OP_MOD: r = b ? a % b : a; break;
    case OP_SDIV: r = !sb ? 0 : sb == -1 ? 0 - a : (uint64_t)(sa / sb); break;
    case OP_SMOD: r = !sb ? a : sb == -1 ? 0 : (uint64_t)(sa % sb); break;
    case OP_OR: r = a | b; break;
    case OP_AND: r = a & b; break;
    case OP_XOR: r = a ^ b; break;
    case OP_LSH: r = a << by; break;
    case OP_RSH: r = a >> by; break;
    case OP_ARSH: r = (uint64_t)(sa >> by); break;
    default: r = b; break;
    }
    return wide ? r : r & UINT32_MAX;
}

static uint64_t cut(uint64_t v, unsigned bits, bool is_signed)
{
    uint64_t low = bits == 64 ? v : v & ((1ull << bits) - 1);
    return is_signed && bits < 64 && low >> (bits - 1) ? low - (1ull << bits) : low;
}

static uint64_t swapped(uint64_t v, unsigned bits)
{
    uint64_t r = 0;
    for (unsigned i = 0; i < bits; i += 8)
        r |= (v >> i & 0xff) << (bits - 8 - i);
    return r;
}

static bool relates(enum scalar_relation r, bool wide, uint64_t a, uint64_t b)
{
    int64_t sa = (int64_t)a, sb = (int64_t)b;
    if (!wide) {
        sa = (int32_t)(uint32_t)a;
        sb = (int32_t)(uint32_t)b;
        a &= UINT32_MAX;
        b &= UINT32_MAX;
    }
    switch (r) {
    case REL_EQ: return a == b;
    case REL_NE: return a != b;
    case REL_SET: return (a & b) != 0;
    case REL_UNSET: return (a & b) == 0;
    case REL_ULT: return a < b;
    case REL_ULE: return a <= b;
    case REL_UGT: return a > b;
    case REL_UGE: return a >= b;
    case REL_SLT: return sa < sb;
    case REL_SLE: return sa <= sb;
    case REL_SGT: return sa > sb;
    default: return sa >= sb;
    }
}

/* ---- the checks ---- */

enum { OPS = OP_MOV, RELATIONS = REL_SGE + 1 };

static void judge_alu(enum scalar_op op, bool wide, const struct scalar *a, const struct scalar *b,
                      const struct scalar *r, uint64_t x, uint64_t y)
{
    uint64_t z = exact(op, wide, x, y);
    holds(contains(r, z), wide ? "alu 64" : "alu 32", (int)op, a, b, r, x, y, z);
}

static void judge_relation(enum scalar_relation r, bool wide, const struct scalar *a, const struct scalar *b,
                           uint64_t x, uint64_t y)
{
    int decided = scalar_decide(r, wide, a, b);
    bool so = relates(r, wide, x, y);
    holds(decided < 0 || decided == so, wide ? "decide 64" : "decide 32", (int)r, a, b, NULL, x, y, so);
    if (!so)
        return;
    struct scalar p = *a, q = *b;
    if (holds(scalar_assume(r, wide, &p, &q), wide ? "assume 64" : "assume 32", (int)r, a, b, NULL, x, y, 1)) {
        holds(contains(&p, x), wide ? "assume 64, left" : "assume 32, left", (int)r, a, b, &p, x, y, 1);
        holds(contains(&q, y), wide ? "assume 64, right" : "assume 32, right", (int)r, a, b, &q, x, y, 1);
        holds(scalar_covers(a, &p) && scalar_covers(b, &q), "assume only narrows", (int)r, a, b, &p, x, y, 1);
    }
}

static void judge_pair(void)
{
    uint64_t v = edge(), w = below(4) ? edge() : v;
    struct scalar a = around(v), b = around(w), r;
    enum scalar_op op = (enum scalar_op)below(OPS);
    bool wide = below(2);
    r = scalar_alu(op, wide, &a, &b);
    for (int i = 0; i < 8; i++)
        judge_alu(op, wide, &a, &b, &r, member(&a, v), member(&b, w));
    enum scalar_relation relation = (enum scalar_relation)below(RELATIONS);
    for (int i = 0; i < 4; i++)
        judge_relation(relation, below(2), &a, &b, member(&a, v), member(&b, w));
    r = scalar_neg(wide, &a);
    uint64_t x = member(&a, v), y = member(&b, w);
    holds(contains(&r, exact(OP_SUB, wide, 0, x)), "neg", wide, &a, NULL, &r, x, 0, 0);
    unsigned bits = 8u << below(3);
    r = scalar_zext(&a, bits);
    holds(contains(&r, cut(x, bits, false)), "zext", (int)bits, &a, NULL, &r, x, 0, cut(x, bits, false));
    r = scalar_sext(&a, bits);
    holds(contains(&r, cut(x, bits, true)), "sext", (int)bits, &a, NULL, &r, x, 0, cut(x, bits, true));
    bits = 16u << below(3);
    r = scalar_swap(&a, bits);
    holds(contains(&r, swapped(x, bits)), "swap", (int)bits, &a, NULL, &r, x, 0, swapped(x, bits));
    r = scalar_hull(&a, &b);
    holds(contains(&r, x) && contains(&r, y), "hull", 0, &a, &b, &r, x, y, 0);
    holds(scalar_covers(&r, &a) && scalar_covers(&r, &b), "hull covers", 0, &a, &b, &r, x, y, 0);
    r = a;
    bool some = scalar_meet(&r, &b);
    if (contains(&b, x))
        holds(some && contains(&r, x), "meet", 0, &a, &b, &r, x, x, 0);
    if (contains(&a, y))
        holds(some && contains(&r, y), "meet", 1, &a, &b, &r, y, y, 0);
    if (scalar_covers(&a, &b))
        holds(contains(&a, y), "covers", 0, &a, &b, NULL, x, y, 0);
    holds(scalar_covers(&a, &a), "covers itself", 0, &a, NULL, NULL, x, 0, 0);
    r = a;
    holds(scalar_sync(&r) && contains(&r, x), "sync", 0, &a, NULL, &r, x, 0, 0);
}

TEST(random)
{
    const char *effort = getenv("WINBPF_EFFORT");
    unsigned long pairs = effort && !strcmp(effort, "long")    ? 20000000
                          : effort && !strcmp(effort, "quick") ? 100000
                                                               : 400000;
    checks = 0;
    for (unsigned long i = 0; i < pairs && check_failures < 20; i++)
        judge_pair();
    printf("%llu checks\n", (unsigned long long)checks);
    CHECK(checks > pairs * 20);
}

/* Every set that three known or unknown bits make, at the foot of the number and below its sign bits. */
TEST(every_small_set)
{
    static const unsigned places[] = {0, 29, 30, 61};
    struct scalar sets[27];
    checks = 0;
    for (size_t at = 0; at < sizeof places / sizeof *places; at++) {
        for (unsigned n = 0; n < 27; n++) {
            unsigned rest = n;
            sets[n] = scalar_any;
            sets[n].bits = (struct tnum){0, 0};
            for (unsigned bit = 0; bit < 3; bit++, rest /= 3) {
                uint64_t one = 1ull << (places[at] + bit);
                if (rest % 3 == 1)
                    sets[n].bits.value |= one;
                else if (rest % 3 == 2)
                    sets[n].bits.mask |= one;
            }
            REQUIRE(scalar_sync(&sets[n]));
        }
        for (unsigned i = 0; i < 27; i++)
            for (unsigned j = 0; j < 27; j++)
                for (unsigned values = 0; values < 64; values++) {
                    uint64_t x = (uint64_t)(values & 7) << places[at], y = (uint64_t)(values >> 3) << places[at];
                    if (!contains(&sets[i], x) || !contains(&sets[j], y))
                        continue;
                    for (int op = 0; op < OPS; op++)
                        for (int wide = 0; wide < 2; wide++) {
                            struct scalar r = scalar_alu((enum scalar_op)op, wide, &sets[i], &sets[j]);
                            judge_alu((enum scalar_op)op, wide, &sets[i], &sets[j], &r, x, y);
                        }
                    for (int r = 0; r < RELATIONS; r++)
                        for (int wide = 0; wide < 2; wide++)
                            judge_relation((enum scalar_relation)r, wide, &sets[i], &sets[j], x, y);
                }
    }
    printf("%llu checks\n", (unsigned long long)checks);
}

/* Every pair of intervals inside [-4, 4]: all operations, all members; sums and differences have no more than that. */
TEST(every_small_interval)
{
    checks = 0;
    for (int64_t al = -4; al <= 4; al++)
        for (int64_t ah = al; ah <= 4; ah++)
            for (int64_t bl = -4; bl <= 4; bl++)
                for (int64_t bh = bl; bh <= 4; bh++) {
                    struct scalar a = scalar_srange(al, ah), b = scalar_srange(bl, bh);
                    for (int op = 0; op < OPS; op++) {
                        struct scalar wide = scalar_alu((enum scalar_op)op, true, &a, &b);
                        struct scalar half = scalar_alu((enum scalar_op)op, false, &a, &b);
                        for (int64_t x = al; x <= ah; x++)
                            for (int64_t y = bl; y <= bh; y++) {
                                judge_alu((enum scalar_op)op, true, &a, &b, &wide, (uint64_t)x, (uint64_t)y);
                                judge_alu((enum scalar_op)op, false, &a, &b, &half, (uint64_t)x, (uint64_t)y);
                            }
                    }
                    struct scalar sum = scalar_alu(OP_ADD, true, &a, &b), difference = scalar_alu(OP_SUB, true, &a, &b);
                    CHECK(sum.smin == al + bl && sum.smax == ah + bh);
                    CHECK(difference.smin == al - bh && difference.smax == ah - bl);
                }
    printf("%llu checks\n", (unsigned long long)checks);
}

/* Being right is easy for who says "any number": what must be known exactly. */
TEST(precise)
{
    for (int i = 0; i < 20000; i++) {
        uint64_t x = edge(), y = edge();
        struct scalar a = scalar_const(x), b = scalar_const(y), any = scalar_any, r;
        enum scalar_op op = (enum scalar_op)below(OPS);
        for (int wide = 0; wide < 2; wide++) {
            r = scalar_alu(op, wide, &a, &b);
            CHECK(scalar_is_const(&r) && r.umin == exact(op, wide, x, y));
            for (int relation = 0; relation < RELATIONS; relation++)
                CHECK_EQ(scalar_decide((enum scalar_relation)relation, wide, &a, &b),
                         relates((enum scalar_relation)relation, wide, x, y));
        }
        r = scalar_neg(true, &a);
        CHECK(scalar_is_const(&r) && r.umin == 0 - x);
        for (unsigned bits = 8; bits <= 32; bits *= 2) {
            r = scalar_zext(&a, bits);
            CHECK(scalar_is_const(&r));
            r = scalar_sext(&a, bits);
            CHECK(scalar_is_const(&r));
            r = scalar_swap(&a, bits * 2);
            CHECK(scalar_is_const(&r));
        }
        /* a mask bounds */
        r = scalar_alu(OP_AND, true, &any, &b);
        CHECK(r.umax <= y && r.bits.mask == y);
        /* intervals add up, where nothing wraps */
        uint64_t low = next() >> 3, high = low + (next() >> 3), low2 = next() >> 3, high2 = low2 + (next() >> 3);
        a = scalar_urange(low, high);
        b = scalar_urange(low2, high2);
        r = scalar_alu(OP_ADD, true, &a, &b);
        CHECK(r.umin == low + low2 && r.umax == high + high2);
        /* what a comparison says */
        struct scalar bound = scalar_const(y >> 1);
        a = scalar_any;
        CHECK(scalar_assume(REL_ULE, true, &a, &bound) && a.umin == 0 && a.umax == y >> 1);
        a = scalar_any;
        CHECK(scalar_assume(REL_EQ, true, &a, &bound) && scalar_is_const(&a));
        a = scalar_bits(32);
        bound = scalar_const(y >> 33);
        CHECK(scalar_assume(REL_SLE, true, &a, &bound) && a.umax == y >> 33);
        a = scalar_bits(32);
        bound = scalar_const(y & 0x7fffffff);
        CHECK(scalar_assume(REL_ULE, false, &a, &bound) && a.umax == (y & 0x7fffffff));
    }
    struct scalar byte = scalar_bits(8), eight = scalar_const(8), r = scalar_alu(OP_LSH, true, &byte, &eight);
    CHECK(r.umax == 0xff00 && !(r.bits.mask & 0xff));
    r = scalar_alu(OP_MUL, true, &byte, &eight);
    CHECK(r.umax == 0x7f8 && !(r.bits.mask & 7));
    r = scalar_alu(OP_MOD, true, &scalar_any, &eight);
    CHECK(r.umax == 7);
    r = scalar_alu(OP_DIV, true, &byte, &eight);
    CHECK(r.umax == 31);
    r = scalar_swap(&byte, 16);
    CHECK(r.umax == 0xff00);
}

TEST_MAIN

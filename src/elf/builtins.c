/* SPDX-License-Identifier: MIT
 *
 * memset, memcpy, memmove, memcmp as subprograms.  Compilers call them for what is too large to write out and where the
 * size is no constant, and nothing that a program is linked with has them.  What C says of each holds: r1, r2, r3 are
 * the arguments, r0 the result; memcpy may overlap where its destination is the lower.
 *
 * Eight bytes at a time up to n & ~7, then 4, 2 and 1 as the low bits of n say; every access may be unaligned.  A piece
 * of the rest stands at its own place, (n & ~3) - 4, (n & ~1) - 2 and n - 1, and not where the loop has stopped.  So a
 * verifier needs no relation between two registers, only a bound of n:
 *   in the loop    i < n & ~7, and both are multiples of 8: i <= most - 8
 *   in the rest    bit k of n is set, so n is at least 2^k, and so is n & -2^k: neither end is passed
 * What a bit says is learnt of a copy that is shifted by 0, which verifiers take for another number, and forgotten with
 * it: learnt of n, here or by the caller, it would make eight states of one.
 * The loop ends because i moves by 8 towards a bound that stays.  It is asked at the bottom and entered there, so that
 * its head is the question.
 *
 * memmove starts from the end where the destination is the higher address.  That order means nothing for pointers into
 * different memory, and any will do.  memcmp compares two unequal pieces as big-endian numbers.
 *
 * Each of the first three comes twice, since Linux lets no subprogram return an address in its caller's stack: where
 * the result is read, the body returns what C says, anywhere else it returns 0.
 */
#include "elf/elf_impl.h"

/* clang-format off */
#define INSN(code, dst, src, off, imm) {code, (dst) | (src) << 4, off, imm}
#define MOV(dst, src)           INSN(0xbf, dst, src, 0, 0)           /* dst = src */
#define MOV_IMM(dst, imm)       INSN(0xb7, dst, 0, 0, imm)           /* dst = imm */
#define CONST64(dst, low, high) INSN(0x18, dst, 0, 0, low), INSN(0, 0, 0, 0, high)
#define ADD(dst, src)           INSN(0x0f, dst, src, 0, 0)           /* dst += src */
#define ADD_IMM(dst, imm)       INSN(0x07, dst, 0, 0, imm)           /* dst += imm */
#define AND_IMM(dst, imm)       INSN(0x57, dst, 0, 0, imm)           /* dst &= imm */
#define MUL(dst, src)           INSN(0x2f, dst, src, 0, 0)           /* dst *= src */
#define BE64(dst)               INSN(0xdc, dst, 0, 0, 64)            /* dst = be64 dst */
#define LOAD(size, dst, src, off)  INSN(0x61 | (size), dst, src, off, 0) /* dst = *(size *)(src + off) */
#define STORE(size, dst, off, src) INSN(0x63 | (size), dst, src, off, 0) /* *(size *)(dst + off) = src */
#define SHIFT_BY_0(dst)         INSN(0x77, dst, 0, 0, 0)             /* dst >>= 0 */
#define JUMP(off)               INSN(0x05, 0, 0, off, 0)
#define JUMP_LT(dst, src, off)  INSN(0xad, dst, src, off, 0)         /* if dst < src, unsigned */
#define JUMP_LE(dst, src, off)  INSN(0xbd, dst, src, off, 0)         /* if dst <= src, unsigned */
#define JUMP_GT_IMM(dst, imm, off) INSN(0x25, dst, 0, off, imm)      /* if dst > imm, unsigned */
#define JUMP_NE(dst, src, off)  INSN(0x5d, dst, src, off, 0)         /* if dst != src */
#define JUMP_SET(dst, imm, off) INSN(0x45, dst, 0, off, imm)         /* if dst & imm */
#define EXIT                    INSN(0x95, 0, 0, 0, 0)

enum { W = 0x00, H = 0x08, B = 0x10, DW = 0x18 };

/* r0 = n, for itself; goes on behind `skip` instructions if the bit is not set. */
#define ASK_BIT(bit, skip) \
    MOV(0, 3),             \
    SHIFT_BY_0(0),         \
    JUMP_SET(0, bit, 1),   \
    JUMP(skip)

/* The piece in r2 to r1. */
#define SET_PIECE(bit, size) \
    ASK_BIT(bit, 3),         \
    AND_IMM(0, -(bit)),      \
    ADD(0, 1),               \
    STORE(size, 0, -(bit), 2)

/* The piece at r2 to r1. */
#define COPY_PIECE(bit, size)  \
    ASK_BIT(bit, 6),           \
    AND_IMM(0, -(bit)),        \
    MOV(4, 2),                 \
    ADD(4, 0),                 \
    LOAD(size, 4, 4, -(bit)),  \
    ADD(0, 1),                 \
    STORE(size, 0, -(bit), 4)

/* The pieces at r1 and r2 into r4 and r5; goes on `unequal` instructions behind itself where the pieces differ. */
#define COMPARE_PIECE(bit, size, unequal) \
    ASK_BIT(bit, 8),           \
    AND_IMM(0, -(bit)),        \
    MOV(4, 1),                 \
    ADD(4, 0),                 \
    LOAD(size, 4, 4, -(bit)),  \
    MOV(5, 2),                 \
    ADD(5, 0),                 \
    LOAD(size, 5, 5, -(bit)),  \
    JUMP_NE(4, 5, unequal)

/* Words of r2 to r1 from the lowest on: 12 instructions. */
#define COPY_WORDS_UP  \
    MOV(4, 3),         \
    AND_IMM(4, -8),    \
    MOV_IMM(5, 0),     \
    JUMP(7),           \
    MOV(0, 2),         \
    ADD(0, 5),         \
    LOAD(DW, 0, 0, 0), \
    MOV(6, 1),         \
    ADD(6, 5),         \
    STORE(DW, 6, 0, 0),\
    ADD_IMM(5, 8),     \
    JUMP_LT(5, 4, -8)

static const struct insn memset_insns[] = {
    AND_IMM(2, 255), /* the byte eight times */
    CONST64(0, 0x01010101, 0x01010101),
    MUL(2, 0),
    MOV(4, 3),
    AND_IMM(4, -8),
    MOV_IMM(5, 0),
    JUMP(4),
    MOV(0, 1),
    ADD(0, 5),
    STORE(DW, 0, 0, 2),
    ADD_IMM(5, 8),
    JUMP_LT(5, 4, -5),
    SET_PIECE(4, W),
    SET_PIECE(2, H),
    SET_PIECE(1, B),
    MOV(0, 1),
    EXIT,
};

static const struct insn memcpy_insns[] = {
    COPY_WORDS_UP,
    COPY_PIECE(4, W),
    COPY_PIECE(2, H),
    COPY_PIECE(1, B),
    MOV(0, 1),
    EXIT,
};

static const struct insn memmove_insns[] = {
    JUMP_LE(1, 2, 43), /* upwards */
    COPY_PIECE(1, B),
    COPY_PIECE(2, H),
    COPY_PIECE(4, W),
    MOV(5, 3),
    AND_IMM(5, -8),
    JUMP(7),
    ADD_IMM(5, -8),
    MOV(0, 2),
    ADD(0, 5),
    LOAD(DW, 0, 0, 0),
    MOV(6, 1),
    ADD(6, 5),
    STORE(DW, 6, 0, 0),
    JUMP_GT_IMM(5, 7, -8),
    MOV(0, 1),
    EXIT,
    COPY_WORDS_UP,
    COPY_PIECE(4, W),
    COPY_PIECE(2, H),
    COPY_PIECE(1, B),
    MOV(0, 1),
    EXIT,
};

static const struct insn memcmp_insns[] = {
    MOV(6, 3),
    AND_IMM(6, -8),
    MOV_IMM(0, 0),
    JUMP(8),
    MOV(4, 1),
    ADD(4, 0),
    LOAD(DW, 4, 4, 0),
    MOV(5, 2),
    ADD(5, 0),
    LOAD(DW, 5, 5, 0),
    JUMP_NE(4, 5, 40), /* unequal */
    ADD_IMM(0, 8),
    JUMP_LT(0, 6, -9),
    COMPARE_PIECE(4, W, 26),
    COMPARE_PIECE(2, H, 14),
    COMPARE_PIECE(1, B, 2),
    MOV_IMM(0, 0),
    EXIT,
    BE64(4), /* unequal: the first byte, the lowest, counts most */
    BE64(5),
    MOV_IMM(0, -1),
    JUMP_LT(4, 5, 1),
    MOV_IMM(0, 1),
    EXIT,
};
/* clang-format on */

#define BODY(name) name##_insns, sizeof name##_insns / sizeof(struct insn)

static const struct builtin {
    const char *name, *image_name;
    const struct insn *insns;
    uint32_t count;
    bool result; /* returns what C says; of a name's rows the one that does comes first */
} builtins[ELF_BUILTINS] = {
    {"memset", "memset", BODY(memset), true},    {"memset", "memset.void", BODY(memset), false},
    {"memcpy", "memcpy", BODY(memcpy), true},    {"memcpy", "memcpy.void", BODY(memcpy), false},
    {"memmove", "memmove", BODY(memmove), true}, {"memmove", "memmove.void", BODY(memmove), false},
    {"memcmp", "memcmp", BODY(memcmp), true},
};

enum result elf_add_builtins(struct reader *reader)
{
    static const struct insn last[] = {MOV(0, 1), EXIT}, nothing = MOV_IMM(0, 0);
    struct code *code = &reader->codes[reader->code_count];
    uint32_t count = 0;
    for (unsigned i = 0; i < ELF_BUILTINS; i++)
        count += builtins[i].count;
    code->insns = arena_array(reader->arena, count, sizeof *code->insns);
    if (!code->insns)
        return RESULT_NO_MEMORY;
    for (unsigned i = 0; i < ELF_BUILTINS; i++) {
        struct insn *insns = code->insns + code->count;
        memcpy(insns, builtins[i].insns, builtins[i].count * sizeof *insns);
        for (uint32_t at = 0; !builtins[i].result && at + 1 < builtins[i].count; at++)
            if (!memcmp(insns + at, last, sizeof last))
                insns[at] = nothing;
        code->count += builtins[i].count;
    }
    reader->builtins = reader->code_count++;
    return RESULT_OK;
}

void elf_builtin_functions(const struct reader *reader, struct function *functions)
{
    uint32_t start = 0;
    for (unsigned i = 0; i < ELF_BUILTINS; i++) {
        functions[i] = (struct function){
            .name = builtins[i].image_name, .code = reader->builtins, .start = start, .end = start + builtins[i].count};
        start = functions[i].end;
    }
}

/* Is r0 read by what follows the call at `at`, before it is written?  True where a short look does not tell. */
static bool result_is_read(const struct code *code, uint32_t at)
{
    enum { LOOK = 256, BRANCHES = 16 };
    int64_t branches[BRANCHES];
    unsigned count = 0, seen = 0;
    branches[count++] = (int64_t)at + 1;
    while (count) {
        int64_t i = branches[--count];
        for (bool written = false; !written;) {
            if (i < 0 || i >= code->count || seen++ == LOOK)
                return true;
            const struct insn *insn = &code->insns[i++];
            bool dst = insn_dst(insn) == 0, src = insn_src(insn) == 0, reg = insn->code & 8;
            switch (insn->code & 7) {
            case 0: /* lddw; packet loads read r6 and another */
                if (!insn_is_lddw(insn))
                    return true;
                i++;
                written = dst;
                break;
            case 1: /* loads */
                if (src)
                    return true;
                written = dst;
                break;
            case 2: /* stores of a constant */
                if (dst)
                    return true;
                break;
            case 3: /* stores of a register; atomics may read r0 unnamed */
                if (dst || src || (insn->code & 0xe0) == 0xc0)
                    return true;
                break;
            case 4:
            case 7: /* arithmetic; a move only writes, and in a change of byte order the source bit names an order */
                if ((reg && src && (insn->code & 0xf0) != 0xd0) || (dst && (insn->code & 0xf0) != 0xb0))
                    return true;
                written = dst;
                break;
            default: /* jumps */
                if (insn->code == CODE_CALL)
                    written = true;
                else if (insn->code == 0x05)
                    i += insn->off;
                else if ((insn->code & 0xf0) == 0 || (insn->code & 0xf0) == 0x80 || (insn->code & 0xf0) == 0x90 ||
                         (insn->code & 0xf0) == 0xe0 || dst || (reg && src) || count == BRANCHES)
                    return true; /* a far jump, a call through a register, the end, one that may not be taken */
                else
                    branches[count++] = i + insn->off;
            }
        }
    }
    return false;
}

uint32_t elf_builtin(const struct reader *reader, const struct code *code, uint32_t at, const char *name)
{
    for (uint32_t i = 0; i < ELF_BUILTINS; i++)
        if (!strcmp(builtins[i].name, name) &&
            (!builtins[i].result || i + 1 == ELF_BUILTINS || result_is_read(code, at)))
            return reader->function_count - ELF_BUILTINS + i;
    return IMAGE_NO_INDEX;
}

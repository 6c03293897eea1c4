/* SPDX-License-Identifier: MIT
 *
 * Decoding.  An operation is selected by its opcode and at most one more field: the offset for arithmetic (signed
 * division, sign-extending moves), the constant for byte swaps and atomics, the source register for lddw, calls and
 * may_goto.  Opcode and selector together make a key; isa.def gives every operation its own key, and two rows that
 * claimed the same one would not compile (a duplicate case).  What the key leaves open is then held against the row:
 * a field that is not free must be as the row has it.
 */
#include "isa/table.h"

#define KEY(code, selector) ((uint64_t)(uint32_t)(selector) << 8 | (uint8_t)(code))

enum {
    CODE_IMM64 = 0x07, /* ALU64 class, K */
    CODE_REG64 = 0x0f,
    CODE_IMM32 = 0x04,
    CODE_REG32 = 0x0c,
    CODE_JMP_IMM64 = 0x05,
    CODE_JMP_REG64 = 0x0d,
    CODE_JMP_IMM32 = 0x06,
    CODE_JMP_REG32 = 0x0e,
    CODE_ATOMIC64 = 0xdb,
    CODE_ATOMIC32 = 0xc3,
    CODE_LDDW = 0x18,
    IMM_LDACQ = 0x100,
    IMM_STREL = 0x110,
};

/* Free fields of the OTHER rows, and which of them is a selector. */
#define FREE_JA          (FREE_OFF | JUMPS_OFF)
#define FREE_JA32        (FREE_IMM | JUMPS_IMM)
#define FREE_MAY_GOTO    (FREE_OFF | JUMPS_OFF)
#define FREE_CALL_HELPER FREE_IMM
#define FREE_CALL_LOCAL  (FREE_IMM | JUMPS_IMM)
#define FREE_CALL_KFUNC  (FREE_IMM | FREE_OFF) /* off: which BTF */
#define FREE_CALLX       FREE_DST
#define FREE_EXIT        0

#define FREE_ALU_IMM (FREE_DST | FREE_IMM | WRITES_DST)
#define FREE_ALU_REG (FREE_DST | FREE_SRC | WRITES_DST)
#define FREE_JMP_IMM (FREE_DST | FREE_IMM | FREE_OFF | JUMPS_OFF)
#define FREE_JMP_REG (FREE_DST | FREE_SRC | FREE_OFF | JUMPS_OFF)
#define FREE_MEMORY  (FREE_DST | FREE_SRC | FREE_OFF)

/* clang-format off */
static const struct isa_row rows[ISA_OPS] = {
    [ISA_INVALID] = {.name = "INVALID", .base = "INVALID"},
#define ROW(NAME, BASE, SYMBOL, IMM, OFF, SRC, CODE, FORM, BITS, SIGNED, FREE)                                         \
    [ISA_##NAME] = {#NAME, BASE, SYMBOL, IMM, OFF, SRC, CODE, FORM, BITS, SIGNED, FREE},
#define ALU(NAME, code, off, group, symbol, value)                                                                     \
    ROW(NAME##64_IMM, #NAME, symbol, 0, off, 0, (code) | CODE_IMM64, FORM_ALU_IMM, 64, 0, FREE_ALU_IMM)                \
    ROW(NAME##64_REG, #NAME, symbol, 0, off, 0, (code) | CODE_REG64, FORM_ALU_REG, 64, 0, FREE_ALU_REG)                \
    ROW(NAME##32_IMM, #NAME, symbol, 0, off, 0, (code) | CODE_IMM32, FORM_ALU_IMM, 32, 0, FREE_ALU_IMM)                \
    ROW(NAME##32_REG, #NAME, symbol, 0, off, 0, (code) | CODE_REG32, FORM_ALU_REG, 32, 0, FREE_ALU_REG)
#define ALU1(NAME, code, group, symbol, value)                                                                         \
    ROW(NAME##64, #NAME, symbol, 0, 0, 0, (code) | CODE_IMM64, FORM_ALU1, 64, 0, FREE_DST | WRITES_DST)                \
    ROW(NAME##32, #NAME, symbol, 0, 0, 0, (code) | CODE_IMM32, FORM_ALU1, 32, 0, FREE_DST | WRITES_DST)
#define MOVSX(NAME, bits, group)                                                                                       \
    ROW(NAME##_64, #NAME, "(s" #bits ")", 0, bits, 0, 0xb0 | CODE_REG64, FORM_MOVSX, 64, 1, FREE_ALU_REG)              \
    ROW(NAME##_32, #NAME, "(s" #bits ")", 0, bits, 0, 0xb0 | CODE_REG32, FORM_MOVSX, 32, 1, FREE_ALU_REG)
#define END(NAME, code, bits, group, symbol, value)                                                                    \
    ROW(NAME, #NAME, symbol, bits, 0, 0, code, FORM_END, bits, 0, FREE_DST | WRITES_DST)
#define JMP(NAME, code, group, symbol, condition)                                                                      \
    ROW(NAME##64_IMM, #NAME, symbol, 0, 0, 0, (code) | CODE_JMP_IMM64, FORM_JMP_IMM, 64, 0, FREE_JMP_IMM)              \
    ROW(NAME##64_REG, #NAME, symbol, 0, 0, 0, (code) | CODE_JMP_REG64, FORM_JMP_REG, 64, 0, FREE_JMP_REG)              \
    ROW(NAME##32_IMM, #NAME, symbol, 0, 0, 0, (code) | CODE_JMP_IMM32, FORM_JMP_IMM, 32, 0, FREE_JMP_IMM)              \
    ROW(NAME##32_REG, #NAME, symbol, 0, 0, 0, (code) | CODE_JMP_REG32, FORM_JMP_REG, 32, 0, FREE_JMP_REG)
#define LDX(NAME, code, bits, signed_, group)                                                                          \
    ROW(NAME, #NAME, "=", 0, 0, 0, code, FORM_LDX, bits, signed_, FREE_MEMORY | WRITES_DST)
#define ST(NAME, code, bits)                                                                                           \
    ROW(NAME, #NAME, "=", 0, 0, 0, code, FORM_ST, bits, 0, FREE_DST | FREE_OFF | FREE_IMM)
#define STX(NAME, code, bits) ROW(NAME, #NAME, "=", 0, 0, 0, code, FORM_STX, bits, 0, FREE_MEMORY)
#define ATOMIC(NAME, imm, fetch, symbol, value)                                                                        \
    ROW(NAME##64, #NAME, symbol, imm, 0, 0, CODE_ATOMIC64, FORM_ATOMIC, 64, fetch,                                     \
        FREE_MEMORY | ((fetch) ? WRITES_SRC : 0))                                                                      \
    ROW(NAME##32, #NAME, symbol, imm, 0, 0, CODE_ATOMIC32, FORM_ATOMIC, 32, fetch,                                     \
        FREE_MEMORY | ((fetch) ? WRITES_SRC : 0))
#define WRITES_XCHG WRITES_SRC
#define WRITES_CMPXCHG 0 /* r0 takes the old value */
#define ATOMIC2(NAME, imm)                                                                                             \
    ROW(NAME##64, #NAME, NULL, imm, 0, 0, CODE_ATOMIC64, FORM_##NAME, 64, 1, FREE_MEMORY | WRITES_##NAME)              \
    ROW(NAME##32, #NAME, NULL, imm, 0, 0, CODE_ATOMIC32, FORM_##NAME, 32, 1, FREE_MEMORY | WRITES_##NAME)
#define LDACQ(NAME, code, bits)                                                                                        \
    ROW(NAME, #NAME, NULL, IMM_LDACQ, 0, 0, code, FORM_LDACQ, bits, 0, FREE_MEMORY | WRITES_DST)
#define STREL(NAME, code, bits) ROW(NAME, #NAME, NULL, IMM_STREL, 0, 0, code, FORM_STREL, bits, 0, FREE_MEMORY)
#define LDDW(NAME, src, text)                                                                                          \
    ROW(NAME, #NAME, text, 0, 0, src, CODE_LDDW, FORM_LDDW, 64, 0,                                                     \
        FREE_DST | FREE_IMM | WRITES_DST | ((src) == LDDW_SRC_CODE ? JUMPS_IMM : 0))
#define LEGACY(NAME, code, bits, indirect)                                                                             \
    ROW(NAME, #NAME, NULL, 0, 0, 0, code, FORM_LEGACY, bits, indirect, FREE_IMM | ((indirect) ? FREE_SRC : 0))
#define OTHER(NAME, code, src, text) ROW(NAME, #NAME, text, 0, 0, src, code, FORM_##NAME, 64, 0, FREE_##NAME)
#include "isa/isa.def"
#undef ROW
};
/* clang-format on */

const struct isa_row *isa_row(enum isa_op op)
{
    return (unsigned)op < ISA_OPS ? &rows[op] : &rows[ISA_INVALID];
}

const char *isa_op_name(enum isa_op op)
{
    return isa_row(op)->name;
}

static uint64_t key(const struct insn *insn)
{
    uint8_t code = insn->code;

    switch (code & 7) {
    case 4: /* ALU, ALU64 */
    case 7: return KEY(code, (code & 0xf0) == 0xd0 ? (uint32_t)insn->imm : (uint16_t)insn->off);
    case 3: /* STX */ return KEY(code, (code & 0xe0) == 0xc0 ? insn->imm : 0);
    default: return KEY(code, code == CODE_LDDW || code == 0x85 || code == 0xe5 ? insn_src(insn) : 0);
    }
}

/* clang-format off */
static enum isa_op select(uint64_t selected)
{
    switch (selected) {
#define CASE(code, selector, NAME) case KEY(code, selector): return ISA_##NAME;
#define CASES(code, selector, NAME)                                                                                    \
    CASE((code) | CODE_IMM64, selector, NAME##64_IMM) CASE((code) | CODE_REG64, selector, NAME##64_REG)                \
    CASE((code) | CODE_IMM32, selector, NAME##32_IMM) CASE((code) | CODE_REG32, selector, NAME##32_REG)
#define ALU(NAME, code, off, group, symbol, value) CASES(code, off, NAME)
#define ALU1(NAME, code, group, symbol, value)                                                                         \
    CASE((code) | CODE_IMM64, 0, NAME##64) CASE((code) | CODE_IMM32, 0, NAME##32)
#define MOVSX(NAME, bits, group)                                                                                       \
    CASE(0xb0 | CODE_REG64, bits, NAME##_64)                                                                           \
    case KEY(0xb0 | CODE_REG32, bits): return (bits) < 32 ? ISA_##NAME##_32 : ISA_INVALID;
#define END(NAME, code, bits, group, symbol, value) CASE(code, bits, NAME)
#define JMP(NAME, code, group, symbol, condition)                                                                      \
    CASE((code) | CODE_JMP_IMM64, 0, NAME##64_IMM) CASE((code) | CODE_JMP_REG64, 0, NAME##64_REG)                      \
    CASE((code) | CODE_JMP_IMM32, 0, NAME##32_IMM) CASE((code) | CODE_JMP_REG32, 0, NAME##32_REG)
#define LDX(NAME, code, bits, signed_, group)   CASE(code, 0, NAME)
#define ST(NAME, code, bits)                    CASE(code, 0, NAME)
#define STX(NAME, code, bits)                   CASE(code, 0, NAME)
#define ATOMIC(NAME, imm, fetch, symbol, value) CASE(CODE_ATOMIC64, imm, NAME##64) CASE(CODE_ATOMIC32, imm, NAME##32)
#define ATOMIC2(NAME, imm)                      CASE(CODE_ATOMIC64, imm, NAME##64) CASE(CODE_ATOMIC32, imm, NAME##32)
#define LDACQ(NAME, code, bits)                 CASE(code, IMM_LDACQ, NAME)
#define STREL(NAME, code, bits)                 CASE(code, IMM_STREL, NAME)
#define LDDW(NAME, src, text)                   CASE(CODE_LDDW, src, NAME)
#define LEGACY(NAME, code, bits, indirect)      CASE(code, 0, NAME)
#define OTHER(NAME, code, src, text)            CASE(code, src, NAME)
#include "isa/isa.def"
    default:
        return ISA_INVALID;
    }
}
/* clang-format on */

enum isa_op isa_decode(const struct insn *insn)
{
    enum isa_op op = select(key(insn));
    const struct isa_row *row = &rows[op];
    unsigned dst = insn_dst(insn), src = insn_src(insn);

    if (row->free & FREE_DST ? dst >= ISA_REGISTERS : dst != 0)
        return ISA_INVALID;
    if (row->free & FREE_SRC ? src >= ISA_REGISTERS : src != row->src)
        return ISA_INVALID;
    if (!(row->free & FREE_OFF) && insn->off != row->off)
        return ISA_INVALID;
    if (!(row->free & FREE_IMM) && insn->imm != row->imm)
        return ISA_INVALID;
    return op;
}

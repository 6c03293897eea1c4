/* SPDX-License-Identifier: MIT
 *
 * x86-64 bytes (Intel SDM volume 2, chapter 2).  Nothing here knows BPF: registers are the machine's numbers, an
 * operand is a register or memory, and every function appends one instruction to a buffer whose owner guarantees room
 * (an instruction takes at most EMIT_LONGEST bytes).
 *
 *   [66|f2|f3] [REX: 0100WRXB] opcode [ModRM: mod reg rm] [SIB: scale index base] [disp8|disp32] [imm]
 *
 * An opcode is a number below 0x100, with the flags below for its map, prefix and operand size.
 */
#ifndef WINBPF_ENGINE_EMIT_X64_H
#define WINBPF_ENGINE_EMIT_X64_H

#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"

enum x64_reg { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, NO_REG = 0xff };

enum {
    EMIT_LONGEST = 16,
    OP_0F = 0x100,   /* second opcode map */
    OP_66 = 0x200,   /* operand-size prefix: 16 bits */
    OP_38 = 0x400,   /* third opcode map 0f 38 */
    OP_BYTE = 0x800, /* an operand is a byte register: sil, dil, spl, bpl need a REX prefix */
    OP_LOCK = 0x1000,
};

/* Opcodes in the form `op rm, reg` unless said otherwise. */
enum {
    X_ADD = 0x01,
    X_OR = 0x09,
    X_AND = 0x21,
    X_SUB = 0x29,
    X_XOR = 0x31,
    X_CMP = 0x39,
    X_TEST = 0x85,
    X_LOAD = 0x8b, /* op reg, rm; the arithmetic opcodes + 2 too */
    X_STORE = 0x89,
    X_STORE16 = 0x89 | OP_66,
    X_STORE8 = 0x88 | OP_BYTE,
    X_LEA = 0x8d,
    X_MOVZX8 = 0xb6 | OP_0F | OP_BYTE,
    X_MOVZX16 = 0xb7 | OP_0F,
    X_MOVSX8 = 0xbe | OP_0F | OP_BYTE,
    X_MOVSX16 = 0xbf | OP_0F,
    X_MOVSXD = 0x63,
    X_IMUL = 0xaf | OP_0F,  /* op reg, rm */
    X_MOVBE = 0xf0 | OP_38, /* op reg, mem */
    X_XADD = 0xc1 | OP_0F | OP_LOCK,
    X_CMPXCHG = 0xb1 | OP_0F | OP_LOCK,
    X_XCHG = 0x87,
};

/* Condition codes, the low four bits of jcc. */
enum x64_condition {
    CC_O,
    CC_NO,
    CC_B,
    CC_AE,
    CC_E,
    CC_NE,
    CC_BE,
    CC_A,
    CC_S,
    CC_NS,
    CC_P,
    CC_NP,
    CC_L,
    CC_GE,
    CC_LE,
    CC_G
};

/* A register, [base + (index << scale) + disp], or [rip + disp] (base RIP; the caller fills the disp in later). */
struct x64_operand {
    uint8_t kind;               /* OPERAND_* */
    uint8_t base, index, scale; /* base: the register for OPERAND_REG; NO_REG for none */
    int32_t disp;
};
enum { OPERAND_REG, OPERAND_MEM, OPERAND_RIP };

struct emitter {
    uint8_t *buffer;
    uint32_t size, capacity;
};

static inline struct x64_operand x64_reg(unsigned reg)
{
    return (struct x64_operand){OPERAND_REG, (uint8_t)reg, NO_REG, 0, 0};
}

static inline struct x64_operand x64_mem(unsigned base, int32_t disp)
{
    return (struct x64_operand){OPERAND_MEM, (uint8_t)base, NO_REG, 0, disp};
}

static inline struct x64_operand x64_index(unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    return (struct x64_operand){OPERAND_MEM, (uint8_t)base, (uint8_t)index, (uint8_t)scale, disp};
}

static inline struct x64_operand x64_rip(void)
{
    return (struct x64_operand){OPERAND_RIP, NO_REG, NO_REG, 0, 0};
}

static inline void emit8(struct emitter *e, unsigned byte)
{
    e->buffer[e->size++] = (uint8_t)byte;
}

static inline void emit32(struct emitter *e, uint32_t value)
{
    store_le32(e->buffer + e->size, value);
    e->size += 4;
}

static inline void emit64(struct emitter *e, uint64_t value)
{
    store_le64(e->buffer + e->size, value);
    e->size += 8;
}

static inline bool fits8(int64_t value)
{
    return value == (int8_t)value;
}

static inline bool fits32(int64_t value)
{
    return value == (int32_t)value;
}

/* ModRM, SIB and displacement. */
static inline void emit_modrm(struct emitter *e, unsigned reg, struct x64_operand rm)
{
    reg = (reg & 7) << 3;
    if (rm.kind == OPERAND_REG) {
        emit8(e, 0xc0 | reg | (rm.base & 7));
    } else if (rm.kind == OPERAND_RIP) {
        emit8(e, reg | 5);
        emit32(e, (uint32_t)rm.disp);
    } else if (rm.base == NO_REG) { /* no base is spelled mod 0, base 5, disp32 */
        emit8(e, reg | 4);
        emit8(e, (unsigned)rm.scale << 6 | (rm.index == NO_REG ? 4u : rm.index & 7u) << 3 | 5);
        emit32(e, (uint32_t)rm.disp);
    } else {
        unsigned base = rm.base & 7;
        unsigned mod = rm.disp == 0 && base != 5 ? 0
                       : fits8(rm.disp)          ? 0x40
                                                 : 0x80; /* mod 0 base 5 means another thing */
        if (rm.index != NO_REG || base == 4) {
            emit8(e, mod | reg | 4);
            emit8(e, (unsigned)rm.scale << 6 | (rm.index == NO_REG ? 4u : rm.index & 7u) << 3 | base);
        } else {
            emit8(e, mod | reg | base);
        }
        if (mod == 0x40)
            emit8(e, (uint8_t)rm.disp);
        else if (mod == 0x80)
            emit32(e, (uint32_t)rm.disp);
    }
}

/* Any instruction of one register field and one operand; `wide`: 64 bits. */
static inline void emit_op(struct emitter *e, unsigned op, bool wide, unsigned reg, struct x64_operand rm)
{
    unsigned rex = (unsigned)wide << 3 | (reg >> 3 & 1) << 2;
    if (rm.index != NO_REG)
        rex |= (rm.index >> 3 & 1u) << 1;
    if (rm.base != NO_REG)
        rex |= rm.base >> 3 & 1u;
    if (op & OP_LOCK)
        emit8(e, 0xf0);
    if (op & OP_66)
        emit8(e, 0x66);
    if (rex || ((op & OP_BYTE) && ((reg >= RSP && reg <= RDI) || (rm.kind == OPERAND_REG && rm.base >= RSP))))
        emit8(e, 0x40 | rex);
    if (op & (OP_0F | OP_38))
        emit8(e, 0x0f);
    if (op & OP_38)
        emit8(e, 0x38);
    emit8(e, op & 0xff);
    emit_modrm(e, reg, rm);
}

/* `op dst, src` between registers for the arithmetic opcodes and mov. */
static inline void emit_rr(struct emitter *e, unsigned op, bool wide, unsigned dst, unsigned src)
{
    emit_op(e, op, wide, src, x64_reg(dst));
}

/* add, or, and, sub, xor, cmp with a constant: `op` is the register form's opcode. */
static inline void emit_ri(struct emitter *e, unsigned op, bool wide, struct x64_operand rm, int32_t imm)
{
    if (fits8(imm)) {
        emit_op(e, 0x83, wide, op >> 3 & 7, rm);
        emit8(e, (uint8_t)imm);
    } else {
        emit_op(e, 0x81, wide, op >> 3 & 7, rm);
        emit32(e, (uint32_t)imm);
    }
}

/* rol 0, ror 1, shl 4, shr 5, sar 7 by a constant, and by cl. */
static inline void emit_shift(struct emitter *e, unsigned kind, bool wide, unsigned reg, unsigned count)
{
    if (count == 1) {
        emit_op(e, 0xd1, wide, kind, x64_reg(reg));
        return;
    }
    emit_op(e, 0xc1, wide, kind, x64_reg(reg));
    emit8(e, count);
}

static inline void emit_shift_cl(struct emitter *e, unsigned kind, bool wide, unsigned reg)
{
    emit_op(e, 0xd3, wide, kind, x64_reg(reg));
}

static inline void emit_mov(struct emitter *e, bool wide, unsigned dst, unsigned src)
{
    emit_op(e, X_LOAD, wide, dst, x64_reg(src));
}

/* Shortest load of a constant; changes flags only for 0. */
static inline void emit_const(struct emitter *e, unsigned reg, uint64_t value)
{
    if (value == 0) {
        emit_rr(e, X_XOR, false, reg, reg);
    } else if (value <= UINT32_MAX) {
        if (reg >= R8)
            emit8(e, 0x41);
        emit8(e, 0xb8 | (reg & 7));
        emit32(e, (uint32_t)value);
    } else if (fits32((int64_t)value)) {
        emit_op(e, 0xc7, true, 0, x64_reg(reg));
        emit32(e, (uint32_t)value);
    } else {
        emit8(e, 0x48 | (reg >> 3));
        emit8(e, 0xb8 | (reg & 7));
        emit64(e, value);
    }
}

static inline void emit_push(struct emitter *e, unsigned reg)
{
    if (reg >= R8)
        emit8(e, 0x41);
    emit8(e, 0x50 | (reg & 7));
}

static inline void emit_pop(struct emitter *e, unsigned reg)
{
    if (reg >= R8)
        emit8(e, 0x41);
    emit8(e, 0x58 | (reg & 7));
}

static inline void emit_bswap(struct emitter *e, bool wide, unsigned reg)
{
    if (wide || reg >= R8)
        emit8(e, 0x40 | (unsigned)wide << 3 | reg >> 3);
    emit8(e, 0x0f);
    emit8(e, 0xc8 | (reg & 7));
}

/* VEX prefix of three bytes: c4, RXB.mmmmm, W.vvvv.L.pp. */
static inline void emit_vex(struct emitter *e, unsigned map, unsigned pp, unsigned op, bool wide, unsigned reg,
                            unsigned second, struct x64_operand rm)
{
    unsigned x = rm.index != NO_REG ? rm.index >> 3 & 1u : 0, b = rm.base != NO_REG ? rm.base >> 3 & 1u : 0;
    emit8(e, 0xc4);
    emit8(e, ((reg >> 3 ^ 1) & 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | map);
    emit8(e, (unsigned)wide << 7 | (~second & 15) << 3 | pp);
    emit8(e, op);
    emit_modrm(e, reg, rm);
}

/* BMI2: dst = src shifted by count; kind as in emit_shift. */
static inline void emit_shiftx(struct emitter *e, unsigned kind, bool wide, unsigned dst, struct x64_operand src,
                               unsigned count)
{
    emit_vex(e, 2, kind == 4 ? 1 : kind == 5 ? 3 : 2, 0xf7, wide, dst, count, src);
}

/* BMI2: dst = src rotated right by a constant. */
static inline void emit_rorx(struct emitter *e, bool wide, unsigned dst, struct x64_operand src, unsigned count)
{
    emit_vex(e, 3, 3, 0xf0, wide, dst, 0, src);
    emit8(e, count);
}

/* BMI2: high:low = rdx * src. */
static inline void emit_mulx(struct emitter *e, bool wide, unsigned high, unsigned low, struct x64_operand src)
{
    emit_vex(e, 2, 3, 0xf6, wide, high, low, src);
}

/* A jump of one byte's reach over code emitted next: emit_skip, the code, emit_land. */
static inline uint32_t emit_skip(struct emitter *e, enum x64_condition condition)
{
    emit8(e, 0x70 | condition);
    emit8(e, 0);
    return e->size;
}

static inline uint32_t emit_skip_always(struct emitter *e)
{
    emit8(e, 0xeb);
    emit8(e, 0);
    return e->size;
}

static inline void emit_land(struct emitter *e, uint32_t from)
{
    e->buffer[from - 1] = (uint8_t)(e->size - from);
}

/* The same with a reach of two gigabytes. */
static inline uint32_t emit_skip_far(struct emitter *e, enum x64_condition condition)
{
    emit8(e, 0x0f);
    emit8(e, 0x80 | condition);
    emit32(e, 0);
    return e->size;
}

static inline void emit_land_far(struct emitter *e, uint32_t from)
{
    store_le32(e->buffer + from - 4, e->size - from);
}

/* `size` bytes that do nothing, in as few instructions as there are forms for. */
static inline void emit_nops(uint8_t *at, uint32_t size)
{
    static const uint8_t nops[9][9] = {
        {0x90},
        {0x66, 0x90},
        {0x0f, 0x1f, 0x00},
        {0x0f, 0x1f, 0x40, 0x00},
        {0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
        {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
    };
    while (size) {
        uint32_t n = size < 9 ? size : 9;
        memcpy(at, nops[n - 1], n);
        at += n;
        size -= n;
    }
}

#endif

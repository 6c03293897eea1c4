/* SPDX-License-Identifier: MIT
 *
 * isa.def as rows, for friends in this room: one row per enum isa_op.  A row fixes an opcode and the fields that select
 * the operation; `free` says which fields an instruction of that kind may use, and every other field must be as the row
 * has it.  So a row and an instruction's free fields make the whole instruction, and nothing is left over: decoding is
 * exact, and the RFC syntax, which prints the row's mnemonic and the free fields, can be assembled back.
 */
#ifndef WINBPF_ISA_TABLE_H
#define WINBPF_ISA_TABLE_H

#include <stdint.h>
#include "base/text.h"
#include "isa/insn.h"
#include "isa/isa.h"

enum isa_form {
    FORM_NONE,
    FORM_ALU_IMM,
    FORM_ALU_REG,
    FORM_ALU1,
    FORM_MOVSX,
    FORM_END,
    FORM_JMP_IMM,
    FORM_JMP_REG,
    FORM_LDX,
    FORM_ST,
    FORM_STX,
    FORM_ATOMIC,
    FORM_XCHG,
    FORM_CMPXCHG,
    FORM_LDACQ,
    FORM_STREL,
    FORM_LDDW,
    FORM_LEGACY,
    FORM_JA,
    FORM_JA32,
    FORM_MAY_GOTO,
    FORM_CALL_HELPER,
    FORM_CALL_LOCAL,
    FORM_CALL_KFUNC,
    FORM_CALLX,
    FORM_EXIT,
};

enum {
    FREE_DST = 1u << 0,
    FREE_SRC = 1u << 1,
    FREE_OFF = 1u << 2,
    FREE_IMM = 1u << 3,
    WRITES_DST = 1u << 4, /* the destination register's value changes */
    WRITES_SRC = 1u << 5, /* the source register's does: a fetching atomic */
    JUMPS_OFF = 1u << 6,  /* off is a jump's distance */
    JUMPS_IMM = 1u << 7,  /* imm is: a long jump, a local call or a code address */
};

struct isa_row {
    const char *name;   /* "ADD64_IMM" */
    const char *base;   /* the row of isa.def: "ADD" */
    const char *symbol; /* "+=", or the row's text; NULL where it has none */
    int32_t imm;        /* fixed fields */
    int16_t off;
    uint8_t src;
    uint8_t code;
    uint8_t form;    /* enum isa_form */
    uint8_t bits;    /* width of the operation or of the access */
    uint8_t signed_; /* LDX: sign-extends; ATOMIC: fetches; LEGACY: indirect */
    uint8_t free;
};

/* The row of an operation; the row of ISA_INVALID has FORM_NONE. */
const struct isa_row *isa_row(enum isa_op op);

/* Writes the RFC syntax's mnemonic of a row: "add32", "lock fetch add", "call local". */
void isa_mnemonic(const struct isa_row *row, struct text *out);

#endif

/* SPDX-License-Identifier: MIT
 *
 * One instruction as it is stored: 8 bytes, little-endian (RFC 9669, section 3.1).  Same layout as Linux's
 * struct bpf_insn on little-endian machines, without its bit fields.
 */
#ifndef WINBPF_ISA_INSN_H
#define WINBPF_ISA_INSN_H

#include <stdint.h>

struct insn {
    uint8_t code;
    uint8_t regs; /* dst in bits 0-3, src in bits 4-7 */
    int16_t off;
    int32_t imm;
};

#if defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(struct insn) == 8, "an instruction is 8 bytes");
#endif

enum {
    ISA_STACK_SIZE = 512,    /* bytes of stack of one subprogram frame */
    ISA_FRAMES = 8,          /* frames of bpf-to-bpf calls, the main program's included */
    ISA_TAIL_CALLS = 33,     /* tail calls in one invocation */
    ISA_REGISTERS = 11,      /* r0 to r10 */
    ISA_MAX_INSNS = 1000000, /* instructions in one program */
};

/* src of a lddw (RFC 9669 section 5.4; 5 and 6 are the same with an index in the place of a handle). */
enum {
    LDDW_SRC_IMM = 0,
    LDDW_SRC_MAP_FD = 1,          /* imm: fd */
    LDDW_SRC_MAP_VALUE = 2,       /* imm: fd, next imm: byte offset into the first value */
    LDDW_SRC_VARIABLE = 3,        /* imm: BTF id of a kernel variable ("variable address") */
    LDDW_SRC_CODE = 4,            /* imm: target ("code address"): slot at + 1 + imm, `at` being the first slot */
    LDDW_SRC_MAP_INDEX = 5,       /* imm: map index */
    LDDW_SRC_MAP_INDEX_VALUE = 6, /* imm: map index, next imm: byte offset */
};

/* src of a call. */
enum {
    CALL_SRC_HELPER = 0, /* imm: helper id; inside an image: index into the image's helper table */
    CALL_SRC_LOCAL = 1,  /* imm: target, instructions relative to the next one */
    CALL_SRC_KFUNC = 2,  /* imm: BTF id */
};

static inline unsigned insn_dst(const struct insn *insn)
{
    return insn->regs & 15u;
}

static inline unsigned insn_src(const struct insn *insn)
{
    return insn->regs >> 4;
}

static inline struct insn insn_make(unsigned code, unsigned dst, unsigned src, int off, int32_t imm)
{
    struct insn insn = {(uint8_t)code, (uint8_t)(dst | src << 4), (int16_t)off, imm};
    return insn;
}

/* A lddw takes two slots; the second's imm is the high half. */
static inline int insn_is_lddw(const struct insn *insn)
{
    return insn->code == 0x18;
}

#endif

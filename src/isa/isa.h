/* SPDX-License-Identifier: MIT
 *
 * The instruction set as enumerations and pure functions over isa.def.  Nothing here allocates or fails in any way
 * but the stated one; input is hostile.
 */
#ifndef WINBPF_ISA_ISA_H
#define WINBPF_ISA_ISA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/text.h"
#include "isa/insn.h"

/* Every concrete operation: what is left of an instruction when registers, offsets and constants are taken away. */
enum isa_op {
    ISA_INVALID,
#define ALU(NAME, code, off, group, symbol, value)                                                                     \
    ISA_##NAME##64_IMM, ISA_##NAME##64_REG, ISA_##NAME##32_IMM, ISA_##NAME##32_REG,
#define ALU1(NAME, code, group, symbol, value)      ISA_##NAME##64, ISA_##NAME##32,
#define MOVSX(NAME, bits, group)                    ISA_##NAME##_64, ISA_##NAME##_32, /* MOVSX32_32 never decodes */
#define END(NAME, code, bits, group, symbol, value) ISA_##NAME,
#define JMP(NAME, code, group, symbol, condition)                                                                      \
    ISA_##NAME##64_IMM, ISA_##NAME##64_REG, ISA_##NAME##32_IMM, ISA_##NAME##32_REG,
#define LDX(NAME, code, bits, signed_, group)   ISA_##NAME,
#define ST(NAME, code, bits)                    ISA_##NAME,
#define STX(NAME, code, bits)                   ISA_##NAME,
#define ATOMIC(NAME, imm, fetch, symbol, value) ISA_##NAME##64, ISA_##NAME##32,
#define ATOMIC2(NAME, imm)                      ISA_##NAME##64, ISA_##NAME##32,
#define LDACQ(NAME, code, bits)                 ISA_##NAME,
#define STREL(NAME, code, bits)                 ISA_##NAME,
#define LDDW(NAME, src, text)                   ISA_##NAME,
#define LEGACY(NAME, code, bits, indirect)      ISA_##NAME,
#define OTHER(NAME, code, src, text)            ISA_##NAME,
#include "isa/isa.def"
    ISA_OPS
};

static inline uint64_t isa_swap16(uint64_t v)
{
    return (v & 0xff) << 8 | (v >> 8 & 0xff);
}

static inline uint64_t isa_swap32(uint64_t v)
{
    return isa_swap16(v) << 16 | isa_swap16(v >> 16);
}

static inline uint64_t isa_swap64(uint64_t v)
{
    return isa_swap32(v) << 32 | isa_swap32(v >> 32);
}

/* The enumerator's name without ISA_, e.g. "ADD64_IMM"; static storage. */
const char *isa_op_name(enum isa_op op);

/* Which operation this instruction is, strictly: reserved fields must be zero, registers below 11, the constant
 * operand of a byte swap or atomic legal; ISA_INVALID otherwise.  A lddw is judged by its first slot alone. */
enum isa_op isa_decode(const struct insn *insn);

/* A place in a program and what is wrong there; static text. */
struct isa_fault {
    uint32_t insn;
    const char *reason;
};

/* What a program may contain beyond RFC 9669's own instructions. */
enum {
    ISA_ALLOW_FD_LDDW = 1u << 0,    /* lddw 1 and 2 (a caller's bytecode), and not the index forms unless also set: */
    ISA_ALLOW_INDEX_LDDW = 1u << 1, /* lddw 5 and 6 */
};

/* Is this a well-formed program?  Every slot decodes, lddw pairs are whole and their second slot is zero but for imm,
 * every jump, local call and code address lands on the first slot of an instruction, r10 is never written, control
 * cannot run off the end (the last instruction is an exit or an unconditional jump) nor fall from one instruction into
 * a subprogram's first.  lddw 3 is allowed where handles are.  True, or false with
 * *fault.  Constant shifts beyond the width are legal (masked); div by constant zero too (RFC semantics). */
bool isa_validate(const struct insn *insns, size_t count, unsigned flags, struct isa_fault *fault);

enum isa_syntax {
    ISA_SYNTAX_KERNEL, /* as bpftool and the kernel's verifier log print: "(b7) r0 = 0" without the opcode prefix */
    ISA_SYNTAX_LLVM,   /* as llvm-objdump prints */
    ISA_SYNTAX_RFC,    /* the conformance suite's: "mov %r0, 0" */
};

/* Names for what an instruction refers to; any member may be NULL or return NULL. */
struct isa_names {
    const char *(*helper)(void *self, int32_t imm);
    const char *(*map)(void *self, int32_t imm);
    const char *(*subprogram)(void *self, uint32_t target); /* instruction index */
    void *self;
};

/* Writes instruction `at` of `insns` to `out`, no newline.  Returns how many slots it takes (1 or 2; an undecodable
 * slot or a cut lddw takes 1 and reads as ".8byte 0x…").  Jump distances are relative in every syntax, counted as the
 * instruction does.  What is printed in ISA_SYNTAX_RFC, isa_assemble turns back into the same bytes; `names` is not
 * used there, and in ISA_SYNTAX_LLVM only for subprograms. */
size_t isa_disassemble(const struct insn *insns, size_t count, size_t at, enum isa_syntax syntax,
                       const struct isa_names *names, struct text *out);

/* Assembles the conformance suite's syntax (its grammar is in assemble.c).  `insns` has room for `capacity` slots.
 * True with *count, or false with a one-line reason ("line 3: unknown instruction 'foo'") in `error`. */
bool isa_assemble(const char *source, size_t length, struct insn *insns, size_t capacity, size_t *count,
                  struct text *error);

#endif

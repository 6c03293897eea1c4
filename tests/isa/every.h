/* SPDX-License-Identifier: MIT
 *
 * One instance of every operation with given free fields: what the tests of this room walk over.
 */
#ifndef WINBPF_TESTS_EVERY_H
#define WINBPF_TESTS_EVERY_H

#include "isa/isa.h"
#include "isa/table.h"

/* Does an instruction of this kind exist at all? */
static inline bool every_exists(enum isa_op op)
{
    return op != ISA_INVALID && op != ISA_MOVSX32_32;
}

/* The instruction with these values in its free fields; a lddw's second slot (imm `high`) goes to out[1].  Returns the
 * number of slots. */
static inline size_t every_make(enum isa_op op, unsigned dst, unsigned src, int16_t off, int32_t imm, int32_t high,
                                struct insn out[2])
{
    const struct isa_row *row = isa_row(op);

    out[0] = insn_make(row->code, row->free & FREE_DST ? dst : 0, row->free & FREE_SRC ? src : row->src,
                       row->free & FREE_OFF ? off : row->off, row->free & FREE_IMM ? imm : row->imm);
    out[1] = insn_make(0, 0, 0, 0, high);
    return row->form == FORM_LDDW ? 2 : 1;
}

#endif

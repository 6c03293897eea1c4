/* SPDX-License-Identifier: MIT
 *
 * A contract with the shapes that the contracts of our hooks lack, contexts of any contract to run programs on, and
 * what must hold of jumps.
 */
#ifndef WINBPF_TESTS_LOWER_ODD_H
#define WINBPF_TESTS_LOWER_ODD_H

#include <string.h>
#include "contract/contract.h"
#include "engine/engine.h"
#include "lower/lower.h"

enum { REAL_MOST = 128 };

/* Fields that the provider keeps narrower, wider and elsewhere. */
static const struct context_field odd_fields[] = {
    {"narrower", FIELD_SCALAR, 0, 4, 64, 2, FIELD_READ | FIELD_WRITE | FIELD_NARROW, -1},
    {"wider", FIELD_SCALAR, 4, 4, 72, 8, FIELD_READ | FIELD_WRITE | FIELD_NARROW, -1},
    {"byte", FIELD_SCALAR, 8, 1, 80, 8, FIELD_READ | FIELD_WRITE, -1},
    {"half", FIELD_SCALAR, 10, 2, 92, 4, FIELD_READ | FIELD_WRITE | FIELD_NARROW, -1},
    {"wide", FIELD_SCALAR, 16, 8, 96, 8, FIELD_READ | FIELD_WRITE | FIELD_NARROW, -1},
    {"tiny", FIELD_SCALAR, 24, 8, 90, 1, FIELD_READ | FIELD_WRITE | FIELD_NARROW, -1},
    {"bytes", FIELD_BYTES, 32, 7, 105, 7, FIELD_READ | FIELD_WRITE, -1},
    {"pointer", FIELD_PACKET, 40, 4, 8, 8, FIELD_READ, 8},
    {"end", FIELD_PACKET_END, 44, 4, 0, 8, FIELD_READ, -1},
};
static const struct context_field far_fields[] = {
    {"far", FIELD_SCALAR, 0, 4, 40000, 4, FIELD_READ | FIELD_WRITE, -1},
    {"three", FIELD_SCALAR, 4, 4, 8, 3, FIELD_READ, -1},
    {"low", FIELD_PACKET, 8, 4, 16, 4, FIELD_READ, -1},
    {"long", FIELD_SCALAR, 12, 4, 24, 12, FIELD_READ, -1},
};
static const struct program_contract odd = {
    .name = "odd",
    .context = {{48, sizeof odd_fields / sizeof *odd_fields, odd_fields},
                {16, sizeof far_fields / sizeof *far_fields, far_fields}},
    .real_size = REAL_MOST,
    .flags = CONTRACT_PACKET_WRITE | CONTRACT_ANY_RETURN,
};

/* A context whose bytes are all different, and whose pointers are a packet's. */
struct stage {
    struct context_header header;
    uint8_t real[REAL_MOST];
};

static uint8_t packet[64];

static inline void stage_make(struct stage *stage, const struct program_contract *contract)
{
    memset(stage, 0, sizeof *stage);
    for (unsigned i = 0; i < REAL_MOST; i++)
        stage->real[i] = (uint8_t)(0x85 + 7 * i);
    for (unsigned i = 0; i < sizeof packet; i++)
        packet[i] = (uint8_t)(0x11 + 5 * i);
    for (unsigned p = 0; p < PERSONALITIES; p++) {
        for (unsigned i = 0; i < contract->context[p].field_count; i++) {
            const struct context_field *f = &contract->context[p].fields[i];
            const uint8_t *at = packet;
            if (f->kind == FIELD_SCALAR || f->kind == FIELD_BYTES || f->real_size != 8)
                continue;
            at += f->kind == FIELD_PACKET || f->kind == FIELD_MEMORY ? 8 : f->kind == FIELD_PACKET_META ? 4 : 40;
            memcpy(stage->real + f->real_offset, &at, 8);
        }
    }
}

/* Where a jump, a local call or a code address leads; IMAGE_NO_INDEX for other instructions. */
static inline uint32_t odd_target(const struct insn *insns, uint32_t at)
{
    const struct insn *insn = &insns[at];
    unsigned src = insn_src(insn), class = insn->code & 7;
    if (insn_is_lddw(insn))
        return src == LDDW_SRC_CODE ? at + 1 + (uint32_t)insn->imm : IMAGE_NO_INDEX;
    if (class != 5 && class != 6)
        return IMAGE_NO_INDEX;
    if (insn->code == 0x85)
        return src == CALL_SRC_LOCAL ? at + 1 + (uint32_t)insn->imm : IMAGE_NO_INDEX;
    if (insn->code == 0x95 || insn->code == 0x8d)
        return IMAGE_NO_INDEX;
    return at + 1 + (insn->code == 0x06 ? (uint32_t)insn->imm : (uint32_t)(int32_t)insn->off);
}

/* Does all that leads somewhere lead to the same place afterwards? */
static inline bool odd_control_follows(const struct image *image, const uint8_t *flags, const struct lowered *lowered)
{
    for (uint32_t i = 0; i < image->insn_count; i++) {
        uint32_t target = odd_target(image->insns, i);
        if (flags[i] & LOWER_SEEN && target != IMAGE_NO_INDEX &&
            odd_target(lowered->image.insns, lowered->to_new[i]) != lowered->to_new[target])
            return false;
        i += (uint32_t)insn_is_lddw(&image->insns[i]);
    }
    return true;
}

#endif

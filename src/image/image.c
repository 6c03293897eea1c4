/* SPDX-License-Identifier: MIT
 *
 * Bytecode into image form: helper ids become indices into a table of the ids that occur, in order of occurrence;
 * handles become map indices.
 */
#include "base/bytes.h"
#include "image/image.h"

enum { CODE_CALL = 0x85, HELPER_SLOTS = 2 * IMAGE_MAX_HELPERS };

enum result image_number_helpers(struct insn *insns, uint32_t count, struct arena *arena, struct image *image)
{
    /* Open addressing; a slot holds index + 1.  Never more than half full.  Small programs take a small table. */
    uint32_t calls = 0, slots = 16, used = 0;
    image->helpers = NULL;
    image->helper_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        calls += insns[i].code == CODE_CALL && insn_src(&insns[i]) == CALL_SRC_HELPER;
        i += (uint32_t)insn_is_lddw(&insns[i]);
    }
    if (!calls)
        return RESULT_OK;
    while (slots < 2 * calls && slots < HELPER_SLOTS)
        slots *= 2;
    uint16_t *table = arena_array(arena, slots, sizeof *table);
    struct image_helper *helpers = arena_array(arena, slots / 2, sizeof *helpers);
    if (!table || !helpers)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        struct insn *insn = &insns[i];
        if (insn_is_lddw(insn))
            i++;
        if (insn->code != CODE_CALL || insn_src(insn) != CALL_SRC_HELPER)
            continue;
        uint32_t slot = (uint32_t)insn->imm * 2654435761u >> 16 & (slots - 1);
        while (table[slot] && helpers[table[slot] - 1].id != insn->imm)
            slot = (slot + 1) & (slots - 1);
        if (!table[slot]) {
            if (used == IMAGE_MAX_HELPERS)
                return RESULT_TOO_BIG;
            helpers[used].id = insn->imm;
            table[slot] = (uint16_t)++used;
        }
        insn->imm = table[slot] - 1;
    }
    image->helpers = helpers;
    image->helper_count = used;
    return RESULT_OK;
}

enum result image_from_insns(const struct insn *insns, uint32_t count, struct arena *arena, const struct diag *diag,
                             uint32_t (*map_index)(void *self, int32_t handle), void *self, struct image *image)
{
    if (count == 0 || count > ISA_MAX_INSNS) {
        diag_error(diag, "program: no instructions, or more than a million");
        return RESULT_TOO_BIG;
    }
    struct insn *copy = arena_array(arena, count, sizeof *copy);
    if (!copy)
        return RESULT_NO_MEMORY;
    memcpy(copy, insns, count * sizeof *copy);
    for (uint32_t i = 0; i < count; i++) {
        struct insn *insn = &copy[i];
        unsigned src = insn_src(insn);
        if (!insn_is_lddw(insn))
            continue;
        if (src == LDDW_SRC_MAP_FD || src == LDDW_SRC_MAP_VALUE) {
            uint32_t index = map_index ? map_index(self, insn->imm) : IMAGE_NO_INDEX;
            if (index == IMAGE_NO_INDEX) {
                diag_error(diag, "instruction %u: %d is not the handle of a map", i, insn->imm);
                return RESULT_BAD_HANDLE;
            }
            insn->imm = (int32_t)index;
            insn->regs = (uint8_t)(insn_dst(insn) |
                                   (src == LDDW_SRC_MAP_FD ? LDDW_SRC_MAP_INDEX : LDDW_SRC_MAP_INDEX_VALUE) << 4);
        } else if (src != LDDW_SRC_IMM && src != LDDW_SRC_CODE) {
            diag_error(diag, "instruction %u: lddw of kind %u is not supported", i, src);
            return RESULT_INVALID;
        }
        i++;
    }
    image->insns = copy;
    image->insn_count = count;
    enum result result = image_number_helpers(copy, count, arena, image);
    if (result == RESULT_TOO_BIG)
        diag_error(diag, "program: calls more than %u different helpers", (unsigned)IMAGE_MAX_HELPERS);
    return result;
}

enum result image_find_funcs(struct arena *arena, struct image *image)
{
    uint32_t count = image->insn_count, funcs = 0;
    uint8_t *starts = arena_alloc(arena, count / 8 + 1);
    if (!starts)
        return RESULT_NO_MEMORY;
    starts[0] = 1;
    for (uint32_t i = 0; i < count; i++) {
        const struct insn *insn = &image->insns[i];
        bool code = insn_is_lddw(insn) && insn_src(insn) == LDDW_SRC_CODE;
        bool call = insn->code == CODE_CALL && insn_src(insn) == CALL_SRC_LOCAL;
        int64_t target = (int64_t)i + 1 + insn->imm;
        if ((code || call) && target >= 0 && target < count)
            starts[target / 8] |= (uint8_t)(1u << target % 8);
        i += (uint32_t)insn_is_lddw(insn);
    }
    for (uint32_t i = 0; i < count; i++)
        funcs += starts[i / 8] >> i % 8 & 1;
    struct image_func *table = arena_array(arena, funcs, sizeof *table);
    if (!table)
        return RESULT_NO_MEMORY;
    image->funcs = table;
    image->func_count = funcs;
    for (uint32_t i = 0; i < count; i++)
        if (starts[i / 8] >> i % 8 & 1)
            *table++ = (struct image_func){.name = "", .insn = i, .linkage = IMAGE_STATIC};
    return RESULT_OK;
}

/* SPDX-License-Identifier: MIT
 *
 * Bytecode into image form: helper ids become indices into a table of the ids that occur, in order of occurrence;
 * handles become map indices.
 */
#include "base/bytes.h"
#include "image/image.h"

enum { CODE_CALL = 0x85, CHUNK_NODES = 64, NODES_MAX = 1 + 7 * IMAGE_MAX_HELPERS };

/* A tree over the eight hexadecimal digits of an id, the highest first: eight steps a call whatever the ids are. Zero
 * is no child; in the last digit's nodes a child is index + 1. */
struct digit {
    uint16_t child[16];
};

struct tree {
    struct arena *arena;
    struct digit **chunks;
    uint32_t count;
};

/* A new empty node; 0 for no memory. */
static uint16_t tree_grow(struct tree *tree)
{
    struct digit **chunk = &tree->chunks[tree->count / CHUNK_NODES];
    if (!*chunk)
        *chunk = arena_array(tree->arena, CHUNK_NODES, sizeof **chunk);
    return *chunk ? (uint16_t)tree->count++ : 0;
}

/* Where the index of `id` stands; NULL for no memory. */
static uint16_t *tree_find(struct tree *tree, uint32_t id)
{
    uint32_t node = 0;
    for (unsigned shift = 28;; shift -= 4) {
        uint16_t *child = &tree->chunks[node / CHUNK_NODES][node % CHUNK_NODES].child[id >> shift & 15];
        if (!shift)
            return child;
        if (!*child && !(*child = tree_grow(tree)))
            return NULL;
        node = *child;
    }
}

enum result image_number_helpers(struct insn *insns, uint32_t count, struct arena *arena, struct image *image)
{
    uint32_t calls = 0, used = 0;
    image->helpers = NULL;
    image->helper_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        calls += insns[i].code == CODE_CALL && insn_src(&insns[i]) == CALL_SRC_HELPER;
        i += (uint32_t)insn_is_lddw(&insns[i]);
    }
    if (!calls)
        return RESULT_OK;
    uint32_t different = calls < IMAGE_MAX_HELPERS ? calls : IMAGE_MAX_HELPERS;
    struct image_helper *helpers = arena_array(arena, different, sizeof *helpers);
    struct tree tree = {arena, NULL, 0};
    /* One more id than fits may be entered before it is refused. */
    tree.chunks = arena_array(arena, (NODES_MAX + 7) / CHUNK_NODES + 1, sizeof *tree.chunks);
    if (!helpers || !tree.chunks)
        return RESULT_NO_MEMORY;
    tree_grow(&tree);
    if (!tree.chunks[0])
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        struct insn *insn = &insns[i];
        if (insn_is_lddw(insn))
            i++;
        if (insn->code != CODE_CALL || insn_src(insn) != CALL_SRC_HELPER)
            continue;
        uint16_t *index = tree_find(&tree, (uint32_t)insn->imm);
        if (!index)
            return RESULT_NO_MEMORY;
        if (!*index) {
            if (used == IMAGE_MAX_HELPERS)
                return RESULT_TOO_BIG;
            helpers[used].id = insn->imm;
            *index = (uint16_t)++used;
        }
        insn->imm = *index - 1;
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

/* SPDX-License-Identifier: MIT
 *
 * The hostile check of an image: every number that a later room uses as an index, a length or an order is judged here,
 * and nothing else is.  Linear but for the search of call targets among the functions (n log n).
 */
#include "base/bytes.h"
#include "btf/btf.h"
#include "image/format.h"
#include "image/image.h"
#include "isa/isa.h"

enum { CODE_CALL = 0x85 };

static bool short_text(const char *text, size_t limit)
{
    return !text || memchr(text, 0, limit);
}

static bool bad(const struct diag *diag, const char *reason)
{
    diag_error(diag, "image: %s", reason);
    return false;
}

static bool bad_at(const struct diag *diag, const char *what, uint32_t at, const char *reason)
{
    diag_error(diag, "image: %s %u: %s", what, at, reason);
    return false;
}

static bool check_map(const struct image *image, uint32_t at, const struct diag *diag)
{
    const struct map_spec *map = &image->maps[at];
    if (!short_text(map->name, IMAGE_NAME))
        return bad_at(diag, "map", at, "name too long");
    if (map->inner != IMAGE_NO_INDEX &&
        (map->inner >= image->map_count || map->inner == at || image->maps[map->inner].inner != IMAGE_NO_INDEX))
        return bad_at(diag, "map", at, "inner map out of range or itself a map of maps");
    if (map->btf_key >= BTF_MAX_TYPES || map->btf_value >= BTF_MAX_TYPES)
        return bad_at(diag, "map", at, "BTF type out of range");
    if (map->personality >= PERSONALITIES || map->pinning > 1 || map->frozen > 1)
        return bad_at(diag, "map", at, "unknown personality, pinning or frozen");
    if (map->contents.size > map->value_size)
        return bad_at(diag, "map", at, "contents larger than the value");
    return true;
}

static bool starts_func(const struct image *image, uint64_t insn)
{
    uint32_t low = 0, high = image->func_count;
    if (!high)
        return insn < image->insn_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (image->funcs[middle].insn < insn)
            low = middle + 1;
        else
            high = middle;
    }
    return low < image->func_count && image->funcs[low].insn == insn;
}

static bool check_insns(const struct image *image, const struct diag *diag)
{
    struct isa_fault fault;
    if (!isa_validate(image->insns, image->insn_count, ISA_ALLOW_INDEX_LDDW, &fault))
        return bad_at(diag, "instruction", fault.insn, fault.reason);
    for (uint32_t i = 0; i < image->insn_count; i++) {
        const struct insn *insn = &image->insns[i];
        unsigned src = insn_src(insn);
        if (insn_is_lddw(insn)) {
            if ((src == LDDW_SRC_MAP_INDEX || src == LDDW_SRC_MAP_INDEX_VALUE) &&
                (uint32_t)insn->imm >= image->map_count)
                return bad_at(diag, "instruction", i, "map index out of range");
            if (src == LDDW_SRC_VARIABLE)
                return bad_at(diag, "instruction", i, "unresolved variable");
            if (src == LDDW_SRC_CODE && !starts_func(image, (uint64_t)((int64_t)i + 1 + insn->imm)))
                return bad_at(diag, "instruction", i, "address of what is no function");
            i++;
        } else if (insn->code == CODE_CALL) {
            if (src == CALL_SRC_HELPER && (uint32_t)insn->imm >= image->helper_count)
                return bad_at(diag, "instruction", i, "helper index out of range");
            if (src == CALL_SRC_LOCAL && !starts_func(image, (uint64_t)((int64_t)i + 1 + insn->imm)))
                return bad_at(diag, "instruction", i, "calls what is no function");
            if (src == CALL_SRC_KFUNC)
                return bad_at(diag, "instruction", i, "calls a kernel function");
        }
    }
    return true;
}

enum result image_check(const struct image *image, const struct diag *diag)
{
    struct btf_layout layout = {{NULL, 0}, {NULL, 0}};
    const char *reason;
    if (!short_text(image->name, IMAGE_NAME) || !short_text(image->section, IMAGE_TEXT) ||
        !short_text(image->license, IMAGE_TEXT))
        return bad(diag, "name, section or license too long"), RESULT_INVALID;
    if (image->insn_count == 0 || image->insn_count > ISA_MAX_INSNS)
        return bad(diag, "no instructions, or more than a million"), RESULT_INVALID;
    if ((unsigned)image->personality >= PERSONALITIES)
        return bad(diag, "unknown personality"), RESULT_INVALID;
    if (image->map_count > IMAGE_MAX_MAPS || image->helper_count > IMAGE_MAX_HELPERS ||
        image->func_count > FORMAT_MAX_FUNCS || image->line_count > FORMAT_MAX_LINES)
        return bad(diag, "too many maps, helpers, functions or lines"), RESULT_INVALID;
    if (image->btf.size && !btf_layout(image->btf, &layout, &reason)) {
        diag_error(diag, "image: BTF: %s", reason);
        return RESULT_INVALID;
    }
    for (uint32_t i = 0; i < image->map_count; i++)
        if (!check_map(image, i, diag))
            return RESULT_INVALID;
    for (uint32_t i = 0; i < image->func_count; i++) {
        const struct image_func *func = &image->funcs[i];
        if (i ? func->insn <= image->funcs[i - 1].insn : func->insn != 0)
            return bad_at(diag, "function", i, "out of order"), RESULT_INVALID;
        if (func->insn >= image->insn_count || func->btf_type >= BTF_MAX_TYPES || func->linkage > IMAGE_GLOBAL ||
            !short_text(func->name, IMAGE_NAME))
            return bad_at(diag, "function", i, "start, type, linkage or name out of range"), RESULT_INVALID;
    }
    if (!check_insns(image, diag))
        return RESULT_INVALID;
    /* Sorted by then: a function begins on an instruction, never inside a lddw. */
    for (uint32_t i = 1; i < image->func_count; i++)
        if (image->insns[image->funcs[i].insn].code == 0)
            return bad_at(diag, "function", i, "begins inside an instruction"), RESULT_INVALID;
    for (uint32_t i = 0; i < image->line_count; i++) {
        const struct image_line *line = &image->lines[i];
        if (line->insn >= image->insn_count || (i && line->insn < image->lines[i - 1].insn))
            return bad_at(diag, "line", i, "instruction out of range or order"), RESULT_INVALID;
        if (line->file >= layout.strings.size || line->text >= layout.strings.size)
            return bad_at(diag, "line", i, "text out of range"), RESULT_INVALID;
    }
    return RESULT_OK;
}

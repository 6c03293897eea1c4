/* SPDX-License-Identifier: MIT
 *
 * Instruction to source line.  A line record holds from its instruction to the next record's, inside one function.
 */
#include "btf/btf.h"
#include "verify/verify.h"

static const char *string_at(struct bytes strings, uint32_t offset)
{
    return offset < strings.size ? (const char *)strings.data + offset : "";
}

bool verify_place(const struct image *image, uint32_t insn, struct verify_place *out)
{
    uint32_t low = 0, high = image->line_count, func = 0, most = image->func_count;
    struct btf_layout layout = {{0}, {0}};
    const char *reason;
    *out = (struct verify_place){"", "", 0, 0};
    while (low < high) { /* the first record behind insn */
        uint32_t middle = low + (high - low) / 2;
        if (image->lines[middle].insn <= insn)
            low = middle + 1;
        else
            high = middle;
    }
    while (func < most) {
        uint32_t middle = func + (most - func) / 2;
        if (image->funcs[middle].insn <= insn)
            func = middle + 1;
        else
            most = middle;
    }
    if (!low || (func && image->lines[low - 1].insn < image->funcs[func - 1].insn) ||
        !btf_layout(image->btf, &layout, &reason))
        return false;
    /* compilers record line 0 for what belongs to no line: then what came before is nearer */
    while (low > 1 && !image->lines[low - 1].line &&
           (!func || image->lines[low - 2].insn >= image->funcs[func - 1].insn))
        low--;
    const struct image_line *line = &image->lines[low - 1];
    out->file = string_at(layout.strings, line->file);
    out->source = string_at(layout.strings, line->text);
    out->line = line->line;
    out->column = line->column;
    return line->line != 0;
}

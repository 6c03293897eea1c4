/* SPDX-License-Identifier: MIT
 *
 * Programs as self-contained images: the entry first, then every function it reaches, each once, in order of first
 * reach (breadth first).  Calls and code addresses are aimed anew, function and line records moved along.  Work and
 * memory are proportional to the images' size; the arena's limit bounds both.
 */
#include "elf/elf_impl.h"

struct builder {
    struct reader *reader;
    uint32_t *order; /* functions of the image at hand, in their order */
    uint32_t count;
    uint32_t insns;
};

/* First target of `code` at or after `insn`. */
static uint32_t first_target(const struct code *code, uint32_t insn)
{
    uint32_t low = 0, high = code->target_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (code->targets[middle].insn < insn)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t first_line(const struct code *code, uint32_t insn)
{
    uint32_t low = 0, high = code->line_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (code->lines[middle].insn_offset / 8 < insn)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Places `entry` and all it reaches; false when that is more than a program may have. */
static bool place(struct builder *builder, uint32_t entry, uint32_t stamp)
{
    struct reader *reader = builder->reader;
    uint64_t insns = 0;
    builder->count = 1;
    builder->order[0] = entry;
    reader->functions[entry].stamp = stamp;
    for (uint32_t i = 0; i < builder->count; i++) {
        struct function *function = &reader->functions[builder->order[i]];
        const struct code *code = &reader->codes[function->code];
        function->place = (uint32_t)insns;
        insns += function->end - function->start;
        if (insns > ISA_MAX_INSNS)
            return false;
        for (uint32_t t = first_target(code, function->start);
             t < code->target_count && code->targets[t].insn < function->end; t++) {
            struct function *callee = &reader->functions[code->targets[t].function];
            if (callee->stamp == stamp)
                continue;
            callee->stamp = stamp;
            builder->order[builder->count++] = code->targets[t].function;
        }
    }
    builder->insns = (uint32_t)insns;
    return true;
}

static const char *image_name(struct reader *reader, const char *name, size_t limit)
{
    return strlen(name) < limit ? name : arena_text(reader->arena, name, limit - 1);
}

static enum result fill(struct builder *builder, struct image *image)
{
    struct reader *reader = builder->reader;
    struct arena *arena = reader->arena;
    uint32_t lines = 0;
    for (uint32_t i = 0; i < builder->count; i++) {
        const struct function *function = &reader->functions[builder->order[i]];
        const struct code *code = &reader->codes[function->code];
        lines += first_line(code, function->end) - first_line(code, function->start);
    }
    struct insn *insns = arena_array(arena, builder->insns, sizeof *insns);
    struct image_func *funcs = arena_array(arena, builder->count, sizeof *funcs);
    struct image_line *out = arena_array(arena, lines, sizeof *out);
    if (!insns || !funcs || !out)
        return RESULT_NO_MEMORY;
    image->insns = insns;
    image->funcs = funcs;
    image->lines = out;
    image->insn_count = builder->insns;
    image->func_count = builder->count;
    image->line_count = lines;
    for (uint32_t i = 0; i < builder->count; i++) {
        const struct function *function = &reader->functions[builder->order[i]];
        const struct code *code = &reader->codes[function->code];
        memcpy(insns + function->place, code->insns + function->start,
               (size_t)(function->end - function->start) * sizeof *insns);
        for (uint32_t t = first_target(code, function->start);
             t < code->target_count && code->targets[t].insn < function->end; t++) {
            uint32_t at = function->place + code->targets[t].insn - function->start;
            insns[at].imm = (int32_t)(reader->functions[code->targets[t].function].place - at - 1);
        }
        for (uint32_t l = first_line(code, function->start);
             l < code->line_count && code->lines[l].insn_offset / 8 < function->end; l++)
            *out++ = (struct image_line){function->place + code->lines[l].insn_offset / 8 - function->start,
                                         code->lines[l].file, code->lines[l].text, code->lines[l].line,
                                         code->lines[l].column};
        funcs[i].name = image_name(reader, function->name, IMAGE_NAME);
        funcs[i].insn = function->place;
        funcs[i].btf_type = function->btf_type;
        funcs[i].linkage = function->global ? IMAGE_GLOBAL : IMAGE_STATIC;
        if (!funcs[i].name)
            return RESULT_NO_MEMORY;
    }
    return image_number_helpers(insns, builder->insns, arena, image);
}

static void keep_line(void *self, enum diag_level level, const char *line)
{
    (void)level;
    text_string(self, line);
}

/* Why the image cannot be loaded; NULL when it can. */
static const char *judge(struct builder *builder, const struct image *image)
{
    struct reader *reader = builder->reader;
    char line[400] = "";
    struct text text;
    struct diag diag = {keep_line, &text, NULL};
    for (uint32_t i = 0; i < builder->count; i++) {
        const struct function *function = &reader->functions[builder->order[i]];
        if (function->broken)
            return function->broken;
    }
    text_init(&text, line, sizeof line);
    return image_check(image, &diag) ? elf_text(reader, "%s", line) : NULL;
}

static enum result build(struct builder *builder, uint32_t entry, uint32_t index)
{
    struct reader *reader = builder->reader;
    struct image *image = &reader->out->programs[index];
    const struct function *function = &reader->functions[entry];
    const char *section = reader->sections[reader->codes[function->code].section].name;
    const struct section_contract *contract = contract_section(reader->out->personality, section + (section[0] == '?'));
    const char **broken = &reader->out->broken[index];
    image->name = image_name(reader, function->name, IMAGE_NAME);
    image->section = image_name(reader, section, IMAGE_TEXT);
    image->license = reader->out->license;
    image->personality = reader->out->personality;
    if (!image->name || !image->section)
        return RESULT_NO_MEMORY;
    if (contract) {
        image->prog_type = contract->prog_type;
        image->attach_type = contract->attach_type;
        image->prog_flags = contract->prog_flags;
    }
    image->maps = reader->maps;
    image->map_count = reader->map_count;
    image->btf = reader->out->btf_bytes;
    if (!place(builder, entry, index + 1)) {
        *broken = "more than a million instructions";
        return RESULT_OK;
    }
    enum result result = fill(builder, image);
    if (result == RESULT_TOO_BIG) {
        *broken = "calls too many different helpers";
        return RESULT_OK;
    }
    if (!result)
        *broken = judge(builder, image);
    return result;
}

enum result elf_build_programs(struct reader *reader)
{
    struct elf_object *out = reader->out;
    uint32_t count = 0;
    for (uint32_t i = 0; i < reader->function_count; i++)
        count += reader->functions[i].program;
    struct builder builder = {.reader = reader};
    builder.order = arena_array(reader->arena, reader->function_count, sizeof *builder.order);
    reader->program_of = arena_array(reader->arena, reader->function_count, sizeof *reader->program_of);
    out->programs = arena_array(reader->arena, count, sizeof *out->programs);
    out->broken = arena_array(reader->arena, count, sizeof *out->broken);
    if (!builder.order || !reader->program_of || !out->programs || !out->broken)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < reader->function_count; i++) {
        reader->program_of[i] = IMAGE_NO_INDEX;
        if (!reader->functions[i].program)
            continue;
        reader->program_of[i] = out->program_count;
        enum result result = build(&builder, i, out->program_count);
        if (result)
            return result;
        out->program_count++;
    }
    return RESULT_OK;
}

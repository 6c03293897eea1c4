/* SPDX-License-Identifier: MIT
 *
 * The flat form to an image in memory.  A cursor takes part after part and refuses what is cut short, padded with
 * anything but zeros, or followed by more; image_check() then judges the contents.  The tables are unpacked into the
 * arena, strings, map contents and BTF are views of the input.
 */
#include "base/bytes.h"
#include "image/format.h"
#include "image/image.h"

struct cursor {
    struct bytes bytes;
    size_t at;
    const char *bad; /* NULL while everything fits */
};

/* The next `size` bytes and their padding; NULL with cursor->bad set otherwise. */
static const uint8_t *take(struct cursor *cursor, uint64_t size, const char *what)
{
    struct bytes part;
    uint64_t padded = (size + 7) & ~(uint64_t)7;
    if (cursor->bad)
        return NULL;
    if (!bytes_slice(cursor->bytes, cursor->at, padded, &part)) {
        cursor->bad = what;
        return NULL;
    }
    for (size_t i = (size_t)size; i < part.size; i++)
        if (part.data[i])
            cursor->bad = "padding is not zero";
    cursor->at += part.size;
    return part.data;
}

static enum result bad(const struct diag *diag, const char *reason)
{
    diag_error(diag, "image: %s", reason);
    return RESULT_INVALID;
}

static const char *take_text(struct bytes *strings)
{
    const char *text = bytes_string(*strings, 0);
    if (text) {
        size_t size = strlen(text) + 1;
        strings->data += size;
        strings->size -= size;
    }
    return text;
}

enum result image_decode(struct bytes bytes, struct arena *arena, const struct diag *diag, struct image *out)
{
    struct cursor cursor = {bytes, 0, NULL};
    uint32_t header[FORMAT_HEADER_WORDS];
    const uint8_t *data = take(&cursor, FORMAT_HEADER_SIZE, "shorter than its header");
    if (!data)
        return bad(diag, cursor.bad);
    for (unsigned i = 0; i < FORMAT_HEADER_WORDS; i++)
        header[i] = load_le32(data + 4 * i);
    if (header[FORMAT_MAGIC] != FORMAT_MAGIC_VALUE || header[FORMAT_VERSION] != FORMAT_VERSION_VALUE)
        return bad(diag, "wrong magic number or version");
    if (header[FORMAT_SIZE] != bytes.size)
        return bad(diag, "size is not what its header says");
    if (header[FORMAT_PERSONALITY] >= PERSONALITIES)
        return bad(diag, "unknown personality");
    if (header[FORMAT_INSNS] > ISA_MAX_INSNS || header[FORMAT_MAPS] > IMAGE_MAX_MAPS ||
        header[FORMAT_HELPERS] > IMAGE_MAX_HELPERS || header[FORMAT_FUNCS] > FORMAT_MAX_FUNCS ||
        header[FORMAT_LINES] > FORMAT_MAX_LINES)
        return bad(diag, "too many instructions, maps, helpers, functions or lines");
    struct image image = {
        .personality = (enum personality)header[FORMAT_PERSONALITY],
        .prog_type = header[FORMAT_PROG_TYPE],
        .attach_type = header[FORMAT_ATTACH_TYPE],
        .prog_flags = header[FORMAT_PROG_FLAGS],
        .insn_count = header[FORMAT_INSNS],
        .map_count = header[FORMAT_MAPS],
        .helper_count = header[FORMAT_HELPERS],
        .func_count = header[FORMAT_FUNCS],
        .line_count = header[FORMAT_LINES],
    };
    const uint8_t *insn_data = take(&cursor, image.insn_count * 8ull, "instructions are cut short");
    const uint8_t *map_data = take(&cursor, image.map_count * (uint64_t)FORMAT_MAP_SIZE, "maps are cut short");
    const uint8_t *helper_data =
        take(&cursor, image.helper_count * (uint64_t)FORMAT_HELPER_SIZE, "helpers are cut short");
    const uint8_t *func_data = take(&cursor, image.func_count * (uint64_t)FORMAT_FUNC_SIZE, "functions are cut short");
    const uint8_t *line_data = take(&cursor, image.line_count * (uint64_t)FORMAT_LINE_SIZE, "lines are cut short");
    struct bytes strings = {take(&cursor, header[FORMAT_STRINGS], "strings are cut short"), header[FORMAT_STRINGS]};
    if (cursor.bad)
        return bad(diag, cursor.bad);

    struct insn *insns = arena_array(arena, image.insn_count, sizeof *insns);
    struct map_spec *maps = arena_array(arena, image.map_count, sizeof *maps);
    struct image_helper *helpers = arena_array(arena, image.helper_count, sizeof *helpers);
    struct image_func *funcs = arena_array(arena, image.func_count, sizeof *funcs);
    struct image_line *lines = arena_array(arena, image.line_count, sizeof *lines);
    if (!insns || !maps || !helpers || !funcs || !lines)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < image.insn_count; i++, insn_data += 8) {
        insns[i].code = insn_data[0];
        insns[i].regs = insn_data[1];
        insns[i].off = (int16_t)load_le16(insn_data + 2);
        insns[i].imm = (int32_t)load_le32(insn_data + 4);
    }
    for (uint32_t i = 0; i < image.helper_count; i++)
        helpers[i].id = (int32_t)load_le32(helper_data + 4 * (size_t)i);
    for (uint32_t i = 0; i < image.line_count; i++, line_data += FORMAT_LINE_SIZE)
        lines[i] = (struct image_line){load_le32(line_data), load_le32(line_data + 4), load_le32(line_data + 8),
                                       load_le32(line_data + 12), load_le32(line_data + 16)};
    image.name = take_text(&strings);
    image.section = take_text(&strings);
    image.license = take_text(&strings);
    for (uint32_t i = 0; i < image.map_count; i++, map_data += FORMAT_MAP_SIZE) {
        struct map_spec *map = &maps[i];
        map->name = take_text(&strings);
        map->kind = load_le32(map_data);
        map->key_size = load_le32(map_data + 4);
        map->value_size = load_le32(map_data + 8);
        map->max_entries = load_le32(map_data + 12);
        map->flags = load_le32(map_data + 16);
        map->extra = load_le64(map_data + 20);
        map->inner = load_le32(map_data + 28);
        map->btf_key = load_le32(map_data + 32);
        map->btf_value = load_le32(map_data + 36);
        map->numa_node = load_le32(map_data + 40);
        map->pinning = load_le32(map_data + 44);
        map->personality = load_le32(map_data + 48);
        map->frozen = load_le32(map_data + 52);
        map->contents.size = load_le32(map_data + 56);
        map->contents.data = take(&cursor, map->contents.size, "map contents are cut short");
    }
    const char *last = image.license;
    for (uint32_t i = 0; i < image.func_count; i++, func_data += FORMAT_FUNC_SIZE) {
        last = funcs[i].name = take_text(&strings);
        funcs[i].insn = load_le32(func_data);
        funcs[i].btf_type = load_le32(func_data + 4);
        funcs[i].linkage = load_le32(func_data + 8);
    }
    if (!last || (image.map_count && !maps[image.map_count - 1].name) || strings.size)
        return bad(diag, "strings are not as many as there are names");
    image.btf.size = header[FORMAT_BTF];
    image.btf.data = take(&cursor, image.btf.size, "BTF is cut short");
    if (!cursor.bad && cursor.at != bytes.size)
        cursor.bad = "bytes after the end";
    if (cursor.bad)
        return bad(diag, cursor.bad);
    image.insns = insns;
    image.maps = maps;
    image.helpers = helpers;
    image.funcs = funcs;
    image.lines = lines;
    enum result result = image_check(&image, diag);
    if (result == RESULT_OK)
        *out = image;
    return result;
}

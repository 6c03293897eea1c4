/* SPDX-License-Identifier: MIT
 *
 * An image in memory to its flat form (format.h): one pass to measure, one to write.
 */
#include "base/bytes.h"
#include "image/format.h"
#include "image/image.h"

static const char *text_of(const char *text)
{
    return text ? text : "";
}

static bool add(size_t *total, uint64_t count, uint64_t size)
{
    uint64_t bytes = count * size; /* both below 2^32 */
    if (bytes > FORMAT_MAX_SIZE || *total > FORMAT_MAX_SIZE)
        return false;
    *total += (size_t)(bytes + 7) & ~(size_t)7;
    return *total <= FORMAT_MAX_SIZE;
}

static size_t strings_size(const struct image *image)
{
    size_t size = strlen(text_of(image->name)) + strlen(text_of(image->section)) + strlen(text_of(image->license)) + 3;
    for (uint32_t i = 0; i < image->map_count; i++)
        size += strlen(text_of(image->maps[i].name)) + 1;
    for (uint32_t i = 0; i < image->func_count; i++)
        size += strlen(text_of(image->funcs[i].name)) + 1;
    return size;
}

static uint8_t *put_word(uint8_t *at, uint32_t value)
{
    store_le32(at, value);
    return at + 4;
}

static uint8_t *put_text(uint8_t *at, const char *text)
{
    size_t size = strlen(text_of(text)) + 1;
    memcpy(at, text_of(text), size);
    return at + size;
}

static uint8_t *put_bytes(uint8_t *at, struct bytes bytes)
{
    if (bytes.size)
        memcpy(at, bytes.data, bytes.size);
    return at + bytes.size;
}

/* The flat form is zeroed, so padding is a step. */
static uint8_t *pad(uint8_t *start, uint8_t *at)
{
    return start + ((size_t)(at - start + 7) & ~(size_t)7);
}

enum result image_encode(const struct image *image, struct arena *arena, struct bytes *out)
{
    size_t size = 0, strings = strings_size(image);
    bool fits = add(&size, 1, FORMAT_HEADER_SIZE) && add(&size, image->insn_count, sizeof(struct insn)) &&
                add(&size, image->map_count, FORMAT_MAP_SIZE) && add(&size, image->helper_count, FORMAT_HELPER_SIZE) &&
                add(&size, image->func_count, FORMAT_FUNC_SIZE) && add(&size, image->line_count, FORMAT_LINE_SIZE) &&
                add(&size, 1, strings) && add(&size, 1, image->btf.size);
    for (uint32_t i = 0; fits && i < image->map_count; i++)
        fits = add(&size, 1, image->maps[i].contents.size);
    if (!fits)
        return RESULT_TOO_BIG;
    uint8_t *start = arena_alloc(arena, size), *at = start;
    if (!start)
        return RESULT_NO_MEMORY;
    const uint32_t header[FORMAT_HEADER_WORDS] = {
        [FORMAT_MAGIC] = FORMAT_MAGIC_VALUE,     [FORMAT_VERSION] = FORMAT_VERSION_VALUE,
        [FORMAT_SIZE] = (uint32_t)size,          [FORMAT_PERSONALITY] = image->personality,
        [FORMAT_PROG_TYPE] = image->prog_type,   [FORMAT_ATTACH_TYPE] = image->attach_type,
        [FORMAT_PROG_FLAGS] = image->prog_flags, [FORMAT_INSNS] = image->insn_count,
        [FORMAT_MAPS] = image->map_count,        [FORMAT_HELPERS] = image->helper_count,
        [FORMAT_FUNCS] = image->func_count,      [FORMAT_LINES] = image->line_count,
        [FORMAT_STRINGS] = (uint32_t)strings,    [FORMAT_BTF] = (uint32_t)image->btf.size,
    };
    for (unsigned i = 0; i < FORMAT_HEADER_WORDS; i++)
        at = put_word(at, header[i]);
    at = pad(start, at);
    for (uint32_t i = 0; i < image->insn_count; i++, at += 8) {
        at[0] = image->insns[i].code;
        at[1] = image->insns[i].regs;
        store_le16(at + 2, (uint16_t)image->insns[i].off);
        store_le32(at + 4, (uint32_t)image->insns[i].imm);
    }
    for (uint32_t i = 0; i < image->map_count; i++) {
        const struct map_spec *map = &image->maps[i];
        const uint32_t words[FORMAT_MAP_SIZE / 4] = {
            map->kind,
            map->key_size,
            map->value_size,
            map->max_entries,
            map->flags,
            (uint32_t)map->extra,
            (uint32_t)(map->extra >> 32),
            map->inner,
            map->btf_key,
            map->btf_value,
            map->numa_node,
            map->pinning,
            map->personality,
            map->frozen,
            (uint32_t)map->contents.size,
        };
        for (unsigned j = 0; j < FORMAT_MAP_SIZE / 4; j++)
            at = put_word(at, words[j]);
    }
    at = pad(start, at);
    for (uint32_t i = 0; i < image->helper_count; i++)
        at = put_word(at, (uint32_t)image->helpers[i].id);
    at = pad(start, at);
    for (uint32_t i = 0; i < image->func_count; i++) {
        at = put_word(at, image->funcs[i].insn);
        at = put_word(at, image->funcs[i].btf_type);
        at = put_word(at, image->funcs[i].linkage);
    }
    at = pad(start, at);
    for (uint32_t i = 0; i < image->line_count; i++) {
        at = put_word(at, image->lines[i].insn);
        at = put_word(at, image->lines[i].file);
        at = put_word(at, image->lines[i].text);
        at = put_word(at, image->lines[i].line);
        at = put_word(at, image->lines[i].column);
    }
    at = pad(start, at);
    at = put_text(at, image->name);
    at = put_text(at, image->section);
    at = put_text(at, image->license);
    for (uint32_t i = 0; i < image->map_count; i++)
        at = put_text(at, image->maps[i].name);
    for (uint32_t i = 0; i < image->func_count; i++)
        at = put_text(at, image->funcs[i].name);
    at = pad(start, at);
    for (uint32_t i = 0; i < image->map_count; i++)
        at = pad(start, put_bytes(at, image->maps[i].contents));
    put_bytes(at, image->btf);
    out->data = start;
    out->size = size;
    return RESULT_OK;
}

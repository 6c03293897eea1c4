/* SPDX-License-Identifier: MIT
 *
 * Values by their BTF type, on one line.  Types come from the object, so nesting is bounded here as well.
 */
#include <string.h>
#include "base/bytes.h"
#include "cli.h"

/* Members may overlap, in unions and in what a hostile object calls a struct: depth alone would not bound the work. */
enum { DEPTH = 8, ARRAY_SHOWN = 64, HEX_SHOWN = 256, PARTS_SHOWN = 4096 };

static void hex(FILE *out, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size && i < HEX_SHOWN; i++)
        fprintf(out, "%s%02x", i ? " " : "", bytes[i]);
    if (size > HEX_SHOWN)
        fprintf(out, " ... (%zu bytes)", size);
}

static uint64_t little(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i--;)
        value = value << 8 | bytes[i];
    return value;
}

static void number(FILE *out, uint64_t value, size_t size, bool is_signed)
{
    unsigned shift = size < 8 ? (unsigned)(64 - size * 8) : 0;
    if (is_signed)
        fprintf(out, "%lld", (long long)((int64_t)(value << shift) >> shift));
    else
        fprintf(out, "%llu", (unsigned long long)value);
}

static void print(FILE *out, const struct btf *btf, uint32_t id, const uint8_t *bytes, size_t size, unsigned depth,
                  unsigned *parts);

static void print_members(FILE *out, const struct btf *btf, uint32_t id, uint32_t count, const uint8_t *bytes,
                          size_t size, unsigned depth, unsigned *parts)
{
    fputc('{', out);
    for (uint32_t i = 0; i < count; i++) {
        if (++*parts > PARTS_SHOWN) {
            fputs(", ...", out);
            break;
        }
        struct btf_member_view member = btf_member(btf, id, i);
        uint32_t bytes_of = 0, at = member.bit_offset / 8;
        fprintf(out, "%s%s%s", i ? ", " : "", cli_clean(member.name), *member.name ? " = " : "");
        if (member.bit_size) {
            uint64_t raw = at < size ? little(bytes + at, size - at < 8 ? size - at : 8) : 0;
            raw >>= member.bit_offset % 8;
            fprintf(out, "%llu",
                    (unsigned long long)(member.bit_size < 64 ? raw & ((1ull << member.bit_size) - 1) : raw));
        } else if (btf_sizeof(btf, member.type, &bytes_of) || !range_within(at, bytes_of, size)) {
            fputc('?', out);
        } else {
            print(out, btf, member.type, bytes + at, bytes_of, depth + 1, parts);
        }
    }
    fputc('}', out);
}

static void print(FILE *out, const struct btf *btf, uint32_t id, const uint8_t *bytes, size_t size, unsigned depth,
                  unsigned *parts)
{
    if (!btf || !id || id >= btf_type_count(btf) || depth > DEPTH) {
        hex(out, bytes, size);
        return;
    }
    id = btf_skip_modifiers(btf, id);
    struct btf_type_view type = btf_type(btf, id);
    struct btf_array_view array;
    uint32_t each;
    switch (type.kind) {
    case BTF_KIND_INT:
        if (size <= 8)
            number(out, little(bytes, size), size, load_le32(type.extra) >> 24 & 1);
        else
            hex(out, bytes, size);
        break;
    case BTF_KIND_ENUM:
    case BTF_KIND_ENUM64: number(out, little(bytes, size < 8 ? size : 8), size, type.kind_flag); break;
    case BTF_KIND_PTR: fprintf(out, "0x%llx", (unsigned long long)little(bytes, size < 8 ? size : 8)); break;
    case BTF_KIND_ARRAY:
        array = btf_array_type(btf, id);
        if (btf_sizeof(btf, array.type, &each) || !each || each == 1) {
            hex(out, bytes, size);
            break;
        }
        fputc('[', out);
        for (uint32_t i = 0; i < array.count && range_within((uint64_t)i * each, each, size); i++) {
            if (i == ARRAY_SHOWN) {
                fprintf(out, ", ... (%u in all)", array.count);
                break;
            }
            fputs(i ? ", " : "", out);
            print(out, btf, array.type, bytes + (size_t)i * each, each, depth + 1, parts);
        }
        fputc(']', out);
        break;
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION: print_members(out, btf, id, type.vlen, bytes, size, depth, parts); break;
    default: hex(out, bytes, size); break;
    }
}

void cli_print_value(FILE *out, const struct btf *btf, uint32_t type, const uint8_t *bytes, size_t size)
{
    unsigned parts = 0;
    print(out, btf, type, bytes, size, 0, &parts);
}

void cli_print_json_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20 || *c >= 0x7f)
            fprintf(out, "\\u%04x", *c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

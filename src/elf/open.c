/* SPDX-License-Identifier: MIT
 *
 * Opening an object: what each section is for, whose numbers its programs speak, and the order of the steps.
 */
#include "elf/elf_impl.h"

static bool begins(const char *name, const char *prefix)
{
    return !strncmp(name, prefix, strlen(prefix));
}

/* ".data", ".data.rel", not ".database". */
static bool family(const char *name, const char *prefix)
{
    size_t length = strlen(prefix);
    return !strncmp(name, prefix, length) && (!name[length] || name[length] == '.');
}

static enum section_role role_of(const struct section *section)
{
    const char *name = section->name;
    if (section->type == SHT_PROGBITS && (section->flags & SHF_EXECINSTR))
        return section->size ? ROLE_CODE : ROLE_OTHER;
    if (section->type == SHT_PROGBITS && !strcmp(name, ".maps"))
        return section->size ? ROLE_MAPS : ROLE_OTHER;
    if (section->type == SHT_PROGBITS && (!strcmp(name, "maps") || begins(name, "maps/")))
        return ROLE_LEGACY_MAPS;
    if (section->type == SHT_PROGBITS && family(name, ".rodata"))
        return ROLE_READ_ONLY;
    if (section->type == SHT_PROGBITS && family(name, ".data"))
        return ROLE_DATA;
    if (section->type == SHT_NOBITS && (family(name, ".bss") || family(name, ".data")))
        return ROLE_ZERO;
    return ROLE_OTHER;
}

/* "GCC: (Debian 12.2.0-14) 12.2.0" in .comment: the major version, 0 for another compiler. */
static unsigned gcc_version(struct bytes comment)
{
    unsigned version = 0;
    const char *text = bytes_string(comment, 0);
    if (text && !*text) /* older assemblers begin it with an empty string */
        text = bytes_string(comment, 1);
    if (!text || strncmp(text, "GCC: (", 6))
        return 0;
    while (*text && *text != ')')
        text++;
    for (text += *text == ')'; *text == ' '; text++)
        ;
    for (; *text >= '0' && *text <= '9' && version < 1000; text++)
        version = version * 10 + (unsigned)(*text - '0');
    return version;
}

static uint64_t offset_key(const void *row)
{
    return (*(struct section *const *)row)->offset;
}

/* No byte of the file belongs to two of the sections that matter. */
static enum result check_overlap(struct reader *reader)
{
    const struct section **rows = arena_array(reader->arena, reader->section_count, sizeof *rows);
    uint32_t count = 0;
    if (!rows)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 1; i < reader->section_count; i++) {
        const struct section *section = &reader->sections[i];
        if (section->data.size &&
            (section->role != ROLE_OTHER || section->type == SHT_SYMTAB || section->type == SHT_REL ||
             section->type == SHT_RELA || begins(section->name, ".BTF")))
            rows[count++] = section;
    }
    elf_sort(rows, count, sizeof *rows, offset_key);
    for (uint32_t i = 1; i < count; i++)
        if (rows[i - 1]->offset + rows[i - 1]->size > rows[i]->offset)
            return elf_bad(reader, "sections %u (%s) and %u (%s) overlap in the file",
                           (unsigned)(rows[i - 1] - reader->sections), rows[i - 1]->name,
                           (unsigned)(rows[i] - reader->sections), rows[i]->name);
    return RESULT_OK;
}

static enum result classify(struct reader *reader)
{
    bool efw = false;
    struct elf_object *out = reader->out;
    out->license = "";
    for (uint32_t i = 1; i < reader->section_count; i++) {
        struct section *section = &reader->sections[i];
        section->role = role_of(section);
        efw |= !strcmp(section->name, ".ebpf_for_windows") ||
               (section->role == ROLE_CODE && contract_section_is_efw(section->name));
        if (section->role == ROLE_MAPS) {
            if (reader->maps_section)
                return elf_bad(reader, "section %u (.maps): a second one", i);
            reader->maps_section = i;
        }
        if (!strcmp(section->name, "license") && section->data.size) {
            const char *text = (const char *)section->data.data;
            const char *end = memchr(text, 0, section->data.size);
            size_t length = end ? (size_t)(end - text) : section->data.size;
            out->license = arena_text(reader->arena, text, length < IMAGE_TEXT ? length : IMAGE_TEXT - 1);
            if (!out->license)
                return RESULT_NO_MEMORY;
        }
        if (!strcmp(section->name, ".comment")) {
            unsigned version = gcc_version(section->data);
            reader->gcc12 = version > 0 && version <= 12;
        }
        if (!strcmp(section->name, "version") && section->data.size == 4)
            out->version = load_le32(section->data.data);
    }
    if (reader->options->personality == ELF_PERSONALITY_AUTO)
        out->personality = efw ? PERSONALITY_EFW : PERSONALITY_LINUX;
    else
        out->personality = reader->options->personality == ELF_PERSONALITY_EFW ? PERSONALITY_EFW : PERSONALITY_LINUX;
    return RESULT_OK;
}

enum result elf_open(struct bytes bytes, const struct elf_options *options, struct arena *arena,
                     const struct diag *diag, struct elf_object *out)
{
    static const struct elf_options defaults;
    static enum result (*const steps[])(struct reader *) = {
        elf_read_file, classify,      check_overlap,      elf_read_symbols, elf_read_types,
        elf_read_maps, elf_read_code, elf_build_programs, elf_read_inits,
    };
    struct reader reader = {
        .bytes = bytes, .options = options ? options : &defaults, .arena = arena, .diag = diag, .out = out};
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        enum result result = steps[i](&reader);
        if (result == RESULT_NO_MEMORY)
            diag_error(diag, "too large for the memory allowed, or out of memory");
        if (result)
            return result;
    }
    return RESULT_OK;
}

enum result elf_sections(struct bytes bytes, struct arena *arena, const struct diag *diag,
                         struct elf_section_view **sections, uint32_t *count)
{
    static const struct elf_options defaults;
    struct reader reader = {.bytes = bytes, .options = &defaults, .arena = arena, .diag = diag};
    enum result result = elf_read_file(&reader);
    if (result)
        return result;
    struct elf_section_view *views = arena_array(arena, reader.section_count, sizeof *views);
    if (!views)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < reader.section_count; i++) {
        const struct section *section = &reader.sections[i];
        views[i] =
            (struct elf_section_view){section->name, section->type, section->flags, section->size, section->offset};
    }
    *sections = views;
    *count = reader.section_count;
    return RESULT_OK;
}

/* SPDX-License-Identifier: MIT
 *
 * .BTF and .BTF.ext of an object.  The compiler leaves holes in .BTF that only the linked layout can fill: sizes of
 * sections and offsets of variables (relocations, or a name to look up where gcc gives none), and externs, which get
 * their place in the .kconfig map here.  All patches go to a copy; what they leave is BTF that a strict reader takes.
 *
 * A broken .BTF is dropped with a warning as long as nothing needs it: maps in .maps and CO-RE records do.
 */
#include "elf/elf_impl.h"

enum { DATASECS_MAX = 1024, CONFIG_MAX = 4096, LINKAGE_STATIC = 0, LINKAGE_GLOBAL = 1, LINKAGE_EXTERN = 2 };

/* Keeps the last line said, without its file. */
struct capture {
    struct diag diag;
    char line[512];
};

static void keep(void *self, enum diag_level level, const char *line)
{
    struct capture *capture = self;
    struct text text;
    (void)level;
    text_init(&text, capture->line, sizeof capture->line);
    text_string(&text, line);
}

static uint32_t find_section(const struct reader *reader, const char *name)
{
    for (uint32_t i = 1; i < reader->section_count; i++)
        if (reader->sections[i].type && !strcmp(reader->sections[i].name, name))
            return i;
    return 0;
}

/* The compiler's relocations of .BTF: offsets of variables within their sections. */
static enum result apply_relocations(struct reader *reader, uint32_t section, uint32_t *count)
{
    struct relocation *rows;
    size_t size = (size_t)reader->sections[section].size;
    enum result result = elf_relocations(reader, section, &rows, count);
    for (uint32_t i = 0; !result && i < *count; i++) {
        struct symbol symbol;
        if (size < 4 || rows[i].offset > size - 4 || !elf_symbol(reader, rows[i].symbol, &symbol))
            return elf_bad(reader, "BTF: relocation at 0x%llx is out of range", (unsigned long long)rows[i].offset);
        uint8_t *place = reader->btf_data + rows[i].offset;
        if (!symbol.reserved && symbol.section)
            store_le32(place,
                       (uint32_t)symbol.value + (rows[i].has_addend ? (uint32_t)rows[i].addend : load_le32(place)));
    }
    return result;
}

static uint64_t entry_key(const void *row)
{
    return load_le32((const uint8_t *)row + 4);
}

static uint8_t *entries_of(struct reader *reader, uint32_t id)
{
    return reader->btf_data + btf_type_offset(reader->btf, id) + 12;
}

static uint32_t var_linkage(const struct btf *btf, uint32_t var)
{
    return load_le32(btf_type(btf, var).extra);
}

/* Size of a section and offsets of its variables. */
static enum result fill_section(struct reader *reader, uint32_t id, uint32_t index, bool relocated)
{
    struct section *section = &reader->sections[index];
    struct btf_type_view type = btf_type(reader->btf, id);
    uint8_t *entries = entries_of(reader, id);
    section->btf_type = id;
    if (type.size_or_type)
        return RESULT_OK;
    if (section->size > UINT32_MAX)
        return elf_bad(reader, "BTF: section '%s' is too large", section->name);
    store_le32(entries - 4, (uint32_t)section->size);
    for (uint32_t i = 0; i < type.vlen; i++) {
        struct btf_var_view entry = btf_datasec_var(reader->btf, id, i);
        struct btf_type_view var = btf_type(reader->btf, entry.type);
        struct symbol symbol;
        if (var.kind == BTF_KIND_VAR && (!relocated || var_linkage(reader->btf, entry.type) != LINKAGE_STATIC) &&
            elf_symbol(reader, elf_find_symbol(reader, var.name), &symbol) && symbol.section == index)
            entry.offset = symbol.value > UINT32_MAX ? UINT32_MAX : (uint32_t)symbol.value;
        if (!range_within(entry.offset, entry.size, section->size))
            return elf_bad(reader, "BTF: variable '%s' lies outside section '%s'", var.name, section->name);
        store_le32(entries + 12 * (size_t)i + 4, entry.offset);
    }
    elf_sort(entries, type.vlen, 12, entry_key);
    return RESULT_OK;
}

/* Gives every .kconfig variable its place, and its value from the caller. */
static enum result fill_config(struct reader *reader, uint32_t id)
{
    const struct btf *btf = reader->btf;
    struct btf_type_view type = btf_type(btf, id);
    uint8_t *entries = entries_of(reader, id);
    uint32_t total = 0;
    if (reader->config_type || !type.vlen)
        return RESULT_OK;
    reader->external_of = arena_array(reader->arena, reader->symbol_count, sizeof *reader->external_of);
    reader->externals = arena_array(reader->arena, type.vlen, sizeof *reader->externals);
    if (!reader->external_of || !reader->externals)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < type.vlen; i++) {
        uint32_t var = btf_datasec_var(btf, id, i).type, size, align = 8;
        const char *name = btf_type(btf, var).name;
        if (btf_type(btf, var).kind != BTF_KIND_VAR || btf_sizeof(btf, var, &size) || size == 0 || size > CONFIG_MAX)
            return elf_bad(reader, "BTF: extern '%s' has no usable type", name);
        while (size % align)
            align /= 2;
        total = (total + align - 1) & ~(align - 1);
        store_le32(entries + 12 * (size_t)i + 4, total);
        store_le32(entries + 12 * (size_t)i + 8, size);
        store_le32(reader->btf_data + btf_type_offset(btf, var) + 12, LINKAGE_GLOBAL);
        total += size;
    }
    uint8_t *contents = arena_alloc(reader->arena, total);
    if (!contents)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < type.vlen; i++) {
        struct btf_var_view entry = btf_datasec_var(btf, id, i);
        const char *name = btf_type(btf, entry.type).name;
        struct external *external = &reader->externals[i];
        uint32_t index = elf_find_symbol(reader, name);
        struct symbol symbol;
        uint64_t value = 0;
        external->offset = entry.offset;
        if (!index || !elf_symbol(reader, index, &symbol))
            continue;
        reader->external_of[index] = i + 1;
        if (reader->options->kconfig && reader->options->kconfig(reader->options->self, name, &value)) {
            if (entry.size > 8)
                external->missing = elf_text(reader, "extern '%s' is no number", name);
            for (uint32_t byte = 0; byte < entry.size && byte < 8; byte++)
                contents[entry.offset + byte] = (uint8_t)(value >> 8 * byte);
        } else if (symbol.bind != STB_WEAK)
            external->missing = elf_text(reader, "extern '%s' (__kconfig) is unknown here and not weak", name);
    }
    store_le32(entries - 4, total);
    reader->config = (struct bytes){contents, total};
    reader->config_type = id;
    return RESULT_OK;
}

/* Kernel symbols have no place in the object, and BTF_LOAD takes no extern variable: each becomes an int of a section
 * of that many.  Functions among them stay as they are. */
static void fill_symbols(struct reader *reader, uint32_t id)
{
    const struct btf *btf = reader->btf;
    struct btf_type_view type = btf_type(btf, id);
    uint8_t *entries = entries_of(reader, id);
    uint32_t number = 0;
    for (uint32_t i = 1; !number && i < btf_type_count(btf); i++)
        if (btf_type(btf, i).kind == BTF_KIND_INT && btf_type(btf, i).size_or_type == 4)
            number = i;
    for (uint32_t i = 0; i < type.vlen; i++)
        if (!number || btf_type(btf, btf_datasec_var(btf, id, i).type).kind != BTF_KIND_VAR)
            return;
    for (uint32_t i = 0; i < type.vlen; i++) {
        uint8_t *var = reader->btf_data + btf_type_offset(btf, btf_datasec_var(btf, id, i).type);
        store_le32(var + 8, number);
        store_le32(var + 12, LINKAGE_GLOBAL);
        store_le32(entries + 12 * (size_t)i + 4, 4 * i);
        store_le32(entries + 12 * (size_t)i + 8, 4);
    }
    store_le32(entries - 4, 4 * type.vlen);
}

static enum result fill(struct reader *reader, bool relocated)
{
    uint32_t datasecs = 0;
    for (uint32_t id = 1; id < btf_type_count(reader->btf); id++) {
        struct btf_type_view type = btf_type(reader->btf, id);
        enum result result = RESULT_OK;
        if (type.kind != BTF_KIND_DATASEC)
            continue;
        if (++datasecs > DATASECS_MAX)
            return elf_bad(reader, "BTF: more than %u sections", (unsigned)DATASECS_MAX);
        uint32_t index = find_section(reader, type.name);
        if (!strcmp(type.name, ".kconfig"))
            result = fill_config(reader, id);
        else if (!strcmp(type.name, ".ksyms"))
            fill_symbols(reader, id);
        else if (index)
            result = fill_section(reader, id, index, relocated);
        if (result)
            return result;
    }
    return RESULT_OK;
}

static enum result open_types(struct reader *reader, uint32_t section)
{
    uint32_t relocations = 0;
    struct bytes stored = reader->sections[section].data;
    reader->btf_data = arena_alloc(reader->arena, stored.size);
    if (!reader->btf_data)
        return RESULT_NO_MEMORY;
    if (stored.size)
        memcpy(reader->btf_data, stored.data, stored.size);
    enum result result = apply_relocations(reader, section, &relocations);
    struct bytes copy = {reader->btf_data, stored.size};
    if (!result)
        result = btf_open(copy, reader->arena, reader->diag, &reader->btf);
    if (!result)
        result = fill(reader, relocations > 0);
    if (result)
        reader->btf = NULL;
    else {
        reader->out->btf = reader->btf;
        reader->out->btf_bytes = copy;
    }
    return result;
}

/* Does .BTF.ext hold CO-RE records, as far as its header tells? */
static bool has_core(struct bytes ext)
{
    return ext.size >= 32 && load_le32(ext.data + 4) >= 32 && load_le32(ext.data + 28) != 0;
}

enum result elf_read_types(struct reader *reader)
{
    struct capture capture = {{keep, &capture, NULL}, ""};
    const struct diag *diag = reader->diag;
    uint32_t btf = find_section(reader, ".BTF"), ext = find_section(reader, ".BTF.ext");
    enum result result = RESULT_OK;
    bool core = ext && has_core(reader->sections[ext].data);
    if (reader->maps_section && !btf)
        return elf_bad(reader, "section %u (.maps): no .BTF describes the maps; compile with -g", reader->maps_section);
    if (!btf)
        return RESULT_OK;
    reader->diag = &capture.diag;
    result = open_types(reader, btf);
    reader->diag = diag;
    if (result == RESULT_NO_MEMORY)
        return result;
    if (result) {
        memset(&reader->config, 0, sizeof reader->config);
        reader->external_of = NULL;
        for (uint32_t i = 0; i < reader->section_count; i++)
            reader->sections[i].btf_type = 0;
        if (reader->maps_section || core)
            return elf_bad(reader, "section %u (.BTF): %s; the object's %s need it", btf, capture.line,
                           reader->maps_section ? "maps" : "CO-RE relocations");
        diag_warning(reader->diag, "section %u (.BTF): %s; ignored, nothing needs it", btf, capture.line);
        return RESULT_OK;
    }
    if (!ext)
        return RESULT_OK;
    result = btf_ext_open(reader->sections[ext].data, reader->btf, reader->arena, &capture.diag, &reader->ext);
    if (result == RESULT_NO_MEMORY)
        return result;
    if (result && core)
        return elf_bad(reader, "section %u (.BTF.ext): %s; the object's CO-RE relocations need it", ext, capture.line);
    if (result)
        diag_warning(reader->diag, "section %u (.BTF.ext): %s; ignored, nothing needs it", ext, capture.line);
    return RESULT_OK;
}

/* SPDX-License-Identifier: MIT
 *
 * ELF64 little-endian relocatable files (System V gABI, chapter 4): header, section headers, symbol table, relocation
 * tables.  Every offset is checked where it is read; sections that hold something we use may not overlap one another.
 * Names are limited to ELF_NAME_MAX bytes, so that many references to one long string stay cheap.
 */
#include <stdarg.h>
#include "elf/elf_impl.h"

enum {
    HEADER_SIZE = 64,
    SECTION_SIZE = 64,
    SYMBOL_SIZE = 24,
    REL_SIZE = 16,
    RELA_SIZE = 24,
    ET_REL = 1,
    EM_NONE = 0,
    EM_BPF = 247,
    SHT_SYMTAB_SHNDX = 18,
    SECTIONS_MAX = 1 << 16,
    CHAIN_MAX = 1000,
};

enum result elf_bad(struct reader *reader, const char *format, ...)
{
    char line[512];
    struct text text;
    va_list arguments;
    text_init(&text, line, sizeof line);
    va_start(arguments, format);
    text_vformat(&text, format, arguments);
    va_end(arguments);
    diag_error(reader->diag, "%s", line);
    return RESULT_INVALID;
}

const char *elf_text(struct reader *reader, const char *format, ...)
{
    char line[512];
    struct text text;
    va_list arguments;
    text_init(&text, line, sizeof line);
    va_start(arguments, format);
    text_vformat(&text, format, arguments);
    va_end(arguments);
    const char *copy = arena_text(reader->arena, line, strlen(line));
    return copy ? copy : "out of memory";
}

static void swap(uint8_t *a, uint8_t *b, size_t size)
{
    uint8_t row[64];
    memcpy(row, a, size);
    memcpy(a, b, size);
    memcpy(b, row, size);
}

static void sift(uint8_t *rows, size_t root, size_t count, size_t size, uint64_t (*key)(const void *row))
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && key(rows + child * size) < key(rows + (child + 1) * size))
            child++;
        if (key(rows + root * size) >= key(rows + child * size))
            return;
        swap(rows + root * size, rows + child * size, size);
    }
}

void elf_sort(void *rows, size_t count, size_t size, uint64_t (*key)(const void *row))
{
    uint8_t *data = rows;
    bool sorted = true;
    for (size_t i = 1; i < count && sorted; i++)
        sorted = key(data + (i - 1) * size) <= key(data + i * size);
    if (sorted)
        return;
    for (size_t i = count / 2; i-- > 0;)
        sift(data, i, count, size, key);
    for (size_t end = count; end-- > 1;) {
        swap(data, data + end * size, size);
        sift(data, 0, end, size, key);
    }
}

static const char *short_string(struct bytes strings, uint64_t offset)
{
    if (offset >= strings.size)
        return NULL;
    size_t left = strings.size - (size_t)offset;
    const char *text = (const char *)strings.data + offset;
    return memchr(text, 0, left < ELF_NAME_MAX ? left : ELF_NAME_MAX) ? text : NULL;
}

static enum result read_header(struct reader *reader, uint64_t *offset, uint32_t *names)
{
    static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};
    struct bytes header, first;
    if (!bytes_slice(reader->bytes, 0, HEADER_SIZE, &header) || memcmp(header.data, magic, 4))
        return elf_bad(reader, "not an ELF object");
    if (header.data[4] != 2)
        return elf_bad(reader, "32-bit ELF object; BPF objects are 64-bit");
    if (header.data[5] == 2)
        return elf_bad(reader, "big-endian ELF object; compile for little-endian BPF (-target bpfel)");
    if (header.data[5] != 1 || header.data[6] != 1)
        return elf_bad(reader, "ELF header: unknown byte order or version");
    uint32_t machine = load_le16(header.data + 18);
    if (machine != EM_BPF && machine != EM_NONE)
        return elf_bad(reader, "ELF object for machine %u, not BPF (247)", machine);
    if (load_le16(header.data + 16) != ET_REL)
        return elf_bad(reader, "ELF header: not a relocatable object");
    *offset = load_le64(header.data + 40);
    uint32_t entry = load_le16(header.data + 58);
    reader->section_count = load_le16(header.data + 60);
    *names = load_le16(header.data + 62);
    if (entry != SECTION_SIZE || !bytes_slice(reader->bytes, *offset, SECTION_SIZE, &first))
        return elf_bad(reader, "ELF header: section headers at 0x%llx lie outside the file (%zu bytes)",
                       (unsigned long long)*offset, reader->bytes.size);
    /* More than 65,279 sections: the numbers stand in the first section header. */
    if (reader->section_count == 0) {
        uint64_t count = load_le64(first.data + 32);
        reader->section_count = count > SECTIONS_MAX ? SECTIONS_MAX + 1 : (uint32_t)count;
    }
    if (*names == SHN_XINDEX)
        *names = load_le32(first.data + 40);
    if (reader->section_count > SECTIONS_MAX)
        return elf_bad(reader, "ELF header: more than %u sections", (unsigned)SECTIONS_MAX);
    if (*names >= reader->section_count)
        return elf_bad(reader, "ELF header: section name table %u does not exist", *names);
    return RESULT_OK;
}

enum result elf_read_file(struct reader *reader)
{
    uint64_t offset = 0;
    uint32_t names_index = 0;
    struct bytes headers, names;
    enum result result = read_header(reader, &offset, &names_index);
    if (result)
        return result;
    if (!bytes_slice(reader->bytes, offset, (uint64_t)reader->section_count * SECTION_SIZE, &headers))
        return elf_bad(reader, "ELF header: %u section headers at 0x%llx lie outside the file (%zu bytes)",
                       reader->section_count, (unsigned long long)offset, reader->bytes.size);
    reader->sections = arena_array(reader->arena, reader->section_count, sizeof *reader->sections);
    if (!reader->sections)
        return RESULT_NO_MEMORY;
    const uint8_t *row = headers.data + (size_t)names_index * SECTION_SIZE;
    if (!bytes_slice(reader->bytes, load_le64(row + 24), load_le64(row + 32), &names))
        return elf_bad(reader, "section %u (section names): lies outside the file", names_index);
    for (uint32_t i = 0; i < reader->section_count; i++) {
        struct section *section = &reader->sections[i];
        row = headers.data + (size_t)i * SECTION_SIZE;
        section->type = load_le32(row + 4);
        section->flags = load_le64(row + 8);
        section->offset = load_le64(row + 24);
        section->size = load_le64(row + 32);
        section->link = load_le32(row + 40);
        section->info = load_le32(row + 44);
        section->entry_size = load_le64(row + 56);
        section->map = IMAGE_NO_INDEX;
        section->name = i ? short_string(names, load_le32(row)) : "";
        if (!section->name)
            return elf_bad(reader, "section %u: name out of range", i);
        if (i && section->type && section->type != SHT_NOBITS &&
            !bytes_slice(reader->bytes, section->offset, section->size, &section->data))
            return elf_bad(reader, "section %u (%s): 0x%llx bytes at 0x%llx lie outside the file (%zu bytes)", i,
                           section->name, (unsigned long long)section->size, (unsigned long long)section->offset,
                           reader->bytes.size);
    }
    return RESULT_OK;
}

bool elf_symbol(const struct reader *reader, uint32_t index, struct symbol *out)
{
    if (index >= reader->symbol_count)
        return false;
    const uint8_t *row = reader->symbols.data + (size_t)index * SYMBOL_SIZE;
    out->name = short_string(reader->names, load_le32(row));
    out->bind = row[4] >> 4;
    out->type = row[4] & 15;
    out->visibility = row[5] & 3;
    out->section = load_le16(row + 6);
    out->value = load_le64(row + 8);
    out->size = load_le64(row + 16);
    out->reserved = out->section >= SHN_LORESERVE;
    if (out->section == SHN_XINDEX && (size_t)index * 4 + 4 <= reader->extended.size) {
        out->section = load_le32(reader->extended.data + (size_t)index * 4);
        out->reserved = false;
    }
    return out->name && (out->reserved || out->section < reader->section_count);
}

static uint32_t hash_name(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619u;
    return hash ^ hash >> 15;
}

uint32_t elf_find_symbol(const struct reader *reader, const char *name)
{
    struct symbol symbol;
    if (!reader->name_buckets || !memchr(name, 0, ELF_NAME_MAX))
        return 0;
    uint32_t entry = reader->name_buckets[hash_name(name) & reader->name_mask];
    for (; entry; entry = reader->name_next[entry - 1])
        if (elf_symbol(reader, entry - 1, &symbol) && !strcmp(symbol.name, name))
            return entry - 1;
    return 0;
}

static enum result index_names(struct reader *reader)
{
    uint32_t buckets = 16, bad = 0;
    while (buckets < reader->symbol_count)
        buckets *= 2;
    reader->name_buckets = arena_array(reader->arena, buckets, sizeof *reader->name_buckets);
    reader->name_next = arena_array(reader->arena, reader->symbol_count, sizeof *reader->name_next);
    reader->name_mask = buckets - 1;
    if (!reader->name_buckets || !reader->name_next)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 1; i < reader->symbol_count; i++) {
        struct symbol symbol, other;
        if (!elf_symbol(reader, i, &symbol)) {
            /* Fatal for what refers to it alone. */
            if (!bad++)
                diag_warning(reader->diag, "symbol %u: name or section out of range, ignored", i);
            continue;
        }
        if (!*symbol.name || (symbol.bind == STB_LOCAL && symbol.type != STT_OBJECT && symbol.type != STT_FUNC))
            continue;
        uint32_t *end = &reader->name_buckets[hash_name(symbol.name) & reader->name_mask], length = 0;
        bool known = false;
        while (*end && !known && length++ < CHAIN_MAX) {
            known = elf_symbol(reader, *end - 1, &other) && !strcmp(other.name, symbol.name);
            if (!known)
                end = &reader->name_next[*end - 1];
        }
        if (!*end)
            *end = i + 1;
    }
    return RESULT_OK;
}

enum result elf_read_symbols(struct reader *reader)
{
    for (uint32_t i = 1; i < reader->section_count; i++) {
        const struct section *section = &reader->sections[i];
        if (section->type == SHT_SYMTAB_SHNDX)
            reader->extended = section->data;
        if (section->type != SHT_SYMTAB)
            continue;
        if (reader->symtab)
            return elf_bad(reader, "section %u (%s): a second symbol table", i, section->name);
        if (section->size % SYMBOL_SIZE || section->size / SYMBOL_SIZE > UINT32_MAX / 2)
            return elf_bad(reader, "section %u (%s): size is not a multiple of a symbol's", i, section->name);
        if (section->link >= reader->section_count)
            return elf_bad(reader, "section %u (%s): string table %u does not exist", i, section->name, section->link);
        reader->symtab = i;
        reader->symbols = section->data;
        reader->symbol_count = (uint32_t)(section->size / SYMBOL_SIZE);
        reader->names = reader->sections[section->link].data;
    }
    for (uint32_t i = reader->section_count; i-- > 1;) {
        struct section *section = &reader->sections[i];
        if ((section->type != SHT_REL && section->type != SHT_RELA) || section->info == 0 ||
            section->info >= reader->section_count)
            continue;
        section->next = reader->sections[section->info].relocations;
        reader->sections[section->info].relocations = i;
    }
    return index_names(reader);
}

static uint64_t relocation_key(const void *row)
{
    return ((const struct relocation *)row)->offset;
}

enum result elf_relocations(struct reader *reader, uint32_t section, struct relocation **out, uint32_t *count)
{
    uint64_t total = 0;
    for (uint32_t i = reader->sections[section].relocations; i; i = reader->sections[i].next) {
        const struct section *table = &reader->sections[i];
        uint64_t size = table->type == SHT_RELA ? RELA_SIZE : REL_SIZE;
        if (table->data.size % size || table->entry_size != size)
            return elf_bad(reader, "section %u (%s): size is not a multiple of a relocation's", i, table->name);
        if (table->link != reader->symtab || !reader->symtab)
            return elf_bad(reader, "section %u (%s): no symbol table", i, table->name);
        total += table->data.size / size;
    }
    struct relocation *rows = arena_array(reader->arena, total > UINT32_MAX ? SIZE_MAX : (size_t)total, sizeof *rows);
    if (!rows)
        return RESULT_NO_MEMORY;
    *out = rows;
    *count = 0;
    for (uint32_t i = reader->sections[section].relocations; i; i = reader->sections[i].next) {
        const struct section *table = &reader->sections[i];
        size_t size = table->type == SHT_RELA ? RELA_SIZE : REL_SIZE;
        for (size_t at = 0; at < table->data.size; at += size) {
            const uint8_t *row = table->data.data + at;
            /* Early LLVM wrote type 0 for all, and meant the symbol. */
            if (load_le32(row + 8) == R_BPF_NONE &&
                (!load_le32(row + 12) || reader->sections[section].role != ROLE_CODE))
                continue;
            rows->offset = load_le64(row);
            rows->type = load_le32(row + 8);
            rows->symbol = load_le32(row + 12);
            rows->has_addend = size == RELA_SIZE;
            rows->addend = rows->has_addend ? (int64_t)load_le64(row + 16) : 0;
            if (rows->offset >= reader->sections[section].size)
                return elf_bad(reader, "section %u (%s): relocation at 0x%llx lies outside section '%s'", i,
                               table->name, (unsigned long long)rows->offset, reader->sections[section].name);
            if (rows->symbol >= reader->symbol_count)
                return elf_bad(reader, "section %u (%s): relocation at 0x%llx: symbol %u does not exist", i,
                               table->name, (unsigned long long)rows->offset, rows->symbol);
            rows++;
            ++*count;
        }
    }
    elf_sort(*out, *count, sizeof **out, relocation_key);
    return RESULT_OK;
}

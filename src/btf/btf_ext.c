/* SPDX-License-Identifier: MIT
 *
 * .BTF.ext: three tables (functions, source lines, CO-RE records), each a list of blocks, a block for each ELF section.
 * A record may be longer than we know (its size stands before the blocks); its known beginning is unpacked once and
 * checked against the BTF.  Blocks are found through a hash of their section's name; a section listed twice is refused.
 * Records out of offset order are sorted (merge sort: stable, n log n whatever the input).
 */
#include "btf/btf_impl.h"

enum { EXT_FUNC, EXT_LINE, EXT_CORE, EXT_TABLES, EXT_HEADER = 24, EXT_HEADER_CORE = 32, EXT_RECORD_MAX = 1024 };

/* Together they keep the search for doubles cheap on hostile input. */
enum { EXT_BLOCKS = 4096, EXT_SECTION_NAME = 255 };

/* Unpacked: u32 words a record, the first being the instruction offset. */
static const uint32_t words_of[EXT_TABLES] = {2, 5, 4};
static const uint32_t stored_size[EXT_TABLES] = {8, 16, 16};
static const char *const table_name[EXT_TABLES] = {"function", "line", "CO-RE"};

struct ext_block {
    const char *section;
    uint32_t count;
    uint32_t *records;
    struct ext_block *next; /* same bucket */
};

struct ext_table {
    struct ext_block **buckets;
    uint32_t mask;
};

struct btf_ext {
    struct ext_table tables[EXT_TABLES];
};

/* The tables hand out their words as these structs. */
_Static_assert(sizeof(struct btf_func_record) == 8 && sizeof(struct btf_line_record) == 20 &&
                   sizeof(struct btf_core_record) == 16,
               "records are rows of u32");

static uint32_t hash_section(const char *name)
{
    uint32_t hash = 2166136261u;
    for (unsigned i = 0; name[i] && i < 256; i++)
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static struct ext_block *find_block(const struct ext_table *table, const char *section)
{
    if (!table->buckets)
        return NULL;
    struct ext_block *block = table->buckets[hash_section(section) & table->mask];
    while (block && strcmp(block->section, section))
        block = block->next;
    return block;
}

static bool sorted(const uint32_t *records, uint32_t count, uint32_t words)
{
    for (uint32_t i = 1; i < count; i++)
        if (records[i * (size_t)words] < records[(i - 1) * (size_t)words])
            return false;
    return true;
}

static void sort(uint32_t *records, uint32_t *scratch, uint32_t count, uint32_t words)
{
    size_t size = words * sizeof *records;
    for (uint64_t run = 1; run < count; run *= 2) {
        for (uint64_t start = 0; start < count; start += 2 * run) {
            uint64_t middle = start + run < count ? start + run : count;
            uint64_t end = start + 2 * run < count ? start + 2 * run : count, a = start, b = middle;
            for (uint64_t to = start; to < end; to++) {
                bool first = a < middle && (b >= end || records[a * words] <= records[b * words]);
                memcpy(&scratch[to * words], &records[(first ? a++ : b++) * words], size);
            }
        }
        memcpy(records, scratch, count * size);
    }
}

/* Unpacks one record; NULL, or what is wrong with it. */
static const char *unpack(const uint8_t *data, unsigned kind, const struct btf *btf, uint32_t *words)
{
    words[0] = load_le32(data);
    words[1] = load_le32(data + 4);
    if (words[0] % 8)
        return "instruction offset is not a multiple of 8";
    if (kind == EXT_FUNC) {
        if (words[1] == 0 || words[1] >= btf_type_count(btf) || btf_type(btf, words[1]).kind != BTF_KIND_FUNC)
            return "type is no function";
        return NULL;
    }
    words[2] = load_le32(data + 8);
    words[3] = load_le32(data + 12);
    if (kind == EXT_LINE) {
        if (!btf_string(btf, words[1]) || !btf_string(btf, words[2]))
            return "string out of range";
        words[4] = words[3] & 0x3ff;
        words[3] >>= 10;
        return NULL;
    }
    if (words[1] >= btf_type_count(btf))
        return "refers to a type that does not exist";
    if (!btf_string(btf, words[2]))
        return "access string out of range";
    if (words[3] >= BTF_CORE_KINDS)
        return "unknown relocation kind";
    return NULL;
}

static enum result read_table(struct bytes bytes, unsigned kind, const struct btf *btf, struct arena *arena,
                              const struct diag *diag, struct ext_table *table)
{
    const char *what = table_name[kind];
    uint32_t words = words_of[kind], blocks = 0;
    if (bytes.size == 0)
        return RESULT_OK;
    if (bytes.size < 4) {
        diag_error(diag, "BTF.ext: %s table: cut short", what);
        return RESULT_INVALID;
    }
    uint32_t size = load_le32(bytes.data);
    if (size < stored_size[kind] || size % 4 || size > EXT_RECORD_MAX) {
        diag_error(diag, "BTF.ext: %s table: record size %u", what, size);
        return RESULT_INVALID;
    }
    for (int pass = 0; pass < 2; pass++) {
        size_t at = 4;
        if (pass == 1) {
            uint32_t buckets = 4;
            while (buckets < blocks)
                buckets *= 2;
            table->buckets = arena_array(arena, buckets, sizeof *table->buckets);
            table->mask = buckets - 1;
            if (!table->buckets)
                return RESULT_NO_MEMORY;
        }
        while (at < bytes.size) {
            struct bytes rows;
            if (bytes.size - at < 8) {
                diag_error(diag, "BTF.ext: %s table: cut short", what);
                return RESULT_INVALID;
            }
            const char *section = btf_string(btf, load_le32(bytes.data + at));
            uint32_t count = load_le32(bytes.data + at + 4);
            at += 8;
            if (!section || count == 0 || !bytes_slice(bytes, at, (uint64_t)count * size, &rows)) {
                diag_error(diag, "BTF.ext: %s table: block of %u records out of range", what, count);
                return RESULT_INVALID;
            }
            at += rows.size;
            if (pass == 0 && (++blocks > EXT_BLOCKS || !memchr(section, 0, EXT_SECTION_NAME + 1))) {
                diag_error(diag, "BTF.ext: %s table: too many sections or too long a section name", what);
                return RESULT_INVALID;
            }
            if (pass == 0)
                continue;
            if (find_block(table, section)) {
                diag_error(diag, "BTF.ext: %s table: section '%.64s' is listed twice", what, section);
                return RESULT_INVALID;
            }
            struct ext_block *block = arena_alloc(arena, sizeof *block);
            uint32_t *records = arena_array(arena, count, words * sizeof *records);
            if (!block || !records)
                return RESULT_NO_MEMORY;
            for (uint32_t i = 0; i < count; i++) {
                const char *reason = unpack(rows.data + (size_t)i * size, kind, btf, records + (size_t)i * words);
                if (reason) {
                    diag_error(diag, "BTF.ext: %s table: section '%.64s': record %u: %s", what, section, i, reason);
                    return RESULT_INVALID;
                }
            }
            if (!sorted(records, count, words)) {
                uint32_t *scratch = arena_array(arena, count, words * sizeof *scratch);
                if (!scratch)
                    return RESULT_NO_MEMORY;
                sort(records, scratch, count, words);
            }
            *block = (struct ext_block){section, count, records, NULL};
            struct ext_block **bucket = &table->buckets[hash_section(section) & table->mask];
            block->next = *bucket;
            *bucket = block;
        }
    }
    return RESULT_OK;
}

enum result btf_ext_open(struct bytes bytes, const struct btf *btf, struct arena *arena, const struct diag *diag,
                         struct btf_ext **out)
{
    struct bytes body, part;
    if (bytes.size < EXT_HEADER || load_le16(bytes.data) != 0xeb9f || bytes.data[2] != 1 || bytes.data[3] != 0) {
        diag_error(diag, "BTF.ext: wrong magic number or version");
        return RESULT_INVALID;
    }
    uint32_t header = load_le32(bytes.data + 4);
    if (header < EXT_HEADER || header > bytes.size || !bytes_slice(bytes, header, bytes.size - header, &body)) {
        diag_error(diag, "BTF.ext: header length out of range");
        return RESULT_INVALID;
    }
    struct btf_ext *ext = arena_alloc(arena, sizeof *ext);
    if (!ext)
        return RESULT_NO_MEMORY;
    unsigned tables = header >= EXT_HEADER_CORE ? EXT_TABLES : EXT_CORE;
    for (unsigned kind = 0; kind < tables; kind++) {
        if (!bytes_slice(body, load_le32(bytes.data + 8 + 8 * kind), load_le32(bytes.data + 12 + 8 * kind), &part)) {
            diag_error(diag, "BTF.ext: %s table: out of range", table_name[kind]);
            return RESULT_INVALID;
        }
        enum result result = read_table(part, kind, btf, arena, diag, &ext->tables[kind]);
        if (result)
            return result;
    }
    *out = ext;
    return RESULT_OK;
}

static const void *records_of(const struct btf_ext *ext, unsigned kind, const char *section, uint32_t *count)
{
    struct ext_block *block = find_block(&ext->tables[kind], section);
    *count = block ? block->count : 0;
    return block ? block->records : NULL;
}

void btf_ext_funcs(const struct btf_ext *ext, const char *section, const struct btf_func_record **records,
                   uint32_t *count)
{
    *records = records_of(ext, EXT_FUNC, section, count);
}

void btf_ext_lines(const struct btf_ext *ext, const char *section, const struct btf_line_record **records,
                   uint32_t *count)
{
    *records = records_of(ext, EXT_LINE, section, count);
}

void btf_ext_cores(const struct btf_ext *ext, const char *section, const struct btf_core_record **records,
                   uint32_t *count)
{
    *records = records_of(ext, EXT_CORE, section, count);
}

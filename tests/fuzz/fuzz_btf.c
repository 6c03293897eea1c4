/* SPDX-License-Identifier: MIT
 *
 * BTF and .BTF.ext from anywhere.  Input: u32 size of the BTF, the BTF, the .BTF.ext (or nothing).  What btf_open
 * accepts is walked through every accessor, and every CO-RE record is resolved against the BTF itself.
 */
#include <stdlib.h>
#include <string.h>
#include "base/arena.h"
#include "btf/btf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *take(void *self, size_t size)
{
    (void)self;
    return aligned_alloc(16, (size + 15) & ~(size_t)15);
}

static void give(void *self, void *memory, size_t size)
{
    (void)self;
    (void)size;
    free(memory);
}

static volatile uint64_t sink;

static void walk(const struct btf *btf)
{
    for (uint32_t id = 0; id < btf_type_count(btf); id++) {
        struct btf_type_view type = btf_type(btf, id);
        uint32_t bytes = 0;
        int64_t value;
        sink += strlen(type.name) + (uint64_t)btf_sizeof(btf, id, &bytes) + btf_skip_modifiers(btf, id) +
                btf_is_signed(btf, id) + btf_essential_length(type.name);
        for (uint32_t i = 0; i < type.vlen; i++) {
            if (type.kind == BTF_KIND_STRUCT || type.kind == BTF_KIND_UNION)
                sink += strlen(btf_member(btf, id, i).name);
            else if (type.kind == BTF_KIND_DATASEC)
                sink += btf_type(btf, btf_datasec_var(btf, id, i).type).vlen;
            else if (type.kind == BTF_KIND_ENUM || type.kind == BTF_KIND_ENUM64)
                sink += strlen(btf_enumerator(btf, id, i, &value));
        }
        if (type.kind == BTF_KIND_ARRAY)
            sink += btf_array_type(btf, id).count;
        if (id && id < 64 && *type.name && !btf_find(btf, type.kind, type.name))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct allocator allocator = {take, give, NULL};
    struct arena arena;
    struct bytes all = {data, size}, bytes, rest;
    struct btf *btf;
    struct btf_ext *ext;
    if (size < 4)
        return 0;
    uint32_t length = load_le32(data);
    if (!bytes_slice(all, 4, length, &bytes)) {
        length = (uint32_t)size - 4;
        bytes_slice(all, 4, length, &bytes);
    }
    bytes_slice(all, 4 + (size_t)length, size - 4 - length, &rest);
    arena_init(&arena, &allocator, 64 << 20);
    if (btf_open(bytes, &arena, NULL, &btf) == RESULT_OK) {
        walk(btf);
        if (btf_ext_open(rest, btf, &arena, NULL, &ext) == RESULT_OK) {
            const struct btf_core_record *cores;
            const struct btf_line_record *lines;
            const struct btf_func_record *funcs;
            uint32_t count;
            const char *section = "xdp";
            btf_ext_funcs(ext, section, &funcs, &count);
            for (uint32_t i = 0; i < count; i++)
                sink += btf_type(btf, funcs[i].type).vlen;
            btf_ext_lines(ext, section, &lines, &count);
            for (uint32_t i = 0; i < count; i++)
                sink += strlen(btf_string(btf, lines[i].text));
            btf_ext_cores(ext, section, &cores, &count);
            for (uint32_t i = 0; i < count && i < 256; i++) {
                struct btf_core_result result;
                sink += (uint64_t)btf_core_resolve(btf, &cores[i], btf, &arena, NULL, &result);
                sink += (uint64_t)btf_core_resolve(btf, &cores[i], NULL, &arena, NULL, &result);
            }
        }
    }
    arena_release(&arena);
    return 0;
}

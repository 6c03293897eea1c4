/* SPDX-License-Identifier: MIT
 *
 * Raw programs: bytecode with a block of memory and nothing else, as the conformance suite runs it (r1 = memory,
 * r2 = its length).  Used by the suite's plug-in and by the tests here.  A raw program may call the suite's helpers,
 *   0 gather_bytes(a, b, c, d, e)   five bytes packed into one number
 *   1 memfrob(memory, length)       every byte xor 42
 *   2 trash_registers()             does nothing: the caller-saved registers are the engine's to trash
 *   3 sqrti(n)                      the square root, rounded down
 *   4 strcmp_ext(a, b)
 *   5 unwind(n)                     returns n, and ends the whole program when that is 0
 * and two of ours:
 *   100 map_lookup_elem(map, key)   an array's value, or NULL
 *   101 tail_call(context, map, index)
 * Maps are named by number: lddw map_fd N and map_index N both mean the N-th map that the test gives.
 */
#ifndef WINBPF_TESTS_RAW_H
#define WINBPF_TESTS_RAW_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/arena.h"
#include "engine/engine.h"
#include "image/image.h"
#include "isa/isa.h"
#include "platform/os.h"

/* Memory for a run, aligned to 64 bytes; who has no C library brings his own. */
#ifndef RAW_ALLOC
#ifdef _WIN32
#include <malloc.h>
#define RAW_ALLOC(size)  _aligned_malloc(size, 64)
#define RAW_FREE(memory) _aligned_free(memory)
#else
#define RAW_ALLOC(size)  aligned_alloc(64, size)
#define RAW_FREE(memory) free(memory)
#endif
#endif

enum { RAW_MAPS = 4, RAW_TAILS = 4, RAW_KIND_ARRAY = 2, RAW_KIND_PROG_ARRAY = 3 };

static uint64_t raw_gather_bytes(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    (void)context;
    return (a & 255) << 32 | (b & 255) << 24 | (c & 255) << 16 | (d & 255) << 8 | (e & 255);
}

static uint64_t raw_memfrob(uint64_t memory, uint64_t length, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    (void)c, (void)d, (void)e, (void)context;
    for (uint64_t i = 0; i < length; i++)
        ((uint8_t *)(uintptr_t)memory)[i] ^= 42;
    return 0;
}

static uint64_t raw_trash_registers(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)context;
    return 0;
}

static uint64_t raw_sqrti(uint64_t n, uint64_t b, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    uint64_t root = 0;

    (void)b, (void)c, (void)d, (void)e, (void)context;
    for (uint64_t bit = (uint64_t)1 << 31; bit; bit >>= 1)
        if ((root | bit) * (root | bit) <= n)
            root |= bit;
    return root;
}

static uint64_t raw_strcmp_ext(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    (void)c, (void)d, (void)e, (void)context;
    return (uint64_t)(int64_t)strcmp((const char *)(uintptr_t)a, (const char *)(uintptr_t)b);
}

static uint64_t raw_unwind(uint64_t n, uint64_t b, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    (void)b, (void)c, (void)d, (void)e, (void)context;
    return n;
}

static uint64_t raw_map_lookup(uint64_t handle, uint64_t key, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    const struct engine_map *map = (const struct engine_map *)(uintptr_t)handle;
    uint32_t index;

    (void)c, (void)d, (void)e, (void)context;
    memcpy(&index, (const void *)(uintptr_t)key, sizeof(index));
    return map->values && index < map->max_entries ? (uint64_t)(uintptr_t)(map->values + index * (uint64_t)map->stride)
                                                   : 0;
}

#define RAW_PROTO(row_name, number, returns, bits, ...)                                                                \
    {                                                                                                                  \
        .name = row_name, .id = {number, number}, .ret = returns, .args = {__VA_ARGS__}, .flags = bits, .max_irql = 2  \
    }

static const struct helper_proto raw_protos[] = {
    RAW_PROTO("gather_bytes", 0, RET_INTEGER, 0, ARG_ANYTHING, ARG_ANYTHING, ARG_ANYTHING, ARG_ANYTHING, ARG_ANYTHING),
    RAW_PROTO("memfrob", 1, RET_INTEGER, 0, ARG_MEM_UNINIT, ARG_SIZE_OR_ZERO),
    RAW_PROTO("trash_registers", 2, RET_INTEGER, 0, ARG_NONE),
    RAW_PROTO("sqrti", 3, RET_INTEGER, 0, ARG_ANYTHING),
    RAW_PROTO("strcmp_ext", 4, RET_INTEGER, 0, ARG_ANYTHING, ARG_ANYTHING),
    RAW_PROTO("unwind", 5, RET_INTEGER, HELPER_UNWIND, ARG_ANYTHING),
    RAW_PROTO("map_lookup_elem", 100, RET_MAP_VALUE_OR_NULL, 0, ARG_CONST_MAP, ARG_MAP_KEY),
    RAW_PROTO("tail_call", 101, RET_NEVER, HELPER_TAIL_CALL, ARG_CONTEXT, ARG_CONST_MAP, ARG_ANYTHING),
};

static const helper_fn raw_functions[] = {raw_gather_bytes, raw_memfrob, raw_trash_registers, raw_sqrti,
                                          raw_strcmp_ext,   raw_unwind,  raw_map_lookup,      NULL};

/* A map that a test gives to its programs. */
struct raw_map {
    uint32_t kind, key_size, value_size, max_entries, flags;
    uint8_t *values; /* max_entries × value_size bytes, for an array */
};

struct raw_maps {
    struct engine_map map[RAW_MAPS];
    struct map_spec spec[RAW_MAPS];
    struct engine_tail tail[RAW_TAILS];
    struct engine_tail *slots[RAW_TAILS]; /* the prog array's */
    uint32_t count;
};

struct raw {
    struct arena arena;
    struct image image;
    struct binding binding;
    struct code *code;
};

/* Adds the suite's helpers that the program does not call by name. */
static inline enum result raw_add_helpers(struct raw *raw)
{
    enum { SUITE = 5 }; /* but unwind */
    struct image_helper *all = arena_array(&raw->arena, raw->image.helper_count + SUITE, sizeof(*all));

    if (!all)
        return RESULT_NO_MEMORY;
    if (raw->image.helper_count)
        memcpy(all, raw->image.helpers, raw->image.helper_count * sizeof(*all));
    raw->image.helpers = all;
    for (int32_t id = 0; id < SUITE; id++) {
        bool there = false;

        for (uint32_t i = 0; i < raw->image.helper_count; i++)
            there |= all[i].id == id;
        if (!there)
            all[raw->image.helper_count++].id = id;
    }
    return RESULT_OK;
}

static inline void raw_maps_make(struct raw_maps *maps, const struct raw_map *given, uint32_t count)
{
    memset(maps, 0, sizeof(*maps));
    maps->count = count;
    for (uint32_t i = 0; i < count; i++) {
        bool array = given[i].kind == RAW_KIND_ARRAY;

        maps->map[i] = (struct engine_map){
            .handle = &maps->map[i],
            .values = array ? given[i].values : NULL,
            .values_size = array ? (uint64_t)given[i].value_size * given[i].max_entries : 0,
            .kind = given[i].kind,
            .key_size = given[i].key_size,
            .value_size = given[i].value_size,
            .max_entries = given[i].max_entries,
            .stride = given[i].value_size,
            .flags = given[i].flags,
            .inner = IMAGE_NO_INDEX,
            .how = array ? ENGINE_INLINE_ARRAY : ENGINE_INLINE_NONE,
            .tails = given[i].kind == RAW_KIND_PROG_ARRAY ? maps->slots : NULL,
        };
        maps->spec[i] = (struct map_spec){.name = "map",
                                          .kind = given[i].kind,
                                          .key_size = given[i].key_size,
                                          .value_size = given[i].value_size,
                                          .max_entries = given[i].max_entries,
                                          .flags = given[i].flags,
                                          .inner = IMAGE_NO_INDEX};
    }
}

static inline uint32_t raw_map_index(void *self, int32_t handle)
{
    const struct raw_maps *maps = self;

    return handle >= 0 && maps && (uint32_t)handle < maps->count ? (uint32_t)handle : IMAGE_NO_INDEX;
}

/* Resolves what a loader resolves, checks, binds and compiles a program.  RESULT_OK, then raw_close; any other result
 * leaves nothing behind.  `maps` may be NULL. */
static inline enum result raw_open(struct raw *raw, const struct engine *engine, const struct insn *insns, size_t count,
                                   struct raw_maps *maps, const struct diag *diag)
{
    enum { HELPERS = sizeof(raw_protos) / sizeof(raw_protos[0]) };
    enum result result = RESULT_INVALID;
    struct engine_helper *helpers;
    struct isa_fault fault;
    struct insn *copy;

    memset(raw, 0, sizeof(*raw));
    arena_init(&raw->arena, &os_allocator, (size_t)1 << 28);
    copy = arena_array(&raw->arena, count, sizeof(*copy));
    if (!copy)
        return RESULT_NO_MEMORY;
    memcpy(copy, insns, count * sizeof(*copy));
    if (!isa_validate(copy, count, ISA_ALLOW_FD_LDDW | ISA_ALLOW_INDEX_LDDW, &fault)) {
        diag_error(diag, "instruction %u: %s", fault.insn, fault.reason);
        goto fail;
    }
    for (size_t i = 0; i < count; i++) {
        unsigned src = insn_src(&copy[i]);

        if (!insn_is_lddw(&copy[i]))
            continue;
        /* Indices are handles here, and a variable's "address" is its number. */
        if (src == LDDW_SRC_MAP_INDEX || src == LDDW_SRC_MAP_INDEX_VALUE)
            copy[i].regs = (uint8_t)(insn_dst(&copy[i]) | (src - LDDW_SRC_MAP_INDEX + LDDW_SRC_MAP_FD) << 4);
        else if (src == LDDW_SRC_VARIABLE)
            copy[i].regs = (uint8_t)insn_dst(&copy[i]);
        i++;
    }
    result = image_from_insns(copy, (uint32_t)count, &raw->arena, diag, raw_map_index, maps, &raw->image);
    if (result == RESULT_OK)
        result = image_find_funcs(&raw->arena, &raw->image);
    if (result != RESULT_OK)
        goto fail;
    for (size_t i = 0; i < count; i++)
        if (copy[i].code == 0x8d) { /* callx: which helper is in a register, so each must be at hand */
            result = raw_add_helpers(raw);
            if (result != RESULT_OK)
                goto fail;
            break;
        }
    raw->image.name = raw->image.section = raw->image.license = "";
    raw->image.maps = maps ? maps->spec : NULL;
    raw->image.map_count = maps ? maps->count : 0;
    helpers = arena_array(&raw->arena, raw->image.helper_count, sizeof(*helpers));
    if (!helpers) {
        result = RESULT_NO_MEMORY;
        goto fail;
    }
    for (uint32_t i = 0; i < raw->image.helper_count; i++) {
        unsigned row = 0;

        while (row < HELPERS && raw_protos[row].id[0] != raw->image.helpers[i].id)
            row++;
        if (row == HELPERS) {
            diag_error(diag, "no helper %d", raw->image.helpers[i].id);
            result = RESULT_INVALID;
            goto fail;
        }
        helpers[i].fn = raw_functions[row];
        helpers[i].proto = &raw_protos[row];
    }
    raw->binding.image = &raw->image;
    raw->binding.maps = maps ? maps->map : NULL;
    raw->binding.helpers = helpers;
    result = engine->compile(&raw->binding, &os_allocator, &os_executable, diag, &raw->code);
    if (result == RESULT_OK)
        return RESULT_OK;
fail:
    arena_release(&raw->arena);
    return result;
}

static inline void raw_close(struct raw *raw)
{
    raw->code->engine->destroy(raw->code);
    arena_release(&raw->arena);
}

/* Runs it over `length` bytes of memory, which it may change, and follows tail calls.  RESULT_OK with *r0, or
 * RESULT_FAULT with *fault. */
static inline enum result raw_run(const struct raw *raw, uint8_t *memory, size_t length, uint64_t *r0,
                                  struct code_fault *fault)
{
    struct context_header *header = RAW_ALLOC((sizeof(*header) + length + 63 + 64) / 64 * 64);
    const struct code *code = raw->code;
    enum result result;
    struct run run = {.raw_length = length, .budget = (uint64_t)1 << 30, .fault = fault};

    run.scratch_size = code->engine->scratch_size;
    if (run.scratch_size)
        run.scratch = RAW_ALLOC((run.scratch_size + 63) / 64 * 64);
    if (!header || (run.scratch_size && !run.scratch)) {
        RAW_FREE(run.scratch);
        RAW_FREE(header);
        return RESULT_NO_MEMORY;
    }
    memset(header, 0, sizeof(*header));
    run.context = header + 1;
    if (length)
        memcpy(run.context, memory, length);
    for (;;) {
        const struct engine_tail *tail;

        result = code->engine->run(code, &run);
        tail = header->tail_target;
        if (result != RESULT_OK || !tail)
            break;
        header->tail_target = NULL;
        code = tail->code;
    }
    if (length)
        memcpy(memory, run.context, length);
    *r0 = run.r0;
    RAW_FREE(run.scratch);
    RAW_FREE(header);
    return result;
}

#endif

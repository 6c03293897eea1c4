/* SPDX-License-Identifier: MIT
 *
 * Programs as text for engine tests: assembled, bound to a few maps and helpers made here, and run.
 */
#ifndef WINBPF_TESTS_ENGINE_PROGRAM_H
#define WINBPF_TESTS_ENGINE_PROGRAM_H

#include "check.h"
#include "engine/engine.h"
#include "isa/isa.h"

/* ---- memory that is counted and can fail ---- */

static size_t memory_blocks, memory_fail_at, memory_asked;

static void *memory_alloc(void *self, size_t size)
{
    void *memory;
    (void)self;
    if (++memory_asked == memory_fail_at)
        return NULL;
    memory = aligned_alloc(16, (size + 15) & ~(size_t)15);
    if (memory) {
        memset(memory, 0xa5, size);
        memory_blocks++;
    }
    return memory;
}

static void memory_free(void *self, void *memory, size_t size)
{
    (void)self;
    memset(memory, 0x5a, size);
    free(memory);
    memory_blocks--;
}

static const struct allocator test_memory = {memory_alloc, memory_free, NULL};

/* ---- what programs are bound to ---- */

enum { MAP_ARRAY, MAP_RODATA, MAP_OUTER, MAP_TAILS, MAP_RING, MAPS };

static uint64_t array_values[4], rodata_values[2] = {0x1122334455667788, 42};
static struct engine_tail *tail_slots[4];
static char map_identity[MAPS];

static const struct engine_map test_maps[MAPS] = {
    [MAP_ARRAY] = {.handle = &map_identity[0],
                   .values = (uint8_t *)array_values,
                   .values_size = sizeof array_values,
                   .kind = 2,
                   .key_size = 4,
                   .value_size = 8,
                   .max_entries = 4,
                   .stride = 8,
                   .inner = IMAGE_NO_INDEX},
    [MAP_RODATA] = {.handle = &map_identity[1],
                    .values = (uint8_t *)rodata_values,
                    .values_size = sizeof rodata_values,
                    .kind = 2,
                    .key_size = 4,
                    .value_size = 16,
                    .max_entries = 1,
                    .stride = 16,
                    .flags = 1u << 7,
                    .inner = IMAGE_NO_INDEX},
    [MAP_OUTER] =
        {.handle = &map_identity[2], .kind = 12, .key_size = 4, .value_size = 4, .max_entries = 1, .inner = MAP_ARRAY},
    [MAP_TAILS] = {.handle = &map_identity[3],
                   .kind = 3,
                   .key_size = 4,
                   .value_size = 4,
                   .max_entries = 4,
                   .tails = tail_slots,
                   .inner = IMAGE_NO_INDEX},
    [MAP_RING] = {.handle = &map_identity[4], .kind = 27, .max_entries = 4096, .inner = IMAGE_NO_INDEX},
};

static unsigned records_reserved, records_submitted, records_discarded;
static uint64_t record_memory[8];
static void *helper_context;

static uint64_t fn_sum(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    helper_context = context;
    return a + 2 * b + 3 * c + 4 * d + 5 * e;
}

static uint64_t fn_lookup(uint64_t map, uint64_t key, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    uint32_t index;
    (void)c, (void)d, (void)e, (void)context;
    memcpy(&index, (void *)(uintptr_t)key, 4);
    for (unsigned i = 0; i < MAPS; i++) {
        if ((uint64_t)(uintptr_t)test_maps[i].handle != map || index >= test_maps[i].max_entries)
            continue;
        if (i == MAP_OUTER)
            return (uint64_t)(uintptr_t)test_maps[MAP_ARRAY].handle;
        return (uint64_t)(uintptr_t)(test_maps[i].values + index * test_maps[i].stride);
    }
    return 0;
}

static uint64_t fn_update(uint64_t map, uint64_t key, uint64_t value, uint64_t flags, uint64_t e, void *context)
{
    void *to = (void *)(uintptr_t)fn_lookup(map, key, 0, 0, 0, context);
    (void)flags, (void)e;
    if (!to)
        return (uint64_t)-7;
    memcpy(to, (void *)(uintptr_t)value, 8);
    return 0;
}

static uint64_t fn_reserve(uint64_t map, uint64_t size, uint64_t flags, uint64_t d, uint64_t e, void *context)
{
    (void)map, (void)flags, (void)d, (void)e, (void)context;
    if (size > 32)
        return 0;
    records_reserved++;
    return (uint64_t)(uintptr_t)&record_memory[records_reserved % 2 * 4];
}

static uint64_t fn_submit(uint64_t record, uint64_t b, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    (void)record, (void)b, (void)c, (void)d, (void)e, (void)context;
    records_submitted++;
    return 0;
}

static uint64_t fn_discard(uint64_t record, uint64_t b, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    (void)record, (void)b, (void)c, (void)d, (void)e, (void)context;
    records_discarded++;
    return 0;
}

static uint64_t fn_fill(uint64_t to, uint64_t size, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    (void)c, (void)d, (void)e, (void)context;
    if (size)
        memset((void *)(uintptr_t)to, 0x77, (size_t)(size > 4 ? 4 : size));
    return 0;
}

static uint64_t fn_bytes(uint64_t from, uint64_t size, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    const uint8_t *bytes = (const uint8_t *)(uintptr_t)from;
    uint64_t sum = 0;
    (void)c, (void)d, (void)e, (void)context;
    for (uint64_t i = 0; i < size; i++)
        sum += bytes[i];
    return sum;
}

static uint64_t fn_same(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    (void)b, (void)c, (void)d, (void)e, (void)context;
    return a;
}

/* A provider's context, and how programs of the two personalities see it: as Linux's xdp_md with u32 pointers, or as it
 * is. */
struct real_context {
    uint8_t *data, *data_end, *data_meta;
    uint64_t mark;
    uint32_t ifindex, secret;
    uint8_t *id_start, *id_end;
    uint16_t port;
};

static uint64_t fn_adjust(uint64_t ctx, uint64_t delta, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    struct real_context *real = context;
    (void)c, (void)d, (void)e;
    if ((void *)(uintptr_t)ctx != context || real->data + delta > real->data_end)
        return (uint64_t)-22;
    real->data += delta;
    return 0;
}

enum {
    HELPER_SUM = 1,
    HELPER_LOOKUP,
    HELPER_UPDATE,
    HELPER_RESERVE,
    HELPER_SUBMIT,
    HELPER_DISCARD,
    HELPER_FILL,
    HELPER_BYTES,
    HELPER_END_IF_ZERO,
    HELPER_TAIL,
    HELPER_ADJUST,
    HELPERS
};

/* clang-format off */
static const struct helper_proto test_protos[HELPERS] = {
    [HELPER_SUM] = {.name = "sum", .ret = RET_INTEGER,
                    .args = {ARG_SCALAR, ARG_SCALAR, ARG_SCALAR, ARG_SCALAR, ARG_SCALAR}},
    [HELPER_LOOKUP] = {.name = "lookup", .ret = RET_MAP_VALUE_OR_NULL, .args = {ARG_CONST_MAP, ARG_MAP_KEY},
                       .map_kinds = 1u << 2 | 1u << 12},
    [HELPER_UPDATE] = {.name = "update", .ret = RET_INTEGER,
                       .args = {ARG_CONST_MAP, ARG_MAP_KEY, ARG_MAP_VALUE, ARG_SCALAR}},
    [HELPER_RESERVE] = {.name = "ringbuf_reserve", .ret = RET_RECORD_OR_NULL,
                        .args = {ARG_CONST_MAP, ARG_CONST_SIZE_OR_ZERO, ARG_SCALAR}},
    [HELPER_SUBMIT] = {.name = "ringbuf_submit", .ret = RET_VOID, .args = {ARG_RECORD, ARG_SCALAR}},
    [HELPER_DISCARD] = {.name = "ringbuf_discard", .ret = RET_VOID, .args = {ARG_RECORD, ARG_SCALAR}},
    [HELPER_FILL] = {.name = "fill", .ret = RET_INTEGER, .args = {ARG_MEM_UNINIT, ARG_SIZE}},
    [HELPER_BYTES] = {.name = "bytes", .ret = RET_INTEGER, .args = {ARG_MEM_OR_NULL, ARG_SIZE_OR_ZERO}},
    [HELPER_END_IF_ZERO] = {.name = "same", .ret = RET_INTEGER, .args = {ARG_ANYTHING}, .flags = HELPER_UNWIND},
    [HELPER_TAIL] = {.name = "tail_call", .ret = RET_NEVER, .args = {ARG_CONTEXT, ARG_CONST_MAP, ARG_ANYTHING},
                     .flags = HELPER_TAIL_CALL, .map_kinds = 1u << 3},
    [HELPER_ADJUST] = {.name = "adjust", .ret = RET_INTEGER, .args = {ARG_CONTEXT, ARG_SCALAR},
                       .flags = HELPER_CHANGES_PACKET},
};
static const struct engine_helper test_helpers[HELPERS] = {
    [HELPER_SUM] = {fn_sum, &test_protos[HELPER_SUM]},
    [HELPER_LOOKUP] = {fn_lookup, &test_protos[HELPER_LOOKUP]},
    [HELPER_UPDATE] = {fn_update, &test_protos[HELPER_UPDATE]},
    [HELPER_RESERVE] = {fn_reserve, &test_protos[HELPER_RESERVE]},
    [HELPER_SUBMIT] = {fn_submit, &test_protos[HELPER_SUBMIT]},
    [HELPER_DISCARD] = {fn_discard, &test_protos[HELPER_DISCARD]},
    [HELPER_FILL] = {fn_fill, &test_protos[HELPER_FILL]},
    [HELPER_BYTES] = {fn_bytes, &test_protos[HELPER_BYTES]},
    [HELPER_END_IF_ZERO] = {fn_same, &test_protos[HELPER_END_IF_ZERO]},
    [HELPER_TAIL] = {NULL, &test_protos[HELPER_TAIL]},
    [HELPER_ADJUST] = {fn_adjust, &test_protos[HELPER_ADJUST]},
};

#define REAL(member) offsetof(struct real_context, member), sizeof(((struct real_context *)0)->member)
static const struct context_field linux_fields[] = {
    {"data", FIELD_PACKET, 0, 4, REAL(data), FIELD_READ, 1},
    {"data_end", FIELD_PACKET_END, 4, 4, REAL(data_end), FIELD_READ, -1},
    {"data_meta", FIELD_PACKET_META, 8, 4, REAL(data_meta), FIELD_READ, -1},
    {"ifindex", FIELD_SCALAR, 12, 4, REAL(ifindex), FIELD_READ | FIELD_NARROW, -1},
    {"mark", FIELD_SCALAR, 16, 4, REAL(mark), FIELD_READ | FIELD_WRITE, -1},
    {"secret", FIELD_SCALAR, 20, 4, REAL(secret), FIELD_WRITE, -1},
    {"port", FIELD_SCALAR, 24, 4, REAL(port), FIELD_READ, -1},
};
static const struct context_field efw_fields[] = {
    {"data", FIELD_PACKET, 0, 8, REAL(data), FIELD_READ, 1},
    {"data_end", FIELD_PACKET_END, 8, 8, REAL(data_end), FIELD_READ, -1},
    {"id_start", FIELD_MEMORY, 16, 8, REAL(id_start), FIELD_READ, 3},
    {"id_end", FIELD_MEMORY_END, 24, 8, REAL(id_end), FIELD_READ, -1},
};
static const struct program_contract test_contract = {
    .name = "test_md",
    .context = {{28, 7, linux_fields}, {32, 4, efw_fields}},
    .real_size = sizeof(struct real_context),
};
/* clang-format on */

/* ---- programs ---- */

struct program {
    const struct engine *engine;
    struct insn insns[256];
    struct image image;
    struct binding binding;
    struct code *code;
    struct engine_tail tail;
};

static char diag_said[256];

static void diag_keep(void *self, enum diag_level level, const char *line)
{
    (void)self;
    if (level == DIAG_ERROR)
        snprintf(diag_said, sizeof diag_said, "%s", line);
}

/* Assembles and compiles `source`; the process ends on a program that is not one, which is a mistake in the test. */
static inline enum result program_try(struct program *program, const struct engine *engine, const char *source,
                                      const struct program_contract *contract, enum personality personality)
{
    struct diag diag = {diag_keep, NULL, NULL};
    struct isa_fault fault;
    char said[200];
    struct text error;
    size_t count;

    memset(program, 0, sizeof *program);
    text_init(&error, said, sizeof said);
    if (!isa_assemble(source, strlen(source), program->insns, 256, &count, &error)) {
        printf("%s: %s in:\n%s\n", check_name, said, source);
        exit(2);
    }
    if (!isa_validate(program->insns, count, ISA_ALLOW_INDEX_LDDW, &fault)) {
        printf("%s: instruction %u: %s in:\n%s\n", check_name, fault.insn, fault.reason, source);
        exit(2);
    }
    program->engine = engine;
    program->image = (struct image){.name = "test",
                                    .section = "test",
                                    .license = "",
                                    .personality = personality,
                                    .insn_count = (uint32_t)count,
                                    .map_count = MAPS,
                                    .helper_count = HELPERS,
                                    .insns = program->insns};
    program->binding = (struct binding){&program->image, test_maps, test_helpers, contract};
    diag_said[0] = 0;
    return engine->compile(&program->binding, &test_memory, NULL, &diag, &program->code);
}

static inline void program_make(struct program *program, const struct engine *engine, const char *source,
                                const struct program_contract *contract, enum personality personality)
{
    enum result result = program_try(program, engine, source, contract, personality);
    if (result != RESULT_OK) {
        printf("%s: %s: %s in:\n%s\n", check_name, result_text(result), diag_said, source);
        exit(2);
    }
    program->tail.code = program->code;
}

static inline void program_end(struct program *program)
{
    program->engine->destroy(program->code);
}

/* A context with its header before it, and the packet it describes. */
struct stage {
    struct context_header header;
    struct real_context real;
    uint8_t frame[64]; /* 8 bytes of metadata, 40 of packet */
};

static inline void stage_set(struct stage *stage)
{
    memset(stage, 0, sizeof *stage);
    for (unsigned i = 0; i < sizeof stage->frame; i++)
        stage->frame[i] = (uint8_t)i;
    stage->real = (struct real_context){.data = stage->frame + 8,
                                        .data_end = stage->frame + 48,
                                        .data_meta = stage->frame,
                                        .mark = 0xabcdef0011223344,
                                        .ifindex = 0x01020304,
                                        .secret = 99,
                                        .id_start = (uint8_t *)rodata_values,
                                        .id_end = (uint8_t *)rodata_values + 8,
                                        .port = 0xbeef};
}

#endif

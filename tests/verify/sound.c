/* SPDX-License-Identifier: MIT
 *
 * See sound.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "verify/sound.h"

/* ---- the world ---- */

enum { FRAME = 4096, FRAME_START = 512, RECORD_SIZE = 64, RECORD_COUNT = 32, MAX_RECORD = 64 };

struct xdp_world {
    uint8_t *data, *data_end, *data_meta;
    uint32_t ingress, queue, egress, pad;
};

struct bind_world {
    const uint8_t *start, *end;
    uint64_t process;
    uint8_t address[16];
    uint8_t length, pad[3];
    uint32_t operation;
    uint8_t protocol, pad2[7];
};

static struct {
    struct context_header header;
    union {
        struct xdp_world xdp;
        struct bind_world bind;
        uint8_t bytes[64];
    } context;
    uint8_t frame[FRAME];
    _Alignas(8) uint8_t array[WORLD_ARRAY_COUNT * WORLD_ARRAY_SIZE], hash[8 * WORLD_HASH_SIZE],
        global[WORLD_GLOBAL_SIZE];
    _Alignas(8) uint8_t records[RECORD_COUNT][RECORD_SIZE];
    uint32_t next_record;
    uint64_t random;
} world;

static const uint8_t constants[WORLD_CONST_SIZE] = {0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 1,    0,
                                                    0,    0,    0,    0,    0,    0,    0xff, 0xff, 0xff, 0xff,
                                                    0,    0,    0,    0x80, 7,    0,    3,    0,    9};

static char identity[WORLD_MAPS];

static struct engine_tail tail, *tail_slots[4] = {NULL, &tail, NULL, &tail};

static const struct map_spec specs[WORLD_MAPS] = {
    [WORLD_ARRAY] = {.name = "array",
                     .kind = 2,
                     .key_size = 4,
                     .value_size = WORLD_ARRAY_SIZE,
                     .max_entries = 4,
                     .inner = IMAGE_NO_INDEX},
    [WORLD_HASH] = {.name = "hash",
                    .kind = 1,
                    .key_size = 8,
                    .value_size = WORLD_HASH_SIZE,
                    .max_entries = 8,
                    .inner = IMAGE_NO_INDEX},
    [WORLD_TAILS] =
        {.name = "tails", .kind = 3, .key_size = 4, .value_size = 4, .max_entries = 4, .inner = IMAGE_NO_INDEX},
    [WORLD_RING] = {.name = "ring", .kind = 27, .max_entries = 4096, .inner = IMAGE_NO_INDEX},
    [WORLD_GLOBAL] = {.name = "global",
                      .kind = 2,
                      .key_size = 4,
                      .value_size = WORLD_GLOBAL_SIZE,
                      .max_entries = 1,
                      .inner = IMAGE_NO_INDEX},
    [WORLD_CONST] = {.name = "const",
                     .kind = 2,
                     .key_size = 4,
                     .value_size = WORLD_CONST_SIZE,
                     .max_entries = 1,
                     .flags = 1u << 7,
                     .frozen = 1,
                     .contents = {constants, sizeof constants},
                     .inner = IMAGE_NO_INDEX},
    [WORLD_OUTER] =
        {.name = "outer", .kind = 12, .key_size = 4, .value_size = 4, .max_entries = 4, .inner = WORLD_ARRAY},
};

static const struct engine_map maps[WORLD_MAPS] = {
    [WORLD_ARRAY] = {.handle = &identity[WORLD_ARRAY],
                     .values = world.array,
                     .values_size = sizeof world.array,
                     .kind = 2,
                     .key_size = 4,
                     .value_size = WORLD_ARRAY_SIZE,
                     .max_entries = 4,
                     .stride = WORLD_ARRAY_SIZE,
                     .inner = IMAGE_NO_INDEX},
    [WORLD_HASH] = {.handle = &identity[WORLD_HASH],
                    .kind = 1,
                    .key_size = 8,
                    .value_size = WORLD_HASH_SIZE,
                    .max_entries = 8,
                    .inner = IMAGE_NO_INDEX},
    [WORLD_TAILS] = {.handle = &identity[WORLD_TAILS],
                     .kind = 3,
                     .key_size = 4,
                     .value_size = 4,
                     .max_entries = 4,
                     .tails = tail_slots,
                     .inner = IMAGE_NO_INDEX},
    [WORLD_RING] = {.handle = &identity[WORLD_RING], .kind = 27, .max_entries = 4096, .inner = IMAGE_NO_INDEX},
    [WORLD_GLOBAL] = {.handle = &identity[WORLD_GLOBAL],
                      .values = world.global,
                      .values_size = sizeof world.global,
                      .kind = 2,
                      .key_size = 4,
                      .value_size = WORLD_GLOBAL_SIZE,
                      .max_entries = 1,
                      .stride = WORLD_GLOBAL_SIZE,
                      .inner = IMAGE_NO_INDEX},
    [WORLD_CONST] = {.handle = &identity[WORLD_CONST],
                     .values = (uint8_t *)(uintptr_t)constants,
                     .values_size = sizeof constants,
                     .kind = 2,
                     .key_size = 4,
                     .value_size = WORLD_CONST_SIZE,
                     .max_entries = 1,
                     .stride = WORLD_CONST_SIZE,
                     .flags = 1u << 7,
                     .inner = IMAGE_NO_INDEX},
    [WORLD_OUTER] = {.handle = &identity[WORLD_OUTER],
                     .kind = 12,
                     .key_size = 4,
                     .value_size = 4,
                     .max_entries = 4,
                     .inner = WORLD_ARRAY},
};

static uint64_t world_below(uint64_t n)
{
    return recipe_random(&world.random) % n;
}

/* Bytes as programs meet them: noise, runs of one value, small and large numbers. */
static void scramble(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size;) {
        uint64_t value = recipe_edge(&world.random), width = 1ull << world_below(4);
        if (world_below(8) == 0)
            value = 0, width = 16;
        for (uint64_t k = 0; k < width && i < size; k++, i++)
            bytes[i] = k < 8 ? (uint8_t)(value >> 8 * k) : 0;
    }
}

static void others_write(void)
{
    switch (world_below(6)) {
    case 0: scramble(world.array, sizeof world.array); break;
    case 1: scramble(world.hash, sizeof world.hash); break;
    case 2: scramble(world.global, sizeof world.global); break;
    default: break;
    }
}

static uint64_t any(void)
{
    others_write();
    return recipe_edge(&world.random);
}

#define ARGUMENTS uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, void *context
#define UNUSED    (void)a, (void)b, (void)c, (void)d, (void)e, (void)context

/* Maps of an adopted program. */
enum { ADOPTED_MAPS = 16, ADOPTED_VALUE = 2048, ADOPTED_COUNT = 4 };

static struct {
    uint32_t count;
    struct map_spec specs[ADOPTED_MAPS];
    struct engine_map maps[ADOPTED_MAPS];
    char identity[ADOPTED_MAPS];
    _Alignas(8) uint8_t memory[ADOPTED_MAPS][ADOPTED_COUNT * ADOPTED_VALUE];
} adopted;

static uint64_t adopted_lookup(uint32_t map, uint32_t index)
{
    const struct engine_map *m = &adopted.maps[map];
    uint8_t *memory = adopted.memory[map];
    if (!adopted.specs[map].frozen) {
        size_t from = (size_t)world_below(sizeof adopted.memory[map] - 128);
        scramble(memory + from, 128);
    }
    if (m->kind == 12 || m->kind == 13)
        return m->inner < adopted.count && world_below(3) ? (uint64_t)(uintptr_t)adopted.maps[m->inner].handle : 0;
    if (m->kind == 2 || m->kind == 6)
        return index < m->max_entries ? (uint64_t)(uintptr_t)(memory + index * m->stride) : 0;
    return world_below(4) ? (uint64_t)(uintptr_t)(memory + world_below(ADOPTED_COUNT) * m->stride) : 0;
}

static uint64_t fn_LOOKUP(ARGUMENTS)
{
    uint32_t map = (uint32_t)((const char *)(uintptr_t)a - identity), index = 0;
    uint64_t other = a - (uint64_t)(uintptr_t)adopted.identity;
    UNUSED;
    others_write();
    if (other < ADOPTED_MAPS) {
        memcpy(&index, (const void *)(uintptr_t)b,
               adopted.specs[other].key_size < 4 ? adopted.specs[other].key_size : 4);
        return adopted_lookup((uint32_t)other, index);
    }
    memcpy(&index, (const void *)(uintptr_t)b, 4);
    switch (map) {
    case WORLD_ARRAY:
        return index < WORLD_ARRAY_COUNT ? (uint64_t)(uintptr_t)(world.array + index * WORLD_ARRAY_SIZE) : 0;
    case WORLD_HASH: return world_below(4) ? (uint64_t)(uintptr_t)(world.hash + world_below(8) * WORLD_HASH_SIZE) : 0;
    case WORLD_OUTER: return world_below(3) ? (uint64_t)(uintptr_t)&identity[WORLD_ARRAY] : 0;
    case WORLD_GLOBAL: return index == 0 ? (uint64_t)(uintptr_t)world.global : 0;
    case WORLD_CONST: return index == 0 ? (uint64_t)(uintptr_t)constants : 0;
    default: return 0;
    }
}

static uint64_t fn_answer(ARGUMENTS)
{
    UNUSED;
    return any();
}

static uint64_t fn_CPU(ARGUMENTS)
{
    UNUSED;
    return world_below(64);
}

static uint64_t fn_ADJUST_HEAD(ARGUMENTS)
{
    struct xdp_world *xdp = &world.context.xdp;
    int64_t by = (int32_t)(uint32_t)b, at = xdp->data - world.frame + by;
    UNUSED;
    if (at < 64 || at > xdp->data_end - world.frame || world_below(4) == 0)
        return (uint64_t)-22;
    xdp->data = xdp->data_meta = world.frame + at;
    return 0;
}

static uint64_t fn_ADJUST_META(ARGUMENTS)
{
    struct xdp_world *xdp = &world.context.xdp;
    int64_t by = (int32_t)(uint32_t)b, at = xdp->data_meta - world.frame + by;
    UNUSED;
    if (at < 64 || at > xdp->data - world.frame || world_below(4) == 0)
        return (uint64_t)-13;
    xdp->data_meta = world.frame + at;
    return 0;
}

static uint64_t fn_ADJUST_TAIL(ARGUMENTS)
{
    struct xdp_world *xdp = &world.context.xdp;
    int64_t by = (int32_t)(uint32_t)b, at = xdp->data_end - world.frame + by;
    UNUSED;
    if (at > FRAME || at < xdp->data - world.frame || world_below(4) == 0)
        return (uint64_t)-22;
    xdp->data_end = world.frame + at;
    return 0;
}

static uint64_t fn_RING_RESERVE(ARGUMENTS)
{
    uint8_t *record = world.records[world.next_record++ % RECORD_COUNT];
    UNUSED;
    others_write();
    if (b > RECORD_SIZE || world_below(4) == 0)
        return 0;
    scramble(record, RECORD_SIZE);
    return (uint64_t)(uintptr_t)record;
}

static uint64_t fn_LOAD_BYTES(ARGUMENTS)
{
    UNUSED;
    scramble((uint8_t *)(uintptr_t)c, (size_t)d);
    return any();
}

static uint64_t fn_CHECK_MTU(ARGUMENTS)
{
    UNUSED;
    scramble((uint8_t *)(uintptr_t)c, 4);
    return any();
}

static uint64_t fn_MEMCPY(ARGUMENTS)
{
    UNUSED;
    scramble((uint8_t *)(uintptr_t)a, (size_t)b);
    return any();
}

static uint64_t fn_FIB_LOOKUP(ARGUMENTS)
{
    UNUSED;
    scramble((uint8_t *)(uintptr_t)b, (size_t)c);
    return any();
}

#define fn_TRACE_PRINTK fn_answer
#define fn_REDIRECT     fn_answer
#define fn_PERF_OUTPUT  fn_answer
#define fn_REDIRECT_MAP fn_answer
#define fn_GET_BUFF_LEN fn_answer
#define fn_PID_TGID     fn_answer
#define fn_UPDATE       fn_answer
#define fn_DELETE       fn_answer
#define fn_KTIME        fn_answer
#define fn_PRANDOM      fn_answer
#define fn_TAIL_CALL    NULL
#define fn_CSUM_DIFF    fn_answer
#define fn_RING_OUTPUT  fn_answer
#define fn_RING_SUBMIT  fn_answer
#define fn_RING_DISCARD fn_answer
#define fn_STORE_BYTES  fn_answer
#define fn_MEMSET       fn_MEMCPY

static const helper_fn functions[WORLD_HELPERS] = {
#define HELPER(NAME, linux_id, xdp_id, bind_id) [WORLD_##NAME] = fn_##NAME,
#include "verify/generate_helpers.def"
};

static void set_world(enum world_type type, uint64_t input)
{
    uint64_t length;
    world.random = input;
    memset(&world.header, 0, sizeof world.header);
    switch (world_below(4)) {
    case 0: length = world_below(200); break;
    case 1: length = world_below(1501); break;
    default: length = world_below(48); break;
    }
    scramble(world.array, sizeof world.array);
    scramble(world.hash, sizeof world.hash);
    scramble(world.global, sizeof world.global);
    scramble(world.frame + FRAME_START - 64, 64 + (size_t)length);
    if (type == WORLD_EFW_BIND) {
        struct bind_world *bind = &world.context.bind;
        scramble(world.context.bytes, sizeof world.context.bytes);
        bind->start = world.frame + FRAME_START;
        bind->end = bind->start + length;
    } else {
        struct xdp_world *xdp = &world.context.xdp;
        scramble(world.context.bytes, sizeof world.context.bytes);
        xdp->data = world.frame + FRAME_START;
        xdp->data_end = xdp->data + length;
        xdp->data_meta = xdp->data - 4 * world_below(9);
    }
}

/* ---- the verifier's side ---- */

enum { VERIFY_ARENA = 64 << 20 };

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef SANITIZED
/* Memory that is given back all at once, when the next verification begins. */
static uint8_t *bump_memory;
static size_t bump_used;

static void *bump_alloc(void *self, size_t size)
{
    (void)self;
    size = (size + 63) & ~(size_t)63;
    if (size > VERIFY_ARENA - bump_used)
        return NULL;
    bump_used += size;
    return bump_memory + bump_used - size;
}

static void bump_free(void *self, void *memory, size_t size)
{
    (void)self, (void)memory, (void)size;
}

static const struct allocator bump = {bump_alloc, bump_free, NULL};
#endif

static void *heap_alloc(void *self, size_t size)
{
    (void)self;
    return aligned_alloc(64, (size + 63) & ~(size_t)63);
}

static void heap_free(void *self, void *memory, size_t size)
{
    (void)self, (void)size;
    free(memory);
}

static const struct allocator heap = {heap_alloc, heap_free, NULL};

static struct image_helper helper_ids[WORLD_HELPERS];
static const struct helper_proto *protos[WORLD_TYPES][WORLD_HELPERS];
static struct engine_helper engine_helpers[WORLD_TYPES][WORLD_HELPERS];
static struct image_func image_funcs[RECIPE_FUNCS];
static struct image image;

const struct image *sound_image(const struct recipe *recipe)
{
    memset(&image, 0, sizeof image);
    for (uint32_t i = 0; i < WORLD_HELPERS; i++)
        helper_ids[i].id = world_helper_id(recipe->type, (enum world_helper)i);
    for (uint32_t i = 0; i < recipe->func_count; i++)
        image_funcs[i] = (struct image_func){i ? "f" : "program", recipe->funcs[i], 0, IMAGE_STATIC};
    image.name = "program";
    image.section = "sound";
    image.license = "GPL";
    image.personality = world_personality(recipe->type);
    image.prog_type = world_prog_type(recipe->type);
    image.insn_count = recipe->count;
    image.map_count = recipe->adopted ? adopted.count : WORLD_MAPS;
    image.helper_count = WORLD_HELPERS;
    image.func_count = recipe->func_count;
    image.insns = recipe->insns;
    image.maps = recipe->adopted ? adopted.specs : specs;
    image.helpers = helper_ids;
    image.funcs = image_funcs;
    return &image;
}

bool sound_accepts(const struct recipe *recipe, struct verify_result *result)
{
    struct arena arena;
    struct verify_input input = {.image = sound_image(recipe),
                                 .contract =
                                     contract_program(world_personality(recipe->type), world_prog_type(recipe->type)),
                                 .helpers = protos[recipe->type],
                                 .flags = recipe->flags,
                                 .max_steps = 1000,
                                 .max_insns = 1ull << 40};
    if (image_check(input.image, NULL) != RESULT_OK)
        return false;
#ifdef SANITIZED /* which sees what is outside of a block of the heap */
    arena_init(&arena, &heap, VERIFY_ARENA);
#else
    bump_used = 0;
    arena_init(&arena, &bump, VERIFY_ARENA);
#endif
    enum result outcome = verify(&input, &arena, result);
    arena_release(&arena);
    return outcome == RESULT_OK && result->verdict == VERIFY_ACCEPT;
}

/* ---- the interpreter's side ---- */

static struct binding binding;
static struct code *code;
static struct binding tail_binding;
static struct image tail_image;

static bool is_second(const struct recipe *r, uint32_t at)
{
    return at && r->insns[at].code == 0 && r->insns[at - 1].code == 0x18;
}

static bool is_jump(const struct insn *insn)
{
    return ((insn->code & 7) == 5 || (insn->code & 7) == 6) && insn->code != 0x85 && insn->code != 0x95 &&
           insn->code != 0x8d;
}

static uint32_t target(const struct recipe *r, uint32_t at)
{
    const struct insn *insn = &r->insns[at];
    return at + 1 + (uint32_t)(insn->code == 0x06 ? insn->imm : insn->off);
}

/* Where instruction `at` is once each function begins with `size` instructions more. */
static uint32_t behind_prologues(const struct recipe *r, uint32_t at, uint32_t size)
{
    uint32_t shift = 0;
    for (uint32_t f = 0; f < r->func_count; f++)
        if (r->funcs[f] <= at)
            shift += size;
    return at + shift;
}

enum { PROLOGUE = ISA_STACK_SIZE / 8 };

/* The same program with something on each frame's stack, as a program may find it that reads what it has not written.
 * False: there is no room. */
static bool fill_stacks(const struct recipe *r, struct recipe *out)
{
    uint64_t random = r->seed;
    if (r->count + PROLOGUE * r->func_count > RECIPE_INSNS)
        return false;
    *out = *r;
    out->count = r->count + PROLOGUE * r->func_count;
    for (uint32_t f = 0; f < r->func_count; f++) {
        out->funcs[f] = behind_prologues(r, r->funcs[f], PROLOGUE) - PROLOGUE;
        for (uint32_t i = 0; i < PROLOGUE; i++)
            out->insns[out->funcs[f] + i] = insn_make(0x7a, 10, 0, -8 * (int)(i + 1), (int32_t)recipe_edge(&random));
    }
    for (uint32_t i = 0; i < r->count; i++) {
        uint32_t at = behind_prologues(r, i, PROLOGUE);
        struct insn insn = r->insns[i];
        bool code_address = insn.code == 0x18 && insn_src(&insn) == LDDW_SRC_CODE;
        bool local = insn.code == 0x85 && insn_src(&insn) == CALL_SRC_LOCAL;
        if (local || code_address)
            insn.imm = (int32_t)(behind_prologues(r, i + 1 + (uint32_t)insn.imm, PROLOGUE) - PROLOGUE - at - 1);
        else if (insn.code == 0x06)
            insn.imm = (int32_t)(behind_prologues(r, i + 1 + (uint32_t)insn.imm, PROLOGUE) - at - 1);
        else if (is_jump(&insn))
            insn.off = (int16_t)(behind_prologues(r, i + 1 + (uint32_t)insn.off, PROLOGUE) - at - 1);
        out->insns[at] = insn;
        if (insn.code == 0x18 && i + 1 < r->count)
            out->insns[at + 1] = r->insns[++i];
    }
    return true;
}

/* false: what the verifier found to be dead holds what the interpreter cannot take. */
static bool compile(const struct recipe *recipe)
{
    if (code)
        engine_checked.destroy(code);
    code = NULL;
    if (recipe->flags & VERIFY_UNINIT_STACK) {
        static struct recipe filled;
        if (!fill_stacks(recipe, &filled))
            return false;
        recipe = &filled;
    }
    binding = (struct binding){sound_image(recipe), recipe->adopted ? adopted.maps : maps, engine_helpers[recipe->type],
                               contract_program(world_personality(recipe->type), world_prog_type(recipe->type))};
    return engine_checked.compile(&binding, &heap, NULL, NULL, &code) == RESULT_OK;
}

enum { RUN_BUDGET = 20000 };

static enum result run_compiled(enum world_type type, uint64_t input, struct run *run, struct code_fault *fault)
{
    set_world(type, input);
    memset(fault, 0, sizeof *fault);
    *run = (struct run){.context = &world.context, .budget = RUN_BUDGET, .fault = fault};
    return engine_checked.run(code, run);
}

/* Runs what is compiled and holds it to the verdict. */
static bool run_and_judge(const struct recipe *recipe, uint64_t worst_case, uint64_t input, struct sound_count *count,
                          struct sound_failure *failure)
{
    struct run run;
    struct code_fault fault;
    enum result result = run_compiled(recipe->type, input, &run, &fault);
    uint64_t most = worst_case + 2 * world.header.tail_calls;
    if (recipe->flags & VERIFY_UNINIT_STACK) /* runs more than the verifier saw */
        most = worst_case = UINT64_MAX;
    if (count) {
        count->runs++;
        count->instructions += run.executed;
        count->worst_reached += run.executed == worst_case;
    }
    if (result == RESULT_FAULT && fault.kind == FAULT_BUDGET && worst_case > RUN_BUDGET)
        return true; /* not the verdict's limit, ours */
    if (result == RESULT_OK && (worst_case == UINT64_MAX || run.executed <= most))
        return true;
    failure->recipe = *recipe;
    failure->input = input;
    failure->result = result;
    failure->fault = fault;
    failure->executed = run.executed;
    failure->worst_case = worst_case;
    return false;
}

bool sound_run(const struct recipe *recipe, uint64_t worst_case, uint64_t input, struct sound_failure *failure)
{
    return !compile(recipe) || run_and_judge(recipe, worst_case, input, NULL, failure);
}

static bool run_inputs(const struct recipe *recipe, uint64_t worst_case, uint64_t seed, unsigned inputs,
                       struct sound_count *count, struct sound_failure *failure)
{
    if (!compile(recipe))
        return true;
    for (unsigned i = 0; i < inputs; i++)
        if (!run_and_judge(recipe, worst_case, recipe_random(&seed), count, failure))
            return false;
    return true;
}

bool sound_adopt(const struct image *real, struct recipe *recipe)
{
    enum world_type type = 0;
    memset(recipe, 0, sizeof *recipe);
    while (type < WORLD_TYPES &&
           (world_personality(type) != real->personality || world_prog_type(type) != real->prog_type))
        type++;
    if (type == WORLD_TYPES || real->insn_count > RECIPE_INSNS || real->func_count > RECIPE_FUNCS ||
        real->map_count > ADOPTED_MAPS)
        return false;
    recipe->type = type;
    recipe->adopted = true;
    recipe->count = real->insn_count;
    recipe->func_count = real->func_count ? real->func_count : 1;
    for (uint32_t i = 0; i < real->func_count; i++)
        recipe->funcs[i] = real->funcs[i].insn;
    memcpy(recipe->insns, real->insns, real->insn_count * sizeof *real->insns);
    for (uint32_t i = 0; i < recipe->count; i++) {
        struct insn *insn = &recipe->insns[i];
        uint32_t helper = 0;
        if (insn->code == 0x18) {
            i++;
            continue;
        }
        if (insn->code != 0x85 || insn_src(insn) != CALL_SRC_HELPER)
            continue;
        while (helper < WORLD_HELPERS &&
               world_helper_id(type, (enum world_helper)helper) != real->helpers[insn->imm].id)
            helper++;
        if (helper == WORLD_HELPERS)
            return false;
        insn->imm = (int32_t)helper;
    }
    memset(&adopted, 0, sizeof adopted);
    adopted.count = real->map_count;
    for (uint32_t i = 0; i < real->map_count; i++) {
        struct map_spec *spec = &adopted.specs[i];
        *spec = real->maps[i];
        spec->btf_key = spec->btf_value = 0;
        if (spec->value_size > ADOPTED_VALUE)
            return false;
        if (spec->kind != 27 && spec->max_entries > ADOPTED_COUNT)
            spec->max_entries = ADOPTED_COUNT;
        uint32_t stride = (spec->value_size + 7) & ~7u;
        if (spec->contents.size)
            memcpy(adopted.memory[i], spec->contents.data, spec->contents.size);
        adopted.maps[i] = (struct engine_map){.handle = &adopted.identity[i],
                                              .values = spec->kind == 2 ? adopted.memory[i] : NULL,
                                              .values_size = spec->kind == 2 ? spec->max_entries * stride : 0,
                                              .kind = spec->kind,
                                              .key_size = spec->key_size,
                                              .value_size = spec->value_size,
                                              .max_entries = spec->max_entries,
                                              .stride = stride,
                                              .flags = spec->flags | (spec->frozen ? 1u << 7 : 0),
                                              .inner = spec->inner,
                                              .tails = spec->kind == 3 ? tail_slots : NULL};
    }
    return true;
}

void sound_begin(void)
{
    static const struct insn tail_insns[] = {{0xb7, 0, 0, 0}, {0x95, 0, 0, 0}};
    static const struct image_func tail_func = {"tail", 0, 0, IMAGE_STATIC};
    struct code *tail_code;
#ifndef SANITIZED
    bump_memory = aligned_alloc(64, VERIFY_ARENA);
    if (!bump_memory)
        abort();
#endif
    for (int type = 0; type < WORLD_TYPES; type++)
        for (int i = 0; i < WORLD_HELPERS; i++) {
            int32_t id = world_helper_id((enum world_type)type, (enum world_helper)i);
            if (id >= 0)
                protos[type][i] = contract_helper_proto(world_personality((enum world_type)type),
                                                        world_prog_type((enum world_type)type), id);
            if (id >= 0 && !protos[type][i])
                fprintf(stderr, "helper %d has no prototype for world type %d\n", id, type);
            engine_helpers[type][i] = (struct engine_helper){functions[i], protos[type][i]};
        }
    tail_image = (struct image){.name = "tail",
                                .section = "",
                                .license = "",
                                .prog_type = 6,
                                .insn_count = 2,
                                .func_count = 1,
                                .insns = tail_insns,
                                .funcs = &tail_func};
    tail_binding = (struct binding){&tail_image, NULL, NULL, contract_program(PERSONALITY_LINUX, 6)};
    if (engine_checked.compile(&tail_binding, &heap, NULL, NULL, &tail_code) != RESULT_OK)
        abort();
    tail.code = tail_code;
}

void sound_end(void)
{
    if (code)
        engine_checked.destroy(code);
    code = NULL;
    engine_checked.destroy((struct code *)(uintptr_t)tail.code);
    tail.code = NULL;
#ifndef SANITIZED
    free(bump_memory);
    bump_memory = NULL;
#endif
}

/* ---- changing programs ---- */

/* Something harmless in the place of an instruction; false: it is that already. */
static bool disarm(struct recipe *r, uint32_t at)
{
    struct insn *insn = &r->insns[at], old = *insn, nothing = insn_make(0x05, 0, 0, 0, 0);
    uint8_t class = insn->code & 7;
    if (is_second(r, at) || insn->code == 0x95)
        return false;
    if (insn->code == 0x18) {
        unsigned dst = insn_dst(insn);
        insn[0] = insn_make(0xb7, dst, 0, 0, 0);
        insn[1] = nothing;
        return true;
    }
    if (is_jump(insn) || class == 2 || class == 3)
        *insn = nothing;
    else if (insn->code == 0x85)
        *insn = insn_make(0xb7, 0, 0, 0, 0);
    else
        *insn = insn_make(0xb7, insn_dst(insn), 0, 0, 0);
    return memcmp(&old, insn, sizeof old) != 0;
}

/* Takes from a refused program what was refused. */
static bool repair(struct recipe *r, const struct verify_result *result)
{
    uint32_t at = result->insn, taken;
    const char *text;
    if (at >= r->count)
        return false;
    if ((text = strstr(result->message, "taken at instruction ")) && sscanf(text + 21, "%u", &taken) == 1 &&
        taken < r->count)
        return disarm(r, taken);
    if (result->reason == REASON_LOOP || result->verdict != VERIFY_REJECT) {
        for (uint32_t i = at; i < r->count; i++)
            if (is_jump(&r->insns[i]) && r->insns[i].code != 0x06 && target(r, i) <= at) {
                r->insns[i] = insn_make(0x05, 0, 0, 0, 0);
                return true;
            }
        return false;
    }
    if (r->insns[at].code == 0x95) {
        if (!at || is_second(r, at - 1) || r->insns[at - 1].code == 0x95 || is_jump(&r->insns[at - 1]))
            return false;
        r->insns[at - 1] = insn_make(0xb7, 0, 0, 0, 0);
        return true;
    }
    return disarm(r, at);
}

static void count_contents(const struct recipe *r, struct sound_count *count)
{
    uint8_t ops[ISA_OPS] = {0}, used[WORLD_HELPERS] = {0};
    for (uint32_t i = 0; i < r->count; i++) {
        if (is_second(r, i))
            continue;
        ops[isa_decode(&r->insns[i])] = 1;
        if (r->insns[i].code == 0x85 && insn_src(&r->insns[i]) == CALL_SRC_HELPER)
            used[r->insns[i].imm] = 1;
    }
    for (int i = 0; i < ISA_OPS; i++)
        count->ops[i] += ops[i];
    for (int i = 0; i < WORLD_HELPERS; i++)
        count->helpers[i] += used[i];
}

static void put_claim(struct recipe *r, const struct site *site, uint64_t value, unsigned how)
{
    struct insn *at = &r->insns[site->at];
    at[0] = insn_make(0x18, site->temporary, 0, 0, (int32_t)(uint32_t)value);
    at[1] = insn_make(0, 0, 0, 0, (int32_t)(uint32_t)(value >> 32));
    at[2] = insn_make(how & 1 ? 0x5e : 0x5d, site->reg, site->temporary, 1, 0);
    at[3] = insn_make(0x79, site->temporary, 10, 8, 0); /* above the stack */
    at[4] = insn_make(0x05, 0, 0, 0, 0);
}

/* Sees what the site's register holds, and claims that it cannot. */
static bool judge_site(struct recipe *r, unsigned n, uint64_t seed, struct sound_count *count,
                       struct sound_failure *failure)
{
    enum { LOOKS = 6 };
    const struct site *site = &r->sites[n];
    struct insn *at = &r->insns[site->at], before[SITE_INSNS];
    struct verify_result result;
    uint64_t seen[LOOKS], inputs[LOOKS];
    unsigned seen_count = 0;
    bool fine = true;
    memcpy(before, at, sizeof before);
    at[0] = insn_make(0xbf, 0, site->reg, 0, 0);
    at[1] = insn_make(0x95, 0, 0, 0, 0);
    bool compiled = compile(r);
    for (unsigned i = 0; i < LOOKS && compiled; i++) {
        struct run run;
        struct code_fault fault;
        uint64_t input = recipe_random(&seed);
        if (run_compiled(r->type, input, &run, &fault) != RESULT_OK)
            continue;
        bool known = false;
        for (unsigned k = 0; k < seen_count; k++)
            known |= seen[k] == run.r0;
        if (!known) {
            seen[seen_count] = run.r0;
            inputs[seen_count++] = input;
        }
    }
    for (unsigned k = 0; fine && k < seen_count; k++) {
        put_claim(r, site, seen[k], (unsigned)(seed >> k & 3));
        count->claims++;
        if (sound_accepts(r, &result)) {
            count->variants++;
            fine = !compile(r) || run_and_judge(r, result.worst_case, inputs[k], count, failure);
            failure->how = "claimed: a number cannot be there, and is";
        }
    }
    memcpy(at, before, sizeof before);
    return fine;
}

static void apply_tune(struct recipe *r, const struct tune *tune, int64_t by)
{
    struct insn *insn = &r->insns[tune->at];
    if (tune->is_imm)
        insn->imm = (int32_t)(insn->imm + tune->step * by);
    else
        insn->off = (int16_t)(insn->off + tune->step * by);
}

/* Moves one constant as far as is accepted; the program stays so. */
static bool tighten(struct recipe *r, const struct tune *tune, uint64_t seed, unsigned inputs,
                    struct sound_count *count, struct sound_failure *failure)
{
    struct verify_result result;
    struct insn *insn = &r->insns[tune->at], best = *insn;
    uint64_t worst = 0;
    bool moved = false;
    for (int64_t by = 1; by <= 1 << 12; by *= 2) { /* gallop, then the rest one bit at a time */
        struct insn last = *insn;
        apply_tune(r, tune, by);
        if (!sound_accepts(r, &result)) {
            *insn = last;
            while ((by /= 2) > 0) {
                last = *insn;
                apply_tune(r, tune, by);
                if (sound_accepts(r, &result)) {
                    best = *insn;
                    worst = result.worst_case;
                    moved = true;
                } else {
                    *insn = last;
                }
            }
            break;
        }
        best = *insn;
        worst = result.worst_case;
        moved = true;
    }
    *insn = best;
    if (!moved)
        return true;
    count->variants++;
    failure->how = "tightened";
    return run_inputs(r, worst, seed, inputs, count, failure);
}

bool sound_judge(struct recipe *r, unsigned inputs, struct sound_count *count, struct sound_failure *failure)
{
    struct verify_result result;
    uint64_t random = r->seed ^ 0x5bd1e995;
    r->flags = r->seed % 4 == 0 ? VERIFY_UNINIT_STACK : 0;
    count->programs++;
    if (image_check(sound_image(r), NULL) != RESULT_OK) {
        count->malformed++;
        return true;
    }
    bool accepted = sound_accepts(r, &result);
    count->verify_steps += result.steps;
    if (accepted) {
        count->accepted++;
    } else {
        for (int i = 0; i < 100 && !accepted; i++) {
            if (!repair(r, &result))
                break;
            accepted = sound_accepts(r, &result);
        }
        if (!accepted)
            return true;
        count->repaired++;
    }
    count_contents(r, count);
    failure->how = "as generated";
    if (!run_inputs(r, result.worst_case, recipe_random(&random), inputs, count, failure))
        return false;
    for (unsigned i = 0; i < 4 && r->tune_count; i++)
        if (!tighten(r, &r->tunes[recipe_random(&random) % r->tune_count], recipe_random(&random), inputs / 2 + 1,
                     count, failure))
            return false;
    for (unsigned i = 0; i < r->site_count; i++)
        if (!judge_site(r, i, recipe_random(&random), count, failure))
            return false;
    return true;
}

/* One change: another constant, offset, register, operation or target; or an instruction less. */
static void change(struct recipe *r, uint64_t *random)
{
    uint32_t at = (uint32_t)(recipe_random(random) % r->count);
    struct insn *insn = &r->insns[at];
    if (is_second(r, at) || insn->code == 0x18)
        return;
    switch (recipe_random(random) % 8) {
    case 0: (void)disarm(r, at); break;
    case 1: insn->imm += (int32_t)(recipe_random(random) % 9) - 4; break;
    case 2: insn->off = (int16_t)(insn->off + (int)(recipe_random(random) % 17) - 8); break;
    case 3: insn->imm = (int32_t)recipe_edge(random); break;
    case 4:
        if (is_jump(insn) && insn->code != 0x05)
            *insn = insn_make(0x05, 0, 0, 0, 0); /* a bound removed */
        break;
    case 5:
        if (is_jump(insn) && insn->code != 0x05 && insn->code != 0x06) {
            static const uint8_t ops[] = {0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0};
            insn->code = (uint8_t)((insn->code & 0x0f) | ops[recipe_random(random) % sizeof ops]);
        }
        break;
    case 6: insn->regs = (uint8_t)((insn->regs & 0xf0) | recipe_random(random) % 10); break;
    default:
        if (insn->code & 8 || (insn->code & 7) == 1)
            insn->regs = (uint8_t)((insn->regs & 0x0f) | recipe_random(random) % 11 << 4);
        break;
    }
}

bool sound_judge_changed(const struct recipe *original, uint64_t seed, unsigned inputs, struct sound_count *count,
                         struct sound_failure *failure)
{
    static struct recipe r;
    struct verify_result result;
    uint64_t random = seed;
    r = *original;
    count->programs++;
    for (uint64_t n = seed ? 1 + recipe_random(&random) % 3 : 0; n--;) {
        change(&r, &random);
    }
    if (image_check(sound_image(&r), NULL) != RESULT_OK) {
        count->malformed++;
        return true;
    }
    bool accepted = sound_accepts(&r, &result);
    count->verify_steps += result.steps;
    if (!accepted)
        return true;
    count->accepted++;
    count_contents(&r, count);
    failure->how = "changed";
    return run_inputs(&r, result.worst_case, recipe_random(&random), inputs, count, failure);
}

/* ---- failures ---- */

static bool still_fails(const struct recipe *r, struct sound_failure *failure)
{
    struct verify_result result;
    struct sound_failure other;
    if (image_check(sound_image(r), NULL) != RESULT_OK || !sound_accepts(r, &result) || !compile(r))
        return false;
    for (uint64_t i = 0, seed = failure->input; i < 200; i++) {
        if (!run_and_judge(r, result.worst_case, seed, NULL, &other)) {
            const char *how = failure->how;
            *failure = other;
            failure->how = how;
            return true;
        }
        seed = recipe_random(&seed);
    }
    return false;
}

/* The program without instruction `at`, of `size` slots; jumps and calls go where they went. */
static void remove_insn(struct recipe *r, uint32_t at, uint32_t size)
{
    for (uint32_t i = 0; i < r->count; i++) {
        struct insn *insn = &r->insns[i];
        bool local = insn->code == 0x85 && insn_src(insn) == CALL_SRC_LOCAL;
        if (is_second(r, i) || !(is_jump(insn) || local))
            continue;
        int64_t to = (int64_t)i + 1 + (local || insn->code == 0x06 ? insn->imm : insn->off);
        int shift = (i < at && to > at ? -(int)size : 0) + (i > at && to <= at ? (int)size : 0);
        if (local || insn->code == 0x06)
            insn->imm += shift;
        else
            insn->off = (int16_t)(insn->off + shift);
    }
    memmove(&r->insns[at], &r->insns[at + size], (r->count - at - size) * sizeof *r->insns);
    r->count -= size;
    for (uint32_t f = 0; f < r->func_count; f++)
        if (r->funcs[f] > at)
            r->funcs[f] -= size;
}

void sound_report(struct sound_failure *failure)
{
    static struct recipe r, best;
    bool smaller = true;
    uint64_t seed = failure->recipe.seed;
    best = failure->recipe;
    if (still_fails(&best, failure)) {
        for (int round = 0; smaller && round < 8; round++) {
            smaller = false;
            for (uint32_t i = best.count; i-- > 0;) {
                if (is_second(&best, i))
                    continue;
                r = best;
                remove_insn(&r, i, r.insns[i].code == 0x18 ? 2 : 1);
                if (r.func_count > 1 && r.funcs[r.func_count - 1] >= r.count)
                    continue;
                if (still_fails(&r, failure)) {
                    best = r;
                    smaller = true;
                    continue;
                }
                r = best;
                if (disarm(&r, i) && still_fails(&r, failure)) {
                    best = r;
                    smaller = true;
                }
            }
            while (best.func_count > 1) {
                r = best;
                r.func_count--;
                r.count = r.funcs[r.func_count];
                if (!still_fails(&r, failure))
                    break;
                best = r;
                smaller = true;
            }
        }
    }
    printf("unsound (%s): seed %llu, world type %d, input %llu: ", failure->how, (unsigned long long)seed,
           (int)best.type, (unsigned long long)failure->input);
    if (failure->result == RESULT_OK)
        printf("ran %llu instructions, the verdict says at most %llu\n", (unsigned long long)failure->executed,
               (unsigned long long)failure->worst_case);
    else
        printf("at %u: %s\n", failure->fault.insn, failure->fault.reason);
    for (uint32_t i = 0; i < best.count;) {
        char line[256];
        struct text text;
        text_init(&text, line, sizeof line);
        size_t slots = isa_disassemble(best.insns, best.count, i, ISA_SYNTAX_KERNEL, NULL, &text);
        printf("  %u: %s\n", i, line);
        i += (uint32_t)(slots ? slots : 1);
    }
    fflush(stdout);
}

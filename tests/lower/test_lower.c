/* SPDX-License-Identifier: MIT
 *
 * Lowering.  The checked interpreter translates context accesses as it runs, so it says what every lowered one must
 * amount to: each field of each contract that a hook runs, and of one made up here with the shapes those lack, is
 * loaded and stored both ways, and by the JIT too.
 */
#include "base/text.h"
#include "check.h"
#include "engine/engine.h"
#include "isa/isa.h"
#include "lower/lower.h"
#include "lower/odd.h"
#include "platform/os.h"

enum { INSNS = 64 };

static const struct engine *const engines[] = {&engine_interp, &engine_jit};

struct subject {
    struct insn insns[INSNS];
    struct image_func funcs[2];
    struct image image;
    uint8_t flags[INSNS];
    struct arena arena;
    struct lowered lowered;
};

static char said[256];

static void keep(void *self, enum diag_level level, const char *line)
{
    snprintf(said, sizeof said, "%s", line);
}

static const struct diag diag = {keep, NULL, NULL};

/* Assembled, with every instruction seen and `context` ones marked. */
static void make(struct subject *s, const char *source, enum personality personality)
{
    char why[200];
    struct text error;
    size_t count;
    memset(s, 0, sizeof *s);
    text_init(&error, why, sizeof why);
    if (!isa_assemble(source, strlen(source), s->insns, INSNS, &count, &error)) {
        printf("%s: %s in:\n%s\n", check_name, why, source);
        exit(2);
    }
    s->image = (struct image){.personality = personality,
                              .insn_count = (uint32_t)count,
                              .insns = s->insns,
                              .func_count = 1,
                              .funcs = s->funcs};
    memset(s->flags, LOWER_SEEN, sizeof s->flags);
    for (size_t i = 0; i < count; i++) {
        unsigned class = s->insns[i].code & 7, base = class == 1 ? insn_src(&s->insns[i]) : insn_dst(&s->insns[i]);
        if (class >= 1 && class <= 3 && base == 1)
            s->flags[i] |= LOWER_CONTEXT;
    }
    arena_init(&s->arena, &os_allocator, 1 << 20);
}

static enum result make_lowered(struct subject *s, const char *source, const struct program_contract *contract,
                                enum personality personality)
{
    make(s, source, personality);
    *said = 0;
    return lower(&s->image, contract, s->flags, &s->arena, &diag, &s->lowered);
}

/* Runs one image; false: the engine refused or stopped it. */
static bool run(const struct engine *engine, const struct image *image, const struct program_contract *contract,
                struct stage *stage, uint64_t *r0)
{
    struct binding binding = {.image = image, .contract = contract};
    struct code_fault fault = {.kind = FAULT_NONE};
    struct run once = {.context = stage->real, .fault = &fault};
    struct code *code;
    if (engine->compile(&binding, &os_allocator, &os_executable, NULL, &code))
        return false;
    enum result result = engine->run(code, &once);
    *r0 = once.r0;
    engine->destroy(code);
    if (result)
        snprintf(said, sizeof said, "%s", fault.reason);
    return !result;
}

/* The same program checked and lowered: same result, same context afterwards. */
static bool agrees(const char *source, const struct program_contract *contract, enum personality personality)
{
    struct subject s;
    struct stage expected, got;
    uint64_t r0, other;
    bool same = make_lowered(&s, source, contract, personality) == RESULT_OK;
    stage_make(&expected, contract);
    if (!same)
        printf("%s: lower: %s\n", contract->name, said);
    if (same && !(same = run(&engine_checked, &s.image, contract, &expected, &r0)))
        printf("%s: checked: %s\n", contract->name, said);
    for (unsigned e = 0; same && e < 2; e++) {
        stage_make(&got, contract);
        same = run(engines[e], &s.lowered.image, contract, &got, &other);
        if (same && (other != r0 || memcmp(got.real, expected.real, sizeof got.real))) {
            printf("%s: %s: r0 is %llx, not %llx\n", contract->name, engines[e]->name, (unsigned long long)other,
                   (unsigned long long)r0);
            same = false;
        }
    }
    if (!same)
        printf("in:\n%s\n", source);
    arena_release(&s.arena);
    return same;
}

static unsigned try_loads(const struct program_contract *contract, enum personality personality,
                          const struct context_field *f)
{
    char source[256];
    unsigned tried = 0;
    bool number = f->kind == FIELD_SCALAR, end = f->kind == FIELD_PACKET_END || f->kind == FIELD_MEMORY_END,
         parts = f->kind == FIELD_BYTES || (number && f->flags & FIELD_NARROW);
    for (unsigned size = 1; size <= 8; size *= 2) {
        for (unsigned at = 0; at + size <= f->size; at++) {
            if (size != f->size && (!parts || (number && at % size)))
                continue;
            const char *name = size == 8 ? "dw" : size == 4 ? "w" : size == 2 ? "h" : "b";
            if (number || f->kind == FIELD_BYTES) /* else an address: what it points at tells */
                snprintf(source, sizeof source, "ldx%s %%r0, [%%r1+%u]\nexit", name, f->offset + at);
            else
                snprintf(source, sizeof source, "ldx%s %%r2, [%%r1+%u]\nldxb %%r0, [%%r2%+d]\nexit", name,
                         f->offset + at, end ? -1 : 0);
            CHECK(agrees(source, contract, personality));
            tried++;
            if (size < 8 && (number || f->kind == FIELD_BYTES)) {
                snprintf(source, sizeof source, "ldxs%s %%r0, [%%r1+%u]\nexit", name, f->offset + at);
                CHECK(agrees(source, contract, personality));
                tried++;
            }
        }
    }
    return tried;
}

static unsigned try_stores(const struct program_contract *contract, enum personality personality,
                           const struct context_field *f)
{
    char source[256];
    unsigned tried = 0;
    for (unsigned size = 1; size <= 8; size *= 2) {
        for (unsigned at = 0; at + size <= f->size; at++) {
            const char *name = size == 8 ? "dw" : size == 4 ? "w" : size == 2 ? "h" : "b";
            if (size != f->size && f->kind != FIELD_BYTES)
                continue;
            snprintf(source, sizeof source, "lddw %%r2, 0xf1e2d3c4b5a69788\nmov %%r0, 1\nstx%s [%%r1+%u], %%r2\nexit",
                     name, f->offset + at);
            CHECK(agrees(source, contract, personality));
            snprintf(source, sizeof source, "mov %%r0, 2\nst%s [%%r1+%u], -3\nexit", name, f->offset + at);
            CHECK(agrees(source, contract, personality));
            tried += 2;
        }
    }
    return tried;
}

static unsigned try_all(const struct program_contract *contract, enum personality personality)
{
    const struct context_layout *layout = &contract->context[personality];
    unsigned tried = 0;
    for (uint32_t i = 0; i < layout->field_count; i++) {
        const struct context_field *f = &layout->fields[i];
        unsigned some = 0;
        if (f->flags & FIELD_READ)
            some += try_loads(contract, personality, f);
        if (f->flags & FIELD_WRITE)
            some += try_stores(contract, personality, f);
        if (!some)
            printf("%s: field '%s' was not tried\n", contract->name, f->name);
        CHECK(some > 0);
        tried += some;
    }
    return tried;
}

TEST(every_field)
{
    CHECK(try_all(&contract_xdp, PERSONALITY_LINUX) >= 6);
    CHECK(try_all(&contract_xdp, PERSONALITY_EFW) >= 4);
    CHECK(try_all(&contract_bind, PERSONALITY_LINUX) >= 7);
    CHECK(try_all(&contract_bind, PERSONALITY_EFW) >= 7);
    CHECK(try_all(&odd, PERSONALITY_LINUX) >= 40);
}

/* A wider field makes of one store several: everything behind it moves. */
TEST(what_moves)
{
    static const char source[] = "mov %r0, 0\n"
                                 "mov %r6, 3\n"
                                 "mov %r7, %r1\n"
                                 "again:\n"
                                 "stb [%r1+8], 5\n" /* 4 instructions */
                                 "ldxb %r2, [%r1+8]\n"
                                 "add %r0, %r2\n"
                                 "lddw %r8, 0x100000000\n"
                                 "stw [%r1+4], 9\n" /* 2 */
                                 "mov %r1, %r0\n"
                                 "call local twice\n"
                                 "mov %r1, %r7\n"
                                 "sub %r6, 1\n"
                                 "jne %r6, 0, again\n"
                                 "ja over\n"
                                 "lddw %r9, code twice\n"
                                 "stw [%r1+4], 1\n"
                                 "over:\n"
                                 "exit\n"
                                 "twice:\n"
                                 "mov %r0, %r1\n"
                                 "add %r0, %r1\n"
                                 "exit";
    struct subject s;
    make(&s, source, PERSONALITY_LINUX);
    uint32_t last = s.image.insn_count - 3;
    s.image.func_count = 2;
    s.funcs[1].insn = last;
    struct image_line lines[] = {{0, 0, 0, 1, 1}, {3, 0, 0, 2, 1}, {last, 0, 0, 3, 1}};
    uint8_t strings[25] = {0x9f, 0xeb, 1, 0, 24, 0, 0, 0, [20] = 1}; /* a BTF of one empty string */
    s.image.btf = (struct bytes){strings, sizeof strings};
    s.image.lines = lines;
    s.image.line_count = 3;
    *said = 0;
    CHECK_EQ(lower(&s.image, &odd, s.flags, &s.arena, &diag, &s.lowered), RESULT_OK);
    CHECK_STR(said, "");
    const struct lowered *l = &s.lowered;
    CHECK_EQ(l->image.insn_count, s.image.insn_count + 3 + 1 + 1);
    CHECK_EQ(l->to_new[s.image.insn_count], l->image.insn_count);
    CHECK(odd_control_follows(&s.image, s.flags, l));
    CHECK_EQ(l->image.funcs[1].insn, l->to_new[last]);
    CHECK_EQ(l->image.lines[1].insn, 3);
    CHECK_EQ(l->image.lines[2].insn, l->image.insn_count - 3);
    for (uint32_t i = 0; i < s.image.insn_count; i++)
        CHECK(l->to_old[l->to_new[i]] == i || insn_is_lddw(&s.image.insns[i - 1]));
    for (uint32_t i = 3; i < 7; i++)
        CHECK_EQ(l->to_old[i], 3);
    for (unsigned e = 0; e < 2; e++) {
        struct stage stage;
        uint64_t r0 = 0;
        stage_make(&stage, &odd);
        CHECK(run(engines[e], &l->image, &odd, &stage, &r0));
        CHECK_EQ(r0, 70); /* ((5 * 2) + 5) * 2 … */
    }
    arena_release(&s.arena);
}

/* What no path reaches is not run, whatever it is. */
TEST(dead_code)
{
    struct subject s;
    make(&s, "mov %r0, 7\njeq %r0, 7, out\nlddw %r3, 5\nldxdw %r0, [%r9+8]\ncall 77\nout:\nexit", PERSONALITY_LINUX);
    for (unsigned i = 2; i < 6; i++)
        s.flags[i] = 0;
    struct image_helper helpers[78] = {{0}};
    s.image.helpers = helpers;
    s.image.helper_count = 78;
    CHECK_EQ(lower(&s.image, &odd, s.flags, &s.arena, &diag, &s.lowered), RESULT_OK);
    CHECK_EQ(s.lowered.image.insn_count, s.image.insn_count);
    for (unsigned i = 2; i < 6; i++) {
        struct insn trap = insn_make(0x05, 0, 0, -1, 0);
        CHECK(!memcmp(&s.lowered.image.insns[i], &trap, sizeof trap));
    }
    arena_release(&s.arena);
}

/* A field of the far contract can be reached in none of these ways. */
TEST(refusals)
{
    static const struct {
        const char *source, *says;
    } cases[] = {
        {"ldxw %r0, [%r1+0]\nexit", "out of reach"},    {"stw [%r1+0], 1\nexit", "out of reach"},
        {"ldxw %r0, [%r1+4]\nexit", "odd size"},        {"ldxw %r0, [%r1+8]\nexit", "is none in the provider's"},
        {"ldxw %r0, [%r1+12]\nexit", "out of reach"},   {"ldxw %r0, [%r1+16]\nexit", "not a field"},
        {"ldxh %r0, [%r1+4]\nexit", "not a field"},     {"stw [%r1+4], 1\nexit", "not a field"},
        {"ldxsw %r0, [%r1+8]\nexit", "is none in the"}, {"ldxw %r0, [%r1-4]\nexit", "not a field"},
    };
    struct subject s;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_EQ(make_lowered(&s, cases[i].source, &odd, PERSONALITY_EFW), RESULT_NOT_SUPPORTED);
        CHECK(strstr(said, "insn 0: ") == said && strstr(said, cases[i].says) != NULL);
        if (!strstr(said, cases[i].says))
            printf("%s says: %s\n", cases[i].source, said);
        arena_release(&s.arena);
    }
    make(&s, "ldxw %r0, [%r2+0]\nexit", PERSONALITY_LINUX);
    s.flags[0] |= LOWER_OBJECT;
    CHECK_EQ(lower(&s.image, &odd, s.flags, &s.arena, &diag, &s.lowered), RESULT_NOT_SUPPORTED);
    arena_release(&s.arena);
}

/* Jumps that reach just so before do not reach afterwards; an unconditional one is made longer. */
TEST(far_jumps)
{
    enum { LONG = 32760 };
    struct insn *insns = calloc(LONG + 4, sizeof *insns);
    uint8_t *flags = malloc(LONG + 4);
    struct arena arena;
    struct lowered lowered;
    struct image_func func = {0};
    REQUIRE(insns && flags);
    for (int conditional = 0; conditional < 2; conditional++) {
        uint32_t n = 0;
        memset(flags, LOWER_SEEN, LONG + 4);
        insns[n++] = insn_make(0xb7, 0, 0, 0, 3);
        insns[n++] = conditional ? insn_make(0x15, 0, 0, LONG, 3) : insn_make(0x05, 0, 0, LONG, 0);
        for (int i = 0; i < LONG; i++) {
            flags[n] |= i < 8 ? LOWER_CONTEXT : 0;
            insns[n++] = i < 8 ? insn_make(0x72, 1, 0, 8, 5) : insn_make(0xb7, 0, 0, 0, i);
        }
        insns[n++] = insn_make(0x95, 0, 0, 0, 0);
        struct image image = {.insns = insns, .insn_count = n, .funcs = &func, .func_count = 1};
        arena_init(&arena, &os_allocator, 16 << 20);
        *said = 0;
        enum result result = lower(&image, &odd, flags, &arena, &diag, &lowered);
        if (conditional) {
            CHECK_EQ(result, RESULT_TOO_BIG);
            CHECK(strstr(said, "insn 1: the jump") != NULL);
        } else {
            CHECK_EQ(result, RESULT_OK);
            CHECK_EQ(lowered.image.insns[1].code, 0x06);
            CHECK_EQ(lowered.image.insns[1].imm, LONG + 24);
            struct stage stage;
            uint64_t r0 = 0;
            stage_make(&stage, &odd);
            CHECK(run(&engine_interp, &lowered.image, &odd, &stage, &r0));
            CHECK_EQ(r0, 3);
        }
        arena_release(&arena);
    }
    free(insns);
    free(flags);
}

/* Memory that is refused at any point is given back, and said. */
TEST(no_memory)
{
    struct subject s;
    unsigned refused = 0;
    make(&s, "ldxw %r0, [%r1+4]\nstb [%r1+8], 5\nexit", PERSONALITY_LINUX);
    for (size_t limit = 0; limit < 8192; limit += 64) {
        struct arena arena;
        arena_init(&arena, &os_allocator, limit);
        enum result result = lower(&s.image, &odd, s.flags, &arena, NULL, &s.lowered);
        CHECK(result == RESULT_OK || result == RESULT_NO_MEMORY);
        refused += result != RESULT_OK;
        arena_release(&arena);
    }
    CHECK(refused > 0 && refused < 128);
    arena_release(&s.arena);
}

TEST_MAIN

/* SPDX-License-Identifier: MIT
 *
 * What both interpreters must do alike: every operation against the value columns of isa.def on random operands,
 * control flow, calls, tail calls, packet loads, helpers.
 */
#include "program.h"
#include "engine/eval.h"

static const struct engine *const engines[] = {&engine_interp, &engine_checked};
enum { ENGINES = sizeof engines / sizeof *engines };

static uint64_t run_raw(const struct engine *engine, const char *source, void *memory, size_t length)
{
    struct program program;
    struct code_fault fault = {0};
    struct run run = {.context = memory, .raw_length = length, .fault = &fault};
    enum result result;

    program_make(&program, engine, source, NULL, PERSONALITY_LINUX);
    result = engine->run(program.code, &run);
    program_end(&program);
    if (result != RESULT_OK) {
        printf("%s: %s: %s at %u: %s in:\n%s\n", check_name, engine->name, result_text(result), fault.insn,
               fault.reason, source);
        check_failures++;
        return 0xdeadbeef;
    }
    return run.r0;
}

static void expect(const char *source, uint64_t r0)
{
    for (unsigned i = 0; i < ENGINES; i++)
        CHECK_EQ(run_raw(engines[i], source, NULL, 0), r0);
}

/* ---- every operation on registers, on every pair of them ---- */

static uint64_t random_state = 88172645463325252u;

static uint64_t random_word(void)
{
    static const uint64_t odd[] = {
        0,  1,  UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN, INT32_MAX, UINT32_MAX, 0x80000000, 31, 32, 33,
        63, 64, 65,         0x8000,    0xffff8000,          0x80,      0xff};
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % 3 ? random_state * 0x2545f4914f6cdd1du : odd[random_state / 3 % (sizeof odd / sizeof *odd)];
}

/* r1 = memory: operands of r0 to r9 in, their contents after the instruction out. */
static bool run_one(const struct engine *engine, struct insn insn, uint64_t registers[10], bool *jumped)
{
    struct insn insns[64];
    struct image image = {.insns = insns};
    struct binding binding = {.image = &image};
    struct code *code;
    uint64_t memory[11];
    struct run run = {.context = memory, .raw_length = sizeof memory};
    uint32_t n = 0;
    bool ok;

    memcpy(memory, registers, 80);
    memory[10] = 0;
    /* The memory's address waits on the stack while r0 to r9 are in use; a counter of jumps is the last word. */
    insns[n++] = insn_make(0x7b, 10, 1, -8, 0);
    for (unsigned i = 0; i < 10; i++) {
        if (i != 1)
            insns[n++] = insn_make(0x79, i, 1, (int)i * 8, 0);
    }
    insns[n++] = insn_make(0x79, 1, 1, 8, 0);
    if ((insn.code & 7) == 5 || (insn.code & 7) == 6) {
        insn.off = 1;
        insns[n++] = insn;
        insns[n++] = insn_make(0x05, 0, 0, 1, 0); /* not taken: over the mark */
        insns[n++] = insn_make(0x72, 10, 0, -16, 1);
        /* both ways meet with fp-16 written */
        insns[n - 3] = insn;
        insns[n - 3].off = 2;
        insns[n - 2] = insn_make(0x72, 10, 0, -16, 0);
        insns[n - 1] = insn_make(0x05, 0, 0, 1, 0);
        insns[n++] = insn_make(0x72, 10, 0, -16, 1);
    } else {
        insns[n++] = insn;
        insns[n++] = insn_make(0x72, 10, 0, -16, 0);
    }
    /* r9 goes to the stack, then r9 = memory and everything is stored through it. */
    insns[n++] = insn_make(0x7b, 10, 9, -24, 0);
    insns[n++] = insn_make(0x79, 9, 10, -8, 0);
    for (unsigned i = 0; i < 9; i++)
        insns[n++] = insn_make(0x7b, 9, i, (int)i * 8, 0);
    insns[n++] = insn_make(0x79, 0, 10, -24, 0);
    insns[n++] = insn_make(0x7b, 9, 0, 72, 0);
    insns[n++] = insn_make(0x71, 0, 10, -16, 0);
    insns[n++] = insn_make(0x7b, 9, 0, 80, 0);
    insns[n++] = insn_make(0x95, 0, 0, 0, 0);
    image.insn_count = n;
    if (engine->compile(&binding, &test_memory, NULL, NULL, &code) != RESULT_OK)
        return false;
    ok = engine->run(code, &run) == RESULT_OK;
    engine->destroy(code);
    memcpy(registers, memory, 80);
    *jumped = memory[10] != 0;
    return ok;
}

enum shape { SHAPE_REGISTER, SHAPE_IMM };

static unsigned operations_tried;

static void try_operation(const char *name, struct insn insn, enum shape shape, uint64_t (*value)(uint64_t, uint64_t),
                          bool (*test)(uint64_t, uint64_t))
{
    for (unsigned e = 0; e < ENGINES; e++) {
        for (unsigned pair = 0; pair < 100; pair += shape == SHAPE_IMM ? 10 : 1) {
            unsigned dst = pair / 10, src = shape == SHAPE_IMM ? 0 : pair % 10;
            uint64_t before[10], after[10], want;
            struct insn tried = insn;
            bool jumped, want_jump = false;

            for (unsigned i = 0; i < 10; i++)
                after[i] = before[i] = random_word();
            if (shape == SHAPE_IMM && value != NULL && insn.imm == 0)
                tried.imm = (int32_t)random_word();
            else if (shape == SHAPE_IMM && test)
                tried.imm = (int32_t)random_word();
            if (test && pair % 3 == 0) {
                if (shape == SHAPE_IMM)
                    tried.imm = (int32_t)before[dst];
                else
                    after[src] = before[src] = before[dst];
            }
            tried.regs = (uint8_t)(dst | src << 4);
            want = before[dst];
            {
                uint64_t s = shape == SHAPE_IMM ? (uint64_t)(int64_t)tried.imm : before[src];
                if (value)
                    want = value(before[dst], s);
                else
                    want_jump = test(before[dst], s);
            }
            operations_tried++;
            if (!run_one(engines[e], tried, after, &jumped) || after[dst] != want || jumped != want_jump) {
                printf("%s: %s: r%u = %llx, r%u = %llx, imm %x: %llx, not %llx\n", engines[e]->name, name, dst,
                       (unsigned long long)before[dst], src, (unsigned long long)before[src], (unsigned)tried.imm,
                       (unsigned long long)after[dst], (unsigned long long)want);
                check_failures++;
                return;
            }
            for (unsigned i = 0; i < 10; i++)
                CHECK(i == dst || after[i] == before[i]);
        }
    }
}

/* The imm form of a unary operation has a fixed constant; its value ignores s. */
#define UNARY(NAME)                                                                                                    \
    static uint64_t unary_##NAME(uint64_t d, uint64_t s)                                                               \
    {                                                                                                                  \
        (void)s;                                                                                                       \
        return eval_##NAME(d);                                                                                         \
    }
#define ALU1(NAME, code, group, symbol, value)      UNARY(NAME##64) UNARY(NAME##32)
#define END(NAME, code, bits, group, symbol, value) UNARY(NAME)
#include "isa/isa.def"

TEST(every_operation_on_registers)
{
    operations_tried = 0;
#define ALU(NAME, code, off, group, symbol, value)                                                                     \
    try_operation(#NAME "64 imm", insn_make(code | 0x07, 0, 0, off, 0), SHAPE_IMM, eval_##NAME##64, NULL);             \
    try_operation(#NAME "64 reg", insn_make(code | 0x0f, 0, 0, off, 0), SHAPE_REGISTER, eval_##NAME##64, NULL);        \
    try_operation(#NAME "32 imm", insn_make(code | 0x04, 0, 0, off, 0), SHAPE_IMM, eval_##NAME##32, NULL);             \
    try_operation(#NAME "32 reg", insn_make(code | 0x0c, 0, 0, off, 0), SHAPE_REGISTER, eval_##NAME##32, NULL);
#define MOVSX(NAME, bits, group)                                                                                       \
    try_operation(#NAME "64", insn_make(0xbf, 0, 0, bits, 0), SHAPE_REGISTER, eval_##NAME##_64, NULL);                 \
    if (bits < 32)                                                                                                     \
        try_operation(#NAME "32", insn_make(0xbc, 0, 0, bits, 0), SHAPE_REGISTER, eval_##NAME##_32, NULL);
#define JMP(NAME, code, group, symbol, condition)                                                                      \
    try_operation(#NAME "64 imm", insn_make(code | 0x05, 0, 0, 0, 0), SHAPE_IMM, NULL, test_##NAME##64);               \
    try_operation(#NAME "64 reg", insn_make(code | 0x0d, 0, 0, 0, 0), SHAPE_REGISTER, NULL, test_##NAME##64);          \
    try_operation(#NAME "32 imm", insn_make(code | 0x06, 0, 0, 0, 0), SHAPE_IMM, NULL, test_##NAME##32);               \
    try_operation(#NAME "32 reg", insn_make(code | 0x0e, 0, 0, 0, 0), SHAPE_REGISTER, NULL, test_##NAME##32);
#define END(NAME, code, bits, group, symbol, value)                                                                    \
    try_operation(#NAME, insn_make(code, 0, 0, 0, bits), SHAPE_IMM, unary_##NAME, NULL);
#include "isa/isa.def"
    /* NEG's constant is reserved: one shot per register through the two-operand frame is enough. */
    for (unsigned e = 0; e < ENGINES; e++) {
        for (unsigned dst = 0; dst < 10; dst++) {
            uint64_t registers[10], want64, want32;
            bool jumped;
            for (unsigned i = 0; i < 10; i++)
                registers[i] = random_word();
            want64 = unary_NEG64(registers[dst], 0);
            want32 = unary_NEG32(want64, 0);
            CHECK(run_one(engines[e], insn_make(0x87, dst, 0, 0, 0), registers, &jumped));
            CHECK_EQ(registers[dst], want64);
            CHECK(run_one(engines[e], insn_make(0x84, dst, 0, 0, 0), registers, &jumped));
            CHECK_EQ(registers[dst], want32);
        }
    }
    CHECK(operations_tried > 10000);
    CHECK_EQ(memory_blocks, 0);
}

/* ---- control flow ---- */

TEST(loops_and_long_jumps)
{
    expect("mov %r0, 0\nmov %r1, 1000\nloop: add %r0, %r1\nsub %r1, 1\njne %r1, 0, loop\nexit", 500500);
    expect("mov %r0, 1\nja32 over\nmov %r0, 2\nover: exit", 1);
    expect("mov %r0, 1\nja back\nend: exit\nback: mov %r0, 5\nja end", 5);
    expect("lddw %r0, 0x123456789abcdef0\nexit", 0x123456789abcdef0);
    /* jumps over a lddw and to one */
    expect("mov %r0, 3\njeq %r0, 3, l\nlddw %r0, 0x1111111111111111\nl: lddw %r1, 4\nadd %r0, %r1\nexit", 7);
}

TEST(the_analysis_survives_tangled_jumps)
{
    /* An instruction whose turn is still to come is reached once more by falling into it. */
    uint8_t memory[8] = {0};
    for (unsigned e = 0; e < ENGINES; e++) {
        run_raw(engines[e],
                "mov %r9, 1\nmov %r5, 1\nmov %r0, 0\nmov %r8, 1\njlt32 %r9, %r9, a\nmov32 %r0, %r2\nja32 b\n"
                "a: jsle %r5, 7, c\nexit\nc: jsle %r5, 72, d\nb: mov %r8, 2\nxor %r5, %r2\njsgt %r8, 5, b\n"
                "sdiv32 %r2, %r9\nd: exit",
                memory, 8);
    }
}

TEST(local_calls_keep_registers_and_stack)
{
    expect("mov %r6, 6\nmov %r7, 7\nmov %r8, 8\nmov %r9, 9\nstdw [%r10-8], 1\nmov %r1, 40\ncall local f\n"
           "add %r0, %r6\nadd %r0, %r7\nadd %r0, %r8\nadd %r0, %r9\nldxdw %r1, [%r10-8]\nadd %r0, %r1\nexit\n"
           "f: mov %r6, 100\nmov %r7, 0\nmov %r8, 0\nmov %r9, 0\nstdw [%r10-8], 77\nmov %r0, %r1\nadd %r0, %r6\nexit",
           40 + 100 + 6 + 7 + 8 + 9 + 1);
    /* A callee reaches its caller's stack through a pointer. */
    expect("stdw [%r10-8], 1\nmov %r1, %r10\nadd %r1, -8\ncall local f\nldxdw %r0, [%r10-8]\nexit\n"
           "f: ldxdw %r0, [%r1+0]\nadd %r0, 4\nstxdw [%r1+0], %r0\nexit",
           5);
    /* through a register */
    expect("lddw %r2, code f\nmov %r1, 20\ncallx %r2\nexit\nf: mov %r0, %r1\nadd %r0, 1\nexit", 21);
}

TEST(eight_frames_and_no_more)
{
    static const char *const source = "mov %r1, REPLACED\ncall local f\nexit\n"
                                      "f: mov %r0, 1\njeq %r1, 0, out\nsub %r1, 1\ncall local f\nadd %r0, 1\nout: exit";
    for (unsigned e = 0; e < ENGINES; e++) {
        for (unsigned depth = 0; depth < 10; depth++) {
            struct program program;
            struct code_fault fault = {0};
            struct run run = {.fault = &fault};
            char text[300];
            const char *at = strstr(source, "REPLACED");
            enum result result;
            snprintf(text, sizeof text, "%.*s%u%s", (int)(at - source), source, depth, at + 8);
            program_make(&program, engines[e], text, NULL, PERSONALITY_LINUX);
            result = engines[e]->run(program.code, &run);
            program_end(&program);
            if (depth <= 6) {
                CHECK_EQ(result, RESULT_OK);
                CHECK_EQ(run.r0, depth + 1);
            } else {
                CHECK_EQ(result, engines[e] == &engine_checked ? RESULT_FAULT : RESULT_LOOP);
                CHECK(engines[e] == &engine_interp || fault.kind == FAULT_CALL);
            }
        }
    }
}

TEST(may_goto_ends_a_loop)
{
    for (unsigned e = 0; e < ENGINES; e++) {
        struct program program;
        struct code_fault fault = {0};
        struct run run = {.budget = 100000000, .fault = &fault};
        program_make(&program, engines[e], "mov %r0, 0\nloop: may_goto out\nadd %r0, 1\nja loop\nout: exit", NULL,
                     PERSONALITY_LINUX);
        CHECK_EQ(engines[e]->run(program.code, &run), RESULT_OK);
        CHECK_EQ(run.r0, 8388608);
        program_end(&program);
    }
}

/* ---- memory ---- */

TEST(loads_and_stores_of_every_size)
{
    for (unsigned e = 0; e < ENGINES; e++) {
        uint8_t memory[32];
        for (unsigned i = 0; i < sizeof memory; i++)
            memory[i] = (uint8_t)(0x81 + i);
        CHECK_EQ(run_raw(engines[e], "ldxb %r0, [%r1+3]\nexit", memory, 32), 0x84);
        CHECK_EQ(run_raw(engines[e], "ldxh %r0, [%r1+3]\nexit", memory, 32), 0x8584);
        CHECK_EQ(run_raw(engines[e], "ldxw %r0, [%r1+3]\nexit", memory, 32), 0x87868584);
        CHECK_EQ(run_raw(engines[e], "ldxdw %r0, [%r1+3]\nexit", memory, 32), (long long)0x8b8a898887868584);
        CHECK_EQ(run_raw(engines[e], "ldxsb %r0, [%r1+3]\nexit", memory, 32), (int8_t)0x84);
        CHECK_EQ(run_raw(engines[e], "ldxsh %r0, [%r1+3]\nexit", memory, 32), (int16_t)0x8584);
        CHECK_EQ(run_raw(engines[e], "ldxsw %r0, [%r1+3]\nexit", memory, 32), (int32_t)0x87868584);
        /* the same from the stack, fixed and computed */
        CHECK_EQ(
            run_raw(engines[e], "ldxdw %r2, [%r1+3]\nstxdw [%r10-16], %r2\nldxsh %r0, [%r10-16]\nexit", memory, 32),
            (int16_t)0x8584);
        CHECK_EQ(run_raw(engines[e],
                         "ldxdw %r2, [%r1+3]\nmov %r3, %r10\nsub %r3, 100\nstxdw [%r3+20], %r2\n"
                         "ldxsw %r0, [%r3+22]\nexit",
                         memory, 32),
                 (int32_t)0x89888786);
        CHECK_EQ(run_raw(engines[e],
                         "stdw [%r1+1], -2\nstw [%r1+9], 5\nsth [%r1+13], -1\nstb [%r1+15], 7\nmov %r0, 0\nexit",
                         memory, 32),
                 0);
        CHECK(!memcmp(memory, "\x81\xfe\xff\xff\xff\xff\xff\xff\xff\5\0\0\0\xff\xff\7\x91", 17));
        CHECK_EQ(run_raw(engines[e],
                         "lddw %r2, 0x1122334455667788\nstxdw [%r1+0], %r2\nstxw [%r1+8], %r2\nstxh [%r1+12], %r2\n"
                         "stxb [%r1+14], %r2\nmov %r0, 0\nexit",
                         memory, 32),
                 0);
        CHECK(!memcmp(memory, "\x88\x77\x66\x55\x44\x33\x22\x11\x88\x77\x66\x55\x88\x77\x88\7", 16));
    }
}

TEST(atomics)
{
    static const struct {
        const char *text;
        uint64_t cell, source, r0, cell_after, source_after;
    } cases[] = {
        /* the cell starts as 0x1_8000_0005 and r2 as 0xffff_ffff_0000_0003; r0 as the cell */
        {"lock add [%r1+0], %r2", 0, 0, 0, 0x80000008, 0},
        {"lock fetch add [%r1+0], %r2", 0, 0, 0, 0x80000008, 0x180000005},
        {"lock or [%r1+0], %r2", 0, 0, 0, 0xffffffff80000007, 0},
        {"lock fetch or [%r1+0], %r2", 0, 0, 0, 0xffffffff80000007, 0x180000005},
        {"lock and [%r1+0], %r2", 0, 0, 0, 0x100000001, 0},
        {"lock fetch and [%r1+0], %r2", 0, 0, 0, 0x100000001, 0x180000005},
        {"lock xor [%r1+0], %r2", 0, 0, 0, 0xfffffffe80000006, 0},
        {"lock fetch xor [%r1+0], %r2", 0, 0, 0, 0xfffffffe80000006, 0x180000005},
        {"lock xchg [%r1+0], %r2", 0, 0, 0, 0xffffffff00000003, 0x180000005},
        {"lock cmpxchg [%r1+0], %r2", 0, 0, 0x180000005, 0xffffffff00000003, 0},
        {"lock add32 [%r1+0], %r2", 0, 0, 0, 0x180000008, 0},
        {"lock fetch add32 [%r1+0], %r2", 0, 0, 0, 0x180000008, 0x80000005},
        {"lock fetch or32 [%r1+0], %r2", 0, 0, 0, 0x180000007, 0x80000005},
        {"lock fetch and32 [%r1+0], %r2", 0, 0, 0, 0x100000001, 0x80000005},
        {"lock fetch xor32 [%r1+0], %r2", 0, 0, 0, 0x180000006, 0x80000005},
        {"lock xchg32 [%r1+0], %r2", 0, 0, 0, 0x100000003, 0x80000005},
        {"lock cmpxchg32 [%r1+0], %r2", 0, 0, 0x80000005, 0x100000003, 0},
    };
    for (unsigned e = 0; e < ENGINES; e++) {
        for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
            char text[200];
            uint64_t memory[3] = {0x180000005, 0, 0};
            snprintf(text, sizeof text,
                     "lddw %%r2, 0xffffffff00000003\nldxdw %%r0, [%%r1+0]\n%s\nstxdw [%%r1+8], %%r2\n"
                     "stxdw [%%r1+16], %%r0\nexit",
                     cases[i].text);
            run_raw(engines[e], text, memory, sizeof memory);
            CHECK_EQ(memory[0], cases[i].cell_after);
            CHECK_EQ(memory[1], cases[i].source_after ? cases[i].source_after : 0xffffffff00000003);
            CHECK_EQ(memory[2], cases[i].r0 ? cases[i].r0 : 0x180000005);
            if (check_failures)
                printf("%s: %s\n", engines[e]->name, cases[i].text);
        }
        uint64_t memory[2] = {7, 0};
        /* a failed exchange leaves the cell and says what is there */
        CHECK_EQ(run_raw(engines[e], "mov %r0, 6\nmov %r2, 9\nlock cmpxchg [%r1+0], %r2\nexit", memory, 16), 7);
        CHECK_EQ(memory[0], 7);
        CHECK_EQ(run_raw(engines[e], "ldacqw %r2, [%r1+0]\nadd %r2, 1\nstreldw [%r1+8], %r2\nldacqb %r0, [%r1+8]\nexit",
                         memory, 16),
                 8);
        CHECK_EQ(run_raw(engines[e],
                         "mov %r2, -2\nstrelh [%r10-8], %r2\nldacqh %r0, [%r10-8]\nstrelb [%r1+0], %r2\n"
                         "strelw [%r1+4], %r2\nldacqdw %r3, [%r1+0]\nadd %r0, %r3\nexit",
                         memory, 16),
                 (long long)(0xfffeu + 0xfffffffe000000feu));
    }
}

TEST(legacy_packet_loads)
{
    for (unsigned e = 0; e < ENGINES; e++) {
        uint8_t memory[8] = {1, 2, 3, 4, 5, 6, 7, 8};
        CHECK_EQ(run_raw(engines[e], "mov %r6, %r1\nldabsw 1\nexit", memory, 8), 0x02030405);
        CHECK_EQ(run_raw(engines[e], "mov %r6, %r1\nldabsh 6\nexit", memory, 8), 0x0708);
        CHECK_EQ(run_raw(engines[e], "mov %r6, %r1\nldabsb 7\nexit", memory, 8), 8);
        CHECK_EQ(run_raw(engines[e], "mov %r6, %r1\nmov %r7, 2\nldindh %r7, 1\nexit", memory, 8), 0x0405);
        CHECK_EQ(run_raw(engines[e], "mov %r6, %r1\nmov %r7, 5\nldindw %r7, -2\nexit", memory, 8), 0x04050607);
        /* outside: the program ends with 0 */
        CHECK_EQ(run_raw(engines[e], "mov %r6, %r1\nldabsw 5\nmov %r0, 9\nexit", memory, 8), 0);
        CHECK_EQ(run_raw(engines[e], "mov %r6, %r1\nldabsb 8\nmov %r0, 9\nexit", memory, 8), 0);
        CHECK_EQ(run_raw(engines[e], "mov %r6, %r1\nmov %r7, 0\nldindb %r7, -1\nmov %r0, 9\nexit", memory, 8), 0);
        CHECK_EQ(run_raw(engines[e], "mov %r6, %r1\ncall local f\nmov %r0, 9\nexit\nf: mov %r6, %r1\nldabsb 100\nexit",
                         memory, 8),
                 0);
    }
}

/* ---- what programs are bound to ---- */

TEST(helpers_and_maps)
{
    for (unsigned e = 0; e < ENGINES; e++) {
        uint64_t memory[2] = {0, 0};
        memset(array_values, 0, sizeof array_values);
        CHECK_EQ(
            run_raw(engines[e], "mov %r1, 1\nmov %r2, 2\nmov %r3, 3\nmov %r4, 4\nmov %r5, 5\ncall 1\nexit", memory, 16),
            55);
        CHECK(helper_context == memory);
        /* write through lookup, read through the value's address */
        CHECK_EQ(
            run_raw(engines[e],
                    "stw [%r10-4], 2\nlddw %r1, map_index 0\nmov %r2, %r10\nadd %r2, -4\ncall 2\n"
                    "jeq %r0, 0, out\nstdw [%r0+0], 88\nlddw %r1, map_index_value 0, 16\nldxdw %r0, [%r1+0]\nout: exit",
                    memory, 16),
            88);
        CHECK_EQ(array_values[2], 88);
        CHECK_EQ(run_raw(engines[e], "lddw %r1, map_index_value 1, 8\nldxdw %r0, [%r1+0]\nexit", memory, 16), 42);
        /* a helper that ends the program, also from below */
        CHECK_EQ(run_raw(engines[e], "mov %r1, 0\ncall 9\nmov %r0, 4\nexit", memory, 16), 0);
        CHECK_EQ(run_raw(engines[e], "mov %r1, 1\ncall 9\nadd %r0, 4\nexit", memory, 16), 5);
        CHECK_EQ(run_raw(engines[e], "call local f\nmov %r0, 4\nexit\nf: mov %r1, 0\ncall 9\nexit", memory, 16), 0);
    }
}

TEST(tail_calls)
{
    static const char *const caller =
        "mov %r6, %r1\nlddw %r2, map_index 3\nmov %r3, REPLACED\ncall 10\nmov %r0, 7\nexit";
    struct stage stage;
    for (unsigned e = 0; e < ENGINES; e++) {
        for (unsigned index = 0; index < 5; index++) {
            struct program first, second;
            struct run run = {.context = &stage.real};
            char text[200];
            const char *at = strstr(caller, "REPLACED");
            snprintf(text, sizeof text, "%.*s%u%s", (int)(at - caller), caller, index, at + 8);
            stage_set(&stage);
            program_make(&first, engines[e], text, &test_contract, PERSONALITY_LINUX);
            program_make(&second, engines[e], "mov %r0, %r1\nsub %r0, %r1\nadd %r0, 11\nexit", &test_contract,
                         PERSONALITY_LINUX);
            memset(tail_slots, 0, sizeof tail_slots);
            tail_slots[1] = &second.tail;
            CHECK_EQ(engines[e]->run(first.code, &run), RESULT_OK);
            CHECK_EQ(run.r0, index == 1 ? 11 : 7);
            CHECK_EQ(stage.header.tail_calls, index == 1);
            CHECK(!stage.header.tail_target);
            program_end(&first);
            program_end(&second);
        }
        /* itself, until the limit */
        struct program again;
        struct run run = {.context = &stage.real};
        stage_set(&stage);
        program_make(
            &again, engines[e],
            "lddw %r2, map_index_value 0, 0\nldxdw %r3, [%r2+0]\nadd %r3, 1\nstxdw [%r2+0], %r3\n"
            "lddw %r2, map_index 3\nmov %r3, 0\ncall 10\nlddw %r2, map_index_value 0, 0\nldxdw %r0, [%r2+0]\nexit",
            &test_contract, PERSONALITY_LINUX);
        tail_slots[0] = &again.tail;
        array_values[0] = 0;
        CHECK_EQ(engines[e]->run(again.code, &run), RESULT_OK);
        CHECK_EQ(run.r0, ISA_TAIL_CALLS + 1);
        CHECK_EQ(stage.header.tail_calls, ISA_TAIL_CALLS);
        program_end(&again);
    }
}

TEST(tail_calls_below_the_first_frame_return_there)
{
    /* The target's r0 is the subprogram's. */
    struct stage stage;
    for (unsigned e = 0; e < ENGINES; e++) {
        for (unsigned other = 0; other < ENGINES; other++) {
            struct program first, second;
            struct run run = {.context = &stage.real};
            stage_set(&stage);
            program_make(&first, engines[e],
                         "mov %r6, 1000\ncall local f\nadd %r0, %r6\nexit\n"
                         "f: lddw %r2, map_index 3\nmov %r3, 2\ncall 10\nmov %r0, 7\nexit",
                         &test_contract, PERSONALITY_LINUX);
            program_make(&second, engines[other], "mov %r0, 5\ncall local g\nexit\ng: add %r0, 1\nmov %r0, 6\nexit",
                         &test_contract, PERSONALITY_LINUX);
            if (engines[other] == &engine_checked) {
                program_end(&second);
                program_make(&second, engines[other], "call local g\nexit\ng: mov %r0, 6\nexit", &test_contract,
                             PERSONALITY_LINUX);
            }
            tail_slots[2] = &second.tail;
            CHECK_EQ(engines[e]->run(first.code, &run), RESULT_OK);
            CHECK_EQ(run.r0, 1006);
            /* From the first frame another engine's program is the caller's to run. */
            if (e != other) {
                struct program direct;
                stage_set(&stage);
                program_make(&direct, engines[e], "lddw %r2, map_index 3\nmov %r3, 2\ncall 10\nmov %r0, 7\nexit",
                             &test_contract, PERSONALITY_LINUX);
                CHECK_EQ(engines[e]->run(direct.code, &run), RESULT_OK);
                CHECK(stage.header.tail_target == &second.tail);
                program_end(&direct);
            }
            program_end(&first);
            program_end(&second);
        }
    }
    memset(tail_slots, 0, sizeof tail_slots);
}

TEST(legacy_loads_find_the_packet_of_a_context)
{
    struct stage stage;
    for (unsigned e = 0; e < ENGINES; e++) {
        struct program program;
        struct run run = {.context = &stage.real};
        stage_set(&stage);
        program_make(&program, engines[e], "mov %r6, %r1\nldabsh 38\nexit", &test_contract, PERSONALITY_LINUX);
        CHECK_EQ(engines[e]->run(program.code, &run), RESULT_OK);
        CHECK_EQ(run.r0, 0x2e2f);
        program_end(&program);
        program_make(&program, engines[e], "mov %r6, %r1\nldabsh 39\nmov %r0, 1\nexit", &test_contract,
                     PERSONALITY_LINUX);
        CHECK_EQ(engines[e]->run(program.code, &run), RESULT_OK);
        CHECK_EQ(run.r0, 0);
        program_end(&program);
    }
}

TEST(refuses_what_it_cannot_run)
{
    static const char *const sources[] = {
        "call runtime 3\nexit",
        "call 0\nexit",
        "call 99\nexit",
        "lddw %r1, map_index 9\nexit",
        "lddw %r1, map_index_value 2, 0\nexit",
        "lddw %r1, map_index_value 0, 33\nexit",
    };
    for (unsigned e = 0; e < ENGINES; e++) {
        for (unsigned i = 0; i < sizeof sources / sizeof *sources; i++) {
            struct program program;
            CHECK_EQ(program_try(&program, engines[e], sources[i], NULL, PERSONALITY_LINUX), RESULT_NOT_SUPPORTED);
            CHECK(!strncmp(diag_said, "instruction 0: ", 15));
        }
    }
    CHECK_EQ(memory_blocks, 0);
}

TEST(every_allocation_may_fail)
{
    for (unsigned e = 0; e < ENGINES; e++) {
        size_t needed;
        memory_asked = 0;
        run_raw(engines[e], "mov %r0, 0\nexit", NULL, 0);
        needed = memory_asked;
        CHECK(needed > 0);
        for (size_t i = 1; i <= needed; i++) {
            struct program program;
            memory_asked = 0;
            memory_fail_at = i;
            CHECK_EQ(program_try(&program, engines[e], "mov %r0, 0\nexit", NULL, PERSONALITY_LINUX), RESULT_NO_MEMORY);
            memory_fail_at = 0;
            CHECK_EQ(memory_blocks, 0);
        }
    }
}

TEST_MAIN

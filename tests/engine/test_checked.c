/* SPDX-License-Identifier: MIT
 *
 * What the checked interpreter must stop, and what it must let pass: each case is a program with the fault it meets or
 * the value it returns.
 */
#include "program.h"

struct outcome {
    enum result result;
    struct code_fault fault;
    uint64_t r0;
};

static struct outcome run_in(struct stage *stage, const char *source, enum personality personality, uint64_t budget)
{
    struct program program;
    struct outcome outcome = {0};
    struct run run = {.context = &stage->real, .budget = budget, .fault = &outcome.fault};

    program_make(&program, &engine_checked, source, &test_contract, personality);
    outcome.result = engine_checked.run(program.code, &run);
    outcome.r0 = run.r0;
    program_end(&program);
    return outcome;
}

static struct outcome run_raw(const char *source, void *memory, size_t length)
{
    struct program program;
    struct outcome outcome = {0};
    struct run run = {.context = memory, .raw_length = length, .fault = &outcome.fault};

    program_make(&program, &engine_checked, source, NULL, PERSONALITY_LINUX);
    outcome.result = engine_checked.run(program.code, &run);
    outcome.r0 = run.r0;
    program_end(&program);
    return outcome;
}

enum { RETURNS = -1 }; /* in the place of a fault: the program ends well */

struct verdict {
    const char *source;
    int fault;        /* enum code_fault_kind or RETURNS */
    uint64_t value;   /* r0, or the faulting instruction */
    const char *says; /* part of the reason; NULL: any */
};

static void judge(const struct verdict *verdict, struct outcome got)
{
    bool ok;
    if (verdict->fault == RETURNS)
        ok = got.result == RESULT_OK && got.r0 == verdict->value;
    else
        ok = got.result == RESULT_FAULT && (int)got.fault.kind == verdict->fault && got.fault.insn == verdict->value &&
             (!verdict->says || strstr(got.fault.reason, verdict->says));
    if (!ok) {
        printf("%s: want %d, %llu%s%s; got %s, fault %d at %u (%s), r0 %llx in:\n%s\n", check_name, verdict->fault,
               (unsigned long long)verdict->value, verdict->says ? ", " : "", verdict->says ? verdict->says : "",
               result_text(got.result), got.fault.kind, got.fault.insn, got.fault.reason, (unsigned long long)got.r0,
               verdict->source);
        check_failures++;
    }
}

#define EACH(verdicts, ...)                                                                                            \
    for (unsigned i = 0; i < sizeof(verdicts) / sizeof *(verdicts); i++) {                                             \
        const struct verdict *verdict = &(verdicts)[i];                                                                \
        __VA_ARGS__                                                                                                    \
    }

TEST(memory_of_a_raw_program)
{
    static uint8_t memory[16 + 16 + 16];
    static const struct verdict verdicts[] = {
        {"ldxb %r0, [%r1+15]\nexit", RETURNS, 0, NULL},
        {"ldxb %r0, [%r1+16]\nexit", FAULT_ACCESS, 0, "reads 1 bytes at offset 16 of memory, which has 16"},
        {"ldxb %r0, [%r1-1]\nexit", FAULT_ACCESS, 0, "offset -1"},
        {"ldxdw %r0, [%r1+8]\nexit", RETURNS, 0, NULL},
        {"ldxdw %r0, [%r1+9]\nexit", FAULT_ACCESS, 0, NULL},
        {"ldxdw %r0, [%r1-1]\nexit", FAULT_ACCESS, 0, NULL},
        {"ldxw %r0, [%r1+13]\nexit", FAULT_ACCESS, 0, NULL},
        {"ldxh %r0, [%r1+15]\nexit", FAULT_ACCESS, 0, NULL},
        {"stdw [%r1+9], 1\nmov %r0, 0\nexit", FAULT_ACCESS, 0, "writes 8 bytes"},
        {"mov %r2, 1\nstxb [%r1+16], %r2\nmov %r0, 0\nexit", FAULT_ACCESS, 1, NULL},
        {"add %r1, 20\nmov %r0, 0\nexit", RETURNS, 0, NULL}, /* outside, but not used */
        {"add %r1, 20\nsub %r1, 10\nldxb %r0, [%r1+0]\nexit", RETURNS, 0, NULL},
        {"mov %r3, 12\nadd %r3, %r1\nldxb %r0, [%r3+0]\nexit", RETURNS, 0, NULL},
        {"mov %r0, 12\nldxb %r0, [%r0+0]\nexit", FAULT_ACCESS, 1, "a number"},
        {"lddw %r0, 0x7fff00000000\nldxb %r0, [%r0+0]\nexit", FAULT_ACCESS, 2, NULL},
        {"mov %r3, %r1\nmul %r3, 1\nldxb %r0, [%r3+0]\nexit", FAULT_ACCESS, 2, NULL}, /* a number now */
        {"mov32 %r3, %r1\nldxb %r0, [%r3+0]\nexit", FAULT_ACCESS, 1, NULL},
        {"mov %r3, %r1\nor %r3, 0\nldxb %r0, [%r3+0]\nexit", FAULT_ACCESS, 2, NULL},
        {"mov %r3, %r1\nadd %r3, 5\nsub %r3, %r1\nmov %r0, %r3\nexit", RETURNS, 5, NULL},
        {"mov %r3, %r1\nadd %r3, %r1\nldxb %r0, [%r3+0]\nexit", FAULT_ACCESS, 2, NULL},
        {"add %r1, %r2\nldxb %r0, [%r1-1]\nexit", RETURNS, 0, NULL},
        {"add %r1, %r2\nldxb %r0, [%r1+0]\nexit", FAULT_ACCESS, 1, NULL},
        {"stxdw [%r1+0], %r1\nmov %r0, 0\nexit", FAULT_POINTER, 0, "stores r1, a pointer to memory"},
        {"mov %r2, %r10\nstxb [%r1+0], %r2\nmov %r0, 0\nexit", FAULT_POINTER, 1, NULL},
        {"lock fetch add [%r1+4], %r2\nmov %r0, 0\nexit", FAULT_ACCESS, 0, "aligned"},
        {"lock add32 [%r1+4], %r1\nmov %r0, 0\nexit", FAULT_POINTER, 0, NULL},
        {"lock xchg [%r1+16], %r2\nmov %r0, 0\nexit", FAULT_ACCESS, 0, NULL},
        {"lock cmpxchg [%r1+0], %r2\nexit", FAULT_UNINIT, 0, "r0"},
        {"ldacqw %r0, [%r1+2]\nexit", FAULT_ACCESS, 0, NULL},
        {"ldacqdw %r0, [%r1+8]\nexit", RETURNS, 0, NULL},
        {"strelw [%r1+16], %r2\nmov %r0, 0\nexit", FAULT_ACCESS, 0, NULL},
        {"mov %r0, %r1\nexit", FAULT_RETURN, 1, "a pointer to memory"},
        {"exit", FAULT_RETURN, 0, "never written"},
        {"jeq %r1, 0, l\nl: jgt %r1, %r2, m\nm: mov %r0, 0\nexit", RETURNS, 0, NULL},
    };
    EACH(verdicts, {
        memset(memory, 0, sizeof memory);
        judge(verdict, run_raw(verdict->source, memory + 16, 16));
    })
}

TEST(registers_never_written)
{
    static const struct verdict verdicts[] = {
        {"mov %r0, %r3\nexit", FAULT_UNINIT, 0, "r3 is read before it is written"},
        {"mov32 %r0, %r3\nexit", FAULT_UNINIT, 0, "r3"},
        {"add %r0, 1\nexit", FAULT_UNINIT, 0, "r0"},
        {"mov %r0, 0\nadd %r0, %r4\nexit", FAULT_UNINIT, 1, "r4"},
        {"xor %r5, %r5\nmov %r0, 0\nexit", FAULT_UNINIT, 0, "r5"},
        {"neg %r5\nmov %r0, 0\nexit", FAULT_UNINIT, 0, "r5"},
        {"be16 %r5\nmov %r0, 0\nexit", FAULT_UNINIT, 0, "r5"},
        {"jeq %r6, 0, l\nl: mov %r0, 0\nexit", FAULT_UNINIT, 0, "r6"},
        {"mov %r0, 0\njgt32 %r0, %r6, l\nl: exit", FAULT_UNINIT, 1, "r6"},
        {"ldxb %r0, [%r6+0]\nexit", FAULT_UNINIT, 0, "r6"},
        {"stb [%r6+0], 1\nmov %r0, 0\nexit", FAULT_UNINIT, 0, "r6"},
        {"stxdw [%r10-8], %r6\nmov %r0, 0\nexit", FAULT_UNINIT, 0, "r6"},
        {"stxw [%r10-8], %r6\nmov %r0, 0\nexit", FAULT_UNINIT, 0, "r6"},
        {"jeq %r2, 0, l\nmov %r3, 1\nl: mov %r0, %r3\nexit", FAULT_UNINIT, 2, "r3"}, /* on one path only */
        {"jne %r2, 0, l\nmov %r3, 1\nl: mov %r0, %r3\nexit", RETURNS, 1, NULL},
        {"mov %r1, 1\nmov %r2, 1\nmov %r3, 1\nmov %r4, 1\nmov %r5, 1\ncall 1\nadd %r0, %r1\nexit", FAULT_UNINIT, 6,
         "r1"},
        {"mov %r1, 1\nmov %r2, 1\nmov %r3, 1\nmov %r4, 1\ncall 1\nexit", FAULT_UNINIT, 4, "r5"},
        {"mov %r6, 1\ncall local f\nexit\nf: mov %r0, %r6\nexit", FAULT_UNINIT, 3, "r6"},
        {"mov %r1, 1\ncall local f\nmov %r0, %r1\nexit\nf: mov %r0, %r1\nexit", FAULT_UNINIT, 2, "r1"},
        {"call local f\nmov %r0, 0\nexit\nf: exit", RETURNS, 0, NULL}, /* a subprogram without a value */
        {"call local f\nexit\nf: exit", FAULT_RETURN, 1, NULL},
    };
    static const struct verdict loaded = {"mov %r6, %r1\nldabsb 0\nmov %r0, %r1\nexit", FAULT_UNINIT, 2, "r1"};
    static uint8_t memory[8];
    EACH(verdicts, { judge(verdict, run_raw(verdict->source, memory, 0)); })
    judge(&loaded, run_raw(loaded.source, memory, 8));
}

TEST(the_stack)
{
    static const struct verdict verdicts[] = {
        {"ldxdw %r0, [%r10-8]\nexit", FAULT_UNINIT, 0, "fp-8"},
        {"stw [%r10-8], 1\nldxdw %r0, [%r10-8]\nexit", FAULT_UNINIT, 1, "fp-4"},
        {"stw [%r10-8], 1\nstw [%r10-4], 2\nldxdw %r0, [%r10-8]\nexit", RETURNS, 0x200000001, NULL},
        {"stdw [%r10-512], 3\nldxb %r0, [%r10-512]\nexit", RETURNS, 3, NULL},
        {"stb [%r10-513], 3\nmov %r0, 0\nexit", FAULT_ACCESS, 0, "the stack"},
        {"stb [%r10+0], 3\nmov %r0, 0\nexit", FAULT_ACCESS, 0, NULL},
        {"stdw [%r10-4], 3\nmov %r0, 0\nexit", FAULT_ACCESS, 0, NULL},
        {"mov %r3, %r10\nadd %r3, -600\nstdw [%r3+0], 3\nmov %r0, 0\nexit", FAULT_ACCESS, 2, NULL},
        {"mov %r3, %r10\nadd %r3, -600\nstdw [%r3+400], 3\nldxw %r0, [%r10-200]\nexit", RETURNS, 3, NULL},
        /* pointers on the stack */
        {"stxdw [%r10-8], %r1\nldxdw %r3, [%r10-8]\nldxb %r0, [%r3+7]\nexit", RETURNS, 0, NULL},
        {"stxdw [%r10-8], %r1\nldxdw %r3, [%r10-8]\nldxb %r0, [%r3+8]\nexit", FAULT_ACCESS, 2, "offset 8 of memory"},
        {"stxdw [%r10-8], %r1\nstb [%r10-8], 0\nldxdw %r3, [%r10-8]\nldxb %r0, [%r3+0]\nexit", FAULT_ACCESS, 3,
         "number"},
        {"stxdw [%r10-8], %r1\nldxw %r3, [%r10-8]\nldxb %r0, [%r3+0]\nexit", FAULT_ACCESS, 2, "a number"},
        {"stxdw [%r10-16], %r1\nstdw [%r10-8], 0\nldxdw %r3, [%r10-12]\nldxb %r0, [%r3+0]\nexit", FAULT_ACCESS, 3,
         NULL},
        {"stxdw [%r10-12], %r1\nmov %r0, 0\nexit", FAULT_POINTER, 0, "part"},
        {"stxw [%r10-8], %r1\nmov %r0, 0\nexit", FAULT_POINTER, 0, "part"},
        {"stxdw [%r10-8], %r1\nstdw [%r10-8], 5\nldxdw %r0, [%r10-8]\nexit", RETURNS, 5, NULL},
        {"stxdw [%r10-8], %r1\nlock fetch add [%r10-8], %r2\nldxdw %r3, [%r10-8]\nldxb %r0, [%r3+0]\nexit",
         FAULT_ACCESS, 3, "number"},
        /* frames */
        {"mov %r1, %r10\ncall local f\nmov %r0, 0\nexit\nf: stdw [%r1-8], 1\nmov %r0, 0\nexit", RETURNS, 0, NULL},
        {"mov %r1, %r10\ncall local f\nmov %r0, 0\nexit\nf: stdw [%r1+0], 1\nmov %r0, 0\nexit", FAULT_ACCESS, 4, NULL},
        {"call local f\nldxb %r0, [%r0+0]\nexit\nf: stb [%r10-8], 1\nmov %r0, %r10\nexit", FAULT_POINTER, 5,
         "own stack"},
        {"mov %r1, %r10\ncall local f\nmov %r0, 0\nexit\nf: stxdw [%r1-8], %r10\nmov %r0, 0\nexit", FAULT_POINTER, 4,
         "caller"},
        {"stdw [%r10-8], 1\ncall local f\nexit\nf: ldxdw %r0, [%r10-8]\nexit", FAULT_UNINIT, 3, NULL},
        {"call local f\ncall local g\nexit\nf: stdw [%r10-8], 9\nmov %r0, 0\nexit\ng: ldxdw %r0, [%r10-8]\nexit",
         FAULT_UNINIT, 6, NULL},
        {"mov %r6, %r1\ncall local f\nldxb %r0, [%r6+0]\nexit\nf: mov %r6, 0\nmov %r0, 0\nexit", RETURNS, 0, NULL},
        {"lddw %r3, code f\nadd %r3, 16\ncallx %r3\nexit\nf: mov %r0, 1\nmov %r0, 2\nexit", FAULT_CALL, 3, NULL},
        {"mov %r3, 0\ncallx %r3\nexit", FAULT_CALL, 1, "a number"},
        {"lddw %r3, code f\nldxb %r0, [%r3+0]\nexit\nf: mov %r0, 1\nexit", FAULT_ACCESS, 2, "address of code"},
        {"lddw %r3, code f\nstxdw [%r10-8], %r3\nldxdw %r4, [%r10-8]\ncallx %r4\nexit\nf: mov %r0, 1\nexit", RETURNS, 1,
         NULL},
    };
    static uint8_t memory[8];
    EACH(verdicts, {
        memset(memory, 0, sizeof memory);
        judge(verdict, run_raw(verdict->source, memory, 8));
    })
}

TEST(the_budget)
{
    struct stage stage;
    struct verdict forever = {"loop: ja loop\nmov %r0, 0\nexit", FAULT_BUDGET, 0, "1000"};
    struct verdict recursive = {"mov %r6, 0\nl: call local f\nadd %r6, 1\nja l\nf: mov %r0, 0\nexit", FAULT_BUDGET, 0,
                                NULL};
    struct verdict counted = {"mov %r0, 0\nl: add %r0, 1\njlt %r0, 300, l\nexit", RETURNS, 300, NULL};
    struct outcome outcome;

    stage_set(&stage);
    judge(&forever, run_in(&stage, forever.source, PERSONALITY_LINUX, 1000));
    outcome = run_in(&stage, recursive.source, PERSONALITY_LINUX, 1000);
    CHECK_EQ(outcome.result, RESULT_FAULT);
    CHECK_EQ(outcome.fault.kind, FAULT_BUDGET);
    judge(&counted, run_in(&stage, counted.source, PERSONALITY_LINUX, 602));
    outcome = run_in(&stage, counted.source, PERSONALITY_LINUX, 590);
    CHECK_EQ(outcome.fault.kind, FAULT_BUDGET);
    /* Instructions that are jumped over are free. */
    static const char *const skipping = "mov %r0, 0\nl: add %r0, 1\nja over\n"
                                        "mov %r1, 1\nmov %r1, 1\nmov %r1, 1\nmov %r1, 1\nmov %r1, 1\nmov %r1, 1\n"
                                        "over: jlt %r0, 100, l\nexit";
    CHECK_EQ(run_in(&stage, skipping, PERSONALITY_LINUX, 320).result, RESULT_OK);
    CHECK_EQ(run_in(&stage, skipping, PERSONALITY_LINUX, 280).fault.kind, FAULT_BUDGET);
    outcome = run_in(&stage, forever.source, PERSONALITY_LINUX, 0); /* the default ends it, too */
    CHECK_EQ(outcome.fault.kind, FAULT_BUDGET);
}

TEST(contexts_of_both_personalities)
{
    static const struct verdict linux_cases[] = {
        {"ldxw %r0, [%r1+12]\nexit", RETURNS, 0x01020304, NULL},
        {"ldxb %r0, [%r1+13]\nexit", RETURNS, 0x03, NULL},
        {"ldxh %r0, [%r1+14]\nexit", RETURNS, 0x0102, NULL},
        {"ldxdw %r0, [%r1+12]\nexit", FAULT_ACCESS, 0, "no field"},
        {"ldxw %r0, [%r1+16]\nexit", RETURNS, 0x11223344, NULL},
        {"ldxsw %r0, [%r1+24]\nexit", RETURNS, 0xbeef, NULL}, /* 2 real bytes, 4 visible ones */
        {"ldxb %r0, [%r1+16]\nexit", FAULT_ACCESS, 0, "1 bytes of 'mark'"},
        {"ldxw %r0, [%r1+20]\nexit", FAULT_ACCESS, 0, "reads 'secret'"},
        {"ldxw %r0, [%r1+28]\nexit", FAULT_ACCESS, 0, "no field"},
        {"ldxw %r0, [%r1-4]\nexit", FAULT_ACCESS, 0, "no field"},
        {"stw [%r1+16], 7\nldxw %r0, [%r1+16]\nexit", RETURNS, 7, NULL},
        {"mov %r2, 8\nstxw [%r1+16], %r2\nldxw %r0, [%r1+16]\nexit", RETURNS, 8, NULL},
        {"stw [%r1+12], 7\nmov %r0, 0\nexit", FAULT_ACCESS, 0, "writes 'ifindex'"},
        {"stxw [%r1+16], %r1\nmov %r0, 0\nexit", FAULT_POINTER, 0, NULL},
        {"mov %r2, 1\nlock add32 [%r1+16], %r2\nmov %r0, 0\nexit", FAULT_ACCESS, 1, "the context"},
        {"add %r1, 4\nldxw %r0, [%r1+8]\nexit", RETURNS, 0x01020304, NULL},
        /* packets */
        {"ldxw %r2, [%r1+0]\nldxb %r0, [%r2+0]\nexit", RETURNS, 8, NULL},
        {"ldxw %r2, [%r1+0]\nldxb %r0, [%r2+39]\nexit", RETURNS, 47, NULL},
        {"ldxw %r2, [%r1+0]\nldxb %r0, [%r2+40]\nexit", FAULT_ACCESS, 1, "offset 40 of the packet, which has 40"},
        {"ldxw %r2, [%r1+4]\nldxb %r0, [%r2-1]\nexit", RETURNS, 47, NULL},
        {"ldxw %r2, [%r1+4]\nldxb %r0, [%r2+0]\nexit", FAULT_ACCESS, 1, NULL},
        {"ldxw %r2, [%r1+0]\nldxw %r3, [%r1+4]\nsub %r3, %r2\nmov %r0, %r3\nexit", RETURNS, 40, NULL},
        {"ldxw %r2, [%r1+0]\nldxw %r3, [%r1+4]\nadd %r2, 40\nmov %r0, 1\njgt %r2, %r3, l\nmov %r0, 2\nl: exit", RETURNS,
         2, NULL},
        {"ldxw %r2, [%r1+0]\nldxb %r0, [%r2-1]\nexit", FAULT_ACCESS, 1, "offset -1"},
        {"ldxw %r2, [%r1+8]\nldxb %r0, [%r2+7]\nexit", RETURNS, 7, NULL},
        {"ldxw %r2, [%r1+8]\nldxb %r0, [%r2+8]\nexit", FAULT_ACCESS, 1, "metadata"},
        {"ldxsw %r2, [%r1+0]\nmov %r0, 0\nexit", FAULT_POINTER, 0, "sign"},
        {"ldxh %r2, [%r1+0]\nmov %r0, 0\nexit", FAULT_ACCESS, 0, NULL},
        {"stw [%r1+0], 0\nmov %r0, 0\nexit", FAULT_ACCESS, 0, NULL},
        /* a helper that moves the packet kills its pointers, wherever they are */
        {"mov %r6, %r1\nldxw %r7, [%r1+0]\nmov %r2, 4\ncall 11\nldxb %r0, [%r7+0]\nexit", FAULT_ACCESS, 4, "gone"},
        {"mov %r6, %r1\nldxw %r7, [%r1+0]\nstxdw [%r10-8], %r7\nmov %r2, 4\ncall 11\nldxdw %r7, [%r10-8]\n"
         "ldxb %r0, [%r7+0]\nexit",
         FAULT_ACCESS, 6, "gone"},
        {"mov %r6, %r1\nldxw %r7, [%r1+0]\ncall local f\nldxb %r0, [%r7+0]\nexit\nf: mov %r2, 4\ncall 11\nexit",
         FAULT_ACCESS, 3, "gone"},
        {"mov %r6, %r1\nmov %r2, 4\ncall 11\nldxw %r7, [%r6+0]\nldxb %r0, [%r7+35]\nexit", RETURNS, 47, NULL},
        {"mov %r6, %r1\nmov %r2, 4\ncall 11\nldxw %r7, [%r6+0]\nldxb %r0, [%r7+36]\nexit", FAULT_ACCESS, 4, NULL},
        {"mov %r2, 4\nadd %r1, 4\ncall 11\nexit", FAULT_CALL, 2, "unmodified context"},
    };
    static const struct verdict efw_cases[] = {
        {"ldxdw %r2, [%r1+0]\nldxb %r0, [%r2+0]\nexit", RETURNS, 8, NULL},
        {"ldxw %r2, [%r1+0]\nmov %r0, 0\nexit", FAULT_ACCESS, 0, "4 bytes of 'data'"},
        {"ldxdw %r2, [%r1+16]\nldxw %r0, [%r2+4]\nexit", RETURNS, 0x11223344, NULL},
        {"ldxdw %r2, [%r1+16]\nldxb %r0, [%r2+8]\nexit", FAULT_ACCESS, 1, "memory, which has 8"},
        {"ldxdw %r2, [%r1+24]\nldxb %r0, [%r2-8]\nexit", RETURNS, 0x88, NULL},
        {"ldxdw %r2, [%r1+16]\nstb [%r2+0], 1\nmov %r0, 0\nexit", FAULT_ACCESS, 1, "may only read"},
        {"ldxdw %r0, [%r1+32]\nexit", FAULT_ACCESS, 0, NULL},
    };
    struct stage stage;
    EACH(linux_cases, {
        stage_set(&stage);
        judge(verdict, run_in(&stage, verdict->source, PERSONALITY_LINUX, 0));
    })
    EACH(efw_cases, {
        stage_set(&stage);
        judge(verdict, run_in(&stage, verdict->source, PERSONALITY_EFW, 0));
    })
    stage_set(&stage);
    CHECK_EQ(run_in(&stage, "stw [%r1+16], -1\nmov %r0, 0\nexit", PERSONALITY_LINUX, 0).result, RESULT_OK);
    CHECK_EQ(stage.real.mark, 0xffffffff);
    CHECK_EQ(stage.real.ifindex, 0x01020304);
    /* an empty packet has no bytes */
    stage_set(&stage);
    stage.real.data_end = stage.real.data;
    CHECK_EQ(run_in(&stage, "ldxw %r2, [%r1+0]\nldxb %r0, [%r2+0]\nexit", PERSONALITY_LINUX, 0).fault.kind,
             FAULT_ACCESS);
}

#define KEY(index) "stw [%r10-4], " #index "\nmov %r2, %r10\nadd %r2, -4\n"

TEST(maps_and_helper_arguments)
{
    static const struct verdict verdicts[] = {
        /* 0..4: the key and the call; the value in r0 */
        {KEY(1) "lddw %r1, map_index 0\ncall 2\njeq %r0, 0, l\nldxdw %r0, [%r0+0]\nl: exit", RETURNS, 11, NULL},
        {KEY(9) "lddw %r1, map_index 0\ncall 2\njeq %r0, 0, l\nldxdw %r0, [%r0+0]\nl: exit", RETURNS, 0, NULL},
        {KEY(9) "lddw %r1, map_index 0\ncall 2\nldxdw %r0, [%r0+0]\nexit", FAULT_ACCESS, 6, "a number"},
        {KEY(1) "lddw %r1, map_index 0\ncall 2\nldxb %r0, [%r0+8]\nexit", FAULT_ACCESS, 6, "a value, which has 8"},
        {KEY(1) "lddw %r1, map_index 0\ncall 2\nldxb %r0, [%r0-1]\nexit", FAULT_ACCESS, 6, NULL},
        {KEY(1) "lddw %r1, map_index 0\ncall 2\nstxdw [%r0+0], %r10\nexit", FAULT_POINTER, 6, NULL},
        {KEY(1) "lddw %r1, map_index 0\nadd %r1, 1\ncall 2\nexit", FAULT_CALL, 6, "not a map"},
        {KEY(1) "mov %r1, 0\ncall 2\nexit", FAULT_CALL, 4, "not a map"},
        {KEY(1) "lddw %r1, map_index 4\ncall 2\nexit", FAULT_CALL, 5, "kind 27"},
        {KEY(1) "lddw %r1, map_index 0\nldxb %r0, [%r1+0]\nexit", FAULT_ACCESS, 5, "a map"},
        {KEY(1) "lddw %r1, map_index_value 0, 24\nldxdw %r0, [%r1+0]\nexit", RETURNS, 13, NULL},
        {KEY(1) "lddw %r1, map_index_value 0, 24\nldxdw %r0, [%r1+1]\nexit", FAULT_ACCESS, 5, NULL},
        {KEY(1) "lddw %r1, map_index_value 1, 0\nstb [%r1+0], 1\nmov %r0, 0\nexit", FAULT_ACCESS, 5, "only read"},
        {KEY(0) "lddw %r1, map_index 1\ncall 2\nstb [%r0+0], 1\nmov %r0, 0\nexit", FAULT_ACCESS, 6, "only read"},
        {"mov %r2, %r10\nadd %r2, -4\nlddw %r1, map_index 0\ncall 2\nexit", FAULT_UNINIT, 4, "fp-4"},
        {"mov %r2, %r10\nadd %r2, -2\nlddw %r1, map_index 0\ncall 2\nexit", FAULT_ACCESS, 4, "the stack"},
        {"mov %r2, 0\nlddw %r1, map_index 0\ncall 2\nexit", FAULT_CALL, 3, "pointer to memory"},
        /* a key inside a map value, a value on the stack */
        {"lddw %r2, map_index_value 0, 0\nlddw %r1, map_index 0\ncall 2\nmov %r0, 3\nexit", RETURNS, 3, NULL},
        {"lddw %r2, map_index_value 0, 30\nlddw %r1, map_index 0\ncall 2\nmov %r0, 3\nexit", FAULT_ACCESS, 4, NULL},
        {KEY(2) "stdw [%r10-16], 5\nmov %r3, %r10\nadd %r3, -16\nmov %r4, 0\nlddw %r1, map_index 0\ncall 3\nexit",
         RETURNS, 0, NULL},
        {KEY(2) "stw [%r10-16], 5\nmov %r3, %r10\nadd %r3, -16\nmov %r4, 0\nlddw %r1, map_index 0\ncall 3\nexit",
         FAULT_UNINIT, 9, "fp-12"},
        /* a map in a map */
        {KEY(0) "lddw %r1, map_index 2\ncall 2\nmov %r1, %r0\nmov %r2, %r10\nadd %r2, -4\ncall 2\n"
                "jeq %r0, 0, l\nldxdw %r0, [%r0+0]\nl: exit",
         RETURNS, 10, NULL},
        {KEY(0) "lddw %r1, map_index 2\ncall 2\nldxb %r0, [%r0+0]\nexit", FAULT_ACCESS, 6, "a map"},
        /* memory and its size */
        {"stdw [%r10-8], 0x01010101\nmov %r1, %r10\nadd %r1, -8\nmov %r2, 8\ncall 8\nexit", RETURNS, 4, NULL},
        {"stdw [%r10-8], 0x01010101\nmov %r1, %r10\nadd %r1, -8\nmov %r2, 9\ncall 8\nexit", FAULT_ACCESS, 4, NULL},
        {"stdw [%r10-8], 0x01010101\nmov %r1, %r10\nadd %r1, -12\nmov %r2, 9\ncall 8\nexit", FAULT_UNINIT, 4, "fp-12"},
        {"mov %r1, %r10\nadd %r1, -8\nlddw %r2, 0xffffffffffffffff\ncall 8\nexit", FAULT_ACCESS, 4, NULL},
        {"mov %r1, 0\nmov %r2, 0\ncall 8\nexit", RETURNS, 0, NULL},
        {"mov %r1, 0\nmov %r2, 1\ncall 8\nexit", FAULT_CALL, 2, "NULL with a size"},
        {"mov %r1, 5\nmov %r2, 0\ncall 8\nexit", FAULT_CALL, 2, NULL},
        {"mov %r1, %r10\nmov %r2, %r10\ncall 8\nexit", FAULT_CALL, 2, "not a number"},
        {"mov %r1, %r10\ncall 8\nexit", FAULT_UNINIT, 1, "r2"},
        {"mov %r1, %r10\nadd %r1, -8\nmov %r2, 0\ncall 7\nexit", FAULT_CALL, 3, "size of 0"},
        /* what a helper wrote is written, and what it left is zero rather than ours */
        {"mov %r1, %r10\nadd %r1, -8\nmov %r2, 8\ncall 7\nldxdw %r0, [%r10-8]\nexit", RETURNS, 0x77777777, NULL},
        {"lddw %r1, map_index_value 1, 0\nmov %r2, 8\ncall 7\nexit", FAULT_ACCESS, 3, "only read"},
    };
    struct stage stage;
    EACH(verdicts, {
        stage_set(&stage);
        for (unsigned k = 0; k < 4; k++)
            array_values[k] = 10 + k;
        judge(verdict, run_in(&stage, verdict->source, PERSONALITY_LINUX, 0));
    })
    CHECK_EQ(rodata_values[0], 0x1122334455667788);
}

#define RESERVE(size) "lddw %r1, map_index 4\nmov %r2, " #size "\nmov %r3, 0\ncall 4\n"

TEST(records_must_be_given_up)
{
    /* the reservation is instructions 0 to 4 */
    static const struct verdict verdicts[] = {
        {RESERVE(16) "jeq %r0, 0, l\nstdw [%r0+8], 3\nmov %r1, %r0\nmov %r2, 0\ncall 5\nl: mov %r0, 1\nexit", RETURNS,
         1, NULL},
        {RESERVE(16) "jeq %r0, 0, l\nmov %r1, %r0\nmov %r2, 0\ncall 6\nl: mov %r0, 1\nexit", RETURNS, 1, NULL},
        {RESERVE(64) "jeq %r0, 0, l\nmov %r1, %r0\nmov %r2, 0\ncall 6\nl: mov %r0, 1\nexit", RETURNS, 1, NULL},
        {RESERVE(16) "mov %r0, 1\nexit", FAULT_REFERENCE, 6, NULL},
        {RESERVE(16) "stb [%r0+16], 1\nexit", FAULT_ACCESS, 5, "a record, which has 16"},
        {RESERVE(16) "mov %r6, %r0\nmov %r1, %r0\nmov %r2, 0\ncall 5\nstb [%r6+0], 1\nmov %r0, 0\nexit", FAULT_ACCESS,
         9, "gone"},
        {RESERVE(
             16) "mov %r6, %r0\nmov %r1, %r0\nmov %r2, 0\ncall 5\nmov %r1, %r6\nmov %r2, 0\ncall 5\nmov %r0, 0\nexit",
         FAULT_CALL, 11, "reserved record"},
        {RESERVE(16) "mov %r1, %r0\nadd %r1, 8\nmov %r2, 0\ncall 5\nmov %r0, 0\nexit", FAULT_CALL, 8, NULL},
        {"lddw %r1, map_index_value 0, 0\nmov %r2, 0\ncall 5\nmov %r0, 0\nexit", FAULT_CALL, 3, NULL},
        {RESERVE(16) "mov %r6, %r0\n" RESERVE(16) "stxdw [%r6+0], %r0\nexit", FAULT_POINTER, 11, NULL},
        {RESERVE(16) "mov %r1, %r0\nmov %r2, 0\ncall 5\nexit", FAULT_RETURN, 8, "never written"},
        {RESERVE(16) "mov %r6, %r0\nmov %r1, 0\ncall 9\nexit", FAULT_REFERENCE, 7, NULL},
        {"mov %r6, 0\nl: " RESERVE(16) "add %r6, 1\njlt %r6, 30, l\nmov %r0, 0\nexit", FAULT_REFERENCE, 5, "more than"},
    };
    struct stage stage;
    EACH(verdicts, {
        stage_set(&stage);
        records_reserved = records_submitted = records_discarded = 0;
        judge(verdict, run_in(&stage, verdict->source, PERSONALITY_LINUX, 0));
        if (strstr(verdict->source, "call 6")) {
            CHECK_EQ(records_reserved, records_submitted + records_discarded);
        }
    })
    /* A program that is stopped does not keep the ring waiting. */
    stage_set(&stage);
    records_reserved = records_submitted = records_discarded = 0;
    CHECK_EQ(run_in(&stage, RESERVE(16) RESERVE(8) "ldxb %r0, [%r0+9]\nexit", PERSONALITY_LINUX, 0).result,
             RESULT_FAULT);
    CHECK_EQ(records_reserved, 2);
    CHECK_EQ(records_discarded + records_submitted, 2);
}

TEST(tail_calls_start_afresh)
{
    static const char *const targets[] = {"mov %r0, %r6\nexit", "ldxdw %r0, [%r10-8]\nexit",
                                          "ldxw %r0, [%r1+12]\nexit"};
    struct stage stage;
    for (unsigned i = 0; i < 3; i++) {
        struct program first, second;
        struct code_fault fault = {0};
        struct run run = {.context = &stage.real, .fault = &fault};
        stage_set(&stage);
        program_make(&first, &engine_checked,
                     "mov %r6, 1\nstdw [%r10-8], 2\nlddw %r2, map_index 3\nmov %r3, 0\ncall 10\nmov %r0, 7\nexit",
                     &test_contract, PERSONALITY_LINUX);
        program_make(&second, &engine_checked, targets[i], &test_contract, PERSONALITY_LINUX);
        tail_slots[0] = &second.tail;
        CHECK_EQ(engine_checked.run(first.code, &run), i < 2 ? RESULT_FAULT : RESULT_OK);
        if (i < 2)
            CHECK_EQ(fault.kind, FAULT_UNINIT);
        else
            CHECK_EQ(run.r0, 0x01020304);
        program_end(&first);
        program_end(&second);
    }
    /* forever through tail calls: 33, then on */
    struct program again;
    struct code_fault fault = {0};
    struct run run = {.context = &stage.real, .fault = &fault, .budget = 50};
    stage_set(&stage);
    program_make(&again, &engine_checked, "lddw %r2, map_index 3\nmov %r3, 0\ncall 10\nmov %r0, 7\nexit",
                 &test_contract, PERSONALITY_LINUX);
    tail_slots[0] = &again.tail;
    CHECK_EQ(engine_checked.run(again.code, &run), RESULT_FAULT);
    CHECK_EQ(fault.kind, FAULT_BUDGET);
    program_end(&again);
    memset(tail_slots, 0, sizeof tail_slots);
}

TEST(a_fault_record_is_optional)
{
    struct program program;
    struct run run = {0};
    program_make(&program, &engine_checked, "ldxb %r0, [%r1+0]\nexit", NULL, PERSONALITY_LINUX);
    CHECK_EQ(engine_checked.run(program.code, &run), RESULT_FAULT);
    program_end(&program);
    CHECK_EQ(memory_blocks, 0);
}

/* A run says how many instructions it took: loops, calls, jumps over code, and a lddw as the one that it is. */
TEST(executed)
{
    static const struct {
        const char *source;
        uint64_t count;
    } cases[] = {
        {"mov %r0, 0\nexit\n", 2},
        {"lddw %r0, 0x1122334455\nexit\n", 2},
        {"mov %r0, 0\nja +2\nmov %r0, 1\nmov %r0, 2\nexit\n", 3},
        {"mov %r0, 5\nsub %r0, 1\njne %r0, 0, -2\nexit\n", 12},
        {"mov %r0, 3\nlddw %r1, 7\nsub %r0, 1\njne %r0, 0, -4\nexit\n", 11},
        {"mov %r0, 1\ncall local f\ncall local f\nexit\nf: add %r0, 1\nexit\n", 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct program program;
        struct stage stage;
        struct run run = {.context = &stage.real};
        stage_set(&stage);
        program_make(&program, &engine_checked, cases[i].source, &test_contract, PERSONALITY_LINUX);
        CHECK_EQ(engine_checked.run(program.code, &run), RESULT_OK);
        CHECK_EQ(run.executed, cases[i].count);
        program_end(&program);
    }
}

TEST_MAIN

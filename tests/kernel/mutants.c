/* SPDX-License-Identifier: MIT
 *
 * Is the judge awake?  Each engine is made to do each operation wrong (engine_mutant, in builds with
 * -DWINBPF_MUTANTS), and random programs about that operation must show that it differs from the two others.  A mutant
 * that crashes, or that does not end, is caught as well: the others did.  One child process a mutant.
 *
 * Planted faults are coarse.  A finer test of the programs' power: *near misses*, where one engine takes an operation
 * for its neighbour (64 bits for 32, signed for unsigned, < for <=, fetching for not fetching).  For these the program
 * is changed, not the engine, so they say nothing about engines but all about the generator's operands.
 *
 *   mutants [--seed S] [--programs N] [--engine NAME] [--op NAME]
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "engine/engine.h"
#include "kernel/judge.h"

struct near_miss {
    enum isa_op op, as;
};

#define BOTH(A, B)                                                                                                     \
    {ISA_##A, ISA_##B},                                                                                                \
    {                                                                                                                  \
        ISA_##B, ISA_##A                                                                                               \
    }
#define WIDTHS(NAME) BOTH(NAME##64_IMM, NAME##32_IMM), BOTH(NAME##64_REG, NAME##32_REG)
#define EACH(A, B)                                                                                                     \
    BOTH(A##64_IMM, B##64_IMM), BOTH(A##64_REG, B##64_REG), BOTH(A##32_IMM, B##32_IMM), BOTH(A##32_REG, B##32_REG)
#define PAIR(A, B) BOTH(A##64, B##64), BOTH(A##32, B##32)

static const struct near_miss near_misses[] = {
#define ALU(NAME, ...)     WIDTHS(NAME),
#define JMP(NAME, ...)     WIDTHS(NAME),
#define ALU1(NAME, ...)    BOTH(NAME##64, NAME##32),
#define ATOMIC(NAME, ...)  BOTH(NAME##64, NAME##32),
#define ATOMIC2(NAME, ...) BOTH(NAME##64, NAME##32),
#include "isa/isa.def"
    EACH(DIV, SDIV),
    EACH(MOD, SMOD),
    EACH(RSH, ARSH),
    EACH(ADD, OR),
    EACH(ADD, XOR),
    EACH(OR, XOR),
    EACH(SUB, XOR),
    EACH(JEQ, JSET),
    EACH(JGT, JGE),
    EACH(JGT, JSGT),
    EACH(JGE, JSGE),
    EACH(JSGT, JSGE),
    EACH(JLT, JLE),
    EACH(JLT, JSLT),
    EACH(JLE, JSLE),
    EACH(JSLT, JSLE),
    EACH(JGT, JNE),
    EACH(JLE, JEQ),
    BOTH(MOVSX8_64, MOVSX8_32),
    BOTH(MOVSX16_64, MOVSX16_32),
    BOTH(MOVSX8_64, MOVSX16_64),
    BOTH(MOVSX32_64, MOV64_REG),
    BOTH(MOVSX32_64, MOV32_REG),
    BOTH(LE16, LE32),
    BOTH(LE32, LE64),
    BOTH(BE16, LE16),
    BOTH(BE16, BE32),
    BOTH(BE32, BE64),
    BOTH(BE64, LE64),
    BOTH(BSWAP16, BSWAP32),
    BOTH(BSWAP32, BSWAP64),
    BOTH(LDXB, LDXSB),
    BOTH(LDXH, LDXSH),
    BOTH(LDXW, LDXSW),
    {ISA_LDXDW, ISA_LDXW},
    {ISA_LDXW, ISA_LDXH},
    {ISA_LDXH, ISA_LDXB},
    {ISA_STDW, ISA_STW},
    {ISA_STW, ISA_STH},
    {ISA_STH, ISA_STB},
    {ISA_STXDW, ISA_STXW},
    {ISA_STXW, ISA_STXH},
    {ISA_STXH, ISA_STXB},
    {ISA_LDACQ64, ISA_LDACQ32},
    {ISA_LDACQ32, ISA_LDACQ16},
    {ISA_LDACQ16, ISA_LDACQ8},
    {ISA_STREL64, ISA_STREL32},
    {ISA_STREL32, ISA_STREL16},
    {ISA_STREL16, ISA_STREL8},
    PAIR(ATOMIC_ADD, ATOMIC_FETCH_ADD),
    PAIR(ATOMIC_OR, ATOMIC_FETCH_OR),
    PAIR(ATOMIC_AND, ATOMIC_FETCH_AND),
    PAIR(ATOMIC_XOR, ATOMIC_FETCH_XOR),
    PAIR(ATOMIC_ADD, ATOMIC_XOR),
    PAIR(ATOMIC_OR, ATOMIC_XOR),
    PAIR(ATOMIC_FETCH_ADD, XCHG),
    {ISA_CMPXCHG64, ISA_XCHG64},
    {ISA_CMPXCHG32, ISA_XCHG32},
    {ISA_LDABSW, ISA_LDABSH},
    {ISA_LDABSH, ISA_LDABSB},
    {ISA_LDINDW, ISA_LDINDH},
    {ISA_LDINDH, ISA_LDINDB},
    {ISA_LDINDW, ISA_LDABSW},
};

static uint64_t seed = 1, programs = 1000;

struct trial {
    struct progress progress;
    uint64_t needed; /* programs until it was caught; 0: never */
};

static void hunt(const struct judge *judge, enum isa_op op, struct trial *trial)
{
    static struct program program;
    static struct verdict verdict;
    uint64_t state = seed + (uint64_t)op * 0x100000001b3u;
    for (uint64_t number = 1; number <= programs; number++) {
        /* a program that does not end has had its time long before */
        struct itimerval limit = {{0, 0}, {0, 200000}};
        setitimer(ITIMER_VIRTUAL, &limit, NULL);
        trial->progress.judged = number;
        program_generate(&program, random_next(&state), op);
        judge_program(judge, &program, &trial->progress, &verdict);
        if (!verdict_agreed(&verdict)) {
            trial->needed = number;
            return;
        }
    }
}

/* True if the mutant was caught. */
static bool try_mutant(const struct judge *judge, enum side side, enum isa_op op, struct trial *trial)
{
    memset(trial, 0, sizeof(*trial));
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        exit(2);
    }
    if (!child) {
        engine_mutant.engine = side == SIDE_NONE ? NULL : side_names[side];
        engine_mutant.op = (int)op;
        hunt(judge, op, trial);
        _exit(0);
    }
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        trial->needed = trial->progress.judged;
    return trial->needed != 0;
}

int main(int argc, char **argv)
{
    const char *only_engine = NULL, *only_op = NULL;
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (value && !strcmp(name, "--seed")) {
            seed = strtoull(value, NULL, 0);
        } else if (value && !strcmp(name, "--programs")) {
            programs = strtoull(value, NULL, 0);
        } else if (value && !strcmp(name, "--engine")) {
            only_engine = value;
        } else if (value && !strcmp(name, "--op")) {
            only_op = value;
        } else {
            fprintf(stderr, "usage: mutants [--seed S] [--programs N] [--engine NAME] [--op NAME]\n");
            return 2;
        }
    }
    struct judge judge = {.sides = (1u << SIDE_KERNEL) - 1};
    struct trial *trial = mmap(NULL, sizeof(*trial), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (trial == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    unsigned caught = 0, planted = 0, uncaught = 0;
    uint64_t most = 0, sum = 0;
    printf("seed %llu, up to %llu programs a mutant\n", (unsigned long long)seed, (unsigned long long)programs);
    for (enum isa_op op = ISA_INVALID + 1; op < ISA_OPS; op++) {
        if (program_cannot_hold(op) || (only_op && strcmp(only_op, isa_op_name(op))))
            continue;
        for (enum side side = 0; side < SIDE_KERNEL; side++) {
            if (only_engine && strcmp(only_engine, side_names[side]))
                continue;
            planted++;
            if (try_mutant(&judge, side, op, trial)) {
                caught++;
                sum += trial->needed;
                most = trial->needed > most ? trial->needed : most;
            } else {
                printf("survived: %s in %s\n", isa_op_name(op), side_names[side]);
            }
        }
    }
    unsigned near_caught = 0, near_planted = 0;
    for (size_t i = 0; i < sizeof(near_misses) / sizeof(near_misses[0]) && !only_engine; i++) {
        const struct near_miss *miss = &near_misses[i];
        if (only_op && strcmp(only_op, isa_op_name(miss->op)))
            continue;
        struct judge pair = {
            .sides = 1u << SIDE_INTERP | 1u << SIDE_CHECKED, .replaced = miss->op, .replacement = miss->as};
        near_planted++;
        if (try_mutant(&pair, SIDE_NONE, miss->op, trial))
            near_caught++;
        else
            printf("survived: %s taken for %s\n", isa_op_name(miss->op), isa_op_name(miss->as));
    }
    /* Nothing planted, nothing found: else the engines differ by themselves, and the catches above mean nothing. */
    for (enum isa_op op = ISA_INVALID + 1; op < ISA_OPS && !only_op; op++) {
        uint64_t patience = programs;
        if (program_cannot_hold(op))
            continue;
        programs = 20;
        if (try_mutant(&judge, SIDE_NONE, op, trial)) {
            printf("without a mutant, yet they differ: %s\n", isa_op_name(op));
            uncaught++;
        }
        programs = patience;
    }
    printf("caught %u of %u mutants; programs needed: mean %.1f, most %llu\n", caught, planted,
           caught ? (double)sum / caught : 0.0, (unsigned long long)most);
    printf("caught %u of %u near misses\n", near_caught, near_planted);
    return caught == planted && planted && near_caught == near_planted && !uncaught ? 0 : 1;
}

/* SPDX-License-Identifier: MIT
 *
 * Is the judge awake?  Each engine is made to do each operation wrong (engine_mutant, in builds with
 * -DWINBPF_MUTANTS), and random programs about that operation must show that it differs from the two others.  A mutant
 * that crashes, or that does not end, is caught as well: the others did.  One child process a mutant.
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
    return caught == planted && planted && !uncaught ? 0 : 1;
}

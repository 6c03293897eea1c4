/* SPDX-License-Identifier: MIT
 *
 * Do all engines and the Linux kernel mean the same?  Random programs (generate.h) run in each of them, and r0 and
 * memory must be the same; the programs must cover the instruction table, and the kernel must take nearly all of them,
 * or they prove little.
 *
 *   test_kernel_agreement [--programs N] [--seed S] [--sides interp,checked,jit,kernel] [--about OP] [--one SEED]
 *
 * --one judges the program of a printed seed alone (with the printed --about); --about makes all programs about one
 * operation of isa.def.  The programs run in a child process, so that a crash or a hang of an engine is a finding too.
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
#include "platform/os.h"

enum { DEFAULT_PROGRAMS = 20000, ENOUGH_TO_COVER = 5000, MOST_REPORTS = 5 };

static struct {
    uint64_t programs, seed, one;
    bool has_seed, has_one;
    unsigned sides;
    enum isa_op about;
} options = {DEFAULT_PROGRAMS, 0, 0, false, false, (1u << SIDES) - 1, ISA_INVALID};

static unsigned passed, failed, skipped;

static void conclude(const char *what, bool good)
{
    good ? passed++ : failed++;
    if (!good)
        printf("failed: %s\n", what);
}

/* Every second program is about one operation, in turn, so that rare ones are not left to chance. */
static void program_of(uint64_t number, uint64_t *seed, enum isa_op *about)
{
    uint64_t state = options.seed + number * 0x100000001b3u;
    *seed = random_next(&state);
    *about = options.about;
    if (options.about == ISA_INVALID && number & 1) {
        *about = (enum isa_op)(1 + (number >> 1) % (ISA_OPS - 1));
        if (program_cannot_hold(*about))
            *about = ISA_INVALID;
    }
}

/* Where the watched child is. */
struct watch {
    struct progress progress;
    uint64_t number;
    bool disagreed;
};

static void work(const struct judge *judge, struct watch *watch, uint64_t from)
{
    static struct program program;
    static struct verdict verdict;
    uint64_t blocks, bytes, blocks_after, bytes_after;
    os_alloc_live(&blocks, &bytes);
    for (uint64_t number = from; number < options.programs; number++) {
        struct itimerval limit = {{0, 0}, {2, 0}};
        setitimer(ITIMER_VIRTUAL, &limit, NULL);
        watch->number = number;
        program_of(number, &watch->progress.seed, &watch->progress.about);
        program_generate(&program, watch->progress.seed, watch->progress.about);
        judge_program(judge, &program, &watch->progress, &verdict);
        watch->progress.judged++;
        if (!verdict_agreed(&verdict)) {
            watch->disagreed = true;
            return;
        }
        if (!verdict.kernel_refused)
            for (unsigned op = 0; op < ISA_OPS; op++)
                if (watch->progress.used[op] < program.used[op])
                    watch->progress.used[op] = program.used[op];
    }
    os_alloc_live(&blocks_after, &bytes_after);
    if (blocks != blocks_after) {
        printf("the engines leak: %llu blocks\n", (unsigned long long)(blocks_after - blocks));
        fflush(stdout);
        watch->disagreed = true;
    }
}

static void judge_all(const struct judge *judge, struct watch *watch)
{
    unsigned reports = 0;
    for (uint64_t from = 0; from < options.programs && reports < MOST_REPORTS;) {
        watch->disagreed = false;
        fflush(stdout);
        pid_t child = fork();
        if (child < 0) {
            perror("fork");
            exit(2);
        }
        if (!child) {
            work(judge, watch, from);
            _exit(0);
        }
        int status;
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        bool ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (ended && !watch->disagreed)
            break;
        if (!ended)
            printf("the child ended with status %#x in %s\n", status,
                   watch->progress.side < SIDES ? side_names[watch->progress.side] : "the judge");
        judge_report(judge, watch->progress.seed, watch->progress.about);
        reports++;
        from = watch->number + 1;
    }
    conclude("agreement", !reports);
}

static void judge_coverage(const struct watch *watch)
{
    unsigned covered = 0, coverable = 0;
    for (enum isa_op op = ISA_INVALID + 1; op < ISA_OPS; op++) {
        if (program_cannot_hold(op))
            continue;
        coverable++;
        if (watch->progress.used[op] == USE_CERTAIN)
            covered++;
        else
            printf("not covered: %s\n", isa_op_name(op));
    }
    printf("coverage: %u of %u operations (rows x widths x imm/reg) surely run; elsewhere:", covered, coverable);
    for (enum isa_op op = ISA_INVALID + 1; op < ISA_OPS; op++)
        if (program_cannot_hold(op))
            printf(" %s", isa_op_name(op));
    printf("\n");
    if (options.programs < ENOUGH_TO_COVER || options.about != ISA_INVALID)
        printf("coverage is not judged with fewer than %d programs or --about\n", ENOUGH_TO_COVER);
    else
        conclude("coverage of the instruction table", covered == coverable);
}

/* may_goto's budget is beyond random programs: a loop without end must leave after 8,388,608 passes. */
static void judge_budget(const struct judge *judge)
{
    static const struct insn insns[] = {
        {0xb7, 0, 0, 0}, {0xe5, 0, 2, 0}, {0x07, 0, 0, 1}, {0x05, 0, -3, 0}, {0x95, 0, 0, 0},
    };
    static const struct engine *const engines[] = {&engine_interp, &engine_checked, &engine_jit};
    struct image_func function = {.name = "main"};
    struct image image = {.name = "budget",
                          .section = "tc",
                          .license = "MIT",
                          .insn_count = sizeof(insns) / sizeof(insns[0]),
                          .func_count = 1,
                          .insns = insns,
                          .funcs = &function};
    struct binding binding = {.image = &image};
    struct {
        struct context_header header;
        uint8_t bytes[WORLD_PACKET];
    } context = {0};
    bool good = true;
    for (enum side side = 0; side < SIDE_KERNEL; side++) {
        struct code *code;
        struct run run = {.context = context.bytes, .raw_length = WORLD_PACKET, .budget = UINT32_MAX};
        if (!(judge->sides >> side & 1))
            continue;
        if (engines[side]->compile(&binding, &os_allocator, &os_executable, NULL, &code) != RESULT_OK) {
            printf("may_goto: %s refuses it\n", side_names[side]);
            good = false;
            continue;
        }
        if (engines[side]->run(code, &run) != RESULT_OK || run.r0 != 8388608) {
            printf("may_goto: %s passes %llu times\n", side_names[side], (unsigned long long)run.r0);
            good = false;
        }
        engines[side]->destroy(code);
    }
    conclude("may_goto's budget", good);
}

static int usage(const char *why, const char *what)
{
    fprintf(stderr,
            "%s %s\nusage: test_kernel_agreement [--programs N] [--seed S] [--sides interp,checked,jit,kernel] "
            "[--about OP] [--one SEED]\n",
            why, what);
    return 2;
}

static bool parse_sides(const char *list)
{
    options.sides = 0;
    while (*list) {
        size_t length = strcspn(list, ",");
        enum side side = 0;
        while (side < SIDES && (strlen(side_names[side]) != length || strncmp(list, side_names[side], length)))
            side++;
        if (side == SIDES)
            return false;
        options.sides |= 1u << side;
        list += length + (list[length] == ',');
    }
    return options.sides != 0;
}

static bool parse_op(const char *name)
{
    for (enum isa_op op = ISA_INVALID + 1; op < ISA_OPS; op++)
        if (!strcmp(isa_op_name(op), name)) {
            options.about = op;
            return !program_cannot_hold(op);
        }
    return false;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!value)
            return usage("no value for", name);
        if (!strcmp(name, "--programs")) {
            options.programs = strtoull(value, NULL, 0);
        } else if (!strcmp(name, "--seed")) {
            options.seed = strtoull(value, NULL, 0);
            options.has_seed = true;
        } else if (!strcmp(name, "--one")) {
            options.one = strtoull(value, NULL, 0);
            options.has_one = true;
        } else if (!strcmp(name, "--sides")) {
            if (!parse_sides(value))
                return usage("unknown side in", value);
        } else if (!strcmp(name, "--about")) {
            if (!parse_op(value))
                return usage("no program can be about", value);
        } else {
            return usage("unknown option", name);
        }
    }
    struct judge judge = {.sides = options.sides};
    const char *why = NULL;
    if (judge.sides >> SIDE_KERNEL & 1 && !oracle_open(&judge.oracle, &why))
        judge.sides &= ~(1u << SIDE_KERNEL);
    if (options.has_one) {
        static struct program program;
        static struct verdict verdict;
        program_generate(&program, options.one, options.about);
        judge_program_apart(&judge, &program, &verdict);
        if (!verdict_agreed(&verdict)) {
            judge_report(&judge, options.one, options.about);
            return 1;
        }
        printf("agreed%s\n", verdict.kernel_refused ? "; the kernel refused the program" : "");
        return 0;
    }
    if (!options.has_seed)
        os_random(&options.seed, sizeof(options.seed));
    printf("seed %llu, %llu programs\n", (unsigned long long)options.seed, (unsigned long long)options.programs);
    struct watch *watch = mmap(NULL, sizeof(*watch), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (watch == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    judge_all(&judge, watch);
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("judged %llu programs on %d inputs each in %.1f s\n", (unsigned long long)watch->progress.judged,
           JUDGE_INPUTS, (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
    judge_coverage(watch);
    if (judge.sides & ((1u << SIDE_KERNEL) - 1))
        judge_budget(&judge);
    if (judge.sides >> SIDE_KERNEL & 1) {
        uint64_t offered = watch->progress.kernel_offered, took = watch->progress.kernel_took;
        printf("the kernel took %llu of %llu programs offered\n", (unsigned long long)took,
               (unsigned long long)offered);
        conclude("the kernel takes 95 % of the programs", took * 100 >= offered * 95);
    } else if (why) {
        printf("skipped: the kernel's answers: %s\n", why);
        skipped++;
    }
    printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
    return failed ? 1 : 0;
}

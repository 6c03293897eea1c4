/* SPDX-License-Identifier: MIT
 *
 * Is the judge of the verifier's soundness any good?  One fault after the other is switched on in a verifier that
 * holds them all (mutants.txt, planted by plant.py); the judge has to find each with random programs, from the same
 * seed on.  A fault in the sets of numbers is for the judge of the sets, which is a program of its own beside this one.
 * Without a fault neither may find anything.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "verify/sound.h"
#include "verify_mutants.h"

int verify_mutant;

enum { MUTANTS = sizeof mutant_names / sizeof *mutant_names, AT_ONCE = 2 };

struct trial {
    uint64_t programs;
    bool caught, report;
};

static uint64_t seed = 1, programs = 4000;
static unsigned seconds = 150; /* of CPU time, for one fault */

/* Does the judge of the sets find this fault?  Counted as one program. */
static bool sets_judge(int mutant)
{
    char command[4300], self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = 0;
    snprintf(command, sizeof command, "VERIFY_MUTANT=%d WINBPF_EFFORT=quick '%s_sets' >/dev/null 2>&1", mutant, self);
    int status = system(command);
    return WIFEXITED(status) && WEXITSTATUS(status) == 1; /* found; a crash is no catch */
}

static void hunt(struct trial *trial, int mutant)
{
    static struct sound_count count;
    static struct sound_failure failure;
    static struct recipe recipe;
    if (!mutant || !strcmp(mutant_files[mutant - 1], "scalar.c")) {
        trial->programs = 1;
        trial->caught = sets_judge(mutant);
    }
    sound_begin();
    for (uint64_t i = 0; i < programs && !trial->caught && clock() / CLOCKS_PER_SEC < (clock_t)seconds; i++) {
        recipe_generate(&recipe, seed + i);
        trial->programs = i + 1;
        trial->caught = !sound_judge(&recipe, 12, &count, &failure);
    }
    if (trial->caught && trial->report && trial->programs > 1)
        sound_report(&failure);
    sound_end();
}

static pid_t start(struct trial *trial, int mutant)
{
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        exit(2);
    }
    if (!child) {
        verify_mutant = mutant;
        hunt(trial, mutant);
        fflush(stdout);
        _exit(0);
    }
    return child;
}

int main(int argc, char **argv)
{
    const char *only = NULL;
    bool list = false;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!strcmp(name, "--list")) {
            list = true;
            continue;
        }
        i++;
        if (value && !strcmp(name, "--seed")) {
            seed = strtoull(value, NULL, 0);
        } else if (value && !strcmp(name, "--programs")) {
            programs = strtoull(value, NULL, 0);
        } else if (value && !strcmp(name, "--seconds")) {
            seconds = (unsigned)strtoul(value, NULL, 0);
        } else if (value && !strcmp(name, "--mutant")) {
            only = value;
        } else {
            fprintf(stderr, "usage: verify_mutants [--list] [--seed S] [--programs N] [--seconds N] [--mutant NAME]\n");
            return 2;
        }
    }
    struct trial *trials =
        mmap(NULL, (MUTANTS + 1) * sizeof *trials, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (trials == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    memset(trials, 0, (MUTANTS + 1) * sizeof *trials);
    pid_t running[MUTANTS + 1];
    bool crashed[MUTANTS + 1] = {false};
    unsigned caught = 0, planted = 0, under_way = 0;
    int next = 0;
    uint64_t sum = 0, most = 0;
    memset(running, 0, sizeof running);
    trials[0].report = true; /* nothing planted, nothing found: else the catches mean nothing */
    while (next <= MUTANTS || under_way) {
        if (next <= MUTANTS && under_way < AT_ONCE) {
            int mutant = next++;
            if (mutant && only && strcmp(only, mutant_names[mutant - 1]))
                continue;
            trials[mutant].report |= only != NULL;
            if (!mutant) {
                uint64_t all = programs;
                programs = 200;
                running[mutant] = start(&trials[mutant], mutant);
                programs = all;
            } else {
                planted++;
                running[mutant] = start(&trials[mutant], mutant);
            }
            under_way++;
            continue;
        }
        int status;
        pid_t child = wait(&status);
        if (child < 0 && errno == EINTR)
            continue;
        if (child < 0)
            break;
        for (int i = 0; i <= MUTANTS; i++)
            if (running[i] == child) {
                under_way--;
                crashed[i] = !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
                if (list && i)
                    printf("%s: %s %llu programs\n", mutant_names[i - 1],
                           trials[i].caught ? "caught after"
                           : crashed[i]     ? "crashed after"
                                            : "not caught by",
                           (unsigned long long)trials[i].programs);
                fflush(stdout);
            }
    }
    for (int i = 1; i <= MUTANTS; i++) {
        if (!running[i])
            continue;
        if (trials[i].caught) { /* a crash is no catch: the judge has to see what is wrong with the program */
            caught++;
            sum += trials[i].programs;
            most = trials[i].programs > most ? trials[i].programs : most;
        } else {
            printf("survived: %s (%llu programs%s)\n", mutant_names[i - 1], (unsigned long long)trials[i].programs,
                   crashed[i] ? ", then a crash" : "");
        }
    }
    bool clean = !trials[0].caught && !crashed[0];
    if (!clean)
        printf("without a fault planted, yet the judge finds one\n");
    printf("caught %u of %u faults planted in the verifier; programs needed: mean %.1f, most %llu\n", caught, planted,
           caught ? (double)sum / caught : 0.0, (unsigned long long)most);
    return caught == planted && planted && clean ? 0 : 1;
}

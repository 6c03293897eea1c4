/* SPDX-License-Identifier: MIT
 *
 * The judge: runs one program in every engine on the same inputs, and says whether they gave the same answer.  An
 * answer is r0 and all of the program's memory; the kernel's r0 is known by its low half only (the whole is in memory).
 * Refusing a program and failing in it are answers too.
 */
#ifndef WINBPF_TESTS_KERNEL_JUDGE_H
#define WINBPF_TESTS_KERNEL_JUDGE_H

#include "kernel/generate.h"
#include "kernel/oracle.h"

enum side { SIDE_INTERP, SIDE_CHECKED, SIDE_JIT, SIDE_KERNEL, SIDES, SIDE_NONE = SIDES };

extern const char *const side_names[SIDES];

enum { JUDGE_INPUTS = 3 };

struct judge {
    unsigned sides; /* bit per enum side */
    struct oracle oracle;
    /* Not ISA_INVALID: the plain interpreter gets the program with the one operation turned into the other. */
    enum isa_op replaced, replacement;
};

/* Where a judge is, in memory shared with whoever watches it. */
struct progress {
    uint64_t seed;
    enum isa_op about;
    enum side side;
    uint64_t judged, kernel_offered, kernel_took;
    uint8_t used[ISA_OPS];
};

struct outcome {
    bool asked, failed;
    uint64_t r0;
    char note[200]; /* why it failed */
    uint8_t memory[WORLD_MEMORY];
};

struct verdict {
    unsigned failed, different; /* sides that failed; that differ from the first that was asked */
    bool kernel_refused;
    enum side died; /* whom a signal stopped; SIDE_NONE: nobody */
    int signal;
    unsigned input; /* of the disagreement */
    struct outcome outcomes[SIDES];
};

static inline bool verdict_agreed(const struct verdict *verdict)
{
    return !verdict->failed && !verdict->different && verdict->died == SIDE_NONE;
}

/* Judges in this process; `progress` may be NULL. */
void judge_program(const struct judge *judge, const struct program *program, struct progress *progress,
                   struct verdict *verdict);

/* Judges in a child process, which may crash or hang (for at most 0.3 s) without harm. */
void judge_program_apart(const struct judge *judge, const struct program *program, struct verdict *verdict);

/* Prints a disagreement: verdict, smallest program found that shows it, and how the answers differ.  `about` as given
 * to program_generate. */
void judge_report(const struct judge *judge, uint64_t seed, enum isa_op about);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The judge of the verifier's soundness: what the verifier accepts, the checked interpreter, which believes nothing,
 * runs on many inputs.  A fault there, or more instructions than the verdict's worst case, is a hole in the verifier.
 *
 * Most random programs are refused or harmless, so the judge looks for the verifier's limits:
 *
 *   repair   a refused program loses the instruction that was refused, until the rest is accepted
 *   tighten  a constant that a bound depends on is moved as far as the verifier still accepts
 *   claim    a register's number at some place is seen in a run; then the program is given an instruction that may not
 *            be executed, reached only with just that number: the verifier must not take it for dead code
 *
 * The world lies: helpers answer as they like inside their prototypes, map values change at each call.
 */
#ifndef WINBPF_TESTS_VERIFY_SOUND_H
#define WINBPF_TESTS_VERIFY_SOUND_H

#include "engine/engine.h"
#include "image/image.h"
#include "isa/isa.h"
#include "verify/generate_program.h"
#include "verify/verify.h"

struct sound_count {
    uint64_t programs, malformed, accepted, repaired, variants, claims, runs, instructions;
    uint64_t verify_steps;
    uint64_t worst_reached;                        /* runs that took exactly as long as the worst case says */
    uint32_t ops[ISA_OPS], helpers[WORLD_HELPERS]; /* accepted programs that hold it */
};

/* Why a program that was accepted is not safe. */
struct sound_failure {
    const char *how; /* "as generated", "tightened", "claimed" */
    struct recipe recipe;
    uint64_t input; /* seed */
    enum result result;
    struct code_fault fault;
    uint64_t executed, worst_case;
};

void sound_begin(void);
void sound_end(void);

/* The world for programs of a type: an image around `recipe`, valid until the next call. */
const struct image *sound_image(const struct recipe *recipe);

/* The verifier's answer; *result is valid until the next call. */
bool sound_accepts(const struct recipe *recipe, struct verify_result *result);

/* Runs an accepted program on the input of a seed; false with *failure when it goes wrong. */
bool sound_run(const struct recipe *recipe, uint64_t worst_case, uint64_t input, struct sound_failure *failure);

/* All of the above on one random program; false with *failure on a hole. */
bool sound_judge(struct recipe *recipe, unsigned inputs, struct sound_count *count, struct sound_failure *failure);

/* A program from elsewhere in this world's terms: its maps are made here, no larger than need be.  False: it is of a
 * type, or calls helpers, that are not here, or is too large.  One at a time. */
bool sound_adopt(const struct image *real, struct recipe *recipe);

/* Changes an adopted program in up to three places, by `seed`; 0: not at all. What is accepted then, is run. */
bool sound_judge_changed(const struct recipe *original, uint64_t seed, unsigned inputs, struct sound_count *count,
                         struct sound_failure *failure);

/* Takes away what the failure does not need, then prints it. */
void sound_report(struct sound_failure *failure);

#endif

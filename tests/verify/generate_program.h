/* SPDX-License-Identifier: MIT
 *
 * Random programs for the judge of the verifier's soundness.  A program is a function of its seed.  Unlike those of
 * tests/kernel it is not made to be safe: most of it is what a compiler would write (bounds are checked, results of
 * lookups compared with NULL, loops counted), but every bound, offset and register is sometimes another.
 *
 * All programs live in one *world* of maps and helpers, named by index (enum world_map, enum world_helper).
 *
 * A program has *sites*, four instructions that do nothing: there the judge asks whether a register may hold a given
 * number.  It has *tunes* too: constants that a bound depends on, which the judge moves as far as the verifier lets it.
 */
#ifndef WINBPF_TESTS_VERIFY_GENERATE_PROGRAM_H
#define WINBPF_TESTS_VERIFY_GENERATE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "contract/contract.h"
#include "isa/insn.h"

enum world_map {
    WORLD_ARRAY,  /* 4 values of 64 bytes */
    WORLD_HASH,   /* keys of 8, values of 48 */
    WORLD_TAILS,  /* prog array */
    WORLD_RING,   /* ring buffer */
    WORLD_GLOBAL, /* array of one value of 96 bytes, reached directly */
    WORLD_CONST,  /* frozen: 32 bytes */
    WORLD_OUTER,  /* array of maps like WORLD_ARRAY */
    WORLD_MAPS
};

enum {
    WORLD_ARRAY_SIZE = 64,
    WORLD_ARRAY_COUNT = 4,
    WORLD_HASH_SIZE = 48,
    WORLD_GLOBAL_SIZE = 96,
    WORLD_CONST_SIZE = 32
};

enum world_helper {
#define HELPER(NAME, linux_id, xdp_id, bind_id) WORLD_##NAME,
#include "generate_helpers.def"
    WORLD_HELPERS,
    WORLD_GENERATED = WORLD_TRACE_PRINTK /* helpers before this one are what random programs call */
};

enum world_type { WORLD_LINUX_XDP, WORLD_EFW_XDP, WORLD_EFW_BIND, WORLD_TYPES };

/* The helper's id for programs of a type, or -1. */
int32_t world_helper_id(enum world_type type, enum world_helper helper);
enum personality world_personality(enum world_type type);
uint32_t world_prog_type(enum world_type type);

enum {
    RECIPE_INSNS = 1024,
    RECIPE_FUNCS = 8,
    GENERATED_FUNCS = 4,
    RECIPE_SITES = 6,
    RECIPE_TUNES = 48,
    SITE_INSNS = 5
};

struct site {
    uint32_t at;
    uint8_t reg, temporary; /* the register that is asked about; one that may be written */
};

struct tune {
    uint32_t at;
    bool is_imm; /* its imm, else its off */
    int8_t step; /* in which direction less is proven */
};

struct recipe {
    uint64_t seed;
    uint32_t flags; /* VERIFY_UNINIT_STACK: the stack may be read before it is written */
    bool adopted;   /* its maps are those of the program adopted last, not the world's */
    enum world_type type;
    uint32_t count, func_count, site_count, tune_count;
    uint32_t funcs[RECIPE_FUNCS];
    struct site sites[RECIPE_SITES];
    struct tune tunes[RECIPE_TUNES];
    struct insn insns[RECIPE_INSNS];
};

void recipe_generate(struct recipe *recipe, uint64_t seed);

/* The same, with the first choices made by `choices`: a fuzzer's way to look for programs. */
void recipe_generate_from(struct recipe *recipe, uint64_t seed, const uint8_t *choices, size_t count);

/* Next number of a generator whose state is *state. */
uint64_t recipe_random(uint64_t *state);

/* One with many bits alike: small, near a power of two, or any. */
uint64_t recipe_edge(uint64_t *state);

#endif

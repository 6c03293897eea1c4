/* SPDX-License-Identifier: MIT
 *
 * Random programs that every engine and the Linux kernel must run alike.  A program is a function of its seed.  It is
 * in image form (maps and helpers by index) and is built so that the kernel's verifier has nothing to object to:
 * registers are read only after they were written, pointers are never stored, compared or returned, each access
 * stays inside its region, loops are counted.  Its world is
 *
 *   map 0   array of one value, the *buffer*: input, scratch memory, and at its end what the registers held at exit
 *   map 1   array of 8 values of 24 bytes, the *table*: for the map helpers
 *   packet  the context's 64 bytes, read by the classic packet loads only
 *
 * The two maps' values together are the program's memory, and are compared after it ran.
 */
#ifndef WINBPF_TESTS_KERNEL_GENERATE_H
#define WINBPF_TESTS_KERNEL_GENERATE_H

#include <stdbool.h>
#include <stdint.h>
#include "isa/isa.h"

enum {
    WORLD_RESULTS = 240, /* offset in the buffer of the ten registers at exit */
    WORLD_BUFFER = 320,
    WORLD_ENTRIES = 8, /* of the table */
    WORLD_VALUE = 24,
    WORLD_TABLE = WORLD_ENTRIES * WORLD_VALUE,
    WORLD_MEMORY = WORLD_BUFFER + WORLD_TABLE,
    WORLD_PACKET = 64,
};

/* The helpers a program may call; a call's imm is one of these. */
enum world_helper { WORLD_LOOKUP, WORLD_UPDATE, WORLD_DELETE, WORLD_CSUM_DIFF, WORLD_HELPERS };

enum { PROGRAM_CAPACITY = 2048, PROGRAM_FUNCTIONS = 8 };

/* How surely an operation runs when its program does. */
enum program_use { USE_NONE, USE_POSSIBLE, USE_CERTAIN };

struct program {
    uint64_t seed;
    bool kernel; /* the kernel takes it too: no callx, no constant shift beyond the width, no division by constant 0 */
    uint32_t count, function_count;
    uint32_t functions[PROGRAM_FUNCTIONS]; /* first instruction of each, main first */
    uint8_t used[ISA_OPS];                 /* enum program_use */
    struct insn insns[PROGRAM_CAPACITY];
};

/* The program of a seed.  With `about` an operation, the program is about it: half of its statements are that
 * operation; ISA_INVALID for none. */
void program_generate(struct program *program, uint64_t seed, enum isa_op about);

/* Contents for memory and packet: a mixture of random bytes and values at the edges of every width. */
void world_fill(uint64_t seed, uint8_t memory[WORLD_MEMORY], uint8_t packet[WORLD_PACKET]);

/* Why no program can hold this operation, and who tests it instead; NULL for an operation that programs do hold. */
const char *program_cannot_hold(enum isa_op op);

/* Turns each `op` of the program into `as`, an operation that takes the same operands. */
void program_replace(struct program *program, enum isa_op op, enum isa_op as);

/* Next number of a generator whose state is *state. */
uint64_t random_next(uint64_t *state);

#endif

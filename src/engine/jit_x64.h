/* SPDX-License-Identifier: MIT
 *
 * The x86-64 JIT with its parameters.  engine_jit is this with those of the machine it runs on; tests choose others.
 *
 * The JIT trusts its input, as the plain interpreter does: a program was verified, and its context accesses were
 * lowered to the provider's layout, before it comes here.
 */
#ifndef WINBPF_ENGINE_JIT_X64_H
#define WINBPF_ENGINE_JIT_X64_H

#include "engine/engine.h"

struct jit_target {
    bool win64; /* entry and helpers follow the Microsoft x64 convention; otherwise System V's */
    bool bmi2;  /* the machine has BMI2: shlx, shrx, sarx, rorx, mulx */
    bool movbe;
};

/* What this machine has, and the platform's convention. */
struct jit_target jit_x64_host(void);

/* engine.compile for one target. */
enum result jit_x64_compile(const struct jit_target *target, const struct binding *binding,
                            const struct allocator *memory, const struct executable *exec, const struct diag *diag,
                            struct code **out);

/* Where a compiled program lives: data (slots) first, code from data_size on; position-independent as a whole. */
struct jit_layout {
    const void *memory;
    size_t size, data_size, code_size;
};
struct jit_layout jit_x64_layout(const struct code *code);

#endif

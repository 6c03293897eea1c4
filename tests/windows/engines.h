/* SPDX-License-Identifier: MIT
 *
 * What test_engines.exe asks of engines.sys: one raw program (tests/conformance/raw.h) compiled and run by one engine.
 * The program is trusted as nobody else's is, so this driver is for tests alone: it ships nowhere, and ebpfcore.sys has
 * no such door.
 */
#ifndef WINBPF_TESTS_WINDOWS_ENGINES_H
#define WINBPF_TESTS_WINDOWS_ENGINES_H

#include <stdint.h>

enum {
    ENGINES_MAPS = 4,
    ENGINES_MEMORY = 4096,
    ENGINES_INSNS = 70000,
    ENGINES_IOCTL = 0x22 << 16 | 3 << 14 | 0x900 << 2 | 0,
};

/* Then `count` instructions of the program and `tail_count` of its tail, 8 bytes each.  The answer is the head alone.
 */
struct engines_request {
    uint32_t engine; /* 0 interp, 1 checked, 2 jit */
    uint32_t count, tail_count, memory_length, map_count;
    struct {
        uint32_t kind, key_size, value_size, max_entries, flags;
    } maps[ENGINES_MAPS];
    uint8_t memory[ENGINES_MEMORY];
    /* Answer. */
    int32_t opened, ran; /* enum result; opened: of compiling */
    uint64_t r0;
    char reason[200];
};

#endif
